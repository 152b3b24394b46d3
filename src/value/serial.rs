//! How a value is written: as plain JSON for people and programs, with its type for the wire, where an unknown must stay one.

use std::cell::Cell;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Map, Value, from_json, to_json};

/// The form on the wire.
#[derive(Serialize, Deserialize)]
enum Tagged<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(std::borrow::Cow<'a, str>),
    List(std::borrow::Cow<'a, [Value]>),
    Map(std::borrow::Cow<'a, Map>),
    Omit,
    Unknown,
}

/// How deep values on the wire may be nested: whoever writes them must not be able to use up the stack of who reads them.
const DEPTH: u32 = 200;

thread_local! {
    static LEVEL: Cell<u32> = const { Cell::new(0) };
}

/// One level of nesting while a value is read.
struct Level;

impl Level {
    fn down() -> Option<Self> {
        let level = LEVEL.get();
        (level < DEPTH).then(|| {
            LEVEL.set(level + 1);
            Self
        })
    }
}

/// Reads what holds others of its kind, one level further down.
pub fn nested<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let _level = Level::down().ok_or_else(|| serde::de::Error::custom("a value is nested too deeply"))?;
    T::deserialize(deserializer)
}

impl Drop for Level {
    fn drop(&mut self) {
        LEVEL.set(LEVEL.get() - 1);
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use std::borrow::Cow::Borrowed;
        if serializer.is_human_readable() {
            return to_json(self).serialize(serializer);
        }
        match self {
            Self::Null => Tagged::Null,
            Self::Bool(b) => Tagged::Bool(*b),
            Self::Int(i) => Tagged::Int(*i),
            Self::Float(x) => Tagged::Float(*x),
            Self::Str(text) => Tagged::Str(Borrowed(text)),
            Self::List(items) => Tagged::List(Borrowed(items)),
            Self::Map(map) => Tagged::Map(Borrowed(map)),
            Self::Omit => Tagged::Omit,
            Self::Unknown => Tagged::Unknown,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return serde_json::Value::deserialize(deserializer).map(from_json);
        }
        let _level = Level::down().ok_or_else(|| serde::de::Error::custom("a value is nested too deeply"))?;
        Ok(match Tagged::deserialize(deserializer)? {
            Tagged::Null => Self::Null,
            Tagged::Bool(b) => Self::Bool(b),
            Tagged::Int(i) => Self::Int(i),
            Tagged::Float(x) => Self::Float(x),
            Tagged::Str(text) => Self::Str(Arc::from(text.as_ref())),
            Tagged::List(items) => Self::List(Arc::new(items.into_owned())),
            Tagged::Map(map) => Self::Map(Arc::new(map.into_owned())),
            Tagged::Omit => Self::Omit,
            Tagged::Unknown => Self::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_too_deeply_is_refused_and_the_next_is_read() {
        // A list of one item, over and over: two bytes a level.
        let hostile = [5, 1].repeat(1_000_000);
        assert!(postcard::from_bytes::<Value>(&hostile).is_err());
        let fine = (0..100).fold(Value::Null, |value, _| Value::list([value]));
        assert_eq!(postcard::from_bytes::<Value>(&postcard::to_allocvec(&fine).unwrap()).unwrap(), fine);
    }

    #[test]
    fn the_wire_keeps_what_json_cannot() {
        let value =
            Value::map([("a", Value::list([Value::Unknown, Value::Omit, Value::Int(1)])), ("b", Value::str("x"))]);
        let bytes = postcard::to_allocvec(&value).unwrap();
        assert_eq!(postcard::from_bytes::<Value>(&bytes).unwrap(), value);
        assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"a":["(known after apply)",null,1],"b":"x"}"#);
    }
}
