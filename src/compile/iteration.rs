//! How often a task works, and with what: conditions, loops, arguments, footprints.

use std::sync::Arc;

use super::conditions::Judged;
use super::frame::Frame;
use super::host::HostCompiler;
use super::{Stop, diagnose};
use crate::apply::FALSE_CONDITION;
use crate::graph::{Action, Iteration, Loop, Work};
use crate::parse::{Keyword, Task};
use crate::resource::{self, Args, Footprint};
use crate::template::{EvalError, Layout, Lookup, Term, TermScope};
use crate::value::{Map, Value};
use crate::yaml::Node as Yaml;

/// How many undefined names one expression of `with_first_found` may have.
const MOST_UNDEFINED: usize = 20;

/// What was found of a task's loop.
enum Items {
    /// It has none.
    None,
    /// These.
    Known(Vec<Value>),
    /// They are known on the target only.
    Late(Term),
}

impl HostCompiler<'_> {
    /// The work of a task, and what it touches.
    pub(super) fn work(&mut self, task: &Arc<Task>, frame: &Frame, action: &Action) -> Result<(Work, Footprint), Stop> {
        let looped = self.loop_control(task, frame);
        self.lookups.set_paused(looped.pause > 0.0);
        let scope = self.scope(frame, Vec::new());
        let items = match self.loop_items(task, frame) {
            Ok(items) => items,
            Err(error) => {
                if self.certainly_skipped(frame, &scope) {
                    return Ok((Work::Once(skipped()), Footprint::nothing()));
                }
                if self.tolerates(task, frame) {
                    return Ok((Work::Late(looped, Term::Failed(Arc::new(error)), skipped()), Footprint::world()));
                }
                return Err(self.failed(&error, &scope, task.span));
            }
        };
        match items {
            Items::None => {
                let (iteration, footprint) = self.iteration(task, frame, action, None, Vec::new())?;
                Ok((Work::Once(iteration), footprint))
            }
            Items::Known(items) => {
                let mut iterations = Vec::new();
                let mut all = Footprint::nothing();
                let before = self.runtime.clone();
                for (i, item) in items.iter().cloned().enumerate() {
                    let mut locals = crate::apply::loop_variables(&looped, &items, i);
                    locals.extend(frame.delegates.get(i).into_iter().flat_map(|host| self.seen_of(host)));
                    let (iteration, footprint) = self.iteration(task, frame, action, Some(item), locals)?;
                    all = all.and(footprint);
                    if *action == Action::SetFact {
                        // What one time sets the next one sees, as in `x: "{{ x + [item] }}"`.
                        for (name, value) in super::sets::facts_of(&iteration, !self.tolerates(task, frame)) {
                            self.set_runtime(&name, value);
                        }
                    }
                    iterations.push(iteration);
                }
                if *action == Action::SetFact {
                    // What is known late begins with the value from before the loop.
                    self.runtime = before;
                    self.hostvars.take();
                }
                Ok((Work::Items(looped, iterations), all))
            }
            Items::Late(term) => {
                if *action == Action::Validate {
                    // Which variables a specification names is known with the items: what was compiled so far runs first.
                    self.lookups.want_file();
                }
                let args = self.args_term(task, action);
                // Lookups of such items are made as soon as the items are known.
                args.for_each_template(&mut |template| {
                    if super::binding::looks_up(&template.text) {
                        self.lookups.want_file();
                    }
                });
                let mut iteration = Iteration::of(frame.when.clone(), args);
                if self.asks_item(task, frame) {
                    // What was compiled so far runs first; in a plan it stays unknown as whom.
                    self.lookups.want_file();
                    iteration.when = vec![Term::Value(Value::Unknown)];
                }
                let iteration = self.late_content(task, frame, action, iteration)?;
                Ok((Work::Late(looped, term, iteration), Footprint::world()))
            }
        }
    }

    /// How the loop of a task goes. Its words may be expressions; what cannot be evaluated yet stays as it is written.
    pub(super) fn loop_control(&self, task: &Task, frame: &Frame) -> Loop {
        let control = task.keywords.get(Keyword::LoopControl);
        let get = |name: &str| control.and_then(|c| c.get(name));
        let text = |name: &str| {
            let node = get(name)?;
            let written = node.text().map(str::to_owned);
            if !written.as_deref().is_some_and(|text| text.contains("{{")) {
                return written;
            }
            self.scope(&frame.in_round(&[]), Vec::new())
                .evaluate(&self.term(node))
                .ok()
                .map(|value| value.to_string())
                .or(written)
        };
        Loop {
            var: text("loop_var").unwrap_or_else(|| "item".into()),
            index_var: text("index_var"),
            label: get("label").map(|node| self.term(node)),
            break_when: get("break_when").map(|node| self.condition(node)).unwrap_or_default(),
            pause: text("pause").and_then(|text| Value::from(text).as_number()).unwrap_or(0.0),
            extended: text("extended").is_some_and(|text| crate::apply_truth(&Value::from(text))),
            extended_items: text("extended_allitems").is_none_or(|text| crate::apply_truth(&Value::from(text))),
        }
    }

    fn loop_items(&mut self, task: &Task, frame: &Frame) -> Result<Items, EvalError> {
        // The items themselves are not about an item.
        let frame = &frame.in_round(&[]);
        let scope = self.scope(frame, Vec::new());
        if let Some(node) = task.keywords.get(Keyword::Loop) {
            let term = self.term(node);
            let value = scope.evaluate(&term)?;
            return match value {
                Value::List(items) if !items.contains(&Value::Unknown) => Ok(Items::Known(items.to_vec())),
                value if value.has_unknown() => Ok(Items::Late(self.partial(&term, &scope)?)),
                other => {
                    let message = format!("`loop` needs a list, found {} ({other})", other.type_name());
                    let origin = self.project.files.sources.origin(node.span);
                    let length = node.span.end - node.span.start;
                    Err(EvalError { place: Some((origin, length)), ..EvalError::failed(message) })
                }
            };
        }
        let Some((lookup, span, terms)) = &task.with else { return Ok(Items::None) };
        let mut term = self.term(terms);
        if lookup.rsplit('.').next() == Some("first_found") {
            // What is not defined is a file that is not there.
            term = self.defined_part(&term, frame);
        }
        // A bare name stands for the variable, as `with_items: packages` did in old playbooks.
        let value = scope.evaluate(&term)?;
        if value.has_unknown() {
            return match lookup.as_ref() {
                "items" | "list" => Ok(Items::Late(self.partial(&term, &scope)?)),
                // What was compiled so far runs first; in a plan it stays unknown.
                _ => {
                    self.lookups.want_file();
                    Ok(Items::Late(Term::Value(Value::Unknown)))
                }
            };
        }
        let names = self.names(frame, Vec::new());
        // As in Ansible: what the task does says where its loop looks.
        let folder =
            [("template", "templates"), ("var", "vars")].into_iter().find(|(word, _)| task.module.contains(word));
        self.lookups.set_folder(folder.map(|(_, folder)| folder));
        let found = super::lookups::with_items(lookup, &value, scope.as_ref(), &names);
        self.lookups.set_folder(None);
        found
            .map(|found| match found {
                Lookup::Results(items) => Items::Known(items),
                Lookup::Unknown => Items::Late(Term::Value(Value::Unknown)),
            })
            .map_err(|error| {
                let origin = self.project.files.sources.origin(*span);
                EvalError { place: error.place.or(Some((origin, lookup.len() as u32 + 5))), ..error }
            })
    }

    /// A term without what is not defined in it, also where a variable holds it.
    fn defined_part(&self, term: &Term, frame: &Frame) -> Term {
        let scope = self.scope(frame, Vec::new());
        match term {
            Term::List(items) => {
                let parts = items.iter().map(|item| self.defined_part(item, frame));
                Term::list(parts.filter(|part| *part != Term::Value(Value::Null)).collect())
            }
            Term::Map(entries) => {
                Term::map(entries.iter().map(|(key, value)| (key.clone(), self.defined_part(value, frame))).collect())
            }
            Term::Template(template) => match scope.evaluate(term) {
                Err(EvalError { reason: crate::template::Reason::Undefined(_), .. }) => {
                    let name = template.text.trim();
                    match self.names(frame, Vec::new()).find(name) {
                        Some((held @ (Term::List(_) | Term::Map(_)), _)) => self.defined_part(&held, frame),
                        _ => self.with_nothing(term, frame),
                    }
                }
                _ => term.clone(),
            },
            other => other.clone(),
        }
    }

    /// What an expression comes to where each name that is not defined stands for nothing.
    fn with_nothing(&self, term: &Term, frame: &Frame) -> Term {
        let Term::Template(template) = term else { return Term::Value(Value::Null) };
        let mut locals: Vec<(String, Value)> = Vec::new();
        while template.shape != crate::template::Shape::Text && locals.len() < MOST_UNDEFINED {
            match self.scope(frame, locals.clone()).evaluate(term) {
                Ok(value) => return Term::Value(value),
                Err(EvalError { reason: crate::template::Reason::Undefined(path), .. }) => {
                    let root = path.split(['.', '[']).next().unwrap_or(&path).to_owned();
                    if locals.iter().any(|(name, _)| *name == root) {
                        break;
                    }
                    locals.push((root, Value::Null));
                }
                Err(_) => break,
            }
        }
        Term::Value(Value::Null)
    }

    /// The arguments as they were written.
    pub(super) fn args_term(&self, task: &Task, action: &Action) -> Term {
        let mut entries: Vec<(Term, Term)> = Vec::new();
        for entry in &task.args.named {
            let key = match action {
                // The names of variables may be expressions.
                Action::SetFact => {
                    Term::from_text(&entry.key, self.project.files.sources.origin(entry.key_span), Layout::default())
                }
                _ => Term::Value(Value::Str(entry.key.clone())),
            };
            let value = match (action, entry.key.as_ref()) {
                (Action::Assert, "that") => Term::List(Arc::new(self.condition(&entry.value))),
                (Action::Resource(_), "mode" | "directory_mode") => self.mode_term(&entry.value),
                _ => self.term(&entry.value),
            };
            // Only text of the playbook is an expression; what comes out of a template is data.
            if *action == Action::Debug
                && entry.key.as_ref() == "var"
                && let Some(text) = entry.value.text().filter(|text| !text.contains("{{"))
            {
                entries.push(shown(text, self.project.files.sources.origin(entry.value.span)));
            }
            entries.push((key, value));
        }
        let waited = || super::waits_first(self.project, self.play).is_some_and(|first| first.span == task.span);
        if matches!(action, Action::Resource(kind) if kind == "wait_for_connection") && waited() {
            entries.push((Term::Value(Value::str("_waited")), Term::Value(Value::Bool(true))));
        }
        match (&task.args.free, self.free_form(task, action)) {
            (Some(free), Some(name)) => entries.push((Term::Value(Value::str(name)), self.term(free))),
            (Some(free), None) if entries.is_empty() && takes_arguments(action) => return self.term(free),
            _ => {}
        }
        Term::Map(Arc::new(entries))
    }

    /// The arguments with those that come out of an expression, as in `copy: "{{ item }}"`. What is written in the task wins.
    fn with_whole(
        &self,
        task: &Task,
        action: &Action,
        written: Term,
        scope: &Arc<TermScope>,
    ) -> Result<Term, EvalError> {
        let (Some(free), None, true) = (&task.args.free, self.free_form(task, action), takes_arguments(action)) else {
            return Ok(written);
        };
        let own: &[(Term, Term)] = if let Term::Map(own) = &written { own } else { &[] };
        match scope.evaluate(&self.term(free))? {
            Value::Map(map) => {
                let is_own =
                    |name: &str| own.iter().any(|(key, _)| key.as_value().and_then(Value::as_str) == Some(name));
                let given = map.iter().filter(|(name, _)| !is_own(name));
                let given =
                    given.map(|(name, value)| (Term::Value(Value::Str(name.clone())), Term::Value(value.clone())));
                Ok(Term::Map(Arc::new(given.chain(own.iter().cloned()).collect())))
            }
            value if value.has_unknown() && own.is_empty() => Ok(written),
            value if value.has_unknown() => {
                self.lookups.want_file();
                Ok(Term::Value(Value::Unknown))
            }
            other => {
                let origin = self.project.files.sources.origin(free.span);
                let message = format!("the arguments of a task are a mapping; this is {}", other.type_name());
                let length = free.span.end - free.span.start;
                Err(EvalError { place: Some((origin, length)), ..EvalError::failed(message) })
            }
        }
    }

    /// The arguments of `debug`. What `var` comes to names a variable, if the project holds that text.
    fn debugged(&self, task: &Task, written: &Term, scope: &Arc<TermScope>) -> Result<Term, EvalError> {
        let args = self.partial(written, scope)?;
        let args = if task.args.free.is_some() { unwrapped(args) } else { args };
        let name = match &args {
            Term::Value(Value::Map(map)) if !map.contains_key(crate::apply::DEBUG_VALUE) => map.get("var"),
            _ => None,
        };
        let written = name.and_then(Value::as_str).and_then(|name| scope.bindings().condition(name));
        let (Some(Term::Template(variable)), Term::Value(Value::Map(map))) = (written, &args) else { return Ok(args) };
        let given = map.iter().map(|(key, value)| (Term::Value(Value::Str(key.clone())), Term::Value(value.clone())));
        let entries = given.chain([shown(&variable.text, variable.origin.clone())]).collect();
        self.partial(&Term::Map(Arc::new(entries)), scope)
    }

    /// A mode written without quotes keeps its digits: 0644 is what it looks like, 644 is a slip to be named.
    fn mode_term(&self, node: &Yaml) -> Term {
        let octal = node.as_scalar().filter(|s| s.style == crate::yaml::Style::Plain).map(|s| s.text.clone());
        match octal.filter(|text| text.starts_with('0') && text.chars().all(|c| c.is_digit(8))) {
            Some(text) => Term::Value(Value::Str(text)),
            None => self.term(node),
        }
    }

    fn free_form(&self, task: &Task, action: &Action) -> Option<&'static str> {
        match action {
            Action::Resource(_) => resource::find(&task.module).and_then(|kind| kind.free_form),
            Action::Debug | Action::Fail => Some("msg"),
            _ => None,
        }
    }

    fn iteration(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        action: &Action,
        item: Option<Value>,
        locals: Vec<(String, Value)>,
    ) -> Result<(Iteration, Footprint), Stop> {
        self.lookups.begin_iteration();
        let scope = self.scope(frame, locals.clone());
        let when = match self.conditions(frame, &scope, task)? {
            Judged::Open(when) => when,
            Judged::False(condition) => {
                return Ok((Iteration { item, ..skipped_for(&condition) }, Footprint::nothing()));
            }
        };
        let unknown_when = !when.is_empty();
        // What may never be reached is not judged here: its mistakes show up if it is reached.
        self.lookups.set_uncertain(unknown_when);
        let certain = !unknown_when && !self.tolerates(task, frame);
        let written = self.args_term(task, action);
        if matches!(action, Action::Assert | Action::Debug) {
            let args = match action {
                Action::Assert => self.with_whole(task, action, written.clone(), &scope),
                _ => self.debugged(task, &written, &scope),
            };
            let args = match args {
                Ok(args) if *action == Action::Assert => self.asserted(args, &scope, task, certain)?,
                Ok(args) => args,
                Err(error) if certain => {
                    return Err(self.failed(&error, &scope, task.span));
                }
                Err(_) => written,
            };
            // Messages come in written order; a failed assertion keeps later states from starting.
            return Ok((Iteration { item, ..Iteration::of(when, args) }, Footprint::world()));
        }
        let whole = self.with_whole(task, action, written.clone(), &scope);
        let args = match whole.and_then(|whole| self.partial(&whole, &scope)) {
            Ok(args) => args,
            Err(error) if certain => return Err(self.failed(&error, &scope, task.span)),
            Err(_) => written,
        };
        if *action == Action::Validate {
            let args = self.with_variables(args, &scope);
            let footprint = self.judge_arguments(task, frame, &args, &scope, certain)?;
            return Ok((Iteration { item, ..Iteration::of(when, args) }, footprint));
        }
        let iteration = Iteration { item, ..Iteration::of(when, args) };
        let by_item = iteration.item.is_some() && self.asks_item(task, frame);
        let iteration = if by_item { self.executed(task, frame, iteration, &scope, certain)? } else { iteration };
        if matches!(iteration.args, Term::Failed(_)) {
            return Ok((iteration, Footprint::world()));
        }
        let iteration = self.content(task, frame, action, iteration, &scope, certain)?;
        let footprint = self.footprint(task, action, &iteration, certain)?;
        Ok((iteration, footprint))
    }

    /// Says whether a failure of the task may be meant, or the task may not be reached: then its mistakes show on the host.
    pub(super) fn tolerates(&self, task: &Task, frame: &Frame) -> bool {
        !frame.gates.is_empty()
            || frame.handler.is_some()
            || !frame.blocks.is_empty()
            || frame.keyword(&task.keywords, Keyword::IgnoreErrors).is_some()
            || task.keywords.get(Keyword::FailedWhen).is_some()
    }

    /// Parses what is known, for its mistakes and for what it touches.
    fn footprint(
        &mut self,
        task: &Task,
        action: &Action,
        iteration: &Iteration,
        certain: bool,
    ) -> Result<Footprint, Stop> {
        let kind = match action {
            Action::Resource(name) => resource::find(name),
            Action::SetFact | Action::Noop | Action::Gate(_) => return Ok(Footprint::nothing()),
            Action::Setup => return Ok(Footprint::observer()),
            _ => return Ok(Footprint::world()),
        };
        let Some(kind) = kind else { return Ok(Footprint::world()) };
        let Term::Value(Value::Map(args)) = &iteration.args else { return Ok(Footprint::world()) };
        self.keep_secrets(kind, args);
        if iteration.template.is_some() {
            return Ok(Footprint::world());
        }
        match (kind.parse)(Args::new(args.as_ref().clone())) {
            // Where a relative path leads is known on the target only.
            Ok(_) if !resource::settled(kind.params, args) => Ok(Footprint::world()),
            Ok(resource) => Ok(resource.footprint()),
            Err(error) if certain => {
                let places = super::refusal::places(task);
                let report = diagnose::parameter(&error, &task.module, task.module_span, places);
                self.mistake(report);
                Err(Stop::Mistakes)
            }
            Err(_) => Ok(Footprint::world()),
        }
    }

    /// Values of parameters that are secret by their nature.
    fn keep_secrets(&self, kind: &resource::Kind, args: &Map) {
        let secret = kind.params.iter().filter(|spec| spec.is_secret(args));
        for value in secret.flat_map(|spec| spec.names()).filter_map(|name| args.get(name)) {
            self.project.redactor.add_value(value);
        }
    }
}

/// The hidden argument of `debug` for the expression after `var`, which stands at a place.
fn shown(text: &str, origin: crate::source::Origin) -> (Term, Term) {
    let text = format!("({text}) | default('VARIABLE IS NOT DEFINED!')");
    let origin = crate::source::Origin { col: origin.col.saturating_sub(1), ..origin };
    let value = Term::expression(&Arc::from(text), origin, Layout::default());
    (Term::Value(Value::str(crate::apply::DEBUG_VALUE)), value)
}

/// `debug: "{{ arguments }}"`: what stands there is its message, unless it comes to its arguments.
fn unwrapped(args: Term) -> Term {
    let Term::Value(Value::Map(map)) = &args else { return args };
    let Some(inner @ Value::Map(given)) = map.get("msg") else { return args };
    let known = |name: &Arc<str>| ["msg", "var", "verbosity"].contains(&name.as_ref());
    if !given.is_empty() && given.keys().all(known) { Term::Value(inner.clone()) } else { args }
}

/// Says whether what stands behind the name of a module is its arguments; `meta` and includes have a word or a name there.
fn takes_arguments(action: &Action) -> bool {
    matches!(
        action,
        Action::Resource(_)
            | Action::SetFact
            | Action::Setup
            | Action::Pause
            | Action::Report
            | Action::Validate
            | Action::Assert
    )
}

/// A time of work that is known not to be done, with the condition that does not hold.
pub(super) fn skipped_for(condition: &Term) -> Iteration {
    let written = condition.as_value().cloned().unwrap_or_else(|| Value::from(crate::apply::raw(condition)));
    Iteration { args: Term::Value(Value::map([(FALSE_CONDITION, written)])), ..skipped() }
}

/// A time of work that is known not to be done.
pub(super) fn skipped() -> Iteration {
    Iteration::of(vec![Term::Value(Value::Bool(false))], Term::Value(Value::map::<&str>([])))
}
