//! Between [`Value`] and the engine's values. Collections are handed over without copying.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};

use super::error::EvalError;
use super::globals::AllVariables;
use super::trace::{self, MissingMark, OmitMark, Parent, UnknownMark};
use super::weight;
use crate::value::{Map, Value};

/// Gives a value to the engine.
pub fn to_jinja(value: &Value) -> Jinja {
    placed(value, || None)
}

/// Gives a value to the engine that stands at a path: what is missing in it can be named.
pub fn placed(value: &Value, path: impl FnOnce() -> Option<Arc<str>>) -> Jinja {
    match value {
        Value::Null => Jinja::from(()),
        Value::Bool(b) => Jinja::from(*b),
        Value::Int(i) => Jinja::from(*i),
        Value::Float(x) => Jinja::from(*x),
        Value::Str(text) => Jinja::from(text.clone()),
        Value::List(items) => Jinja::from_object(ListObject(items.clone(), path())),
        Value::Map(map) => Jinja::from_object(MapObject(map.clone(), path())),
        Value::Omit => Jinja::from_object(OmitMark),
        Value::Unknown => trace::unknown(),
    }
}

/// Takes a value from the engine. One that is too large or too deep makes the evaluation fail.
pub fn from_jinja(value: &Jinja) -> Value {
    taken(value, 0, &mut weight::limit())
}

fn taken(value: &Jinja, depth: usize, left: &mut u64) -> Value {
    *left = left.saturating_sub(1);
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => number(value),
        ValueKind::String => Value::Str(value.to_str().unwrap_or_else(|| Arc::from(""))),
        ValueKind::Bytes => Value::from(String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()),
        _ => from_object(value, depth, left),
    }
}

/// The data behind a value that was given to the engine as it is. Who looks at it here hands out nothing that is unknown.
pub fn data(value: &Jinja) -> Option<Value> {
    let map = value.downcast_object_ref::<MapObject>().map(|map| Value::Map(map.0.clone()));
    map.or_else(|| value.downcast_object_ref::<ListObject>().map(|list| Value::List(list.0.clone())))
}

fn number(value: &Jinja) -> Value {
    if value.is_integer()
        && let Some(i) = value.as_i64()
    {
        return Value::Int(i);
    }
    f64::try_from(value.clone()).map_or(Value::Null, Value::Float)
}

fn from_object(value: &Jinja, depth: usize, left: &mut u64) -> Value {
    if let Some(map) = value.downcast_object_ref::<MapObject>() {
        return Value::Map(map.0.clone());
    }
    if let Some(list) = value.downcast_object_ref::<ListObject>() {
        return Value::List(list.0.clone());
    }
    if value.downcast_object_ref::<UnknownMark>().is_some() {
        return Value::Unknown;
    }
    if value.downcast_object_ref::<OmitMark>().is_some() {
        return Value::Omit;
    }
    if value.downcast_object_ref::<MissingMark>().is_some() {
        return Value::Null;
    }
    if let Some(vars) = value.downcast_object_ref::<AllVariables>() {
        return super::globals::all_variables(vars);
    }
    if *left == 0 || depth >= weight::DEEPEST {
        *left = 0;
        drop(trace::failed(EvalError::failed(weight::REFUSED)));
        return Value::Null;
    }
    match value.kind() {
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter().into_iter().flatten() {
                let item = value.get_item(&key).unwrap_or_default();
                *left = left.saturating_sub(weight::ENTRY);
                map.insert(Arc::from(key.to_string()), taken(&item, depth + 1, left));
                if *left == 0 {
                    drop(trace::failed(EvalError::failed(weight::REFUSED)));
                    break;
                }
            }
            Value::from(map)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter().into_iter().flatten() {
                items.push(taken(&item, depth + 1, left));
                if *left == 0 {
                    drop(trace::failed(EvalError::failed(weight::REFUSED)));
                    break;
                }
            }
            Value::from(items)
        }
        _ => Value::from(value.to_string()),
    }
}

/// A shared list, seen by the engine.
#[derive(Debug)]
struct ListObject(Arc<Vec<Value>>, Option<Arc<str>>);

impl Object for ListObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let at = key.as_usize()?;
        let path = || self.1.as_ref().map(|path| Arc::from(format!("{path}[{at}]")));
        match self.0.get(at) {
            Some(value) => Some(placed(value, path)),
            None => Some(trace::missing_in(
                path().unwrap_or_else(|| Arc::from(format!("[{at}]"))).to_string(),
                Parent::List,
            )),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

impl MapObject {
    fn below(&self, key: &str) -> Option<Arc<str>> {
        self.1.as_ref().map(|path| Arc::from(format!("{path}.{key}")))
    }
}

/// A shared mapping, seen by the engine.
#[derive(Debug)]
struct MapObject(Arc<Map>, Option<Arc<str>>);

impl Object for MapObject {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match key.as_str() {
            Some(text) => self.0.get(text),
            None => self.0.get(key.to_string().as_str()),
        }
        .map(|value| placed(value, || self.below(&key.to_string())))
    }

    /// Attribute access, `map.key`: what is not there is an undefined with a name. (`key in map` asks `get_value`.)
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        Some(match self.0.get(key) {
            Some(value) => placed(value, || self.below(key)),
            None => {
                let path = self.below(key).unwrap_or_else(|| Arc::from(key));
                trace::missing_in(path.to_string(), Parent::Map(self.0.clone()))
            }
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Jinja::from(key.clone())).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}
