//! The processors.

use std::collections::BTreeMap;

use super::look::{Look, put};
use crate::value::{Map, Value};

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let text = look.text("/proc/cpuinfo");
    let cpus = parse(&text);
    let vcpus = cpus.logical.max(1);
    let sockets = cpus.cores.len().max(1);
    let cores = cpus.cores.values().copied().max().unwrap_or(1).max(1);
    let threads = cpus.siblings.values().copied().max().map_or(1, |siblings| (siblings / cores).max(1));
    put(
        facts,
        [
            ("processor", Value::from(cpus.described)),
            ("processor_count", Value::from(if cpus.cores.is_empty() { vcpus } else { sockets })),
            ("processor_cores", Value::from(cores)),
            ("processor_threads_per_core", Value::from(threads)),
            ("processor_vcpus", Value::from(if cpus.cores.is_empty() { vcpus } else { cores * threads * sockets })),
            ("processor_nproc", Value::from(allowed(look).unwrap_or(vcpus))),
            ("flags", Value::list(cpus.flags.split_whitespace().map(Value::str))),
        ],
    );
}

#[derive(Default)]
struct Cpus<'t> {
    described: Vec<Value>,
    logical: usize,
    cores: BTreeMap<&'t str, usize>,
    siblings: BTreeMap<&'t str, usize>,
    flags: &'t str,
}

fn parse(text: &str) -> Cpus<'_> {
    let mut cpus = Cpus::default();
    let mut socket = "0";
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let (name, value) = (name.trim(), value.trim());
        match name {
            "processor" => {
                cpus.logical += 1;
                cpus.described.push(Value::str(value));
            }
            "model name" | "Processor" | "vendor_id" | "cpu" | "Vendor" => cpus.described.push(Value::str(value)),
            "physical id" => socket = value,
            "cpu cores" => drop(cpus.cores.insert(socket, value.parse().unwrap_or(1))),
            "siblings" => drop(cpus.siblings.insert(socket, value.parse().unwrap_or(1))),
            "flags" | "Features" if cpus.flags.is_empty() => cpus.flags = value,
            _ => {}
        }
    }
    cpus
}

/// How many processors this process may run on.
fn allowed(look: Look<'_>) -> Option<usize> {
    let status = look.text("/proc/self/status");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let ranges = list.trim().split(',').map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(to.parse::<usize>().ok()?.checked_sub(from.parse().ok()?)? + 1)
    });
    ranges.sum()
}
