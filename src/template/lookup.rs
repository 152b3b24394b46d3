//! `lookup()`, `query()` and `q()`: the call, and what it gives back.
//!
//! Lookups are made on the controller. What is evaluated on a target takes the answers from [`ANSWERS`], a variable that
//! travels with the task.

use minijinja::value::{Kwargs, Rest, Value as Jinja};
use minijinja::{Environment, Error, ErrorKind};

use super::convert::{from_jinja, to_jinja};
use super::engine::current_scope;
use super::error::{EvalError, Reason};
use super::term::Term;
use super::trace::{self, MissingMark};
use crate::value::{Map, Value};

/// The variable that holds the answers to the lookups of a task.
pub const ANSWERS: &str = "__cfg_lookups";

/// What the names of the lookups behind `is file` and its kin begin with.
pub const PATH_TEST: &str = "test of a path: ";

/// The name of the lookup behind `now()`: seconds and nanoseconds since the epoch, by the controller's clock.
pub const NOW: &str = "time of day: ";

/// A call of a lookup plugin.
#[derive(Clone, Debug)]
pub struct LookupCall {
    /// The plugin's short name.
    pub name: String,
    /// Positional terms.
    pub terms: Vec<Value>,
    /// Options. One that is given but not defined is [`Value::Omit`].
    pub options: Map,
    /// The expression depends on something unknown already: what is asked for may never be asked for.
    pub guessing: bool,
}

/// What a lookup gave.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The results, one a term.
    Results(Vec<Value>),
    /// It depends on something unknown.
    Unknown,
}

impl LookupCall {
    /// The question as text: the same question has the same text.
    pub fn key(&self) -> String {
        let terms = Value::list(self.terms.iter().cloned());
        format!(
            "{} {} {}",
            self.name,
            super::filters::compact(&terms),
            super::filters::compact(&self.options.clone().into())
        )
    }
}

/// An answer as it travels.
#[cfg(feature = "controller")]
pub fn answer_value(answer: &Result<Lookup, EvalError>) -> Value {
    match answer {
        Ok(Lookup::Results(values)) => Value::list(values.iter().cloned()),
        Ok(Lookup::Unknown) => Value::Unknown,
        Err(error) => {
            let mut parts = vec![("message", Value::str(&error.message))];
            if let super::error::Reason::Undefined(path) = &error.reason {
                parts.push(("undefined", Value::str(path)));
            }
            Value::map(parts)
        }
    }
}

/// The answer that travelled with the task.
pub(super) fn answered(call: &LookupCall, answers: Option<Term>) -> Result<Lookup, EvalError> {
    let found = match &answers {
        Some(Term::Value(answers)) => answers.get(&call.key()),
        _ => None,
    };
    match found {
        Some(Value::List(values)) => Ok(Lookup::Results(values.to_vec())),
        Some(Value::Unknown) => Ok(Lookup::Unknown),
        Some(failure) => {
            let message = failure.get("message").map(Value::to_string).unwrap_or_default();
            Err(match failure.get("undefined") {
                Some(path) => EvalError { message, ..EvalError::undefined(&path.to_string()) },
                None => EvalError::failed(message),
            })
        }
        None => Err(EvalError::failed(format!(
            "the lookup `{}` works on the controller, and what it is asked for is known on the host only",
            call.name
        ))),
    }
}

/// Registers the functions.
pub fn register(env: &mut Environment<'static>) {
    env.add_function("lookup", |name: String, terms: Rest<Jinja>, options: Kwargs| {
        let want_list = options.peek::<Option<bool>>("wantlist").ok().flatten().unwrap_or(false);
        Ok::<Jinja, Error>(match call(&name, &terms.0, &options, want_list)? {
            Lookup::Unknown => trace::unknown(),
            Lookup::Results(values) if want_list => to_jinja(&Value::from(values)),
            Lookup::Results(values) => to_jinja(&joined(values)),
        })
    });
    // The filter is the lookup of one pattern.
    env.add_filter("fileglob", |pattern: Jinja| {
        Ok::<Jinja, Error>(match ask("fileglob", vec![from_jinja(&pattern)])? {
            Lookup::Unknown => trace::unknown(),
            Lookup::Results(values) => to_jinja(&Value::from(values)),
        })
    });
    for name in ["query", "q"] {
        env.add_function(name, |name: String, terms: Rest<Jinja>, options: Kwargs| {
            Ok::<Jinja, Error>(match call(&name, &terms.0, &options, true)? {
                Lookup::Unknown => trace::unknown(),
                Lookup::Results(values) => to_jinja(&Value::from(values)),
            })
        });
    }
}

fn call(name: &str, terms: &[Jinja], options: &Kwargs, want_list: bool) -> Result<Lookup, Error> {
    let short = name.rsplit('.').next().unwrap_or(name).to_owned();
    let mut map = Map::new();
    for key in options.args() {
        let value = options.get::<Jinja>(key)?;
        // `default=undef()`: only the lookup can say whether it is used.
        let value = match value.downcast_object_ref::<MissingMark>() {
            Some(mark) if key == "default" => {
                trace::excuse(mark);
                Value::Omit
            }
            _ => from_jinja(&value),
        };
        map.insert(key.into(), value);
    }
    let errors = match map.get("errors").map(Value::to_string).as_deref() {
        None | Some("strict") => false,
        Some("ignore" | "warn") => true,
        Some(other) => {
            let message = format!("`errors` of a lookup is strict, warn or ignore, not `{other}`");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    };
    let terms = terms.iter().map(from_jinja).collect();
    trace::check()?;
    match in_scope(&LookupCall { name: short, terms, options: map, guessing: trace::is_unknown() })? {
        // `errors` is about what is looked up, not about how it is written.
        Err(error) if errors && !matches!(error.reason, Reason::Misuse | Reason::UnknownName(_)) => {
            Ok(Lookup::Results(if want_list { Vec::new() } else { vec![Value::Null] }))
        }
        result => result.map_err(trace::failed),
    }
}

/// Makes a lookup for a test.
pub(super) fn ask(name: &str, terms: Vec<Value>) -> Result<Lookup, Error> {
    let call = LookupCall { name: name.to_owned(), terms, options: Map::new(), guessing: trace::is_unknown() };
    in_scope(&call)?.map_err(trace::failed)
}

/// Makes a lookup that may fail without a trace; `None` where it does.
pub(super) fn attempt(name: &str) -> Option<Lookup> {
    let call =
        LookupCall { name: name.to_owned(), terms: Vec::new(), options: Map::new(), guessing: trace::is_unknown() };
    in_scope(&call).ok()?.ok()
}

fn in_scope(call: &LookupCall) -> Result<Result<Lookup, EvalError>, Error> {
    let scope =
        current_scope().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "lookups need a scope of variables"))?;
    Ok(scope.lookup(call))
}

/// `lookup` gives one value as it is and joins several with commas, as in Ansible.
fn joined(mut values: Vec<Value>) -> Value {
    match values.len() {
        0 => Value::list([]),
        1 => values.remove(0),
        _ if values.iter().all(|v| v.as_str().is_some()) => {
            Value::from(values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        }
        _ => Value::from(values),
    }
}
