//! JSON, YAML and TOML as `ansible-inventory` writes them.

use serde::Serialize as _;
use serde_json::{Map as JsonMap, Value as Json};

use crate::cli::error::CliError;
use crate::value::Value;
use crate::yaml::resolve_plain;

/// JSON, indented by four.
pub fn json(value: &Json) -> String {
    let mut out = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, format));
    debug_assert!(written.is_ok(), "JSON can always be written");
    out.push(b'\n');
    String::from_utf8(out).unwrap_or_default()
}

/// YAML in blocks.
pub fn yaml(value: &Json) -> String {
    let mut out = String::new();
    match value {
        Json::Object(map) if !map.is_empty() => yaml_map(map, 0, &mut out),
        other => {
            yaml_scalar(other, &mut out);
            out.push('\n');
        }
    }
    out
}

fn yaml_map(map: &JsonMap<String, Json>, indent: usize, out: &mut String) {
    for (i, (key, value)) in map.iter().enumerate() {
        // The first entry of a mapping in a list stands behind its dash.
        if i > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(indent));
        }
        yaml_text(key, out);
        out.push(':');
        match value {
            Json::Object(map) if !map.is_empty() => {
                out.push('\n');
                yaml_map(map, indent + 2, out);
            }
            Json::Array(items) if !items.is_empty() => {
                out.push('\n');
                yaml_list(items, indent, out);
            }
            other => {
                out.push(' ');
                yaml_scalar(other, out);
                out.push('\n');
            }
        }
    }
}

fn yaml_list(items: &[Json], indent: usize, out: &mut String) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str("- ");
        match item {
            Json::Object(map) if !map.is_empty() => yaml_map(map, indent + 2, out),
            Json::Array(items) if !items.is_empty() => yaml_list(items, indent + 2, out),
            other => {
                yaml_scalar(other, out);
                out.push('\n');
            }
        }
    }
}

fn yaml_scalar(value: &Json, out: &mut String) {
    match value {
        Json::String(text) => yaml_text(text, out),
        // YAML 1.1 wants a point and a sign: `1e300` would be text.
        Json::Number(number) if number.is_f64() => {
            let text = number.to_string();
            match text.split_once('e') {
                Some((mantissa, exponent)) => {
                    let point = if mantissa.contains('.') { "" } else { ".0" };
                    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
                    out.push_str(&format!("{mantissa}{point}e{sign}{exponent}"));
                }
                None => out.push_str(&text),
            }
        }
        // Empty collections look alike in both.
        other => out.push_str(&other.to_string()),
    }
}

fn yaml_text(text: &str, out: &mut String) {
    let control = |c: char| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if text.chars().any(control) {
        // A JSON string is a double-quoted string of YAML, but for the few control characters JSON leaves as they are.
        let quoted = Json::from(text).to_string();
        return quoted.chars().for_each(|c| match c {
            c if control(c) => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        });
    }
    if is_plain(text) {
        out.push_str(text);
    } else {
        out.push_str(&format!("'{}'", text.replace('\'', "''")));
    }
}

/// Says whether a text can stand without quotes, and be nothing but that text, for every reader of YAML 1.1.
fn is_plain(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || " _./+-%=@,()".contains(c);
    let starts = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '/'));
    // Times and dates are more to other readers than to ours.
    let dated = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('-');
    let word = matches!(text, "y" | "Y" | "n" | "N");
    starts
        && !dated
        && !word
        && !text.ends_with(' ')
        && text.chars().all(|c| inside(c) || c == ':' || c == '#')
        && !text.contains(": ")
        && !text.ends_with(':')
        && !(text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '_')))
        && !text.contains(" #")
        && matches!(resolve_plain(text), Value::Str(_))
}

/// TOML: tables for mappings.
///
/// # Errors
/// Where a value is null: TOML has no such thing.
pub fn toml(value: &Json) -> Result<String, CliError> {
    let mut out = String::new();
    if let Json::Object(map) = value {
        toml_table(map, &mut Vec::new(), &mut out)?;
    }
    Ok(out.trim_start_matches('\n').to_owned())
}

fn toml_table(map: &JsonMap<String, Json>, path: &mut Vec<String>, out: &mut String) -> Result<(), CliError> {
    let tables = |value: &Json| matches!(value, Json::Object(_));
    let own = map.iter().filter(|(_, value)| !tables(value));
    // A table that only holds tables needs no line of its own.
    if !path.is_empty() && (map.is_empty() || own.clone().next().is_some()) {
        let keys: Vec<String> = path.iter().map(|key| toml_key(key)).collect();
        out.push_str(&format!("\n[{}]\n", keys.join(".")));
    }
    for (key, value) in own {
        out.push_str(&format!("{} = {}\n", toml_key(key), toml_value(value, &|| named(path, key))?));
    }
    for (key, value) in map {
        if let Json::Object(inner) = value {
            path.push(key.clone());
            toml_table(inner, path, out)?;
            path.pop();
        }
    }
    Ok(())
}

fn named(path: &[String], key: &str) -> String {
    path.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
}

fn toml_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.to_owned() } else { toml_text(key) }
}

fn toml_text(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn toml_value(value: &Json, name: &dyn Fn() -> String) -> Result<String, CliError> {
    match value {
        Json::Null => Err(CliError::new(
            format!("`{}` is null, which TOML cannot say", name()),
            "print JSON or YAML, or give it a value",
        )),
        Json::String(text) => Ok(toml_text(text)),
        Json::Array(items) => {
            let items = items.iter().map(|item| toml_value(item, name)).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("[{}]", items.join(", ")))
        }
        Json::Object(map) => {
            let entry = |(key, value): (&String, &Json)| {
                Ok::<_, CliError>(format!(
                    "{} = {}",
                    toml_key(key),
                    toml_value(value, &|| format!("{}.{key}", name()))?
                ))
            };
            let entries = map.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("{{ {} }}", entries.join(", ")))
        }
        other => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_as_yaml_reads_back_the_same() {
        let value = json!({
            "a": {"b": [1, "x", {"c": null, "d": []}, [true, "no"]], "e": {}},
            "text": ["", "yes", "0644", "08", "1e3", "22:22", "2020-01-01", "a: b", "a #b", "#", "-", "- a", "it's", "{{ x }}", "line\nbreak", " a ", "null", "~", "*a", "&a", "!a", "%a", "@a", "y", "n", "=", "<<", "a:", "::1", "C:\\x", "tab\t", "ü", "1.5", "\u{2028}"],
            "f": [1.5, 1e300, -0.5],
        });
        let sources = crate::source::SourceMap::default();
        let file = sources.add(std::path::Path::new("x.yml"), yaml(&value));
        let mut diagnostics = crate::diagnostic::Diagnostics::default();
        let nodes = crate::yaml::load(&sources, file, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{}", yaml(&value));
        let read = nodes.first().map(|node| crate::value::to_json(&node.to_value())).unwrap();
        assert_eq!(read, value, "{}", yaml(&value));
    }

    #[test]
    fn toml_has_tables() {
        let value = json!({"web": {"children": ["a", "b"], "hosts": {"h.1": {}, "h2": {"x": {"y": 1}}}}});
        let text = "[web]\nchildren = [\"a\", \"b\"]\n\n[web.hosts.\"h.1\"]\n\n[web.hosts.h2.x]\ny = 1\n";
        assert_eq!(toml(&value).map_err(|_| "null").unwrap(), text);
        assert!(toml(&json!({"a": null})).is_err());
    }
}
