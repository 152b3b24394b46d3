//! Loops over what is not a node of its own: dynamic includes and blocks.

use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::graph::{Action, Work};
use crate::parse::{Keyword, Task};
use crate::resource::Footprint;
use crate::value::Value;
use crate::yaml::Node as Yaml;

/// One time of a loop.
#[derive(Clone, Default)]
pub(super) struct Round {
    /// The item, where there is a loop.
    pub item: Option<Value>,
    /// The variables of the loop.
    pub locals: Vec<(String, Value)>,
}

/// What `break_when` says after a round.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the next round follows.
    Goes,
    /// There is no further round.
    Stops,
    /// Only an apply can know.
    Unknown,
}

impl HostCompiler<'_> {
    /// How often something that is not a node of its own is gone through. Its items have to be known, so what they depend on
    /// runs first. `break_when` is not looked at yet.
    pub(super) fn rounds(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<Vec<Round>, Stop> {
        if !task.is_looped() {
            return Ok(vec![Round::default()]);
        }
        for attempt in 0..2 {
            let (work, _) = self.work(task, frame, &Action::Noop)?;
            match work {
                // Its conditions are known not to hold, and its items cannot be had.
                Work::Once(_) => {
                    self.skipped_node(task, frame)?;
                    return Ok(Vec::new());
                }
                Work::Items(looped, iterations) if iterations.is_empty() => {
                    let work = Work::Items(looped, iterations);
                    self.push(task, frame, Action::Noop, work, Footprint::nothing())?;
                    return Ok(Vec::new());
                }
                Work::Items(looped, iterations) => {
                    let items: Vec<Value> = iterations.into_iter().map(|i| i.item.unwrap_or_default()).collect();
                    let round = |(i, item): (usize, &Value)| Round {
                        item: Some(item.clone()),
                        locals: crate::apply::loop_variables(&looped, &items, i),
                    };
                    return Ok(items.iter().enumerate().map(round).collect());
                }
                Work::Late(..) if attempt == 0 => drop(self.flush()?),
                Work::Late(..) => {}
            }
        }
        self.known_after_apply(task, frame)?;
        Ok(Vec::new())
    }

    /// The rounds of an include up to the one `break_when` ends them with. As in Ansible that is known before the first
    /// included task runs.
    pub(super) fn rounds_at_once(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<Vec<Round>, Stop> {
        let rounds = self.rounds(task, frame)?;
        for (i, round) in rounds.iter().enumerate() {
            match self.after_round(task, frame, round)? {
                Next::Goes => {}
                Next::Stops => return Ok(rounds.into_iter().take(i + 1).collect()),
                Next::Unknown => {
                    self.known_after_apply(task, frame)?;
                    return Ok(Vec::new());
                }
            }
        }
        Ok(rounds)
    }

    /// Judges `break_when` after a round. What it depends on runs first; a rehearsal, which is for mistakes, goes on.
    pub(super) fn after_round(&mut self, task: &Task, frame: &Frame, round: &Round) -> Result<Next, Stop> {
        let Some(node) = task.keywords.get(Keyword::LoopControl).and_then(|control| control.get("break_when")) else {
            return Ok(Next::Goes);
        };
        let next = self.judged(node, frame, round)?;
        if next != Next::Unknown || self.is_rehearsal() {
            return Ok(if next == Next::Unknown { Next::Goes } else { next });
        }
        self.flush()?;
        self.judged(node, frame, round)
    }

    fn judged(&mut self, node: &Yaml, frame: &Frame, round: &Round) -> Result<Next, Stop> {
        let scope = self.scope(frame, round.locals.clone());
        let mut next = Next::Stops;
        for term in self.condition(node) {
            let value = self.evaluate(&term, &scope, node.span)?;
            if value.has_unknown() {
                next = Next::Unknown;
            } else if !crate::apply_truth(&value) {
                return Ok(Next::Goes);
            }
        }
        Ok(next)
    }
}
