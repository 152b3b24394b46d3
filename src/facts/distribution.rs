//! The distribution, under the names Ansible gives it.

use super::look::{Look, assigned, put};
use crate::value::{Map, Value};

/// What `/etc/os-release` calls it, what Ansible calls it, and its family.
const KNOWN: &[(&str, &str, &str)] = &[
    ("debian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("raspbian", "Debian", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("kali", "Kali", "Debian"),
    ("devuan", "Devuan", "Debian"),
    ("pop", "Pop!_OS", "Debian"),
    ("neon", "KDE neon", "Debian"),
    ("parrot", "Parrot", "Debian"),
    ("deepin", "Deepin", "Debian"),
    ("uos", "Uos", "Debian"),
    ("cumulus-linux", "Cumulus Linux", "Debian"),
    ("steamos", "SteamOS", "Debian"),
    ("osmc", "OSMC", "Debian"),
    ("rhel", "RedHat", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("scientific", "Scientific", "RedHat"),
    ("cloudlinux", "CloudLinux", "RedHat"),
    ("virtuozzo", "Virtuozzo", "RedHat"),
    ("eurolinux", "EuroLinux", "RedHat"),
    ("openEuler", "openEuler", "RedHat"),
    ("sles", "SLES", "Suse"),
    ("sles_sap", "SLES_SAP", "Suse"),
    ("sled", "SLED", "Suse"),
    ("opensuse", "openSUSE", "Suse"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
    ("opensuse-microos", "openSUSE MicroOS", "Suse"),
    ("arch", "Archlinux", "Archlinux"),
    ("archarm", "Archlinux", "Archlinux"),
    ("manjaro", "Manjaro", "Archlinux"),
    ("antergos", "Antergos", "Archlinux"),
    ("alpine", "Alpine", "Alpine"),
    ("gentoo", "Gentoo", "Gentoo"),
    ("funtoo", "Funtoo", "Gentoo"),
    ("slackware", "Slackware", "Slackware"),
    ("void", "Void", "Void"),
    ("nixos", "NixOS", "NixOS"),
    ("flatcar", "Flatcar", "Flatcar"),
    ("clear-linux-os", "ClearLinux", "ClearLinux"),
];

/// The files Ansible would have found the distribution in, first to last.
const FILES: &[(&str, &str, &[&str])] = &[
    ("/etc/oracle-release", "OracleLinux", &["OracleLinux"]),
    ("/etc/centos-release", "CentOS", &["CentOS"]),
    (
        "/etc/redhat-release",
        "RedHat",
        &["RedHat", "CentOS", "Rocky", "AlmaLinux", "Fedora", "Scientific", "CloudLinux", "EuroLinux"],
    ),
    ("/etc/os-release", "Amazon", &["Amazon"]),
    ("/etc/alpine-release", "Alpine", &["Alpine"]),
    ("/etc/arch-release", "Archlinux", &["Archlinux"]),
    ("/etc/os-release", "Archlinux", &["Archlinux"]),
    (
        "/etc/os-release",
        "SUSE",
        &["SLES", "SLES_SAP", "SLED", "openSUSE", "openSUSE Leap", "openSUSE Tumbleweed", "openSUSE MicroOS"],
    ),
    ("/etc/gentoo-release", "Gentoo", &["Gentoo"]),
    (
        "/etc/os-release",
        "Debian",
        &[
            "Debian",
            "Ubuntu",
            "Linux Mint",
            "Kali",
            "Devuan",
            "Pop!_OS",
            "KDE neon",
            "Parrot",
            "Deepin",
            "Uos",
            "Cumulus Linux",
            "SteamOS",
            "OSMC",
        ],
    ),
];

/// Reads it.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let mut release = look.text("/etc/os-release");
    if release.is_empty() {
        release = look.text("/usr/lib/os-release");
    }
    let field = |name: &str| assigned(&release, name).unwrap_or_default();
    let id = field("ID");
    let known = KNOWN.iter().find(|(known, ..)| *known == id);
    let (name, family) =
        known.map_or_else(|| unlisted(id, field("ID_LIKE")), |(_, name, family)| ((*name).into(), (*family).into()));
    let version = version(look, &name, field("VERSION_ID"));
    let mut parts = version.split('.');
    let major = parts.next().filter(|s| !s.is_empty()).unwrap_or("NA").to_owned();
    let minor = parts.next().map(str::to_owned);
    put(
        facts,
        [
            ("distribution", Value::str(&name)),
            ("distribution_version", Value::str(&version)),
            ("distribution_major_version", Value::str(&major)),
            ("distribution_release", Value::from(codename(&name, &version, &release))),
            ("os_family", Value::str(&family)),
        ],
    );
    if let Some(minor) = minor.filter(|_| matches!(name.as_str(), "Debian" | "Amazon")) {
        facts.insert("distribution_minor_version".into(), Value::from(minor));
    }
    found_in(look, facts, &name);
    lsb(look, facts, &release, &version);
}

/// A distribution without an entry: its name with a capital, and the family of the first relative that has one.
fn unlisted(id: &str, like: &str) -> (String, String) {
    let mut letters = id.chars();
    let name: String = letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_else(|| "NA".into());
    let relative = like.split_whitespace().find_map(|like| KNOWN.iter().find(|(known, ..)| *known == like));
    let family = relative.map_or_else(|| name.clone(), |(_, _, family)| (*family).to_owned());
    (name, family)
}

/// The version; Debian and CentOS write the whole of it elsewhere.
fn version(look: Look<'_>, name: &str, id: &str) -> String {
    let more = match name {
        "Debian" => look.line("/etc/debian_version").filter(|v| v.starts_with(|c: char| c.is_ascii_digit())),
        "CentOS" => look.line("/etc/centos-release").and_then(|line| numeric_word(&line)),
        "Alpine" => look.line("/etc/alpine-release"),
        _ => None,
    };
    let version = more.unwrap_or_else(|| id.to_owned());
    let version = if name == "CentOS" { first_two(&version) } else { version };
    let missing = if name == "Archlinux" { "rolling" } else { "NA" };
    if version.is_empty() { missing.to_owned() } else { version }
}

fn numeric_word(line: &str) -> Option<String> {
    line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

/// `7.9.2009` is 7.9.
fn first_two(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn codename(name: &str, version: &str, release: &str) -> String {
    let field = |key: &str| assigned(release, key);
    if name == "CentOS" && field("NAME").is_some_and(|n| n.contains("Stream")) {
        return "Stream".to_owned();
    }
    if name.starts_with("openSUSE Leap") || name.starts_with("SLE") {
        return version.split_once('.').map_or("0", |(_, minor)| minor).to_owned();
    }
    let in_brackets = || {
        let (_, rest) = field("VERSION")?.split_once('(')?;
        rest.split_once(')').map(|(word, _)| word)
    };
    let codename = field("VERSION_CODENAME").or_else(|| field("UBUNTU_CODENAME")).or_else(in_brackets);
    codename.unwrap_or("NA").to_owned()
}

fn found_in(look: Look<'_>, facts: &mut Map, name: &str) {
    let found = FILES.iter().find(|(path, _, names)| names.contains(&name) && look.exists(path));
    if let Some((path, variety, _)) = found {
        put(
            facts,
            [
                ("distribution_file_parsed", Value::Bool(true)),
                ("distribution_file_path", Value::str(path)),
                ("distribution_file_variety", Value::str(variety)),
            ],
        );
    }
}

/// What `lsb_release` would say, without starting it.
fn lsb(look: Look<'_>, facts: &mut Map, release: &str, version: &str) {
    let own = look.text("/etc/lsb-release");
    let has_program = look.exists("/usr/bin/lsb_release") || look.exists("/bin/lsb_release");
    if !has_program && own.is_empty() {
        facts.insert("lsb".into(), Value::map::<&str>([]));
        return;
    }
    let pick =
        |lsb: &str, os: &str| assigned(&own, lsb).or_else(|| assigned(release, os)).unwrap_or_default().to_owned();
    let id = assigned(&own, "DISTRIB_ID")
        .map_or_else(|| facts.get("distribution").map(Value::to_string).unwrap_or_default(), str::to_owned);
    let number = pick("DISTRIB_RELEASE", "VERSION_ID");
    let number = if number.is_empty() { version.to_owned() } else { number };
    let major = number.split('.').next().unwrap_or_default().to_owned();
    facts.insert(
        "lsb".into(),
        Value::map([
            ("id", Value::from(id)),
            ("release", Value::from(number)),
            ("major_release", Value::from(major)),
            ("codename", Value::from(pick("DISTRIB_CODENAME", "VERSION_CODENAME"))),
            ("description", Value::from(pick("DISTRIB_DESCRIPTION", "PRETTY_NAME"))),
        ]),
    );
}
