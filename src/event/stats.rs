//! What tasks report with `set_stats`, summed up over the run.

use super::{Event, ItemOutcome, Stats};
use crate::value::Value;

/// The name of what is reported for no host: Ansible's.
pub const RUN: &str = "_run";

/// Takes what an event reports.
pub fn collect(stats: &mut Stats, event: &Event) {
    if let Event::TaskFinished { host, outcome } = event {
        outcome.items.iter().for_each(|item| take(stats, host, item));
    }
}

fn take(stats: &mut Stats, host: &str, item: &ItemOutcome) {
    let member = |value: &Value, name: &str| value.as_map().and_then(|map| map.get(name)).cloned();
    let Some(reported) = member(&item.result, "ansible_stats") else { return };
    let on = |name: &str| member(&reported, name).is_some_and(|value| crate::apply_truth(&value));
    let of = if on("per_host") { host } else { RUN };
    let Some(Value::Map(data)) = member(&reported, "data") else { return };
    let kept = stats.entry(of.to_owned()).or_default();
    for (name, value) in data.iter() {
        let sum = kept.get(name).filter(|_| on("aggregate")).map(|old| sum(old, value));
        // What cannot be added to what is there is left out, as in Ansible.
        if let Some(value) = sum.unwrap_or_else(|| Some(value.clone())) {
            kept.insert(name.clone(), value);
        }
    }
}

/// What Python's `+` makes of two values of one kind; mappings are merged.
fn sum(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int),
        (Value::Float(a), Value::Float(b)) => Some(Value::Float(a + b)),
        (Value::Str(a), Value::Str(b)) => Some(Value::from(format!("{a}{b}"))),
        (Value::List(a), Value::List(b)) => Some(Value::list(a.iter().chain(b.iter()).cloned())),
        (Value::Map(a), Value::Map(b)) => {
            let mut merged = a.as_ref().clone();
            for (name, value) in b.iter() {
                let value = match (merged.get(name), value) {
                    (Some(old @ Value::Map(_)), Value::Map(_)) => sum(old, value)?,
                    _ => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Some(Value::from(merged))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::sum;
    use crate::value::Value;

    #[test]
    fn values_of_one_kind_add_up() {
        let map = |name: &str, value: i64| Value::map([(name, Value::Int(value))]);
        let table = [
            (Value::Int(10), Value::Int(15), Some(Value::Int(25))),
            (Value::str("a"), Value::str("b"), Some(Value::str("ab"))),
            (Value::list([Value::Int(1)]), Value::list([Value::Int(2)]), Some(Value::list([1, 2].map(Value::Int)))),
            (map("a", 1), map("b", 2), Some(Value::map([("a", Value::Int(1)), ("b", Value::Int(2))]))),
            (map("a", 1), map("a", 2), Some(map("a", 2))),
            (Value::Int(1), Value::str("b"), None),
            (Value::Int(i64::MAX), Value::Int(1), None),
        ];
        for (old, new, expected) in table {
            assert_eq!(sum(&old, &new), expected, "{old} + {new}");
        }
    }
}
