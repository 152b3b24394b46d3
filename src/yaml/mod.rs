//! YAML as playbooks use it: read once, before any template, into a tree that remembers where everything was.
//!
//! Invariants: every node has a span, and every letter of a scalar a place; the raw text and style of a scalar are kept, so
//! that a reader who knows what it wants (a file mode, a string) can read `0644` or `no` rightly; plain scalars resolve by
//! YAML 1.1 as PyYAML does; merge keys are expanded, explicit keys win; duplicate keys are errors; aliases cannot blow the
//! tree up.

mod load;
mod places;
mod scalar;
mod toml;

use std::sync::Arc;

use crate::source::Span;
use crate::value::{Map, Value};

pub use load::load;
pub use places::{Escapes, Places};
pub use scalar::resolve_plain;
pub use toml::load_toml;

/// A value in a YAML file.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    List(Arc<Vec<Node>>),
    /// A mapping.
    Map(Arc<Vec<Entry>>),
}

/// A scalar as it was written.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// Its text after YAML's own escapes.
    pub text: Arc<str>,
    /// How it was written.
    pub style: Style,
    /// Its tag.
    pub tag: Tag,
    /// Where its letters stand.
    pub places: Places,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// As a block (`|` or `>`).
    Block,
}

/// The tags that mean something to cfg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// None.
    None,
    /// `!vault`: ansible-vault text.
    Vault,
    /// `!unsafe`: text that is never a template.
    Unsafe,
    /// `!!str`.
    Str,
    /// `!!binary`, decoded: text that is never a template.
    Binary,
    /// `!!int`, `!!float`, `!!bool`, `!!null`: resolved as a plain scalar even in quotes.
    Core,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's text.
    pub key: Arc<str>,
    /// Where the key is.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A null that stands nowhere, for what was not written by anybody.
    pub fn empty() -> Self {
        let span = crate::source::SourceMap::default().add(std::path::Path::new(""), "");
        let span = Span { file: span, start: 0, end: 0 };
        Self { span, kind: Kind::Scalar(Scalar::new("", Style::Plain, Tag::None)) }
    }

    /// The entries of a mapping.
    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a sequence.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// The scalar.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar, whatever type it would resolve to.
    pub fn text(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_ref())
    }

    /// The entry `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|entry| entry.key.as_ref() == key).map(|entry| &entry.value)
    }

    /// Says whether this is null or nothing at all.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.style == Style::Plain && scalar.resolve() == Value::Null)
    }

    /// What it is, in words.
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.resolve().type_name(),
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The value as plain data; template text stays text.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.resolve(),
            Kind::List(items) => Value::list(items.iter().map(Self::to_value)),
            Kind::Map(entries) => {
                Value::from(entries.iter().map(|e| (e.key.clone(), e.value.to_value())).collect::<Map>())
            }
        }
    }
}

impl Scalar {
    /// A scalar whose letters follow each other in its file as they do in its text.
    pub fn new(text: impl Into<Arc<str>>, style: Style, tag: Tag) -> Self {
        Self { text: text.into(), style, tag, places: Places::default() }
    }

    /// Where the letter at an offset of the text stands in the file, of a scalar that starts at `start`.
    pub fn place(&self, offset: usize, start: u32) -> u32 {
        self.places.at(offset as u32, start + u32::from(self.style == Style::Quoted))
    }

    /// The value a scalar stands for, by YAML 1.1.
    pub fn resolve(&self) -> Value {
        match (self.tag, self.style) {
            (Tag::None, Style::Plain) | (Tag::Core, _) => resolve_plain(&self.text),
            _ => Value::Str(self.text.clone()),
        }
    }
}
