//! `tempfile`: a new file or directory for a while.

use std::path::{Path, PathBuf};

use super::params::params;
use super::types::choices;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource, file};
use crate::machine::{Command, Machine, Output};
use crate::value::Value;

choices! {
    /// What is made.
    pub enum State {
        /// A file.
        File = "file",
        /// A directory.
        Directory = "directory",
    }
}

params! {
    /// Makes a new empty file or directory that only its owner can enter. Its name is known after apply.
    ///
    /// # Example
    /// ```yaml
    /// - tempfile: { state: directory, suffix: build }
    ///   register: scratch
    /// ```
    pub struct Tempfile {
        /// What is made.
        state: State = State::File;
        /// The directory it is made in; that of the system for such things where none is given.
        path: Option<PathBuf>;
        /// How its name starts.
        prefix: String = "ansible.";
        /// How its name ends.
        suffix: String = "";
    }
}

impl Tempfile {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the name would be a path.
    pub fn check(&self) -> Result<(), ParamError> {
        for (param, text) in [("prefix", &self.prefix), ("suffix", &self.suffix)] {
            if text.contains('/') || text.starts_with('-') {
                return Err(ParamError::bad(param, format!("{param} must be a valid file name component")));
            }
        }
        Ok(())
    }

    /// mktemp(1) makes the name, so that a dry run does not know it.
    fn command(&self, context: &Context) -> Command {
        let mut argv = vec!["mktemp".to_owned()];
        if self.state == State::Directory {
            argv.push("--directory".into());
        }
        argv.push(match &self.path {
            Some(dir) => format!("--tmpdir={}", dir.display()),
            None => "--tmpdir".to_owned(),
        });
        argv.push(format!("--suffix={}", self.suffix));
        argv.push(format!("{}XXXXXXXX", self.prefix));
        Command { env: context.environment.clone(), ..Command::new(argv) }
    }
}

impl Resource for Tempfile {
    fn footprint(&self) -> Footprint {
        // A new name is in nobody's way.
        Footprint::nothing()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        match machine.run(&self.command(context))? {
            Output::Unknown => Ok(Outcome::of([("path", Value::Unknown)]).changed(true)),
            Output::Known(stdio) if stdio.ok() => {
                let text = stdio.out();
                Ok(file::result(machine, Path::new(text.trim_end_matches('\n')))?.changed(true))
            }
            Output::Known(stdio) => Err(Failure::new(format!("no temporary file can be made: {}", stdio.tail()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use crate::value::Value;

    #[test]
    fn a_plan_does_not_know_the_name() {
        let bench = Bench::with(&[]);
        let (outcome, _) = bench.run("tempfile", "{state: directory}").unwrap();
        assert_eq!(outcome.result.get("path"), Some(&Value::Unknown));
        assert_eq!(outcome.changed, Some(Value::Bool(true)));
        assert!(bench.fails("tempfile", "{suffix: a/b}").contains("suffix must be a valid file name component"));
    }
}
