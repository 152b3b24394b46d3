//! Types of arguments, with Ansible's conversions and its words for what cannot be converted.

use crate::value::{Map, Value, from_json, parse_bool, python_repr};

/// The words that are booleans, and which.
pub const WORDS: &[(&str, bool)] = &[
    ("y", true),
    ("yes", true),
    ("on", true),
    ("1", true),
    ("true", true),
    ("t", true),
    ("n", false),
    ("no", false),
    ("off", false),
    ("0", false),
    ("false", false),
    ("f", false),
];

/// Letters of sizes, each 1024 times the one before.
const SIZES: &str = "BKMGTPEZY";

/// Gives a value the type `kind`; what is not known yet may have it.
///
/// # Errors
/// Why it cannot have it.
pub fn convert(kind: &str, value: &Value) -> Result<Value, String> {
    if *value == Value::Unknown {
        return Ok(Value::Unknown);
    }
    match kind {
        "raw" => Ok(value.clone()),
        "str" | "path" => Ok(match value {
            Value::Str(_) => value.clone(),
            Value::Null => Value::str(""),
            other => Value::from(other.to_string()),
        }),
        "list" => list(value),
        "dict" => mapping(value),
        "bool" => boolean(value),
        "int" => integer(value).ok_or_else(|| format!("\"{}\" cannot be converted to an int", python_repr(value))),
        "float" => number(value).map(Value::Float).ok_or_else(|| cannot(value, "float")),
        "json" | "jsonarg" => match value {
            Value::Str(text) => Ok(Value::str(text.trim())),
            Value::List(_) | Value::Map(_) => Ok(Value::from(crate::value::to_json(value).to_string())),
            other => Err(cannot(other, "json string")),
        },
        "bytes" => size(value, 'B', "byte").map(Value::Int).ok_or_else(|| cannot(value, "Byte value")),
        "bits" => size(value, 'b', "bit").map(Value::Int).ok_or_else(|| cannot(value, "Bit value")),
        _ => Err("there is no such type".to_owned()),
    }
}

/// Says for people what was expected.
pub fn expected(name: &str, kind: &str, value: &Value) -> String {
    let wanted = match kind {
        "int" => "an integer",
        "float" => "a number",
        "bool" => "a boolean",
        "list" => "a list",
        "dict" => "a mapping",
        "bytes" => "a size in bytes",
        "bits" => "a size in bits",
        "json" | "jsonarg" => "JSON",
        _ => return format!("`{name}` is to be `{kind}`, which is no type"),
    };
    format!("`{name}` must be {wanted}, found {}", value.type_name())
}

/// Python's name of a value's type.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        Value::Str(_) | Value::Omit | Value::Unknown => "str",
    }
}

/// A value's type as Python shows it.
pub fn class(value: &Value) -> String {
    format!("<class '{}'>", type_name(value))
}

fn cannot(value: &Value, wanted: &str) -> String {
    format!("{} cannot be converted to a {wanted}", class(value))
}

/// Says whether an option holds mappings with options of their own.
pub fn holds_options(option: &Value) -> bool {
    let word = |name: &str| option.get(name).and_then(Value::as_str);
    word("type") == Some("dict") || (word("type") == Some("list") && word("elements") == Some("dict"))
}

/// Says whether all that is to hold options can be read: Ansible looks for secrets in it before anything else.
///
/// # Errors
/// What cannot.
pub fn readable(spec: &Map, given: &Map) -> Result<(), String> {
    for (name, option) in spec.iter().filter(|(_, option)| holds_options(option)) {
        let (Some(options), Some(value)) = (option.get("options").and_then(Value::as_map), given.get(name)) else {
            continue;
        };
        let items = match value {
            Value::Null | Value::Unknown => continue,
            Value::List(items) => items.as_slice(),
            other => std::slice::from_ref(other),
        };
        for item in items.iter().filter(|item| **item != Value::Unknown) {
            let item = if item.as_str().is_some() { mapping(item)? } else { item.clone() };
            let Value::Map(fields) = &item else {
                let wanted = option.get("type").map(ToString::to_string).unwrap_or_default();
                let found = type_name(&item);
                return Err(format!(
                    "Value '{item}' in the sub parameter field '{name}' must be a {wanted}, not '{found}'"
                ));
            };
            readable(options, fields)?;
        }
    }
    Ok(())
}

/// Equality as Python has it: numbers of different types may be the same.
pub fn same(a: &Value, b: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Int(i) => Some(*i as f64),
        Value::Float(x) => Some(*x),
        _ => None,
    };
    a == b || plain(a).zip(plain(b)).is_some_and(|(a, b)| a == b)
}

fn list(value: &Value) -> Result<Value, String> {
    match value {
        Value::List(_) => Ok(value.clone()),
        Value::Str(text) => Ok(Value::list(text.split(',').map(Value::str))),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(Value::list([Value::from(value.to_string())])),
        other => Err(cannot(other, "list")),
    }
}

fn mapping(value: &Value) -> Result<Value, String> {
    let text = match value {
        Value::Map(_) => return Ok(value.clone()),
        Value::Str(text) => text,
        other => return Err(cannot(other, "dict")),
    };
    if text.starts_with('{') {
        // Mappings as Python writes them differ from JSON in their quotes, as far as configuration goes.
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok().map(from_json);
        let found = read(text).or_else(|| read(&text.replace('\'', "\"")));
        return found.ok_or_else(|| "unable to evaluate string as dictionary".to_owned());
    }
    if !text.contains('=') {
        return Err("dictionary requested, could not parse JSON or key=value".to_owned());
    }
    let pairs: Option<Vec<(String, Value)>> = fields(text)
        .iter()
        .map(|field| field.split_once('=').map(|(key, value)| (key.to_owned(), Value::str(value))))
        .collect();
    let wrong = || "unable to evaluate string in the \"key=value\" format as dictionary".to_owned();
    pairs.map(Value::map).ok_or_else(wrong)
}

/// The parts of `a=1, b="x y"`.
fn fields(text: &str) -> Vec<String> {
    let (mut fields, mut field) = (Vec::new(), String::new());
    let (mut quote, mut escaped) = (None, false);
    for c in text.trim().chars() {
        match c {
            c if escaped => {
                field.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            c if quote == Some(c) => quote = None,
            ',' | ' ' if quote.is_none() => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields.retain(|field| !field.is_empty());
    fields
}

fn boolean(value: &Value) -> Result<Value, String> {
    let found = match value {
        Value::Bool(b) => Some(*b),
        Value::Int(0 | 1) => Some(*value == Value::Int(1)),
        Value::Float(x) if *x == 0.0 || *x == 1.0 => Some(*x == 1.0),
        Value::Str(text) => parse_bool(text).filter(|_| !text.contains('.')),
        Value::Int(_) | Value::Float(_) => None,
        other => return Err(cannot(other, "bool")),
    };
    let words = || WORDS.iter().map(|(word, _)| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    let wrong = || format!("The value '{value}' is not a valid boolean. Valid booleans include: {}, 0, 1", words());
    found.map(Value::Bool).ok_or_else(wrong)
}

fn integer(value: &Value) -> Option<Value> {
    let whole = |x: f64| (x.is_finite() && x.fract() == 0.0).then_some(x);
    match value {
        Value::Int(_) | Value::Bool(_) => Some(value.clone()),
        Value::Float(x) => whole(*x).map(|x| Value::Int(x as i64)),
        Value::Str(text) => {
            let text = text.trim().replace('_', "");
            let exact = text.parse().ok().map(Value::Int);
            exact.or_else(|| text.parse().ok().and_then(whole).map(|x| Value::Int(x as i64)))
        }
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        Value::Int(i) => Some(*i as f64),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Str(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    }
}

/// A size such as `10M` or `1.5 KB`.
fn size(value: &Value, letter: char, word: &str) -> Option<i64> {
    let text = value.to_string();
    let text = text.trim_end();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let number: f64 = number.parse().ok().filter(|_| !number.ends_with('.'))?;
    let unit = unit.trim_start();
    let Some(first) = unit.chars().next() else { return Some(number.round() as i64) };
    let power = SIZES.find(first.to_ascii_uppercase())?;
    let rest = unit.get(first.len_utf8()..)?;
    let long = rest.len() > 1 && (rest.eq_ignore_ascii_case(word) || unit.to_ascii_lowercase().ends_with(word));
    let fits = rest.is_empty() || rest == letter.to_string() || long;
    fits.then(|| (number * 1024f64.powi(i32::try_from(power).unwrap_or(0))).round() as i64)
}
