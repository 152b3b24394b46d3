//! `meta`: tasks about the run itself.

use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::graph::{Action, Iteration, Work};
use crate::parse::{Keyword, Task};
use crate::resource::Footprint;
use crate::template::{Term, TermScope};
use crate::value::Value;
use crate::yaml::Node as Yaml;

const META: &[&str] = &[
    "flush_handlers",
    "noop",
    "end_host",
    "end_play",
    "clear_host_errors",
    "reset_connection",
    "refresh_inventory",
    "clear_facts",
    "end_batch",
    "end_role",
];

impl HostCompiler<'_> {
    /// `meta`
    pub(super) fn meta(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let what = task.args.free.as_ref().and_then(Yaml::text).unwrap_or("").trim().to_owned();
        let action = match what.as_str() {
            "flush_handlers" if frame.handler.is_some() || frame.in_handler => {
                let report = Diagnostic::error(Code::Unsupported, "flush_handlers cannot be used as a handler");
                self.mistake(report.at(task.span, "").help("handlers run one after the other anyway"));
                return Err(Stop::Mistakes);
            }
            "flush_handlers" => {
                let scope = self.scope(frame, Vec::new());
                return if self.certainly_skipped(frame, &scope) { Ok(()) } else { self.flush_handlers(&frame.blocks) };
            }
            "end_play" | "end_batch" => return self.end_for_all(task, frame, what == "end_play"),
            "end_role" => return self.end_role(task, frame),
            "refresh_inventory" => return self.refresh_inventory(task, frame),
            "clear_facts" => Action::ClearFacts,
            "noop" | "reset_connection" => Action::Noop,
            "end_host" => Action::EndHost,
            "clear_host_errors" => Action::ClearErrors,
            _ => {
                let help = did_you_mean(&what, META.iter().copied());
                let help = help.or_else(|| Some(format!("there are {}", META.join(", "))));
                let message = if what.is_empty() {
                    "`meta` is not told what to do".to_owned()
                } else if META.contains(&what.as_str()) {
                    format!("`meta: {what}` is not supported yet")
                } else {
                    format!("`meta` knows no `{what}`")
                };
                let span = task.args.free.as_ref().map_or(task.module_span, |n| n.span);
                self.mistake(Diagnostic::error(Code::Unsupported, message).at(span, "").help_opt(help));
                return Err(Stop::Mistakes);
            }
        };
        let clears = action == Action::ClearFacts;
        let (work, _) = self.work(task, frame, &action)?;
        self.push(task, frame, action, work, Footprint::world())?;
        if clears {
            let gathered = self.runtime.get("ansible_facts").cloned();
            self.flush()?;
            let scope = self.scope(frame, Vec::new());
            if matches!(self.facts, super::Facts::Known(_)) && !self.certainly_skipped(frame, &scope) {
                self.forget_facts(gathered);
            }
        }
        Ok(())
    }

    /// `meta: end_play` and `end_batch`: the first host that is left decides for all.
    fn end_for_all(&mut self, task: &Arc<Task>, frame: &Frame, whole_play: bool) -> Result<(), Stop> {
        const END: &str = "end";
        let met = self.meet()?;
        let key = format!("{END} {:?}", self.place);
        let decided = if met.leads {
            let scope = self.scope(frame, Vec::new());
            let ends = self.certainly_holds(frame, &scope);
            if !ends {
                self.skipped_node(task, frame)?;
            }
            self.driver.share(&key, if ends { vec![(END.to_owned(), Value::Bool(true))] } else { Vec::new() });
            ends
        } else {
            self.driver.shared(&key)?.is_some_and(|said| !said.is_empty())
        };
        if decided {
            if met.leads {
                self.noop_node(task, frame)?;
            }
            if whole_play {
                self.driver.end_play();
            }
            return Err(Stop::Ended);
        }
        Ok(())
    }

    /// `meta: refresh_inventory`: the first host that is left has the sources read again, for all.
    fn refresh_inventory(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let met = self.meet()?;
        let scope = self.scope(frame, Vec::new());
        if !self.certainly_holds(frame, &scope) {
            return self.skipped_node(task, frame);
        }
        let key = format!("refreshed {:?}", self.place);
        if self.is_rehearsal() {
            self.project.inventory.expect_more();
        } else if met.leads {
            self.project.inventory.refresh(&self.project.files);
            self.driver.share(&key, Vec::new());
        } else {
            self.driver.shared(&key)?;
        }
        self.host_layers = self.project.host_layers(&self.host, &self.play.dir);
        self.hostvars.take();
        self.noop_node(task, frame)
    }

    /// `meta: end_role`: what is left of the role is not run.
    fn end_role(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        if frame.role.is_none() || frame.handler.is_some() {
            let report = Diagnostic::error(Code::Unsupported, "`meta: end_role` ends a role; there is none around it");
            self.mistake(report.at(task.span, ""));
            return Err(Stop::Mistakes);
        }
        let scope = self.scope(frame, Vec::new());
        if !self.certainly_skipped(frame, &scope) && !self.certainly_holds(frame, &scope) {
            self.flush()?;
        }
        let scope = self.scope(frame, Vec::new());
        if self.certainly_holds(frame, &scope) {
            return Err(Stop::RoleEnded);
        }
        if self.certainly_skipped(frame, &scope) {
            return self.skipped_node(task, frame);
        }
        self.known_after_apply(task, frame)
    }

    /// Says whether all conditions of a task are known to hold, wherever it stands.
    fn certainly_holds(&self, frame: &Frame, scope: &Arc<TermScope>) -> bool {
        let yes = |term: &Term| scope.evaluate(term).is_ok_and(|v| !v.has_unknown() && crate::apply_truth(&v));
        frame.gates.iter().chain(&frame.when).all(yes)
    }

    /// A node that says something was checked before anything else ran.
    pub(super) fn noop_node(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let args = Term::Value(Value::map::<&str>([]));
        let iteration = Iteration::of(Vec::new(), args);
        self.push(task, frame, Action::Noop, Work::Once(iteration), Footprint::nothing())
    }
}

/// A task without some of its keywords.
pub(super) fn without(task: &Arc<Task>, keywords: &[Keyword]) -> Arc<Task> {
    Arc::new(Task { keywords: task.keywords.without(keywords), ..task.as_ref().clone() })
}
