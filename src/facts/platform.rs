//! The kernel, the names of the host, how it was started, and how long it runs.

use super::look::{Look, put};
use crate::value::{Map, Value};

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let machine = look.line("/proc/sys/kernel/arch").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let text = |path: &str| Value::from(look.line(path).unwrap_or_default());
    put(
        facts,
        [
            ("system", Value::str("Linux")),
            ("kernel", text("/proc/sys/kernel/osrelease")),
            ("kernel_version", text("/proc/sys/kernel/version")),
            ("machine", Value::str(&machine)),
            ("architecture", Value::str(if machine == "i686" { "i386" } else { machine.as_str() })),
            ("userspace_architecture", Value::from(userspace(&machine))),
            ("userspace_bits", Value::str(if cfg!(target_pointer_width = "64") { "64" } else { "32" })),
            ("machine_id", machine_id(look)),
            ("hostnqn", text("/etc/nvme/hostnqn")),
        ],
    );
    names(look, facts);
    started(look, facts);
}

fn machine_id(look: Look<'_>) -> Value {
    Value::from(look.line("/etc/machine-id").or_else(|| look.line("/var/lib/dbus/machine-id")))
}

/// The architecture of the programs: on a 64-bit kernel it is what this program was built for.
fn userspace(machine: &str) -> String {
    if cfg!(target_pointer_width = "32") && machine == "x86_64" { "i386".to_owned() } else { machine.to_owned() }
}

fn names(look: Look<'_>, facts: &mut Map) {
    let node = look.line("/proc/sys/kernel/hostname").or_else(|| look.line("/etc/hostname")).unwrap_or_default();
    let fqdn = full_name(&node, &look.text("/etc/hosts"));
    let host = node.split('.').next().unwrap_or_default();
    let domain = fqdn.split_once('.').map_or("", |(_, domain)| domain);
    put(
        facts,
        [
            ("nodename", Value::str(&node)),
            ("hostname", Value::str(host)),
            ("fqdn", Value::str(&fqdn)),
            ("domain", Value::str(domain)),
        ],
    );
}

/// What `getfqdn` finds in the hosts file: the first dotted name of the address of this host, or its main name.
///
/// The name service is not asked: a lookup could take seconds where there is none.
pub(super) fn full_name(node: &str, hosts: &str) -> String {
    let entries = || {
        hosts.lines().filter_map(|line| {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            Some((words.next()?, words.collect::<Vec<_>>()))
        })
    };
    let Some((address, _)) = entries().find(|(_, names)| names.contains(&node)) else { return node.to_owned() };
    let names: Vec<&str> = entries().filter(|(a, _)| *a == address).flat_map(|(_, names)| names).collect();
    let dotted = names.iter().find(|name| name.contains('.'));
    dotted.or(names.first()).map_or(node, |name| name).to_owned()
}

fn started(look: Look<'_>, facts: &mut Map) {
    let uptime = look.text("/proc/uptime");
    let uptime: f64 = uptime.split_whitespace().next().and_then(|s| s.parse().ok()).unwrap_or(0.0);
    let (single, all) = command_line(&look.text("/proc/cmdline"));
    put(
        facts,
        [
            ("uptime_seconds", Value::Int(uptime as i64)),
            ("loadavg", load(&look.text("/proc/loadavg"))),
            ("cmdline", single),
            ("proc_cmdline", all),
            ("is_chroot", Value::Bool(is_chroot(look))),
        ],
    );
}

fn load(text: &str) -> Value {
    let numbers = text.split_whitespace().filter_map(|s| s.parse().ok()).map(Value::Float);
    Value::map(["1m", "5m", "15m"].into_iter().zip(numbers))
}

/// The parameters of the kernel: the last of each name, and all of each name.
pub(super) fn command_line(text: &str) -> (Value, Value) {
    let (mut single, mut all) = (Map::new(), Map::new());
    for word in text.split_whitespace() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Value::str(value.trim_matches('"'))),
            None => (word, Value::Bool(true)),
        };
        let seen = match all.get(name) {
            Some(Value::List(items)) => Value::list(items.iter().cloned().chain([value.clone()])),
            Some(first) => Value::list([first.clone(), value.clone()]),
            None => value.clone(),
        };
        all.insert(name.into(), seen);
        single.insert(name.into(), value);
    }
    (single.into(), all.into())
}

/// Another root than that of the first process. Where it may not be seen, the usual inode of a root decides.
fn is_chroot(look: Look<'_>) -> bool {
    let stat = |path: &str| look.0.stat(std::path::Path::new(path)).ok().flatten();
    match (stat("/"), stat("/proc/1/root/.")) {
        (Some(own), Some(first)) => (own.inode, own.device) != (first.inode, first.device),
        _ => false,
    }
}
