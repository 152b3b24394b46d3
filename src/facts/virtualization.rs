//! What the host runs in, and what it can run.

use super::look::{Look, put};
use crate::value::{Map, Value};

/// What was found so far. The first finding is the type; every finding is a technology.
#[derive(Default)]
struct Found {
    kind: Option<(String, &'static str)>,
    guest: Vec<String>,
    host: Vec<String>,
}

impl Found {
    fn add(&mut self, name: &str, role: &'static str) {
        let list = if role == "host" { &mut self.host } else { &mut self.guest };
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
        self.kind.get_or_insert_with(|| (name.to_owned(), role));
    }
}

/// Reads it, in Ansible's order.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let mut found = Found::default();
    containers(look, &mut found);
    if look.exists("/proc/xen") {
        let host = look.text("/proc/xen/capabilities").contains("control_d");
        found.add("xen", if host { "host" } else { "guest" });
    }
    firmware(look, &mut found);
    kernel(look, &mut found);
    let (kind, role) = found.kind.unwrap_or_else(|| ("NA".to_owned(), "NA"));
    put(
        facts,
        [
            ("virtualization_type", Value::from(kind)),
            ("virtualization_role", Value::str(role)),
            ("virtualization_tech_guest", Value::list(found.guest.into_iter().map(Value::from))),
            ("virtualization_tech_host", Value::list(found.host.into_iter().map(Value::from))),
        ],
    );
}

fn containers(look: Look<'_>, found: &mut Found) {
    for line in look.text("/proc/1/cgroup").lines() {
        if line.contains("/docker/") || line.contains("/docker-") {
            found.add("docker", "guest");
        }
        if line.contains("/lxc/") || line.contains("/machine.slice/machine-lxc") {
            found.add("lxc", "guest");
        }
        if line.contains("/system.slice/containerd.service") {
            found.add("containerd", "guest");
        }
    }
    for entry in look.text("/proc/1/environ").split('\0') {
        match entry {
            _ if entry.contains("container=lxc") => found.add("lxc", "guest"),
            _ if entry.contains("container=podman") => found.add("podman", "guest"),
            _ => {}
        }
        if entry.strip_prefix("container=").is_some_and(|value| !value.is_empty()) {
            found.add("container", "guest");
        }
    }
    if look.exists("/proc/vz") && !look.exists("/proc/lve") {
        found.add("openvz", if look.exists("/proc/bc") { "host" } else { "guest" });
    }
    if let Some(name) = look.line("/run/systemd/container") {
        found.add(&name, "guest");
        found.add("container", "guest");
    }
    if look.exists("/.dockerenv") || look.exists("/.dockerinit") {
        found.add("docker", "guest");
    }
    let known = ["docker", "lxc", "podman", "openvz", "containerd"];
    if found.guest.iter().any(|name| known.contains(&name.as_str())) {
        found.add("container", "guest");
    }
}

fn firmware(look: Look<'_>, found: &mut Found) {
    let field = |name: &str| look.line(&format!("/sys/devices/virtual/dmi/id/{name}")).unwrap_or_default();
    let (product, vendor, bios) = (field("product_name"), field("sys_vendor"), field("bios_vendor"));
    let by_product = match product.as_str() {
        "KVM" | "KVM Server" | "Bochs" | "AHV" | "CloudStack KVM Hypervisor" => Some("kvm"),
        "RHEV Hypervisor" if vendor == "Red Hat" => Some("RHEV"),
        "OpenStack Compute" | "OpenStack Nova" => Some("openstack"),
        name if name.starts_with("VMware") => Some("VMware"),
        _ => None,
    };
    let by_bios = match bios.as_str() {
        "Xen" => Some("xen"),
        "innotek GmbH" => Some("virtualbox"),
        "Amazon EC2" | "DigitalOcean" | "Hetzner" | "Linode" => Some("kvm"),
        _ => None,
    };
    let by_vendor = match vendor.as_str() {
        "oVirt" => Some("oVirt"),
        "Red Hat" if field("product_family") == "RHV" => Some("RHV"),
        "QEMU" | "Amazon EC2" | "DigitalOcean" | "Google" | "Scaleway" | "Nutanix" => Some("kvm"),
        "KubeVirt" => Some("KubeVirt"),
        "Microsoft Corporation" => Some("VirtualPC"),
        "Parallels Software International Inc." => Some("parallels"),
        "OpenStack Foundation" => Some("openstack"),
        _ => None,
    };
    for name in [by_product, by_bios, by_vendor].into_iter().flatten() {
        found.add(name, "guest");
    }
}

fn kernel(look: Look<'_>, found: &mut Found) {
    let cpus = look.text("/proc/cpuinfo");
    for line in cpus.lines() {
        match line {
            _ if line.starts_with("model name") && line.contains("QEMU Virtual CPU") => found.add("kvm", "guest"),
            _ if line.starts_with("vendor_id") && line.contains("User Mode Linux") => found.add("uml", "guest"),
            _ if line.starts_with("machine") && line.contains("emulated by qemu") => found.add("kvm", "guest"),
            _ => {}
        }
    }
    let modules = look.text("/proc/modules");
    let loaded = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
    if loaded("kvm") || look.exists("/dev/kvm") {
        found.add("kvm", "host");
    }
    if loaded("vboxdrv") {
        found.add("virtualbox", "host");
    }
    if loaded("virtio") {
        let first = found.kind.is_none();
        found.add("kvm", "host");
        if first {
            found.kind = Some(("kvm".to_owned(), "guest"));
        }
    }
}
