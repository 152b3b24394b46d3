//! Loops: the work of a task for each item, the variables an item sees, and what a loop registers.

use std::time::Duration;

use super::judge::misjudged;
use super::outcome::Attempt;
use super::run::{Done, Runner};
use crate::event::ItemOutcome;
use crate::graph::{Iteration, Loop};
use crate::template::EvalError;
use crate::value::{Map, Value};

impl Runner<'_> {
    /// The work for each item.
    pub(super) fn items(&self, looped: &Loop, iterations: impl Iterator<Item = Iteration>, count: usize) -> Done {
        if count == 0 {
            let attempt = Attempt::skipped("No items in the list");
            let mut result = attempt.registered().as_map().cloned().unwrap_or_default();
            // The one result in which it is called so, as in Ansible.
            if let Some(why) = result.shift_remove("skip_reason") {
                result.insert("skipped_reason".into(), why);
            }
            result.insert("results".into(), Value::list([]));
            return Done { items: vec![attempt.into_item(None, self.no_log)], registered: Value::from(result) };
        }
        let mut outcomes = Vec::new();
        let mut registered = Vec::new();
        let iterations: Vec<Iteration> = iterations.collect();
        let items: Vec<Value> = iterations.iter().map(|i| i.item.clone().unwrap_or_default()).collect();
        for (i, iteration) in iterations.into_iter().enumerate() {
            if i > 0 && looped.pause > 0.0 && !self.session.is_plan() {
                std::thread::sleep(Duration::try_from_secs_f64(looped.pause).unwrap_or_default());
            }
            let item = iteration.item.clone().unwrap_or_default();
            let locals = loop_variables(looped, &items, i);
            let round = self.round(locals.clone());
            let no_log = round.no_log;
            let mut attempt = self.item(&iteration, round, false);
            let label = self.label(looped, &item, &mut attempt, &locals);
            let ends = self.ends(looped, &attempt, &locals);
            let attempt =
                if let Some(Err(error)) = &ends { Attempt::eval(error.clone()).with_exception() } else { attempt };
            registered.push(self.registered_item(looped, &item, i, &attempt));
            outcomes.push(attempt.into_item(Some(label), no_log));
            match ends {
                Some(Ok(Value::Unknown)) => {
                    let rest = Attempt::unknown("whether the loop goes on is known after apply");
                    outcomes.push(rest.into_item(None, no_log));
                    break;
                }
                Some(_) => break,
                None => {}
            }
        }
        Done { items: outcomes, registered: all_items(registered) }
    }

    /// Says whether `break_when` ends the loop after this item: that it does, that it is not known, or that it failed.
    fn ends(&self, looped: &Loop, attempt: &Attempt, locals: &[(String, Value)]) -> Option<Result<Value, EvalError>> {
        if looped.break_when.is_empty() {
            return None;
        }
        match self.all_hold(&looped.break_when, attempt, locals) {
            Ok(Value::Bool(false)) => None,
            other => Some(other),
        }
    }

    /// What stands for the item; it may speak of the result. An item whose label fails has failed, unless it did before.
    fn label(&self, looped: &Loop, item: &Value, attempt: &mut Attempt, locals: &[(String, Value)]) -> String {
        let shown = looped.label.as_ref().map(|label| self.result_scope(attempt, locals).evaluate(label));
        match shown {
            Some(Ok(label)) if !label.has_unknown() => label.to_string(),
            Some(Err(error)) => {
                if attempt.failed != Value::Bool(true) {
                    misjudged(attempt, "label", error);
                }
                item.to_string()
            }
            _ => item.to_string(),
        }
    }

    fn registered_item(&self, looped: &Loop, item: &Value, index: usize, attempt: &Attempt) -> Value {
        let registered = attempt.registered();
        // Nothing is known of it, its keys included.
        let Some(mut map) = registered.as_map().cloned() else { return registered };
        map.insert(looped.var.as_str().into(), item.clone());
        map.insert("ansible_loop_var".into(), Value::str(&looped.var));
        if let Some(name) = &looped.index_var {
            map.insert(name.as_str().into(), Value::from(index));
        }
        Value::from(map)
    }
}

/// The variables of a loop for the item at `index`.
pub fn loop_variables(looped: &Loop, items: &[Value], index: usize) -> Vec<(String, Value)> {
    let item = items.get(index).cloned().unwrap_or_default();
    let mut locals = vec![(looped.var.clone(), item)];
    locals.extend(looped.index_var.clone().map(|name| (name, Value::from(index))));
    locals.push(("ansible_loop_var".into(), Value::str(&looped.var)));
    if let Some(name) = &looped.index_var {
        locals.push(("ansible_index_var".into(), Value::str(name)));
    }
    if !looped.extended {
        return locals;
    }
    let count = items.len();
    let mut info = vec![
        ("index", Value::from(index + 1)),
        ("index0", Value::from(index)),
        ("first", Value::Bool(index == 0)),
        ("last", Value::Bool(index + 1 == count)),
        ("length", Value::from(count)),
        ("revindex", Value::from(count.saturating_sub(index))),
        ("revindex0", Value::from(count.saturating_sub(index + 1))),
    ];
    info.extend(looped.extended_items.then(|| ("allitems", Value::list(items.iter().cloned()))));
    info.extend(items.get(index + 1).map(|next| ("nextitem", next.clone())));
    info.extend(index.checked_sub(1).and_then(|before| items.get(before)).map(|item| ("previtem", item.clone())));
    locals.push(("ansible_loop".into(), Value::map(info)));
    locals
}

/// The result of a task that ran elsewhere, from its items.
pub fn result_of(items: &[ItemOutcome]) -> Value {
    match items {
        [item] if item.label.is_none() => item.result.clone(),
        items => all_items(items.iter().map(|item| item.result.clone()).collect()),
    }
}

/// What a loop registers, from what its items came to.
pub fn all_items(items: Vec<Value>) -> Value {
    let any = |key: &str| {
        let has = |wanted: &Value| items.iter().any(|item| item.get(key) == Some(wanted));
        match () {
            () if has(&Value::Bool(true)) => Value::Bool(true),
            () if has(&Value::Unknown) => Value::Unknown,
            () => Value::Bool(false),
        }
    };
    let skipped = items.iter().all(|item| item.get("skipped") == Some(&Value::Bool(true)));
    let message = match () {
        () if any("failed") == Value::Bool(true) => "One or more items failed",
        () if skipped => "All items skipped",
        () => "All items completed",
    };
    let mut map = Map::new();
    map.insert("changed".into(), any("changed"));
    map.insert("failed".into(), any("failed"));
    map.insert("msg".into(), Value::str(message));
    map.insert("skipped".into(), Value::Bool(skipped));
    map.insert("results".into(), Value::from(items));
    Value::from(map)
}
