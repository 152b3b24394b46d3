//! `shell`: runs a command line in a shell.

use super::params::params;
use super::program::{Program, directory, input};
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Command, Inspect, Machine};
use crate::value::Value;

params! {
    /// Runs a command line in a shell, with its pipes, variables and redirections.
    ///
    /// It runs, and counts as changed, each time, unless `creates` or `removes` say that there is nothing to do. In a
    /// plan it does not run; what it would write is known after apply.
    ///
    /// # Example
    /// ```yaml
    /// - shell: { cmd: "sort names | uniq > sorted", chdir: /srv, creates: sorted }
    /// ```
    pub struct Shell {
        /// The command line.
        cmd: String, required, alias "_raw_params";
        /// The shell, by its absolute path; `/bin/sh` where none is given.
        executable: Option<String>;
        /// The directory to run in.
        chdir: Option<String>;
        /// Do not run where this path, or a path that matches this pattern, exists.
        creates: Option<String>;
        /// Do not run where this path, or a path that matches this pattern, does not exist.
        removes: Option<String>;
        /// Text for standard input.
        stdin: Option<String>;
        /// End the text for standard input with a newline.
        stdin_add_newline: bool = true;
        /// Take empty lines off the end of the output.
        strip_empty_ends: bool = true;
    }
}

impl Shell {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the command is empty.
    pub fn check(&self) -> Result<(), ParamError> {
        match self.cmd.trim() {
            "" => Err(ParamError::conflict("no command is given")),
            _ => Ok(()),
        }
    }

    fn program(&self, machine: &dyn Inspect) -> Result<Program<'_>, Failure> {
        let mut command = Command::new([self.executable.as_deref().unwrap_or("/bin/sh"), "-c", &self.cmd]);
        command.chdir = directory(machine, self.chdir.as_deref())?;
        command.stdin = input(self.stdin.as_deref(), self.stdin_add_newline);
        let (creates, removes) = (self.creates.as_deref(), self.removes.as_deref());
        Ok(Program { command, shown: Value::from(joined(&self.cmd)), creates, removes, strip: self.strip_empty_ends })
    }
}

/// The command line as Ansible shows it: outside of quotes, a line that ends in a backslash goes on.
fn joined(text: &str) -> String {
    let mut out = String::new();
    let (mut quote, mut escaped) = (None, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if quote.is_none() && c == '\\' && !escaped && out.ends_with(' ') && chars.next_if_eq(&'\n').is_some() {
            continue;
        }
        match quote {
            Some(open) if c == open && !escaped => quote = None,
            None if matches!(c, '"' | '\'') && !escaped => quote = Some(c),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

impl Resource for Shell {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        self.program(machine)?.converge(machine, context)
    }

    fn refresh(&self, machine: &dyn Machine, context: &Context) -> Option<Result<Outcome, Failure>> {
        Some(self.program(machine).and_then(|program| program.run(machine, context)))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_that_go_on() {
        let table =
            [("a \\\n\"b \\\nc\" d", "a \"b \\\nc\" d"), ("a\\\nb", "a\\\nb"), ("echo \\\" \\\nx", "echo \\\" x")];
        for (text, shown) in table {
            assert_eq!(super::joined(text), shown);
        }
    }
}
