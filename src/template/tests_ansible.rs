//! Tests that Ansible adds to those of Jinja: patterns, versions, and lists as sets.

use minijinja::value::{Rest, Value as Jinja, ValueOrKwargs};
use minijinja::{Environment, Error};

use super::convert::from_jinja;
use super::filters::call::{Args, fail, items, same, spellings};
use super::filters::regex::compile;
use super::{trace, version};
use crate::value::{Value, parse_bool};

type Outcome = Result<bool, Error>;

/// Adds a test; an unknown anywhere makes the result unknown.
fn add(env: &mut Environment<'static>, names: &[&'static str], test: fn(&Value, &Args) -> Outcome) {
    for name in spellings(names) {
        env.add_test(name, move |value: &Jinja, rest: Rest<ValueOrKwargs>| -> Outcome {
            let (value, args) = (from_jinja(value), Args::read(rest)?);
            if value.has_unknown() || args.placed().iter().any(Value::has_unknown) {
                trace::unknown();
                return Ok(false);
            }
            test(&value, &args)
        });
    }
}

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["match"], |v, a| pattern(v, a, "match"));
    add(env, &["search"], |v, a| pattern(v, a, "search"));
    add(env, &["regex"], |v, a| {
        let kind = a.text(3, "match_type").unwrap_or_else(|| "search".into());
        pattern(v, a, &kind)
    });
    add(env, &["version", "version_compare"], compare_versions);
    add(env, &["all"], |v, _| Ok(items(v)?.iter().all(Value::is_true)));
    add(env, &["any"], |v, _| Ok(items(v)?.iter().any(Value::is_true)));
    add(env, &["contains"], |v, a| contains(v, a.placed().first().unwrap_or(&Value::Null)));
    add(env, &["in"], |v, a| contains(a.placed().first().unwrap_or(&Value::Null), v));
    add(env, &["subset", "issubset"], |v, a| subset(v, a.need(0, "b")?));
    add(env, &["superset", "issuperset"], |v, a| subset(a.need(0, "b")?, v));
    add(env, &["truthy"], truthy);
    add(env, &["falsy"], |v, a| truthy(v, a).map(|truthy| !truthy));
    add(env, &["url"], |v, _| Ok(v.as_str().is_some_and(is_url)));
    add(env, &["integer"], |v, _| Ok(matches!(v, Value::Int(_))));
    add(env, &["float"], |v, _| Ok(matches!(v, Value::Float(_))));
    add(env, &["true"], |v, _| Ok(*v == Value::Bool(true)));
    add(env, &["false"], |v, _| Ok(*v == Value::Bool(false)));
    add(env, &["abs"], |v, _| Ok(v.to_string().starts_with('/')));
    // Whether a file exists is asked of a machine, which an expression must not do: a play uses `stat`.
}

fn pattern(value: &Value, args: &Args, kind: &str) -> Outcome {
    let text = value.to_string();
    let pattern = args.text(0, "pattern").unwrap_or_default();
    let anchored = match kind {
        "match" => format!(r"\A(?:{pattern})"),
        "fullmatch" => format!(r"\A(?:{pattern})\z"),
        "search" => pattern,
        other => return Err(fail(format!("`match_type` is search, match or fullmatch, not `{other}`"))),
    };
    let regex = compile(&anchored, args.flag(1, "ignorecase"), args.flag(2, "multiline"))?;
    regex.is_match(&text).map_err(|e| fail(format!("the regular expression is too costly: {e}")))
}

fn contains(container: &Value, item: &Value) -> Outcome {
    match container {
        Value::Str(text) => Ok(text.contains(&item.to_string())),
        Value::Map(map) => Ok(map.contains_key(item.to_string().as_str())),
        other => Ok(items(other)?.iter().any(|known| same(known, item))),
    }
}

fn subset(small: &Value, large: &Value) -> Outcome {
    let large = items(large)?;
    Ok(items(small)?.iter().all(|item| large.iter().any(|known| same(known, item))))
}

fn truthy(value: &Value, args: &Args) -> Outcome {
    let converted = match value {
        Value::Str(text) if args.flag(0, "convert_bool") => parse_bool(text),
        _ => None,
    };
    Ok(converted.unwrap_or_else(|| value.is_true()))
}

fn is_url(text: &str) -> bool {
    let known = [
        "http", "https", "ftp", "ftps", "sftp", "ssh", "git", "file", "telnet", "ws", "wss", "rsync", "nfs", "svn",
        "ldap",
    ];
    text.split_once("://").is_some_and(|(scheme, rest)| known.contains(&scheme) && !rest.is_empty())
}

fn compare_versions(value: &Value, args: &Args) -> Outcome {
    let other = args.need(0, "version")?.to_string();
    let operator = args.text(1, "operator").unwrap_or_else(|| "eq".into());
    let kind = match args.text(3, "version_type") {
        Some(kind) => kind,
        None if args.flag(2, "strict") => "strict".into(),
        None => "loose".into(),
    };
    let order = version::compare(&value.to_string(), &other, &kind).map_err(fail)?;
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order.is_eq(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        "!=" | "<>" | "ne" => order.is_ne(),
        other => return Err(fail(format!("there is no comparison `{other}`"))),
    })
}
