//! What `command`, `shell`, `raw` and `script` share: guards, the run itself, and its return values.

use std::path::{Path, PathBuf};

use super::{Context, Failure, Outcome, glob};
use crate::machine::{Command, Effect, Fault, FaultKind, Inspect, Machine, Output};
use crate::value::{Map, Value, bytes_of};

/// A program with what decides whether it runs.
pub(super) struct Program<'a> {
    /// What is run; `env` is filled in here.
    pub command: Command,
    /// What the return value `cmd` says.
    pub shown: Value,
    /// Do not run where this is there: a path or pattern.
    pub creates: Option<&'a str>,
    /// Do not run where this is not there: a path or pattern.
    pub removes: Option<&'a str>,
    /// Take empty lines off the end of the output.
    pub strip: bool,
}

impl Program<'_> {
    /// Runs it unless a guard says that there is nothing to do.
    pub fn converge(self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        match guard(machine, self.command.chdir.as_deref(), self.creates, self.removes)? {
            Some(reason) => Ok(self.left(&reason)),
            None => self.run(machine, context),
        }
    }

    /// What is reported where a guard left it alone: ok, as in Ansible, not skipped.
    fn left(&self, reason: &str) -> Outcome {
        Outcome::of([
            ("cmd", self.shown.clone()),
            ("rc", Value::Int(0)),
            ("stdout", Value::from(format!("skipped, since {reason}"))),
            ("stderr", Value::str("")),
            ("msg", Value::from(format!("Did not run command since {}", quoted(reason)))),
        ])
        .changed(false)
    }

    /// A program that cannot be started has a status too: tasks with `failed_when: false` look at `rc`.
    fn not_started(&self, fault: Fault) -> Failure {
        let status = match fault.kind {
            FaultKind::NotFound => 2,
            FaultKind::Denied => 13,
            _ => return fault.into(),
        };
        let mut failure = Failure::from(fault);
        failure.result = Map::from_iter([
            (key("cmd"), self.shown.clone()),
            (key("rc"), Value::Int(status)),
            (key("stdout"), Value::str("")),
            (key("stderr"), Value::str("")),
        ]);
        failure
    }

    /// What is there once it has run, where that is one path.
    fn made(&self, machine: &dyn Machine) -> Result<Option<PathBuf>, Failure> {
        let path = self.creates.filter(|path| !path.contains(['*', '?', '[']));
        path.map(|path| absolute(machine, self.command.chdir.as_deref(), path)).transpose()
    }

    /// Runs it.
    pub fn run(mut self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        if let Some(dir) = &self.command.chdir
            && machine.stat(dir)?.is_none()
        {
            return Err(Failure::new(format!(
                "Unable to change directory before execution: {} does not exist",
                dir.display()
            )));
        }
        self.command.env.extend(context.environment.iter().cloned());
        self.command.effect = Effect::Anything(self.made(machine)?);
        let start = jiff::ZonedDateTime::now();
        let output = machine.run(&self.command).map_err(|fault| self.not_started(fault))?;
        let end = jiff::ZonedDateTime::now();
        let mut result = Map::from_iter([(key("cmd"), self.shown.clone()), (key("rc"), output.rc())]);
        let Output::Known(stdio) = &output else {
            for name in ["stdout", "stderr", "start", "end", "delta"] {
                result.insert(key(name), Value::Unknown);
            }
            let message = "Command would have run if not in check mode";
            result.insert(key("msg"), Value::str(message));
            // Without a guard nothing says that there is work to do: such a task counts as skipped, as in Ansible.
            if context.only_looks && self.creates.is_none() && self.removes.is_none() {
                return Ok(Outcome { result, skipped: Some(message.to_owned()), ..Outcome::default() }.changed(false));
            }
            return Ok(Outcome { result, ..Outcome::default() }.changed(true));
        };
        let text =
            |text: String| Value::from(if self.strip { text.trim_end_matches(['\r', '\n']).to_owned() } else { text });
        let time = |at: &jiff::ZonedDateTime| Value::from(at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string());
        let micros = end.timestamp().as_microsecond() - start.timestamp().as_microsecond();
        result.insert(key("stdout"), text(stdio.out()));
        result.insert(key("stderr"), text(stdio.err()));
        result.insert(key("start"), time(&start));
        result.insert(key("end"), time(&end));
        result.insert(key("delta"), Value::from(duration(micros)));
        if !stdio.ok() {
            let help = last_lines(&stdio.tail());
            return Err(Failure { result, help, ..Failure::new("non-zero return code") });
        }
        Ok(Outcome { result, ..Outcome::default() }.changed(true))
    }
}

fn key(name: &str) -> std::sync::Arc<str> {
    std::sync::Arc::from(name)
}

fn last_lines(tail: &str) -> Option<String> {
    (!tail.is_empty()).then(|| format!("it wrote:\n{tail}"))
}

fn quoted(reason: &str) -> String {
    match reason.split_once(' ') {
        Some((path, rest)) => format!("'{path}' {rest}"),
        None => reason.to_owned(),
    }
}

/// Microseconds as Python shows a `timedelta`.
fn duration(micros: i64) -> String {
    let seconds = micros.max(0) / 1_000_000;
    format!("{}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, micros.max(0) % 1_000_000)
}

/// Says why there is nothing to do, if so.
pub(super) fn guard(
    machine: &dyn Inspect,
    chdir: Option<&Path>,
    creates: Option<&str>,
    removes: Option<&str>,
) -> Result<Option<String>, Failure> {
    if let Some(path) = creates
        && is_there(machine, chdir, path)?
    {
        return Ok(Some(format!("{path} exists")));
    }
    if let Some(path) = removes
        && !is_there(machine, chdir, path)?
    {
        return Ok(Some(format!("{path} does not exist")));
    }
    Ok(None)
}

fn is_there(machine: &dyn Inspect, chdir: Option<&Path>, pattern: &str) -> Result<bool, Failure> {
    let path = absolute(machine, chdir, pattern)?;
    Ok(glob::any(machine, &path)?)
}

/// A path as a program run in `chdir` would see it; without that, from where programs run.
fn absolute(machine: &dyn Inspect, chdir: Option<&Path>, text: &str) -> Result<PathBuf, Failure> {
    let path = expand_home(machine, text)?;
    if Path::new(&path).is_absolute() {
        return Ok(path.into());
    }
    let base = match chdir {
        Some(dir) => dir.to_path_buf(),
        None => machine.identity()?.cwd,
    };
    Ok(base.join(path))
}

/// Replaces `~` and `~user` at the start.
pub fn expand_home(machine: &dyn Inspect, text: &str) -> Result<String, Failure> {
    let Some(rest) = text.strip_prefix('~') else { return Ok(text.to_owned()) };
    let (name, rest) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let home = if name.is_empty() {
        Some(machine.identity()?.home.to_string_lossy().into_owned())
    } else {
        machine.user(&crate::machine::Key::Name(name.to_owned()))?.map(|user| user.home)
    };
    Ok(home.map_or_else(|| text.to_owned(), |home| format!("{home}{rest}")))
}

/// A directory to run in.
pub(super) fn directory(machine: &dyn Inspect, chdir: Option<&str>) -> Result<Option<PathBuf>, Failure> {
    chdir.map(|dir| absolute(machine, None, dir)).transpose()
}

/// What goes to standard input.
pub(super) fn input(text: Option<&str>, newline: bool) -> Option<Vec<u8>> {
    text.map(|text| bytes_of(&format!("{text}{}", if newline { "\n" } else { "" })).into_owned())
}
