//! Tests that Ansible adds to those of Jinja: patterns, versions, and lists as sets.

use minijinja::value::{Rest, Value as Jinja, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::convert::from_jinja;
use super::filters::call::{Args, fail, items, same, spellings};
use super::filters::regex::compile;
use super::filters::sets::Seen;
use super::{trace, version};
use crate::value::{Value, parse_bool};

type Outcome = Result<bool, Error>;

/// Adds a test; an unknown anywhere makes the result unknown.
fn add(env: &mut Environment<'static>, names: &[&'static str], test: fn(&Value, &Args) -> Outcome) {
    for name in spellings(names) {
        env.add_test(name, move |state: &State<'_, '_>, value: &Jinja, rest: Rest<ValueOrKwargs>| -> Outcome {
            let (value, meter) = (from_jinja(value), |fuel| state.consume_fuel(fuel));
            let args = Args::metered(rest, &meter)?;
            args.weigh(&value)?;
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
    add(env, &["uri"], |v, a| Ok(v.as_str().is_some_and(|text| has_scheme(text, a))));
    add(env, &["url"], |v, a| {
        let is_web = |text: &str| has_scheme(text, a) && (!authority(text).is_empty() || scheme(text) == "file");
        Ok(v.as_str().is_some_and(is_web))
    });
    add(env, &["urn"], |v, _| Ok(v.as_str().is_some_and(|text| scheme(text) == "urn")));
    add(env, &["nan", "isnan"], |v, _| Ok(matches!(v, Value::Float(x) if x.is_nan())));
    add(env, &["vault_encrypted"], |_, _| {
        Err(fail("`vault_encrypted` cannot be answered: cfg decrypts what is in a vault when it reads it"))
    });
    add(env, &["escaped", "callable"], |_, _| Ok(false));
    add(env, &["integer"], |v, _| Ok(matches!(v, Value::Int(_))));
    add(env, &["float"], |v, _| Ok(matches!(v, Value::Float(_))));
    add(env, &["true"], |v, _| Ok(*v == Value::Bool(true)));
    add(env, &["false"], |v, _| Ok(*v == Value::Bool(false)));
    add(env, &["abs", "is_abs"], |v, _| Ok(v.to_string().starts_with('/')));
    for names in PATH_TESTS {
        for name in names.iter() {
            let kind = names.first().copied().unwrap_or(name);
            env.add_test(*name, move |value: &Jinja, other: Option<Jinja>| path_test(kind, value, other));
        }
    }
}

/// Tests of files look at the controller, as in Ansible; for files of the target a play uses `stat`.
const PATH_TESTS: &[&[&str]] = &[
    &["directory", "is_dir"],
    &["exists"],
    &["file", "is_file"],
    &["link", "is_link"],
    &["link_exists"],
    &["mount", "is_mount"],
    &["same_file", "is_same_file"],
    &["vaulted_file"],
];

/// A test of a path is a lookup: it is made where and when those are made.
fn path_test(kind: &str, value: &Jinja, other: Option<Jinja>) -> Outcome {
    let terms = std::iter::once(value).chain(&other).map(from_jinja).collect();
    match super::lookup::ask(&format!("{}{kind}", super::lookup::PATH_TEST), terms)? {
        super::Lookup::Unknown => {
            trace::unknown();
            Ok(false)
        }
        super::Lookup::Results(results) => Ok(results.first().is_some_and(Value::is_true)),
    }
}

/// The scheme of a URL, in small letters; empty where it has none.
fn scheme(text: &str) -> String {
    let found = text.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    found.unwrap_or("").to_ascii_lowercase()
}

fn authority(text: &str) -> &str {
    let rest = text.split_once(':').filter(|_| !scheme(text).is_empty()).map_or(text, |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or("");
    rest.split(['/', '?', '#']).next().unwrap_or("")
}

/// With a list of schemes it has to be one of those; without, any will do.
fn has_scheme(text: &str, args: &Args) -> bool {
    match args.get(0, "schemes") {
        Some(Value::List(schemes)) => schemes.iter().any(|known| known.to_string() == scheme(text)),
        Some(other) => other.to_string().contains(&scheme(text)),
        None => true,
    }
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
    let regex = compile(&anchored, args, args.flag(1, "ignorecase"), args.flag(2, "multiline"))?;
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
    let large = Seen::of(&large);
    Ok(items(small)?.iter().all(|item| large.contains(item)))
}

fn truthy(value: &Value, args: &Args) -> Outcome {
    let converted = match value {
        Value::Str(text) if args.flag(0, "convert_bool") => parse_bool(text),
        _ => None,
    };
    Ok(converted.unwrap_or_else(|| value.is_true()))
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
