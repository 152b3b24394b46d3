//! `package`: packages, whatever the package manager.

use super::apt::Apt;
use super::params::params;
use super::types::choices;
use super::{Args, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::Machine;
use crate::value::Value;

choices! {
    /// What is wanted of packages.
    pub enum State {
        /// Installed, in any version.
        Present = "present" | "installed",
        /// Installed, in the newest version there is.
        Latest = "latest",
        /// Not installed.
        Absent = "absent" | "removed",
    }
}

choices! {
    /// The package manager.
    pub enum Manager {
        /// The one of the host.
        Auto = "auto",
        /// apt.
        Apt = "apt" | "ansible.builtin.apt",
    }
}

params! {
    /// Manages packages with the package manager of the host. cfg knows apt so far.
    ///
    /// # Example
    /// ```yaml
    /// - package: { name: [git, rsync], state: present }
    /// ```
    pub struct Package {
        /// Packages, in the words of the package manager.
        name: Vec<String>, required, alias "pkg";
        /// What is wanted of them.
        state: State = State::Present;
        /// The package manager.
        r#use: Manager = Manager::Auto, named "use";
    }
}

impl Package {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where a name is not one of a package.
    pub fn check(&self) -> Result<(), ParamError> {
        self.provider()?.check()
    }

    fn provider(&self) -> Result<Apt, ParamError> {
        let (Manager::Auto | Manager::Apt) = self.r#use;
        let state = match self.state {
            State::Present => "present",
            State::Latest => "latest",
            State::Absent => "absent",
        };
        let names = Value::list(self.name.iter().map(Value::str));
        Apt::from_args(Args::new([("name".into(), names), ("state".into(), Value::str(state))].into_iter().collect()))
    }
}

impl Resource for Package {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        self.provider().map_err(|e| Failure::new(e.message))?.converge(machine, context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn packages() {
        let bench = Bench::with(&[]);
        assert_eq!(bench.settle("package", "{name: 'a,b', state: absent}").1, 0);
        assert!(bench.fails("package", "{name: a, state: present, use: dnf}").contains("expected one of auto, apt"));
        assert!(bench.fails("package", "{name: a, state: present}").contains("no package manager"));
    }
}
