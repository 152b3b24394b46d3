//! From what a resource said to what the task came to.

use std::time::Duration;

use crate::event::{ItemOutcome, Status};
use crate::graph::TargetOutcome;
use crate::machine::Change;
use crate::resource::Failure;
use crate::source::Origin;
use crate::template::EvalError;
use crate::value::{Map, Value};

/// How a node ended, for requisites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ended {
    /// How.
    pub status: Status,
    /// A failure that does not count.
    pub ignored: bool,
}

impl Ended {
    /// What requisites see.
    pub fn for_requisites(self) -> TargetOutcome {
        TargetOutcome {
            failed: self.status == Status::Failed,
            changed: matches!(self.status, Status::Changed | Status::Unknown),
        }
    }
}

/// One time of a task's work, as it goes.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// Return values, without `changed`, `failed` and the like.
    pub result: Map,
    /// Whether something changed: a boolean, or unknown.
    pub changed: Value,
    /// Whether it failed: a boolean, or unknown.
    pub failed: Value,
    /// It was skipped, and why.
    pub skipped: Option<String>,
    /// Nothing of it is known: it was not even tried.
    pub open: bool,
    /// What changed.
    pub changes: Vec<Change>,
    /// A message.
    pub message: Option<String>,
    /// What to show in place of a message, which is not registered.
    pub shown: Option<String>,
    /// What to do about a failure.
    pub help: Option<String>,
    /// Where a failed expression stands.
    pub place: Option<(Origin, u32)>,
}

/// The key that says that the host could not be reached.
const UNREACHABLE: &str = "unreachable";

/// The key of a failed task's traceback.
const EXCEPTION: &str = "exception";

/// Why a host that nobody is connected to cannot be worked on.
pub fn unreachable(why: &str) -> Failure {
    let mut failure = Failure::new(why);
    failure.result.insert(UNREACHABLE.into(), Value::Bool(true));
    // As in Ansible: it is unreachable, and so it is not failed.
    failure.result.insert("failed".into(), Value::Bool(false));
    failure
}

impl Attempt {
    /// It was skipped.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self { changed: Value::Bool(false), failed: Value::Bool(false), skipped: Some(why.into()), ..Self::default() }
    }

    /// It failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            changed: Value::Bool(false),
            failed: Value::Bool(true),
            message: Some(message.into()),
            ..Self::default()
        }
    }

    /// A resource could not be brought about, or not even looked at.
    pub fn of(failure: Failure) -> Self {
        Self { help: failure.help, result: failure.result, ..Self::failed(failure.message) }
    }

    /// It took longer than its `timeout`.
    pub fn timed_out(limit: Duration) -> Self {
        let seconds = limit.as_secs();
        let mut attempt = Self::failed(format!("Timed out after {seconds} second(s)."));
        let place = Value::str("Interrupted while the task was running");
        let timed = Value::map([("frame", place), ("period", Value::from(seconds))]);
        attempt.result.insert("timedout".into(), timed);
        attempt
    }

    /// An expression failed.
    pub fn eval(error: EvalError) -> Self {
        let via = error.via.iter().map(|via| match &via.origin {
            Some(origin) => format!("in the variable `{}`, {origin}", via.name),
            None => format!("in the variable `{}`", via.name),
        });
        let help = error.help.clone().into_iter().chain(via).collect::<Vec<_>>().join("; ");
        let mut attempt = Self { help: (!help.is_empty()).then_some(help), ..Self::failed(error.message.clone()) };
        attempt.result.insert("msg".into(), Value::from(error.for_result()));
        attempt.place = error.place;
        attempt
    }

    /// It depends on something that is known after apply.
    pub fn unknown(message: impl Into<String>) -> Self {
        let message = Some(message.into());
        Self { changed: Value::Unknown, failed: Value::Bool(false), open: true, message, ..Self::default() }
    }

    /// As Ansible has it: where something failed there was an exception, though modules seldom have a traceback to show.
    pub fn with_exception(mut self) -> Self {
        if self.failed == Value::Bool(true) {
            self.result.entry(EXCEPTION.into()).or_insert_with(|| Value::str("(traceback unavailable)"));
        }
        self
    }

    /// What `failed_when` says counts; a failure it does not see as one is kept beside the result.
    pub fn fails_when(&mut self, failed: bool) {
        self.result.insert("failed_when_result".into(), Value::Bool(failed));
        if failed && self.failed != Value::Bool(true) {
            let own = self.message.take().map(|m| format!(": {m}")).unwrap_or_default();
            self.message = Some(format!("`failed_when` holds{own}"));
        }
        if !failed && let Some(exception) = self.result.shift_remove(EXCEPTION) {
            self.result.insert("failed_when_suppressed_exception".into(), exception);
        }
        self.failed = Value::Bool(failed);
    }

    /// How it came out.
    pub fn status(&self) -> Status {
        match (&self.failed, &self.skipped, &self.changed) {
            (Value::Bool(true), ..) => Status::Failed,
            (_, Some(_), _) => Status::Skipped,
            (_, _, Value::Unknown) => Status::Unknown,
            (_, _, changed) if changed.is_true() => Status::Changed,
            _ => Status::Ok,
        }
    }

    /// The registered value.
    pub fn registered(&self) -> Value {
        if self.open {
            return Value::Unknown;
        }
        let mut map = self.result.clone();
        map.insert("changed".into(), self.changed.clone());
        map.entry("failed".into()).or_insert_with(|| self.failed.clone());
        if let Some(message) = &self.message {
            map.entry("msg".into()).or_insert_with(|| Value::str(message));
        }
        if let Some(reason) = &self.skipped {
            map.insert("skipped".into(), Value::Bool(true));
            map.insert("skip_reason".into(), Value::str(reason));
        }
        if let Some(out) = map.get("stdout").cloned() {
            lines(&mut map, "stdout_lines", &out);
        }
        if let Some(err) = map.get("stderr").cloned() {
            lines(&mut map, "stderr_lines", &err);
        }
        Value::from(map)
    }

    /// The event of this item.
    pub fn into_item(self, label: Option<String>, hidden: bool) -> ItemOutcome {
        let status = self.status();
        let unreachable = self.result.get(UNREACHABLE) == Some(&Value::Bool(true));
        let result = if hidden { Value::Null } else { self.registered() };
        let shown = |text: Option<String>| if hidden { text.map(|_| "(hidden: no_log)".to_owned()) } else { text };
        ItemOutcome {
            label: if hidden { label.map(|_| "(hidden)".to_owned()) } else { label },
            status,
            unreachable,
            changes: if hidden { hide(self.changes) } else { self.changes },
            message: shown(self.message.or(self.shown).or(self.skipped)),
            help: shown(self.help),
            place: self.place,
            result,
        }
    }
}

fn lines(map: &mut Map, name: &str, text: &Value) {
    let value = match text {
        Value::Str(text) => Value::list(text.lines().map(Value::str)),
        other => other.clone(),
    };
    map.insert(name.into(), value);
}

/// Keeps what changed and drops how.
fn hide(changes: Vec<Change>) -> Vec<Change> {
    changes.into_iter().map(|change| Change { properties: Vec::new(), diff: None, ..change }).collect()
}

/// The status of a task from those of its items: the worst counts.
pub fn combined(items: &[ItemOutcome]) -> Status {
    let has = |status: Status| items.iter().any(|item| item.status == status);
    if has(Status::Failed) {
        Status::Failed
    } else if has(Status::Changed) {
        Status::Changed
    } else if has(Status::Unknown) {
        Status::Unknown
    } else if has(Status::Ok) || items.is_empty() {
        Status::Ok
    } else {
        Status::Skipped
    }
}
