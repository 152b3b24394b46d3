//! `command`: runs a program, without a shell.

use super::params::params;
use super::program::{Program, directory, expand_home, input};
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource, Words};
use crate::machine;
use crate::machine::{Inspect, Machine};
use crate::value::Value;

params! {
    /// Runs a program with arguments, without a shell.
    ///
    /// It runs, and counts as changed, each time, unless `creates` or `removes` say that there is nothing to do. In a
    /// plan it does not run; what it would write is known after apply.
    ///
    /// # Example
    /// ```yaml
    /// - command: { cmd: make install, chdir: /usr/src/app, creates: /usr/local/bin/app }
    /// ```
    pub struct Command {
        /// The command line. It is split into words as a shell would; nothing else of a shell works.
        cmd: Option<Words>, alias "_raw_params";
        /// The program and its arguments as a list.
        argv: Option<Words>;
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
        /// It has no effect since Ansible 2.4: there is no shell. Giving it is a warning; use `shell`.
        executable: Option<String>;
        /// Expand `$NAME`, `${NAME}` and a leading `~` in the words. What is not set stays as it is written.
        expand_argument_vars: bool = true;
    }
}

impl Command {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where there is not exactly one command.
    pub fn check(&self) -> Result<(), ParamError> {
        match (&self.cmd, &self.argv) {
            (Some(_), Some(_)) => Err(ParamError::conflict("parameters are mutually exclusive: `cmd`, `argv`")),
            (Some(words), None) | (None, Some(words)) if !words.0.is_empty() => Ok(()),
            _ => Err(ParamError::conflict("no command is given; one of the following is required: `cmd`, `argv`")),
        }
    }

    fn program(&self, machine: &dyn Inspect, context: &Context) -> Result<Program<'_>, Failure> {
        let words = self.cmd.as_ref().or(self.argv.as_ref()).map(|words| words.0.clone()).unwrap_or_default();
        let words: Vec<String> = match self.expand_argument_vars {
            true => words.iter().map(|word| expand(machine, context, word)).collect::<Result<_, _>>()?,
            false => words,
        };
        let shown = Value::list(words.iter().map(Value::str));
        let mut command = machine::Command::new(words);
        command.chdir = directory(machine, self.chdir.as_deref())?;
        command.stdin = input(self.stdin.as_deref(), self.stdin_add_newline);
        let (creates, removes) = (self.creates.as_deref(), self.removes.as_deref());
        Ok(Program { command, shown, creates, removes, strip: self.strip_empty_ends })
    }
}

impl Resource for Command {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let mut outcome = self.program(machine, context)?.converge(machine, context)?;
        if let Some(shell) = &self.executable {
            let warning =
                format!("`command` runs no shell; `executable` is no longer supported, and {shell} is not used");
            outcome.result.insert("warnings".into(), Value::list([Value::from(warning)]));
        }
        Ok(outcome)
    }

    fn refresh(&self, machine: &dyn Machine, context: &Context) -> Option<Result<Outcome, Failure>> {
        Some(self.program(machine, context).and_then(|program| program.run(machine, context)))
    }
}

/// Expands variables and a leading `~` in a word, from the task's environment, then that of the user on the target.
pub(super) fn expand(machine: &dyn Inspect, context: &Context, word: &str) -> Result<String, Failure> {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, written, after) = variable(after);
        match name.map_or(Ok(None), |name| lookup(machine, context, name))? {
            Some(value) => out.push_str(&value),
            None => out.extend(["$", written]),
        }
        rest = after;
    }
    out.push_str(rest);
    expand_home(machine, &out)
}

/// The name of a variable behind a `$`, how it is written there, and what follows.
fn variable(text: &str) -> (Option<&str>, &str, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some((name, after)) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        let length = text.len() - after.len();
        return (Some(name), text.get(..length).unwrap_or_default(), after);
    }
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    ((!name.is_empty()).then_some(name), name, after)
}

fn lookup(machine: &dyn Inspect, context: &Context, name: &str) -> Result<Option<String>, Failure> {
    if let Some((_, value)) = context.environment.iter().find(|(key, _)| key == name) {
        return Ok(Some(value.clone()));
    }
    let output = machine.probe(&machine::Command::new(["printenv", name]))?;
    let set = output.known().filter(|stdio| stdio.ok() && !stdio.stdout.is_empty());
    Ok(set.map(|stdio| stdio.out().trim_end_matches('\n').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn a_plan_does_not_know_what_it_writes() {
        let bench = Bench::with(&[("/etc/there", "")]);
        for kind in ["command", "shell", "raw"] {
            let (outcome, changes) = bench.run(kind, "uname -a").unwrap();
            assert_eq!(outcome.changed, Some(Value::Bool(true)));
            assert_eq!(outcome.result.get("stdout"), Some(&Value::Unknown));
            assert_eq!(outcome.result.get("rc"), Some(&Value::Unknown));
            assert_eq!(changes, []);
        }
        assert!(bench.fails("command", "{cmd: uname, chdir: /nowhere}").contains("/nowhere"));
        assert!(bench.fails("command", "{}").contains("no command"));
        assert!(bench.fails("command", "{cmd: uname, warn: false}").contains("`warn`"));
    }

    #[test]
    fn what_cannot_run_has_a_status() {
        use super::super::{Args, testing::args};
        let live = machine::Live::new(None, machine::Cancel::default());
        let run = |text: &str| {
            let parsed: Args = args("command", text);
            Command::from_args(parsed).unwrap().converge(&live, &Context::default()).unwrap_err()
        };
        assert_eq!(run("no-such-program").result.get("rc"), Some(&Value::Int(2)));
        let failure = run("ls /nonexistent");
        assert_eq!(
            (failure.message.as_str(), failure.result.get("rc")),
            ("non-zero return code", Some(&Value::Int(2)))
        );
        assert!(failure.result.contains_key("stderr"));
    }

    #[test]
    fn guards() {
        let bench = Bench::with(&[("/etc/there", "")]);
        let table = [
            ("{cmd: x, creates: /etc/there}", "skipped, since /etc/there exists"),
            ("{cmd: x, creates: /etc/th*}", "skipped, since /etc/th* exists"),
            ("{cmd: x, chdir: /etc, creates: there}", "skipped, since there exists"),
            ("{cmd: x, removes: /etc/not}", "skipped, since /etc/not does not exist"),
        ];
        for (args, expected) in table {
            for kind in ["command", "shell"] {
                let (outcome, _) = bench.run(kind, args).unwrap();
                assert_eq!(outcome.changed, Some(Value::Bool(false)), "{args}");
                assert_eq!(outcome.result.get("stdout"), Some(&Value::str(expected)));
            }
        }
        let (outcome, _) = bench.run("command", "{cmd: x, removes: /etc/there, creates: /etc/z*}").unwrap();
        assert_eq!(outcome.changed, Some(Value::Bool(true)));
    }

    #[test]
    fn words_are_expanded() {
        let bench = Bench::with(&[]);
        let context = Context { environment: vec![("A".into(), "1".into())], ..Context::default() };
        let table = [
            ("$A-${A}x", "1-1x"),
            ("~/b", "/root/b"),
            ("$ 5$", "$ 5$"),
            ("$NOT_SET/${X", "$NOT_SET/${X"),
            ("~nobody/", "~nobody/"),
        ];
        for (word, expected) in table {
            assert_eq!(expand(&*bench.0, &context, word).unwrap(), expected);
        }
    }
}
