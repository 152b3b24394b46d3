//! TOML, read into the same tree as YAML, so that everything behind it is shared. The only file that knows the parser crate.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::{Entry, Escapes, Kind, Node, Places, Scalar, Style, Tag};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// Reads a text; what is wrong with it is handed to `report`. What can be read is returned all the same.
pub fn load_toml(file: FileId, text: &str, report: &dyn Fn(Diagnostic)) -> Node {
    let (table, errors) = DeTable::parse_recoverable(text);
    let span = |range: Range<usize>| Span { file, start: range.start as u32, end: range.end as u32 };
    for error in errors {
        let at = span(error.span().unwrap_or(0..0));
        report(Diagnostic::error(Code::TomlSyntax, format!("not valid TOML: {}", error.message())).at(at, ""));
    }
    Node { span: span(table.span()), kind: map(table.get_ref(), &span, text) }
}

fn map(table: &DeTable<'_>, span: &dyn Fn(Range<usize>) -> Span, source: &str) -> Kind {
    let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| Entry {
        key: Arc::from(key.get_ref().as_ref()),
        key_span: span(key.span()),
        value: node(value, span, source),
    };
    Kind::Map(Arc::new(table.iter().map(entry).collect()))
}

fn node(value: &Spanned<DeValue<'_>>, span: &dyn Fn(Range<usize>) -> Span, source: &str) -> Node {
    let kind = match value.get_ref() {
        DeValue::String(string) => Kind::Scalar(text(string, value.span(), source)),
        DeValue::Integer(number) => scalar(&integer(number), Style::Plain),
        DeValue::Float(number) => scalar(&float(number.as_str()), Style::Plain),
        DeValue::Boolean(b) => scalar(if *b { "true" } else { "false" }, Style::Plain),
        DeValue::Datetime(time) => scalar(&time.to_string(), Style::Quoted),
        DeValue::Array(items) => Kind::List(Arc::new(items.iter().map(|item| node(item, span, source)).collect())),
        DeValue::Table(table) => map(table, span, source),
    };
    Node { span: span(value.span()), kind }
}

/// A string, which may stand in one quote or three.
fn text(text: &str, range: Range<usize>, source: &str) -> Scalar {
    let raw = source.get(range.clone()).unwrap_or("");
    let escapes = if raw.starts_with('"') { Escapes::Double } else { Escapes::None };
    let lead = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let start = range.start as u32;
    Scalar {
        places: Places::of(raw, text, lead, escapes, (start, start + 1)),
        ..Scalar::new(text, Style::Quoted, Tag::None)
    }
}

fn scalar(text: &str, style: Style) -> Kind {
    Kind::Scalar(Scalar::new(text, style, Tag::None))
}

/// As YAML 1.1 writes it: a number that does not fit stays the text it was.
fn integer(number: &DeInteger<'_>) -> String {
    i64::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| number.to_string(), |n| n.to_string())
}

/// TOML's `1e5`, `inf` and `nan` are text in YAML 1.1, which wants a point in every number.
fn float(text: &str) -> String {
    match text.replace('_', "").parse::<f64>() {
        Ok(x) if x.is_nan() => ".nan".to_owned(),
        Ok(x) if x.is_infinite() => if x > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        Ok(x) => {
            let shown = format!("{x:?}");
            match shown.split_once('e') {
                Some((mantissa, exponent)) => {
                    let point = if mantissa.contains('.') { "" } else { ".0" };
                    let sign = if exponent.starts_with('-') { "" } else { "+" };
                    format!("{mantissa}{point}e{sign}{exponent}")
                }
                None => shown,
            }
        }
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;
    use crate::value::to_json;

    #[test]
    fn values_keep_their_types_and_places() {
        let sources = SourceMap::default();
        let text = "a = 0x1F\nb = 1e300\nc = [1, \"2\"]\nd = 2020-01-01\n[e.f]\ng = { h = true, i = inf, j = 1_000 }\n";
        let file = sources.add(std::path::Path::new("t.toml"), text);
        let node = load_toml(file, text, &|d| panic!("{}", d.message));
        let value = node.to_value();
        let json = to_json(&value).to_string();
        assert!(
            json.starts_with(r#"{"a":31,"b":1e+300,"c":[1,"2"],"d":"2020-01-01","e":{"f":{"g":{"h":true,"#),
            "{json}"
        );
        let g = node.get("e").and_then(|e| e.get("f")).and_then(|f| f.as_map()).and_then(|f| f.first()).unwrap();
        assert_eq!((sources.origin(g.key_span).line, sources.origin(g.key_span).col), (6, 1));
    }
}
