//! `--step`: somebody says of each task whether it runs.
//!
//! Invariant: whoever is asked has seen how everything before came out, so nothing is compiled ahead of an answer.

use super::frame::Frame;
use super::host::HostCompiler;
use super::{Stop, modules};
use crate::graph::{Handler, Segment};
use crate::parse::{Keyword, Task};
use crate::source::Span;
use crate::value::Value;
use crate::yaml::Node as Yaml;

/// The variable an answer travels under from the host that asked to the others.
const WANTED: &str = "wanted";

impl HostCompiler<'_> {
    /// Says whether a task runs, which is asked once for all hosts that come to it. Like in Ansible, nobody is asked about
    /// `meta`; nor about a task that cannot run any more, which will say so itself.
    pub(super) fn wants_task(&mut self, task: &Task, frame: &Frame) -> Result<bool, Stop> {
        if !self.driver.asks() || frame.handler.is_some() || modules::short(&task.module) == "meta" {
            return Ok(true);
        }
        self.stand()?;
        let name = task.keywords.get(Keyword::Name).map(|node| self.shown(node, frame));
        let role = frame.role.as_ref().map(|role| format!("{} : ", role.role.name)).unwrap_or_default();
        let name = format!("{role}{}", name.unwrap_or_else(|| task.module.to_string()));
        if self.admits(frame) { self.ask(&name, task.span) } else { Ok(true) }
    }

    /// Says whether a handler runs: it is asked about where it was notified, and otherwise does not. What is refused stays
    /// notified for the next run.
    pub(super) fn wants_handler(&mut self, handler: &Handler, frame: &Frame, at: Span) -> Result<bool, Stop> {
        if !self.driver.asks() {
            return Ok(true);
        }
        self.stand()?;
        if !self.admits(frame) {
            return Ok(true);
        }
        if !self.is_due(handler) {
            return Ok(false);
        }
        let name = handler.names.first().cloned().unwrap_or_default();
        self.ask(&name, at)
    }

    /// Says whether a handler was notified, as of what the host said last.
    pub(super) fn is_due(&self, handler: &Handler) -> bool {
        let waiting = self.so_far.waiting.as_deref().unwrap_or_default();
        handler.names.iter().any(|name| waiting.contains(name))
    }

    /// Runs what was compiled so far, and learns how the host stands even where that was nothing.
    pub(super) fn stand(&mut self) -> Result<(), Stop> {
        self.flush()?;
        if self.so_far.waiting.is_none() {
            let report = self.driver.run(Segment { return_variables: true, ..Segment::default() })?;
            self.take_in(report)?;
        }
        Ok(())
    }

    fn admits(&self, frame: &Frame) -> bool {
        self.so_far.blocks.admit(&frame.blocks, self.so_far.failed)
    }

    fn shown(&self, name: &Yaml, frame: &Frame) -> String {
        let value = self.scope(frame, Vec::new()).evaluate(&self.term(name));
        let known = value.ok().filter(|value| !value.has_unknown());
        known.map_or_else(|| name.to_value().to_string(), |value| value.to_string())
    }

    /// The hosts meet; the first of those that came asks, and gives the answer to the others.
    fn ask(&mut self, name: &str, at: Span) -> Result<bool, Stop> {
        let key = format!("{WANTED} {}", self.place_key());
        if !self.meet()?.leads {
            let answer = self.driver.shared(&key)?.unwrap_or_default();
            return Ok(answer.iter().any(|(_, wanted)| *wanted == Value::Bool(true)));
        }
        let origin = self.project.files.sources.origin(at);
        let wanted = self.driver.ask(name, &origin);
        self.driver.share(&key, vec![(WANTED.to_owned(), Value::Bool(wanted))]);
        Ok(wanted)
    }
}
