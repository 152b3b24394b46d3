//! Inventories in Ansible's INI form: `[group]`, `[group:children]`, `[group:vars]`, `host key=value …`.

use std::sync::Arc;

use super::{Inventory, load, range};
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::{Files, split_pairs};
use crate::source::{FileId, Span};
use crate::template::Term;
use crate::value::Value;
use crate::variables::Definition;

enum Section {
    Hosts(Arc<str>),
    Children(Arc<str>),
    Vars(Arc<str>),
}

/// Reads a file.
pub fn read(file: FileId, text: &str, files: &Files, inventory: &mut Inventory) {
    let mut section = Section::Hosts(Arc::from("ungrouped"));
    let mut offset = 0u32;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len() as u32;
        let trimmed = line.trim();
        let lead = (line.len() - line.trim_start().len()) as u32;
        let span = Span { file, start: start + lead, end: start + lead + trimmed.len() as u32 };
        let content = without_comment(trimmed);
        if content.is_empty() {
            continue;
        }
        if let Some(head) = content.strip_prefix('[') {
            match header(head) {
                Some(new) => {
                    section = new;
                    let (Section::Hosts(name) | Section::Children(name) | Section::Vars(name)) = &section;
                    let group = inventory.groups.entry(name.clone()).or_default();
                    group.span = group.span.or(Some(span));
                }
                None => {
                    let report = Diagnostic::error(Code::BadInventory, "not a section header").at(span, "");
                    files.report(report.help("write [group], [group:children] or [group:vars]"));
                }
            }
            continue;
        }
        if let Err(message) = entry(&section, content, span, files, inventory) {
            files.report(Diagnostic::error(Code::BadInventory, message).at(span, ""));
        }
    }
}

fn without_comment(line: &str) -> &str {
    if line.starts_with(['#', ';']) {
        return "";
    }
    line.find(" #").map_or(line, |at| line.get(..at).unwrap_or(line)).trim_end()
}

fn header(text: &str) -> Option<Section> {
    let inner = text.strip_suffix(']')?.trim();
    let (name, kind) = inner.split_once(':').unwrap_or((inner, ""));
    if name.is_empty() {
        return None;
    }
    match kind {
        "" => Some(Section::Hosts(Arc::from(name))),
        "children" => Some(Section::Children(Arc::from(name))),
        "vars" => Some(Section::Vars(Arc::from(name))),
        _ => None,
    }
}

fn entry(section: &Section, content: &str, span: Span, files: &Files, inventory: &mut Inventory) -> Result<(), String> {
    let origin = files.sources.origin(span);
    match section {
        Section::Vars(group) => {
            let (key, value) = content.split_once('=').ok_or("a variable is written key=value")?;
            let definition = Definition { term: value_term(value.trim(), &origin), origin: Some(origin.clone()) };
            inventory.groups.entry(group.clone()).or_default().vars.insert(Arc::from(key.trim()), definition);
        }
        Section::Children(group) => {
            let child: Arc<str> = Arc::from(content.split_whitespace().next().unwrap_or(content));
            inventory.groups.entry(child.clone()).or_default();
            let parent = inventory.groups.entry(group.clone()).or_default();
            if group.as_ref() != "all" && !parent.children.contains(&child) {
                parent.children.push(child);
            }
        }
        Section::Hosts(group) => {
            let mut words = split_pairs(content).into_iter().map(|(_, word)| word);
            let name = words.next().unwrap_or(content);
            let pairs: Vec<(Arc<str>, Definition)> = words
                .map(|word| {
                    let (key, value) = word.split_once('=').ok_or(format!("`{word}` is not key=value"))?;
                    let definition = Definition { term: value_term(value, &origin), origin: Some(origin.clone()) };
                    Ok((Arc::from(key), definition))
                })
                .collect::<Result<_, String>>()?;
            for name in range::expand(name)? {
                load::host(inventory, &name, span).vars.extend(pairs.iter().cloned());
                let group = inventory.groups.entry(group.clone()).or_default();
                if !group.hosts.iter().any(|h| h.as_ref() == name) {
                    group.hosts.push(Arc::from(name));
                }
            }
        }
    }
    Ok(())
}

/// INI values are Python literals where they look like one, text otherwise.
fn value_term(text: &str, origin: &crate::source::Origin) -> Term {
    let text = text.trim();
    let quoted = text.len() >= 2
        && (text.starts_with('"') && text.ends_with('"') || text.starts_with('\'') && text.ends_with('\''));
    if quoted {
        return Term::from_text(&Arc::from(text.get(1..text.len() - 1).unwrap_or("")), origin.clone(), 0);
    }
    match text {
        "True" | "true" => Term::Value(Value::Bool(true)),
        "False" | "false" => Term::Value(Value::Bool(false)),
        "None" => Term::Value(Value::Null),
        _ => {
            let leading_zero = text.len() > 1 && text.starts_with('0') && !text.contains('.');
            if let (Ok(i), false) = (text.parse::<i64>(), leading_zero) {
                return Term::Value(Value::Int(i));
            }
            if let (Ok(x), true) = (text.parse::<f64>(), text.contains('.')) {
                return Term::Value(Value::Float(x));
            }
            let literal = text.starts_with(['[', '{']) && !text.starts_with("{{") && !text.starts_with("{%");
            if let (true, Ok(json)) = (literal, serde_json::from_str(&text.replace('\'', "\""))) {
                return Term::Value(crate::value::from_json(json));
            }
            Term::from_text(&Arc::from(text), origin.clone(), 0)
        }
    }
}
