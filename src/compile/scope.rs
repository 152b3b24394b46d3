//! The names a task can use, from the strongest layer to the weakest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{Frame, RoleInstance};
use super::host::{Facts, HostCompiler};
use super::lookups::Reach;
use super::magic::MAGIC;
use super::{Stop, diagnose};
use crate::graph::Node;
use crate::source::Span;
use crate::template::{Bindings, Engine, EvalError, Layout, Lookup, LookupCall, Scope, Term, TermScope};
use crate::value::Value;
use crate::variables::{Layer, LayerKind};

/// Names of one task on one host.
#[derive(Clone)]
pub struct Names {
    /// Magic variables: they stand above everything.
    pub magic: Arc<dyn Fn(&str) -> Option<Value> + Send + Sync>,
    /// The names `magic` knows.
    pub magic_names: &'static [&'static str],
    /// Layers, the strongest first.
    pub layers: Vec<Arc<Layer>>,
    /// What tasks have set (`set_fact`, `register`), as far as it is known.
    pub runtime: Arc<BTreeMap<String, Value>>,
    /// The loop variables of an iteration.
    pub locals: Vec<(String, Value)>,
    /// Facts are not known: nobody has asked the host yet.
    pub facts_unknown: bool,
    /// Tasks that are not known yet may have set more: a name that is not defined may be theirs. Not the engine's own.
    pub open: Option<Arc<Engine>>,
    /// What lookups can see.
    pub reach: Reach,
}

impl Names {
    /// The strongest definition of a name, and the kind of its layer.
    pub fn find(&self, name: &str) -> Option<(Term, Option<LayerKind>)> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return Some((Term::Value(value.clone()), None));
        }
        if let Some(value) = (self.magic)(name) {
            return Some((Term::Value(value), None));
        }
        let runtime = || self.runtime.get(name).map(|v| (Term::Value(v.clone()), Some(LayerKind::SetFact)));
        let mut asked = false;
        for layer in &self.layers {
            if !asked && layer.kind < LayerKind::SetFact {
                asked = true;
                if let Some(found) = runtime() {
                    return Some(found);
                }
            }
            if let Some(definition) = layer.get(name) {
                return Some((definition.term.clone(), Some(layer.kind)));
            }
        }
        if !asked && let Some(found) = runtime() {
            return Some(found);
        }
        if name == "ansible_managed" {
            return Some((Term::Value(Value::str("Ansible managed")), Some(LayerKind::RoleDefaults)));
        }
        if name == "ansible_host" {
            // Where nobody says otherwise a host is reached by its name.
            return (self.magic)("inventory_hostname").map(|host| (Term::Value(host), Some(LayerKind::RoleDefaults)));
        }
        if name == "ansible_python_interpreter" && (self.magic)("inventory_hostname") == Some(Value::str("localhost")) {
            return (self.magic)("ansible_playbook_python")
                .map(|path| (Term::Value(path), Some(LayerKind::RoleDefaults)));
        }
        let is_fact = self.facts_unknown && (name.starts_with("ansible_") || name == "facts");
        if is_fact {
            return Some((Term::Value(Value::Unknown), Some(LayerKind::Facts)));
        }
        let may_come = self.open.as_ref().is_some_and(|engine| name != "omit" && !engine.is_global(name));
        may_come.then_some((Term::Value(Value::Unknown), Some(LayerKind::RoleDefaults)))
    }
}

impl Names {
    /// What a name means where no task has set it after all.
    pub fn beneath(&self, name: &str) -> Option<Term> {
        let weaker = self.layers.iter().filter(|layer| layer.kind < LayerKind::SetFact);
        weaker.filter_map(|layer| layer.get(name)).map(|definition| definition.term.clone()).next()
    }
}

impl Bindings for Names {
    fn binding(&self, name: &str) -> Option<Term> {
        self.find(name).map(|(term, _)| term)
    }

    fn names(&self) -> BTreeSet<String> {
        let layers = self.layers.iter().flat_map(|layer| layer.entries.keys().map(ToString::to_string));
        let magic = self.magic_names.iter().map(|name| (*name).to_owned());
        layers
            .chain(magic)
            .chain(self.runtime.keys().cloned())
            .chain(self.locals.iter().map(|(n, _)| n.clone()))
            .collect()
    }

    fn lookup(&self, call: &LookupCall, scope: &dyn Scope) -> Result<Lookup, EvalError> {
        super::lookups::run(call, scope, self)
    }

    fn condition(&self, text: &str) -> Option<Term> {
        let project = &self.reach.project;
        project.literals.condition(text, &project.files.sources)
    }
}

impl HostCompiler<'_> {
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
        all.extend(frame.round.iter().cloned().chain(locals));
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

    /// The names a task sees, and the scope its expressions are evaluated in.
    pub(super) fn names_and_scope(&self, frame: &Frame) -> (Arc<Names>, Arc<TermScope>) {
        let names = Arc::new(self.names(frame, Vec::new()));
        let scope = TermScope::new(self.project.engine.clone(), names.clone());
        (names, scope)
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

    /// The scope expressions of a task are evaluated in.
    pub(super) fn scope(&self, frame: &Frame, locals: Vec<(String, Value)>) -> Arc<TermScope> {
        TermScope::new(self.project.engine.clone(), Arc::new(self.names(frame, locals)))
    }

    /// Directories relative paths are looked for in, before `files`, `templates` and the like are added.
    pub(super) fn search_path(&self, frame: &Frame) -> Vec<PathBuf> {
        search_path(frame.role.as_deref(), &frame.dir, &self.play.dir)
    }

    /// No host has been asked yet: this is for mistakes only.
    pub(super) fn is_rehearsal(&self) -> bool {
        self.hosts.rehearsal || matches!(self.facts, Facts::Unknown)
    }

    /// Says whether a file of the controller that is not there may yet be made by a task.
    pub(super) fn may_be_made(&self) -> bool {
        self.here && (self.project.plan || self.is_rehearsal()) && (self.worked || self.hosts.earlier_plays)
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

    /// A bare expression as a term, for things that are written as the name of a variable.
    pub(super) fn expression(&self, text: &str, at: Span) -> Term {
        Term::expression(&Arc::from(text), self.project.files.sources.origin(at), Layout::default())
    }
}

/// Directories relative paths are looked for in: those of the roles, of the file of tasks, of the playbook.
pub(super) fn search_path(role: Option<&RoleInstance>, dir: &Path, playbook: &Path) -> Vec<PathBuf> {
    let roles = role.into_iter().flat_map(|role| {
        std::iter::once(role.role.path.clone()).chain(role.parents.iter().rev().map(|parent| parent.role.path.clone()))
    });
    roles.chain([dir.to_path_buf(), playbook.to_path_buf()]).collect()
}

/// Says whether a node may make files.
pub(super) fn makes_files(node: &Node) -> bool {
    matches!(node.action, crate::graph::Action::Resource(_))
}
