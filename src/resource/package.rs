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
        /// The package manager: `auto` for the one of the host, or `apt`. The variable `ansible_package_use` says it too.
        r#use: String = "auto", named "use";
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
        if !matches!(self.r#use.as_str(), "auto" | "apt" | "ansible.builtin.apt") {
            let message = format!("Could not find a matching action for the \"{}\" package manager.", self.r#use);
            return Err(ParamError::bad("use", message));
        }
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
        assert!(
            bench.fails("package", "{name: a, state: present, use: dnf}").contains("matching action for the \"dnf\"")
        );
        assert!(bench.fails("package", "{name: a, state: present}").contains("no package manager"));
    }
}
