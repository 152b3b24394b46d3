//! An inventory tasks can add to while a run goes on: `add_host` and `group_by`.

use std::sync::{Arc, RwLock};

use super::Inventory;
use crate::parse::Files;
use crate::value::{Map, Value};
use crate::variables::Definition;

/// The inventory as it is now. Who has taken it keeps what he has.
#[derive(Default)]
pub struct LiveInventory {
    state: RwLock<State>,
    /// Reads the sources again.
    reader: Option<Reader>,
}

/// Reads an inventory; `None` where its sources have mistakes.
pub type Reader = Box<dyn Fn(&Files) -> Option<Inventory> + Send + Sync>;

/// What a task added.
#[derive(Clone, Debug)]
enum Addition {
    Host { name: String, groups: Vec<String>, vars: Vec<(String, Definition)> },
    Group { host: Arc<str>, group: String, parents: Vec<String> },
}

#[derive(Debug, Default)]
struct State {
    now: Arc<Inventory>,
    version: u64,
    /// Some hosts and groups are known in the run only.
    open: bool,
    /// `groups` as it was shown last, and of which version.
    groups: Option<(u64, Value)>,
    /// What tasks added, in order.
    additions: Vec<Addition>,
}

impl LiveInventory {
    /// Starts with what was read.
    pub fn new(inventory: Inventory) -> Self {
        Self { state: RwLock::new(State { now: Arc::new(inventory), ..State::default() }), reader: None }
    }

    /// With a way to read the sources again.
    #[must_use]
    pub fn read_by(self, reader: Reader) -> Self {
        Self { reader: Some(reader), ..self }
    }

    /// Reads the sources again (`meta: refresh_inventory`); what tasks added stays.
    pub fn refresh(&self, files: &Files) {
        files.forget_variables();
        let Some(mut inventory) = self.reader.as_ref().and_then(|read| read(files)) else { return };
        let mut state = self.state.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        for addition in &state.additions {
            addition.apply(&mut inventory);
        }
        inventory.finish();
        state.now = Arc::new(inventory);
        state.version += 1;
    }

    /// The inventory as it is now.
    pub fn get(&self) -> Arc<Inventory> {
        self.state.read().unwrap_or_else(|poisoned| poisoned.into_inner()).now.clone()
    }

    /// `groups`: the hosts of every group. Made once for all hosts that ask.
    pub fn groups(&self) -> Value {
        let mut state = self.state.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((version, groups)) = &state.groups
            && *version == state.version
        {
            return groups.clone();
        }
        let inventory = &state.now;
        let hosts = |name: &Arc<str>| Value::list(inventory.hosts_in(name).iter().map(Value::str));
        let groups = inventory.groups.keys().map(|name| (name.clone(), hosts(name))).collect::<Map>();
        let groups = Value::from(groups);
        state.groups = Some((state.version, groups.clone()));
        groups
    }

    /// Changes with every addition.
    pub fn version(&self) -> u64 {
        self.state.read().unwrap_or_else(|poisoned| poisoned.into_inner()).version
    }

    /// Notes that tasks of the run will add hosts or groups that are not known yet.
    pub fn expect_more(&self) {
        self.state.write().unwrap_or_else(|poisoned| poisoned.into_inner()).open = true;
    }

    /// Says whether tasks may add what is not there.
    pub fn may_grow(&self) -> bool {
        self.state.read().unwrap_or_else(|poisoned| poisoned.into_inner()).open
    }

    /// Adds a host, or gives one more groups and variables. Says whether that changed anything.
    pub fn add_host(&self, name: &str, groups: &[String], vars: Vec<(String, Definition)>) -> bool {
        self.add(Addition::Host { name: name.to_owned(), groups: groups.to_vec(), vars })
    }

    /// Puts a host into a group, and the group into others. Says whether that changed anything.
    pub fn group_host(&self, host: &Arc<str>, group: &str, parents: &[String]) -> bool {
        self.add(Addition::Group { host: host.clone(), group: group.to_owned(), parents: parents.to_vec() })
    }

    fn add(&self, addition: Addition) -> bool {
        let mut state = self.state.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut inventory = state.now.as_ref().clone();
        let changed = addition.apply(&mut inventory);
        if changed {
            inventory.finish();
            state.now = Arc::new(inventory);
            state.version += 1;
            state.additions.push(addition);
        }
        changed
    }
}

impl Addition {
    /// Says whether it changed anything.
    fn apply(&self, inventory: &mut Inventory) -> bool {
        match self {
            Self::Host { name, groups, vars } => {
                let mut changed = !inventory.hosts.contains_key(name.as_str());
                let host: Arc<str> = Arc::from(name.as_str());
                let entry = inventory.hosts.entry(host.clone()).or_default();
                for (key, value) in vars {
                    let key: Arc<str> = Arc::from(key.as_str());
                    changed |= entry.vars.get(&key).is_none_or(|old| old.term != value.term);
                    entry.vars.insert(key, value.clone());
                }
                for group in groups {
                    changed |= add_to(inventory, group, &host);
                }
                changed
            }
            Self::Group { host, group, parents } => {
                let mut changed = add_to(inventory, group, host);
                let child = inventory.group_name(group);
                for parent in parents.iter().filter(|parent| *parent != "all") {
                    let name = inventory.group_name(parent);
                    let parent = inventory.groups.entry(name).or_default();
                    changed |= parent.children.insert(child.clone());
                }
                changed
            }
        }
    }
}

fn add_to(inventory: &mut Inventory, group: &str, host: &Arc<str>) -> bool {
    if group == "all" {
        return false;
    }
    inventory.hosts.entry(host.clone()).or_default();
    let name = inventory.group_name(group);
    inventory.groups.entry(name).or_default().hosts.insert(host.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_groups_come_while_it_runs() {
        let live = LiveInventory::new(Inventory::local());
        let before = live.get();
        assert!(live.add_host("new", &["web".to_owned()], Vec::new()));
        assert!(!live.add_host("new", &["web".to_owned()], Vec::new()), "it is there already");
        assert!(live.group_host(&Arc::from("new"), "os_debian", &["linux".to_owned()]));
        let now = live.get();
        assert!(!before.hosts.contains_key("new"), "who has it keeps what he has");
        assert_eq!(now.hosts_in("linux"), [Arc::from("new")]);
        assert_eq!(live.version(), 2);
    }
}
