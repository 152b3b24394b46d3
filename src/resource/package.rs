//! `package`: packages, whatever the package manager.

use super::apt::Apt;
use super::args::ParamErrorKind;
use super::params::{ParamSpec, joined, params};
use super::{Args, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::Machine;
use crate::value::Value;

params! {
    /// Manages packages with the package manager of the host. cfg knows apt so far, and hands it every parameter but `use`.
    ///
    /// # Example
    /// ```yaml
    /// - package: { name: [git, rsync], state: present, update_cache: true }
    /// ```
    pub struct Dispatcher {
        /// The package manager: `auto` for the one of the host, or `apt`. The variable `ansible_package_use` says it too.
        r#use: String = "auto", named "use";
    }
}

/// What the package manager was given.
#[derive(Debug)]
pub struct Package(Apt);

/// The parameters of apt and this type's own, as one table.
const ALL: [ParamSpec; Apt::PARAMS.len() + Dispatcher::PARAMS.len()] = {
    let mut all: [ParamSpec; Apt::PARAMS.len() + Dispatcher::PARAMS.len()] = joined(Apt::PARAMS, Dispatcher::PARAMS);
    // apt can do something without packages, this type cannot.
    all[0].required = true;
    all
};

impl Package {
    /// The documentation of the type.
    pub const DOC: &'static str = Dispatcher::DOC;

    /// The parameters.
    pub const PARAMS: &'static [ParamSpec] = &ALL;

    /// Reads the arguments of a task.
    ///
    /// # Errors
    /// Where one is unknown, missing, or of the wrong type.
    pub fn from_args(mut args: Args) -> Result<Self, ParamError> {
        let mut own = crate::value::Map::new();
        own.extend(args.take("use", &[])?.map(|arg| (arg.name.into(), arg.value)));
        let Dispatcher { r#use } = Dispatcher::from_args(Args::new(own))?;
        if !matches!(r#use.as_str(), "auto" | "apt" | "ansible.builtin.apt") {
            let message = format!("Could not find a matching action for the \"{}\" package manager.", r#use);
            return Err(ParamError::bad("use", message));
        }
        let mut given = args.into_map();
        let name = ALL.iter().find(|spec| spec.required);
        if name.is_some_and(|spec| !spec.names().any(|name| given.contains_key(name))) {
            let message = "missing required arguments: name".to_owned();
            return Err(ParamError { param: None, message, kind: ParamErrorKind::Missing });
        }
        // Words of other package managers.
        if let Some(state) = given.get_mut("state") {
            match state.as_str() {
                Some("installed") => *state = Value::str("present"),
                Some("removed") => *state = Value::str("absent"),
                _ => {}
            }
        }
        Apt::from_args(Args::new(given)).map(Self)
    }

    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where a name is not one of a package.
    pub fn check(&self) -> Result<(), ParamError> {
        self.0.check()
    }
}

impl Resource for Package {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        self.0.converge(machine, context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn packages() {
        let bench = Bench::with(&[]);
        assert_eq!(bench.settle("package", "{name: 'a,b', state: absent}").1, 0);
        assert_eq!(bench.settle("package", "{name: a, state: removed, purge: true, autoremove: false}").1, 0);
        assert!(
            bench.fails("package", "{name: a, state: present, use: dnf}").contains("matching action for the \"dnf\"")
        );
        assert!(bench.fails("package", "{name: a, state: installed}").contains("no package manager"));
        assert!(bench.fails("package", "{name: a, enablerepo: epel}").contains("enablerepo"));
        assert!(bench.fails("package", "{state: latest}").contains("missing required arguments: name"));
    }
}
