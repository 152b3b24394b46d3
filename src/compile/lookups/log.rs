//! What was looked up for the task that is being compiled, and what could not be.

use std::sync::{Mutex, MutexGuard};

use crate::template::{EvalError, Lookup, LookupCall, answer_value};
use crate::value::{Map, Value};

/// One for a host and play.
#[derive(Debug, Default)]
pub struct Log(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answers: Vec<(String, Result<Lookup, EvalError>)>,
    /// Answers from here on were given for the same time of the task: the same question gets the same answer.
    fresh: usize,
    wanted: bool,
    uncertain: bool,
    paused: bool,
    folder: Option<&'static str>,
}

impl Log {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A task begins.
    pub fn begin(&self) {
        *self.state() = State::default();
    }

    /// An iteration of the task begins: programs are run anew.
    pub fn begin_iteration(&self) {
        let mut state = self.state();
        state.fresh = state.answers.len();
        state.uncertain = false;
    }

    /// Whether it is certain that the task runs.
    pub fn set_uncertain(&self, uncertain: bool) {
        self.state().uncertain = uncertain;
    }

    /// Says whether it is not certain that the task runs.
    pub fn is_uncertain(&self) -> bool {
        self.state().uncertain
    }

    /// Whether the loop of the task waits between its items.
    pub fn set_paused(&self, paused: bool) {
        self.state().paused = paused;
    }

    /// Says whether the loop of the task waits between its items.
    pub fn is_paused(&self) -> bool {
        self.state().paused
    }

    /// The folder of a role in which `with_first_found` of the task looks.
    pub fn set_folder(&self, folder: Option<&'static str>) {
        self.state().folder = folder;
    }

    /// The folder of a role in which `first_found` looks.
    pub fn folder(&self) -> &'static str {
        self.state().folder.unwrap_or("files")
    }

    /// Something could not be looked up yet.
    pub fn want(&self, call: &LookupCall) {
        self.keep(call, &Ok(Lookup::Unknown));
        self.want_file();
    }

    /// A file of the controller was not there yet.
    pub fn want_file(&self) {
        self.state().wanted = true;
    }

    /// Says whether something could not be looked up, and forgets it.
    pub fn take_wanted(&self) -> bool {
        std::mem::take(&mut self.state().wanted)
    }

    /// The answer a question got.
    pub fn known(&self, call: &LookupCall) -> Option<Result<Lookup, EvalError>> {
        let (state, key) = (self.state(), call.key());
        let recent = state.answers.get(state.fresh..)?;
        let found = recent.iter().rev().find(|(known, _)| *known == key).map(|(_, answer)| answer.clone());
        found.filter(|answer| !matches!(answer, Ok(Lookup::Unknown)))
    }

    /// Keeps an answer.
    pub fn keep(&self, call: &LookupCall, answer: &Result<Lookup, EvalError>) {
        self.state().answers.push((call.key(), answer.clone()));
    }

    /// Every answer, for what is evaluated on the target; `None` where nothing was asked.
    pub fn answers(&self) -> Option<Value> {
        let state = self.state();
        let entry = |(key, answer): &(String, Result<Lookup, EvalError>)| (key.as_str().into(), answer_value(answer));
        let map: Map = state.answers.iter().map(entry).collect();
        (!map.is_empty()).then(|| Value::from(map))
    }
}
