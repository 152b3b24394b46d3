//! `pause` with a prompt: a person answers, once for all hosts.

use std::sync::Arc;

use super::Stop;
use super::conditions::Judged;
use super::frame::Frame;
use super::host::HostCompiler;
use super::rounds::Round;
use crate::graph::{Action, Iteration, Work};
use crate::parse::Task;
use crate::resource::Footprint;
use crate::template::{Term, TermScope};
use crate::value::Value;

/// What is said where a playbook says nothing.
const PROMPT: &str = "Press Enter to go on, Ctrl-C to stop";

/// Says whether a pause has to do with a person: it has a prompt, or no end of its own.
pub(super) fn has_prompt(task: &Task) -> bool {
    let given = |name: &str| task.args.get(name).is_some();
    super::modules::short(&task.module) == "pause" && (given("prompt") || !(given("seconds") || given("minutes")))
}

impl HostCompiler<'_> {
    /// Asks, and adds the node that reports the answer. With a time of its own it only says what it waits for.
    pub(super) fn pause(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let timed = task.args.get("seconds").is_some() || task.args.get("minutes").is_some();
        if !self.is_rehearsal() {
            self.stand()?;
            // Nobody is asked for the sake of a handler that was not notified.
            if frame.handler.as_ref().is_some_and(|handler| !self.is_due(handler)) {
                return Ok(());
            }
        }
        let admitted = self.so_far.blocks.admit(&frame.blocks, self.so_far.failed);
        let mut iterations = Vec::new();
        for Round { item, locals } in self.rounds_at_once(task, frame)? {
            let scope = self.scope(frame, locals);
            let (when, args) = match self.conditions(frame, &scope, task)? {
                Judged::False(condition) => {
                    iterations.push(Iteration { item, ..super::iteration::skipped_for(&condition) });
                    continue;
                }
                Judged::Open(when) if timed => (when, Term::Value(self.timed(task, &scope)?)),
                Judged::Open(_) if self.is_rehearsal() || self.project.plan || !admitted => {
                    self.prompt(task, &scope)?;
                    (vec![Term::Value(Value::Unknown)], Term::Value(Value::Unknown))
                }
                Judged::Open(when) => (when, Term::Value(self.answered(task, &scope)?)),
            };
            iterations.push(Iteration { item, ..Iteration::of(when, args) });
        }
        let looped = task.is_looped();
        let work = match looped {
            true => Work::Items(self.loop_control(task, frame), iterations),
            false => Work::Once(iterations.into_iter().next().unwrap_or_else(super::iteration::skipped)),
        };
        let action = if timed { Action::Pause } else { Action::Report };
        self.push(task, frame, action, work, Footprint::world())
    }

    fn prompt(&mut self, task: &Task, scope: &Arc<TermScope>) -> Result<Option<String>, Stop> {
        let Some(node) = task.args.get("prompt") else { return Ok(None) };
        let value = self.evaluate(&self.term(node), scope, node.span)?;
        Ok(Some(value.to_string()).filter(|_| !matches!(value, Value::Null | Value::Omit)))
    }

    /// The arguments of a pause that ends by itself. What it waits for is said.
    fn timed(&mut self, task: &Task, scope: &Arc<TermScope>) -> Result<Value, Stop> {
        let prompt = self.prompt(task, scope)?.filter(|_| !self.is_rehearsal() && !self.project.plan);
        prompt.into_iter().for_each(|text| self.driver.note("pause", text));
        let given = ["seconds", "minutes"].map(|name| Some((name, task.args.get(name)?)));
        let given: Result<Vec<_>, Stop> = given
            .into_iter()
            .flatten()
            .map(|(name, node)| Ok((name, self.evaluate(&self.term(node), scope, node.span)?)))
            .collect();
        Ok(Value::map(given?))
    }

    /// The result of a prompt.
    fn answered(&mut self, task: &Task, scope: &Arc<TermScope>) -> Result<Value, Stop> {
        let prompt = self.prompt(task, scope)?;
        let echo = match task.args.get("echo") {
            Some(node) => crate::apply_truth(&self.evaluate(&self.term(node), scope, node.span)?),
            None => true,
        };
        let started = std::time::Instant::now();
        let answer = self.driver.answer(prompt.as_deref().unwrap_or(PROMPT), echo);
        if answer.is_none() {
            self.driver.note("warning", "nobody is there to answer a pause: standard input is no terminal".to_owned());
        }
        if let Some(secret) = answer.as_ref().filter(|answer| !echo && !answer.is_empty()) {
            self.project.redactor.add(secret);
        }
        let seconds = started.elapsed().as_secs() as usize;
        Ok(Value::map([
            ("user_input", Value::from(answer.unwrap_or_default())),
            ("echo", Value::Bool(echo)),
            ("delta", Value::from(seconds)),
            ("rc", Value::Int(0)),
            ("stdout", Value::from(format!("Paused for {seconds} seconds"))),
            ("stderr", Value::str("")),
        ]))
    }
}
