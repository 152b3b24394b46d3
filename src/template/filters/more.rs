//! Filters few playbooks use: paths, shapes of data, text for people.

use minijinja::value::{Rest, Value as Jinja, ValueOrKwargs};
use minijinja::{Environment, Error};

use super::call::{Args, Outcome, add, add_shape, fail, float, items, mapping, spellings};
use crate::template::convert::from_jinja;
use crate::template::moment::Moment;
use crate::template::trace;
use crate::value::{Map, Value, python_repr};

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["commonpath"], common_path);
    add(env, &["expandvars"], |v, _| Ok(expand_vars(&v.to_string()).into()));
    add(env, &["filesizeformat"], file_size);
    add(env, &["pprint"], |v, _| Ok(pretty(v, 0).into()));
    add_shape(env, &["rekey_on_member"], rekey);
    add(env, &["striptags"], |v, _| Ok(strip_tags(&v.to_string()).into()));
    add(env, &["xmlattr"], xml_attributes);
    add(env, &["win_basename"], |v, _| Ok(split_windows(&v.to_string()).1.into()));
    add(env, &["win_dirname"], |v, _| Ok(split_windows(&v.to_string()).0.into()));
    add(env, &["win_splitdrive"], |v, _| {
        let text = v.to_string();
        let at = if text.get(1..2) == Some(":") { 2 } else { 0 };
        let (drive, rest) = text.split_at(at);
        Ok(Value::list([Value::str(drive), Value::str(rest)]))
    });
    for name in spellings(&["to_datetime"]) {
        env.add_filter(name, to_datetime);
    }
}

fn to_datetime(value: &Jinja, rest: Rest<ValueOrKwargs>) -> Result<Jinja, Error> {
    let (value, args) = (from_jinja(value), Args::read(rest)?);
    if value.has_unknown() {
        return Ok(trace::unknown());
    }
    let format = args.text(0, "format").unwrap_or_else(|| "%Y-%m-%d %H:%M:%S".into());
    Moment::read(&value.to_string(), &format).map(Jinja::from_object)
}

fn common_path(value: &Value, _args: &Args) -> Outcome {
    let paths: Vec<String> = items(value)?.iter().map(ToString::to_string).collect();
    let Some(first) = paths.first() else { return Err(fail("commonpath() takes a list that is not empty")) };
    let absolute = first.starts_with('/');
    if paths.iter().any(|path| path.starts_with('/') != absolute) {
        return Err(fail("Can't mix absolute and relative paths"));
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    let mut common = parts(first);
    for path in &paths {
        let other = parts(path);
        let same = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    Ok(format!("{}{}", if absolute { "/" } else { "" }, common.join("/")).into())
}

/// `$NAME` and `${NAME}`; what is not set stays as it is.
fn expand_vars(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, tail) = braced.unwrap_or_else(|| {
            let length = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
            after.split_at(length)
        });
        let written = after.len() - tail.len();
        match std::env::var(name) {
            Ok(value) if !name.is_empty() => out.push_str(&value),
            _ => {
                out.push('$');
                out.push_str(after.get(..written).unwrap_or(""));
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn file_size(value: &Value, args: &Args) -> Outcome {
    let (bytes, binary) = (float(value)?, args.flag(0, "binary"));
    let (base, suffix): (f64, &str) = if binary { (1024.0, "iB") } else { (1000.0, "B") };
    if bytes == 1.0 {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes.trunc()).into());
    }
    let units =
        if binary { ["K", "M", "G", "T", "P", "E", "Z", "Y"] } else { ["k", "M", "G", "T", "P", "E", "Z", "Y"] };
    let mut size = bytes / base;
    for (n, unit) in units.iter().enumerate() {
        if size < base || n + 1 == units.len() {
            return Ok(format!("{size:.1} {unit}{suffix}").into());
        }
        size /= base;
    }
    Ok(format!("{bytes}").into())
}

/// As Python's `pprint`: in one line where it fits.
fn pretty(value: &Value, depth: usize) -> String {
    let short = python_repr(value);
    if short.chars().count() + depth <= 80 {
        return short;
    }
    let join = |parts: Vec<String>| parts.join(&format!(",\n{}", " ".repeat(depth + 1)));
    match value {
        Value::List(items) => format!("[{}]", join(items.iter().map(|item| pretty(item, depth + 1)).collect())),
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            let entry = |(key, value): &(&std::sync::Arc<str>, &Value)| {
                let key = python_repr(&Value::str(key));
                let at = depth + key.chars().count() + 3;
                format!("{key}: {}", pretty(value, at))
            };
            format!("{{{}}}", join(entries.iter().map(entry).collect()))
        }
        _ => short,
    }
}

fn rekey(value: &Value, args: &Args) -> Outcome {
    let key = args.need(0, "key")?.to_string();
    let overwrite = match args.text(1, "duplicates").as_deref() {
        None | Some("error") => false,
        Some("overwrite") => true,
        Some(other) => {
            return Err(fail(format!("duplicates parameter to rekey_on_member has unknown value: {other}")));
        }
    };
    let all = match value {
        Value::Map(map) => map.values().cloned().collect(),
        other => items(other)?,
    };
    let mut out = Map::new();
    for item in all {
        let map = mapping(&item).map_err(|_| fail("List item is not a valid dict"))?;
        let Some(found) = map.get(key.as_str()) else { return Err(fail(format!("Key {key} was not found"))) };
        let name = found.to_string();
        if !overwrite && out.contains_key(name.as_str()) {
            return Err(fail(format!("Key {name} is not unique, cannot convert to dict")));
        }
        out.insert(name.into(), item);
    }
    Ok(out.into())
}

fn strip_tags(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        rest = match after.strip_prefix("!--") {
            Some(comment) => comment.split_once("-->").map_or("", |(_, tail)| tail),
            None => match after.split_once('>') {
                Some((_, tail)) => tail,
                None => {
                    out.push('<');
                    after
                }
            },
        };
    }
    out.push_str(rest);
    let plain = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let table = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    table.iter().fold(plain, |text, (from, to)| text.replace(from, to))
}

fn xml_attributes(value: &Value, args: &Args) -> Outcome {
    let space = args.placed().first().or(args.named().get("autospace")).is_none_or(Value::is_true);
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('\'', "&#39;")
            .replace('"', "&#34;")
    };
    let map = mapping(value)?;
    if let Some(bad) = map.keys().find(|key| key.contains([' ', '\t', '\n', '/', '>', '='])) {
        return Err(fail(format!("Invalid character in attribute name: '{bad}'")));
    }
    let parts: Vec<String> = map
        .iter()
        .filter(|(_, value)| **value != Value::Null)
        .map(|(key, value)| format!("{}=\"{}\"", escape(key), escape(&value.to_string())))
        .collect();
    let text = parts.join(" ");
    Ok(if space && !text.is_empty() { format!(" {text}") } else { text }.into())
}

fn split_windows(text: &str) -> (String, String) {
    let at = text.rfind(['\\', '/', ':']).map_or(0, |at| at + 1);
    let (head, tail) = text.split_at(at);
    let bare = head.trim_end_matches(['\\', '/']);
    let head = if bare.is_empty() || bare.ends_with(':') { head } else { bare };
    (head.to_owned(), tail.to_owned())
}
