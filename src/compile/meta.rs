//! `meta`, handlers, and tasks that run elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::graph::{Action, Handler, Iteration, Work};
use crate::parse::{Block, Item, Keyword, Keywords, Task, TaskArgs};
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
            "flush_handlers" => {
                let scope = self.scope(frame, Vec::new());
                return if self.certainly_skipped(frame, &scope) { Ok(()) } else { self.flush_handlers() };
            }
            "end_play" | "end_batch" => return self.end_for_all(task, frame, what == "end_play"),
            "end_role" => return self.end_role(task, frame),
            "clear_facts" => Action::ClearFacts,
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
        let clears = action == Action::ClearFacts;
        let (work, _) = self.work(task, frame, &action)?;
        self.push(task, frame, action, work, Footprint::world())?;
        if clears {
            self.flush(true, false)?;
            let scope = self.scope(frame, Vec::new());
            if matches!(self.facts, super::Facts::Known(_)) && !self.certainly_skipped(frame, &scope) {
                self.facts_layer = Arc::new(crate::variables::Layer::new(crate::variables::LayerKind::Facts));
                self.set_runtime("ansible_facts", Value::map::<&str>([]));
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
            if whole_play {
                self.driver.end_play();
            }
            return Err(Stop::Ended);
        }
        Ok(())
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
            self.flush(true, false)?;
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
                Item::Task(task) if is_one_node(task) => self.handler(task, &frame, id, &hidden),
                _ => self.group_handler(&item, &frame, id, &hidden),
            };
            match outcome {
                // Mistakes of one handler do not hide those of the next.
                Err(Stop::Mistakes) | Ok(()) => {}
                Err(stop) => {
                    result = Err(stop);
                    break;
                }
            }
        }
        self.handlers = handlers;
        result
    }

    /// A handler of several tasks: a hidden node asks whether it was notified, the tasks ask that node, and another hidden
    /// node notes that they are done.
    fn group_handler(&mut self, item: &Item, frame: &Frame, id: u32, hidden: &BTreeSet<String>) -> Result<(), Stop> {
        let (keywords, span) = match item {
            Item::Task(task) => (task.keywords.clone(), task.span),
            Item::Block(block) => (block.keywords.clone(), block.span),
        };
        let names = self.handler_names(&keywords, frame, hidden);
        let handler = Handler { id, names };
        let name = format!("{}{id}_{}", crate::apply::HANDLER_GATE, self.next_node);
        let mut own = Keywords::default();
        own.set_name(keywords.get(Keyword::Name).and_then(Yaml::text).unwrap_or("handlers"), span);
        let marker = Arc::new(Task {
            span,
            module: Arc::from("meta"),
            module_span: span,
            args: TaskArgs::default(),
            keywords: own,
            with: None,
        });
        let plain = Frame { notify: Vec::new(), ..frame.clone() };
        let asked = Frame { handler: Some(handler.clone()), ..plain.clone() };
        let once = || {
            let args = Term::Value(Value::map::<&str>([]));
            Work::Once(Iteration { item: None, when: Vec::new(), args, template: None })
        };
        self.push(&marker, &asked, Action::Gate(name.clone()), once(), Footprint::world())?;
        self.set_runtime(&name, Value::Unknown);
        let mut inner = plain.clone();
        inner.gates.push(self.expression(&format!("{name} | default(false)"), span));
        let rest = keywords.without(&[Keyword::Listen]);
        let item = match item {
            Item::Task(task) => Item::Task(Arc::new(Task { keywords: rest, ..task.as_ref().clone() })),
            Item::Block(block) => Item::Block(Arc::new(Block { keywords: rest, ..block.as_ref().clone() })),
        };
        self.at(id as usize, |this| this.items(&[item], &inner))?;
        self.push(&marker, &inner, Action::HandlerDone(handler), once(), Footprint::world())
    }

    fn handler(&mut self, task: &Arc<Task>, frame: &Frame, id: u32, hidden: &BTreeSet<String>) -> Result<(), Stop> {
        let names = self.handler_names(&task.keywords, frame, hidden);
        let inner = Frame { handler: Some(Handler { id, names }), notify: Vec::new(), ..frame.clone() };
        self.task(task, &inner)
    }

    /// The names a handler answers to.
    fn handler_names(&self, keywords: &Keywords, frame: &Frame, hidden: &BTreeSet<String>) -> Vec<String> {
        let scope = self.scope(frame, Vec::new());
        let mut names = Vec::new();
        if let Some(node) = keywords.get(Keyword::Name) {
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
        if let Some(node) = keywords.get(Keyword::Listen) {
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
            .flat_map(|(item, frame)| match item {
                Item::Task(task) => self.handler_names(&task.keywords, frame, &BTreeSet::new()),
                Item::Block(block) => self.handler_names(&block.keywords, frame, &BTreeSet::new()),
            })
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

/// Says whether a handler is one node of the graph: includes are several.
fn is_one_node(task: &Task) -> bool {
    let module = super::modules::short(&task.module);
    !module.starts_with("include_") && !module.starts_with("import_")
}

/// A task without some of its keywords.
pub(super) fn without(task: &Arc<Task>, keywords: &[Keyword]) -> Arc<Task> {
    Arc::new(Task { keywords: task.keywords.without(keywords), ..task.as_ref().clone() })
}
