//! The hosts and groups runs are about, with their variables, from files, directories and scripts.

mod ini;
mod load;
mod pattern;
mod range;
mod vars;
mod yaml;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::source::Span;
use crate::variables::{Definition, Layer};

pub use load::{Loader, default_places};
pub use pattern::{Pattern, PatternError, glob};
pub use vars::{definitions, vars_files};

/// Hosts and groups.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Hosts, in the order in which they were met.
    pub hosts: IndexMap<Arc<str>, Host>,
    /// Groups; `all` and `ungrouped` are always there.
    pub groups: IndexMap<Arc<str>, Group>,
    /// The directories of its sources, where `group_vars` and `host_vars` are looked for.
    pub dirs: Vec<PathBuf>,
    /// The files it was read from.
    pub sources: Vec<PathBuf>,
}

/// A host.
#[derive(Debug, Default)]
pub struct Host {
    /// Variables of the inventory itself.
    pub vars: IndexMap<Arc<str>, Definition>,
    /// Where it was named first.
    pub span: Option<Span>,
    /// It was not in an inventory: `localhost` that nobody defined.
    pub implicit: bool,
}

/// A group.
#[derive(Debug, Default)]
pub struct Group {
    /// Its own hosts.
    pub hosts: Vec<Arc<str>>,
    /// Groups in it.
    pub children: Vec<Arc<str>>,
    /// Variables of the inventory itself.
    pub vars: IndexMap<Arc<str>, Definition>,
    /// `ansible_group_priority`
    pub priority: i64,
    /// Where it was named first.
    pub span: Option<Span>,
}

impl Inventory {
    /// An inventory of the controller itself alone.
    pub fn local() -> Self {
        let mut inventory = Self::default();
        inventory.hosts.insert(Arc::from("localhost"), Host { implicit: true, ..Host::default() });
        inventory.finish();
        inventory
    }

    /// Adds what every inventory has: `all` and `ungrouped`.
    pub fn finish(&mut self) {
        let in_groups: BTreeSet<Arc<str>> = self
            .groups
            .iter()
            .filter(|(name, _)| !matches!(name.as_ref(), "all" | "ungrouped"))
            .flat_map(|(_, group)| group.hosts.iter().cloned())
            .collect();
        let loose: Vec<Arc<str>> = self.hosts.keys().filter(|host| !in_groups.contains(*host)).cloned().collect();
        self.groups.entry(Arc::from("all")).or_default();
        let ungrouped = self.groups.entry(Arc::from("ungrouped")).or_default();
        ungrouped.hosts = loose;
    }

    /// The hosts of a group and of the groups in it, in the order of the inventory.
    pub fn hosts_in(&self, group: &str) -> Vec<Arc<str>> {
        if group == "all" {
            return self.hosts.keys().cloned().collect();
        }
        let mut wanted = BTreeSet::new();
        self.collect(group, &mut wanted, &mut BTreeSet::new());
        // A group's own order first, as Ansible has it.
        let mut ordered: Vec<Arc<str>> = Vec::new();
        self.in_order(group, &mut ordered, &mut BTreeSet::new());
        ordered.retain(|host| wanted.contains(host));
        ordered
    }

    fn collect(&self, group: &str, hosts: &mut BTreeSet<Arc<str>>, seen: &mut BTreeSet<String>) {
        if !seen.insert(group.to_owned()) {
            return;
        }
        let Some(found) = self.groups.get(group) else { return };
        hosts.extend(found.hosts.iter().cloned());
        for child in &found.children {
            self.collect(child, hosts, seen);
        }
    }

    fn in_order(&self, group: &str, hosts: &mut Vec<Arc<str>>, seen: &mut BTreeSet<String>) {
        if !seen.insert(group.to_owned()) {
            return;
        }
        let Some(found) = self.groups.get(group) else { return };
        for host in &found.hosts {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        for child in &found.children {
            self.in_order(child, hosts, seen);
        }
    }

    /// The groups a host is in, those nearest to `all` first: the order in which their variables apply.
    pub fn groups_of(&self, host: &str) -> Vec<Arc<str>> {
        let mut found: IndexMap<Arc<str>, usize> = IndexMap::new();
        for (name, group) in &self.groups {
            if group.hosts.iter().any(|h| h.as_ref() == host) && name.as_ref() != "all" {
                self.above(name, &mut found);
            }
        }
        let mut names: Vec<Arc<str>> = found.keys().cloned().collect();
        let priority = |name: &Arc<str>| self.groups.get(name).map_or(1, |g| g.priority);
        names.sort_by(|a, b| {
            let key = |n: &Arc<str>| (self.depth(n, 0), priority(n));
            key(a).cmp(&key(b)).then_with(|| a.cmp(b))
        });
        names.insert(0, Arc::from("all"));
        names
    }

    fn above(&self, group: &Arc<str>, found: &mut IndexMap<Arc<str>, usize>) {
        if found.insert(group.clone(), 0).is_some() {
            return;
        }
        for (name, parent) in &self.groups {
            if parent.children.contains(group) && name.as_ref() != "all" {
                self.above(name, found);
            }
        }
    }

    /// How far a group is from `all`.
    fn depth(&self, group: &Arc<str>, level: usize) -> usize {
        if level > self.groups.len() {
            return level;
        }
        let parents = self.groups.iter().filter(|(name, g)| g.children.contains(group) && name.as_ref() != "all");
        parents.map(|(name, _)| self.depth(name, level + 1) + 1).max().unwrap_or(1)
    }

    /// The names of the groups a host is in, as `group_names` has them: sorted, without `all`.
    pub fn group_names(&self, host: &str) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.groups_of(host).into_iter().filter(|n| n.as_ref() != "all").collect();
        names.sort();
        names
    }
}

/// The layers of variables of a host that come from the inventory, from the weakest to the strongest.
pub type HostLayers = Vec<Arc<Layer>>;
