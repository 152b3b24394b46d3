//! How a value is written: as plain JSON for people and programs, with its type for the wire, where an unknown must stay one.

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
    fn the_wire_keeps_what_json_cannot() {
        let value =
            Value::map([("a", Value::list([Value::Unknown, Value::Omit, Value::Int(1)])), ("b", Value::str("x"))]);
        let bytes = rmp_serde::to_vec_named(&value).unwrap();
        assert_eq!(rmp_serde::from_slice::<Value>(&bytes).unwrap(), value);
        assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"a":["(known after apply)",null,1],"b":"x"}"#);
    }
}
