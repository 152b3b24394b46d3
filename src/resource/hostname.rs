//! `hostname`: the name of the machine.

use std::path::{Path, PathBuf};

use super::edit::Edit;
use super::params::params;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::Machine;
use crate::value::Value;

/// Where the name is kept, and where the kernel takes it.
const FILE: &str = "/etc/hostname";
const KERNEL: &str = "/proc/sys/kernel/hostname";

choices! {
    /// How a name is kept.
    pub enum Strategy {
        /// In `/etc/hostname`, as Debian does.
        Debian = "debian",
        /// In `/etc/hostname`, where systemd-hostnamed reads it.
        Systemd = "systemd",
    }
}

params! {
    /// Sets the name of the machine, now and for the next start. `/etc/hosts` stays as it is.
    ///
    /// # Example
    /// ```yaml
    /// - hostname: { name: web01 }
    /// ```
    pub struct Hostname {
        /// The name.
        name: String, required;
        /// How the name is kept. Both ways write `/etc/hostname` and tell the kernel; cfg knows no others.
        using: Option<Strategy>, named "use";
    }
}

impl Hostname {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where it is no name of a host.
    pub fn check(&self) -> Result<(), ParamError> {
        // Both strategies there are come to the same.
        let (None | Some(Strategy::Debian | Strategy::Systemd)) = self.using;
        let part = |label: &str| {
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !label.is_empty() && label.chars().all(valid) && !label.starts_with('-') && !label.ends_with('-')
        };
        if self.name.len() > 64 {
            return Err(ParamError::bad("name", "a host name has at most 64 characters"));
        }
        if !self.name.split('.').all(part) {
            return Err(ParamError::bad(
                "name",
                format!("`{}` is no host name: letters, digits, `-` and `.`", self.name),
            ));
        }
        Ok(())
    }

    /// The file with the name in place of the old one; comments stay.
    fn edited(&self, text: &str) -> String {
        let is_name = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if text.lines().find(is_name).map(str::trim) == Some(self.name.as_str()) {
            return text.to_owned();
        }
        let comments: String = text.lines().filter(|line| line.starts_with('#')).map(|l| format!("{l}\n")).collect();
        format!("{comments}{}\n", self.name)
    }
}

impl Resource for Hostname {
    fn footprint(&self) -> Footprint {
        Footprint::nothing().write(Claim::Path(PathBuf::from(FILE))).write(Claim::Path(PathBuf::from(KERNEL)))
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let edit = Edit { path: Path::new(FILE), backup: false, validate: None, wanted: Default::default() };
        let opened = edit.open(machine)?;
        let before = opened.text.clone().unwrap_or_default();
        let after = self.edited(&before);
        if before != after || opened.text.is_none() {
            edit.save(machine, context, &opened, after, "")?;
        }
        let now = String::from_utf8_lossy(&machine.read(Path::new(KERNEL), 4096)?).trim().to_owned();
        if now != self.name {
            machine.poke(Path::new(KERNEL), &format!("{}\n", self.name))?;
        }
        let (short, domain) = self.name.split_once('.').unwrap_or((&self.name, ""));
        let mut outcome = Outcome::of([("name", Value::str(&self.name))]);
        for (fact, value) in [("hostname", short), ("nodename", &self.name), ("fqdn", &self.name), ("domain", domain)] {
            outcome.facts.insert(format!("ansible_{fact}").into(), Value::str(value));
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    fn bench(file: &str, now: &str) -> Bench {
        let bench = Bench::with(&[("/etc/hostname", file)]);
        bench.run("file", "{path: /proc/sys/kernel, state: directory}").unwrap();
        bench.run("copy", &format!("{{dest: /proc/sys/kernel/hostname, content: '{now}'}}")).unwrap();
        bench
    }

    #[test]
    fn names() {
        let table =
            [("a\n", "a", "web01\n", 2), ("web01\n", "a", "web01\n", 1), ("#c\na\n", "web01", "#c\nweb01\n", 1)];
        for (file, now, after, changes) in table {
            let bench = bench(file, now);
            assert_eq!(bench.settle("hostname", "{name: web01, use: systemd}").1, changes, "{file}");
            assert_eq!(bench.read("/etc/hostname"), after);
            assert_eq!(bench.read("/proc/sys/kernel/hostname").trim(), "web01");
        }
        let (outcome, _) = bench("", "").settle("hostname", "{name: web01.example.com}");
        assert_eq!(outcome.facts.get("ansible_domain").unwrap().to_string(), "example.com");
        for name in ["a b", "-a", "", "a..b", "ä"] {
            assert!(bench("", "").fails("hostname", &format!("{{name: '{name}'}}")).contains("host name"), "{name}");
        }
        assert!(bench("", "").fails("hostname", "{name: a, use: openrc}").contains("systemd"));
    }
}
