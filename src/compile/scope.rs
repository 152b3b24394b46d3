//! The names a task can use, from the strongest layer to the weakest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lookups::Reach;
use crate::template::{Bindings, Engine, EvalError, Lookup, LookupCall, Scope, Term};
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
