//! Programs to run, and what came of them.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::value::{Value, text_of};

/// A program with its arguments. There is no shell in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory.
    pub chdir: Option<PathBuf>,
    /// Variables added to the environment.
    pub env: Vec<(String, String)>,
    /// Given on standard input.
    pub stdin: Option<Vec<u8>>,
    /// Ended after this time.
    pub timeout: Option<Duration>,
    /// What a dry run does not know from then on.
    pub effect: Effect,
    /// The name the program sees in place of its own (`executable`).
    pub program: Option<String>,
    /// How many files it may have open, where the machine allows as many (the soft limit of `RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
}

/// What a program does to the machine, as far as that concerns those that look at it in a dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Nothing they would ask for.
    #[default]
    None,
    /// It fills this directory.
    Fills(PathBuf),
    /// Anything, and it makes what is at this path, if there is one.
    Anything(Option<PathBuf>),
}

impl Command {
    /// A command of words.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command as a person would write it, for messages only.
    pub fn shown(&self) -> String {
        self.argv.join(" ")
    }
}

/// The standard streams of a finished program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stdio {
    /// Exit status; a signal gives its negative number.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// What came of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// It ran.
    Known(Stdio),
    /// It was not run, because this is a dry run.
    Unknown,
}

impl Stdio {
    /// Says whether the status is 0.
    pub fn ok(&self) -> bool {
        self.status == 0
    }

    /// Standard output as text.
    pub fn out(&self) -> String {
        text_of(&self.stdout)
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        text_of(&self.stderr)
    }

    /// The last lines of what it wrote, for messages.
    pub fn tail(&self) -> String {
        let text = if self.stderr.is_empty() { self.out() } else { self.err() };
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines.iter().skip(lines.len().saturating_sub(8)).copied().collect::<Vec<_>>().join("\n")
    }
}

impl Output {
    /// The streams, where it ran.
    pub fn known(&self) -> Option<&Stdio> {
        match self {
            Self::Known(stdio) => Some(stdio),
            Self::Unknown => None,
        }
    }

    /// Exit status as a result value.
    pub fn rc(&self) -> Value {
        self.known().map_or(Value::Unknown, |stdio| Value::Int(stdio.status.into()))
    }
}
