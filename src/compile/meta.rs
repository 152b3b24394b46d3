//! `meta`, handlers, and tasks that run elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::graph::{Action, Handler, Iteration, Work};
use crate::parse::{Item, Keyword, Task};
use crate::resource::Footprint;
use crate::template::Term;
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
            "flush_handlers" => {
                let scope = self.scope(frame, Vec::new());
                return if self.certainly_skipped(frame, &scope) { Ok(()) } else { self.flush_handlers() };
            }
            "noop" | "reset_connection" => Action::Noop,
            "end_host" => Action::EndHost,
            "clear_host_errors" => Action::ClearErrors,
            _ => {
                let help = did_you_mean(&what, META.iter().copied());
                let message = if META.contains(&what.as_str()) {
                    format!("`meta: {what}` is not supported yet")
                } else {
                    format!("`meta` knows no `{what}`")
                };
                let span = task.args.free.as_ref().map_or(task.module_span, |n| n.span);
                self.mistake(Diagnostic::error(Code::Unsupported, message).at(span, "").help_opt(help));
                return Err(Stop::Mistakes);
            }
        };
        let (work, _) = self.work(task, frame, &action)?;
        self.push(task, frame, action, work, Footprint::world())
    }

    /// Adds every handler as a node that runs if it was notified.
    pub(super) fn flush_handlers(&mut self) -> Result<(), Stop> {
        let handlers = std::mem::take(&mut self.handlers);
        let mut seen = BTreeSet::new();
        // Of several with the same name the last one counts.
        let kept: Vec<bool> = handlers
            .iter()
            .rev()
            .map(|(item, frame)| match item {
                Item::Task(task) => {
                    let name = task.keywords.get(Keyword::Name).and_then(Yaml::text).unwrap_or("").to_owned();
                    let role = frame.role.as_ref().map(|r| r.role.path.clone());
                    let fresh = seen.insert(name.clone()) || name.is_empty();
                    // `role : name` still reaches one that is hidden by another of the same name.
                    fresh || role.is_some_and(|role| seen.insert(format!("{} : {name}", role.display())))
                }
                Item::Block(_) => true,
            })
            .collect();
        let mut names_taken = BTreeSet::new();
        let mut prepared = Vec::new();
        for (((item, frame), keep), id) in handlers.iter().rev().zip(kept).zip((0..handlers.len() as u32).rev()) {
            if keep {
                prepared.push((item.clone(), frame.clone(), id, names_taken.clone()));
                if let Item::Task(task) = item {
                    names_taken.extend(task.keywords.get(Keyword::Name).and_then(Yaml::text).map(str::to_owned));
                }
            }
        }
        let mut result = Ok(());
        for (item, frame, id, hidden) in prepared.into_iter().rev() {
            let outcome = match &item {
                Item::Task(task) => self.handler(task, &frame, id, &hidden),
                Item::Block(block) => {
                    let report = Diagnostic::error(Code::Unsupported, "a block as a handler is not supported yet");
                    self.mistake(report.at(block.span, "").help("give each of its tasks the same `listen`"));
                    Err(Stop::Mistakes)
                }
            };
            if outcome.is_err() {
                result = outcome;
            }
        }
        self.handlers = handlers;
        result
    }

    fn handler(&mut self, task: &Arc<Task>, frame: &Frame, id: u32, hidden: &BTreeSet<String>) -> Result<(), Stop> {
        let names = self.handler_names(task, frame, hidden);
        let inner = Frame { handler: Some(Handler { id, names }), notify: Vec::new(), ..frame.clone() };
        self.task(task, &inner)
    }

    /// The names a handler answers to.
    fn handler_names(&self, task: &Task, frame: &Frame, hidden: &BTreeSet<String>) -> Vec<String> {
        let scope = self.scope(frame, Vec::new());
        let mut names = Vec::new();
        if let Some(node) = task.keywords.get(Keyword::Name) {
            let name = scope
                .evaluate(&self.term(node))
                .map_or_else(|_| node.text().unwrap_or("").to_owned(), |v| v.to_string());
            if let Some(role) = &frame.role {
                names.push(format!("{} : {name}", role.role.name));
            }
            if !hidden.contains(&name) {
                names.push(name);
            }
        }
        if let Some(node) = task.keywords.get(Keyword::Listen) {
            match node.to_value() {
                Value::List(items) => names.extend(items.iter().map(ToString::to_string)),
                other => names.push(other.to_string()),
            }
        }
        names
    }

    /// Evaluates what a task notifies as far as it is known, and refuses a name that nothing answers to.
    pub(super) fn known_notify(&mut self, notify: Vec<Term>, frame: &Frame, task: &Task) -> Result<Vec<Term>, Stop> {
        if notify.is_empty() {
            return Ok(notify);
        }
        let scope = self.scope(frame, Vec::new());
        let notify: Vec<Term> = notify.into_iter().map(|term| self.partial(&term, &scope).unwrap_or(term)).collect();
        let handlers = self.handlers.clone();
        let known: Vec<String> = handlers
            .iter()
            .filter_map(|(item, frame)| match item {
                Item::Task(task) => Some(self.handler_names(task, frame, &BTreeSet::new())),
                Item::Block(_) => None,
            })
            .flatten()
            .collect();
        for term in &notify {
            let Term::Value(value) = term else { continue };
            let names = match value {
                Value::List(items) => items.to_vec(),
                other => vec![other.clone()],
            };
            for name in names.iter().map(ToString::to_string) {
                // A role that is included later may bring the handler.
                if !known.contains(&name) && handlers.len() == self.handlers.len() && !self.may_come_later() {
                    let span = task.keywords.get(Keyword::Notify).map_or(task.span, |n| n.span);
                    let help = did_you_mean(&name, known.iter().map(String::as_str));
                    let report = Diagnostic::error(Code::HandlerNotFound, format!("there is no handler `{name}`"));
                    self.mistake(report.at(span, "notified here").help_opt(help));
                    return Err(Stop::Mistakes);
                }
            }
        }
        Ok(notify)
    }

    fn may_come_later(&self) -> bool {
        self.project.files.sources.mentions("include_role") || self.project.files.sources.mentions("import_role")
    }

    /// A node that says something was checked before anything else ran.
    pub(super) fn noop_node(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let args = Term::Value(Value::map::<&str>([]));
        let iteration = Iteration { item: None, when: Vec::new(), args, template: None };
        self.push(task, frame, Action::Noop, Work::Once(iteration), Footprint::nothing())
    }
}

/// A task without some of its keywords.
pub(super) fn without(task: &Arc<Task>, keywords: &[Keyword]) -> Arc<Task> {
    Arc::new(Task {
        span: task.span,
        module: task.module.clone(),
        module_span: task.module_span,
        args: task.args.clone(),
        keywords: task.keywords.without(keywords),
        with: task.with.clone(),
    })
}
