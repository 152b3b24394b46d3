//! YAML as PyYAML writes it. Long lines are not folded.

use std::sync::OnceLock;

use fancy_regex::Regex;
use minijinja::Environment;

use super::call::{Args, Outcome, add, fail};
use crate::value::Value;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["to_yaml"], |v, a| dump(v, a, 2, a.named().get("default_flow_style").is_none_or(Value::is_true)));
    add(env, &["to_nice_yaml"], |v, a| dump(v, a, 4, a.named().get("default_flow_style").is_some_and(Value::is_true)));
    add(env, &["from_yaml"], |v, _| parse(v));
    add(env, &["from_yaml_all"], |v, _| parse_all(v));
}

#[cfg(not(feature = "controller"))]
fn parse(_value: &Value) -> Outcome {
    Err(fail("`from_yaml` is evaluated on the controller only: it cannot wait for a result of the host"))
}

#[cfg(not(feature = "controller"))]
fn parse_all(value: &Value) -> Outcome {
    parse(value)
}

#[cfg(feature = "controller")]
fn parse(value: &Value) -> Outcome {
    match value {
        Value::Str(text) => super::yaml_read::one(text).map_err(fail),
        other => Ok(other.clone()),
    }
}

#[cfg(feature = "controller")]
fn parse_all(value: &Value) -> Outcome {
    match value {
        Value::Str(text) => super::yaml_read::all(text).map(Value::from).map_err(fail),
        Value::Null => Ok(Value::list([])),
        other => Ok(other.clone()),
    }
}

struct Style {
    indent: usize,
    sorted: bool,
    flow_leaves: bool,
}

fn dump(value: &Value, args: &Args, indent: usize, flow_leaves: bool) -> Outcome {
    let place = if indent == 4 { 0 } else { usize::MAX };
    let indent = args
        .int(place, "indent")?
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| (2..10).contains(n))
        .unwrap_or(indent);
    let sorted = args.named().get("sort_keys").is_none_or(Value::is_true);
    let mut out = String::new();
    let style = Style { indent, sorted, flow_leaves };
    write(value, &style, 0, &mut out);
    out.push('\n');
    Ok(out.into())
}

fn is_flow(value: &Value, style: &Style) -> bool {
    let scalar = |value: &Value| !matches!(value, Value::List(_) | Value::Map(_));
    match value {
        Value::List(items) => items.is_empty() || (style.flow_leaves && items.iter().all(scalar)),
        Value::Map(map) => map.is_empty() || (style.flow_leaves && map.values().all(scalar)),
        _ => true,
    }
}

fn entries<'v>(map: &'v crate::value::Map, style: &Style) -> Vec<(&'v str, &'v Value)> {
    let mut entries: Vec<_> = map.iter().map(|(k, v)| (k.as_ref(), v)).collect();
    if style.sorted {
        entries.sort_by(|a, b| a.0.cmp(b.0));
    }
    entries
}

fn write(value: &Value, style: &Style, at: usize, out: &mut String) {
    match value {
        value if is_flow(value, style) => flow(value, style, at, out),
        Value::List(items) => {
            for (n, item) in items.iter().enumerate() {
                start_line(n, at, out);
                out.push('-');
                if is_flow(item, style) {
                    out.push(' ');
                } else {
                    out.extend(std::iter::repeat_n(' ', style.indent - 1));
                }
                write(item, style, at + style.indent, out);
            }
        }
        Value::Map(map) => {
            for (n, (key, value)) in entries(map, style).into_iter().enumerate() {
                start_line(n, at, out);
                scalar_text(key, at, true, out);
                out.push(':');
                if is_flow(value, style) {
                    out.push(' ');
                    write(value, style, at + style.indent, out);
                } else {
                    // A list in a mapping is not indented.
                    let at = if matches!(value, Value::List(_)) { at } else { at + style.indent };
                    start_line(1, at, out);
                    write(value, style, at, out);
                }
            }
        }
        _ => {}
    }
}

fn start_line(n: usize, at: usize, out: &mut String) {
    if n > 0 {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', at));
    }
}

fn flow(value: &Value, style: &Style, at: usize, out: &mut String) {
    match value {
        Value::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                flow(item, style, at, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (n, (key, item)) in entries(map, style).into_iter().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                scalar_text(key, at, true, out);
                out.push_str(": ");
                flow(item, style, at, out);
            }
            out.push('}');
        }
        Value::Str(text) => scalar_text(text, at, false, out),
        Value::Null | Value::Omit | Value::Unknown => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n) => out.push_str(&n.to_string()),
        Value::Float(x) => out.push_str(&float(*x, value)),
    }
}

fn float(x: f64, value: &Value) -> String {
    match x {
        x if x.is_nan() => ".nan".to_owned(),
        x if x.is_infinite() => if x > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        _ => {
            let text = value.to_string();
            if text.contains('.') { text } else { text.replacen('e', ".0e", 1) }
        }
    }
}

/// What plain text would be read as something other than a string.
fn resolves_otherwise(text: &str) -> bool {
    static RULES: OnceLock<Option<Regex>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        Regex::new(concat!(
            r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|~|null|Null|NULL|<<|=",
            r"|[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+",
            r"|[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?",
            r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
            r"|[0-9]{4}-[0-9]{2}-[0-9]{2}",
            r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?",
            r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$",
        ))
        .ok()
    });
    rules.as_ref().is_some_and(|rules| rules.is_match(text).unwrap_or(true))
}

/// How text may be written.
enum Quotes {
    Plain,
    Single,
    Double,
}

fn quotes(text: &str, key: bool) -> Quotes {
    let special =
        |c: char| (c < ' ' && c != '\n') || ('\u{7f}'..'\u{a0}').contains(&c) && c != '\u{85}' || c == '\u{feff}';
    let lines = text.contains('\n');
    if text.contains(special) || text.contains(" \n") || (key && lines) {
        return Quotes::Double;
    }
    if text.contains("\n ") {
        return Quotes::Double;
    }
    let edges = text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']);
    if text.is_empty() || lines || edges || indicates(text) || resolves_otherwise(text) {
        Quotes::Single
    } else {
        Quotes::Plain
    }
}

/// Says whether plain text would be read as the syntax of YAML.
fn indicates(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or_default();
    let alone = chars.next().is_none_or(char::is_whitespace);
    let flow = |c: char| matches!(c, ',' | '[' | ']' | '{' | '}');
    "#,[]{}&*!|>'\"%@`".contains(first)
        || (matches!(first, '?' | ':' | '-') && alone)
        || text.starts_with("---")
        || text.starts_with("...")
        || text.ends_with(':')
        || text.contains(": ")
        || text.contains(" #")
        || (flow(first))
}

fn scalar_text(text: &str, at: usize, key: bool, out: &mut String) {
    match quotes(text, key) {
        Quotes::Plain => out.push_str(text),
        Quotes::Single => {
            let text = text.replace('\'', "''");
            out.push('\'');
            // A line break in single quotes is written as an empty line.
            let mut rest = text.as_str();
            while let Some(start) = rest.find('\n') {
                let (line, tail) = rest.split_at(start);
                let body = tail.trim_start_matches('\n');
                let breaks = tail.len() - body.len();
                out.push_str(line);
                out.extend(std::iter::repeat_n('\n', breaks + 1));
                out.extend(std::iter::repeat_n(' ', at));
                rest = body;
            }
            out.push_str(rest);
            out.push('\'');
        }
        Quotes::Double => {
            out.push('"');
            for c in text.chars() {
                match c {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    '\0' => out.push_str("\\0"),
                    '\u{7}' => out.push_str("\\a"),
                    '\u{8}' => out.push_str("\\b"),
                    '\t' => out.push_str("\\t"),
                    '\n' => out.push_str("\\n"),
                    '\u{b}' => out.push_str("\\v"),
                    '\u{c}' => out.push_str("\\f"),
                    '\r' => out.push_str("\\r"),
                    '\u{1b}' => out.push_str("\\e"),
                    c if c < ' ' || ('\u{7f}'..'\u{a0}').contains(&c) => {
                        out.push_str(&format!("\\x{:02X}", u32::from(c)))
                    }
                    c => out.push(c),
                }
            }
            out.push('"');
        }
    }
}
