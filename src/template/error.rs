//! Why an expression has no value, with enough to point at the place.

use serde::{Deserialize, Serialize};

use super::term::Template;
use crate::source::Origin;

/// An expression that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What kind of failure.
    pub reason: Reason,
    /// What is wrong, in one line.
    pub message: String,
    /// Where the failing part of the expression stands, and how many characters it has.
    pub place: Option<(Origin, u32)>,
    /// The variables that led there, outermost first.
    pub via: Vec<Via>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A variable on the way from the use to the failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Via {
    /// Its name.
    pub name: String,
    /// Where its value stands.
    pub origin: Option<Origin>,
}

/// The kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Something that is not defined was used; the dotted path of it.
    Undefined(String),
    /// Not valid Jinja.
    Syntax,
    /// A filter, test or function that does not exist; its name.
    UnknownName(String),
    /// Variables defined in terms of each other.
    Loop,
    /// It is written wrongly, whatever the values: an unknown lookup, or an unknown option of one.
    Misuse,
    /// A vaulted value none of the given passwords opens.
    Vault,
    /// Anything else.
    Failed,
}

impl EvalError {
    /// A failure without a place yet.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { reason: Reason::Failed, message: message.into(), place: None, via: Vec::new(), help: None }
    }

    /// It is written wrongly.
    pub fn misuse(message: impl Into<String>) -> Self {
        Self { reason: Reason::Misuse, ..Self::failed(message) }
    }

    /// Something undefined was used.
    pub fn undefined(path: &str) -> Self {
        Self {
            reason: Reason::Undefined(path.to_owned()),
            message: format!("`{path}` is not defined"),
            place: None,
            via: Vec::new(),
            help: None,
        }
    }

    /// The message in the words of Ansible, for playbooks that read it out of a registered result.
    pub fn for_result(&self) -> String {
        match self.undefined_words() {
            Some(words) => format!("Task failed: {words} ({})", self.message),
            None => self.rendering_words(),
        }
    }

    fn rendering_words(&self) -> String {
        let prefix = if self.message.starts_with("division by zero") { "Error rendering template: " } else { "" };
        format!("{prefix}{}", self.message)
    }

    /// The same of an expression that gives an argument of a task.
    pub fn for_argument(&self, module: &str, argument: &str) -> String {
        let words = self.undefined_words().unwrap_or_else(|| self.rendering_words());
        format!(
            "Task failed: Finalization of task args for 'ansible.builtin.{module}' failed: Error while resolving value for \
             '{argument}': {words}"
        )
    }

    fn undefined_words(&self) -> Option<String> {
        let Reason::Undefined(path) = &self.reason else { return None };
        if self.message != format!("`{path}` is not defined") {
            return None;
        }
        Some(match (path.rsplit_once('['), path.rsplit_once('.')) {
            (Some((_, index)), _) if path.ends_with(']') => {
                format!("object has no element {}", index.trim_end_matches(']'))
            }
            (_, Some((_, key))) => format!("object of type 'dict' has no attribute '{key}'"),
            _ => format!("'{path}' is undefined"),
        })
    }

    /// Gives the failure a place in `template` unless it has one.
    #[must_use]
    pub fn in_template(mut self, template: &Template, range: Option<std::ops::Range<usize>>) -> Self {
        if self.place.is_none() {
            let trimmed = template.text.trim();
            let whole = template.text.find(trimmed).unwrap_or(0);
            let range = range.unwrap_or(whole..whole + trimmed.len());
            let part = template.text.get(range.clone()).unwrap_or("").split('\n').next().unwrap_or("");
            self.place = Some((template.place(range.start), part.chars().count() as u32));
        }
        self
    }

    /// Records that the failure was met while evaluating variable `name`.
    #[must_use]
    pub fn via(mut self, name: &str, origin: Option<Origin>) -> Self {
        self.via.insert(0, Via { name: name.to_owned(), origin });
        self
    }
}
