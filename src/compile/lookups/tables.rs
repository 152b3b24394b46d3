//! `csvfile` and `ini`: values out of tables.

use std::collections::BTreeMap;

use super::options::Options;
use super::{Ask, Outcome, fail};
use crate::template::{EvalError, Lookup};
use crate::value::Value;

pub const CSV_OPTIONS: &[&str] = &["col", "default", "delimiter", "file", "encoding", "keycol"];
pub const INI_OPTIONS: &[&str] = &[
    "type",
    "file",
    "section",
    "re",
    "encoding",
    "default",
    "case_sensitive",
    "allow_no_value",
    "allow_none",
    "interpolation",
];

/// The text of a file in an encoding: UTF-8, or the first 256 characters of Unicode for Latin-1.
fn text(ask: &Ask<'_>, options: &Options, default: &str) -> Result<String, EvalError> {
    let file = options.text("file", default);
    if ask.reach.find(&file, "files").is_none() {
        return fail(format!("there is no file `{file}` (No such file or directory)"));
    }
    let encoding = options.text("encoding", "utf-8").to_lowercase().replace(['-', '_'], "");
    match encoding.as_str() {
        "utf8" => ask.reach.read_text(&file, "files"),
        "latin1" | "iso88591" | "ascii" => Ok(ask.reach.read(&file, "files")?.into_iter().map(char::from).collect()),
        _ => fail(format!("the encoding `{}` is not supported: use utf-8 or iso8859-1", options.text("encoding", ""))),
    }
}

pub(super) fn csvfile(ask: &Ask<'_>) -> Outcome {
    if ask.call.terms.is_empty() {
        return fail("Search key is required but was not found");
    }
    let mut results = Vec::new();
    for term in &ask.call.terms {
        let options = Options::of(term, ask, CSV_OPTIONS)?;
        if options.key.is_empty() {
            return fail("Search key is required but was not found");
        }
        let delimiter = match options.text("delimiter", "TAB").as_str() {
            "TAB" | "t" | "\\t" => '\t',
            other => match unescaped(other) {
                Some(delimiter) => delimiter,
                None => return fail(format!("the delimiter `{other}` has to be one character")),
            },
        };
        let (key_column, column) = (options.number("keycol", 0)?, options.number("col", 1)?);
        let rows = rows(&text(ask, &options, "ansible.csv")?, delimiter);
        let row = rows.iter().find(|row| row.get(key_column).is_some_and(|cell| *cell == options.key));
        match (row, options.get("default")) {
            (Some(row), _) => match row.get(column) {
                Some(cell) => results.push(Value::str(cell)),
                None => return fail(format!("csvfile: the row of `{}` has no column {column}", options.key)),
            },
            (None, Some(Value::List(items))) => results.extend(items.iter().cloned()),
            (None, Some(default)) => results.push(default.clone()),
            (None, None) => {}
        }
    }
    Ok(Lookup::Results(results))
}

/// One character, as it is or as `\x1a`.
fn unescaped(text: &str) -> Option<char> {
    let mut chars = text.chars();
    match (chars.next()?, chars.next()) {
        (c, None) => Some(c),
        ('\\', Some('x')) => char::from_u32(u32::from_str_radix(chars.as_str(), 16).ok()?),
        _ => None,
    }
}

/// Rows as Python's `csv` reads them: a cell may stand in double quotes, where two mean one.
fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut start) = (false, true);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if start => quoted = true,
            '\r' | '\n' if !quoted => {
                if !(row.is_empty() && cell.is_empty()) {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                start = true;
                continue;
            }
            c if c == delimiter && !quoted => {
                row.push(std::mem::take(&mut cell));
                start = true;
                continue;
            }
            c => cell.push(c),
        }
        start = false;
    }
    if !(row.is_empty() && cell.is_empty()) {
        row.push(cell);
        rows.push(row);
    }
    rows
}

/// A section: names in the order in which they stand. A name may be without a value.
type Section = Vec<(String, Option<String>)>;

pub(super) fn ini(ask: &Ask<'_>) -> Outcome {
    let mut results = Vec::new();
    for term in &ask.call.terms {
        let options = Options::of(term, ask, INI_OPTIONS)?;
        if options.key.is_empty() {
            return fail("No key to look up was provided as first term within string inline options");
        }
        let (properties, file) = match options.text("type", "ini").as_str() {
            "ini" => (false, text(ask, &options, "ansible.ini")?),
            "properties" => (true, format!("[java_properties]\n{}", text(ask, &options, "ansible.ini")?)),
            other => return fail(format!("`type` of the lookup `ini` is ini or properties, not `{other}`")),
        };
        let name = if properties { "java_properties".to_owned() } else { options.text("section", "global") };
        let sections = sections(&file, &options)?;
        let Some(section) = sections.get(&name) else { return fail(format!("No section: '{name}'")) };
        if options.flag("re", false) {
            let pattern = format!(r"\A(?:{})", options.key);
            let regex = fancy_regex::Regex::new(&pattern).map_err(|error| EvalError::failed(error.to_string()))?;
            let fits = section.iter().filter(|(name, _)| regex.is_match(name).unwrap_or(false));
            for (_, value) in fits {
                results.extend(resolved(value.as_deref(), section, sections.get("DEFAULT"), &options)?);
            }
            continue;
        }
        let key = folded(&options.key, &options);
        let own = section.iter().chain(sections.get("DEFAULT").into_iter().flatten()).find(|(name, _)| *name == key);
        match own {
            Some((_, value)) => {
                results.extend(resolved(value.as_deref(), section, sections.get("DEFAULT"), &options)?);
            }
            None => results.push(options.get("default").cloned().unwrap_or_else(|| Value::str(""))),
        }
    }
    Ok(Lookup::Results(results))
}

fn folded(name: &str, options: &Options) -> String {
    if options.flag("case_sensitive", false) { name.to_owned() } else { name.to_lowercase() }
}

/// The sections of a file, as Python's `configparser` reads them.
fn sections(text: &str, options: &Options) -> Result<BTreeMap<String, Section>, EvalError> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut name: Option<String> = None;
    let empty = options.flag("allow_no_value", false) || options.flag("allow_none", false);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            name = Some(header.0.to_owned());
            sections.entry(header.0.to_owned()).or_default();
            continue;
        }
        let Some(name) = &name else { return fail(format!("line {}: File contains no section headers", number + 1)) };
        let section = sections.entry(name.clone()).or_default();
        // A line that is indented goes on with the value above.
        if line.starts_with([' ', '\t'])
            && let Some((_, Some(value))) = section.last_mut()
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        let (key, value) = match trimmed.split_once(['=', ':']) {
            Some((key, value)) => (key.trim(), Some(value.trim().to_owned())),
            None if empty => (trimmed, None),
            None => return fail(format!("Source contains parsing errors: [line {}]: {trimmed}", number + 1)),
        };
        let key = folded(key, options);
        if section.iter().any(|(known, _)| *known == key) {
            let message = format!("[line {}]: option '{key}' in section '{name}' already exists", number + 1);
            return fail(format!("Duplicate option in the file: {message}"));
        }
        section.push((key, value));
    }
    Ok(sections)
}

/// A value with `%(name)s` filled in. A name without a value has none.
fn resolved(
    value: Option<&str>,
    section: &Section,
    defaults: Option<&Section>,
    options: &Options,
) -> Result<Option<Value>, EvalError> {
    let Some(value) = value else { return Ok(None) };
    if !options.flag("interpolation", true) {
        return Ok(Some(Value::str(value)));
    }
    let mut text = value.to_owned();
    for _ in 0..10 {
        let Some((before, rest)) = text.split_once("%(") else { break };
        let Some((name, after)) = rest.split_once(")s") else {
            return fail(format!("bad interpolation variable reference in {value:?}"));
        };
        let key = folded(name, options);
        let mut known = section.iter().chain(defaults.into_iter().flatten());
        let Some((_, found)) = known.find(|(known, _)| *known == key) else {
            return fail(format!("Bad value substitution: `{name}` in {value:?} is not in the section"));
        };
        text = format!("{before}{}{after}", found.as_deref().unwrap_or(""));
    }
    let bare = text.replace("%%", "");
    if bare.contains('%') {
        return fail(format!("'%' must be followed by '%' or '(', found: {value:?}; set `interpolation=false`"));
    }
    Ok(Some(Value::from(text.replace("%%", "%"))))
}
