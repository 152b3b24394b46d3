//! Facts of machines in memory, and the time they take on a real one.

use std::path::Path;
use std::sync::Arc;

use super::gather;
use crate::machine::{Address4, Attrs, Blank, Content, Live, Machine, Preview, Written};
use crate::value::{Map, Value, to_json};

/// The facts of a machine that has these files.
fn facts_of(files: &[(&str, &str)]) -> Map {
    gather(&machine_of(files))
}

fn machine_of(files: &[(&str, &str)]) -> Preview {
    let machine = Preview::new(Arc::new(Blank));
    for (path, text) in files {
        let path = Path::new(path);
        let mut parents: Vec<_> = path.ancestors().skip(1).collect();
        parents.reverse();
        for parent in parents {
            let _ = machine.make_dir(parent, &Attrs::default());
        }
        if let Some(target) = text.strip_prefix("-> ") {
            machine.symlink(Path::new(target), path).unwrap();
        } else {
            let content = Content::bytes(text.as_bytes());
            machine.write(path, &content, &Attrs::default(), &Written::default()).unwrap();
        }
    }
    machine
}

fn texts(facts: &Map, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| facts.get(*name).map_or("-".to_owned(), Value::to_string)).collect()
}

#[test]
fn distributions_have_ansible_names() {
    let names = [
        "distribution",
        "distribution_version",
        "distribution_major_version",
        "distribution_release",
        "os_family",
        "pkg_mgr",
        "distribution_file_path",
    ];
    let debian = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
    let table: &[(&[(&str, &str)], [&str; 7])] = &[
        (
            &[("/etc/os-release", debian), ("/etc/debian_version", "12.11\n"), ("/usr/bin/apt-get", "")],
            ["Debian", "12.11", "12", "bookworm", "Debian", "apt", "/etc/os-release"],
        ),
        (
            &[
                ("/etc/os-release", "ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\n"),
                ("/usr/bin/apt-get", ""),
            ],
            ["Ubuntu", "22.04", "22", "jammy", "Debian", "apt", "/etc/os-release"],
        ),
        (
            &[
                ("/etc/os-release", "ID=\"rocky\"\nVERSION=\"9.3 (Blue Onyx)\"\nVERSION_ID=\"9.3\"\n"),
                ("/etc/redhat-release", "Rocky Linux release 9.3 (Blue Onyx)"),
                ("/usr/bin/dnf", "-> dnf-3"),
                ("/usr/bin/dnf-3", ""),
            ],
            ["Rocky", "9.3", "9", "Blue Onyx", "RedHat", "dnf", "/etc/redhat-release"],
        ),
        (
            &[
                ("/etc/os-release", "ID=fedora\nVERSION_ID=41\nVERSION_CODENAME=\"\"\n"),
                ("/usr/bin/dnf", "-> dnf5"),
                ("/usr/bin/dnf5", ""),
            ],
            ["Fedora", "41", "41", "", "RedHat", "dnf5", "-"],
        ),
        (
            &[
                ("/etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n"),
                ("/etc/alpine-release", "3.19.1\n"),
                ("/sbin/apk", ""),
            ],
            ["Alpine", "3.19.1", "3", "NA", "Alpine", "apk", "/etc/alpine-release"],
        ),
        (
            &[
                ("/etc/os-release", "ID=\"opensuse-leap\"\nNAME=\"openSUSE Leap\"\nVERSION_ID=\"15.5\"\n"),
                ("/usr/bin/zypper", ""),
            ],
            ["openSUSE Leap", "15.5", "15", "5", "Suse", "zypper", "/etc/os-release"],
        ),
        (
            &[("/etc/os-release", "ID=amzn\nVERSION_ID=\"2023\"\n"), ("/usr/bin/dnf", "")],
            ["Amazon", "2023", "2023", "NA", "RedHat", "dnf", "/etc/os-release"],
        ),
    ];
    for (files, expected) in table {
        assert_eq!(texts(&facts_of(files), &names), expected);
    }
}

#[test]
fn addresses_come_from_the_tables_of_the_kernel() {
    let route = "Iface\tDestination\tGateway\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    let machine = machine_of(&[
        ("/proc/net/route", route),
        ("/proc/net/if_inet6", "fd000000000000000000000000000002 04 40 00 82     eth0\n"),
        ("/sys/class/net/eth0/mtu", "1400\n"),
        ("/sys/class/net/eth0/type", "1\n"),
        ("/sys/class/net/eth0/address", "02:fc:00:00:00:01\n"),
        ("/sys/class/net/br-lan/mtu", "1500\n"),
    ]);
    let four = |label: &str, address: [u8; 4], prefix, broadcast: Option<[u8; 4]>, secondary| Address4 {
        interface: label.split(':').next().unwrap().to_owned(),
        label: label.to_owned(),
        address: address.into(),
        prefix,
        broadcast: broadcast.map(Into::into),
        secondary,
    };
    let addresses = vec![
        four("lo", [127, 0, 0, 1], 8, None, false),
        four("eth0", [192, 0, 2, 2], 24, Some([192, 0, 2, 255]), false),
        four("eth0", [198, 51, 100, 1], 32, None, false),
        four("eth0:1", [192, 0, 2, 9], 24, Some([192, 0, 2, 255]), true),
    ];
    let mut facts = Map::new();
    super::network::describe(super::look::Look(&machine), addresses, &mut facts);
    let json = |name: &str| to_json(facts.get(name).unwrap_or(&Value::Null)).to_string();
    assert_eq!(
        json("default_ipv4"),
        r#"{"gateway":"192.0.2.1","interface":"eth0","macaddress":"02:fc:00:00:00:01","mtu":1400,"type":"ether","address":"192.0.2.2","broadcast":"192.0.2.255","netmask":"255.255.255.0","network":"192.0.2.0","prefix":"24","alias":"eth0"}"#
    );
    assert_eq!(json("all_ipv4_addresses"), r#"["192.0.2.2","198.51.100.1","192.0.2.9"]"#);
    let list = |facts: &Map, name: &str| {
        let all = facts.get(name).and_then(|e| e.get("ipv4_secondaries")).and_then(Value::as_list).unwrap_or_default();
        all.iter()
            .map(|one| format!("{} {:?}", one.get("address").unwrap(), one.get("broadcast").unwrap().to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&facts, "eth0"), ["198.51.100.1 \"\"", "192.0.2.9 \"192.0.2.255\""]);
    assert_eq!(list(&facts, "eth0_1"), ["192.0.2.9 \"192.0.2.255\""]);
    assert_eq!(facts.get("eth0").and_then(|e| e.at(&["ipv4", "address"])), Some(&Value::str("192.0.2.2")));
    assert_eq!(json("interfaces"), r#"["br-lan","eth0","lo","eth0_1"]"#);
    assert!(facts.contains_key("br_lan"));
}

#[test]
fn guests_know_what_they_run_in() {
    let names = ["virtualization_type", "virtualization_role", "virtualization_tech_guest"];
    let table: &[(&[(&str, &str)], [&str; 3])] = &[
        (&[], ["NA", "NA", "[]"]),
        (
            &[("/run/systemd/container", "systemd-nspawn\n")],
            ["systemd-nspawn", "guest", "['systemd-nspawn', 'container']"],
        ),
        (&[("/.dockerenv", "")], ["docker", "guest", "['docker', 'container']"]),
        (&[("/proc/1/environ", "A=b\0container=lxc\0")], ["lxc", "guest", "['lxc', 'container']"]),
        (&[("/sys/devices/virtual/dmi/id/sys_vendor", "QEMU\n")], ["kvm", "guest", "['kvm']"]),
        (&[("/proc/modules", "kvm 1 0 - Live 0x0\n")], ["kvm", "host", "[]"]),
    ];
    for (files, expected) in table {
        assert_eq!(texts(&facts_of(files), &names), expected);
    }
}

#[test]
fn small_texts_are_read_as_ansible_reads_them() {
    let hosts = "127.0.0.1 localhost\n127.0.1.1 web1.example.org web1\n";
    let facts = facts_of(&[
        ("/proc/sys/kernel/hostname", "web1\n"),
        ("/etc/hosts", hosts),
        ("/etc/resolv.conf", "# x\nnameserver 1.1.1.1\nsearch a b\noptions ndots:2 rotate\n"),
        ("/proc/cmdline", "quiet console=tty0 console=ttyS0\n"),
        ("/etc/ansible/facts.d/a.fact", "[main]\nKey = 1\n"),
        ("/etc/ansible/facts.d/b.fact", "{\"x\": [1]}"),
        ("/proc/self/mounts", "/dev/sda1 /mnt/a\\040b ext4 rw 0 1\nproc /proc proc rw 0 0\n"),
        ("/proc/1/comm", "systemd\n"),
    ]);
    let table = [
        ("hostname", "web1"),
        ("fqdn", "web1.example.org"),
        ("domain", "example.org"),
        ("dns", "{'nameservers': ['1.1.1.1'], 'search': ['a', 'b'], 'options': {'ndots': '2', 'rotate': True}}"),
        ("cmdline", "{'quiet': True, 'console': 'ttyS0'}"),
        ("proc_cmdline", "{'quiet': True, 'console': ['tty0', 'ttyS0']}"),
        ("ansible_local", "{'a': {'main': {'key': '1'}}, 'b': {'x': [1]}}"),
        ("service_mgr", "systemd"),
        ("user_id", "root"),
    ];
    for (name, expected) in table {
        assert_eq!(texts(&facts, &[name]), [expected]);
    }
    let mount = facts.get("mounts").and_then(Value::as_list).and_then(|m| m.first()).and_then(|m| m.get("mount"));
    assert_eq!(mount, Some(&Value::str("/mnt/a b")));
}

/// Run by hand, to compare with `ansible -m setup`: `cargo test --lib facts -- --ignored --nocapture`.
#[test]
#[ignore = "prints the facts of this machine and how long they took"]
fn facts_of_this_machine() {
    let machine = Live::new(None, crate::machine::Cancel::default());
    let start = std::time::Instant::now();
    let facts = gather(&machine);
    let took = start.elapsed();
    println!("\n{}", serde_json::to_string_pretty(&to_json(&Value::from(facts))).unwrap());
    println!("took {took:?}");
}
