//! SELinux, AppArmor and FIPS.

use super::look::{Look, assigned, put};
use crate::value::{Map, Value};

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let apparmor = look.exists("/sys/kernel/security/apparmor");
    put(facts, [
        ("selinux", selinux(look)),
        ("apparmor", Value::map([("status", Value::str(if apparmor { "enabled" } else { "disabled" }))])),
        ("fips", Value::Bool(look.line("/proc/sys/crypto/fips_enabled").as_deref() == Some("1"))),
    ]);
}

fn selinux(look: Look<'_>) -> Value {
    let Some(enforcing) = look.line("/sys/fs/selinux/enforce") else {
        return Value::map([("status", Value::str("disabled"))]);
    };
    let config = look.text("/etc/selinux/config");
    let configured = |name: &str| Value::str(assigned(&config, name).unwrap_or("unknown"));
    Value::map([
        ("status", Value::str("enabled")),
        ("mode", Value::str(if enforcing == "1" { "enforcing" } else { "permissive" })),
        ("config_mode", configured("SELINUX")),
        ("type", configured("SELINUXTYPE")),
        ("policyvers", Value::from(look.number("/sys/fs/selinux/policyvers"))),
    ])
}
