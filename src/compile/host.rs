//! The compiler of one host in one play: what it keeps while it walks the tasks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::frame::{Frame, RoleInstance};
use super::listen::Listeners;
use super::login::Login;
use super::lookups::Log;
use super::magic::magic;
use super::requisites::Requests;
use super::{Driver, Project, Stop};
use crate::apply::SegmentReport;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Binding, BlockId, Builder, Node, NodeId, Order};
use crate::parse::{Item, Play};
use crate::template::{Term, TermScope};
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
    /// Tasks have changed something since the host was met.
    pub changed: bool,
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
        let scope = self.scope(&frame, Vec::new());
        self.become_of(&frame, &keywords, self.play.span, &scope).ok().flatten()
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
