//! What a person is told about a mistake: a message, the places it concerns, and what to do.
//!
//! Invariants: a diagnostic is data and prints nothing; rendering (controller only) is the one place that knows about
//! excerpts and colour. Every diagnostic has a [`Code`] that `cfg explain` can talk about.

mod code;
#[cfg(feature = "controller")]
mod render;
mod suggest;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use crate::source::Span;

pub use code::{CODES, Code};
#[cfg(feature = "controller")]
pub use render::{Found, render, summary};
pub use suggest::{did_you_mean, nearest};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The run goes on.
    Warning,
    /// No host is contacted.
    Error,
}

/// A place, and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be said there; may be empty.
    pub text: String,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// Which kind of mistake.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where: the first is the main place.
    pub labels: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// Starts an error.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            help: None,
            notes: Vec::new(),
        }
    }

    /// Starts a warning.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place; the first one added is the main one.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Says what to do next, where there is something to say.
    #[must_use]
    pub fn help_opt(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    /// Adds something worth knowing.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// The main place.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }
}

fn hash_of(diagnostic: &Diagnostic) -> u64 {
    let mut hasher = DefaultHasher::new();
    diagnostic.hash(&mut hasher);
    hasher.finish()
}

/// Collects diagnostics; equal ones are kept once.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    all: Vec<Diagnostic>,
    /// Where those of a hash are: each of the many that one mistake behind an alias makes is found at once.
    known: HashMap<u64, Vec<usize>>,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let alike = self.known.entry(hash_of(&diagnostic)).or_default();
        if !alike.iter().any(|at| self.all.get(*at) == Some(&diagnostic)) {
            alike.push(self.all.len());
            self.all.push(diagnostic);
        }
    }

    /// Says whether it is one of them.
    pub fn contains(&self, diagnostic: &Diagnostic) -> bool {
        let alike = self.known.get(&hash_of(diagnostic));
        alike.is_some_and(|alike| alike.iter().any(|at| self.all.get(*at) == Some(diagnostic)))
    }

    /// Adds many.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Diagnostic>) {
        for diagnostic in others {
            self.push(diagnostic);
        }
    }

    /// Says whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(|d| d.severity == Severity::Error)
    }

    /// All of them, errors first, otherwise as they came.
    pub fn sorted(mut self) -> Vec<Diagnostic> {
        self.all.sort_by_key(|d| std::cmp::Reverse(d.severity));
        self.all
    }

    /// Looks at them.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.all.iter()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}
