//! `reboot`: restarts the machine and waits until it is there again.
//!
//! An agent does not outlive that. So the task comes in phases, each a task of its own on the target, and the controller
//! leads through them: it connects anew in between (`fleet::reboot`).

use std::path::PathBuf;
use std::time::Duration;

use super::params::params;
use super::types::{Words, choices};
use super::{Context, Failure, Footprint, Outcome, ParamError, Patience, Resource};
use crate::machine::{Command, Machine, Output};
use crate::value::{Map, Value};

/// The key of a result that says that the machine is to go down now. It is taken out again by the controller.
pub const GOES_DOWN: &str = "_goes_down";

/// How a machine tells one start from another.
const BOOT_TIME: &str = "cat /proc/sys/kernel/random/boot_id";

/// Where shutdown(8) is.
const PLACES: &[&str] = &["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin"];

choices! {
    /// What is to be done of a reboot.
    pub enum Phase {
        /// Foresee that it will happen.
        Foresee = "foresee",
        /// Say whether it is to happen now.
        Announce = "announce",
        /// Refuse it: it would be the controller's own machine.
        Local = "local",
        /// Do it.
        Go = "go",
        /// Say whether the machine is well again.
        After = "after",
    }
}

params! {
    /// Restarts the machine, waits until it is there again, and goes on with the play. What ran in the background is gone;
    /// results, facts and notifications stay. A plan says that it would happen.
    ///
    /// # Example
    /// ```yaml
    /// - reboot: { reboot_timeout: 300, msg: "New kernel" }
    ///   become: true
    /// ```
    pub struct Reboot {
        /// Seconds before it goes down, in whole minutes: shutdown(8) knows no others.
        pre_reboot_delay: i64 = 0;
        /// Seconds to wait once it is there again.
        post_reboot_delay: i64 = 0;
        /// Seconds until it has to be there again.
        reboot_timeout: i64 = 600;
        /// Seconds a single try to connect may take.
        connect_timeout: i64 = 5, alias "connect_timeout_sec";
        /// What has to end well before the play goes on; without it, that cfg can work there is enough.
        test_command: Option<Words>;
        /// What users who are logged in are told.
        msg: String = "Reboot initiated by cfg";
        /// Where shutdown(8) is looked for; without it, where systems have it.
        search_paths: Vec<PathBuf>;
        /// How a start of the machine is told from another. cfg takes the boot id of the kernel.
        boot_time_command: Option<String>;
        /// What to run in place of shutdown(8).
        reboot_command: Option<Words>;
        /// (Set by the controller.) What is to be done now.
        phase: Phase = Phase::Foresee, named "_phase";
    }
}

impl Reboot {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the start is to be told in a way cfg does not know.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.boot_time_command.as_ref().is_some_and(|command| command != BOOT_TIME) {
            return Err(ParamError::bad(
                "boot_time_command",
                "cfg always takes the boot id of the kernel: leave it out",
            ));
        }
        let commands = [("test_command", &self.test_command), ("reboot_command", &self.reboot_command)];
        match commands.iter().find(|(_, words)| words.as_ref().is_some_and(|words| words.0.is_empty())) {
            Some((name, _)) => Err(ParamError::bad(name, "expected a program and its arguments")),
            None => Ok(()),
        }
    }

    /// How long the machine is waited for.
    pub fn patience(&self) -> Patience {
        let seconds = |n: i64| Duration::from_secs(n.max(0).unsigned_abs());
        Patience {
            delay: seconds(self.post_reboot_delay),
            connect: seconds(self.connect_timeout.max(1)),
            sleep: Duration::from_secs(1),
            timeout: seconds(self.pre_reboot_delay) + seconds(self.reboot_timeout),
        }
    }

    fn command(&self, machine: &dyn Machine) -> Result<Command, Failure> {
        if let Some(words) = &self.reboot_command {
            return Ok(Command::new(words.0.iter().cloned()));
        }
        let standard: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
        let places = if self.search_paths.is_empty() { &standard } else { &self.search_paths };
        for dir in places {
            let path = dir.join("shutdown");
            if machine.stat(&path)?.is_some() {
                let when = match self.pre_reboot_delay / 60 {
                    minutes if minutes > 0 => format!("+{minutes}"),
                    _ => "now".to_owned(),
                };
                return Ok(Command::new([&*path.to_string_lossy(), "-r", &when, &self.msg]));
            }
        }
        let places: Vec<String> = places.iter().map(|dir| dir.display().to_string()).collect();
        Err(Failure::new(format!("Unable to find command shutdown in search paths: {}", places.join(", "))))
    }
}

impl Resource for Reboot {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        match self.phase {
            Phase::Local => {
                Err(Failure::new("Running ansible.builtin.reboot with local connection would reboot the control node."))
            }
            Phase::Foresee | Phase::Announce => {
                self.command(machine)?;
                let in_plan = self.phase == Phase::Foresee && !context.only_looks;
                let elapsed = if in_plan { Value::Unknown } else { Value::Int(0) };
                let mut outcome = Outcome::of([("rebooted", Value::Bool(true)), ("elapsed", elapsed)]);
                if self.phase == Phase::Announce && !context.only_looks {
                    outcome.result.insert(GOES_DOWN.into(), Value::Bool(true));
                }
                Ok(outcome.changed(true))
            }
            Phase::Go => {
                let command = self.command(machine)?;
                done(&command, machine.run(&command)?, "Reboot command failed")
            }
            Phase::After => {
                let Some(words) = &self.test_command else { return Ok(Outcome::default().changed(false)) };
                let command = Command::new(words.0.iter().cloned());
                done(&command, machine.probe(&command)?, "Test command failed")
            }
        }
    }
}

/// What came of a program that has to end well.
fn done(command: &Command, output: Output, what: &str) -> Result<Outcome, Failure> {
    match output {
        Output::Known(stdio) if !stdio.ok() => {
            let result = Map::from_iter([
                ("rc".into(), Value::from(i64::from(stdio.status))),
                ("stdout".into(), Value::from(stdio.out())),
                ("stderr".into(), Value::from(stdio.err())),
                ("rebooted".into(), Value::Bool(false)),
            ]);
            let message = format!("{what}: {}: {}", command.shown(), stdio.tail());
            Err(Failure { result, ..Failure::new(message) })
        }
        _ => Ok(Outcome::of([("rebooted", Value::Bool(true))]).changed(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, args};
    use super::*;

    #[test]
    fn a_plan_says_that_it_would_happen() {
        let bench = Bench::with(&[("/etc/shutdown", "")]);
        let (outcome, changes) = bench.run("reboot", "{search_paths: [/etc]}").unwrap();
        assert_eq!(
            (outcome.changed, outcome.result.get("rebooted")),
            (Some(Value::Bool(true)), Some(&Value::Bool(true)))
        );
        assert_eq!(changes, []);
        assert!(bench.fails("reboot", "{_phase: local}").contains("would reboot the control node"));
        assert!(bench.fails("reboot", "{search_paths: [/x]}").contains("Unable to find command shutdown"));
        assert!(bench.fails("reboot", "{boot_time_command: uptime}").contains("leave it out"));
    }

    #[test]
    fn commands_and_times() {
        let bench = Bench::with(&[("/etc/shutdown", "")]);
        let reboot = |text: &str| Reboot::from_args(args("reboot", text)).unwrap();
        let argv = |text: &str| reboot(text).command(&*bench.0).unwrap().argv;
        assert_eq!(argv("{msg: soon, search_paths: /etc}"), ["/etc/shutdown", "-r", "now", "soon"]);
        assert_eq!(argv("{pre_reboot_delay: 130, search_paths: /etc}")[2], "+2");
        assert_eq!(argv("{reboot_command: 'systemctl reboot'}"), ["systemctl", "reboot"]);
        let patience = reboot("{reboot_timeout: 10, pre_reboot_delay: 60, post_reboot_delay: 3}").patience();
        assert_eq!((patience.timeout, patience.delay), (Duration::from_secs(70), Duration::from_secs(3)));
    }
}
