//! Facts: what a host is, under Ansible's names, read natively in a few milliseconds.
//!
//! Every fact comes from a file read through [`Inspect`], so that a dry run and a test see the same as a real one. No
//! program is started, but for the executables an administrator put into `facts.d`.

mod cpu;
mod date_time;
mod devices;
mod distribution;
mod dmi;
mod identity;
mod local;
mod look;
mod managers;
mod memory;
mod mounts;
mod network;
mod platform;
mod python;
mod routes;
mod security;
#[cfg(test)]
mod tests;
mod virtualization;

use crate::machine::Inspect;
use crate::value::{Map, Value};
use look::Look;

/// Reads a group of facts.
type Reader = fn(Look<'_>, &mut Map);

/// The groups: what `gather_subset` calls them, and who reads them. Those of a number of names belong to each.
const GROUPS: [(&[&str], Reader); 14] = [
    (&["min", "platform", "cmdline", "loadavg"], platform::read),
    (&["min", "distribution", "lsb"], distribution::read),
    (&["min", "pkg_mgr", "service_mgr", "systemd"], managers::read),
    (&["min", "user", "env"], identity::read),
    (&["min", "python"], python::read),
    (&["min", "selinux", "apparmor", "caps", "fips", "ssh_pub_keys"], security::read),
    (&["min", "date_time"], date_time::read),
    (&["hardware", "processor", "cpu"], cpu::read),
    (&["hardware", "memory"], memory::read),
    (&["hardware", "mounts"], mounts::read),
    (&["hardware", "devices"], devices::read),
    (&["hardware", "dmi"], dmi::read),
    (&["network", "interfaces", "default_ipv4", "default_ipv6", "all_ipv4_addresses", "dns"], network::read),
    (&["virtual", "virtualization_type", "virtualization_role"], virtualization::read),
];

/// Which facts are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Groups of facts, as `gather_subset` names them; with `!` those that are not wanted. Empty: all.
    pub subset: Vec<String>,
    /// Where local facts are.
    pub local: Option<String>,
}

impl Wanted {
    /// Says whether a group of these names is wanted. The least ones are, unless they are refused.
    fn has(&self, names: &[&str]) -> bool {
        let named = |text: &str| names.contains(&text);
        let refused = self.subset.iter().filter_map(|word| word.strip_prefix('!'));
        let asked: Vec<&str> = self.subset.iter().map(String::as_str).filter(|word| !word.starts_with('!')).collect();
        if asked.iter().any(|word| named(word)) {
            return true;
        }
        if refused.clone().any(named) {
            return false;
        }
        let none = refused.clone().any(|word| word == "all");
        let least = names.first() == Some(&"min");
        least || asked.contains(&"all") || (asked.is_empty() && !none)
    }

    /// Names that no group has.
    pub fn unknown(&self) -> Option<&str> {
        let known = |word: &str| {
            ["all", "any", "local", "facter", "ohai"].contains(&word)
                || GROUPS.iter().any(|(names, _)| names.contains(&word))
        };
        self.subset.iter().map(|word| word.trim_start_matches('!')).find(|word| !known(word))
    }
}

/// Reads every fact.
pub fn gather(machine: &dyn Inspect) -> Map {
    select(machine, &Wanted::default())
}

/// Reads the facts that are wanted.
pub fn select(machine: &dyn Inspect, wanted: &Wanted) -> Map {
    let look = Look(machine);
    let mut facts = Map::new();
    for (names, read) in GROUPS {
        if wanted.has(names) {
            read(look, &mut facts);
        }
    }
    if wanted.has(&["min", "local"]) {
        local::read(look, wanted.local.as_deref(), &mut facts);
    }
    let subset = if wanted.subset.is_empty() { vec!["all".to_owned()] } else { wanted.subset.clone() };
    facts.insert("gather_subset".into(), Value::list(subset.iter().map(Value::str)));
    facts.insert("module_setup".into(), Value::Bool(true));
    facts
}

/// The name of a fact among variables.
pub fn variable_name(name: &str) -> String {
    if name.starts_with("ansible_") { name.to_owned() } else { format!("ansible_{name}") }
}

/// Facts as variables: all of them in `ansible_facts`, and each under `ansible_`.
pub fn as_variables(facts: &Map) -> Vec<(String, Value)> {
    let single = facts.iter().map(|(name, value)| (variable_name(name), value.clone()));
    let all = ("ansible_facts".to_owned(), Value::from(facts.clone()));
    single.chain(std::iter::once(all)).collect()
}
