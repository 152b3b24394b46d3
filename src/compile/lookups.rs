//! Lookups: what the controller can look up for a playbook.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::template::{EvalError, Lookup, LookupCall, Scope};
use crate::value::{Map, Value};

/// Runs a lookup.
///
/// # Errors
/// Where it fails or cfg does not have it.
pub fn run(call: &LookupCall, scope: &dyn Scope, search: &[PathBuf]) -> Result<Lookup, EvalError> {
    let mut results = Vec::new();
    let option = |name: &str| call.options.get(name);
    for term in &call.terms {
        let text = term.to_string();
        match call.name.as_str() {
            "env" => {
                let default = option("default").cloned().unwrap_or_else(|| Value::str(""));
                results.push(std::env::var(&text).map_or(default, Value::from));
            }
            "file" | "unvault" => {
                let path = find(&text, "files", search)
                    .ok_or_else(|| EvalError::failed(format!("there is no file `{text}`")))?;
                let content = std::fs::read_to_string(&path)
                    .map_err(|e| EvalError::failed(format!("cannot read `{text}`: {e}")))?;
                let strip = option("rstrip").is_none_or(Value::is_true);
                results.push(Value::str(if strip { content.trim_end() } else { &content }));
            }
            "fileglob" => results.extend(glob_files(&text, search)),
            "first_found" => return first_found(call, search),
            "vars" => match scope.get(&text)? {
                Some(value) if value.has_unknown() => return Ok(Lookup::Unknown),
                Some(value) => results.push(value),
                None => match option("default") {
                    Some(default) => results.push(default.clone()),
                    None => return Err(EvalError::undefined(&text)),
                },
            },
            "varnames" => {
                let regex = fancy_regex::Regex::new(&text).map_err(|e| EvalError::failed(e.to_string()))?;
                results.extend(scope.names().iter().filter(|n| regex.is_match(n).unwrap_or(false)).map(Value::str));
            }
            "items" => results.extend(flat(term, 1)),
            "list" | "flattened" => results.extend(flat(term, if call.name == "list" { 0 } else { 20 })),
            "dict" => results.extend(pairs(term)),
            "sequence" => results.extend(sequence(&text, &call.options)?),
            "indexed_items" => {
                results.extend(flat(term, 1).into_iter().enumerate().map(|(i, v)| Value::list([Value::from(i), v])));
            }
            "nested" | "together" | "subelements" => return combined(call),
            other => return Err(EvalError::failed(format!("cfg has no lookup `{other}`"))),
        }
    }
    if call.terms.is_empty() && call.name == "sequence" {
        results.extend(sequence("", &call.options)?);
    }
    Ok(Lookup::Results(results))
}

/// The items of `with_NAME`.
///
/// # Errors
/// As [`run`].
pub fn with_items(name: &str, terms: &Value, scope: &dyn Scope, search: &[PathBuf]) -> Result<Vec<Value>, EvalError> {
    let list = match (name, terms) {
        ("items" | "list" | "flattened" | "dict" | "indexed_items", other) => vec![other.clone()],
        (_, Value::List(items)) => items.to_vec(),
        (_, other) => vec![other.clone()],
    };
    let call = LookupCall { name: name.to_owned(), terms: list, options: Map::new() };
    match run(&call, scope, search)? {
        Lookup::Results(results) => Ok(results),
        Lookup::Unknown => Err(EvalError::failed("its items are known late")),
    }
}

fn find(name: &str, folder: &str, search: &[PathBuf]) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.is_absolute() {
        return path.exists().then(|| path.to_path_buf());
    }
    search.iter().flat_map(|dir| [dir.join(folder).join(name), dir.join(name)]).find(|p| p.exists())
}

fn glob_files(pattern: &str, search: &[PathBuf]) -> Vec<Value> {
    let path = Path::new(pattern);
    let (dir, name) =
        (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let dirs: Vec<PathBuf> = if path.is_absolute() {
        vec![dir.to_path_buf()]
    } else {
        search.iter().flat_map(|base| [base.join("files").join(dir), base.join(dir)]).collect()
    };
    for dir in dirs {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().filter_map(|e| e.ok());
        let mut found: Vec<PathBuf> = entries
            .filter(|e| crate::inventory::glob(&name, &e.file_name().to_string_lossy()) && e.path().is_file())
            .map(|e| e.path())
            .collect();
        if !found.is_empty() {
            found.sort();
            return found.into_iter().map(|p| Value::str(p.to_string_lossy())).collect();
        }
    }
    Vec::new()
}

/// The first of several files that exists; terms are names, or a mapping of `files` and `paths`.
fn first_found(call: &LookupCall, search: &[PathBuf]) -> Result<Lookup, EvalError> {
    let texts = |value: Option<&Value>| -> Vec<String> {
        match value {
            Some(Value::List(items)) => items.iter().map(ToString::to_string).collect(),
            Some(Value::Str(text)) => text.split([',', ';']).map(|t| t.trim().to_owned()).collect(),
            _ => Vec::new(),
        }
    };
    let mut skip = call.options.get("skip").is_some_and(Value::is_true);
    let mut names = texts(call.options.get("files"));
    let mut paths = texts(call.options.get("paths"));
    for term in call.terms.iter().flat_map(|t| t.as_list().map_or_else(|| vec![t.clone()], <[Value]>::to_vec)) {
        match &term {
            Value::Map(map) => {
                names.extend(texts(map.get("files")));
                paths.extend(texts(map.get("paths")));
                skip |= map.get("skip").is_some_and(Value::is_true);
            }
            other => names.push(other.to_string()),
        }
    }
    let folders = ["files", "templates", "vars", "tasks", ""];
    for name in &names {
        let mut candidates: Vec<PathBuf> = paths.iter().map(|path| Path::new(path).join(name)).collect();
        if paths.is_empty() {
            candidates.push(PathBuf::from(name));
        }
        for candidate in candidates {
            let found = folders.iter().find_map(|folder| find(&candidate.to_string_lossy(), folder, search));
            if let Some(found) = found {
                return Ok(Lookup::Results(vec![Value::str(found.to_string_lossy())]));
            }
        }
    }
    if skip {
        return Ok(Lookup::Results(Vec::new()));
    }
    Err(EvalError::failed(format!("none of these files exists: {}", names.join(", "))))
}

/// Flattens lists, so many levels deep.
pub fn flat(value: &Value, levels: usize) -> Vec<Value> {
    match value {
        Value::List(items) if levels > 0 => items
            .iter()
            .flat_map(|item| match item {
                Value::List(_) => flat(item, levels - 1).into_iter().collect::<Vec<_>>(),
                other => vec![other.clone()],
            })
            .collect(),
        Value::List(items) => items.to_vec(),
        Value::Null => Vec::new(),
        other => vec![other.clone()],
    }
}

fn pairs(value: &Value) -> Vec<Value> {
    let entry =
        |(key, value): (&Arc<str>, &Value)| Value::map([("key", Value::Str(key.clone())), ("value", value.clone())]);
    value.as_map().into_iter().flatten().map(entry).collect()
}

/// `start=1 end=5 stride=2 format=%02d`, or `count=`.
fn sequence(text: &str, options: &Map) -> Result<Vec<Value>, EvalError> {
    let mut get = options.clone();
    for word in text.split_whitespace() {
        if let Some((key, value)) = word.split_once('=') {
            get.insert(Arc::from(key), Value::str(value));
        } else if let Some((start, end)) = word.split_once('-') {
            get.insert(Arc::from("start"), Value::str(start));
            get.insert(Arc::from("end"), Value::str(end));
        } else {
            get.insert(Arc::from("end"), Value::str(word));
        }
    }
    let number = |name: &str, default: i64| -> Result<i64, EvalError> {
        let Some(value) = get.get(name) else { return Ok(default) };
        value.to_string().parse().map_err(|_| EvalError::failed(format!("`{name}` of a sequence is not a number")))
    };
    let start = number("start", 1)?;
    let stride = number("stride", 1)?;
    let end = match get.get("count") {
        Some(_) => start + (number("count", 0)? - 1) * stride,
        None => number("end", 0)?,
    };
    if stride == 0 || (end - start).abs() / stride.abs().max(1) > 1_000_000 {
        return Err(EvalError::failed("this sequence has no end"));
    }
    let format = get.get("format").map(ToString::to_string).unwrap_or_else(|| "%d".to_owned());
    let mut items = Vec::new();
    let mut i = start;
    while (stride > 0 && i <= end) || (stride < 0 && i >= end) {
        items.push(Value::from(format_number(&format, i)));
        i += stride;
    }
    Ok(items)
}

/// The number formats sequences use: `%d`, `%02d`, `%x`.
fn format_number(format: &str, number: i64) -> String {
    let Some((before, rest)) = format.split_once('%') else { return format.to_owned() };
    let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (spec, after) = rest.split_at(end);
    let width: usize = spec.trim_start_matches('0').parse().unwrap_or(0);
    let text = match after.chars().next() {
        Some('x') => format!("{number:x}"),
        Some('o') => format!("{number:o}"),
        _ => number.to_string(),
    };
    let padded = if spec.starts_with('0') { format!("{text:0>width$}") } else { format!("{text:>width$}") };
    format!("{before}{padded}{}", after.get(1..).unwrap_or(""))
}

fn combined(call: &LookupCall) -> Result<Lookup, EvalError> {
    let lists: Vec<Vec<Value>> = call.terms.iter().map(|t| flat(t, 0)).collect();
    let results = match call.name.as_str() {
        "together" => {
            let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
            (0..longest).map(|i| Value::list(lists.iter().map(|l| l.get(i).cloned().unwrap_or_default()))).collect()
        }
        "nested" => lists
            .iter()
            .fold(vec![Vec::new()], |rows, list| {
                rows.iter()
                    .flat_map(|row: &Vec<Value>| {
                        list.iter().map(move |item| [row.as_slice(), std::slice::from_ref(item)].concat())
                    })
                    .collect()
            })
            .into_iter()
            .map(Value::from)
            .collect(),
        _ => {
            let key = call.terms.get(1).map(ToString::to_string).unwrap_or_default();
            let mut rows = Vec::new();
            for item in lists.first().into_iter().flatten() {
                let inner = key.split('.').try_fold(item, |value, part| value.get(part));
                match inner.and_then(Value::as_list) {
                    Some(elements) => rows.extend(elements.iter().map(|e| Value::list([item.clone(), e.clone()]))),
                    None => return Err(EvalError::failed(format!("an item has no list `{key}`"))),
                }
            }
            rows
        }
    };
    Ok(Lookup::Results(results))
}
