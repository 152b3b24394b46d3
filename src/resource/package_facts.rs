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
    /// cfg reads the packages of apt. Their `origin` is not read.
    ///
    /// # Example
    /// ```yaml
    /// - package_facts:
    /// - command: redis-cli ping
    ///   when: "'redis' in ansible_facts.packages"
    /// ```
    pub struct PackageFacts {
        /// The package managers to ask: `auto` or `apt`.
        manager: Option<Vec<String>>;
        /// Ask the first one that is there, or all.
        strategy: Strategy = Strategy::First;
    }
}

impl PackageFacts {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where another package manager is asked for.
    pub fn check(&self) -> Result<(), ParamError> {
        // With one package manager to ask, both are the same.
        let (Strategy::First | Strategy::All) = self.strategy;
        match self.manager.iter().flatten().find(|name| !matches!(name.as_str(), "auto" | "apt")) {
            Some(name) => Err(ParamError::bad("manager", format!("cfg reads the packages of apt, not of `{name}`"))),
            None => Ok(()),
        }
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
        let packages: Map = machine.installed()?.iter().map(|p| (p.name.as_str().into(), entry(p))).collect();
        let mut outcome = Outcome::default();
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
        assert!(bench.fails("package_facts", "{manager: [apt, rpm]}").contains("`rpm`"));
        let redis = Package { name: "redis".into(), version: "7".into(), ..Package::default() };
        let shown = entry(&redis).as_list().unwrap()[0].clone();
        assert_eq!(shown.get("version"), Some(&Value::str("7")));
        assert_eq!(shown.get("arch"), Some(&Value::Unknown));
    }
}
