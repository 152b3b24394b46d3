//! Inventories that are programs: `--list` prints all of it as JSON, `--host NAME` the variables of a host.
//!
//! What a program prints is data: text of it never becomes a template.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::Value as Json;

use super::Inventory;
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::Files;
use crate::value::{Value, from_json};
use crate::variables::Definition;

/// Says whether a file is a program: it can be run, and starts as programs do. Data with a mode of 0755 is data.
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let runs = path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    runs && starts_with(path, &[b"#!", b"\x7fELF"])
}

/// Says whether a file starts as a script does, whatever its mode.
pub fn has_shebang(path: &Path) -> bool {
    starts_with(path, &[b"#!"])
}

fn starts_with(path: &Path, heads: &[&[u8]]) -> bool {
    use std::io::Read as _;
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    read.is_ok() && heads.iter().any(|head| start.starts_with(head))
}

/// Runs a program and adds what it prints.
pub fn read(path: &Path, files: &Files, inventory: &mut Inventory) {
    let script = Script { path, files };
    if let Some(listed) = script.run(&["--list"]) {
        script.add(&listed, inventory, &|host| script.run(&["--host", host]));
    }
}

/// Adds what a program has printed, without running one.
pub(super) fn add(printed: &[u8], files: &Files, inventory: &mut Inventory) {
    let script = Script { path: Path::new("script"), files };
    if let Some(listed) = script.json("--list", printed) {
        script.add(&listed, inventory, &|_| None);
    }
}
struct Script<'a> {
    path: &'a Path,
    files: &'a Files,
}

impl Script<'_> {
    /// Adds the groups, and asks for the variables of hosts where they are not there.
    fn add(&self, listed: &Json, inventory: &mut Inventory, ask: &dyn Fn(&str) -> Option<Json>) {
        let Json::Object(groups) = listed else {
            return self.wrong(&format!("--list printed {}; expected a mapping of groups", kind(listed)));
        };
        let hostvars = groups.get("_meta").and_then(|meta| meta.get("hostvars"));
        if let Some(vars) = hostvars.filter(|vars| !vars.is_object()) {
            return self.wrong(&format!("`_meta.hostvars` is {}; expected a mapping", kind(vars)));
        }
        let mut hosts: IndexSet<Arc<str>> = IndexSet::new();
        for (name, group) in groups.iter().filter(|(name, _)| *name != "_meta") {
            self.group(name, group, inventory, &mut hosts);
        }
        for host in hosts {
            let vars = match hostvars {
                Some(all) => all.get(host.as_ref()).cloned(),
                None => ask(&host),
            };
            match vars {
                None | Some(Json::Null) => {}
                Some(Json::Object(vars)) => {
                    if let Some(entry) = inventory.hosts.get_mut(&host) {
                        entry.vars.extend(definitions(vars));
                    }
                }
                Some(other) => {
                    self.wrong(&format!("the variables of `{host}` are {}; expected a mapping", kind(&other)))
                }
            }
        }
    }

    fn wrong(&self, what: &str) {
        let message = format!("the inventory script {}: {what}", crate::source::display_path(self.path));
        let help = "run it by hand with --list and look at what it prints";
        self.files.report(Diagnostic::error(Code::BadInventory, message).help(help));
    }

    fn run(&self, arguments: &[&str]) -> Option<Json> {
        let absolute = self.path.canonicalize().unwrap_or_else(|_| self.path.to_path_buf());
        let called = arguments.join(" ");
        let output = match std::process::Command::new(&absolute).args(arguments).output() {
            Ok(output) => output,
            Err(error) => {
                let text = error.to_string();
                self.wrong(&format!("cannot run it: {}", text.split(" (os error").next().unwrap_or(&text)));
                return None;
            }
        };
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            self.wrong(&format!("{called} ended with {}: {}", output.status, said.trim()));
            return None;
        }
        // A script that knows nothing of a host may print nothing.
        if arguments.first() == Some(&"--host") && output.stdout.trim_ascii().is_empty() {
            return None;
        }
        self.json(&called, &output.stdout)
    }

    fn json(&self, called: &str, printed: &[u8]) -> Option<Json> {
        serde_json::from_slice(printed).map_err(|e| self.wrong(&format!("what {called} printed is not JSON: {e}"))).ok()
    }

    /// A group is a list of hosts, or a mapping with `hosts`, `vars` and `children`. A mapping with none of the three is, of old,
    /// a host of that name with its variables.
    fn group(&self, name: &str, group: &Json, inventory: &mut Inventory, found: &mut IndexSet<Arc<str>>) {
        let (hosts, children, vars) = match group {
            Json::Array(_) => (self.names(name, "hosts", Some(group)), Vec::new(), None),
            Json::Object(map) if ["hosts", "children", "vars"].iter().any(|key| map.contains_key(*key)) => (
                self.names(name, "hosts", map.get("hosts")),
                self.names(name, "children", map.get("children")),
                map.get("vars"),
            ),
            Json::Object(_) => (vec![Arc::from(name)], Vec::new(), Some(group)),
            other => return self.wrong(&format!("the group `{name}` is {}", kind(other))),
        };
        let group: Arc<str> = Arc::from(name);
        for host in &hosts {
            inventory.hosts.entry(host.clone()).or_default();
        }
        for child in &children {
            inventory.add_child(&group, child);
        }
        let entry = inventory.groups.entry(group).or_default();
        entry.hosts.extend(hosts.iter().cloned());
        match vars {
            None | Some(Json::Null) => {}
            Some(Json::Object(vars)) => entry.vars.extend(definitions(vars.clone())),
            Some(other) => self.wrong(&format!("`vars` of `{name}` is {}; expected a mapping", kind(other))),
        }
        found.extend(hosts);
    }

    fn names(&self, group: &str, key: &str, value: Option<&Json>) -> Vec<Arc<str>> {
        let items = match value {
            None | Some(Json::Null) => return Vec::new(),
            Some(Json::Array(items)) => items,
            Some(other) => {
                self.wrong(&format!("`{key}` of `{group}` is {}; expected a list of names", kind(other)));
                return Vec::new();
            }
        };
        let name = |item: &Json| match item {
            Json::String(name) => Some(Arc::from(name.as_str())),
            other => {
                self.wrong(&format!("`{key}` of `{group}` holds {}; expected names", kind(other)));
                None
            }
        };
        items.iter().filter_map(name).collect()
    }
}

fn definitions(vars: serde_json::Map<String, Json>) -> impl Iterator<Item = (Arc<str>, Definition)> {
    let entries = match from_json(Json::Object(vars)) {
        Value::Map(map) => map.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        _ => Vec::new(),
    };
    entries.into_iter().map(|(name, value)| (name, Definition { term: value.into(), origin: None }))
}

fn kind(json: &Json) -> &'static str {
    from_json(json.clone()).type_name()
}
