//! Plain scalars by YAML 1.1, with the patterns of PyYAML's resolver (<https://yaml.org/type/>).
//!
//! Two deliberate differences: sexagesimal integers (`22:22`) and timestamps stay text, because nobody means them.

use crate::value::Value;

/// Resolves a plain scalar to null, a boolean, an integer, a float or text.
pub fn resolve_plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    let first = text.as_bytes().first().copied().unwrap_or(b' ');
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return Value::str(text);
    }
    integer(text).map(Value::Int).or_else(|| float(text).map(Value::Float)).unwrap_or_else(|| Value::str(text))
}

fn integer(text: &str) -> Option<i64> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if !body.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits: String = body.chars().filter(|c| *c != '_').collect();
    // A sign stands before the prefix only; the standard library would take another one behind it.
    let unsigned = |digits: &str, radix| {
        let signed = digits.starts_with(['-', '+']);
        if signed { None } else { i64::from_str_radix(digits, radix).ok() }
    };
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        unsigned(binary, 2)?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        unsigned(hex, 16)?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(&digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (body.get(..at)?, Some(body.get(at + 1..)?)),
        None => (body, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '_');
    let exponent_fits = exponent.is_none_or(|e| {
        e.strip_prefix(['-', '+']).is_some_and(|d| !d.is_empty() && d.chars().all(|c| c.is_ascii_digit()))
    });
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) || !exponent_fits {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_as_pyyaml_does() {
        let int = Value::Int;
        let table = [
            ("0644", int(420)),
            ("644", int(644)),
            ("0x1F", int(31)),
            ("0b101", int(5)),
            ("-1_000", int(-1000)),
            ("08", Value::str("08")),
            ("0o644", Value::str("0o644")),
            ("-0x-8000000000000000", Value::str("-0x-8000000000000000")),
            ("0b+1", Value::str("0b+1")),
            ("1.5", Value::Float(1.5)),
            ("1e5", Value::str("1e5")),
            ("1.0e+5", Value::Float(100_000.0)),
            (".5", Value::Float(0.5)),
            ("1.2.3", Value::str("1.2.3")),
            (".", Value::str(".")),
            ("-", Value::str("-")),
            ("22:22", Value::str("22:22")),
            ("2024-01-01", Value::str("2024-01-01")),
            ("y", Value::str("y")),
            ("no", Value::Bool(false)),
            ("On", Value::Bool(true)),
            ("~", Value::Null),
        ];
        for (text, expected) in table {
            assert_eq!(resolve_plain(text), expected, "{text}");
        }
    }
}
