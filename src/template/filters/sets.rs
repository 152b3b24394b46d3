//! Lists as sets, and lists from lists.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use minijinja::{Environment, Error};

use super::call::{Args, Outcome, add, add_shape, fail, float, items, same};
use crate::value::Value;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["union"], |v, a| Ok(distinct(items(v)?.into_iter().chain(items(a.need(0, "b")?)?)).into()));
    add(env, &["unique"], unique);
    add(env, &["intersect"], |v, a| keep(v, a, true));
    add(env, &["difference"], |v, a| keep(v, a, false));
    add(env, &["symmetric_difference"], symmetric);
    add_shape(env, &["flatten"], |v, a| {
        let levels = a.int(0, "levels")?;
        a.weigh(v)?;
        let skip = a.placed().get(1).or(a.named().get("skip_nulls")).is_none_or(Value::is_true);
        Ok(flatten(&items(v)?, levels, skip).into())
    });
    add_shape(env, &["zip"], |v, a| zip(v, a, None));
    add_shape(env, &["zip_longest"], |v, a| zip(v, a, Some(a.named().get("fillvalue").cloned().unwrap_or_default())));
    add_shape(env, &["product"], product);
    add_shape(env, &["permutations"], |v, a| arrange(v, a, true));
    add_shape(env, &["combinations"], |v, a| arrange(v, a, false));
}

/// Values by what they are, so that a large list need not be compared with itself value by value.
#[derive(Default)]
pub struct Seen<'v>(HashMap<u64, Vec<Cow<'v, Value>>>);

impl<'v> Seen<'v> {
    /// Every value of a list.
    pub fn of(values: &'v [Value]) -> Self {
        let mut seen = Self::default();
        for value in values {
            seen.insert(Cow::Borrowed(value));
        }
        seen
    }

    /// Says whether a value is among them.
    pub fn contains(&self, value: &Value) -> bool {
        self.0.get(&digest(value)).is_some_and(|alike| alike.iter().any(|known| same(known, value)))
    }

    /// Adds a value; says whether it is the first of its kind.
    pub fn insert(&mut self, value: Cow<'v, Value>) -> bool {
        let alike = self.0.entry(digest(&value)).or_default();
        let new = !alike.iter().any(|known| same(known, &value));
        if new {
            alike.push(value);
        }
        new
    }
}

/// The same for values that are the same to [`same`].
fn digest(value: &Value) -> u64 {
    fn write(value: &Value, hasher: &mut DefaultHasher) {
        match value {
            // 1, 1.0 and true are the same, as are both zeros.
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => {
                (float(value).unwrap_or_default() + 0.0).to_bits().hash(hasher);
            }
            Value::Str(text) => text.hash(hasher),
            Value::List(items) => items.iter().for_each(|item| write(item, hasher)),
            // The order of keys does not matter.
            Value::Map(map) => map.len().hash(hasher),
            Value::Null | Value::Omit | Value::Unknown => {}
        }
    }
    let mut hasher = DefaultHasher::new();
    write(value, &mut hasher);
    hasher.finish()
}

/// Each value once, in the order of first appearance.
pub fn distinct(values: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut seen = Seen::default();
    values.into_iter().filter(|value| seen.insert(Cow::Owned(value.clone()))).collect()
}

/// Text is compared without case, as in Jinja, unless asked otherwise.
fn unique(value: &Value, args: &Args) -> Outcome {
    let exact = args.flag(0, "case_sensitive");
    let attribute = args.text(1, "attribute");
    let mut keys = Seen::default();
    let mut kept = Vec::new();
    for item in items(value)? {
        let key = attribute.as_deref().and_then(|path| reach(&item, path)).unwrap_or_else(|| item.clone());
        let key = match key {
            Value::Str(text) if !exact => Value::from(text.to_lowercase()),
            other => other,
        };
        if keys.insert(Cow::Owned(key)) {
            kept.push(item);
        }
    }
    Ok(kept.into())
}

/// The value at a dotted path.
pub fn reach(value: &Value, path: &str) -> Option<Value> {
    path.split('.').try_fold(value.clone(), |value, part| match &value {
        Value::Map(map) => map.get(part).cloned(),
        Value::List(list) => list.get(part.parse::<usize>().ok()?).cloned(),
        _ => None,
    })
}

fn keep(value: &Value, args: &Args, common: bool) -> Outcome {
    let other = items(args.need(0, "b")?)?;
    let other = Seen::of(&other);
    let kept = items(value)?.into_iter().filter(|item| other.contains(item) == common);
    Ok(distinct(kept).into())
}

fn symmetric(value: &Value, args: &Args) -> Outcome {
    let (a, b) = (items(value)?, items(args.need(0, "b")?)?);
    let only = |xs: &[Value], ys: &[Value]| -> Vec<Value> {
        let ys = Seen::of(ys);
        xs.iter().filter(|x| !ys.contains(x)).cloned().collect()
    };
    Ok(distinct(only(&a, &b).into_iter().chain(only(&b, &a))).into())
}

fn flatten(list: &[Value], levels: Option<i64>, skip_nulls: bool) -> Vec<Value> {
    let mut out = Vec::new();
    for item in list {
        let none = matches!(item, Value::Null) || matches!(item.as_str(), Some("None" | "null"));
        match item {
            _ if none && skip_nulls => {}
            Value::List(inner) if levels.is_none_or(|n| n >= 1) => {
                out.extend(flatten(inner, levels.map(|n| n - 1), skip_nulls));
            }
            other => out.push(other.clone()),
        }
    }
    out
}

fn lists(value: &Value, args: &Args) -> Result<Vec<Vec<Value>>, Error> {
    std::iter::once(value).chain(args.placed()).map(items).collect()
}

fn zip(value: &Value, args: &Args, fill: Option<Value>) -> Outcome {
    let lists = lists(value, args)?;
    let lengths = lists.iter().map(Vec::len);
    let length = if fill.is_some() { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let fill = fill.unwrap_or_default();
    args.spend((length as u64).saturating_mul(lists.len() as u64))?;
    let row = |at: usize| Value::list(lists.iter().map(|list| list.get(at).cloned().unwrap_or_else(|| fill.clone())));
    Ok(Value::list((0..length).map(row)))
}

/// The most rows a filter makes: a template must not fill the memory.
const MOST: usize = 200_000;

fn product(value: &Value, args: &Args) -> Outcome {
    let mut lists = lists(value, args)?;
    let repeat =
        usize::try_from(args.named().get("repeat").and_then(|v| v.to_string().parse::<i64>().ok()).unwrap_or(1));
    let once = lists.clone();
    for _ in 1..repeat.unwrap_or(1).min(16) {
        lists.extend(once.iter().cloned());
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in lists {
        if rows.len().saturating_mul(list.len()) > MOST {
            return Err(fail("`product` makes too many rows"));
        }
        let width = rows.first().map_or(0, Vec::len) + 1;
        args.spend((rows.len().saturating_mul(list.len()).saturating_mul(width)) as u64)?;
        let grown = rows
            .iter()
            .flat_map(|row| list.iter().map(move |item| [row.as_slice(), std::slice::from_ref(item)].concat()));
        rows = grown.collect();
    }
    Ok(Value::list(rows.into_iter().map(Value::from)))
}

fn arrange(value: &Value, args: &Args, ordered: bool) -> Outcome {
    let list = items(value)?;
    let size = args.int(0, "r")?.map_or(list.len(), |n| usize::try_from(n).unwrap_or(0));
    let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..size.min(list.len() + 1) {
        let grown = rows.iter().flat_map(|row| {
            let from = if ordered { 0 } else { row.last().map_or(0, |last| last + 1) };
            (from..list.len()).filter(|at| !row.contains(at)).map(|at| [row.as_slice(), &[at]].concat())
        });
        rows = grown.take(MOST + 1).collect();
        args.spend((rows.len().saturating_mul(rows.first().map_or(0, Vec::len))) as u64)?;
        if rows.len() > MOST {
            return Err(fail("the filter makes too many rows"));
        }
    }
    let pick = |row: Vec<usize>| Value::list(row.into_iter().filter_map(|at| list.get(at).cloned()));
    Ok(Value::list(rows.into_iter().map(pick)))
}
