//! What an evaluation touched: unknowns handed out, and undefined names nobody excused.
//!
//! The engine cannot carry "unknown" or a named "undefined" through its operators. So each evaluation keeps a trace: an
//! unknown that was handed out makes the whole result unknown, whatever the operators made of it; an undefined that was
//! handed out is an error unless `default` or a test such as `is defined` excused it. Evaluation is synchronous, so the
//! trace of the innermost evaluation lives in a thread-local stack.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value as Jinja};

use super::error::{EvalError, Reason};
use crate::value::Map;

#[derive(Default)]
struct Trace {
    unknown: bool,
    missing: Vec<MissingRecord>,
    failure: Option<EvalError>,
}

struct MissingRecord {
    path: String,
    excused: bool,
    cause: Option<EvalError>,
    parent: Parent,
    hint: Option<String>,
}

/// In what something is missing.
#[derive(Clone, Debug, Default)]
pub enum Parent {
    /// In the variables.
    #[default]
    Scope,
    /// In a mapping.
    Map(Arc<Map>),
    /// In a list.
    List,
}

impl MissingRecord {
    fn error(self) -> EvalError {
        let mut error = match (self.cause, &self.hint) {
            (Some(cause), _) => return cause,
            (None, Some(hint)) => EvalError { message: hint.clone(), ..EvalError::undefined(&self.path) },
            (None, None) => EvalError::undefined(&self.path),
        };
        if let Parent::Map(map) = &self.parent {
            let key = self.path.rsplit('.').next().unwrap_or(&self.path);
            let near = crate::diagnostic::did_you_mean(key, map.keys().map(AsRef::as_ref));
            error.help = near.or_else(|| {
                let keys: Vec<&str> = map.keys().take(12).map(AsRef::as_ref).collect();
                let more = if map.len() > keys.len() { ", …" } else { "" };
                (!keys.is_empty()).then(|| format!("there is: {}{more}", keys.join(", ")))
            });
        }
        error
    }
}

thread_local! {
    static STACK: RefCell<Vec<Trace>> = const { RefCell::new(Vec::new()) };
}

/// What was touched by one evaluation.
pub struct Outcome {
    /// An unknown was handed out.
    pub unknown: bool,
    /// The first undefined name that nobody excused: its path, and the failure it is.
    pub missing: Option<(String, EvalError)>,
    /// Why a lookup failed.
    pub failure: Option<EvalError>,
}

/// Runs `work` with a fresh trace.
pub fn traced<T>(work: impl FnOnce() -> T) -> (T, Outcome) {
    STACK.with_borrow_mut(|stack| stack.push(Trace::default()));
    let result = work();
    let trace = STACK.with_borrow_mut(Vec::pop).unwrap_or_default();
    let missing = trace.missing.into_iter().find(|m| !m.excused).map(|m| (m.path.clone(), m.error()));
    (result, Outcome { unknown: trace.unknown, missing, failure: trace.failure })
}

/// Hands out an unknown.
pub fn unknown() -> Jinja {
    STACK.with_borrow_mut(|stack| {
        if let Some(trace) = stack.last_mut() {
            trace.unknown = true;
        }
    });
    Jinja::from_object(UnknownMark)
}

/// Says whether the evaluation has handed out an unknown.
pub fn is_unknown() -> bool {
    STACK.with_borrow(|stack| stack.last().is_some_and(|trace| trace.unknown))
}

/// The failure of a lookup, as an error of the engine: what it knows of its reason is kept for the end of the evaluation.
pub fn failed(error: EvalError) -> minijinja::Error {
    let message = error.message.clone();
    STACK.with_borrow_mut(|stack| {
        if let Some(trace) = stack.last_mut() {
            trace.failure = Some(error);
        }
    });
    minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message)
}

/// Stops an evaluation in which something has failed that could not say so where it did.
pub fn check() -> Result<(), minijinja::Error> {
    let message = STACK.with_borrow(|stack| Some(stack.last()?.failure.as_ref()?.message.clone()));
    message.map_or(Ok(()), |message| Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message)))
}

/// Hands out an undefined that knows its name.
pub fn missing(path: String, cause: Option<EvalError>) -> Jinja {
    record(MissingRecord { path, excused: false, cause, parent: Parent::Scope, hint: None })
}

/// Hands out a variable whose value failed. What is not defined in it may be excused as the variable itself may; any other
/// failure may not: a value that cannot be decrypted is no reason to take a default.
pub fn unavailable(name: &str, error: EvalError) -> Jinja {
    if !matches!(error.reason, Reason::Undefined(_)) {
        drop(failed(error.clone()));
    }
    missing(name.to_owned(), Some(error))
}

/// Hands out an undefined that is missing in something.
pub fn missing_in(path: String, parent: Parent) -> Jinja {
    record(MissingRecord { path, excused: false, cause: None, parent, hint: None })
}

/// Hands out what `undef()` makes.
pub fn missing_because(hint: Option<String>) -> Jinja {
    record(MissingRecord { path: "undef()".into(), excused: false, cause: None, parent: Parent::Scope, hint })
}

fn record(record: MissingRecord) -> Jinja {
    let path = record.path.clone();
    let id = STACK.with_borrow_mut(|stack| {
        let trace = stack.last_mut()?;
        trace.missing.push(record);
        Some(trace.missing.len() - 1)
    });
    Jinja::from_object(MissingMark { path, id })
}

/// Excuses an undefined: it was used in a way that is allowed.
pub fn excuse(mark: &MissingMark) {
    STACK.with_borrow_mut(|stack| {
        let record = stack.last_mut().zip(mark.id).and_then(|(trace, id)| trace.missing.get_mut(id));
        if let Some(record) = record {
            record.excused = true;
        }
    });
}

/// Stands for [`crate::value::Value::Unknown`] inside the engine.
#[derive(Debug)]
pub struct UnknownMark;

impl Object for UnknownMark {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _key: &Jinja) -> Option<Jinja> {
        Some(unknown())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut minijinja::State<'_, '_>,
        _method: &str,
        _args: &[Jinja],
    ) -> Result<Jinja, minijinja::Error> {
        Ok(unknown())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(known after apply)")
    }
}

/// Stands for the magic `omit` inside the engine.
#[derive(Debug)]
pub struct OmitMark;

impl Object for OmitMark {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// Stands for an undefined name inside the engine. Attributes of it are undefined too, as in Ansible.
#[derive(Debug)]
pub struct MissingMark {
    path: String,
    id: Option<usize>,
}

impl Object for MissingMark {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let known = STACK.with_borrow(|stack| {
            let record = stack.last().zip(self.id).and_then(|(trace, id)| trace.missing.get(id));
            record.map(|record| (record.cause.clone(), record.parent.clone(), record.hint.clone()))
        });
        excuse(self);
        // The outermost missing name is the one to report: `a` of `a.b.c`.
        let _ = key;
        let (cause, parent, hint) = known.unwrap_or_default();
        Some(record(MissingRecord { path: self.path.clone(), excused: false, cause, parent, hint }))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn render(self: &Arc<Self>, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
