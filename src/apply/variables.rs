//! Variables on the target: those the graph brings, and those tasks have set since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::facts::variable_name;
use crate::graph::{Node, Segment};
use crate::machine::{Command, Inspect, Machine, Output, Result};
use crate::resource::{Blobs, PartOf};
use crate::template::{Bindings, Engine, Term, TermScope};
use crate::value::{Map, Value};

/// What tasks have set, over the host's facts.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct Runtime {
    given: BTreeMap<String, Value>,
    set: RwLock<Arc<BTreeMap<String, Value>>>,
    forgotten: RwLock<BTreeSet<String>>,
}

impl Clone for Runtime {
    fn clone(&self) -> Self {
        let set = self.set.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let forgotten = self.forgotten.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        Self { given: self.given.clone(), set: RwLock::new(set), forgotten: RwLock::new(forgotten) }
    }
}

impl Runtime {
    /// Starts with the facts and other variables of the host.
    pub fn new(given: Vec<(String, Value)>) -> Self {
        Self { given: given.into_iter().collect(), set: RwLock::default(), forgotten: RwLock::default() }
    }

    /// Sets a variable.
    pub fn set(&self, name: &str, value: Value) {
        let mut set = self.set.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        Arc::make_mut(&mut set).insert(name.to_owned(), value);
    }

    /// Adds facts: to `ansible_facts` and, under `ansible_`, as variables. What a task has set under such a name stays.
    pub fn add_facts(&self, facts: &Map) {
        let mut all = self.get("ansible_facts").and_then(|v| v.as_map().cloned()).unwrap_or_default();
        for (name, value) in facts {
            let variable = variable_name(name);
            let before = all.insert(name.clone(), value.clone());
            if self.get(&variable).is_none_or(|now| Some(now) == before) {
                self.set(&variable, value.clone());
            }
        }
        self.set("ansible_facts", Value::from(all));
    }

    /// Forgets the facts.
    pub fn clear_facts(&self) {
        let facts: Vec<String> = self
            .get("ansible_facts")
            .and_then(|facts| Some(facts.as_map()?.keys().map(|name| variable_name(name)).collect()))
            .unwrap_or_default();
        let mut set = self.set.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let set = Arc::make_mut(&mut set);
        for name in facts {
            set.remove(&name);
            self.forgotten.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(name);
        }
        set.insert("ansible_facts".into(), Value::from(Map::new()));
    }

    /// What was given and not forgotten.
    fn given(&self) -> BTreeMap<String, Value> {
        let forgotten = self.forgotten.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        if forgotten.is_empty() {
            return self.given.clone();
        }
        self.given.iter().filter(|(name, _)| !forgotten.contains(*name)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Adds facts of a task other than `setup`: to `ansible_facts` without `ansible_`, and as variables as they are called.
    pub fn add_module_facts(&self, facts: &Map) {
        let mut all = self.get("ansible_facts").and_then(|v| v.as_map().cloned()).unwrap_or_default();
        for (name, value) in facts {
            all.insert(name.strip_prefix("ansible_").unwrap_or(name).into(), value.clone());
            self.set(name, value.clone());
        }
        self.set("ansible_facts", Value::from(all));
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.snapshot().get(name).or_else(|| self.given.get(name)).cloned()
    }

    /// What tasks have set.
    pub fn set_by_tasks(&self) -> BTreeMap<String, Value> {
        self.snapshot().as_ref().clone()
    }

    fn snapshot(&self) -> Arc<BTreeMap<String, Value>> {
        self.set.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// The scope of a node: its bindings, with `locals` (loop variables, a result) above all.
    pub fn scope(
        &self,
        engine: &Arc<Engine>,
        segment: &Segment,
        node: &Node,
        locals: Vec<(String, Value)>,
    ) -> Arc<TermScope> {
        let mut strong = BTreeMap::new();
        let mut weak = BTreeMap::new();
        for binding in node.scope.iter().filter_map(|i| segment.bindings.get(*i as usize)) {
            let layer = if binding.strong { &mut strong } else { &mut weak };
            layer.insert(binding.name.clone(), binding.term.clone());
        }
        let layers =
            Layers { locals: locals.into_iter().collect(), strong, set: self.snapshot(), weak, given: self.given() };
        TermScope::new(engine.clone(), Arc::new(layers))
    }
}

/// From the strongest to the weakest.
struct Layers {
    locals: BTreeMap<String, Value>,
    strong: BTreeMap<String, Term>,
    set: Arc<BTreeMap<String, Value>>,
    weak: BTreeMap<String, Term>,
    given: BTreeMap<String, Value>,
}

impl Bindings for Layers {
    fn binding(&self, name: &str) -> Option<Term> {
        let value = |value: &Value| Term::Value(value.clone());
        self.locals
            .get(name)
            .map(value)
            .or_else(|| self.strong.get(name).cloned())
            .or_else(|| self.set.get(name).map(value))
            .or_else(|| self.weak.get(name).cloned())
            .or_else(|| self.given.get(name).map(value))
    }

    fn names(&self) -> BTreeSet<String> {
        let terms = self.strong.keys().chain(self.weak.keys());
        let values = self.locals.keys().chain(self.set.keys()).chain(self.given.keys());
        terms.chain(values).cloned().collect()
    }

    /// A target knows the project in parts only: what could be a condition was made one before it was sent.
    fn condition(&self, _text: &str) -> Option<Term> {
        None
    }
}

/// A machine of which only the reading half can be reached.
pub struct ReadOnly(pub Arc<dyn Machine>);

impl Inspect for ReadOnly {
    crate::machine::hand_on!(0);

    fn probe(&self, command: &Command) -> Result<Output> {
        self.0.probe(command)
    }

    fn pause(&self, time: Duration) -> Result<bool> {
        self.0.pause(time)
    }
}

/// Content of the controller for a dry run: what it has can be had, and nothing is sent to it.
pub struct Receiving(pub Arc<dyn Blobs>);

impl Blobs for Receiving {
    fn get(&self, sha256: &str) -> std::result::Result<Arc<[u8]>, String> {
        self.0.get(sha256)
    }

    fn offer(&self, token: &str, sha256: &str, size: u64) -> std::result::Result<bool, String> {
        self.0.offer(token, sha256, size)
    }

    fn send(&self, _token: &str, _size: u64, _part: PartOf<'_>) -> std::result::Result<(), String> {
        Ok(())
    }
}
