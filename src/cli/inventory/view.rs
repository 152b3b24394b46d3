//! What of an inventory is shown, in the shapes of `ansible-inventory`.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json, json};

use super::{InventoryArgs, unknown};
use crate::cli::error::CliError;
use crate::compile::{Facts, HostCompiler, PlayHosts, Project};
use crate::fleet::DryDriver;
use crate::inventory::{Group, Inventory, PRIORITY};
use crate::template::Scope as _;
use crate::value::{Value, from_json, to_json};
use crate::variables::{Layer, LayerKind};

/// Names `localhost` goes by where no inventory defines it.
const LOCAL: &[&str] = &["localhost", "127.0.0.1", "::1"];
/// Groups in a circle are refused when they are read; this holds for whatever else there may be.
const DEPTH: usize = 100;

pub struct View<'a> {
    project: &'a Arc<Project>,
    inventory: Arc<Inventory>,
    play_dir: &'a Path,
    export: bool,
    rendered: bool,
    limit: Option<BTreeSet<Arc<str>>>,
    known: RefCell<HashMap<Arc<str>, Json>>,
}

/// What was shown already.
#[derive(Default)]
struct Seen {
    hosts: BTreeSet<Arc<str>>,
    groups: BTreeSet<Arc<str>>,
}

impl<'a> View<'a> {
    pub fn new(project: &'a Arc<Project>, args: &'a InventoryArgs, limit: Option<Vec<Arc<str>>>) -> Self {
        Self {
            project,
            inventory: project.inventory.get(),
            play_dir: &args.playbook_dir,
            export: args.export,
            rendered: args.rendered,
            limit: limit.map(|hosts| hosts.into_iter().collect()),
            known: RefCell::default(),
        }
    }

    /// The variables of one host.
    pub fn host(&self, name: &str) -> Result<Json, CliError> {
        match self.inventory.hosts.get_key_value(name) {
            Some((host, _)) => Ok(self.host_vars(host)),
            None if LOCAL.contains(&name) => Ok(json!({ "ansible_connection": "local" })),
            None => Err(unknown("host", name, self.inventory.hosts.keys())),
        }
    }

    /// The variables of a host: all of them, or its own where groups are shown with theirs.
    fn host_vars(&self, host: &Arc<str>) -> Json {
        if let Some(known) = self.known.borrow().get(host) {
            return known.clone();
        }
        let vars = if self.rendered { self.rendered_vars(host) } else { self.written_vars(host) };
        let vars = self.shown(vars);
        self.known.borrow_mut().insert(host.clone(), vars.clone());
        vars
    }

    fn written_vars(&self, host: &Arc<str>) -> JsonMap<String, Json> {
        let own = |kind| matches!(kind, LayerKind::InventoryHost | LayerKind::InventoryHostVars);
        let layers = self.inventory.layers(host, Some(self.play_dir), &self.project.files);
        let layers = layers.iter().filter(|layer| !self.export || own(layer.kind));
        let extra = std::iter::once(&self.project.extra).filter(|_| !self.export);
        written(layers.chain(extra).map(AsRef::as_ref))
    }

    fn rendered_vars(&self, host: &Arc<str>) -> JsonMap<String, Json> {
        let mut driver = DryDriver::default();
        let mut play = crate::fleet::blank_play();
        play.dir = self.play_dir.to_path_buf();
        let play = Arc::new(play);
        let hosts = PlayHosts::default();
        let facts = Facts::Unknown;
        let compiler =
            HostCompiler::new(self.project, &play, host.as_ref().into(), hosts, facts, &mut driver, Default::default());
        let scope = compiler.connection_scope(false, &crate::compile::Login::default());
        let value = |name: &str| match scope.get(name) {
            Ok(Some(value)) if value.has_unknown() => Some(json!("(known on the host)")),
            Ok(value) => Some(to_json(&value?)),
            Err(error) => Some(json!(format!("({})", error.message))),
        };
        compiler.inventory_names().into_iter().filter_map(|name| Some((name.clone(), value(&name)?))).collect()
    }

    fn group_vars(&self, name: &str) -> Json {
        let mut vars = written(self.inventory.group_layers(name, &self.project.files).iter().map(AsRef::as_ref));
        if let Some(group) = self.inventory.groups.get(name).filter(|group| group.priority != PRIORITY) {
            vars.insert("ansible_group_priority".into(), json!(group.priority));
        }
        self.shown(vars)
    }

    /// Without secrets, by name.
    fn shown(&self, vars: JsonMap<String, Json>) -> Json {
        let mut json = sorted(Json::Object(vars));
        self.project.redactor.redact_json(&mut json);
        json
    }

    fn available(&self, host: &Arc<str>) -> bool {
        self.limit.as_ref().is_none_or(|limit| limit.contains(host))
    }

    fn group(&self, name: &str) -> Option<&Group> {
        self.inventory.groups.get(name)
    }

    /// As scripts print it, and `ansible-inventory --list` does.
    pub fn json(&self) -> Json {
        let mut out = JsonMap::new();
        let mut hostvars = JsonMap::new();
        for host in self.inventory.hosts.keys().filter(|host| self.available(host)) {
            let vars = self.host_vars(host);
            if !is_empty(&vars) {
                hostvars.insert(host.to_string(), vars);
            }
        }
        out.insert("_meta".into(), json!({ "hostvars": hostvars, "profile": "inventory_legacy" }));
        for (name, group) in &self.inventory.groups {
            let hosts = group.hosts.iter().filter(|host| name.as_ref() != "all" && self.available(host));
            let mut entry = JsonMap::new();
            entry.insert("children".into(), group.children.iter().map(ToString::to_string).collect());
            entry.insert("hosts".into(), hosts.map(ToString::to_string).collect());
            if self.export {
                entry.insert("vars".into(), self.group_vars(name));
            }
            entry.retain(|_, value| !is_empty(value));
            if !entry.is_empty() {
                out.insert(name.to_string(), Json::Object(entry));
            }
        }
        sorted(Json::Object(out))
    }

    /// As an inventory in YAML: groups inside of groups, the variables of a host where it stands first.
    pub fn yaml(&self) -> Json {
        let all = self.yaml_group("all", &mut Seen::default(), 0);
        sorted(json!({ "all": all }))
    }

    fn yaml_group(&self, name: &str, seen: &mut Seen, depth: usize) -> Json {
        let Some(group) = self.group(name).filter(|_| depth < DEPTH) else { return json!({}) };
        let mut entry = JsonMap::new();
        let mut children = JsonMap::new();
        for child in &group.children {
            // A group in two others is described in the first, and named in the second.
            if !seen.groups.insert(child.clone()) {
                children.insert(child.to_string(), json!({}));
                continue;
            }
            let shown = self.yaml_group(child, seen, depth + 1);
            if !is_empty(&shown) {
                children.insert(child.to_string(), shown);
            }
        }
        entry.insert("children".into(), Json::Object(children));
        entry.insert("hosts".into(), self.hosts_once(name, group, seen));
        if self.export {
            entry.insert("vars".into(), self.group_vars(name));
        }
        entry.retain(|_, value| !is_empty(value));
        Json::Object(entry)
    }

    /// The hosts of a group, each with its variables where it comes first.
    fn hosts_once(&self, name: &str, group: &Group, seen: &mut Seen) -> Json {
        let mut hosts = JsonMap::new();
        for host in group.hosts.iter().filter(|host| name != "all" && self.available(host)) {
            let vars = if seen.hosts.insert(host.clone()) { self.host_vars(host) } else { json!({}) };
            hosts.insert(host.to_string(), vars);
        }
        Json::Object(hosts)
    }

    /// As an inventory in TOML: every group a table.
    pub fn toml(&self) -> Json {
        let mut out = JsonMap::new();
        self.toml_group("all", &mut Seen::default(), &mut out, 0);
        Json::Object(out)
    }

    fn toml_group(&self, name: &str, seen: &mut Seen, out: &mut JsonMap<String, Json>, depth: usize) {
        let Some(group) = self.group(name).filter(|_| depth < DEPTH) else { return };
        let loose = self.group("ungrouped").is_some_and(|ungrouped| !ungrouped.hosts.is_empty());
        let children: Vec<&Arc<str>> =
            group.children.iter().filter(|child| child.as_ref() != "ungrouped" || loose).collect();
        let mut entry = JsonMap::new();
        let names = children.iter().filter(|_| name != "all");
        entry.insert("children".into(), names.map(ToString::to_string).collect());
        for child in children {
            self.toml_group(child, seen, out, depth + 1);
        }
        entry.insert("hosts".into(), self.hosts_once(name, group, seen));
        if self.export {
            entry.insert("vars".into(), self.group_vars(name));
        }
        entry.retain(|_, value| !is_empty(value));
        if !entry.is_empty() {
            out.entry(name).or_insert(Json::Object(entry));
        }
    }

    /// As a tree.
    pub fn graph(&self, group: &str, vars: bool) -> Result<String, CliError> {
        if self.group(group).is_none() {
            return Err(unknown("group", group, self.inventory.groups.keys()));
        }
        let mut out = String::new();
        self.branch(group, 0, vars, &mut out);
        Ok(out)
    }

    fn branch(&self, name: &str, depth: usize, vars: bool, out: &mut String) {
        line(out, depth, &format!("@{name}:"));
        let Some(group) = self.group(name).filter(|_| depth < DEPTH) else { return };
        for child in &group.children {
            self.branch(child, depth + 1, vars, out);
        }
        for host in group.hosts.iter().filter(|_| name != "all") {
            line(out, depth + 1, host);
            if vars {
                leaves(&self.host_vars(host), depth + 2, out);
            }
        }
        if vars {
            leaves(&self.group_vars(name), depth + 1, out);
        }
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    if depth > 0 {
        out.push_str(&"  |".repeat(depth));
        out.push_str("--");
    }
    out.push_str(text);
    out.push('\n');
}

fn leaves(vars: &Json, depth: usize, out: &mut String) {
    for (name, value) in vars.as_object().into_iter().flatten() {
        let value: Value = from_json(value.clone());
        line(out, depth, &format!("{{{name} = {value}}}"));
    }
}

/// The values of layers as they are written; later layers are stronger.
fn written<'l>(layers: impl Iterator<Item = &'l Layer>) -> JsonMap<String, Json> {
    let mut vars = JsonMap::new();
    for layer in layers {
        for (name, definition) in &layer.entries {
            vars.insert(name.to_string(), to_json(&definition.term.written()));
        }
    }
    vars
}

fn is_empty(json: &Json) -> bool {
    match json {
        Json::Object(map) => map.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Mappings by name, at every depth.
fn sorted(json: Json) -> Json {
    match json {
        Json::Object(map) => {
            let mut entries: Vec<(String, Json)> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(entries.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
