//! Magic variables: what a task may ask about the run, the play and the role it is in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Project;
use super::frame::Frame;
use super::host::{HostCompiler, PlayHosts};
use crate::parse::Play;
use crate::value::Value;

impl HostCompiler<'_> {
    /// The magic variables a task sees.
    pub(super) fn magic(&self, frame: &Frame) -> Arc<dyn Fn(&str) -> Option<Value> + Send + Sync> {
        let cache = self.magic_cache.clone();
        let role = frame.role.clone();
        let hostvars = self.hostvars_source();
        let (gone, play_hosts) = (self.gone.clone(), self.hosts.clone());
        // A rehearsal adds no hosts: what may be added by then is not known.
        let grows = self.is_rehearsal() && self.project.inventory.may_grow();
        let (project, host, version) = (self.project.clone(), self.host.clone(), self.inventory_version);
        let (dir, playbook) = (frame.dir.clone(), self.play.dir.clone());
        let named = self.magic_cache.get("ansible_play_role_names").and_then(Value::as_list).unwrap_or_default();
        let mut dependent: Vec<Arc<str>> = Vec::new();
        for role in &self.roles {
            let name: Arc<str> = Arc::from(role.role.name.as_ref());
            if !named.iter().any(|known| known.as_str() == Some(&name)) && !dependent.contains(&name) {
                dependent.push(name);
            }
        }
        Arc::new(move |name| match name {
            "role_path" => role.as_ref().map(|r| Value::str(r.role.path.to_string_lossy())),
            "role_name" | "ansible_role_name" => role.as_ref().map(|r| Value::str(&r.role.name)),
            "ansible_parent_role_names" => role
                .as_ref()
                .filter(|role| !role.parents.is_empty())
                .map(|r| Value::list(r.parents.iter().rev().map(|p| Value::str(&p.role.name)))),
            "ansible_dependent_role_names" => Some(Value::list(dependent.iter().map(Value::str))),
            "ansible_role_names" => {
                let own = cache.get("ansible_play_role_names").and_then(Value::as_list).unwrap_or_default();
                Some(Value::list(own.iter().cloned().chain(dependent.iter().map(Value::str))))
            }
            "ansible_parent_role_paths" => role
                .as_ref()
                .filter(|role| !role.parents.is_empty())
                .map(|r| Value::list(r.parents.iter().rev().map(|p| Value::str(p.role.path.to_string_lossy())))),
            "hostvars" | "groups" | "group_names" if grows => Some(Value::Unknown),
            "hostvars" => Some(hostvars()),
            "ansible_search_path" => {
                let dirs = super::scope::search_path(role.as_deref(), &dir, &playbook);
                Some(Value::list(dirs.iter().map(|dir| Value::str(dir.to_string_lossy()))))
            }
            "ansible_play_hosts" | "ansible_play_batch" | "play_hosts" if !gone.is_empty() => {
                let hosts = if name == "ansible_play_hosts" { &play_hosts.all } else { &play_hosts.batch };
                Some(Value::list(hosts.iter().filter(|host| !gone.contains(*host)).map(Value::str)))
            }
            "groups" | "group_names" if project.inventory.version() != version => {
                let groups = || Value::list(project.inventory.get().group_names(&host).iter().map(Value::str));
                Some(if name == "groups" { project.inventory.groups() } else { groups() })
            }
            _ => cache.get(name).cloned(),
        })
    }
}

/// The names of magic variables.
pub const MAGIC: &[&str] = &[
    "ansible_check_mode",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_managed",
    "ansible_parent_role_names",
    "ansible_parent_role_paths",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_name",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_search_path",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "omit",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
];

/// The magic variables that are the same for all tasks of a play on a host.
pub fn magic(project: &Project, play: &Play, host: &str, hosts: &PlayHosts) -> BTreeMap<String, Value> {
    let inventory = project.inventory.get();
    let list = |names: &[Arc<str>]| Value::list(names.iter().map(Value::str));
    let path = |path: &std::path::Path| {
        Value::str(path.canonicalize().unwrap_or_else(|_| path.to_path_buf()).to_string_lossy())
    };
    let tags = |set: &BTreeSet<String>| Value::list(set.iter().map(Value::str));
    let mut all = tags(&project.tags.only);
    if project.tags.only.is_empty() {
        all = Value::list([Value::str("all")]);
    }
    let roles = play.roles.iter().filter_map(|role| role.name.text()).map(Value::str).collect::<Vec<_>>();
    let version = Value::map([
        ("full", Value::str("2.19.0")),
        ("major", Value::Int(2)),
        ("minor", Value::Int(19)),
        ("revision", Value::Int(0)),
        ("string", Value::str("2.19.0")),
    ]);
    let mut map: BTreeMap<String, Value> = [
        ("inventory_hostname", Value::str(host)),
        ("inventory_hostname_short", Value::str(host.split('.').next().unwrap_or(host))),
        ("group_names", list(&inventory.group_names(host))),
        ("groups", project.inventory.groups()),
        ("ansible_play_hosts", hosts.values().0.clone()),
        ("ansible_play_hosts_all", hosts.values().0.clone()),
        ("ansible_play_batch", hosts.values().1.clone()),
        ("play_hosts", hosts.values().1.clone()),
        ("ansible_play_name", Value::from(play.title())),
        ("playbook_dir", path(&play.dir)),
        ("ansible_check_mode", Value::Bool(project.plan)),
        ("ansible_diff_mode", Value::Bool(project.diff)),
        ("ansible_run_tags", all),
        ("ansible_skip_tags", tags(&project.tags.skip)),
        ("ansible_version", version),
        ("ansible_verbosity", Value::Int(0)),
        ("ansible_play_role_names", Value::list(roles.clone())),
        ("role_names", Value::list(roles)),
        ("omit", Value::Omit),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(python) = playbook_python() {
        map.insert("ansible_playbook_python".into(), Value::str(python));
    }
    if let Some(source) = inventory.sources.first() {
        map.insert("inventory_file".into(), path(source));
        map.insert("inventory_dir".into(), path(source.parent().unwrap_or(source)));
    }
    map
}

/// The Python of this machine, for tasks that run here: the first of PATH.
fn playbook_python() -> Option<&'static str> {
    static FOUND: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let find = || {
        let path = std::env::var_os("PATH")?;
        let found = std::env::split_paths(&path).map(|dir| dir.join("python3")).find(|file| file.is_file())?;
        Some(found.to_string_lossy().into_owned())
    };
    FOUND.get_or_init(find).as_deref()
}
