//! Text forms of values: Python's `repr`, and the words that stand for booleans.

use super::Value;

/// Writes a value as Python's `repr()` would.
pub fn python_repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(value, &mut out);
    out
}

fn write_repr(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(i) => out.push_str(&i.to_string()),
        Value::Float(x) => out.push_str(&float_repr(*x)),
        Value::Str(text) => write_quoted(text, out),
        Value::Omit => out.push_str("omit"),
        Value::Unknown => out.push_str("(known after apply)"),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_repr(item, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_quoted(key, out);
                out.push_str(": ");
                write_repr(item, out);
            }
            out.push('}');
        }
    }
}

/// A number as Python's `repr()` writes it: the shortest digits, with an exponent where there would be many zeros.
pub fn float_repr(x: f64) -> String {
    let scientific = format!("{x:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        // Not a number, or infinite.
        return scientific.to_lowercase();
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ if x.fract() == 0.0 => format!("{x:.1}"),
        _ => x.to_string(),
    }
}

/// Python prefers single quotes and falls back to double ones where the text holds only single quotes.
fn write_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// Reads a boolean as Ansible's parameters do: YAML 1.1 words, `y`/`n`, `1`/`0`.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "1" | "y" | "t" | "1.0" => Some(true),
        "no" | "off" | "false" | "0" | "n" | "f" | "0.0" => Some(false),
        _ => None,
    }
}

/// Says whether the `bool` filter takes this text for true; anything else is false to it.
pub fn is_truthy_word(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "yes" | "on" | "true" | "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repr_is_pythons() {
        let value = Value::map([
            ("a", Value::list([Value::Int(1), Value::Bool(true), Value::Null])),
            ("b", Value::str("it's")),
            ("c", Value::Float(2.0)),
        ]);
        assert_eq!(python_repr(&value), r#"{'a': [1, True, None], 'b': "it's", 'c': 2.0}"#);
    }
}
