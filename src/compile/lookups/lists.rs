//! Lookups that make lists of lists: `items`, `nested`, `subelements` and their kin.

use std::sync::Arc;

use super::{Ask, Outcome, fail};
use crate::template::{EvalError, Lookup, random_below};
use crate::value::{Map, Value};

/// The most rows `nested` makes: a playbook must not fill the memory.
const MOST: usize = 200_000;

/// Flattens lists, so many levels deep.
pub fn flat(value: &Value, levels: usize) -> Vec<Value> {
    match value {
        Value::List(items) if levels > 0 => items
            .iter()
            .flat_map(|item| match item {
                Value::List(_) => flat(item, levels - 1),
                other => vec![other.clone()],
            })
            .collect(),
        Value::List(items) => items.to_vec(),
        Value::Null => Vec::new(),
        other => vec![other.clone()],
    }
}

fn all(ask: &Ask<'_>, levels: usize) -> Vec<Value> {
    ask.call.terms.iter().flat_map(|term| flat(term, levels)).collect()
}

pub(super) fn items(ask: &Ask<'_>) -> Outcome {
    Ok(Lookup::Results(all(ask, 0)))
}

pub(super) fn list(ask: &Ask<'_>) -> Outcome {
    Ok(Lookup::Results(ask.call.terms.clone()))
}

pub(super) fn flattened(ask: &Ask<'_>) -> Outcome {
    Ok(Lookup::Results(all(ask, 20)))
}

pub(super) fn indexed_items(ask: &Ask<'_>) -> Outcome {
    let pair = |(i, item)| Value::list([Value::from(i), item]);
    Ok(Lookup::Results(all(ask, 0).into_iter().enumerate().map(pair).collect()))
}

pub(super) fn random_choice(ask: &Ask<'_>) -> Outcome {
    let at = random_below(ask.call.terms.len());
    Ok(Lookup::Results(ask.call.terms.get(at).cloned().into_iter().collect()))
}

pub(super) fn dict(ask: &Ask<'_>) -> Outcome {
    let entry =
        |(key, value): (&Arc<str>, &Value)| Value::map([("key", Value::Str(key.clone())), ("value", value.clone())]);
    let mut results = Vec::new();
    for term in &ask.call.terms {
        let maps = match term {
            Value::List(items) => items.to_vec(),
            other => vec![other.clone()],
        };
        for map in maps {
            let Some(map) = map.as_map() else {
                return fail(format!("the 'dict' lookup plugin expects a dictionary, found {}", map.type_name()));
            };
            results.extend(map.iter().map(entry));
        }
    }
    Ok(Lookup::Results(results))
}

fn lists(ask: &Ask<'_>) -> Vec<Vec<Value>> {
    ask.call.terms.iter().map(|term| flat(term, 1)).collect()
}

pub(super) fn together(ask: &Ask<'_>) -> Outcome {
    let lists = lists(ask);
    if lists.is_empty() {
        return fail("with_together requires at least one element in each list");
    }
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let row = |i| Value::list(lists.iter().map(|list: &Vec<Value>| list.get(i).cloned().unwrap_or_default()));
    Ok(Lookup::Results((0..longest).map(row).collect()))
}

pub(super) fn nested(ask: &Ask<'_>) -> Outcome {
    let lists = lists(ask);
    if lists.is_empty() {
        return fail("with_nested requires at least one element in the nested list");
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in lists {
        if rows.len().saturating_mul(list.len()) > MOST {
            return fail("`nested` makes too many rows");
        }
        let longer = |row: &Vec<Value>| -> Vec<Vec<Value>> {
            list.iter().map(|item| [row.as_slice(), std::slice::from_ref(item)].concat()).collect()
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    Ok(Lookup::Results(rows.into_iter().map(|row| Value::list(row.iter().flat_map(|item| flat(item, 1)))).collect()))
}

pub(super) fn subelements(ask: &Ask<'_>) -> Outcome {
    let (items, path, flags) = match ask.call.terms.as_slice() {
        [items, path] => (items, path, None),
        [items, path, flags] => (items, path, Some(flags)),
        _ => return fail("subelements lookup expects a list of two or three items"),
    };
    let Some(path) = path.as_str() else {
        return fail("subelements lookup expects first a dict or a list, second a string pointing to the subkey");
    };
    let items: Vec<Value> = match items {
        Value::List(items) => items.to_vec(),
        // A record that was skipped has no elements.
        Value::Map(map) if is_skipped(map) => Vec::new(),
        Value::Map(map) => map.values().cloned().collect(),
        _ => return fail("subelements lookup expects first a dict or a list, second a string pointing to the subkey"),
    };
    let skip = match flags {
        None => ask.option("skip_missing").is_some_and(crate::apply_truth),
        Some(Value::Map(map)) if map.keys().all(|key| key.as_ref() == "skip_missing") => {
            map.get("skip_missing").is_some_and(crate::apply_truth)
        }
        Some(_) => return fail("subelements lookup: the optional third item must be a dict with `skip_missing`"),
    };
    let mut rows = Vec::new();
    for item in items {
        let Some(map) = item.as_map() else {
            return fail(format!("subelements lookup expects a dictionary, got '{item}'"));
        };
        if !is_skipped(map) {
            let row = |element: Value| Value::list([item.clone(), element]);
            rows.extend(elements(&item, path, skip)?.into_iter().map(row));
        }
    }
    Ok(Lookup::Results(rows))
}

fn is_skipped(map: &Map) -> bool {
    map.get("skipped") == Some(&Value::Bool(true))
}

/// The list at a dotted path.
fn elements(item: &Value, path: &str, skip: bool) -> Result<Vec<Value>, EvalError> {
    let (mut at, mut parts) = (item, path.split('.').peekable());
    while let Some(part) = parts.next() {
        let Some(map) = at.as_map() else {
            if skip {
                return Ok(Vec::new());
            }
            return fail(format!("the key {part} should point to a dictionary, got '{at}'"));
        };
        let Some(next) = map.get(part) else {
            if skip {
                return Ok(Vec::new());
            }
            return fail(format!("could not find '{part}' key in iterated item '{item}'"));
        };
        at = next;
        match (parts.peek().is_some(), at) {
            (true, Value::Map(_)) => {}
            (true, _) | (_, Value::Null) if skip => return Ok(Vec::new()),
            (true, other) => return fail(format!("the key {part} should point to a dictionary, got '{other}'")),
            (false, Value::List(items)) => return Ok(items.to_vec()),
            (false, other) => return fail(format!("the key {part} should point to a list, got '{other}'")),
        }
    }
    Ok(Vec::new())
}
