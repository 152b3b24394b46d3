//! Handlers: where they come from, what they answer to, and when they run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::frame::Frame;
use super::host::HostCompiler;
use super::{Stop, modules};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::graph::{Action, BlockRef, Handler, Iteration, Work};
use crate::parse::{Block, Item, Keyword, Keywords, Task, TaskArgs};
use crate::resource::Footprint;
use crate::template::Term;
use crate::value::Value;
use crate::variables::LayerKind;
use crate::yaml::Node as Yaml;

impl HostCompiler<'_> {
    /// Takes in the handlers of a play or role. Those of files that are imported count as if they stood here.
    pub(super) fn add_handlers(&mut self, items: &[Item], frame: &Frame) -> Result<(), Stop> {
        let dir = frame.role.as_ref().map_or_else(|| frame.dir.clone(), |role| role.role.path.join("handlers"));
        self.handlers_in(items, &Frame { dir, ..frame.clone() })
    }

    fn handlers_in(&mut self, items: &[Item], frame: &Frame) -> Result<(), Stop> {
        for item in items {
            match item {
                Item::Task(task) if modules::short(&task.module) == "import_tasks" => {
                    let mut frame = self.below_task(frame, task);
                    if let Some(when) = task.keywords.get(Keyword::When) {
                        frame.when.extend(self.condition(when));
                    }
                    if let Some(vars) = task.keywords.get(Keyword::Vars) {
                        frame.vars.insert(0, self.layer(LayerKind::Task, vars));
                    }
                    let Some(file) = self.file_of_tasks(task)? else { continue };
                    if let Some((items, frame)) = self.open_tasks(task, &frame, &file)? {
                        self.handlers_in(&items, &frame)?;
                    }
                }
                _ => self.handlers.push((item.clone(), frame.clone())),
            }
        }
        Ok(())
    }

    /// Adds every handler as a node that runs if it was notified. Within blocks its failure is theirs.
    pub(super) fn flush_handlers(&mut self, blocks: &[BlockRef]) -> Result<(), Stop> {
        let handlers = self.handlers.clone();
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
        // A handler may notify one that stands before it: then the flush goes round again.
        let again = prepared.iter().filter(|(item, ..)| notifies(item)).count();
        for round in 0..=again {
            for (item, frame, id, hidden) in prepared.iter().rev() {
                let frame = Frame { blocks: blocks.to_vec(), ..frame.clone() };
                let compile = |this: &mut Self| match item {
                    Item::Task(task) if is_one_node(task) && !this.leaves(task, &frame) => {
                        this.handler(task, &frame, *id, hidden)
                    }
                    _ => this.group_handler(item, &frame, *id, hidden),
                };
                match self.at(round, |this| this.at(*id as usize, compile)) {
                    // Mistakes of one handler do not hide those of the next.
                    Err(Stop::Mistakes) | Ok(()) => {}
                    Err(stop) => return Err(stop),
                }
            }
        }
        Ok(())
    }

    /// Says whether a handler works elsewhere, or gets to its host in another way: the agent that knows who was notified does
    /// not run it then.
    fn leaves(&mut self, task: &Task, frame: &Frame) -> bool {
        frame.keyword(&task.keywords, Keyword::DelegateTo).is_some()
            || self.other_login(task, frame).is_ok_and(|login| login.is_some())
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
        if !self.wants_handler(&handler, frame, span)? {
            return Ok(());
        }
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
            Work::Once(Iteration::of(Vec::new(), args))
        };
        self.push(&marker, &asked, Action::Gate(name.clone()), once(), Footprint::world())?;
        self.set_runtime(&name, Value::Unknown);
        let mut inner = Frame { in_handler: true, ..plain.clone() };
        inner.gates.push(self.expression(&format!("{name} | default(false)"), span));
        let rest = keywords.without(&[Keyword::Listen]);
        let item = match item {
            Item::Task(task) => Item::Task(Arc::new(Task { keywords: rest, ..task.as_ref().clone() })),
            Item::Block(block) => Item::Block(Arc::new(Block { keywords: rest, ..block.as_ref().clone() })),
        };
        self.items(&[item], &inner)?;
        self.push(&marker, &inner, Action::HandlerDone(handler), once(), Footprint::world())
    }

    fn handler(&mut self, task: &Arc<Task>, frame: &Frame, id: u32, hidden: &BTreeSet<String>) -> Result<(), Stop> {
        let names = self.handler_names(&task.keywords, frame, hidden);
        let handler = Handler { id, names };
        if !self.wants_handler(&handler, frame, task.span)? {
            return Ok(());
        }
        let inner = Frame { handler: Some(handler), notify: Vec::new(), ..frame.clone() };
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
            let topics = match node.to_value() {
                Value::List(items) => items.iter().map(ToString::to_string).collect(),
                other => vec![other.to_string()],
            };
            if let Some(role) = &frame.role {
                names.extend(topics.iter().map(|topic| format!("{} : {topic}", role.role.name)));
            }
            names.extend(topics);
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
                    let node = task.keywords.get(Keyword::Notify);
                    let item = node.and_then(|node| node.as_list()?.iter().find(|item| item.text() == Some(&name)));
                    let span = item.or(node).map_or(task.span, |node| node.span);
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
}

/// Says whether a handler is one node of the graph: includes are several, and a reboot is led by the controller.
fn is_one_node(task: &Task) -> bool {
    let module = super::modules::short(&task.module);
    !module.starts_with("include_") && !module.starts_with("import_") && module != "reboot"
}

/// Says whether a handler may notify another.
fn notifies(item: &Item) -> bool {
    match item {
        Item::Task(task) => task.keywords.get(Keyword::Notify).is_some(),
        Item::Block(block) => {
            block.keywords.get(Keyword::Notify).is_some()
                || [&block.body, &block.rescue, &block.always].into_iter().flatten().any(notifies)
        }
    }
}
