//! `raw`: a command line as it is.

use super::params::params;
use super::program::Program;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Command, Machine};
use crate::value::Value;

params! {
    /// Runs a command line in a shell, each time.
    ///
    /// In Ansible this is the way to hosts without Python. cfg needs none, so it is `shell` without its guards.
    ///
    /// # Example
    /// ```yaml
    /// - raw: apt-get -y install python3
    /// ```
    pub struct Raw {
        /// The command line.
        cmd: String, required, alias "_raw_params" "free_form";
        /// The shell, by its absolute path; `/bin/sh` where none is given.
        executable: Option<String>;
    }
}

impl Raw {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the command is empty.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.cmd.trim().is_empty() { Err(ParamError::conflict("no command is given")) } else { Ok(()) }
    }
}

impl Resource for Raw {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let command = Command::new([self.executable.as_deref().unwrap_or("/bin/sh"), "-c", &self.cmd]);
        Program { command, shown: Value::str(&self.cmd), creates: None, removes: None, strip: false }
            .run(machine, context)
    }

    fn refresh(&self, machine: &dyn Machine, context: &Context) -> Option<Result<Outcome, Failure>> {
        Some(self.converge(machine, context))
    }
}
