//! The compiler of one host in one play: what it keeps while it walks the tasks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::frame::{Frame, RoleInstance};
use super::listen::Listeners;
use super::login::Login;
use super::lookups::{Log, Reach};
use super::magic::{MAGIC, magic};
use super::requisites::Requests;
use super::scope::Names;
use super::{Driver, Project, Stop, diagnose};
use crate::apply::SegmentReport;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Binding, BlockId, Builder, Node, NodeId, Order, Segment};
use crate::parse::{Item, Play};
use crate::source::Span;
use crate::template::{EvalError, Layout, Shape, Template, Term, TermScope};
use crate::value::{Map, Value};
use crate::variables::{Layer, LayerKind, Terms};
use crate::yaml::Node as Yaml;

/// The hosts of a play, for magic variables.
#[derive(Clone, Debug, Default)]
pub struct PlayHosts {
    /// All of them.
    pub all: Arc<Vec<Arc<str>>>,
    /// Those of this batch.
    pub batch: Arc<Vec<Arc<str>>>,
    /// More plays follow, which may use what tasks of this one set.
    pub more_plays: bool,
    /// Plays came before, whose tasks may have made files.
    pub earlier_plays: bool,
    /// Nothing is run: this is for mistakes, or to look at the graph.
    pub rehearsal: bool,
    /// Both as values, made once for all hosts.
    values: Arc<OnceLock<(Value, Value)>>,
}

impl PlayHosts {
    /// The hosts of a play and of a batch of it.
    pub fn new(all: Vec<Arc<str>>, batch: Vec<Arc<str>>) -> Self {
        Self { all: Arc::new(all), batch: Arc::new(batch), ..Self::default() }
    }

    /// Both lists as values.
    pub(super) fn values(&self) -> &(Value, Value) {
        let names = |names: &[Arc<str>]| Value::list(names.iter().map(Value::str));
        self.values.get_or_init(|| (names(&self.all), names(&self.batch)))
    }
}

/// What is known of a host's facts.
#[derive(Clone, Debug)]
pub enum Facts {
    /// They were read.
    Known(Arc<Map>),
    /// Nobody has asked the host yet: whatever depends on them is unknown.
    Unknown,
}

/// Compiles a play for a host.
pub struct HostCompiler<'a> {
    pub(super) project: &'a Arc<Project>,
    pub(super) play: &'a Play,
    pub(super) host: Arc<str>,
    pub(super) hosts: PlayHosts,
    pub(super) facts: Facts,
    pub(super) facts_layer: Arc<Layer>,
    pub(super) host_layers: Vec<Arc<Layer>>,
    pub(super) play_layers: Vec<Arc<Layer>>,
    pub(super) included_vars: Vec<Arc<Layer>>,
    pub(super) roles: Vec<Arc<RoleInstance>>,
    pub(super) runtime: Arc<BTreeMap<String, Value>>,
    /// The names of what `set_fact` sets for runs to come.
    pub(super) cacheable: BTreeSet<String>,
    pub(super) driver: &'a mut dyn Driver,
    pub(super) builder: Builder,
    pub(super) nodes: Vec<Node>,
    pub(super) bindings: Vec<Binding>,
    pub(super) binding_index: HashMap<String, Vec<u32>>,
    pub(super) rescues: Vec<BlockId>,
    pub(super) next_node: NodeId,
    pub(super) next_block: BlockId,
    /// The roles whose tasks were compiled so far.
    pub(super) roles_run: Vec<Arc<RoleInstance>>,
    pub(super) handlers: Vec<(Item, Frame)>,
    pub(super) requests: Requests,
    pub(super) listeners: Listeners,
    pub(super) failed_blocks: BTreeSet<BlockId>,
    pub(super) mistakes: bool,
    /// Hosts that have failed or were lost, as of the last time the hosts met.
    pub(super) gone: Arc<BTreeSet<Arc<str>>>,
    /// Where in the play the walk is: the indices of sections, blocks, includes and tasks.
    pub(super) place: Vec<u32>,
    /// The inventory the magic variables were made of.
    pub(super) inventory_version: u64,
    /// The inventory the host's layers were made of.
    pub(super) layers_version: u64,
    /// Other hosts wait for what this one is doing.
    pub(super) alone: bool,
    /// Hosts meet before every task.
    pub(super) lockstep: bool,
    /// Some tasks are known after apply only: what is not defined here may be set by them.
    pub(super) open_ended: bool,
    /// What was compiled last sets variables under names that are known late.
    pub(super) late_names: bool,
    /// A failure of what was compiled last stops all hosts.
    pub(super) fatal: bool,
    /// The blocks around that.
    pub(super) fatal_blocks: Vec<crate::graph::BlockRef>,
    /// What tasks that were compiled and have not run are to set, and what it was before.
    pub(super) expected: BTreeMap<String, Option<Value>>,
    /// At how many places a failure of all was taken in.
    pub(super) seen_failures: usize,
    /// How blocks and the host came out so far.
    pub(super) so_far: SegmentReport,
    pub(super) started: Instant,
    /// What was looked up for the task that is compiled.
    pub(super) lookups: Arc<Log>,
    /// Tasks work on the controller itself, or have done so.
    pub(super) here: bool,
    /// Tasks that may make files were compiled.
    pub(super) worked: bool,
    pub(super) magic_cache: Arc<BTreeMap<String, Value>>,
    pub(super) hostvars: RefCell<Option<super::hostvars::Source>>,
}

impl<'a> HostCompiler<'a> {
    /// Prepares to compile `play` for `host`.
    pub fn new(
        project: &'a Arc<Project>,
        play: &'a Play,
        host: Arc<str>,
        hosts: PlayHosts,
        facts: Facts,
        driver: &'a mut dyn Driver,
        carried: BTreeMap<String, Value>,
    ) -> Self {
        let facts_layer = Arc::new(facts_layer(&facts));
        let host_layers = project.host_layers(&host, &play.dir);
        let order = match play.keywords.get(crate::parse::Keyword::Order).and_then(Yaml::text) {
            Some("explicit") => Order::Explicit,
            _ => Order::Written,
        };
        let here = works_here(project, play, &host, &host_layers);
        let magic_cache = Arc::new(magic(project, play, &host, &hosts));
        Self {
            project,
            play,
            host,
            hosts,
            facts,
            facts_layer,
            host_layers,
            play_layers: Vec::new(),
            included_vars: Vec::new(),
            roles: Vec::new(),
            runtime: Arc::new(carried),
            cacheable: BTreeSet::new(),
            alone: false,
            driver,
            builder: Builder::new(order),
            nodes: Vec::new(),
            bindings: Vec::new(),
            binding_index: HashMap::new(),
            rescues: Vec::new(),
            next_node: 0,
            next_block: 0,
            handlers: Vec::new(),
            roles_run: Vec::new(),
            requests: Requests::default(),
            listeners: Listeners::default(),
            failed_blocks: BTreeSet::new(),
            mistakes: false,
            place: Vec::new(),
            gone: Arc::default(),
            inventory_version: project.inventory.version(),
            layers_version: project.inventory.version(),
            lockstep: false,
            fatal: false,
            fatal_blocks: Vec::new(),
            seen_failures: 0,
            expected: BTreeMap::new(),
            open_ended: false,
            late_names: false,
            so_far: SegmentReport::default(),
            started: Instant::now(),
            lookups: Arc::default(),
            here,
            worked: false,
            magic_cache,
            hostvars: RefCell::default(),
        }
    }

    /// Takes in what tasks have made of the inventory meanwhile: groups that the host is in now have variables.
    pub(super) fn regroup(&mut self) {
        let version = self.project.inventory.version();
        if version != self.layers_version {
            self.layers_version = version;
            self.host_layers = self.project.host_layers(&self.host, &self.play.dir);
            self.hostvars.take();
        }
    }

    /// Begins the play on the host.
    ///
    /// # Errors
    /// Where the host is lost.
    pub fn begin(&mut self, prologue: crate::graph::Prologue) -> Result<(), Stop> {
        self.driver.begin(prologue)
    }

    /// As whom the play works by default.
    pub fn play_become(&mut self) -> Option<crate::graph::Become> {
        let keywords = self.play.keywords.clone();
        let frame = Frame { dir: self.play.dir.clone(), ..Frame::default() };
        self.become_of(&frame, &keywords, self.play.span).ok().flatten()
    }

    /// The variables that say how the host is reached, as the play says it or a task. `local` makes that this machine itself.
    pub fn connection_scope(&self, local: bool, login: &Login) -> Arc<TermScope> {
        let mut layer = Layer::new(LayerKind::Play);
        let mut add = |name: &str, value: Term| {
            layer.entries.insert(Arc::from(name), crate::variables::Definition { term: value, origin: None });
        };
        for (keyword, name) in super::login::KEYWORDS {
            if let Some(node) = self.play.keywords.get(keyword) {
                add(name, self.term(node));
            }
        }
        login.keywords.iter().for_each(|(name, value)| add(name, Term::Value(value.clone())));
        if local {
            add("ansible_connection", Term::Value(Value::str("local")));
        }
        let frame = Frame { dir: self.play.dir.clone(), ..Frame::default() };
        let mut names = self.names(&frame, Vec::new());
        // Variables of the inventory are stronger than the keywords of a play.
        names.layers.push(Arc::new(layer));
        names.layers.insert(0, Login::layer(LayerKind::Task, &login.variables));
        names.facts_unknown = false;
        TermScope::new(self.project.engine.clone(), Arc::new(names))
    }

    /// The names the inventory defines for the host.
    pub fn inventory_names(&self) -> BTreeSet<String> {
        let layers = self.host_layers.iter().chain(std::iter::once(&self.project.extra));
        layers.flat_map(|layer| layer.entries.keys().map(ToString::to_string)).collect()
    }

    /// Every definition of a variable, the one that wins first.
    pub fn definitions_of(&self, name: &str) -> Vec<(LayerKind, crate::variables::Definition)> {
        let frame = Frame { dir: self.play.dir.clone(), ..Frame::default() };
        let names = self.names(&frame, Vec::new());
        names.layers.iter().filter_map(|layer| Some((layer.kind, layer.get(name)?.clone()))).collect()
    }

    /// The value of a variable, as far as it is known without the host.
    pub fn value_of(&self, name: &str) -> Option<Value> {
        let frame = Frame { dir: self.play.dir.clone(), ..Frame::default() };
        let value = crate::template::Scope::get(self.scope(&frame, Vec::new()).as_ref(), name).ok()??;
        (!value.has_unknown()).then_some(value)
    }

    /// What tasks have set, for the next play.
    pub fn carried(&self) -> BTreeMap<String, Value> {
        self.runtime.as_ref().clone()
    }

    /// What tasks have set that is to be kept from one run to the next.
    pub fn cacheable(&self) -> Map {
        let known = |name: &String| Some((Arc::from(name.as_str()), self.runtime.get(name)?.clone()));
        self.cacheable.iter().filter_map(known).filter(|(_, value): &(Arc<str>, Value)| !value.has_unknown()).collect()
    }

    /// Says whether the host has failed, as things stand.
    pub fn host_failed(&self) -> bool {
        self.so_far.failed
    }

    /// Reports a mistake.
    pub(super) fn mistake(&mut self, diagnostic: Diagnostic) {
        self.mistakes |= diagnostic.severity == crate::diagnostic::Severity::Error;
        self.project.files.report(diagnostic);
    }

    /// Makes terms of nodes.
    pub(super) fn terms<'t>(&'t self, report: &'t dyn Fn(Diagnostic)) -> Terms<'t> {
        Terms { sources: &self.project.files.sources, vault: &self.project.files.vault, report }
    }

    /// The term of a node.
    pub(super) fn term(&self, node: &Yaml) -> Term {
        let report = |diagnostic| self.project.files.report(diagnostic);
        self.terms(&report).term(node)
    }

    /// The terms of a condition.
    pub(super) fn condition(&self, node: &Yaml) -> Vec<Term> {
        let report = |diagnostic| self.project.files.report(diagnostic);
        self.terms(&report).condition(node)
    }

    /// A layer of a mapping; something else is a mistake.
    pub(super) fn layer(&mut self, kind: LayerKind, node: &Yaml) -> Arc<Layer> {
        match node.as_map() {
            Some(entries) => {
                let report = |diagnostic| self.project.files.report(diagnostic);
                Arc::new(Layer::of(kind, entries, &self.terms(&report)))
            }
            None => {
                if !node.is_null() {
                    let message = format!("variables are a mapping; found {}", node.type_name());
                    self.mistake(Diagnostic::error(Code::WrongShape, message).at(node.span, ""));
                }
                Arc::new(Layer::new(kind))
            }
        }
    }

    /// The names a task sees.
    pub(super) fn names(&self, frame: &Frame, locals: Vec<(String, Value)>) -> Names {
        let mut layers: Vec<Arc<Layer>> = vec![self.project.extra.clone()];
        let of = |kind: LayerKind| frame.vars.iter().filter(move |layer| layer.kind == kind).cloned();
        layers.extend(of(LayerKind::IncludeParams));
        let chain: Vec<&Arc<RoleInstance>> =
            frame.role.iter().chain(frame.role.iter().flat_map(|role| role.parents.iter().rev())).collect();
        layers.extend(chain.iter().map(|role| role.params.clone()));
        layers.extend(self.included_vars.iter().rev().cloned());
        layers.extend(of(LayerKind::Task));
        layers.extend(of(LayerKind::Block));
        for role in &chain {
            layers.push(role.vars.clone());
            let own = frame.role.as_ref().is_some_and(|own| Arc::ptr_eq(own, role));
            let dependencies = role.dependencies.get().filter(|_| own);
            layers.extend(dependencies.into_iter().flatten().rev().cloned());
        }
        layers.extend(self.roles.iter().rev().map(|role| role.vars.clone()));
        layers.extend(self.play_layers.iter().rev().cloned());
        layers.push(self.facts_layer.clone());
        layers.extend(self.host_layers.iter().rev().cloned());
        layers.extend(chain.iter().map(|role| role.defaults.clone()));
        layers.extend(self.roles.iter().rev().map(|role| role.defaults.clone()));
        let mut all = frame.locals.clone();
        all.extend(locals);
        Names {
            magic: self.magic(frame),
            magic_names: MAGIC,
            layers,
            runtime: self.runtime.clone(),
            locals: all,
            facts_unknown: matches!(self.facts, Facts::Unknown),
            open: self.open_ended.then(|| self.project.engine.clone()),
            reach: self.reach(frame),
        }
    }

    /// What lookups of a task can see.
    fn reach(&self, frame: &Frame) -> Reach {
        Reach {
            project: self.project.clone(),
            search: self.search_path(frame),
            rehearsal: self.is_rehearsal(),
            here: self.here,
            // A rehearsal runs nothing: whatever was compiled is pending.
            pending: self.nodes.iter().any(makes_files) || (self.is_rehearsal() && self.worked),
            ahead: !self.is_rehearsal() && !self.project.plan && !self.nodes.is_empty(),
            early: self.may_be_made(),
            log: self.lookups.clone(),
        }
    }

    /// No host has been asked yet: this is for mistakes only.
    pub(super) fn is_rehearsal(&self) -> bool {
        self.hosts.rehearsal || matches!(self.facts, Facts::Unknown)
    }

    /// Says whether a file of the controller that is not there may yet be made by a task.
    pub(super) fn may_be_made(&self) -> bool {
        self.here && (self.project.plan || self.is_rehearsal()) && (self.worked || self.hosts.earlier_plays)
    }

    /// Runs what was compiled so far where something could not be looked up before. Says whether it did: then what was
    /// evaluated has to be evaluated again.
    pub(super) fn settle_lookups(&mut self) -> Result<bool, Stop> {
        if !self.lookups.take_wanted() || self.is_rehearsal() || self.nodes.is_empty() {
            return Ok(false);
        }
        self.flush(true, false)?;
        Ok(true)
    }

    /// The scope expressions of a task are evaluated in.
    pub(super) fn scope(&self, frame: &Frame, locals: Vec<(String, Value)>) -> Arc<TermScope> {
        TermScope::new(self.project.engine.clone(), Arc::new(self.names(frame, locals)))
    }

    /// Directories relative paths are looked for in, before `files`, `templates` and the like are added.
    pub(super) fn search_path(&self, frame: &Frame) -> Vec<PathBuf> {
        search_path(frame.role.as_deref(), &frame.dir, &self.play.dir)
    }

    /// Evaluates a term. A failure is reported as a mistake.
    pub(super) fn evaluate(&mut self, term: &Term, scope: &Arc<TermScope>, at: Span) -> Result<Value, Stop> {
        scope.evaluate(term).map_err(|error| self.failed(&error, scope, at))
    }

    /// Reports a failed expression.
    pub(super) fn failed(&mut self, error: &EvalError, scope: &Arc<TermScope>, at: Span) -> Stop {
        let report = diagnose::expression(error, &scope.bindings().names(), &self.project.files, at);
        self.mistake(report);
        Stop::Mistakes
    }

    /// Evaluates what can be: collections in parts. The rest stays as it is.
    pub(super) fn partial(&self, term: &Term, scope: &Arc<TermScope>) -> Result<Term, EvalError> {
        let value = scope.evaluate(term)?;
        if !value.has_unknown() {
            return Ok(Term::Value(value));
        }
        match term {
            Term::Map(entries) => {
                let parts: Result<Vec<_>, EvalError> =
                    entries.iter().map(|(k, v)| Ok((self.partial(k, scope)?, self.partial(v, scope)?))).collect();
                Ok(Term::Map(Arc::new(parts?)))
            }
            Term::List(items) => {
                let parts: Result<Vec<_>, EvalError> = items.iter().map(|item| self.partial(item, scope)).collect();
                Ok(Term::List(Arc::new(parts?)))
            }
            other => Ok(other.clone()),
        }
    }

    /// Notes that a task is to set a variable, if it runs.
    pub(super) fn expect_runtime(&mut self, name: &str, value: Value) {
        let before = self.runtime.get(name).cloned();
        self.expected.entry(name.to_owned()).or_insert(before);
        self.set_runtime(name, value);
    }

    /// Notes that a variable is set by tasks from now on.
    pub(super) fn set_runtime(&mut self, name: &str, value: Value) {
        Arc::make_mut(&mut self.runtime).insert(name.to_owned(), value);
        self.hostvars.take();
    }

    /// The variables the terms name, through the variables those name: what has to travel with a node.
    pub(super) fn bind(
        &mut self,
        terms: &[&Term],
        names: &Names,
        scope: &Arc<TermScope>,
    ) -> (Vec<u32>, BTreeSet<String>) {
        let mut open: Vec<String> = Vec::new();
        let engine = self.project.engine.clone();
        let mut asks = false;
        let mut collect = |template: &Template, open: &mut Vec<String>| {
            if looks_up(&template.text) {
                asks = true;
                // So that what it looks up is known, as far as it can be; a failure is that of the task.
                drop(engine.evaluate_template(template, &(scope.clone() as Arc<dyn crate::template::Scope>)));
            }
            open.extend(engine.names_in(template));
        };
        for term in terms {
            term.for_each_template(&mut |template| collect(template, &mut open));
        }
        let mut seen = BTreeSet::new();
        let mut indices = Vec::new();
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let Some((term, kind)) = names.find(&name) else { continue };
            let (term, nested) = match crate::template::Scope::get(scope.as_ref(), &name) {
                Ok(Some(value)) if !value.has_unknown() => (Term::Value(value), false),
                _ => (term, true),
            };
            let open_value = matches!(&term, Term::Value(value) if value.has_unknown());
            // A task may set it, or may not: then it means what it meant before.
            let beneath = if open_value && kind == Some(LayerKind::SetFact) { names.beneath(&name) } else { None };
            if let Some(term) = beneath {
                term.for_each_template(&mut |template| collect(template, &mut open));
                indices.push(self.intern(Binding { name, term, strong: false }));
                continue;
            }
            // In a plan what another host has found out for this one may be known after apply; its own agent cannot say so.
            let given = kind == Some(LayerKind::SetFact) && !self.expected.contains_key(&name);
            if open_value && given && self.project.plan {
                indices.push(self.intern(Binding { name, term, strong: false }));
                continue;
            }
            // Of the variables of hosts a part may be open; the rest is known.
            if name == "hostvars" && open_value && term != Term::Value(Value::Unknown) {
                indices.push(self.intern(Binding { name, term, strong: true }));
                continue;
            }
            // What the target knows itself, or what does not exist yet, does not travel; but that it may exist does.
            let may_come = self.open_ended && kind == Some(LayerKind::RoleDefaults);
            if kind == Some(LayerKind::Facts) || (open_value && !may_come) {
                continue;
            }
            if nested {
                term.for_each_template(&mut |template| collect(template, &mut open));
            }
            let strong = kind.is_some_and(|kind| kind >= LayerKind::RoleParams);
            indices.push(self.intern(Binding { name, term, strong }));
        }
        if asks && let Some(answers) = self.lookups.answers() {
            let name = crate::template::ANSWERS.to_owned();
            indices.push(self.intern(Binding { name, term: Term::Value(answers), strong: true }));
        }
        indices.sort_unstable();
        (indices, seen)
    }

    fn intern(&mut self, binding: Binding) -> u32 {
        let known = self.binding_index.entry(binding.name.clone()).or_default();
        for index in known.iter() {
            if self.bindings.get(*index as usize) == Some(&binding) {
                return *index;
            }
        }
        let index = self.bindings.len() as u32;
        known.push(index);
        self.bindings.push(binding);
        index
    }

    /// Runs what was compiled so far. With `settle`, results come back and are known from then on.
    pub(super) fn flush(&mut self, settle: bool, last: bool) -> Result<SegmentReport, Stop> {
        if self.mistakes {
            return Err(Stop::Mistakes);
        }
        self.resolve_requisites(last)?;
        if self.mistakes {
            return Err(Stop::Mistakes);
        }
        if self.nodes.is_empty() && !last {
            return Ok(self.so_far.clone());
        }
        let nodes = std::mem::take(&mut self.nodes);
        self.driver.compiled(&nodes, self.started.elapsed().as_micros() as u64);
        let segment = Segment {
            nodes,
            order: self.builder.order(),
            bindings: std::mem::take(&mut self.bindings),
            rescues: std::mem::take(&mut self.rescues),
            return_variables: settle,
            last,
        };
        self.binding_index.clear();
        let report = self.driver.run(segment)?;
        self.started = Instant::now();
        self.failed_blocks.extend(report.failed_blocks.iter().copied());
        if settle {
            // In a rehearsal no task has run, and each may.
            let rehearsal = self.is_rehearsal();
            let runtime = Arc::make_mut(&mut self.runtime);
            runtime.extend(report.variables.clone());
            // What a task was to set and has not means what it meant before.
            let expected = std::mem::take(&mut self.expected);
            for (name, before) in expected.into_iter().filter(|_| !rehearsal) {
                match before {
                    _ if report.variables.contains_key(&name) => {}
                    Some(before) => drop(runtime.insert(name, before)),
                    None => drop(runtime.remove(&name)),
                }
            }
            self.hostvars.take();
        }
        self.fail_all_after(&report);
        self.so_far = SegmentReport { variables: BTreeMap::new(), ..report.clone() };
        // Handlers still run for a host that failed, if they are forced; the agent decides.
        if report.ended && !last && report.failed_blocks.is_empty() { Err(Stop::Ended) } else { Ok(report) }
    }

    /// A bare expression as a term, for things that are written as the name of a variable.
    pub(super) fn expression(&self, text: &str, at: Span) -> Term {
        let origin = self.project.files.sources.origin(at);
        Term::Template(Arc::new(Template {
            text: Arc::from(text),
            shape: Shape::Expression,
            origin,
            layout: Layout::default(),
        }))
    }
}

const PATH_WORDS: &[&str] = &["directory", "is_dir", "exist", "file", "link", "mount"];

/// Says whether a node may make files.
pub(super) fn makes_files(node: &Node) -> bool {
    matches!(node.action, crate::graph::Action::Resource(_))
}

/// Directories relative paths are looked for in: those of the roles, of the file of tasks, of the playbook.
pub(super) fn search_path(role: Option<&RoleInstance>, dir: &Path, playbook: &Path) -> Vec<PathBuf> {
    let roles = role.into_iter().flat_map(|role| {
        std::iter::once(role.role.path.clone()).chain(role.parents.iter().rev().map(|parent| parent.role.path.clone()))
    });
    roles.chain([dir.to_path_buf(), playbook.to_path_buf()]).collect()
}

/// Says whether the text of a template may call a lookup.
pub(super) fn looks_up(text: &str) -> bool {
    let calls =
        ["fileglob", "lookup(", "query(", "q(", "lookup (", "query (", "q ("].iter().any(|call| text.contains(call));
    // `is file` and its kin are lookups too.
    let tests = [" is ", "select", "reject"].iter().any(|word| text.contains(word));
    calls || (tests && PATH_WORDS.iter().any(|word| text.contains(word)))
}

/// Says whether a host is the controller itself, as far as the inventory and the play say so.
fn works_here(project: &Project, play: &Play, host: &str, layers: &[Arc<Layer>]) -> bool {
    let local = |text: &str| text.rsplit('.').next() == Some("local");
    let variable = layers.iter().rev().find_map(|layer| layer.get("ansible_connection"));
    match variable {
        Some(definition) => definition.term.as_value().and_then(Value::as_str).is_some_and(local),
        None => {
            let keyword = play.keywords.get(crate::parse::Keyword::Connection).and_then(Yaml::text);
            let by_default = || {
                let given = project.settings.get("DEFAULT_TRANSPORT").and_then(|(how, _)| how.as_str());
                matches!(host, "localhost" | "127.0.0.1" | "::1") || given == Some("local")
            };
            keyword.map_or_else(by_default, local)
        }
    }
}

fn facts_layer(facts: &Facts) -> Layer {
    let Facts::Known(facts) = facts else { return Layer::new(LayerKind::Facts) };
    Layer::of_values(LayerKind::Facts, crate::facts::as_variables(facts))
}
