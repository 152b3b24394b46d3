//! To and from JSON, the form of every machine-readable output.

use std::sync::Arc;

use super::Value;

/// Converts to JSON. An unknown becomes the string `(known after apply)`; a non-finite float becomes null.
pub fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null | Value::Omit => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) => Json::from(*i),
        Value::Float(x) => Json::from(*x),
        Value::Str(text) => Json::from(text.as_ref()),
        Value::Unknown => Json::from("(known after apply)"),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(k, v)| (k.to_string(), to_json(v))).collect()),
    }
}

/// Converts from JSON.
pub fn from_json(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or(f64::NAN)), Value::Int),
        Json::String(text) => Value::from(text),
        Json::Array(items) => Value::list(items.into_iter().map(from_json)),
        Json::Object(map) => {
            Value::from(map.into_iter().map(|(k, v)| (Arc::from(k), from_json(v))).collect::<super::Map>())
        }
    }
}
