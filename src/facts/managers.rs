//! What manages packages and services.

use super::look::{Look, put};
use crate::value::{Map, Value};

/// Programs that show a package manager; the last that exists counts, as in Ansible.
const PACKAGE: &[(&str, &str)] = &[
    ("/usr/bin/rpm-ostree", "atomic_container"),
    ("/usr/bin/yum", "dnf"),
    ("/usr/bin/dnf-3", "dnf"),
    ("/usr/bin/dnf5", "dnf5"),
    ("/usr/bin/apt-get", "apt"),
    ("/usr/bin/zypper", "zypper"),
    ("/usr/sbin/urpmi", "urpmi"),
    ("/usr/bin/pacman", "pacman"),
    ("/bin/opkg", "opkg"),
    ("/sbin/apk", "apk"),
    ("/usr/bin/emerge", "portage"),
    ("/usr/bin/xbps-install", "xbps"),
    ("/usr/bin/swupd", "swupd"),
    ("/usr/sbin/sorcery", "sorcery"),
];

/// Reads them.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let family = facts.get("os_family").and_then(Value::as_str).unwrap_or_default().to_owned();
    put(facts, [("pkg_mgr", Value::str(package(look, &family))), ("service_mgr", Value::from(service(look)))]);
    if let Some(version) = systemd(look).filter(|_| look.exists("/run/systemd/system")) {
        put(facts, [("systemd", Value::map([("version", Value::Int(version))]))]);
    }
}

/// The version of systemd: of its package, or in the name of its library.
fn systemd(look: Look<'_>) -> Option<i64> {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let package = look.0.package("systemd").ok().flatten().and_then(|package| number(&package.version));
    package.or_else(|| {
        let names = look.names("/usr/lib/systemd");
        names.iter().find_map(|name| number(name.strip_prefix("libsystemd-shared-")?))
    })
}

fn package(look: Look<'_>, family: &str) -> &'static str {
    if family == "RedHat" {
        return red_hat(look);
    }
    if family == "Debian" && look.exists("/usr/bin/apt-get") {
        return "apt";
    }
    if family == "Altlinux" && look.exists("/usr/bin/apt-get") {
        return "apt_rpm";
    }
    PACKAGE.iter().rev().find(|(path, _)| look.exists(path)).map_or("unknown", |(_, name)| name)
}

fn red_hat(look: Look<'_>) -> &'static str {
    if look.exists("/run/ostree-booted") {
        return "atomic_container";
    }
    let dnf = ["/usr/bin/dnf", "/usr/bin/microdnf"].into_iter().find(|path| look.exists(path));
    match dnf {
        Some(path) if look.link_name(path).as_deref() == Some("dnf5") => "dnf5",
        Some(_) => "dnf",
        None if look.exists("/usr/bin/yum") => "yum",
        None => "unknown",
    }
}

/// The first process, or where its name says nothing, what is installed.
fn service(look: Look<'_>) -> String {
    let first = look.line("/proc/1/comm").filter(|name| !name.ends_with("sh") && name != "init");
    let named = match first.as_deref() {
        Some("procd") => Some("openwrt_init"),
        Some("runit-init") => Some("runit"),
        Some("svscan") => Some("svc"),
        Some("openrc-init") => Some("openrc"),
        Some(other) => Some(other),
        None => None,
    };
    let installed = || {
        let booted =
            ["/run/systemd/system", "/dev/.run/systemd", "/dev/.systemd"].into_iter().any(|path| look.exists(path));
        let init = look.link_name("/sbin/init").is_some_and(|name| name == "systemd");
        match () {
            () if booted => "systemd",
            () if look.exists("/sbin/upstart") => "upstart",
            () if look.exists("/sbin/openrc") => "openrc",
            () if init => "systemd",
            () if look.exists("/etc/init.d") => "sysvinit",
            () => "service",
        }
    };
    named.unwrap_or_else(installed).to_owned()
}
