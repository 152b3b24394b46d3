//! Inventories in YAML: groups with `hosts`, `children` and `vars`.

use std::sync::Arc;

use super::{Inventory, load, range};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::Files;
use crate::variables::Definition;
use crate::yaml::{Entry, Node};

/// Reads a document.
pub fn read(node: &Node, files: &Files, inventory: &mut Inventory) {
    let Some(groups) = node.as_map() else {
        if !node.is_null() {
            let message = format!("an inventory is a mapping of groups; found {}", node.type_name());
            files.report(Diagnostic::error(Code::BadInventory, message).at(node.span, ""));
        }
        return;
    };
    for group in groups {
        read_group(group, files, inventory, 0);
    }
}

fn read_group(entry: &Entry, files: &Files, inventory: &mut Inventory, depth: usize) {
    let group = inventory.groups.entry(entry.key.clone()).or_default();
    group.span = group.span.or(Some(entry.key_span));
    if entry.value.is_null() || depth > 100 {
        return;
    }
    let Some(sections) = entry.value.as_map() else {
        let message = format!("the group `{}` is {}; expected a mapping", entry.key, entry.value.type_name());
        return files.report(Diagnostic::error(Code::BadInventory, message).at(entry.value.span, ""));
    };
    for section in sections {
        match section.key.as_ref() {
            "hosts" => read_hosts(&entry.key, section, files, inventory),
            "children" => {
                for child in expect_map(section, files) {
                    read_group(child, files, inventory, depth + 1);
                    if let Some(group) = inventory.groups.get_mut(&entry.key)
                        && !group.children.contains(&child.key)
                        && entry.key.as_ref() != "all"
                    {
                        group.children.push(child.key.clone());
                    }
                }
            }
            "vars" => {
                let vars = read_vars(expect_map(section, files), files);
                if let Some(group) = inventory.groups.get_mut(&entry.key) {
                    let priority = vars.get("ansible_group_priority").and_then(|d| d.term.as_value().cloned());
                    if let Some(crate::value::Value::Int(priority)) = priority {
                        group.priority = priority;
                    }
                    group.vars.extend(vars);
                }
            }
            other => {
                let message = format!("`{other}` is not a section of a group");
                let help = did_you_mean(other, ["hosts", "children", "vars"])
                    .unwrap_or_else(|| "a group has `hosts`, `children` and `vars`".into());
                files.report(Diagnostic::error(Code::BadInventory, message).at(section.key_span, "").help(help));
            }
        }
    }
}

fn expect_map<'a>(section: &'a Entry, files: &Files) -> &'a [Entry] {
    if let Some(entries) = section.value.as_map() {
        return entries;
    }
    if !section.value.is_null() {
        let message = format!("`{}` is {}; expected a mapping", section.key, section.value.type_name());
        let report = Diagnostic::error(Code::BadInventory, message).at(section.value.span, "");
        files.report(report.help("write each name with a colon behind it: `web1:`"));
    }
    &[]
}

fn read_hosts(group: &Arc<str>, section: &Entry, files: &Files, inventory: &mut Inventory) {
    for entry in expect_map(section, files) {
        let names = match range::expand(&entry.key) {
            Ok(names) => names,
            Err(message) => {
                files.report(Diagnostic::error(Code::BadInventory, message).at(entry.key_span, ""));
                continue;
            }
        };
        let vars = entry.value.as_map().map(|vars| read_vars(vars, files)).unwrap_or_default();
        if vars.is_empty() && !entry.value.is_null() && entry.value.as_map().is_none_or(|m| !m.is_empty()) {
            let message =
                format!("the variables of `{}` are {}; expected a mapping", entry.key, entry.value.type_name());
            files.report(Diagnostic::error(Code::BadInventory, message).at(entry.value.span, ""));
        }
        for name in names {
            load::host(inventory, &name, entry.key_span).vars.extend(vars.clone());
            if let Some(group) = inventory.groups.get_mut(group)
                && !group.hosts.iter().any(|h| h.as_ref() == name)
            {
                group.hosts.push(Arc::from(name));
            }
        }
    }
}

fn read_vars(entries: &[Entry], files: &Files) -> indexmap::IndexMap<Arc<str>, Definition> {
    let report = |diagnostic| files.report(diagnostic);
    let terms = load::terms(files, &report);
    let define = |entry: &Entry| {
        let origin = Some(files.sources.origin(entry.key_span));
        (entry.key.clone(), Definition { term: terms.term(&entry.value), origin })
    };
    entries.iter().map(define).collect()
}
