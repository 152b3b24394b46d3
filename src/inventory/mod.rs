//! The hosts and groups runs are about, with their variables, from files, directories and scripts.

mod constructed;
#[doc(hidden)]
pub mod fuzzing;
mod generator;
mod ini;
mod literal;
mod live;
mod load;
#[cfg(test)]
mod load_tests;
mod names;
mod pattern;
mod plugin;
mod range;
mod script;
mod vars;
mod words;
mod yaml;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::source::Span;
use crate::variables::{Definition, Layer};

pub use live::{LiveInventory, Reader};
pub use load::{Loader, Rules, Unread, default_places};
pub use names::GroupNames;
pub use pattern::{LOCAL, Pattern, PatternError, glob};
pub use plugin::code_of;
pub use vars::{definitions, vars_files};

/// Hosts and groups.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Hosts, in the order in which they were met.
    pub hosts: IndexMap<Arc<str>, Host>,
    /// Groups; `all` and `ungrouped` are always there.
    pub groups: IndexMap<Arc<str>, Group>,
    /// The directories of its sources, where `group_vars` and `host_vars` are looked for.
    pub dirs: Vec<PathBuf>,
    /// The files it was read from.
    pub sources: Vec<PathBuf>,
    /// Names of groups are made names of variables.
    safe_names: bool,
    /// What ranges have made so far, see [`load::hosts`].
    expanded: usize,
}

/// A host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Variables of the inventory itself.
    pub vars: IndexMap<Arc<str>, Definition>,
    /// Where it was named first.
    pub span: Option<Span>,
    /// It was not in an inventory: `localhost` that nobody defined.
    pub implicit: bool,
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its own hosts.
    pub hosts: IndexSet<Arc<str>>,
    /// Groups in it.
    pub children: IndexSet<Arc<str>>,
    /// Variables of the inventory itself.
    pub vars: IndexMap<Arc<str>, Definition>,
    /// `ansible_group_priority`: of groups at the same depth, that of the higher number wins.
    pub priority: i64,
    /// Where it was named first.
    pub span: Option<Span>,
    /// How far it is from `all`, the longest way.
    depth: usize,
}

/// The priority of a group that says nothing about it.
pub const PRIORITY: i64 = 1;

impl Default for Group {
    fn default() -> Self {
        Self {
            hosts: IndexSet::new(),
            children: IndexSet::new(),
            vars: IndexMap::new(),
            priority: PRIORITY,
            span: None,
            depth: 1,
        }
    }
}

impl Inventory {
    /// An inventory of the controller itself alone.
    pub fn local() -> Self {
        let mut inventory = Self::default();
        inventory.hosts.insert(Arc::from("localhost"), Host { implicit: true, ..Host::default() });
        inventory.finish();
        inventory
    }

    /// Adds what every inventory has: `all` with every group in it, and `ungrouped` with the hosts that are in no other.
    pub fn finish(&mut self) {
        let grouped: BTreeSet<Arc<str>> = self
            .groups
            .iter()
            .filter(|(name, _)| !matches!(name.as_ref(), "all" | "ungrouped"))
            .flat_map(|(_, group)| group.hosts.iter().cloned())
            .collect();
        let loose = self.hosts.keys().filter(|host| !grouped.contains(*host)).cloned();
        let ungrouped = self.groups.entry(Arc::from("ungrouped")).or_default();
        ungrouped.hosts = loose.collect();
        self.groups.entry(Arc::from("all")).or_default();
        let inside: BTreeSet<Arc<str>> =
            self.groups.values().flat_map(|group| group.children.iter().cloned()).collect();
        let top: Vec<Arc<str>> =
            self.groups.keys().filter(|n| n.as_ref() != "all" && !inside.contains(*n)).cloned().collect();
        if let Some(all) = self.groups.get_mut("all") {
            all.children.shift_insert(0, Arc::from("ungrouped"));
            all.children.extend(top);
        }
        self.measure();
    }

    /// Says whether a group is there; `all` and `ungrouped` always are.
    pub fn has_group(&self, name: &str) -> bool {
        matches!(name, "all" | "ungrouped") || self.groups.contains_key(name)
    }

    /// The name a group gets.
    fn group_name(&self, written: &str) -> Arc<str> {
        if self.safe_names { Arc::from(names::safe(written)) } else { Arc::from(written) }
    }

    /// Puts a group into another; both are made where they are not there.
    pub fn add_child(&mut self, parent: &Arc<str>, child: &Arc<str>) {
        self.groups.entry(child.clone()).or_default();
        self.groups.entry(parent.clone()).or_default().children.insert(child.clone());
    }

    /// Measures how deep every group is. A circle, which is reported elsewhere, stops at the number of groups.
    fn measure(&mut self) {
        for group in self.groups.values_mut() {
            group.depth = 1;
        }
        for _ in 0..self.groups.len() {
            let deeper: Vec<(Arc<str>, usize)> = self
                .groups
                .iter()
                .filter(|(name, _)| name.as_ref() != "all")
                .flat_map(|(_, group)| group.children.iter().map(|child| (child.clone(), group.depth + 1)))
                .filter(|(child, depth)| self.groups.get(child).is_some_and(|group| group.depth < *depth))
                .collect();
            if deeper.is_empty() {
                return;
            }
            for (child, depth) in deeper {
                if let Some(group) = self.groups.get_mut(&child) {
                    group.depth = group.depth.max(depth);
                }
            }
        }
    }

    /// The hosts of a group and of the groups in it, in the order of the inventory.
    pub fn hosts_in(&self, group: &str) -> Vec<Arc<str>> {
        if group == "all" {
            return self.hosts.keys().cloned().collect();
        }
        // A group's own order first, as Ansible has it. Groups may be nested as deep as there are groups: no recursion.
        let (mut ordered, mut seen) = (IndexSet::new(), BTreeSet::new());
        let mut open: Vec<&str> = vec![group];
        while let Some(name) = open.pop() {
            let Some(found) = self.groups.get(name).filter(|_| seen.insert(name)) else { continue };
            ordered.extend(found.hosts.iter().cloned());
            open.extend(found.children.iter().rev().map(AsRef::as_ref));
        }
        ordered.into_iter().collect()
    }

    /// The groups a host is in, those nearest to `all` first: the order in which their variables apply.
    pub fn groups_of(&self, host: &str) -> Vec<Arc<str>> {
        let mut found: BTreeSet<Arc<str>> = BTreeSet::new();
        let not_all = |(name, _): &(&Arc<str>, &Group)| name.as_ref() != "all";
        let own = self.groups.iter().filter(not_all).filter(|(_, group)| group.hosts.contains(host));
        let mut open: Vec<&Arc<str>> = own.map(|(name, _)| name).collect();
        while let Some(group) = open.pop() {
            if found.insert(group.clone()) {
                let above = self.groups.iter().filter(not_all).filter(|(_, parent)| parent.children.contains(group));
                open.extend(above.map(|(name, _)| name));
            }
        }
        let mut names: Vec<Arc<str>> = found.into_iter().collect();
        let key = |name: &Arc<str>| self.groups.get(name).map_or((1, PRIORITY), |g| (g.depth, g.priority));
        names.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.cmp(b)));
        names.insert(0, Arc::from("all"));
        names
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
