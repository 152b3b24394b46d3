//! What tasks set: results, facts, and what is known of them before the tasks have run.

use super::host::HostCompiler;
use crate::graph::{Action, Iteration, Node, Work};
use crate::template::Term;
use crate::value::Value;

impl HostCompiler<'_> {
    /// The variables a node sets.
    pub(super) fn sets(&mut self, node: &Node) -> Vec<String> {
        let mut sets: Vec<String> = node.register.iter().cloned().collect();
        if let Some(name) = &node.register {
            let value = registered_shape(node);
            self.expect_runtime(name, value);
        }
        if node.action == Action::SetFact {
            self.note_cacheable(node);
            self.late_names |= has_late_names(node);
            for (name, value) in self.facts_set(node) {
                self.expect_runtime(&name, value);
                sets.push(name);
            }
        }
        if let Action::Resource(kind) = &node.action {
            for name in module_facts(kind, node) {
                self.expect_runtime(&name, Value::Unknown);
                sets.push(name);
            }
        }
        if let Action::Gate(name) = &node.action {
            sets.push(name.clone());
        }
        sets
    }

    /// Remembers what is to be kept from one run to the next.
    fn note_cacheable(&mut self, node: &Node) {
        let names: Vec<String> = match &node.work {
            Work::Once(iteration) | Work::Late(_, _, iteration) => cacheable_of(iteration),
            Work::Items(_, iterations) => iterations.iter().flat_map(cacheable_of).collect(),
        };
        self.cacheable.extend(names);
    }

    /// What `set_fact` sets, as far as it is known: unknown where a condition or the value is.
    fn facts_set(&self, node: &Node) -> Vec<(String, Value)> {
        let certain = node.gates.is_empty() && node.blocks.is_empty() && node.handler.is_none();
        let of = |iteration: &Iteration| facts_of(iteration, certain);
        let skipped = |iteration: &Iteration| iteration.when.iter().any(|t| *t == Term::Value(Value::Bool(false)));
        match &node.work {
            Work::Once(iteration) if skipped(iteration) => Vec::new(),
            Work::Once(iteration) => of(iteration),
            Work::Items(_, iterations) => iterations.iter().filter(|i| !skipped(i)).flat_map(of).collect(),
            Work::Late(_, _, iteration) => of(iteration).into_iter().map(|(name, _)| (name, Value::Unknown)).collect(),
        }
    }
}

/// Says whether a `set_fact` may set something under a name that is not known yet.
fn has_late_names(node: &Node) -> bool {
    let late = |iteration: &Iteration| match &iteration.args {
        Term::Map(entries) => entries.iter().any(|(key, _)| key.as_value().is_none_or(Value::has_unknown)),
        Term::Value(value) => !matches!(value, Value::Map(_)),
        _ => true,
    };
    let skipped = |iteration: &Iteration| iteration.when.iter().any(|t| *t == Term::Value(Value::Bool(false)));
    match &node.work {
        Work::Once(iteration) | Work::Late(_, _, iteration) => !skipped(iteration) && late(iteration),
        Work::Items(_, iterations) => iterations.iter().any(|iteration| !skipped(iteration) && late(iteration)),
    }
}

/// The parameter of `set_fact` that is no fact.
const CACHEABLE: &str = "cacheable";

/// What one time of `set_fact` is given under names that are known, as far as the values are.
fn given(iteration: &Iteration) -> Vec<(String, Option<Value>)> {
    match &iteration.args {
        Term::Value(Value::Map(map)) => map.iter().map(|(k, v)| (k.to_string(), Some(v.clone()))).collect(),
        Term::Map(entries) => {
            let known = |(key, value): &(Term, Term)| Some((key.as_value()?.to_string(), value.as_value().cloned()));
            entries.iter().filter_map(known).collect()
        }
        _ => Vec::new(),
    }
}

/// The names of what is to be kept from one run to the next.
fn cacheable_of(iteration: &Iteration) -> Vec<String> {
    let (said, facts): (Vec<_>, Vec<_>) = given(iteration).into_iter().partition(|(name, _)| name == CACHEABLE);
    let wanted = said.iter().any(|(_, value)| value.as_ref().is_some_and(crate::apply_truth));
    if wanted { facts.into_iter().map(|(name, _)| name).collect() } else { Vec::new() }
}

/// What one time of `set_fact` sets; unknown where it is not certain or the value is not known.
pub(super) fn facts_of(iteration: &Iteration, certain: bool) -> Vec<(String, Value)> {
    let certain = certain && iteration.when.is_empty();
    if iteration.when.iter().any(|term| *term == Term::Value(Value::Bool(false))) {
        return Vec::new();
    }
    let facts = given(iteration).into_iter().filter(|(name, _)| name != CACHEABLE);
    facts.map(|(name, value)| (name, value.filter(|_| certain).unwrap_or(Value::Unknown))).collect()
}

/// The variables a resource sets by its facts.
fn module_facts(kind: &str, node: &Node) -> Vec<String> {
    let mut names: Vec<String> = match kind {
        "package_facts" => vec!["packages".into()],
        "service_facts" => vec!["services".into()],
        "hostname" => ["hostname", "nodename", "fqdn", "domain"].map(|name| format!("ansible_{name}")).to_vec(),
        "getent" => databases(&node.work).into_iter().map(|name| format!("getent_{name}")).collect(),
        _ => return Vec::new(),
    };
    names.push("ansible_facts".into());
    names
}

/// The databases a `getent` asks, as far as they are known.
fn databases(work: &Work) -> Vec<String> {
    let of = |iteration: &Iteration| match &iteration.args {
        Term::Value(args) => args.get("database").map(ToString::to_string),
        _ => None,
    };
    match work {
        Work::Once(iteration) | Work::Late(_, _, iteration) => of(iteration).into_iter().collect(),
        Work::Items(_, iterations) => iterations.iter().filter_map(of).collect(),
    }
}

/// What is known of a result before the task has run: that it was skipped, or nothing.
fn registered_shape(node: &Node) -> Value {
    if let Work::Once(iteration) = &node.work
        && node.gates.is_empty()
        && iteration.when.iter().any(|term| *term == Term::Value(Value::Bool(false)))
    {
        return crate::apply::result_of_skipped(iteration);
    }
    Value::Unknown
}
