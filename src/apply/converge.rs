//! From arguments to a resource, and what the machine says to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::judge::number_of;
use super::outcome::Attempt;
use super::run::{Runner, Try};
use crate::graph::{CheckMode, Diff, Execution, OPEN_FILES};
use crate::machine::{Fault, Machine, Tracked};
use crate::resource::{self, Args, Context, ParamErrorKind, Resource};
use crate::template::TermScope;
use crate::value::{Map, Value};

/// The longest `timeout`: in Python more of them overflow an alarm.
const MOST_SECONDS: i64 = 100_000_000;

impl Runner<'_> {
    /// Brings a resource about, here or in the background.
    pub(super) fn resource(&self, kind: &str, args: Map, how: &Try<'_>) -> Attempt {
        let unknown: Vec<&str> = args.iter().filter(|(_, v)| v.has_unknown()).map(|(k, _)| k.as_ref()).collect();
        if !unknown.is_empty() {
            return Attempt::unknown(format!("`{}` is known after apply", unknown.join("`, `")));
        }
        let Some(kind) = resource::find(kind) else { return Attempt::failed(format!("cfg has no module `{kind}`")) };
        let args = match self.settled(kind, args, how) {
            Ok(args) => args,
            Err(attempt) => return attempt,
        };
        let resource = match (kind.parse)(Args::new(args.clone())) {
            Ok(resource) => resource,
            Err(error) => {
                let mut attempt = Attempt::failed(match (&error.param, error.kind) {
                    (Some(param), ParamErrorKind::Bad) => format!("`{param}`: {}", error.message),
                    _ => error.message.clone(),
                });
                let words = resource::ansible_words(kind.name, &error);
                attempt.result.insert("msg".into(), Value::str(words.unwrap_or(&error.message)));
                return attempt;
            }
        };
        let Some(background) = &self.node.background else {
            return self.converge(kind.name, &*resource, how);
        };
        let number = |keyword, term, default: u64| {
            number_of(how.scope, keyword, term).map(|number| number.map_or(default, |number| number.max(0.0) as u64))
        };
        let (seconds, poll) = match (number("async", &background.limit, 0), number("poll", &background.poll, 15)) {
            (Ok(seconds), Ok(poll)) => (seconds, poll),
            (Err(failed), _) | (_, Err(failed)) => return failed,
        };
        if seconds == 0 {
            return self.converge(kind.name, &*resource, how);
        }
        if kind.name == "script" {
            return Attempt::failed("This action (script) does not support async.");
        }
        if poll == 0 && !self.session.is_plan() && !self.looking {
            return self.start_job(kind.name, args, how, seconds);
        }
        let limit = how.limit.or(Some(Duration::from_secs(seconds)));
        let mut attempt = self.converge(kind.name, &*resource, &Try { limit, ..*how });
        // Somebody waits for it: it is an ordinary task with a limit, and says what Ansible's say.
        let id = if poll == 0 { Value::Unknown } else { Value::from(self.job_id()) };
        attempt.result.insert("ansible_job_id".into(), id);
        attempt.result.insert("started".into(), Value::Bool(true));
        attempt.result.insert("finished".into(), Value::Bool(true));
        attempt
    }

    /// The machine as who works sees it. What works in a plan too sees it as it is.
    fn machine(&self, execution: &Execution) -> Result<Arc<dyn Machine>, Attempt> {
        let as_whom = execution.r#become.as_ref();
        let machine = self.session.machine(as_whom, execution.check_mode == CheckMode::Off);
        machine.map_err(|failure| match as_whom {
            Some(r#become) if self.session.expects_user(&r#become.user) => {
                Attempt::unknown(format!("{} is yet to be made: what comes of it is known after apply", r#become.user))
            }
            _ => Attempt::of(failure),
        })
    }

    /// The arguments with paths that lead somewhere whoever looks.
    fn settled(&self, kind: &resource::Kind, mut args: Map, how: &Try<'_>) -> Result<Map, Attempt> {
        if resource::settled(kind.params, &args) {
            return Ok(args);
        }
        let machine = self.machine(how.execution)?;
        resource::settle(kind.params, &mut args, &*machine, &self.context(how)?).map_err(Attempt::of)?;
        Ok(args)
    }

    fn job_id(&self) -> String {
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        format!("j{:012}.{}", nanos % 1_000_000_000_000, std::process::id())
    }

    /// Starts the task in the background.
    fn start_job(&self, kind: &str, args: Map, how: &Try<'_>, limit: u64) -> Attempt {
        let (context, open_files) = match (self.context(how), self.open_files(how.scope)) {
            (Ok(context), Ok(open_files)) => (context, open_files),
            (Err(attempt), _) | (_, Err(attempt)) => return attempt,
        };
        let job = super::background::Job {
            id: self.job_id(),
            kind: kind.to_owned(),
            args,
            environment: context.environment,
            open_files,
            limit,
        };
        let started = self.session.machine(how.execution.r#become.as_ref(), false).and_then(|machine| {
            let agent = self.session.machines.agent();
            job.start(&*machine, &agent.unwrap_or_else(|| std::path::PathBuf::from("/proc/self/exe")))
        });
        match started {
            Ok(result) => {
                Attempt { result, changed: Value::Bool(true), failed: Value::Bool(false), ..Attempt::default() }
            }
            Err(failure) => Attempt::of(failure),
        }
    }

    fn converge(&self, kind: &str, resource: &dyn Resource, how: &Try<'_>) -> Attempt {
        let Try { scope, refresh, limit, execution, .. } = *how;
        let machine = match self.machine(execution) {
            Ok(machine) => machine,
            Err(attempt) => return attempt,
        };
        let only_looks = (execution.check_mode == CheckMode::On || self.looking) && !self.session.is_plan();
        let machine = match only_looks {
            true => Arc::new(crate::machine::Preview::new(Arc::new(super::variables::ReadOnly(machine)))),
            false => machine,
        };
        let (context, open_files) = match (self.context(how), self.open_files(scope)) {
            (Ok(context), Ok(open_files)) => (context, open_files),
            (Err(attempt), _) | (_, Err(attempt)) => return attempt,
        };
        let tracked = Tracked::new(machine.clone(), how.round.no_log)
            .within(limit)
            .with_open_files(open_files)
            .keeping(self.node.diff == Diff::Wanted)
            .before_first_change(Box::new(|| self.before_first_change(&how.round.notify)));
        let started = Instant::now();
        let mut result = resource.converge(&tracked, &context);
        // What ran or changed something just now has seen the news already.
        let idle = |outcome: &resource::Outcome| outcome.changed.as_ref().is_none_or(|changed| !changed.is_true());
        if refresh && result.as_ref().is_ok_and(idle) && tracked.changes().is_empty() {
            result = resource.refresh(&tracked, &context).unwrap_or(result);
        }
        let mut changes = tracked.changes();
        if self.node.diff == Diff::Hidden {
            changes.iter_mut().for_each(|change| change.diff = None);
        }
        if tracked.left_something_out() {
            self.leave_out();
        }
        match result {
            Ok(outcome) => {
                if !outcome.facts.is_empty() && self.has_turn() {
                    self.session.runtime.add_module_facts(&outcome.facts);
                }
                let changed = outcome.changed.unwrap_or(Value::Bool(!changes.is_empty()));
                let mut result = outcome.result;
                if let Some(kept) = tracked.differences()
                    && let Some(diff) = super::differences::shown(kind, &kept)
                {
                    result.entry("diff".into()).or_insert(diff);
                }
                if !outcome.facts.is_empty() {
                    result.insert("ansible_facts".into(), Value::from(outcome.facts));
                }
                let message = result.get("msg").and_then(|m| m.as_str().map(str::to_owned));
                Attempt {
                    result,
                    changed,
                    failed: Value::Bool(false),
                    skipped: outcome.skipped,
                    changes,
                    message,
                    ..Attempt::default()
                }
            }
            Err(mut failure) if limit.is_some_and(|limit| started.elapsed() >= limit) => {
                let limit = limit.unwrap_or_default();
                let timed = Attempt::timed_out(limit);
                failure.result.extend(timed.result);
                let message = match self.node.timeout {
                    Some(_) => timed.message,
                    None => {
                        let seconds = limit.as_secs();
                        Some(format!("async task did not complete within the requested time - {seconds}s"))
                    }
                };
                Attempt { result: failure.result, changes, message, ..Attempt::failed("") }
            }
            // What it needs may be what the plan only foresees.
            Err(failure) if execution.check_mode == CheckMode::Off && self.session.foresees_changes() => {
                let message = format!("it fails on the machine as it is ({}); known after apply", failure.message);
                Attempt::unknown(message)
            }
            Err(failure) if !failure.unknown && machine.may_yet_come() => {
                let why = "known after apply: a task before it may bring what is missing";
                Attempt { changes, ..Attempt::unknown(format!("{} ({why})", failure.message)) }
            }
            Err(failure) if failure.unknown => Attempt { changes, ..Attempt::unknown(failure.message) },
            Err(failure) => Attempt {
                // A program that failed may have changed things all the same.
                changed: Value::Bool(!changes.is_empty() || failure.result.contains_key("delta")),
                result: failure.result,
                help: failure.help,
                changes,
                ..Attempt::failed(failure.message)
            },
        }
    }

    /// How long the task may take.
    pub(super) fn limit(&self, scope: &Arc<TermScope>) -> Result<Option<Duration>, Attempt> {
        let Some(term) = &self.node.timeout else { return Ok(None) };
        let value = scope.evaluate(term).map_err(Attempt::eval)?;
        if value.has_unknown() {
            return Ok(None);
        }
        match value.to_string().parse::<i64>() {
            Ok(0) => Ok(None),
            Ok(seconds @ 1..=MOST_SECONDS) => Ok(Some(Duration::from_secs(seconds.unsigned_abs()))),
            _ => Err(Attempt::failed(format!("Timeout {value} is invalid, must be between 0 and {MOST_SECONDS}."))),
        }
    }

    /// How many files its programs may have open; nothing: as many as the machine says.
    fn open_files(&self, scope: &Arc<TermScope>) -> Result<Option<u64>, Attempt> {
        let Some(term) = &self.node.open_files else { return Ok(None) };
        let value = scope.evaluate(term).map_err(Attempt::eval)?;
        match value.to_string().parse() {
            _ if matches!(value, Value::Null | Value::Omit | Value::Unknown) => Ok(None),
            Ok(number) => Ok(Some(number).filter(|number| *number > 0)),
            Err(_) => Err(Attempt::failed(format!("`{OPEN_FILES}` is a number of files, not `{value}`"))),
        }
    }

    /// What is added to the environment of its programs.
    pub(super) fn environment(&self, scope: &Arc<TermScope>) -> Result<Vec<(String, String)>, Attempt> {
        let value = scope.evaluate(&self.node.environment).map_err(Attempt::eval)?;
        Ok(value.as_map().into_iter().flatten().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    fn context(&self, how: &Try<'_>) -> Result<Context, Attempt> {
        let environment = self.environment(how.scope)?;
        let looks = self.looking
            || match how.execution.check_mode {
                CheckMode::OfTheRun => self.session.is_plan(),
                CheckMode::Off => false,
                CheckMode::On => true,
            };
        let blobs = self.session.blobs.clone();
        let blobs = if looks { Arc::new(super::variables::Receiving(blobs)) } else { blobs };
        Ok(Context {
            environment,
            blobs: Some(blobs),
            no_log: how.round.no_log,
            diff: self.node.diff == Diff::Wanted,
            only_looks: how.execution.check_mode == CheckMode::On,
        })
    }

    /// Waits for the turn of the node, and has what it notifies written down.
    fn before_first_change(&self, names: &[String]) -> crate::machine::Result<()> {
        if !self.has_turn() {
            return Err(Fault::new("go on", "an earlier state failed"));
        }
        if names.is_empty() || self.session.is_plan() || !self.session.prologue.keeps() || self.looking {
            return Ok(());
        }
        self.session.state().notifications.intend(self.node.id, names.to_vec());
        (self.session.keeper())()
    }
}
