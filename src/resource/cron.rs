//! `cron`: jobs and variables of crontabs.

use std::path::{Path, PathBuf};

use super::copy::backup_path;
use super::edit::{Edit, lines};
use super::params::params;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Command, Inspect, Key, Machine};
use crate::value::Value;

/// The line above each job says which one it is.
const MARK: &str = "#Ansible: ";

choices! {
    /// Whether it is there.
    pub enum State {
        /// It is there.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

choices! {
    /// Times with a name.
    pub enum SpecialTime {
        /// Once a year.
        Annually = "annually",
        /// Once a day.
        Daily = "daily",
        /// Once an hour.
        Hourly = "hourly",
        /// Once a month.
        Monthly = "monthly",
        /// When the machine has started.
        Reboot = "reboot",
        /// Once a week.
        Weekly = "weekly",
        /// Once a year.
        Yearly = "yearly",
    }
}

impl SpecialTime {
    fn word(self) -> &'static str {
        match self {
            Self::Annually => "@annually",
            Self::Daily => "@daily",
            Self::Hourly => "@hourly",
            Self::Monthly => "@monthly",
            Self::Reboot => "@reboot",
            Self::Weekly => "@weekly",
            Self::Yearly => "@yearly",
        }
    }
}

params! {
    /// Manages jobs and variables in the crontab of a user, or in a file of `/etc/cron.d`.
    ///
    /// A job is known by the line `#Ansible: NAME` above it. The crontab of a user is written by crontab(1), which a
    /// plan does not run: it says that there is a change, and does not show the lines.
    ///
    /// # Example
    /// ```yaml
    /// - cron: { name: rotate, minute: "0", hour: "5,2", job: "/usr/local/bin/rotate > /dev/null" }
    /// - cron: { name: backup, cron_file: backup, user: root, special_time: daily, job: /usr/local/bin/backup }
    /// ```
    pub struct Cron {
        /// What the job is called; with `env` the name of the variable.
        name: String, required;
        /// Whose crontab; that of the user the task works as without one. With `cron_file`, who runs the job.
        user: Option<String>;
        /// The command, or with `env` the value.
        job: Option<String>, alias "value";
        /// Whether it is there.
        state: State = State::Present;
        /// A file rather than the crontab of a user; a name alone is one in `/etc/cron.d`.
        cron_file: Option<String>;
        /// Keep a copy of the old crontab: beside a `cron_file`, else in `/tmp`.
        backup: bool = false;
        /// Minute: 0-59, `*`, `*/2`, ….
        minute: String = "*";
        /// Hour: 0-23, `*`, `*/2`, ….
        hour: String = "*";
        /// Day of the month: 1-31, `*`, `*/2`, ….
        day: String = "*", alias "dom";
        /// Month: 1-12, JAN-DEC, `*`, `*/2`, ….
        month: String = "*";
        /// Day of the week: 0-6 from Sunday on, SUN-SAT, `*`, ….
        weekday: String = "*", alias "dow";
        /// A time with a name, in place of the five fields.
        special_time: Option<SpecialTime>;
        /// Comment the job out.
        disabled: bool = false;
        /// Manage a variable rather than a job.
        env: bool = false;
        /// With `env`: put a new variable after this one.
        insertafter: Option<String>;
        /// With `env`: put a new variable before this one.
        insertbefore: Option<String>;
    }
}

impl Cron {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together, or something would not be one line.
    pub fn check(&self) -> Result<(), ParamError> {
        self.check_text()?;
        if self.cron_file.is_some() && self.user.is_none() && !self.env && self.state == State::Present {
            return Err(ParamError::conflict("`cron_file` needs `user`, who runs the job"));
        }
        let plain = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday].iter().all(|f| *f == "*");
        if self.special_time.is_some() && !plain {
            return Err(ParamError::conflict("`special_time` excludes the fields of time and date"));
        }
        if self.state == State::Present && self.job.is_none() {
            return Err(ParamError::conflict("a job or variable that is to be there needs `job`"));
        }
        if (self.insertafter.is_some() || self.insertbefore.is_some()) && !self.env {
            return Err(ParamError::conflict("`insertafter` and `insertbefore` need `env: true`"));
        }
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            return Err(ParamError::conflict("parameters are mutually exclusive: `insertafter`, `insertbefore`"));
        }
        if self.env && self.name.contains(char::is_whitespace) {
            return Err(ParamError::bad("name", "a variable has no white space in its name"));
        }
        match &self.cron_file {
            // The system's own table belongs to the distribution.
            Some(name) if name == "/etc/crontab" => {
                Err(ParamError::bad("cron_file", "Will not manage /etc/crontab via cron_file, see documentation."))
            }
            Some(name) if !name.starts_with('/') && (name.contains('/') || name.starts_with('.')) => {
                Err(ParamError::bad("cron_file", "expected a name or an absolute path"))
            }
            _ => Ok(()),
        }
    }

    /// A second line would be a job of its own.
    fn check_text(&self) -> Result<(), ParamError> {
        let fields = [
            ("name", Some(&self.name)),
            ("job", self.job.as_ref()),
            ("user", self.user.as_ref()),
            ("minute", Some(&self.minute)),
            ("hour", Some(&self.hour)),
            ("day", Some(&self.day)),
            ("month", Some(&self.month)),
            ("weekday", Some(&self.weekday)),
        ];
        for (param, text) in fields.into_iter().filter_map(|(param, text)| text.map(|text| (param, text))) {
            if text.contains(['\n', '\r']) {
                return Err(ParamError::bad(param, "expected one line"));
            }
            if !matches!(param, "name" | "job") && (text.is_empty() || text.contains(char::is_whitespace)) {
                return Err(ParamError::bad(param, "expected one word"));
            }
        }
        match &self.user {
            Some(user) if user.starts_with('-') => Err(ParamError::bad("user", "a user name does not start with `-`")),
            _ => Ok(()),
        }
    }

    fn file(&self) -> Option<PathBuf> {
        // An absolute path stays what it is.
        self.cron_file.as_ref().map(|name| Path::new("/etc/cron.d").join(name))
    }

    fn line(&self) -> String {
        let job = self.job.as_deref().unwrap_or_default();
        if self.env {
            return format!("{}=\"{job}\"\n", self.name);
        }
        let time = match self.special_time {
            Some(time) => time.word().to_owned(),
            None => [&self.minute, &self.hour, &self.day, &self.month, &self.weekday].map(String::as_str).join(" "),
        };
        let off = if self.disabled { "#" } else { "" };
        let who = self.user.as_ref().filter(|_| self.cron_file.is_some()).map(|user| format!(" {user}"));
        format!("{off}{time}{} {job}\n", who.unwrap_or_default())
    }

    /// The crontab as it is wanted.
    fn edited(&self, text: &str) -> Result<String, Failure> {
        let mut all = lines(text);
        super::edit::end_last(&mut all, "\n");
        if self.env {
            self.edit_variable(&mut all)?
        } else {
            self.edit_job(&mut all)
        }
        Ok(all.concat())
    }

    fn edit_job(&self, all: &mut Vec<String>) {
        let mark = format!("{MARK}{}\n", self.name);
        let line = self.line();
        let at = all.iter().position(|line| *line == mark);
        match (self.state, at) {
            (State::Present, None) => all.extend([mark, line]),
            (State::Present, Some(at)) => match all.get_mut(at + 1) {
                Some(old) => *old = line,
                None => all.push(line),
            },
            (State::Absent, None) => {}
            (State::Absent, Some(at)) => drop(all.drain(at..all.len().min(at + 2))),
        }
    }

    fn edit_variable(&self, all: &mut Vec<String>) -> Result<(), Failure> {
        let find = |all: &[String], name: &str| all.iter().position(|line| variable(line) == Some(name));
        let found = find(all, &self.name);
        match (self.state, found) {
            (State::Present, Some(at)) => {
                if let Some(old) = all.get_mut(at) {
                    *old = self.line();
                }
            }
            (State::Present, None) => {
                let beside = |name: &String| {
                    find(all, name).ok_or_else(|| Failure::new(format!("the crontab has no variable `{name}`")))
                };
                let at = match (&self.insertafter, &self.insertbefore) {
                    (Some(name), _) => beside(name)? + 1,
                    (None, Some(name)) => beside(name)?,
                    (None, None) => 0,
                };
                all.insert(at, self.line());
            }
            (State::Absent, Some(at)) => drop(all.remove(at)),
            (State::Absent, None) => {}
        }
        Ok(())
    }

    fn crontab(&self, last: &str) -> Command {
        let user = self.user.as_deref().map(|user| ["-u", user]);
        let words = std::iter::once("crontab").chain(user.into_iter().flatten()).chain([last]);
        Command::new(words)
    }

    fn read(&self, machine: &dyn Inspect, context: &Context) -> Result<String, Failure> {
        let command = Command { env: context.environment.clone(), ..self.crontab("-l") };
        let output = machine.probe(&command)?;
        let Some(stdio) = output.known() else { return Ok(String::new()) };
        // Without a crontab the status is 1, and so it is where one may not have any.
        let said = stdio.err().to_lowercase();
        if !stdio.ok() && !said.contains("no crontab") && !self.is_foreseen(&said, machine) {
            return Err(Failure::new(format!("crontab -l: {}", stdio.tail())));
        }
        Ok(without_header(&stdio.out()))
    }

    /// The user is not there yet, but a plan foresees it.
    fn is_foreseen(&self, said: &str, machine: &dyn Inspect) -> bool {
        let user = self.user.as_deref().filter(|_| said.contains("unknown"));
        user.is_some_and(|user| machine.user(&Key::Name(user.to_owned())).is_ok_and(|found| found.is_some()))
    }

    fn in_crontab(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let before = self.read(machine, context)?;
        let after = self.edited(&before)?;
        if before == after {
            return Ok(listed(&after).changed(false));
        }
        let mut outcome = listed(&after);
        if let Some(path) = backup_path(self.backup, Path::new("/tmp/crontab")) {
            let how = crate::machine::Written::default();
            let attrs = crate::machine::Attrs { mode: Some(0o600), ..Default::default() };
            machine.write(&path, &crate::machine::Content::bytes(before.into_bytes()), &attrs, &how)?;
            outcome.result.insert("backup_file".into(), Value::str(path.to_string_lossy()));
        }
        let command =
            Command { stdin: Some(after.into_bytes()), env: context.environment.clone(), ..self.crontab("-") };
        match machine.run(&command)?.known() {
            Some(stdio) if !stdio.ok() => Err(Failure::new(format!("crontab did not take it: {}", stdio.tail()))),
            _ => Ok(outcome.changed(true)),
        }
    }

    fn in_file(&self, machine: &dyn Machine, context: &Context, path: &Path) -> Result<Outcome, Failure> {
        let edit = Edit { path, backup: self.backup, validate: None, wanted: Default::default() };
        let opened = edit.open(machine)?;
        let before = opened.text.clone().unwrap_or_default();
        let after = self.edited(&before)?;
        if self.state == State::Absent && opened.text.is_some() && before != after && after.trim().is_empty() {
            machine.remove(path)?;
            let file = self.cron_file.clone();
            return Ok(Outcome::of([("cron_file", Value::from(file)), ("state", Value::str("absent"))]));
        }
        let mut outcome = listed(&after);
        if before != after {
            let saved = edit.save(machine, context, &opened, after, "")?;
            outcome.result.extend(saved.result.into_iter().filter(|(name, _)| name.as_ref() == "backup_file"));
        }
        outcome.result.insert("cron_file".into(), Value::from(self.cron_file.clone()));
        Ok(outcome)
    }
}

/// Some crontab(1) show three lines of their own at the top.
fn without_header(text: &str) -> String {
    let own =
        |line: &str| ["# DO NOT EDIT THIS FILE", "# (", "# (Cron version"].iter().any(|start| line.starts_with(start));
    let kept = text.split_inclusive('\n').enumerate().filter(|(i, line)| *i > 2 || !own(line));
    kept.map(|(_, line)| line).collect()
}

/// The name of the variable a line sets.
fn variable(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim();
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(valid)).then_some(name)
}

/// The names of all jobs and variables.
fn listed(text: &str) -> Outcome {
    let jobs = text.lines().filter_map(|line| line.strip_prefix(MARK)).map(Value::str);
    let variables = text.lines().filter_map(variable).map(Value::str);
    Outcome::of([("jobs", Value::list(jobs)), ("envs", Value::list(variables))])
}

impl Resource for Cron {
    fn footprint(&self) -> Footprint {
        let footprint = match self.file() {
            Some(path) => Footprint::nothing().write(Claim::Path(path)),
            None => Footprint::nothing().write(Claim::Tree("/var/spool/cron".into())),
        };
        match &self.user {
            Some(user) => footprint.read(Claim::User(user.clone())),
            None => footprint,
        }
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        match self.file() {
            Some(path) => self.in_file(machine, context, &path),
            None => self.in_crontab(machine, context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, args};
    use super::*;

    const OLD: &str = "MAILTO=x\n# hi\n1 2 3 4 5 old";

    fn edited(text: &str, params: &str) -> String {
        let cron = Cron::from_args(args("cron", &format!("{{{params}}}"))).unwrap();
        cron.check().unwrap();
        let after = cron.edited(text).unwrap();
        assert_eq!(cron.edited(&after).unwrap(), after, "{params}: the second time changes something");
        after
    }

    /// The results are those of ansible-core 2.19.
    #[test]
    fn edits() {
        let head = "MAILTO=x\n# hi\n1 2 3 4 5 old\n";
        let one = "#Ansible: one\n5 * * * * echo a%b\n";
        let table = [
            (OLD, "name: one, minute: 5, job: 'echo a%b'", format!("{head}{one}")),
            (
                one,
                "name: two, special_time: daily, job: /bin/true, disabled: true",
                format!("{one}#Ansible: two\n#@daily /bin/true\n"),
            ),
            (one, "name: one, hour: 1, job: x", "#Ansible: one\n* 1 * * * x\n".into()),
            (one, "name: one, state: absent", String::new()),
            (one, "name: no, state: absent", one.into()),
            (OLD, "name: PATH, env: true, job: /opt/bin", format!("PATH=\"/opt/bin\"\n{head}")),
            (OLD, "name: MAILTO, env: true, value: y", "MAILTO=\"y\"\n# hi\n1 2 3 4 5 old\n".into()),
            (OLD, "name: A, env: true, job: y, insertafter: MAILTO", "MAILTO=x\nA=\"y\"\n# hi\n1 2 3 4 5 old\n".into()),
            (OLD, "name: MAILTO, env: true, state: absent", "# hi\n1 2 3 4 5 old\n".into()),
        ];
        for (before, params, after) in table {
            assert_eq!(edited(before, params), after, "{params}");
        }
    }

    #[test]
    fn files() {
        let bench = Bench::with(&[]);
        bench.run("file", "{path: /etc/cron.d, state: directory}").unwrap();
        assert_eq!(bench.settle("cron", "{name: f, cron_file: app, user: root, job: /bin/x, hour: 3}").1, 1);
        assert_eq!(bench.read("/etc/cron.d/app"), "#Ansible: f\n* 3 * * * root /bin/x\n");
        let (outcome, _) = bench.settle("cron", "{name: g, cron_file: app, user: root, job: /bin/y}");
        assert_eq!(outcome.result.get("jobs"), Some(&Value::list([Value::str("f"), Value::str("g")])));
        bench.settle("cron", "{name: f, cron_file: app, user: root, state: absent}");
        bench.settle("cron", "{name: g, cron_file: app, user: root, state: absent}");
        assert!(bench.0.lstat(Path::new("/etc/cron.d/app")).unwrap().is_none());
    }

    #[test]
    fn crontabs_are_written_by_crontab() {
        let bench = Bench::with(&[]);
        let (outcome, changes) = bench.run("cron", "{name: f, job: /bin/x, user: app}").unwrap();
        assert_eq!((outcome.changed, changes.len()), (Some(Value::Bool(true)), 0));
        let (outcome, _) = bench.run("cron", "{name: f, state: absent}").unwrap();
        assert_eq!(outcome.changed, Some(Value::Bool(false)));
        assert_eq!(without_header("# DO NOT EDIT THIS FILE - x\n# (a)\n# (Cron version)\n# (mine)\n"), "# (mine)\n");
    }

    #[test]
    fn refusals() {
        let bench = Bench::with(&[]);
        let table = [
            ("name: g, cron_file: x, job: y", "needs `user`"),
            ("name: g, job: y, special_time: daily, hour: 3", "special_time"),
            ("name: g", "needs `job`"),
            ("name: g h, env: true, job: x", "white space"),
            ("name: g, job: \"x\\n* * * * * y\"", "one line"),
            ("name: g, job: x, minute: '5 5'", "one word"),
            ("name: g, job: x, user: -r", "start with"),
            ("name: g, job: x, user: r, cron_file: ../x", "absolute path"),
            ("name: g, job: x, insertafter: y", "env: true"),
            ("name: g, env: true, job: x, user: r, insertafter: y", "no variable `y`"),
        ];
        for (params, expected) in table {
            let message = bench.fails("cron", &format!("{{{params}}}"));
            assert!(message.contains(expected), "{params}: {message}");
        }
    }
}
