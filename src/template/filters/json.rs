//! JSON as Python writes it.

use minijinja::Environment;

use super::call::{Args, add, fail};
use crate::value::{Value, from_json};

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["to_json"], |v, a| {
        let indent = a.get(usize::MAX, "indent").map(indent_of);
        Ok(dump(
            v,
            &Style {
                indent,
                sorted: a.flag(usize::MAX, "sort_keys"),
                ascii: ascii(a),
                item: item(a, indent.is_some()),
            },
        )
        .into())
    });
    add(env, &["to_nice_json"], |v, a| {
        let indent = a.get(0, "indent").map_or(4, indent_of);
        let sorted = a.placed().get(1).or(a.named().get("sort_keys")).is_none_or(Value::is_true);
        Ok(dump(v, &Style { indent: Some(indent), sorted, ascii: ascii(a), item: "," }).into())
    });
    add(env, &["tojson"], |v, a| {
        let indent = a.get(0, "indent").map(indent_of);
        let text =
            dump(v, &Style { indent, sorted: true, ascii: true, item: if indent.is_some() { "," } else { ", " } });
        let text =
            text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027");
        Ok(text.into())
    });
    add(env, &["from_json"], |v, _| match v {
        Value::Str(text) => serde_json::from_str(text).map(from_json).map_err(|e| fail(format!("not valid JSON: {e}"))),
        other => Err(fail(format!("`from_json` takes a string, found {}", other.type_name()))),
    });
}

/// JSON in one line, for keys.
pub fn compact(value: &Value) -> String {
    dump(value, &Style { indent: None, sorted: false, ascii: false, item: "," })
}

fn indent_of(value: &Value) -> usize {
    value.to_string().parse::<usize>().unwrap_or(0).min(64)
}

fn ascii(args: &Args) -> bool {
    args.named().get("ensure_ascii").is_none_or(Value::is_true)
}

fn item(args: &Args, indented: bool) -> &'static str {
    let separators = args.named().get("separators").and_then(Value::as_list).and_then(|list| list.first());
    let tight = indented || separators.is_some_and(|first| first.as_str() == Some(","));
    if tight { "," } else { ", " }
}

struct Style {
    indent: Option<usize>,
    sorted: bool,
    ascii: bool,
    item: &'static str,
}

fn dump(value: &Value, style: &Style) -> String {
    let mut out = String::new();
    write(value, style, 0, &mut out);
    out
}

fn write(value: &Value, style: &Style, depth: usize, out: &mut String) {
    match value {
        Value::Null | Value::Omit | Value::Unknown => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n) => out.push_str(&n.to_string()),
        Value::Float(x) if x.is_nan() => out.push_str("NaN"),
        Value::Float(x) if x.is_infinite() => out.push_str(if *x > 0.0 { "Infinity" } else { "-Infinity" }),
        Value::Float(_) => out.push_str(&value.to_string()),
        Value::Str(text) => string(text, style.ascii, out),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::Map(map) if map.is_empty() => out.push_str("{}"),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, style, depth + 1, out);
                write(item, style, depth + 1, out);
            }
            close(']', style, depth, out);
        }
        Value::Map(map) => {
            out.push('{');
            let mut entries: Vec<_> = map.iter().collect();
            if style.sorted {
                entries.sort_by(|a, b| a.0.cmp(b.0));
            }
            for (at, (key, value)) in entries.into_iter().enumerate() {
                separate(at, style, depth + 1, out);
                string(key, style.ascii, out);
                out.push_str(": ");
                write(value, style, depth + 1, out);
            }
            close('}', style, depth, out);
        }
    }
}

fn separate(at: usize, style: &Style, depth: usize, out: &mut String) {
    if at > 0 {
        out.push_str(style.item);
    }
    if let Some(indent) = style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * depth));
    }
}

fn close(bracket: char, style: &Style, depth: usize, out: &mut String) {
    if let Some(indent) = style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * depth));
    }
    out.push(bracket);
}

fn string(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || (ascii && (!c.is_ascii() || c == '\u{7f}')) => {
                if c == '\u{7f}' {
                    out.push(c);
                    continue;
                }
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
