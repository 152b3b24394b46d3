//! `plugin: generator`: hosts and their groups from the combinations of layers.

use std::sync::Arc;

use super::plugin::{self, check_keys, failed, list, map, wrong};
use super::{Inventory, load};
use crate::parse::Files;
use crate::template::{Engine, EvalError, Reason, Term, TermScope};
use crate::value::Value;
use crate::variables::{Definition, Layer, LayerKind};
use crate::yaml::Node;

/// So many hosts at most come of one file.
const MOST: usize = 100_000;
/// Deeper parents are refused.
const DEPTH: usize = 50;

struct Generator<'a> {
    files: &'a Files,
    inventory: &'a mut Inventory,
}

/// Reads a file of the plugin.
pub fn read(node: &Node, files: &Files, inventory: &mut Inventory) {
    check_keys(node.as_map().unwrap_or_default(), &["plugin", "hosts", "layers"], files);
    let Some(hosts) = node.get("hosts") else {
        return wrong(files, node.span, "`plugin: generator` needs `hosts` with a `name`");
    };
    check_keys(map(Some(hosts), "hosts", files), &["name", "parents"], files);
    let Some(name) = hosts.get("name") else {
        return wrong(files, hosts.span, "`hosts` needs a `name`, such as \"{{ app }}_{{ env }}\"");
    };
    let layers: Vec<(Arc<str>, Vec<Value>)> = map(node.get("layers"), "layers", files)
        .iter()
        .map(|layer| {
            (layer.key.clone(), list(Some(&layer.value), &layer.key, files).iter().map(Node::to_value).collect())
        })
        .collect();
    if layers.iter().map(|(_, values)| values.len()).try_fold(1usize, usize::checked_mul).is_none_or(|n| n > MOST) {
        return wrong(files, node.span, format!("the layers make more than {MOST} hosts"));
    }
    let engine = Arc::new(Engine::default());
    let mut generator = Generator { files, inventory };
    for values in combinations(&layers) {
        let scope = plugin::scope(&engine, vec![Arc::new(Layer::of_values(LayerKind::Play, values))]);
        if !generator.host(name, hosts.get("parents"), &scope) {
            return;
        }
    }
}

/// A variable with the values of this combination. What is inside of a list or mapping, and names something else, is left to
/// the play: Ansible evaluates containers where they are used.
fn settled(term: &Term, scope: &Arc<TermScope>) -> Result<Term, EvalError> {
    let error = match scope.evaluate(term) {
        Ok(value) => return Ok(Term::Value(value)),
        Err(error) => error,
    };
    let inner = |term: &Term| match settled(term, scope) {
        Err(error) if matches!(error.reason, Reason::Undefined(_)) => Ok(term.clone()),
        other => other,
    };
    match term {
        Term::List(items) => Ok(Term::List(Arc::new(items.iter().map(inner).collect::<Result<_, _>>()?))),
        Term::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| Ok((inner(key)?, inner(value)?)));
            Ok(Term::Map(Arc::new(entries.collect::<Result<_, EvalError>>()?)))
        }
        _ => Err(error),
    }
}

/// Every combination; the last layer counts fastest.
fn combinations(layers: &[(Arc<str>, Vec<Value>)]) -> Vec<Vec<(String, Value)>> {
    let mut all = vec![Vec::new()];
    for (name, values) in layers {
        all = all
            .into_iter()
            .flat_map(|done: Vec<(String, Value)>| {
                values.iter().map(move |value| {
                    let mut next = done.clone();
                    next.push((name.to_string(), value.clone()));
                    next
                })
            })
            .collect();
    }
    all
}

impl Generator<'_> {
    /// Adds a host. Where its name fails, so would every other: that is said once.
    fn host(&mut self, name: &Node, parents: Option<&Node>, scope: &Arc<TermScope>) -> bool {
        let Some(host) = self.text(name, scope) else { return false };
        let entry = self.inventory.hosts.entry(host.clone()).or_default();
        entry.span = entry.span.or(Some(name.span));
        for parent in list(parents, "parents", self.files) {
            let Some(group) = self.group(parent, scope, 0) else { return false };
            self.inventory.groups.entry(group).or_default().hosts.insert(host.clone());
        }
        true
    }

    fn group(&mut self, node: &Node, scope: &Arc<TermScope>, depth: usize) -> Option<Arc<str>> {
        check_keys(map(Some(node), "parents", self.files), &["name", "vars", "parents"], self.files);
        let Some(name) = node.get("name") else {
            wrong(self.files, node.span, "a parent needs a `name`");
            return None;
        };
        if depth > DEPTH {
            wrong(self.files, node.span, format!("parents are nested more than {DEPTH} deep"));
            return None;
        }
        let group = self.text(name, scope)?;
        let entry = self.inventory.groups.entry(group.clone()).or_default();
        entry.span = entry.span.or(Some(name.span));
        for var in map(node.get("vars"), "vars", self.files) {
            let report = |diagnostic| self.files.report(diagnostic);
            let term = load::terms(self.files, &report).term(&var.value);
            match settled(&term, scope) {
                Ok(term) => {
                    let origin = Some(self.files.sources.origin(var.key_span));
                    let definition = Definition { term, origin };
                    self.inventory.groups.entry(group.clone()).or_default().vars.insert(var.key.clone(), definition);
                }
                Err(error) => failed(self.files, var.value.span, &error, ""),
            }
        }
        for parent in list(node.get("parents"), "parents", self.files) {
            let parent = self.group(parent, scope, depth + 1)?;
            self.inventory.add_child(&parent, &group);
        }
        Some(group)
    }

    fn text(&self, node: &Node, scope: &Arc<TermScope>) -> Option<Arc<str>> {
        match scope.evaluate(&plugin::template(node, self.files)) {
            Ok(value) => Some(Arc::from(value.to_string())),
            Err(error) => {
                failed(self.files, node.span, &error, "; the names of `layers` can be used here");
                None
            }
        }
    }
}
