//! Inventories in YAML: groups with `hosts`, `children` and `vars`.
//!
//! TOML comes here too, as a tree of the same shape: what the two allow differs in [`Flavour`] alone.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Inventory, load, range};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::Files;
use crate::variables::Definition;
use crate::yaml::{Entry, Node};

/// How children are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// A mapping: each child is described where it is named.
    Yaml,
    /// A list of names; each child has a table of its own.
    Toml,
}

/// The sections of a group, in the order in which Ansible reads them, wherever they stand.
const SECTIONS: [&str; 3] = ["vars", "children", "hosts"];
/// Deeper nesting of groups is refused, so that no input can exhaust the stack.
const DEPTH: usize = 100;

struct Reader<'a> {
    files: &'a Files,
    inventory: &'a mut Inventory,
    flavour: Flavour,
}

/// Reads a document.
pub fn read(node: &Node, files: &Files, inventory: &mut Inventory, flavour: Flavour) {
    let Some(groups) = node.as_map() else {
        if !node.is_null() {
            let message = format!("an inventory is a mapping of groups; found {}", node.type_name());
            files.report(Diagnostic::error(Code::BadInventory, message).at(node.span, ""));
        }
        return;
    };
    let mut reader = Reader { files, inventory, flavour };
    for group in groups {
        reader.group(group, 0);
    }
    if flavour == Flavour::Toml {
        reader.undefined(groups);
    }
}

impl Reader<'_> {
    fn report(&self, message: String, at: crate::source::Span, help: Option<String>) {
        self.files.report(Diagnostic::error(Code::BadInventory, message).at(at, "").help_opt(help));
    }

    fn group(&mut self, entry: &Entry, depth: usize) {
        let group = self.inventory.groups.entry(entry.key.clone()).or_default();
        group.span = group.span.or(Some(entry.key_span));
        if entry.value.is_null() {
            return;
        }
        if depth > DEPTH {
            return self.report(format!("groups are nested more than {DEPTH} deep"), entry.key_span, None);
        }
        let Some(sections) = entry.value.as_map() else {
            let message = format!("the group `{}` is {}; expected a mapping", entry.key, entry.value.type_name());
            let help = "a group has `hosts`, `children` and `vars`".to_owned();
            return self.report(message, entry.value.span, Some(help));
        };
        for section in sections.iter().filter(|section| !SECTIONS.contains(&section.key.as_ref())) {
            let message = format!("`{}` is not a section of a group", section.key);
            let help = did_you_mean(&section.key, SECTIONS)
                .unwrap_or_else(|| "a group has `hosts`, `children` and `vars`".into());
            self.report(message, section.key_span, Some(help));
        }
        for name in SECTIONS {
            let Some(section) = sections.iter().find(|section| section.key.as_ref() == name) else { continue };
            match name {
                "vars" => self.vars(&entry.key, section),
                "children" => self.children(&entry.key, section, depth),
                _ => self.hosts(&entry.key, section),
            }
        }
    }

    fn vars(&mut self, group: &Arc<str>, section: &Entry) {
        if let Some(text) = section.value.text().filter(|_| !section.value.is_null()) {
            let message = format!("`vars` of `{group}` is {}; expected a mapping", section.value.type_name());
            let help = text.contains('=').then(|| "write each variable as `name: value`".to_owned());
            return self.report(message, section.value.span, help);
        }
        let vars = read_vars(self.expect_map(section), self.files);
        if let Some(group) = self.inventory.groups.get_mut(group) {
            group.vars.extend(vars);
        }
    }

    fn children(&mut self, parent: &Arc<str>, section: &Entry, depth: usize) {
        if let (Flavour::Toml, Some(names)) = (self.flavour, section.value.as_list()) {
            for name in names {
                match name.text() {
                    Some(child) => {
                        let child: Arc<str> = Arc::from(child);
                        self.inventory.add_child(parent, &child);
                    }
                    None => {
                        let message = format!("a child is {}; expected the name of a group", name.type_name());
                        self.report(message, name.span, None);
                    }
                }
            }
            return;
        }
        for child in self.named(section) {
            self.group(&child, depth + 1);
            self.inventory.add_child(parent, &child.key);
        }
    }

    fn hosts(&mut self, group: &Arc<str>, section: &Entry) {
        for entry in self.named(section) {
            let (names, port) = match range::hosts(&entry.key) {
                Ok(found) => found,
                Err(message) => {
                    self.report(message, entry.key_span, None);
                    continue;
                }
            };
            let vars = match entry.value.as_map() {
                Some(vars) => read_vars(vars, self.files),
                None if entry.value.is_null() => IndexMap::new(),
                None => {
                    let kind = entry.value.type_name();
                    let message = format!("the variables of `{}` are {kind}; expected a mapping", entry.key);
                    self.report(message, entry.value.span, None);
                    continue;
                }
            };
            if let Err(message) = load::hosts(self.inventory, group, &names, port, &vars, entry.key_span) {
                self.report(message, entry.key_span, None);
            }
        }
    }

    /// The entries of a section; a single name stands for itself without anything.
    fn named(&self, section: &Entry) -> Vec<Entry> {
        match section.value.text().filter(|text| !section.value.is_null() && !text.is_empty()) {
            Some(name) if section.value.type_name() == "a string" => {
                let nothing = Node { span: section.value.span, ..Node::empty() };
                vec![Entry { key: Arc::from(name), key_span: section.value.span, value: nothing }]
            }
            _ => self.expect_map(section).to_vec(),
        }
    }

    fn expect_map<'e>(&self, section: &'e Entry) -> &'e [Entry] {
        if let Some(entries) = section.value.as_map() {
            return entries;
        }
        if !section.value.is_null() {
            let message = format!("`{}` is {}; expected a mapping", section.key, section.value.type_name());
            let help = match self.flavour {
                Flavour::Yaml => "write each name with a colon behind it: `web1:`",
                Flavour::Toml => "write each host as `web1 = {}`, and children as a list of names",
            };
            self.report(message, section.value.span, Some(help.to_owned()));
        }
        &[]
    }

    /// Children in TOML are names only: one that nothing describes is a slip of the pen.
    fn undefined(&self, groups: &[Entry]) {
        let listed = groups.iter().filter_map(|group| group.value.get("children")?.as_list()).flatten();
        for child in listed {
            let Some(name) = child.text() else { continue };
            let group = self.inventory.groups.get(name);
            if group.is_none_or(|group| group.span.is_none() && group.hosts.is_empty() && group.children.is_empty()) {
                let help = did_you_mean(name, groups.iter().map(|group| group.key.as_ref()));
                let help = help.unwrap_or_else(|| format!("add a table [{name}], even if it is empty"));
                self.report(format!("the child `{name}` is no group"), child.span, Some(help));
            }
        }
    }
}

pub(super) fn read_vars(entries: &[Entry], files: &Files) -> IndexMap<Arc<str>, Definition> {
    let report = |diagnostic| files.report(diagnostic);
    let terms = load::terms(files, &report);
    let define = |entry: &Entry| {
        let origin = Some(files.sources.origin(entry.key_span));
        (entry.key.clone(), Definition { term: terms.term(&entry.value), origin })
    };
    entries.iter().map(define).collect()
}
