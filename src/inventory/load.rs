//! Reading inventories: which reader a source is for, directories of sources, and what holds of the whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::names::{self, GroupNames};
use super::yaml::Flavour;
use super::{Host, Inventory, ini, plugin, range, script, yaml};
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::Files;
use crate::value::Value;
use crate::variables::{Definition, Layer, Terms};
use crate::yaml::Node;

/// Reads inventory sources into one inventory.
pub struct Loader<'a> {
    /// Reads files, takes reports.
    pub files: &'a Files,
    /// What the configuration says.
    pub rules: Rules,
}

/// What the configuration says about inventories.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What becomes of a source that is not there.
    pub unread: Unread,
    /// What becomes of names of groups that are not names of variables.
    pub group_names: GroupNames,
    /// Where the sources are named, where it is not the command line.
    pub named_in: Option<String>,
    /// What -e gives, for plugins that ask for it.
    pub extra: Option<Arc<Layer>>,
}

/// What a source is that is not there, or a directory with nothing in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unread {
    /// A warning.
    #[default]
    Warning,
    /// A mistake where no other source was read.
    MistakeIfAll,
    /// A mistake.
    Mistake,
}

/// Where an inventory is looked for when none is given.
pub fn default_places() -> Vec<PathBuf> {
    let names =
        ["inventory.yml", "inventory.yaml", "inventory.toml", "inventory.ini", "inventory", "hosts.yml", "hosts"];
    names.into_iter().chain(["/etc/ansible/hosts"]).map(PathBuf::from).collect()
}

/// Endings of names in a directory that are no inventories: Ansible's list.
const IGNORED: &[&str] =
    &["~", ".pyc", ".pyo", ".swp", ".bak", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];
/// Names in a directory that are no inventories.
const FOLDERS: &[&str] = &["group_vars", "host_vars", "vars_plugins"];

impl Loader<'_> {
    /// Reads sources in order; later ones add to earlier ones. What is wrong is reported.
    pub fn load(&self, sources: &[String]) -> Inventory {
        let mut inventory = Inventory::default();
        let mut any_read = false;
        for source in sources {
            if source.contains(',') && !Path::new(source).exists() {
                self.list(source, &mut inventory);
                any_read = true;
            } else {
                any_read |= self.path(Path::new(source), &mut inventory);
            }
        }
        if !any_read && self.rules.unread == Unread::MistakeIfAll {
            let report = Diagnostic::error(Code::BadInventory, "no inventory could be read");
            self.files.report(report.help("`inventory_unparsed_is_failed` is on: one has to be read"));
        }
        self.finish(&mut inventory);
        inventory
    }

    /// What holds of the whole, once every source was read.
    pub(super) fn finish(&self, inventory: &mut Inventory) {
        self.priorities(inventory);
        names::check(inventory, self.rules.group_names, self.files);
        inventory.finish();
        self.check(inventory);
    }

    /// `host1,web[1:3],db:2222,`
    pub(super) fn list(&self, source: &str, inventory: &mut Inventory) {
        let file = self.files.sources.add(Path::new("-i"), source);
        let mut start = 0u32;
        for part in source.split(',') {
            let lead = (part.len() - part.trim_start().len()) as u32;
            let name = part.trim();
            let span = crate::source::Span { file, start: start + lead, end: start + lead + name.len() as u32 };
            start += part.len() as u32 + 1;
            if name.is_empty() {
                continue;
            }
            let added = range::hosts(name).and_then(|(names, port)| {
                hosts(inventory, &Arc::from("ungrouped"), &names, port, &IndexMap::new(), span)
            });
            if let Err(message) = added {
                self.files.report(Diagnostic::error(Code::BadInventory, message).at(span, ""));
            }
        }
    }

    /// Reads a file or directory; says whether there was something to read.
    fn path(&self, path: &Path, inventory: &mut Inventory) -> bool {
        let read = if path.is_dir() {
            self.directory(path, inventory)
        } else {
            let is_there = path.exists();
            if is_there {
                self.file(path, inventory);
            }
            is_there
        };
        if !read {
            self.unread(path);
        }
        read
    }

    fn unread(&self, path: &Path) {
        let shown = path.display();
        let message = if path.is_dir() {
            format!("there is no inventory in the directory {shown}")
        } else {
            format!("there is no inventory {shown}")
        };
        let severe = self.rules.unread == Unread::Mistake;
        let severity = if severe { Diagnostic::error } else { Diagnostic::warning };
        let help = match &self.rules.named_in {
            None => "check the path given with -i".to_owned(),
            Some(from) => format!("it is named in {from}; give another one with -i"),
        };
        self.files.report(severity(Code::BadInventory, message).help(help));
    }

    fn file(&self, path: &Path, inventory: &mut Inventory) {
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        if !inventory.dirs.contains(&dir) {
            inventory.dirs.push(dir);
        }
        inventory.sources.push(path.to_path_buf());
        if script::is_program(path) {
            return script::read(path, self.files, inventory);
        }
        if script::has_shebang(path) {
            let message = format!("{} is a script that cannot be run", crate::source::display_path(path));
            let help = format!("make it executable: chmod +x {}", path.display());
            return self.files.report(Diagnostic::error(Code::BadInventory, message).help(help));
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("yml" | "yaml" | "json") => self.yaml(path, inventory),
            Some("toml") => self.toml(path, inventory),
            Some(_) => self.ini(path, inventory),
            None => match self.files.text(path, None) {
                Some((_, text)) if looks_like_yaml(&text) => self.yaml(path, inventory),
                Some(_) => self.ini(path, inventory),
                None => {}
            },
        }
    }

    fn ini(&self, path: &Path, inventory: &mut Inventory) {
        if let Some((file, text)) = self.files.text(path, None) {
            ini::read(file, &text, self.files, inventory);
        }
    }

    fn yaml(&self, path: &Path, inventory: &mut Inventory) {
        for node in self.files.documents(path, None).iter().flat_map(|documents| documents.iter()) {
            self.document(node, inventory, Flavour::Yaml);
        }
    }

    pub(super) fn document(&self, node: &Node, inventory: &mut Inventory, flavour: Flavour) {
        match node.get("plugin") {
            Some(name) => plugin::read(name, node, self.files, self.rules.extra.as_ref(), inventory),
            None => yaml::read(node, self.files, inventory, flavour),
        }
    }

    fn toml(&self, path: &Path, inventory: &mut Inventory) {
        let Some((file, text)) = self.files.text(path, None) else { return };
        let node: Node = crate::yaml::load_toml(file, &text, &|diagnostic| self.files.report(diagnostic));
        self.document(&node, inventory, Flavour::Toml);
    }

    /// Every file of a directory, by name; variables and what editors leave behind are no sources.
    fn directory(&self, path: &Path, inventory: &mut Inventory) -> bool {
        let mut any_read = false;
        let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(|e| e.ok());
        let mut names: Vec<PathBuf> = entries.map(|e| e.path()).collect();
        names.sort();
        if !inventory.dirs.iter().any(|dir| dir == path) {
            inventory.dirs.push(path.to_path_buf());
        }
        for entry in names {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ignored = name.starts_with('.') || IGNORED.iter().any(|end| name.ends_with(end));
            if !ignored && !FOLDERS.contains(&name.as_str()) {
                any_read |= self.path(&entry, inventory);
            }
        }
        any_read
    }

    /// `ansible_group_priority` is a word to the inventory, no variable of hosts.
    fn priorities(&self, inventory: &mut Inventory) {
        for (name, group) in &mut inventory.groups {
            let Some(definition) = group.vars.shift_remove("ansible_group_priority") else { continue };
            match definition.term.as_value() {
                Some(Value::Int(priority)) => group.priority = *priority,
                Some(Value::Str(text)) if text.trim().parse::<i64>().is_ok() => {
                    group.priority = text.trim().parse().unwrap_or(super::PRIORITY);
                }
                _ => {
                    let message = format!("`ansible_group_priority` of `{name}` is not a whole number");
                    let report = Diagnostic::error(Code::BadInventory, message);
                    let span = definition.origin.as_ref().and_then(|origin| self.files.sources.span_at(origin, 22));
                    self.files.report(match span.or(group.span) {
                        Some(span) => report.at(span, ""),
                        None => report,
                    });
                }
            }
        }
    }

    /// Groups in a circle; names that are both a host and a group.
    fn check(&self, inventory: &Inventory) {
        for (name, group) in &inventory.groups {
            let place = |report: Diagnostic| match group.span {
                Some(span) => report.at(span, ""),
                None => report,
            };
            if is_inside(inventory, name, name) {
                let report = Diagnostic::error(Code::BadInventory, format!("the group `{name}` is inside itself"));
                self.files.report(place(report));
            }
            if let Some(host) = inventory.hosts.get(name) {
                let message = format!("`{name}` is a group and a host");
                let mut report = place(Diagnostic::warning(Code::BadInventory, message));
                if let Some(span) = host.span.filter(|span| Some(*span) != group.span) {
                    report = report.at(span, "the host");
                }
                self.files.report(report.help("a pattern of that name means the group; give one of them another name"));
            }
        }
    }
}

/// Says whether a group is somewhere below another.
fn is_inside(inventory: &Inventory, name: &Arc<str>, of: &Arc<str>) -> bool {
    let children = |group: &Arc<str>| inventory.groups.get(group).into_iter().flat_map(|g| g.children.iter());
    let mut seen = std::collections::BTreeSet::new();
    let mut open: Vec<&Arc<str>> = children(of).collect();
    while let Some(child) = open.pop() {
        if child == name {
            return true;
        }
        if seen.insert(child) {
            open.extend(children(child));
        }
    }
    false
}

/// A file without a telling name is YAML if its first line is one of YAML's.
fn looks_like_yaml(text: &str) -> bool {
    let first = text.lines().map(str::trim_end).find(|line| !line.trim().is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| {
        let name = line.split_once(':').map_or("", |(name, _)| name);
        let word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '"'));
        let value = line.get(name.len() + 1..).unwrap_or("");
        line == "---" || line.starts_with('{') || (word && (value.is_empty() || value.starts_with(' ')))
    })
}

/// The terms of inventory values.
pub(super) fn terms<'a>(files: &'a Files, report: &'a dyn Fn(Diagnostic)) -> Terms<'a> {
    Terms { sources: &files.sources, vault: &files.vault, report }
}

/// The most that ranges may make in all: hosts, and variables of hosts. Each range is bounded on its own, but a few lines of them
/// would fill the memory all the same.
const EXPANDED: usize = 2_000_000;

/// Adds hosts to a group of the inventory. A host that is there already is merged: what is said later counts.
///
/// # Errors
/// Where ranges make too much; what was said before stays.
pub(super) fn hosts(
    inventory: &mut Inventory,
    group: &Arc<str>,
    names: &[String],
    port: Option<u16>,
    vars: &IndexMap<Arc<str>, Definition>,
    span: crate::source::Span,
) -> Result<(), String> {
    // What is written out costs no more than it was to write.
    inventory.expanded += names.len().saturating_sub(1).saturating_mul(vars.len() + 1);
    if inventory.expanded > EXPANDED {
        return Err(format!("the ranges of the inventory stand for more than {EXPANDED} hosts and variables"));
    }
    for name in names {
        let name: Arc<str> = Arc::from(name.as_str());
        let host: &mut Host = inventory.hosts.entry(name.clone()).or_default();
        host.span = host.span.or(Some(span));
        if let Some(port) = port {
            let definition = Definition { term: Value::from(u32::from(port)).into(), origin: None };
            host.vars.insert(Arc::from("ansible_port"), definition);
        }
        host.vars.extend(vars.iter().map(|(name, definition)| (name.clone(), definition.clone())));
        inventory.groups.entry(group.clone()).or_default().hosts.insert(name);
    }
    Ok(())
}
