//! Reading inventories: files, directories of files, executable scripts, lists of hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Host, Inventory, ini, yaml};
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::Files;
use crate::value::{Value, from_json};
use crate::variables::{Definition, Terms};

/// Reads inventory sources into one inventory.
pub struct Loader<'a> {
    /// Reads files, takes reports.
    pub files: &'a Files,
}

/// Where an inventory is looked for when none is given.
pub fn default_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(std::env::var_os("ANSIBLE_INVENTORY").map(PathBuf::from));
    places.extend(
        ["inventory.yml", "inventory.yaml", "inventory.ini", "inventory", "hosts.yml", "hosts"].map(PathBuf::from),
    );
    places.push(PathBuf::from("/etc/ansible/hosts"));
    places
}

impl Loader<'_> {
    /// Reads sources in order; later ones add to earlier ones. What is wrong is reported.
    pub fn load(&self, sources: &[String]) -> Inventory {
        let mut inventory = Inventory::default();
        for source in sources {
            if source.contains(',') {
                self.list(source, &mut inventory);
            } else {
                self.path(Path::new(source), &mut inventory);
            }
        }
        inventory.finish();
        self.check(&inventory);
        inventory
    }

    /// `host1,host2,`
    fn list(&self, source: &str, inventory: &mut Inventory) {
        for name in source.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            inventory.hosts.entry(Arc::from(name)).or_default();
        }
    }

    fn path(&self, path: &Path, inventory: &mut Inventory) {
        if path.is_dir() {
            return self.directory(path, inventory);
        }
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        if !inventory.dirs.contains(&dir) {
            inventory.dirs.push(dir);
        }
        inventory.sources.push(path.to_path_buf());
        if is_executable(path) {
            return self.script(path, inventory);
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if matches!(extension, "yml" | "yaml" | "json") {
            self.yaml(path, inventory);
        } else if let Some((file, text)) = self.files.text(path, None) {
            // A file without a telling name is YAML if it looks like it.
            if text
                .lines()
                .find(|l| !l.trim().is_empty() && !l.starts_with('#'))
                .is_some_and(|l| l == "---" || l.trim_end() == "all:")
            {
                self.yaml(path, inventory);
            } else {
                ini::read(file, &text, self.files, inventory);
            }
        }
    }

    fn yaml(&self, path: &Path, inventory: &mut Inventory) {
        for node in self.files.documents(path, None).iter().flat_map(|documents| documents.iter()) {
            yaml::read(node, self.files, inventory);
        }
    }

    /// Every file of a directory, by name; variables and what editors leave behind are no sources.
    fn directory(&self, path: &Path, inventory: &mut Inventory) {
        let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(|e| e.ok());
        let mut names: Vec<PathBuf> = entries.map(|e| e.path()).collect();
        names.sort();
        const IGNORED: &[&str] = &["~", ".orig", ".bak", ".cfg", ".retry", ".pyc", ".pyo", ".swp", ".md"];
        for entry in names {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ignored = name.starts_with('.') || IGNORED.iter().any(|end| name.ends_with(end));
            if !ignored && !matches!(name.as_str(), "group_vars" | "host_vars") {
                self.path(&entry, inventory);
            }
        }
        if !inventory.dirs.iter().any(|dir| dir == path) {
            inventory.dirs.push(path.to_path_buf());
        }
    }

    /// Runs a script with `--list`; its `_meta.hostvars` saves asking for each host.
    fn script(&self, path: &Path, inventory: &mut Inventory) {
        let absolute = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let run = |arguments: &[&str]| -> Result<serde_json::Value, String> {
            let output = std::process::Command::new(&absolute).args(arguments).output().map_err(|e| e.to_string())?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("it ended with {}: {}", output.status, said.trim()));
            }
            serde_json::from_slice(&output.stdout).map_err(|e| format!("what it wrote is not JSON: {e}"))
        };
        let listed = match run(&["--list"]) {
            Ok(listed) => listed,
            Err(reason) => {
                let message = format!("the inventory script {} failed: {reason}", crate::source::display_path(path));
                return self.files.report(Diagnostic::error(Code::BadInventory, message));
            }
        };
        let hostvars = listed.get("_meta").and_then(|meta| meta.get("hostvars")).cloned();
        for (name, group) in listed.as_object().into_iter().flatten().filter(|(name, _)| *name != "_meta") {
            script_group(name, group, inventory);
        }
        let hosts: Vec<Arc<str>> = inventory.hosts.keys().cloned().collect();
        for host in hosts {
            let vars = match &hostvars {
                Some(all) => all.get(host.as_ref()).cloned(),
                None => run(&["--host", &host]).ok(),
            };
            if let Some(entry) = inventory.hosts.get_mut(&host) {
                add_json(&mut entry.vars, vars);
            }
        }
    }

    /// Groups in a circle, and members that are nowhere.
    fn check(&self, inventory: &Inventory) {
        for (name, group) in &inventory.groups {
            let mut seen = std::collections::BTreeSet::new();
            let mut open: Vec<&Arc<str>> = group.children.iter().collect();
            while let Some(child) = open.pop() {
                if child == name {
                    let mut report =
                        Diagnostic::error(Code::BadInventory, format!("the group `{name}` is inside itself"));
                    if let Some(span) = group.span {
                        report = report.at(span, "");
                    }
                    self.files.report(report);
                    break;
                }
                if seen.insert(child.clone()) {
                    open.extend(inventory.groups.get(child).into_iter().flat_map(|g| g.children.iter()));
                }
            }
        }
    }
}

fn script_group(name: &str, group: &serde_json::Value, inventory: &mut Inventory) {
    let texts = |value: Option<&serde_json::Value>| -> Vec<Arc<str>> {
        value.and_then(|v| v.as_array()).into_iter().flatten().filter_map(|v| v.as_str()).map(Arc::from).collect()
    };
    let (hosts, children, vars) = match group {
        serde_json::Value::Array(_) => (texts(Some(group)), Vec::new(), None),
        _ => (texts(group.get("hosts")), texts(group.get("children")), group.get("vars").cloned()),
    };
    for host in &hosts {
        inventory.hosts.entry(host.clone()).or_default();
    }
    for child in &children {
        inventory.groups.entry(child.clone()).or_default();
    }
    let entry = inventory.groups.entry(Arc::from(name)).or_default();
    entry.hosts.extend(hosts);
    entry.children.extend(children);
    add_json(&mut entry.vars, vars);
}

fn add_json(vars: &mut indexmap::IndexMap<Arc<str>, Definition>, json: Option<serde_json::Value>) {
    if let Some(Value::Map(map)) = json.map(from_json) {
        for (name, value) in map.iter() {
            vars.insert(name.clone(), Definition { term: value.clone().into(), origin: None });
        }
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let data = matches!(extension, "yml" | "yaml" | "json" | "ini" | "toml");
    !data && path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The terms of inventory values.
pub(super) fn terms<'a>(files: &'a Files, report: &'a dyn Fn(Diagnostic)) -> Terms<'a> {
    Terms { sources: &files.sources, vault: &files.vault, report }
}

/// Adds a host to the inventory.
pub(super) fn host<'a>(inventory: &'a mut Inventory, name: &str, span: crate::source::Span) -> &'a mut Host {
    let host = inventory.hosts.entry(Arc::from(name)).or_default();
    host.span = host.span.or(Some(span));
    host
}
