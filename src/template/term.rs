//! What a value in a source file is before it is evaluated: data, template text, or a collection of such.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::EvalError;
use super::layout::Layout;
use crate::source::Origin;
use crate::value::{Map, Value, nested};

/// A value that may still hold expressions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Term {
    /// Data.
    Value(Value),
    /// Template text.
    Template(Arc<Template>),
    /// A list with templates inside.
    List(#[serde(deserialize_with = "nested")] Arc<Vec<Term>>),
    /// A mapping with templates in its values or keys.
    Map(#[serde(deserialize_with = "nested")] Arc<Vec<(Term, Term)>>),
    /// It failed when it was evaluated where it had to be; whoever asks for it fails too.
    Failed(Arc<EvalError>),
}

/// Template text and where it stands.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// The text: the bare expression, or the text with its markers.
    pub text: Arc<str>,
    /// What evaluating it yields.
    pub shape: Shape,
    /// Where the first character of `text` stands.
    pub origin: Origin,
    /// How it goes on from there.
    pub layout: Layout,
}

/// What evaluating a template yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// One expression; its value keeps its type.
    Expression,
    /// One expression and a newline, as of a block scalar: text keeps the newline, any other value its type.
    Line,
    /// Text with expressions in it; a string.
    Text,
    /// One expression in markers that is a condition: a text it comes to is a condition in its turn, if the project holds it.
    Condition,
}

impl Term {
    /// Makes a term of text from a source file.
    pub fn from_text(text: &Arc<str>, origin: Origin, layout: Layout) -> Self {
        if !has_markers(text) {
            return Self::Value(Value::Str(text.clone()));
        }
        let (escaped, doubled) = escape_backslashes(text);
        let layout = layout.doubled(&origin, text, &doubled);
        let text: Arc<str> = if doubled.is_empty() { text.clone() } else { Arc::from(escaped) };
        let template = match single_expression(&text) {
            Some(range) => {
                let inner: Arc<str> = Arc::from(text.get(range.clone()).unwrap_or(""));
                let at = layout.place(&origin, &text, range.start);
                let shape = if text.ends_with('\n') { Shape::Line } else { Shape::Expression };
                Template { text: inner, shape, origin: at, layout: layout.from(range.start) }
            }
            None => Template { text, shape: Shape::Text, origin, layout },
        };
        Self::Template(Arc::new(template))
    }

    /// Makes a term of a bare expression, as in `when`.
    pub fn expression(text: &Arc<str>, origin: Origin, layout: Layout) -> Self {
        Self::Template(Arc::new(Template { text: text.clone(), shape: Shape::Expression, origin, layout }))
    }

    /// Collapses collections without templates to plain data.
    pub fn list(items: Vec<Term>) -> Self {
        let data: Option<Vec<Value>> = items.iter().map(|item| item.as_value().cloned()).collect();
        data.map_or_else(|| Self::List(Arc::new(items)), |values| Self::Value(Value::from(values)))
    }

    /// Collapses mappings without templates to plain data.
    pub fn map(entries: Vec<(Term, Term)>) -> Self {
        let data: Option<Map> = entries
            .iter()
            .map(|(key, value)| Some((Arc::from(key.as_value()?.to_string()), value.as_value()?.clone())))
            .collect();
        data.map_or_else(|| Self::Map(Arc::new(entries)), |map| Self::Value(Value::from(map)))
    }

    /// The data, where there is nothing to evaluate.
    pub fn as_value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The value as it was written: templates are text with their braces.
    pub fn written(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Failed(error) => Value::from(error.message.clone()),
            Self::Template(template) => Value::from(template.written()),
            Self::List(items) => Value::list(items.iter().map(Self::written)),
            Self::Map(entries) => {
                let entry = |(key, value): &(Self, Self)| (Arc::from(key.written().to_string()), value.written());
                Value::from(entries.iter().map(entry).collect::<Map>())
            }
        }
    }

    /// Where the first template inside stands.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Value(_) => None,
            Self::Failed(error) => error.place.as_ref().map(|(origin, _)| origin),
            Self::Template(template) => Some(&template.origin),
            Self::List(items) => items.iter().find_map(Self::origin),
            Self::Map(entries) => entries.iter().find_map(|(k, v)| k.origin().or_else(|| v.origin())),
        }
    }

    /// Calls `visit` for every template inside.
    pub fn for_each_template(&self, visit: &mut dyn FnMut(&Template)) {
        match self {
            Self::Value(_) | Self::Failed(_) => {}
            Self::Template(template) => visit(template),
            Self::List(items) => items.iter().for_each(|item| item.for_each_template(visit)),
            Self::Map(entries) => {
                for (key, value) in entries.iter() {
                    key.for_each_template(visit);
                    value.for_each_template(visit);
                }
            }
        }
    }
}

impl From<Value> for Term {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl Template {
    /// The text as it was written, but for blanks around it.
    fn written(&self) -> String {
        let text = match self.shape {
            Shape::Expression | Shape::Condition => format!("{{{{{}}}}}", self.text),
            Shape::Line => format!("{{{{{}}}}}\n", self.text),
            Shape::Text => self.text.to_string(),
        };
        single_backslashes(&text)
    }

    /// The place of a byte offset into the text.
    pub fn place(&self, offset: usize) -> Origin {
        self.layout.place(&self.origin, &self.text, offset)
    }
}

/// Doubles backslashes in the string literals of `{{ }}`, as Ansible does for values in YAML, so that `'<\\1>'` is what it
/// looks like. Conditions, `{% %}` and template files are left as they are, there too. Gives the offsets of what was doubled.
fn escape_backslashes(text: &str) -> (String, Vec<usize>) {
    let mut doubled = Vec::new();
    let mut out = String::with_capacity(text.len() + 8);
    if !text.contains('\\') {
        out.push_str(text);
        return (out, doubled);
    }
    let mut quote: Option<char> = None;
    let mut inside = false;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let rest = text.get(i..).unwrap_or("");
        match quote {
            None if rest.starts_with("{{") => inside = true,
            None if rest.starts_with("}}") => inside = false,
            None if inside && (c == '\'' || c == '"') => quote = Some(c),
            Some(open) if c == open => quote = None,
            Some(open) if c == '\\' => {
                // A quote that is escaped stays inside its string.
                if chars.peek().is_some_and(|(_, next)| *next == open) {
                    out.push(c);
                    out.push(open);
                    chars.next();
                    continue;
                }
                out.push(c);
                doubled.push(i);
            }
            _ => {}
        }
        out.push(c);
    }
    (out, doubled)
}

/// Takes back what [`escape_backslashes`] did.
fn single_backslashes(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut inside = false;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let rest = text.get(i..).unwrap_or("");
        match quote {
            None if rest.starts_with("{{") => inside = true,
            None if rest.starts_with("}}") => inside = false,
            None if inside && (c == '\'' || c == '"') => quote = Some(c),
            Some(open) if c == open => quote = None,
            // The second of a pair is left out, and what an escape stands before is passed over.
            Some(_) if c == '\\' => {
                out.push(c);
                match chars.next() {
                    Some((_, '\\')) | None => {}
                    Some((_, next)) => out.push(next),
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

pub(super) fn has_markers(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Returns the range of the expression where the whole text is exactly one `{{ expression }}`.
pub(super) fn single_expression(text: &str) -> Option<std::ops::Range<usize>> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let inner = line.strip_prefix("{{")?.strip_suffix("}}")?;
    let mut depth = 0usize;
    let mut quote: Option<u8> = None;
    let mut bytes = inner.bytes().enumerate();
    while let Some((i, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => {
                bytes.next();
            }
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'{' | b'[' | b'(') => depth += 1,
            // A `}}` outside of every bracket ends the expression before the end of the text.
            (None, b'}') if depth == 0 && inner.get(i..)?.starts_with("}}") => return None,
            (None, b'}' | b']' | b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if quote.is_some() {
        return None;
    }
    let strip_start = usize::from(inner.starts_with(['-', '+']));
    let strip_end = usize::from(inner.ends_with('-'));
    let start = 2 + strip_start;
    Some(start..start + inner.len() - strip_start - strip_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_in_strings_are_what_they_look_like() {
        let table = [
            (r"{{ 'a\nb' }}", r"{{ 'a\\nb' }}"),
            (r"{{ x | regex_replace('(a)', '<\1>') }}", r"{{ x | regex_replace('(a)', '<\\1>') }}"),
            (r"{% if 'a\nb' %}{% endif %}", r"{% if 'a\nb' %}{% endif %}"),
            (r"{{ 'it\'s' }} \n", r"{{ 'it\'s' }} \n"),
        ];
        for (text, expected) in table {
            assert_eq!(escape_backslashes(text).0, expected);
            assert_eq!(single_backslashes(expected), text);
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        // A list of one item, over and over: two bytes a level.
        assert!(postcard::from_bytes::<Term>(&[2, 1].repeat(1_000_000)).is_err());
        assert!(postcard::from_bytes::<Term>(&[3, 1].repeat(1_000_000)).is_err());
        let fine = (0..100).fold(Term::Value(Value::Null), |term, _| Term::List(Arc::new(vec![term])));
        assert_eq!(postcard::from_bytes::<Term>(&postcard::to_allocvec(&fine).unwrap()).unwrap(), fine);
    }

    #[test]
    fn tells_a_single_expression_from_text() {
        let table = [
            ("{{ a }}", Some(" a ")),
            ("{{ a }}\n", Some(" a ")),
            (" {{ a }}", None),
            ("{{ a }} ", None),
            ("{{ a }}{{ b }}", None),
            ("{{ {'a': {'b': 1}} }}", Some(" {'a': {'b': 1}} ")),
            ("{{ '}}' }}", Some(" '}}' ")),
            ("x{{ a }}", None),
            ("{% if a %}b{% endif %}", None),
            ("{{- a -}}", Some(" a ")),
        ];
        for (text, expected) in table {
            assert_eq!(single_expression(text).map(|r| &text[r]), expected, "{text}");
        }
    }
}
