//! From a task to a node of the graph: with its terms, the variables they name, and what it touches.

use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::graph::{Action, Background, Execution, Iteration, Node, Work};
use crate::parse::{Keyword, Shape, Task};
use crate::resource::Footprint;
use crate::template::{EvalError, Term, TermScope};
use crate::value::Value;
use crate::yaml::Node as Yaml;

impl HostCompiler<'_> {
    /// A node that only says that it was skipped.
    pub(super) fn skipped_node(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let when = vec![Term::Value(Value::Bool(false))];
        let iteration = Iteration::of(when, Term::Value(Value::map::<&str>([])));
        self.push(task, frame, Action::Noop, Work::Once(iteration), Footprint::nothing())
    }

    /// A node of which nothing is known before apply.
    pub(super) fn open_node(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        if !self.project.plan && !self.is_rehearsal() {
            let message = "what it depends on is not known though all before it has run: a task with `check_mode: true` only looks";
            return self.failing_node(task, frame, EvalError::failed(message));
        }
        let when = vec![Term::Value(Value::Unknown)];
        let iteration = Iteration::of(when, Term::Value(Value::map::<&str>([])));
        self.push(task, frame, Action::Noop, Work::Once(iteration), Footprint::world())
    }

    /// A node that fails where it is reached.
    pub(super) fn failing_node(&mut self, task: &Arc<Task>, frame: &Frame, error: EvalError) -> Result<(), Stop> {
        let args = Term::Failed(Arc::new(error));
        let iteration = Iteration::of(frame.when.clone(), args);
        self.push(task, frame, Action::Fail, Work::Once(iteration), Footprint::world())
    }

    /// Makes the node and adds it.
    pub(super) fn push(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        action: Action,
        work: Work,
        footprint: Footprint,
    ) -> Result<(), Stop> {
        // Handlers come after everything that may notify them, and before everything after the flush.
        let footprint = if frame.handler.is_some() { Footprint::world() } else { footprint };
        let (names, scope) = self.names_and_scope(frame);
        let mut node = self.node(task, frame, action, work, &scope)?;
        let footprint = super::execution::around(footprint, &node);
        let (bound, uses) = {
            let terms = node_terms(&node);
            self.bind(&terms, &names, &scope)
        };
        node.scope = bound;
        let sets = self.sets(&node);
        self.note_requests(task, frame, &node)?;
        self.builder.add(&mut node, footprint, &uses, &sets);
        self.worked |= super::scope::makes_files(&node);
        self.nodes.push(node);
        Ok(())
    }

    fn node(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        action: Action,
        work: Work,
        scope: &Arc<TermScope>,
    ) -> Result<Node, Stop> {
        let own = &task.keywords;
        let id = self.next_node;
        self.next_node += 1;
        let conditions = |this: &Self, keyword| {
            let terms = own.get(keyword).map(|node| this.condition(node)).unwrap_or_default();
            terms.iter().map(|term| this.settled(term, scope)).collect()
        };
        for keyword in [Keyword::ChangedWhen, Keyword::FailedWhen, Keyword::Until] {
            self.check_conditions(own.get(keyword), task, frame)?;
        }
        self.check_values(task, frame, scope)?;
        let flag = |this: &Self, keyword| {
            let node = this.inherited(frame, own, keyword, scope);
            node.map_or(Term::Value(Value::Bool(false)), |node| this.flag_term(node))
        };
        let mut notify = frame.notify.clone();
        notify.extend(own.get(Keyword::Notify).map(|node| self.term(node)));
        let (notify, answered) = self.known_notify(notify, frame, task, &work)?;
        let name = own.get(Keyword::Name).map(|node| self.term(node));
        let name = name.unwrap_or_else(|| Term::Value(Value::str(&task.module)));
        // A name that cannot be evaluated is shown as it was written.
        let name = self.partial(&name, scope).unwrap_or(name);
        // As whom a task would work that does not, or has done so elsewhere, is nobody's question.
        let skipped = action == Action::Report || self.certainly_skipped(frame, scope);
        let by_item = !skipped && self.asks_item(task, frame);
        let certain = || !self.tolerates(task, frame) && self.certainly_runs(frame, scope);
        let stranger = if skipped || by_item { None } else { self.stranger(task, frame, scope, certain) };
        let (action, work, skipped) = match stranger {
            Some(error) => {
                let args = Term::Failed(Arc::new(error));
                let iteration = Iteration::of(frame.when.clone(), args);
                (Action::Fail, Work::Once(iteration), true)
            }
            None => (action, work, skipped),
        };
        Ok(Node {
            id,
            name,
            role: frame.role.as_ref().map(|role| role.role.name.clone()),
            module: task.module.clone(),
            origin: self.project.files.sources.origin(task.span),
            action,
            work,
            gates: frame.gates.clone(),
            scope: Vec::new(),
            register: own.get(Keyword::Register).and_then(Yaml::text).map(str::to_owned),
            notify,
            answered,
            changed_when: conditions(self, Keyword::ChangedWhen),
            failed_when: conditions(self, Keyword::FailedWhen),
            until: self.until(own, scope),
            ignore_errors: flag(self, Keyword::IgnoreErrors),
            ignore_unreachable: flag(self, Keyword::IgnoreUnreachable),
            no_log: flag(self, Keyword::NoLog),
            execution: if skipped || by_item { Execution::default() } else { self.execution(task, frame, scope)? },
            environment: if skipped {
                Term::Value(Value::map::<&str>([]))
            } else {
                self.environment(task, frame, scope)?
            },
            timeout: self.inherited(frame, own, Keyword::Timeout, scope).map(|node| self.term(node)),
            open_files: self.open_files(task, scope),
            background: own.get(Keyword::Async).map(|limit| Background {
                limit: self.term(limit),
                poll: own.get(Keyword::Poll).map_or(Term::Value(Value::Int(15)), |poll| self.term(poll)),
            }),
            diff: self.diff_of(frame, own),
            blocks: frame.blocks.clone(),
            after: Vec::new(),
            requisites: Vec::new(),
            handler: frame.handler.clone(),
            in_handler: frame.in_handler,
            guards: self.guards(own),
            tags: frame.tags.clone(),
        })
    }

    /// Expressions of keywords that are asked where the task runs, and mean something else where they fail.
    fn check_values(&mut self, task: &Task, frame: &Frame, scope: &Arc<TermScope>) -> Result<(), Stop> {
        const ASKED_LATER: &[Keyword] = &[
            Keyword::AnyErrorsFatal,
            Keyword::Async,
            Keyword::Delay,
            Keyword::DelegateFacts,
            Keyword::Diff,
            Keyword::IgnoreErrors,
            Keyword::IgnoreUnreachable,
            Keyword::NoLog,
            Keyword::Notify,
            Keyword::Poll,
            Keyword::Port,
            Keyword::Retries,
            Keyword::Timeout,
        ];
        if !self.certainly_runs(frame, scope) {
            return Ok(());
        }
        if task.is_looped() {
            // The others may be about the item.
            return self.check_loop_control(task, scope);
        }
        for keyword in ASKED_LATER {
            let Some(node) = frame.keyword(&task.keywords, *keyword).cloned() else { continue };
            self.keyword_value(*keyword, &node, scope)?;
        }
        Ok(())
    }

    /// Words of `loop_control` that are asked before there is an item.
    fn check_loop_control(&mut self, task: &Task, scope: &Arc<TermScope>) -> Result<(), Stop> {
        let Some(control) = task.keywords.get(Keyword::LoopControl) else { return Ok(()) };
        for (name, shape) in [("pause", Shape::Number), ("extended", Shape::Flag), ("extended_allitems", Shape::Flag)] {
            let Some(node) = control.get(name) else { continue };
            self.shaped_value(name, shape, &self.term(node), node.span, scope)?;
        }
        Ok(())
    }

    /// Conditions about a result: that they can be read at all is known before there is one.
    pub(super) fn check_conditions(&mut self, node: Option<&Yaml>, task: &Task, frame: &Frame) -> Result<(), Stop> {
        let Some(node) = node else { return Ok(()) };
        let scope = self.scope(frame, Vec::new());
        if frame.keyword(&task.keywords, Keyword::IgnoreErrors).is_some() || !self.certainly_runs(frame, &scope) {
            return Ok(());
        }
        let mut wrong = None;
        for term in self.condition(node) {
            term.for_each_template(&mut |template| {
                wrong = wrong.take().or_else(|| self.project.engine.check(template).err());
            });
        }
        wrong.map_or(Ok(()), |error| Err(self.failed(&error, &scope, node.span)))
    }
}

/// Every term of a node.
pub(super) fn node_terms(node: &Node) -> Vec<&Term> {
    let mut terms: Vec<&Term> =
        vec![&node.name, &node.ignore_errors, &node.ignore_unreachable, &node.no_log, &node.environment];
    terms.extend(node.gates.iter().chain(&node.notify).chain(&node.changed_when).chain(&node.failed_when));
    terms.extend(node.guards.iter().map(|(_, term)| term).chain(&node.open_files));
    if let Some(until) = &node.until {
        terms.extend(until.condition.iter().chain([&until.retries, &until.delay]));
    }
    let iterations: Vec<&Iteration> = match &node.work {
        Work::Once(iteration) => vec![iteration],
        Work::Items(looped, iterations) => {
            terms.extend(looped.label.iter().chain(&looped.break_when));
            iterations.iter().collect()
        }
        Work::Late(looped, term, iteration) => {
            terms.push(term);
            terms.extend(looped.label.iter().chain(&looped.break_when));
            vec![iteration]
        }
    };
    for iteration in iterations {
        terms.extend(&iteration.when);
        terms.push(&iteration.args);
        terms.extend(iteration.template.as_ref().map(|file| &file.term));
    }
    terms
}
