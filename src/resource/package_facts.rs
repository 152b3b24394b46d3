//! `package_facts`: the installed packages, as facts.

use super::params::params;
use super::types::choices;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Machine, Package};
use crate::value::{Map, Value};

choices! {
    /// How many package managers to ask.
    pub enum Strategy {
        /// The first that is there.
        First = "first",
        /// All of them.
        All = "all",
    }
}

params! {
    /// Reads the installed packages as the fact `packages`. It changes nothing; in a plan it says what would be installed
    /// by then.
    ///
    /// cfg reads the packages of apt. Their `origin` is not read. Other package managers that are asked for are passed over with
    /// a warning, as Ansible passes over those it cannot use.
    ///
    /// # Example
    /// ```yaml
    /// - package_facts:
    /// - command: redis-cli ping
    ///   when: "'redis' in ansible_facts.packages"
    /// ```
    pub struct PackageFacts {
        /// The package managers to ask, in this order: `auto`, `apt`, or others, which are passed over.
        manager: Option<Vec<String>>;
        /// Ask the first one that is there, or all.
        strategy: Strategy = Strategy::First;
    }
}

/// Package managers of other systems, as Ansible calls them.
const OTHERS: &[&str] = &["apk", "dnf", "dnf5", "pacman", "pkg", "pkg5", "pkg_info", "portage", "rpm", "yum", "zypper"];

impl PackageFacts {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where something is asked for that is no package manager.
    pub fn check(&self) -> Result<(), ParamError> {
        let known = |name: &str| matches!(name, "auto" | "apt") || OTHERS.contains(&name);
        match self.manager.iter().flatten().find(|name| !known(name)) {
            Some(name) => Err(ParamError::bad("manager", format!("Unsupported package managers requested: {name}"))),
            None => Ok(()),
        }
    }

    /// What was asked for and cannot be read: under `first`, only what comes before apt.
    fn passed_over(&self) -> Vec<&str> {
        let names = self.manager.iter().flatten().map(String::as_str);
        let apt = |name: &str| matches!(name, "auto" | "apt");
        match self.strategy {
            Strategy::First => names.take_while(|name| !apt(name)).collect(),
            Strategy::All => names.filter(|name| !apt(name)).collect(),
        }
    }

    fn asks_apt(&self) -> bool {
        self.manager.as_ref().is_none_or(|names| names.iter().any(|name| matches!(name.as_str(), "auto" | "apt")))
    }
}

fn entry(package: &Package) -> Value {
    // What a plan foresees has its version only.
    let known = |text: &str| if text.is_empty() { Value::Unknown } else { Value::str(text) };
    Value::list([Value::map([
        ("name", Value::str(&package.name)),
        ("version", Value::str(&package.version)),
        ("arch", known(&package.arch)),
        ("category", known(&package.section)),
        ("source", Value::str("apt")),
    ])])
}

impl Resource for PackageFacts {
    fn footprint(&self) -> Footprint {
        Footprint::observer()
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let warning = |name: &str| {
            Value::from(format!(
                "Requested package manager {name} was not usable by this module: cfg reads the packages of apt"
            ))
        };
        let warnings: Vec<Value> = self.passed_over().into_iter().map(warning).collect();
        if !self.asks_apt() {
            let list = Value::list(self.manager.iter().flatten().map(Value::str));
            let message = format!("Could not detect a supported package manager from the following list: {list}");
            let result = Map::from_iter([("warnings".into(), Value::from(warnings))]);
            return Err(Failure { result, ..Failure::new(message) });
        }
        let packages: Map = machine.installed()?.iter().map(|p| (p.name.as_str().into(), entry(p))).collect();
        let mut outcome = Outcome::default();
        if !warnings.is_empty() {
            outcome.result.insert("warnings".into(), Value::from(warnings));
        }
        outcome.facts.insert("packages".into(), Value::from(packages));
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn packages() {
        let bench = Bench::with(&[]);
        let (outcome, changes) = bench.settle("package_facts", "{manager: auto}");
        assert_eq!((outcome.facts.get("packages"), changes), (Some(&Value::from(Map::new())), 0));
        let table = [
            ("{manager: [apt, rpm]}", 0),
            ("{manager: [rpm, apk, apt]}", 2),
            ("{manager: [apt, rpm], strategy: all}", 1),
        ];
        for (args, warnings) in table {
            let (outcome, _) = bench.settle("package_facts", args);
            let found = outcome.result.get("warnings").and_then(Value::as_list).map_or(0, <[Value]>::len);
            assert_eq!((found, outcome.facts.contains_key("packages")), (warnings, true), "{args}");
        }
        assert!(bench.fails("package_facts", "{manager: apk}").contains("['apk']"));
        assert!(bench.fails("package_facts", "{manager: nosuch}").contains("nosuch"));
        let redis = Package { name: "redis".into(), version: "7".into(), ..Package::default() };
        let shown = entry(&redis).as_list().unwrap()[0].clone();
        assert_eq!(shown.get("version"), Some(&Value::str("7")));
        assert_eq!(shown.get("arch"), Some(&Value::Unknown));
    }
}
