//! SELinux, AppArmor, FIPS, and the keys of the SSH server.

use super::look::{Look, assigned, put};
use crate::value::{Map, Value};

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    host_keys(look, facts);
    let apparmor = look.exists("/sys/kernel/security/apparmor");
    put(
        facts,
        [
            ("selinux", selinux(look)),
            ("apparmor", Value::map([("status", Value::str(if apparmor { "enabled" } else { "disabled" }))])),
            ("fips", Value::Bool(look.line("/proc/sys/crypto/fips_enabled").as_deref() == Some("1"))),
        ],
    );
}

/// The public keys of the SSH server.
fn host_keys(look: Look<'_>, facts: &mut Map) {
    let directory = ["/etc/ssh", "/etc/openssh", "/etc"];
    for kind in ["dsa", "rsa", "ecdsa", "ed25519"] {
        let text = directory.iter().find_map(|dir| look.line(&format!("{dir}/ssh_host_{kind}_key.pub")));
        let mut words = text.as_deref().unwrap_or_default().split_whitespace();
        if let (Some(name), Some(key)) = (words.next(), words.next()) {
            facts.insert(format!("ssh_host_key_{kind}_public").into(), Value::str(key));
            facts.insert(format!("ssh_host_key_{kind}_public_keytype").into(), Value::str(name));
        }
    }
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
