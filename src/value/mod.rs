//! The value of a variable, a parameter, a fact or a result: what YAML and templates produce.
//!
//! Invariants: a `Value` is plain data. It never holds template text that will be evaluated, and cloning one is cheap
//! (collections are shared). [`Value::Unknown`] stands for a result that cannot exist yet; it spreads, it is never guessed.

mod bytes;
mod convert;
mod json;
mod serial;
mod text;

use std::sync::Arc;

use indexmap::IndexMap;

pub use bytes::{bytes_of, readable, text_of};
pub use convert::is_variable_name;
pub use json::{from_json, to_json};
pub use serial::nested;
pub use text::{float_repr, is_truthy_word, parse_bool, python_repr};

/// A mapping that keeps the order in which its keys were written.
pub type Map = IndexMap<Arc<str>, Value>;

/// Plain data, as YAML 1.1 and Jinja know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// YAML's `null`, Python's `None`.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// A sequence.
    List(Arc<Vec<Value>>),
    /// A mapping with text keys.
    Map(Arc<Map>),
    /// The magic `omit`: a parameter with this value was not given.
    Omit,
    /// A result that does not exist yet: "known after apply".
    Unknown,
}

impl Value {
    /// Returns a text value.
    pub fn str(text: impl AsRef<str>) -> Self {
        Self::Str(Arc::from(text.as_ref()))
    }

    /// Returns a list value.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(Arc::new(items.into_iter().collect()))
    }

    /// Returns a mapping value.
    pub fn map<K: AsRef<str>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().map(|(k, v)| (Arc::from(k.as_ref()), v)).collect()))
    }

    /// Returns the text of a text value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the entries of a mapping.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the items of a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the entry `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// Returns the value under a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Python's notion of truth.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Null | Self::Omit | Self::Unknown => false,
            Self::Bool(b) => *b,
            Self::Int(i) => *i != 0,
            Self::Float(f) => *f != 0.0,
            Self::Str(s) => !s.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.is_empty(),
        }
    }

    /// Says whether this value, or anything inside it, is [`Value::Unknown`].
    pub fn has_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::List(items) => items.iter().any(Self::has_unknown),
            Self::Map(map) => map.values().any(Self::has_unknown),
            _ => false,
        }
    }

    /// The name of the type, in the words of the playbook language.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Str(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Omit => "omitted",
            Self::Unknown => "not known yet",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(Arc::from(text))
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(i: i64) -> Self {
        Self::Int(i)
    }
}

impl From<u64> for Value {
    fn from(i: u64) -> Self {
        i64::try_from(i).map_or(Self::Float(i as f64), Self::Int)
    }
}

impl From<usize> for Value {
    fn from(i: usize) -> Self {
        Self::from(i as u64)
    }
}

impl From<i32> for Value {
    fn from(i: i32) -> Self {
        Self::Int(i.into())
    }
}

impl From<u32> for Value {
    fn from(i: u32) -> Self {
        Self::Int(i.into())
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Self::Float(f)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(Arc::new(items))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(Arc::new(map))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Writes the value the way Python's `str()` would: what a template shows.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Str(text) => f.write_str(text),
            other => f.write_str(&python_repr(other)),
        }
    }
}
