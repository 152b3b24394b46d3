//! Mappings: merging, and to and from lists.

use minijinja::{Environment, Error};

use super::call::{Args, Outcome, add_shape, fail, items, mapping};
use super::sets::{Seen, reach};
use crate::value::{Map, Value};

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add_shape(env, &["combine"], combine);
    add_shape(env, &["dict2items"], dict2items);
    add_shape(env, &["items2dict"], items2dict);
    add_shape(env, &["subelements"], subelements);
    add_shape(env, &["extract"], extract);
}

fn combine(value: &Value, args: &Args) -> Outcome {
    let recursive = args.named().get("recursive").is_some_and(Value::is_true);
    let how = args.named().get("list_merge").map_or("replace".to_owned(), Value::to_string);
    if !matches!(how.as_str(), "replace" | "keep" | "append" | "prepend" | "append_rp" | "prepend_rp") {
        return Err(fail("`list_merge` is one of replace, keep, append, prepend, append_rp, prepend_rp"));
    }
    if recursive || how.ends_with("_rp") {
        args.weigh(value)?;
    }
    let mut maps = Vec::new();
    for value in std::iter::once(value).chain(args.placed()) {
        gather(value, &mut maps)?;
    }
    let merged = maps.into_iter().reduce(|under, over| merge(under, &over, recursive, &how));
    Ok(merged.unwrap_or_default().into())
}

/// Lists of mappings count as so many mappings.
fn gather(value: &Value, maps: &mut Vec<Map>) -> Result<(), Error> {
    match value {
        Value::List(list) => list.iter().try_for_each(|value| gather(value, maps)),
        other => mapping(other).map(|map| maps.push(map)),
    }
}

fn merge(mut under: Map, over: &Map, recursive: bool, how: &str) -> Map {
    for (key, value) in over {
        let merged = match (under.get(key), value) {
            (Some(Value::Map(old)), Value::Map(new)) if recursive => merge(old.as_ref().clone(), new, true, how).into(),
            (Some(Value::List(old)), Value::List(new)) => merge_lists(old, new, how),
            _ => value.clone(),
        };
        under.insert(key.clone(), merged);
    }
    under
}

fn merge_lists(old: &[Value], new: &[Value], how: &str) -> Value {
    let without = |list: &[Value], other: &[Value]| -> Vec<Value> {
        let other = Seen::of(other);
        list.iter().filter(|item| !other.contains(item)).cloned().collect()
    };
    match how {
        "keep" => old.to_vec(),
        "append" => [old, new].concat(),
        "prepend" => [new, old].concat(),
        "append_rp" => [without(old, new), new.to_vec()].concat(),
        "prepend_rp" => [new.to_vec(), without(old, new)].concat(),
        _ => new.to_vec(),
    }
    .into()
}

fn key_names(args: &Args) -> (String, String) {
    (
        args.text(0, "key_name").unwrap_or_else(|| "key".into()),
        args.text(1, "value_name").unwrap_or_else(|| "value".into()),
    )
}

fn dict2items(value: &Value, args: &Args) -> Outcome {
    let (key, val) = key_names(args);
    let entry = |(k, v): (&std::sync::Arc<str>, &Value)| Value::map([(&key, Value::str(k)), (&val, v.clone())]);
    Ok(Value::list(mapping(value)?.iter().map(entry)))
}

fn items2dict(value: &Value, args: &Args) -> Outcome {
    let (key, val) = key_names(args);
    let mut map = Map::new();
    for item in items(value)? {
        let (Some(k), Some(v)) = (item.get(&key), item.get(&val)) else {
            return Err(fail(format!("`items2dict` takes a list of mappings with the keys `{key}` and `{val}`")));
        };
        map.insert(k.to_string().into(), v.clone());
    }
    Ok(map.into())
}

fn subelements(value: &Value, args: &Args) -> Outcome {
    let path = match args.need(0, "subelements")? {
        Value::List(parts) => parts.iter().map(Value::to_string).collect::<Vec<_>>().join("."),
        other => other.to_string(),
    };
    let skip = args.flag(1, "skip_missing");
    let outer = match value {
        Value::Map(map) => map.values().cloned().collect(),
        other => items(other)?,
    };
    let mut rows = Vec::new();
    for item in outer {
        match reach(&item, &path) {
            Some(Value::List(inner)) => {
                args.spend(inner.len() as u64)?;
                rows.extend(inner.iter().map(|sub| Value::list([item.clone(), sub.clone()])));
            }
            Some(Value::Unknown) => drop(crate::template::trace::unknown()),
            None if skip => {}
            Some(other) => {
                return Err(fail(format!("the key {path} should point to a list, found {}", other.type_name())));
            }
            None => {
                return Err(fail(format!(
                    "could not find the key `{path}` in an item; `skip_missing=true` passes over it"
                )));
            }
        }
    }
    Ok(rows.into())
}

fn extract(value: &Value, args: &Args) -> Outcome {
    let container = args.need(0, "container")?;
    let more = match args.get(1, "morekeys") {
        Some(Value::List(keys)) => keys.to_vec(),
        Some(key) => vec![key.clone()],
        None => Vec::new(),
    };
    let mut at = container.clone();
    for key in std::iter::once(value).chain(&more) {
        let found = match (&at, key) {
            (Value::List(list), Value::Int(n)) => {
                let n = if *n < 0 { n + i64::try_from(list.len()).unwrap_or(0) } else { *n };
                usize::try_from(n).ok().and_then(|n| list.get(n)).cloned()
            }
            (Value::Map(map), key) => map.get(key.to_string().as_str()).cloned(),
            (Value::Unknown, _) => Some(Value::Unknown),
            _ => None,
        };
        at = found.ok_or_else(|| fail(format!("`extract` finds no `{key}` in {}", at.type_name())))?;
    }
    Ok(at)
}
