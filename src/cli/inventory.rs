//! `cfg inventory`.

use clap::Args;

use super::error::{CliError, Exit};
use super::project::{self, LoadOptions, ProjectArgs};
use crate::compile::{Facts, HostCompiler, PlayHosts};
use crate::fleet::DryDriver;
use crate::inventory::Inventory;
use crate::template::Scope as _;
use crate::value::{Map, Value, to_json};

/// Options of inventory.
#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// Everything as JSON, as `ansible-inventory --list` prints it
    #[arg(long, conflicts_with_all = ["graph", "host"])]
    pub list: bool,
    /// Groups and hosts as a tree
    #[arg(long, conflicts_with = "host")]
    pub graph: bool,
    /// The variables of one host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    #[command(flatten)]
    pub project: ProjectArgs,
}

/// Runs the command.
///
/// # Errors
/// Where the inventory cannot be read.
pub fn run(args: InventoryArgs) -> Result<Exit, CliError> {
    let loaded = project::load(&args.project, &[], LoadOptions::default())?;
    let project = loaded.project;
    let vars = |host: &str| -> Map {
        let mut driver = DryDriver::default();
        let play = crate::fleet::blank_play();
        let compiler = HostCompiler::new(
            &project,
            &play,
            host.into(),
            PlayHosts::default(),
            Facts::Unknown,
            &mut driver,
            Default::default(),
        );
        let scope = compiler.connection_scope(false);
        let names = compiler.inventory_names();
        names.into_iter().filter_map(|name| Some((name.as_str().into(), scope.get(&name).ok()??))).collect()
    };
    let text = if let Some(host) = &args.host {
        if !project.inventory.hosts.contains_key(host.as_str()) {
            let names = project.inventory.hosts.keys().map(AsRef::as_ref);
            let help =
                crate::diagnostic::did_you_mean(host, names).unwrap_or_else(|| "see `cfg inventory --graph`".into());
            return Err(CliError::new(format!("there is no host `{host}` in the inventory"), help));
        }
        pretty(&Value::from(vars(host)))
    } else if args.list {
        pretty(&listed(&project.inventory, vars))
    } else {
        let mut out = String::new();
        tree(&project.inventory, "all", 0, &mut out);
        out
    };
    super::print(&project.redactor.redact(&text));
    Ok(Exit::Converged)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(&to_json(value)).unwrap_or_default() + "\n"
}

fn listed(inventory: &Inventory, vars: impl Fn(&str) -> Map) -> Value {
    let list = |names: &[std::sync::Arc<str>]| Value::list(names.iter().map(Value::str));
    let mut map = Map::new();
    let hostvars: Map = inventory.hosts.keys().map(|host| (host.clone(), Value::from(vars(host)))).collect();
    map.insert("_meta".into(), Value::map([("hostvars", Value::from(hostvars))]));
    for (name, group) in &inventory.groups {
        let mut entry = Map::new();
        let children = if name.as_ref() == "all" { top_groups(inventory) } else { group.children.clone() };
        if !children.is_empty() {
            entry.insert("children".into(), list(&children));
        }
        if !group.hosts.is_empty() && name.as_ref() != "all" {
            entry.insert("hosts".into(), list(&group.hosts));
        }
        if !entry.is_empty() {
            map.insert(name.clone(), Value::from(entry));
        }
    }
    Value::from(map)
}

fn top_groups(inventory: &Inventory) -> Vec<std::sync::Arc<str>> {
    let inside = |name: &std::sync::Arc<str>| inventory.groups.values().any(|g| g.children.contains(name));
    let mut top: Vec<_> = inventory.groups.keys().filter(|n| n.as_ref() != "all" && !inside(n)).cloned().collect();
    top.sort_by_key(|name| name.as_ref() != "ungrouped");
    top
}

fn tree(inventory: &Inventory, group: &str, depth: usize, out: &mut String) {
    let pad = "  |".repeat(depth);
    out.push_str(&format!("{}@{group}:\n", if depth == 0 { String::new() } else { format!("{pad}--") }));
    if depth > 30 {
        return;
    }
    let Some(found) = inventory.groups.get(group) else { return };
    let children = if group == "all" { top_groups(inventory) } else { found.children.clone() };
    for child in children {
        tree(inventory, &child, depth + 1, out);
    }
    if group != "all" {
        for host in &found.hosts {
            out.push_str(&format!("{}--{host}\n", "  |".repeat(depth + 1)));
        }
    }
}
