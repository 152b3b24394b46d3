//! JMESPath's functions.

use std::cmp::Ordering;

use minijinja::Error;

use super::{Outcome, Tree, compare, fail, truth};
use crate::value::{Map, Value};

/// Calls a function.
pub fn call(name: &str, arguments: &[Tree], current: &Value) -> Outcome {
    if let [Tree::Reference(by), list] = arguments
        && name == "map"
    {
        let items = list_of(name, &list.of(current)?)?;
        return Ok(Value::from(items.iter().map(|item| by.of(item)).collect::<Result<Vec<_>, Error>>()?));
    }
    if let [list, Tree::Reference(by)] = arguments {
        return keyed(name, &list_of(name, &list.of(current)?)?, by);
    }
    let values = arguments.iter().map(|argument| argument.of(current)).collect::<Result<Vec<_>, Error>>()?;
    match (name, values.as_slice()) {
        ("not_null", values) => Ok(values.iter().find(|value| **value != Value::Null).cloned().unwrap_or_default()),
        ("merge", values) => {
            let maps = values.iter().filter_map(Value::as_map).flatten();
            Ok(Value::from(maps.map(|(key, value)| (key.clone(), value.clone())).collect::<Map>()))
        }
        (_, [value]) => one(name, value),
        (_, [first, second]) => two(name, first, second),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Error {
    fail(format!("JMESPath has no function `{name}` with these arguments"))
}

fn list_of(name: &str, value: &Value) -> Result<Vec<Value>, Error> {
    value
        .as_list()
        .map(<[Value]>::to_vec)
        .ok_or_else(|| fail(format!("`{name}` takes a list, found {}", value.type_name())))
}

fn order(a: &Value, b: &Value) -> Ordering {
    if compare(a, "<", b) == Value::Bool(true) {
        Ordering::Less
    } else if compare(a, ">", b) == Value::Bool(true) {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// Functions that ask an expression of each item.
fn keyed(name: &str, items: &[Value], by: &Tree) -> Outcome {
    let mut pairs = items.iter().map(|item| Ok((by.of(item)?, item.clone()))).collect::<Result<Vec<_>, Error>>()?;
    pairs.sort_by(|a, b| order(&a.0, &b.0));
    match name {
        "sort_by" => Ok(Value::list(pairs.into_iter().map(|(_, item)| item))),
        "min_by" => Ok(pairs.into_iter().next().map(|(_, item)| item).unwrap_or_default()),
        "max_by" => Ok(pairs.into_iter().next_back().map(|(_, item)| item).unwrap_or_default()),
        _ => Err(unknown(name)),
    }
}

fn one(name: &str, value: &Value) -> Outcome {
    let items = || list_of(name, value);
    let numbers = || -> Result<Vec<f64>, Error> { items()?.iter().map(super::super::call::float).collect() };
    Ok(match name {
        "length" => match value {
            Value::Str(text) => Value::from(text.chars().count()),
            Value::Map(map) => Value::from(map.len()),
            _ => Value::from(items()?.len()),
        },
        "keys" => Value::list(value.as_map().into_iter().flat_map(Map::keys).map(Value::str)),
        "values" => Value::list(value.as_map().into_iter().flat_map(Map::values).cloned()),
        "type" => Value::str(match value {
            Value::Null | Value::Omit | Value::Unknown => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) | Value::Float(_) => "number",
            Value::Str(_) => "string",
            Value::List(_) => "array",
            Value::Map(_) => "object",
        }),
        "to_string" => match value {
            Value::Str(_) => value.clone(),
            other => Value::from(super::super::json::compact(other)),
        },
        "to_number" => match value {
            Value::Int(_) | Value::Float(_) => value.clone(),
            Value::Str(text) => {
                text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::Float)).unwrap_or_default()
            }
            _ => Value::Null,
        },
        "to_array" => match value {
            Value::List(_) => value.clone(),
            other => Value::list([other.clone()]),
        },
        "reverse" => match value {
            Value::Str(text) => Value::from(text.chars().rev().collect::<String>()),
            _ => Value::list(items()?.into_iter().rev()),
        },
        "sort" | "min" | "max" => {
            let mut items = items()?;
            items.sort_by(order);
            match name {
                "sort" => Value::from(items),
                "min" => items.into_iter().next().unwrap_or_default(),
                _ => items.into_iter().next_back().unwrap_or_default(),
            }
        }
        "sum" => whole(numbers()?.iter().sum()),
        "avg" => {
            let numbers = numbers()?;
            if numbers.is_empty() {
                Value::Null
            } else {
                Value::Float(numbers.iter().sum::<f64>() / numbers.len() as f64)
            }
        }
        "abs" => whole(super::super::call::float(value)?.abs()),
        "ceil" => whole(super::super::call::float(value)?.ceil()),
        "floor" => whole(super::super::call::float(value)?.floor()),
        "not_null" => value.clone(),
        _ => return Err(unknown(name)),
    })
}

fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 { Value::Int(number as i64) } else { Value::Float(number) }
}

fn two(name: &str, first: &Value, second: &Value) -> Outcome {
    let texts = || match (first, second) {
        (Value::Str(first), Value::Str(second)) => Ok((first, second)),
        _ => Err(fail(format!("`{name}` takes two strings"))),
    };
    Ok(match name {
        "contains" => match first {
            Value::Str(text) => Value::Bool(second.as_str().is_some_and(|part| text.contains(part))),
            _ => {
                let items = list_of(name, first)?;
                Value::Bool(items.iter().any(|item| truth(&compare(item, "==", second))))
            }
        },
        "starts_with" => texts().map(|(text, part)| Value::Bool(text.starts_with(part.as_ref())))?,
        "ends_with" => texts().map(|(text, part)| Value::Bool(text.ends_with(part.as_ref())))?,
        "join" => {
            let items: Vec<String> = list_of(name, second)?.iter().map(ToString::to_string).collect();
            Value::from(items.join(&first.to_string()))
        }
        _ => return Err(unknown(name)),
    })
}
