//! Facts an administrator put into `/etc/ansible/facts.d`.

use std::path::Path;
use std::time::Duration;

use super::look::Look;
use crate::machine::{Command, Output};
use crate::value::{Map, Value, from_json};

const DIRECTORY: &str = "/etc/ansible/facts.d";

/// A program that hangs must not hold up the run.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads them. A file that cannot be read becomes the text of the reason, as in Ansible.
pub fn read(look: Look<'_>, directory: Option<&str>, facts: &mut Map) {
    let directory = directory.unwrap_or(DIRECTORY);
    let names = look.names(directory).into_iter();
    let local = names.filter_map(|name| {
        let key = name.strip_suffix(".fact")?.to_owned();
        Some((key, one(look, &format!("{directory}/{name}"))))
    });
    // The one name that keeps its `ansible_` among the facts, as in Ansible.
    facts.insert("ansible_local".into(), Value::map(local));
}

fn one(look: Look<'_>, path: &str) -> Value {
    let executable = look.0.stat(Path::new(path)).ok().flatten().is_some_and(|stat| stat.mode & 0o100 != 0);
    // A file that is not there any more, or that a link only promises.
    if !look.exists(path) {
        return Value::from(format!("Could not stat fact ({path})"));
    }
    let text = if executable { output(look, path) } else { Ok(look.text(path)) };
    match text {
        Ok(text) => parse(&text).unwrap_or_else(|| {
            // A file with sections was meant as one, and something in it is wrong.
            let what = if text.trim_start().starts_with('[') { "ini" } else { "JSON or ini" };
            Value::from(format!("error loading facts as {what} - please check content: {path}"))
        }),
        Err(reason) => Value::from(reason),
    }
}

fn output(look: Look<'_>, path: &str) -> Result<String, String> {
    let command = Command { timeout: Some(TIMEOUT), ..Command::new([path]) };
    match look.0.probe(&command) {
        Ok(Output::Known(stdio)) if stdio.ok() => Ok(stdio.out()),
        Ok(Output::Known(stdio)) => {
            Err(format!("Failure executing fact script ({path}), rc: {}, err: {}", stdio.status, stdio.err()))
        }
        Ok(Output::Unknown) => Err(format!("Could not execute fact script ({path}): not run")),
        Err(fault) => Err(format!("Could not execute fact script ({path}): {fault}")),
    }
}

/// In such a file `%%` stands for a percent sign, and one alone is a mistake.
fn interpolated(value: &str) -> Option<String> {
    let bare = value.replace("%%", "");
    (!bare.contains('%')).then(|| value.replace("%%", "%"))
}

/// JSON, or else sections of `name = value`.
pub(super) fn parse(text: &str) -> Option<Value> {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        return Some(from_json(json));
    }
    let mut sections: Vec<(String, Map)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push((name.to_owned(), Map::new()));
            continue;
        }
        let (_, section) = sections.last_mut()?;
        let (name, value) = line.split_once(['=', ':'])?;
        section.insert(name.trim().to_lowercase().into(), Value::from(interpolated(value.trim())?));
    }
    Some(Value::map(sections.into_iter().map(|(name, map)| (name, Value::from(map)))))
}
