//! Facts: what a host is, under Ansible's names, read natively in a few milliseconds.

use crate::machine::Inspect;
use crate::value::{Map, Value};

/// Reads every fact.
pub fn gather(machine: &dyn Inspect) -> Map {
    let mut facts = Map::new();
    let release = machine.read(std::path::Path::new("/etc/os-release"), 65536).unwrap_or_default();
    let release = String::from_utf8_lossy(&release).into_owned();
    let field = |name: &str| {
        release.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('=')).unwrap_or("").trim_matches('"').to_owned()
    };
    let name = field("ID");
    facts.insert("distribution".into(), Value::from(if name == "debian" { "Debian".to_owned() } else { name }));
    facts.insert("distribution_version".into(), Value::from(field("VERSION_ID")));
    facts.insert("distribution_major_version".into(), Value::from(field("VERSION_ID").split('.').next().unwrap_or("").to_owned()));
    facts.insert("distribution_release".into(), Value::from(field("VERSION_CODENAME")));
    facts.insert("os_family".into(), Value::str("Debian"));
    facts.insert("system".into(), Value::str("Linux"));
    let systemd = machine.lstat(std::path::Path::new("/run/systemd/system")).ok().flatten().is_some();
    facts.insert("service_mgr".into(), Value::str(if systemd { "systemd" } else { "sysvinit" }));
    facts.insert("pkg_mgr".into(), Value::str("apt"));
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
