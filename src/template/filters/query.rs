//! `json_query`: JMESPath, read into a tree and evaluated over values.

mod functions;
mod parser;

use minijinja::{Environment, Error};

use super::call::{Args, Outcome, add, fail};
use crate::value::{Map, Value};

/// Registers it.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["json_query"], |value, args: &Args| {
        let expression = args.need(0, "expr")?.to_string();
        let tree = parser::parse(&expression).map_err(|why| fail(format!("`{expression}` is not JMESPath: {why}")))?;
        tree.of(value)
    });
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Current,
    Field(String),
    Literal(Value),
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    /// The right side of the result of the left.
    Then(Box<Tree>, Box<Tree>),
    /// The right side of each item of the left, where that is a list.
    Each(Box<Tree>, Box<Tree>),
    /// The right side of each value of the left, where that is a mapping.
    Values(Box<Tree>, Box<Tree>),
    /// The right side of each item of the left that the condition holds for.
    Filter(Box<Tree>, Box<Tree>, Box<Tree>),
    Flatten(Box<Tree>),
    List(Vec<Tree>),
    Hash(Vec<(String, Tree)>),
    Or(Box<Tree>, Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
    Compare(Box<Tree>, &'static str, Box<Tree>),
    Call(String, Vec<Tree>),
    /// `&expression`, for functions such as `sort_by`.
    Reference(Box<Tree>),
}

/// What JMESPath takes for true: neither null nor false nor empty.
fn truth(value: &Value) -> bool {
    match value {
        Value::Int(_) | Value::Float(_) => true,
        other => other.is_true(),
    }
}

impl Tree {
    fn of(&self, value: &Value) -> Outcome {
        Ok(match self {
            Self::Current => value.clone(),
            Self::Field(name) => value.get(name).cloned().unwrap_or_default(),
            Self::Literal(literal) => literal.clone(),
            Self::Index(index) => at(value, *index),
            Self::Slice(start, stop, step) => slice(value, *start, *stop, *step)?,
            Self::Then(left, right) => right.of(&left.of(value)?)?,
            Self::Each(left, right) => match left.of(value)? {
                Value::List(items) => project(items.iter(), right)?,
                _ => Value::Null,
            },
            Self::Values(left, right) => match left.of(value)? {
                Value::Map(map) => project(map.values(), right)?,
                _ => Value::Null,
            },
            Self::Filter(left, condition, right) => match left.of(value)? {
                Value::List(items) => {
                    let mut kept = Vec::new();
                    for item in items.iter() {
                        if truth(&condition.of(item)?) {
                            kept.push(item.clone());
                        }
                    }
                    project(kept.iter(), right)?
                }
                _ => Value::Null,
            },
            Self::Flatten(left) => match left.of(value)? {
                Value::List(items) => {
                    let flat = |item: &Value| item.as_list().map_or_else(|| vec![item.clone()], <[Value]>::to_vec);
                    Value::list(items.iter().flat_map(flat))
                }
                _ => Value::Null,
            },
            Self::List(_) | Self::Hash(_) if *value == Value::Null => Value::Null,
            Self::List(parts) => Value::from(parts.iter().map(|part| part.of(value)).collect::<Result<Vec<_>, _>>()?),
            Self::Hash(parts) => {
                let entry = |(name, part): &(String, Tree)| Ok((name.as_str().into(), part.of(value)?));
                Value::from(parts.iter().map(entry).collect::<Result<Map, Error>>()?)
            }
            Self::Or(left, right) => match left.of(value)? {
                found if truth(&found) => found,
                _ => right.of(value)?,
            },
            Self::And(left, right) => match left.of(value)? {
                found if truth(&found) => right.of(value)?,
                found => found,
            },
            Self::Not(inner) => Value::Bool(!truth(&inner.of(value)?)),
            Self::Compare(left, operator, right) => compare(&left.of(value)?, operator, &right.of(value)?),
            Self::Call(name, arguments) => functions::call(name, arguments, value)?,
            Self::Reference(_) => return Err(fail("`&` stands only before an argument of a function")),
        })
    }
}

/// Nulls are left out of a projection.
fn project<'v>(items: impl Iterator<Item = &'v Value>, right: &Tree) -> Outcome {
    let mut found = Vec::new();
    for item in items {
        let value = right.of(item)?;
        if value != Value::Null {
            found.push(value);
        }
    }
    Ok(found.into())
}

fn at(value: &Value, index: i64) -> Value {
    let items = value.as_list().unwrap_or_default();
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let index = usize::try_from(if index < 0 { index.saturating_add(length) } else { index });
    index.ok().and_then(|index| items.get(index)).cloned().unwrap_or_default()
}

fn slice(value: &Value, start: Option<i64>, stop: Option<i64>, step: i64) -> Outcome {
    let Some(items) = value.as_list() else { return Ok(Value::Null) };
    if step == 0 {
        return Err(fail("the step of a slice cannot be 0"));
    }
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |index: i64| (if index < 0 { index.saturating_add(length) } else { index }).clamp(low, high);
    let (first, last) = if step > 0 { (0, length) } else { (length - 1, -1) };
    let (mut i, stop) = (start.map_or(first, clamp), stop.map_or(last, clamp));
    let mut out = Vec::new();
    while (step > 0 && i < stop) || (step < 0 && i > stop) {
        out.extend(usize::try_from(i).ok().and_then(|i| items.get(i)).cloned());
        i = i.saturating_add(step);
    }
    Ok(out.into())
}

fn compare(left: &Value, operator: &str, right: &Value) -> Value {
    let number = |value: &Value| match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        _ => None,
    };
    let same = match (number(left), number(right)) {
        (Some(a), Some(b)) => a == b,
        _ => left == right,
    };
    // Python's library orders texts too, and so do playbooks.
    let order = match (number(left), number(right), left, right) {
        (Some(a), Some(b), ..) => a.partial_cmp(&b),
        (_, _, Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match operator {
        "==" => Value::Bool(same),
        "!=" => Value::Bool(!same),
        _ => order.map_or(Value::Null, |order| {
            Value::Bool(match operator {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                _ => order.is_ge(),
            })
        }),
    }
}
