//! Somebody who says of each task whether it runs (`--step`), and who answers what a playbook asks (`pause`).

use std::sync::atomic::{AtomicBool, Ordering};

use crate::source::Origin;

/// What is answered about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It runs.
    Yes,
    /// It does not.
    No,
    /// It runs, and so does all that follows, without a question.
    Rest,
}

/// Asks about a task: its name, and where it was written.
pub type Asker = dyn Fn(&str, &Origin) -> Answer + Send + Sync;

/// The one who is asked.
pub struct Steps {
    asker: Box<Asker>,
    rest: AtomicBool,
}

impl Steps {
    /// Somebody who is asked like this.
    pub fn new(asker: Box<Asker>) -> Self {
        Self { asker, rest: AtomicBool::new(false) }
    }

    /// Says whether there is still something to ask.
    pub fn asks(&self) -> bool {
        !self.rest.load(Ordering::SeqCst)
    }

    /// Asks whether a task runs.
    pub fn wants(&self, name: &str, origin: &Origin) -> bool {
        let answer = (self.asker)(name, origin);
        self.rest.fetch_or(answer == Answer::Rest, Ordering::SeqCst);
        answer != Answer::No
    }
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steps").field("rest", &self.rest).finish_non_exhaustive()
    }
}

/// Somebody at a terminal.
pub struct Person(Box<Answering>);

/// Asks for a line of text, which is shown while it is typed or not; `None` where there is no answer.
pub type Answering = dyn Fn(&str, bool) -> Option<String> + Send + Sync;

impl Person {
    /// Somebody who is asked like this.
    pub fn new(answering: Box<Answering>) -> Self {
        Self(answering)
    }

    /// Asks.
    pub fn answer(&self, prompt: &str, echo: bool) -> Option<String> {
        (self.0)(prompt, echo)
    }
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person")
    }
}
