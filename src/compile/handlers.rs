//! Handlers: where they come from, what they answer to, and when they run.

use std::collections::{BTreeMap, BTreeSet};
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
        let prepared = self.answering();
        // A handler may notify one that stands before it: then the flush goes round again.
        let again = prepared.iter().filter(|(item, ..)| notifies(item)).count();
        for round in 0..=again {
            for (item, frame, handler) in &prepared {
                let frame = Frame { blocks: blocks.to_vec(), ..frame.clone() };
                let compile = |this: &mut Self| match item {
                    Item::Task(task) if is_one_node(task) && !this.leaves(task, &frame) => {
                        this.handler(task, &frame, handler)
                    }
                    _ => this.group_handler(item, &frame, handler),
                };
                match self.at(round, |this| this.at(handler.id as usize, compile)) {
                    // Mistakes of one handler do not hide those of the next.
                    Err(Stop::Mistakes) | Ok(()) => {}
                    Err(stop) => return Err(stop),
                }
            }
        }
        Ok(())
    }

    /// The handlers in their order, each with what it answers to: of several with the same name the last one counts, by the name
    /// and by what they listen to. One without a name answers to its topics in any case.
    fn answering(&self) -> Vec<(Item, Frame, Handler)> {
        let (mut taken, mut listening, mut ids) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let mut all = Vec::new();
        for (place, (item, frame)) in self.handlers.iter().enumerate() {
            let (own, topics) = self.handler_names(item, frame);
            let unnamed = own.is_empty().then_some(place);
            // Where a role brings one again, it is still the one that has run or not.
            let id = *ids.entry((own.clone(), topics.clone(), unnamed)).or_insert(place as u32);
            all.push((item, frame, id, own, topics));
        }
        let mut found = Vec::new();
        for (item, frame, id, own, topics) in all.into_iter().rev() {
            let name = own.last().cloned();
            let mut names: Vec<String> = own.into_iter().filter(|name| taken.insert(name.clone())).collect();
            let hears =
                |topic: &String| name.as_ref().is_none_or(|name| listening.insert((topic.clone(), name.clone())));
            names.extend(topics.into_iter().filter(hears));
            if !names.is_empty() {
                found.push((item.clone(), frame.clone(), Handler { id, names }));
            }
        }
        found.reverse();
        found
    }

    /// Says whether a handler works elsewhere, or gets to its host in another way: the agent that knows who was notified does
    /// not run it then.
    fn leaves(&mut self, task: &Task, frame: &Frame) -> bool {
        frame.keyword(&task.keywords, Keyword::DelegateTo).is_some()
            || self.other_login(task, frame).is_ok_and(|login| login.is_some())
    }

    /// A handler of several tasks: a hidden node asks whether it was notified, the tasks ask that node, and another hidden
    /// node notes that they are done.
    fn group_handler(&mut self, item: &Item, frame: &Frame, handler: &Handler) -> Result<(), Stop> {
        let (keywords, span) = match item {
            Item::Task(task) => (task.keywords.clone(), task.span),
            Item::Block(block) => (block.keywords.clone(), block.span),
        };
        if !self.wants_handler(handler, frame, span)? {
            return Ok(());
        }
        let name = format!("{}{}_{}", crate::apply::HANDLER_GATE, handler.id, self.next_node);
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
        self.push(&marker, &inner, Action::HandlerDone(handler.clone()), once(), Footprint::world())
    }

    fn handler(&mut self, task: &Arc<Task>, frame: &Frame, handler: &Handler) -> Result<(), Stop> {
        if !self.wants_handler(handler, frame, task.span)? {
            return Ok(());
        }
        let inner = Frame { handler: Some(handler.clone()), notify: Vec::new(), ..frame.clone() };
        self.task(task, &inner)
    }

    /// The names of a handler, the plain one last, and what it listens to.
    fn handler_names(&self, item: &Item, frame: &Frame) -> (Vec<String>, Vec<String>) {
        let keywords = match item {
            Item::Task(task) => &task.keywords,
            Item::Block(block) => &block.keywords,
        };
        let in_role = |name: &String| frame.role.as_ref().map(|role| format!("{} : {name}", role.role.name));
        let mut names = Vec::new();
        if let Some(node) = keywords.get(Keyword::Name) {
            let named = match self.term(node) {
                Term::Value(value) => Ok(value),
                term => self.scope(frame, Vec::new()).evaluate(&term),
            };
            let name = named.map_or_else(|_| node.text().unwrap_or("").to_owned(), |value| value.to_string());
            names.extend(in_role(&name));
            names.push(name);
        }
        let mut topics = match keywords.get(Keyword::Listen).map(Yaml::to_value) {
            None => Vec::new(),
            Some(Value::List(items)) => items.iter().map(ToString::to_string).collect(),
            Some(other) => vec![other.to_string()],
        };
        topics.extend(topics.iter().filter_map(in_role).collect::<Vec<_>>());
        (names, topics)
    }

    /// Evaluates what a task notifies as far as it is known, and refuses a name that nothing answers to. With names that are yet to
    /// be known comes all that something answers to.
    pub(super) fn known_notify(
        &mut self,
        notify: Vec<Term>,
        frame: &Frame,
        task: &Task,
        work: &Work,
    ) -> Result<(Vec<Term>, Option<Vec<String>>), Stop> {
        if notify.is_empty() {
            return Ok((notify, None));
        }
        let scope = self.scope(frame, Vec::new());
        let notify: Vec<Term> = notify.into_iter().map(|term| self.partial(&term, &scope).unwrap_or(term)).collect();
        // A role that is included later may bring the handler.
        if self.may_come_later() {
            return Ok((notify, None));
        }
        let names = self.handlers.iter().map(|(item, frame)| self.handler_names(item, frame));
        let known: Vec<String> = names.flat_map(|(names, topics)| names.into_iter().chain(topics)).collect();
        for name in self.notified_now(&notify, frame, work) {
            if !known.contains(&name) {
                let node = task.keywords.get(Keyword::Notify);
                let item = node.and_then(|node| node.as_list()?.iter().find(|item| item.text() == Some(&name)));
                let span = item.or(node).map_or(task.span, |node| node.span);
                let help = did_you_mean(&name, known.iter().map(String::as_str));
                let report = Diagnostic::error(Code::HandlerNotFound, format!("there is no handler `{name}`"));
                self.mistake(report.at(span, "notified here").help_opt(help));
                return Err(Stop::Mistakes);
            }
        }
        let is_open = notify.iter().any(|term| term.as_value().is_none());
        Ok((notify, is_open.then_some(known)))
    }

    /// The names that are known by now, those about the items of a loop included.
    fn notified_now(&self, notify: &[Term], frame: &Frame, work: &Work) -> Vec<String> {
        let mut values: Vec<Value> = notify.iter().filter_map(|term| term.as_value().cloned()).collect();
        if let Work::Items(looped, iterations) = work
            && values.len() < notify.len()
        {
            let items: Vec<Value> = iterations.iter().map(|each| each.item.clone().unwrap_or_default()).collect();
            // Those that may be skipped are asked where they are done.
            for (i, _) in iterations.iter().enumerate().filter(|(_, each)| each.when.is_empty()) {
                let scope = self.scope(frame, crate::apply::loop_variables(looped, &items, i));
                let open = notify.iter().filter(|term| term.as_value().is_none());
                values.extend(open.filter_map(|term| scope.evaluate(term).ok()).filter(|value| !value.has_unknown()));
            }
        }
        let names = values.into_iter().flat_map(|value| match value {
            Value::List(items) => items.to_vec(),
            Value::Null | Value::Omit => Vec::new(),
            other => vec![other],
        });
        names.map(|name| name.to_string()).collect()
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
