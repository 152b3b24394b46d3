//! How much a value holds.
//!
//! The engine bounds its own work with fuel. What filters, and the conversions between its values and ours, go through is
//! bounded here: lists are shared, so that `[x, x]` a few dozen times over is small to hold and endless to walk.

use std::cell::Cell;

use minijinja::value::{ObjectRepr, Value as Jinja};

use super::convert::data;
use super::globals::AllVariables;
use crate::value::Value;

/// Deeper values are refused, as on the wire: whoever walks one does so by recursion.
pub const DEEPEST: usize = 200;
/// How much of its fuel an evaluation may hold in one value: five million values at the
/// very most, and a third as many in mappings.
const SHARE: u64 = 4;
/// What an entry of a mapping weighs more than an item of a list.
pub const ENTRY: u64 = 2;

thread_local! {
    static LIMIT: Cell<u64> = const { Cell::new(5_000_000) };
}

/// The most a value may hold when it leaves the evaluation that is running on this thread, or enters a filter of it.
pub fn limit() -> u64 {
    LIMIT.get()
}

/// Runs an evaluation that has so much fuel.
pub fn limited<T>(fuel: u64, work: impl FnOnce() -> T) -> T {
    let before = LIMIT.replace(fuel / SHARE);
    let result = work();
    LIMIT.set(before);
    result
}

/// What is said of a value that is refused.
pub const REFUSED: &str = "a value is too large, or is nested too deeply";

/// The number of values in a value, and one more for every 64 bytes of text; `None` where it is more than is allowed.
pub fn of(value: &Value) -> Option<u64> {
    let mut left = limit();
    walk(value, 0, &mut left).map(|()| limit() - left)
}

fn walk(value: &Value, depth: usize, left: &mut u64) -> Option<()> {
    let text = |text: &str| 1 + (text.len() / 64) as u64;
    let own = match value {
        Value::Str(string) => text(string),
        _ => 1,
    };
    *left = left.checked_sub(own)?;
    match value {
        Value::List(_) | Value::Map(_) if depth >= DEEPEST => None,
        Value::List(items) => items.iter().try_for_each(|item| walk(item, depth + 1, left)),
        Value::Map(map) => map.iter().try_for_each(|(key, item)| {
            *left = left.checked_sub(text(key) - 1 + ENTRY)?;
            walk(item, depth + 1, left)
        }),
        _ => Some(()),
    }
}

/// The same of a value of the engine. What can be gone through only once counts as one.
pub fn of_jinja(value: &Jinja) -> Option<u64> {
    let mut left = limit();
    walk_jinja(value, 0, &mut left).map(|()| limit() - left)
}

fn walk_jinja(value: &Jinja, depth: usize, left: &mut u64) -> Option<()> {
    *left = left.checked_sub(1 + value.as_str().map_or(0, |text| text.len() as u64 / 64))?;
    if let Some(value) = data(value) {
        return walk(&value, depth, left);
    }
    let Some(object) = value.as_object() else { return Some(()) };
    match object.repr() {
        ObjectRepr::Plain => return Some(()),
        ObjectRepr::Iterable if object.enumerator_len().is_none() => return Some(()),
        _ if depth >= DEEPEST => return None,
        ObjectRepr::Map => {
            for (key, item) in object.try_iter_pairs().into_iter().flatten() {
                *left = left.checked_sub(ENTRY)?;
                walk_jinja(&key, depth + 1, left)?;
                walk_jinja(&item, depth + 1, left)?;
            }
        }
        _ => {
            for item in object.try_iter().into_iter().flatten() {
                walk_jinja(&item, depth + 1, left)?;
            }
        }
    }
    Some(())
}

/// Says whether a value of the engine is nested too deeply, as far as a look at the first few items of each collection can say.
/// It is asked at every turn of a loop, of lists that grow there: it must not go through them.
pub fn is_deep(value: &Jinja) -> bool {
    const WIDTH: usize = 32;
    fn look_at_data(value: &Value, depth: usize, left: &mut u64) -> bool {
        *left = left.saturating_sub(1);
        match value {
            Value::List(_) | Value::Map(_) if *left == 0 || depth >= DEEPEST => depth >= DEEPEST,
            Value::List(items) => items.iter().take(WIDTH).any(|item| look_at_data(item, depth + 1, left)),
            Value::Map(map) => map.values().take(WIDTH).any(|item| look_at_data(item, depth + 1, left)),
            _ => false,
        }
    }
    fn look(value: &Jinja, depth: usize, left: &mut u64) -> bool {
        *left = left.saturating_sub(1);
        if let Some(value) = data(value) {
            return look_at_data(&value, depth, left);
        }
        let all = value.downcast_object_ref::<AllVariables>().is_some();
        let Some(object) = value.as_object().filter(|_| *left > 0 && !all) else { return false };
        let mut below = |item: Jinja| look(&item, depth + 1, left);
        match object.repr() {
            ObjectRepr::Plain => false,
            ObjectRepr::Iterable if object.enumerator_len().is_none() => false,
            _ if depth >= DEEPEST => true,
            ObjectRepr::Map => object.try_iter_pairs().into_iter().flatten().take(WIDTH).any(|(_, item)| below(item)),
            _ => object.try_iter().into_iter().flatten().take(WIDTH).any(below),
        }
    }
    look(value, 0, &mut 10_000)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_is_shared_or_deep_without_end_is_refused() {
        let twice = |value: Value, _| Value::list([value.clone(), value]);
        assert_eq!(of(&(0..3).fold(Value::Null, twice)), Some(15));
        assert_eq!(of(&(0..60).fold(Value::Null, twice)), None);
        let nested = |value: Value, _| Value::list([value]);
        assert!(of(&(0..DEEPEST).fold(Value::Null, nested)).is_some());
        assert_eq!(of(&(0..=DEEPEST).fold(Value::Null, nested)), None);
    }
}
