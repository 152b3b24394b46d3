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
mod routes;
mod security;
#[cfg(test)]
mod tests;
mod virtualization;

use crate::machine::Inspect;
use crate::value::{Map, Value};
use look::Look;

/// Reads every fact.
pub fn gather(machine: &dyn Inspect) -> Map {
    let look = Look(machine);
    let mut facts = Map::new();
    platform::read(look, &mut facts);
    distribution::read(look, &mut facts);
    managers::read(look, &mut facts);
    identity::read(look, &mut facts);
    cpu::read(look, &mut facts);
    memory::read(look, &mut facts);
    mounts::read(look, &mut facts);
    devices::read(look, &mut facts);
    dmi::read(look, &mut facts);
    network::read(look, &mut facts);
    virtualization::read(look, &mut facts);
    security::read(look, &mut facts);
    date_time::read(look, &mut facts);
    local::read(look, &mut facts);
    facts.insert("gather_subset".into(), Value::list([Value::str("all")]));
    facts.insert("module_setup".into(), Value::Bool(true));
    facts
}

/// Facts as variables: all of them in `ansible_facts`, and each under `ansible_`.
pub fn as_variables(facts: &Map) -> Vec<(String, Value)> {
    let single = facts.iter().map(|(name, value)| {
        let name = if name.starts_with("ansible_") { name.to_string() } else { format!("ansible_{name}") };
        (name, value.clone())
    });
    let all = ("ansible_facts".to_owned(), Value::from(facts.clone()));
    single.chain(std::iter::once(all)).collect()
}
