//! The arguments of a task, evaluated, and what can be wrong with them.

use crate::value::{Map, Value};

/// An argument by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The name as it was written.
    pub name: String,
    /// The value.
    pub value: Value,
}

/// The arguments of a task; parameters are taken out as they are read.
#[derive(Clone, Debug, Default)]
pub struct Args(Map);

/// Something wrong with an argument.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ParamError {
    /// The parameter it is about, as it was written, where there is one.
    pub param: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What kind of mistake.
    pub kind: ParamErrorKind,
}

/// Kinds of mistakes in arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamErrorKind {
    /// A required parameter is not there.
    Missing,
    /// No such parameter.
    Unknown,
    /// A value of the wrong type or outside of its choices.
    Bad,
    /// Parameters that exclude or need each other.
    Conflict,
}

impl ParamError {
    /// A value that does not fit.
    pub fn bad(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), message: message.into(), kind: ParamErrorKind::Bad }
    }

    /// Parameters that do not fit together.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { param: None, message: message.into(), kind: ParamErrorKind::Conflict }
    }
}

impl Args {
    /// The arguments in a mapping. Omitted ones are not there.
    pub fn new(map: Map) -> Self {
        Self(map.into_iter().filter(|(_, value)| *value != Value::Omit).collect())
    }

    /// Takes the argument of a parameter out, under whichever of its names it was given.
    ///
    /// # Errors
    /// Where it was given under two names.
    pub fn take(&mut self, name: &str, aliases: &[&str]) -> Result<Option<Arg>, ParamError> {
        let mut found: Option<Arg> = None;
        for candidate in std::iter::once(&name).chain(aliases) {
            if let Some(value) = self.0.shift_remove(*candidate) {
                if let Some(first) = found {
                    let message = format!("`{}` and `{candidate}` are the same parameter", first.name);
                    return Err(ParamError::conflict(message));
                }
                found = Some(Arg { name: (*candidate).to_owned(), value });
            }
        }
        Ok(found)
    }

    /// What was given.
    pub fn into_map(self) -> Map {
        self.0
    }

    /// What nobody took.
    pub fn rest(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }
}
