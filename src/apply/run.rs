//! One node: conditions, items, tries, and what its result means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::notify::Due;
use super::outcome::{Attempt, combined};
use super::{Session, actions};
use crate::event::{ItemOutcome, Status, TaskOutcome};
use crate::graph::{Action, Diff, Iteration, Loop, Node, RequisiteKind, Segment, Verdict, Work};
use crate::machine::Tracked;
use crate::resource::{self, Args, Context, Resource};
use crate::template::{Term, TermScope};
use crate::value::{Map, Value, parse_bool};

/// What the hidden variables start with that say whether a handler of several tasks was notified.
pub const HANDLER_GATE: &str = "__cfg_handler_";

/// A node while it runs.
pub struct Runner<'a> {
    pub session: &'a Session,
    pub segment: &'a Segment,
    pub node: &'a Node,
    pub name: String,
    pub no_log: bool,
    /// Only find out what would change: nothing is written, registered or notified.
    pub looking: bool,
}

impl<'a> Runner<'a> {
    /// Prepares a node.
    pub fn new(session: &'a Session, segment: &'a Segment, node: &'a Node) -> Self {
        let mut runner = Self { session, segment, node, name: String::new(), no_log: false, looking: false };
        let scope = runner.scope(Vec::new());
        // A failing name is shown as it was written; the task itself will report the failure where it matters.
        runner.name = scope.evaluate(&node.name).map_or_else(|_| raw(&node.name), |value| value.to_string());
        runner.no_log = truth(&scope.evaluate(&node.no_log).unwrap_or(Value::Bool(true)));
        runner
    }

    /// Says whether the node would change something: what `prereq` asks. What cannot be known counts as a change.
    pub fn would_change(mut self) -> bool {
        self.looking = true;
        let items = self.work(false);
        items.iter().any(|item| matches!(item.status, Status::Changed | Status::Unknown))
    }

    fn scope(&self, locals: Vec<(String, Value)>) -> Arc<TermScope> {
        self.session.runtime.scope(&self.session.engine, self.segment, self.node, locals)
    }

    /// Says whether the node belongs to a handler of several tasks that was not notified.
    fn not_asked(&self) -> bool {
        let of_handler = |gate: &&Term| raw(gate).starts_with(HANDLER_GATE);
        let scope = self.scope(Vec::new());
        self.node.gates.iter().filter(of_handler).any(|gate| scope.evaluate(gate).is_ok_and(|value| !truth(&value)))
    }

    /// Runs the node and reports it. Silent nodes (gates, handlers that were not notified) report nothing.
    pub fn run(&self, verdict: Verdict) -> Option<TaskOutcome> {
        let started = Instant::now();
        let mut because = Vec::new();
        if let Some(handler) = &self.node.handler {
            match self.session.state().notifications.due(handler) {
                Due::No => return None,
                Due::Maybe => {
                    let item =
                        Attempt::unknown("whether it is notified is known after apply").into_item(None, self.no_log);
                    return Some(self.outcome(vec![item], Vec::new(), started));
                }
                Due::Yes(tasks) => because = tasks,
            }
            self.session.state().notifications.start(handler);
        }
        if self.not_asked() {
            return None;
        }
        // A state that only listens says nothing where it heard nothing.
        if verdict == Verdict::Nothing && self.node.requisites.iter().any(|r| r.kind == RequisiteKind::Listen) {
            return None;
        }
        if !matches!(self.node.action, Action::Gate(_) | Action::HandlerDone(_)) {
            self.session.sink.started(self.node.id, &self.name);
        }
        let items = match verdict {
            Verdict::Nothing => vec![Attempt::skipped("no requisite asks for it").into_item(None, self.no_log)],
            Verdict::Fail => vec![Attempt::failed("a state it requires failed").into_item(None, self.no_log)],
            Verdict::Run | Verdict::Refresh => self.work(verdict == Verdict::Refresh),
        };
        let hidden = matches!(self.node.action, Action::Gate(_) | Action::HandlerDone(_));
        if hidden && !items.iter().any(|i| i.status == Status::Failed) {
            return None;
        }
        let outcome = self.outcome(items, because, started);
        if let (Some(handler), false) = (&self.node.handler, outcome.status == Status::Failed) {
            self.session.state().notifications.finish(handler);
        }
        Some(outcome)
    }

    fn outcome(&self, items: Vec<ItemOutcome>, because: Vec<String>, started: Instant) -> TaskOutcome {
        let status = combined(&items);
        let ignore = self.scope(Vec::new()).evaluate(&self.node.ignore_errors).is_ok_and(|value| truth(&value));
        TaskOutcome {
            node: self.node.id,
            name: self.name.clone(),
            role: self.node.role.clone(),
            module: self.node.module.clone(),
            origin: self.node.origin.clone(),
            status,
            items,
            handler: self.node.handler.is_some(),
            ignored: status == Status::Failed && ignore,
            rescued: false,
            notified: Vec::new(),
            because,
            millis: started.elapsed().as_millis() as u64,
        }
    }

    fn work(&self, refresh: bool) -> Vec<ItemOutcome> {
        if let Err(attempt) = self.entered() {
            return self.single(attempt);
        }
        match &self.node.work {
            Work::Once(iteration) => {
                let attempt = self.item(iteration, Vec::new(), refresh);
                self.single(attempt)
            }
            Work::Items(looped, iterations) => self.items(looped, iterations.iter().cloned(), iterations.len()),
            Work::Late(looped, term, template) => match self.scope(Vec::new()).evaluate(term) {
                Err(error) => self.single(Attempt::eval(error)),
                Ok(Value::List(items)) => {
                    let count = items.len();
                    let iterations =
                        items.iter().map(|item| Iteration { item: Some(item.clone()), ..template.clone() });
                    self.items(looped, iterations.collect::<Vec<_>>().into_iter(), count)
                }
                Ok(value) if value.has_unknown() => self.single(Attempt::unknown("its items are known after apply")),
                Ok(value) => {
                    let message = format!("`loop` needs a list, found {}", value.type_name());
                    self.single(Attempt::failed(message))
                }
            },
        }
    }

    /// The variable the result is kept in.
    fn registers(&self) -> Option<&String> {
        self.node.register.as_ref().filter(|_| !self.looking)
    }

    fn single(&self, attempt: Attempt) -> Vec<ItemOutcome> {
        if let Some(name) = self.registers() {
            self.session.runtime.set(name, attempt.registered());
        }
        vec![attempt.into_item(None, self.no_log)]
    }

    /// Looks at the conditions around the node.
    fn entered(&self) -> Result<(), Attempt> {
        let scope = self.scope(Vec::new());
        for gate in &self.node.gates {
            match scope.evaluate(gate) {
                Err(error) => return Err(Attempt::eval(error)),
                Ok(value) if value.has_unknown() => {
                    return Err(Attempt::unknown("whether it runs is known after apply"));
                }
                Ok(value) if !truth(&value) => return Err(Attempt::skipped("Conditional result was False")),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn items(&self, looped: &Loop, iterations: impl Iterator<Item = Iteration>, count: usize) -> Vec<ItemOutcome> {
        if count == 0 {
            let attempt = Attempt::skipped("No items in the list");
            if let Some(name) = self.registers() {
                let mut result = attempt.registered().as_map().cloned().unwrap_or_default();
                result.insert("results".into(), Value::list([]));
                self.session.runtime.set(name, Value::from(result));
            }
            return vec![attempt.into_item(None, self.no_log)];
        }
        let mut outcomes = Vec::new();
        let mut registered = Vec::new();
        let iterations: Vec<Iteration> = iterations.collect();
        let items: Vec<Value> = iterations.iter().map(|i| i.item.clone().unwrap_or_default()).collect();
        for (i, iteration) in iterations.into_iter().enumerate() {
            if i > 0 && looped.pause > 0.0 && !self.session.is_plan() {
                std::thread::sleep(Duration::from_secs_f64(looped.pause));
            }
            let item = iteration.item.clone().unwrap_or_default();
            let locals = loop_variables(looped, &items, i);
            let label = self.label(looped, &item, &locals);
            let attempt = self.item(&iteration, locals, false);
            registered.push(self.registered_item(looped, &item, i, &attempt));
            outcomes.push(attempt.into_item(Some(label), self.no_log));
        }
        if let Some(name) = self.registers() {
            self.session.runtime.set(name, all_items(registered));
        }
        outcomes
    }

    fn label(&self, looped: &Loop, item: &Value, locals: &[(String, Value)]) -> String {
        let shown = looped.label.as_ref().and_then(|label| self.scope(locals.to_vec()).evaluate(label).ok());
        shown.unwrap_or_else(|| item.clone()).to_string()
    }

    fn registered_item(&self, looped: &Loop, item: &Value, index: usize, attempt: &Attempt) -> Value {
        let mut map = attempt.registered().as_map().cloned().unwrap_or_default();
        map.insert(looped.var.as_str().into(), item.clone());
        map.insert("ansible_loop_var".into(), Value::str(&looped.var));
        if let Some(name) = &looped.index_var {
            map.insert(name.as_str().into(), Value::from(index));
        }
        Value::from(map)
    }

    /// One item: its condition, its tries.
    fn item(&self, iteration: &Iteration, locals: Vec<(String, Value)>, refresh: bool) -> Attempt {
        let scope = self.scope(locals.clone());
        if let Some(no) = self.condition(&scope, &iteration.when) {
            return no;
        }
        if let Some(no) = self.guarded(&scope) {
            return no;
        }
        let Some(until) = self.node.until.as_ref().filter(|_| !self.looking) else {
            return self.try_once(iteration, &locals, refresh);
        };
        let number = |term: &Term, default: f64| match scope.evaluate(term) {
            Ok(value) => value.to_string().parse().unwrap_or(default),
            Err(_) => default,
        };
        let retries = number(&until.retries, 3.0) as u32;
        let delay = number(&until.delay, 5.0).max(0.0);
        for tried in 0..=retries {
            let mut attempt = self.try_once(iteration, &locals, refresh);
            attempt.result.insert("attempts".into(), Value::from(tried + 1));
            match self.holds(&until.condition, &attempt, &locals) {
                _ if attempt.changed.has_unknown() || attempt.result.values().any(Value::has_unknown) => {
                    return attempt;
                }
                Err(failed) => return failed,
                Ok(true) => return attempt,
                Ok(false) if self.session.cancel.is_cancelled() => return attempt,
                // Nothing changes while a plan waits; the apply may bring what is waited for.
                Ok(false) if self.session.is_plan() && self.node.check_mode != Some(false) => {
                    return Attempt::unknown("`until` does not hold yet; whether it will is known after apply");
                }
                Ok(false) if tried == retries => return give_up(attempt, tried),
                Ok(false) => {}
            }
            self.session.sink.retried(self.node.id, &self.name, retries - tried);
            std::thread::sleep(Duration::from_secs_f64(delay));
        }
        self.try_once(iteration, &locals, refresh)
    }

    /// Whether what is waited for holds. Without a condition: that it did not fail.
    fn holds(&self, condition: &[Term], attempt: &Attempt, locals: &[(String, Value)]) -> Result<bool, Attempt> {
        if condition.is_empty() {
            return Ok(attempt.failed != Value::Bool(true));
        }
        let scope = self.result_scope(attempt, locals);
        for term in condition {
            match scope.evaluate(term) {
                Ok(value) if truth(&value) => {}
                Ok(_) => return Ok(false),
                Err(error) => return Err(Attempt::eval(error)),
            }
        }
        Ok(true)
    }

    fn result_scope(&self, attempt: &Attempt, locals: &[(String, Value)]) -> Arc<TermScope> {
        let mut locals = locals.to_vec();
        if let Some(name) = &self.node.register {
            locals.push((name.clone(), attempt.registered()));
        }
        self.scope(locals)
    }

    /// Judges `when`. Gives the reason where the work is not to be done.
    fn condition(&self, scope: &Arc<TermScope>, when: &[Term]) -> Option<Attempt> {
        let mut unknown = false;
        for term in when {
            match scope.evaluate(term) {
                Err(error) => return Some(Attempt::eval(error)),
                Ok(value) if value.has_unknown() => unknown = true,
                Ok(value) if !truth(&value) => {
                    let mut attempt = Attempt::skipped("Conditional result was False");
                    attempt.result.insert("false_condition".into(), Value::from(raw(term)));
                    return Some(attempt);
                }
                Ok(_) => {}
            }
        }
        unknown.then(|| Attempt::unknown("whether it runs is known after apply"))
    }

    /// `unless`, `onlyif` and `creates` of any task.
    fn guarded(&self, scope: &Arc<TermScope>) -> Option<Attempt> {
        for (kind, term) in &self.node.guards {
            let value = match scope.evaluate(term) {
                Ok(value) => value,
                Err(error) => return Some(Attempt::eval(error)),
            };
            if value.has_unknown() {
                return Some(Attempt::unknown("whether it runs is known after apply"));
            }
            match actions::guard(self, kind, &value) {
                Ok(true) => {}
                Ok(false) => return Some(Attempt::skipped(format!("`{kind}` says there is nothing to do"))),
                Err(failure) => return Some(Attempt::failed(failure.message)),
            }
        }
        None
    }

    fn try_once(&self, iteration: &Iteration, locals: &[(String, Value)], refresh: bool) -> Attempt {
        let scope = self.scope(locals.to_vec());
        let args = match self.arguments(iteration, &scope) {
            Ok(args) => args,
            Err(error) => return error,
        };
        let mut attempt = match &self.node.action {
            Action::Resource(kind) => self.resource(kind, args, &scope, refresh),
            action => actions::run(self, action, &args, &scope, iteration),
        };
        if attempt.skipped.is_none() {
            self.judge(&mut attempt, locals);
        }
        attempt
    }

    /// Evaluates the arguments; a template file becomes the argument `content`.
    fn arguments(&self, iteration: &Iteration, scope: &Arc<TermScope>) -> Result<Map, Attempt> {
        if matches!(self.node.action, Action::Assert) {
            return Ok(Map::new());
        }
        let value = scope.evaluate(&iteration.args).map_err(Attempt::eval)?;
        let mut args = value.as_map().cloned().unwrap_or_default();
        if let Some(file) = &iteration.template
            && let Term::Template(template) = &file.term
        {
            let included = file.included.clone();
            let loader: crate::template::Loader = Arc::new(move |name| included.get(name).cloned());
            let scope = scope.clone() as Arc<dyn crate::template::Scope>;
            let text =
                self.session.engine.render_file(template, &file.options, loader, &scope).map_err(Attempt::eval)?;
            args.insert("content".into(), text);
        }
        Ok(args)
    }

    fn resource(&self, kind: &str, args: Map, scope: &Arc<TermScope>, refresh: bool) -> Attempt {
        let unknown: Vec<&str> = args.iter().filter(|(_, v)| v.has_unknown()).map(|(k, _)| k.as_ref()).collect();
        if !unknown.is_empty() {
            return Attempt::unknown(format!("`{}` is known after apply", unknown.join("`, `")));
        }
        let Some(kind) = resource::find(kind) else { return Attempt::failed(format!("cfg has no module `{kind}`")) };
        let args = match self.settled(kind, args, scope) {
            Ok(args) => args,
            Err(attempt) => return attempt,
        };
        let resource = match (kind.parse)(Args::new(args.clone())) {
            Ok(resource) => resource,
            Err(error) => return Attempt::failed(error.message),
        };
        let Some(background) = &self.node.background else {
            return self.converge(kind.name, &*resource, scope, refresh);
        };
        let number = |term: &Term| scope.evaluate(term).ok().and_then(|v| v.to_string().parse::<u64>().ok());
        let (limit, poll) = (number(&background.limit).unwrap_or(0), number(&background.poll).unwrap_or(15));
        if limit == 0 {
            return self.converge(kind.name, &*resource, scope, refresh);
        }
        if poll == 0 && !self.session.is_plan() && !self.looking {
            return self.start_job(kind.name, args, scope, limit);
        }
        let mut attempt = self.converge(kind.name, &*resource, scope, refresh);
        // Somebody waits for it: it is an ordinary task with a limit, and says what Ansible's say.
        let id = if poll == 0 { Value::Unknown } else { Value::from(self.job_id()) };
        attempt.result.insert("ansible_job_id".into(), id);
        attempt.result.insert("started".into(), Value::Bool(true));
        attempt.result.insert("finished".into(), Value::Bool(true));
        attempt
    }

    /// The arguments with paths that lead somewhere whoever looks.
    fn settled(&self, kind: &resource::Kind, mut args: Map, scope: &Arc<TermScope>) -> Result<Map, Attempt> {
        if resource::settled(kind.params, &args) {
            return Ok(args);
        }
        let failed = |failure: resource::Failure| Attempt { help: failure.help, ..Attempt::failed(failure.message) };
        let really = self.node.check_mode == Some(false);
        let machine = self.session.machine(self.node.r#become.as_ref(), really).map_err(failed)?;
        resource::settle(kind.params, &mut args, &*machine, &self.context(scope)?).map_err(failed)?;
        Ok(args)
    }

    fn job_id(&self) -> String {
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        format!("j{:012}.{}", nanos % 1_000_000_000_000, std::process::id())
    }

    /// Starts the task in the background.
    fn start_job(&self, kind: &str, args: Map, scope: &Arc<TermScope>, limit: u64) -> Attempt {
        let context = match self.context(scope) {
            Ok(context) => context,
            Err(attempt) => return attempt,
        };
        let job = super::background::Job {
            id: self.job_id(),
            kind: kind.to_owned(),
            args,
            environment: context.environment,
            limit,
        };
        let started = self.session.machine(self.node.r#become.as_ref(), false).and_then(|machine| {
            let agent = self.session.machines.agent();
            job.start(&*machine, &agent.unwrap_or_else(|| std::path::PathBuf::from("/proc/self/exe")))
        });
        match started {
            Ok(result) => {
                Attempt { result, changed: Value::Bool(true), failed: Value::Bool(false), ..Attempt::default() }
            }
            Err(failure) => Attempt { help: failure.help, ..Attempt::failed(failure.message) },
        }
    }

    fn converge(&self, kind: &str, resource: &dyn Resource, scope: &Arc<TermScope>, refresh: bool) -> Attempt {
        // `check_mode: false` works for real in a plan; `check_mode: true` only ever looks.
        let really = self.node.check_mode == Some(false);
        let machine = match self.session.machine(self.node.r#become.as_ref(), really) {
            Ok(machine) => machine,
            Err(failure) => return Attempt { help: failure.help, ..Attempt::failed(failure.message) },
        };
        let machine = match self.node.check_mode {
            check if (check == Some(true) || self.looking) && !self.session.is_plan() => {
                Arc::new(crate::machine::Preview::new(Arc::new(super::variables::ReadOnly(machine))))
            }
            _ => machine,
        };
        let context = match self.context(scope) {
            Ok(context) => context,
            Err(attempt) => return attempt,
        };
        let limit = self.limit(scope);
        let tracked = self
            .intending(Tracked::new(machine, self.no_log).within(limit).keeping(self.node.diff == Diff::Wanted), scope);
        let started = Instant::now();
        let mut result = resource.converge(&tracked, &context);
        // What ran or changed something just now has seen the news already.
        let idle = |outcome: &resource::Outcome| outcome.changed.as_ref().is_none_or(|changed| !changed.is_true());
        if refresh && result.as_ref().is_ok_and(idle) && tracked.changes().is_empty() {
            result = resource.refresh(&tracked, &context).unwrap_or(result);
        }
        let mut changes = tracked.changes();
        if self.node.diff == Diff::Hidden {
            changes.iter_mut().for_each(|change| change.diff = None);
        }
        match result {
            Ok(outcome) => {
                if !outcome.facts.is_empty() {
                    self.session.runtime.add_module_facts(&outcome.facts);
                }
                let changed = outcome.changed.unwrap_or(Value::Bool(!changes.is_empty()));
                let mut result = outcome.result;
                if let Some(kept) = tracked.differences()
                    && let Some(diff) = super::differences::shown(kind, &kept)
                {
                    result.entry("diff".into()).or_insert(diff);
                }
                if !outcome.facts.is_empty() {
                    result.insert("ansible_facts".into(), Value::from(outcome.facts));
                }
                let message = result.get("msg").and_then(|m| m.as_str().map(str::to_owned));
                Attempt {
                    result,
                    changed,
                    failed: Value::Bool(false),
                    skipped: outcome.skipped,
                    changes,
                    message,
                    ..Attempt::default()
                }
            }
            Err(mut failure) if limit.is_some_and(|limit| started.elapsed() >= limit) => {
                let seconds = limit.unwrap_or_default().as_secs();
                let place = Value::str("Interrupted while the task was running");
                let timed = Value::map([("frame", place), ("period", Value::from(seconds))]);
                failure.result.insert("timedout".into(), timed);
                let message = match self.node.timeout {
                    Some(_) => format!("Timed out after {seconds} second(s)."),
                    None => format!("async task did not complete within the requested time - {seconds}s"),
                };
                Attempt { result: failure.result, changes, ..Attempt::failed(message) }
            }
            Err(failure) if failure.unknown => Attempt { changes, ..Attempt::unknown(failure.message) },
            Err(failure) => Attempt {
                // A program that failed may have changed things all the same.
                changed: Value::Bool(!changes.is_empty() || failure.result.contains_key("delta")),
                result: failure.result,
                help: failure.help,
                changes,
                ..Attempt::failed(failure.message)
            },
        }
    }

    /// How long the task may take.
    fn limit(&self, scope: &Arc<TermScope>) -> Option<Duration> {
        let term = self.node.timeout.as_ref().or(self.node.background.as_ref().map(|background| &background.limit));
        let value = scope.evaluate(term?).ok()?;
        value.to_string().parse::<u64>().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    fn context(&self, scope: &Arc<TermScope>) -> Result<Context, Attempt> {
        let value = scope.evaluate(&self.node.environment).map_err(Attempt::eval)?;
        let environment = value.as_map().into_iter().flatten().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let looks = self.looking
            || self.node.check_mode == Some(true)
            || (self.session.is_plan() && self.node.check_mode != Some(false));
        let blobs = self.session.blobs.clone();
        let blobs = if looks { Arc::new(super::variables::Receiving(blobs)) } else { blobs };
        Ok(Context { environment, blobs: Some(blobs), no_log: self.no_log, diff: self.node.diff == Diff::Wanted })
    }

    /// Has the notifications of this node written down before its first change.
    fn intending(&self, tracked: Tracked, scope: &Arc<TermScope>) -> Tracked {
        if self.node.notify.is_empty() || self.session.is_plan() || self.session.prologue.guest || self.looking {
            return tracked;
        }
        let names = self.notified_names(scope);
        self.session.state().notifications.intend(self.node.id, names);
        tracked.before_first_change(Box::new(self.session.keeper()))
    }

    /// The names this node notifies.
    pub fn notified_names(&self, scope: &Arc<TermScope>) -> Vec<String> {
        let values = self.node.notify.iter().filter_map(|term| scope.evaluate(term).ok());
        values
            .flat_map(|value| match value {
                Value::List(items) => items.iter().map(ToString::to_string).collect(),
                other => vec![other.to_string()],
            })
            .collect()
    }

    /// Notifies what a finished node notifies.
    pub fn notify(&self, outcome: &mut TaskOutcome) {
        let settled = self.session.state().notifications.settle(self.node.id);
        let changed = outcome.items.iter().any(|item| item.status == Status::Changed);
        let maybe = outcome.items.iter().any(|item| item.status == Status::Unknown);
        if !self.node.notify.is_empty() && (changed || maybe) && outcome.status != Status::Failed {
            let names = self.notified_names(&self.scope(Vec::new()));
            let mut state = self.session.state();
            for name in &names {
                if changed {
                    state.notifications.notify(name, &self.name);
                } else {
                    state.notifications.maybe(name);
                }
            }
            drop(state);
            if changed {
                outcome.notified = names;
            }
        }
        // What was written down before a change that was not made in the end must not restart anything later.
        let touched = outcome.items.iter().any(|item| !item.changes.is_empty());
        if settled && touched && !changed && !self.session.is_plan() {
            let _ = (self.session.keeper())();
        }
    }

    /// Applies `changed_when` and `failed_when`.
    fn judge(&self, attempt: &mut Attempt, locals: &[(String, Value)]) {
        if attempt.failed == Value::Bool(true) && self.node.failed_when.is_empty() && self.node.changed_when.is_empty()
        {
            return;
        }
        let all = |terms: &[Term], attempt: &Attempt| -> Result<Value, Attempt> {
            let scope = self.result_scope(attempt, locals);
            let mut unknown = false;
            for term in terms {
                match scope.evaluate(term) {
                    Err(error) => return Err(Attempt { result: attempt.result.clone(), ..Attempt::eval(error) }),
                    Ok(value) if value.has_unknown() => unknown = true,
                    Ok(value) if !truth(&value) => return Ok(Value::Bool(false)),
                    Ok(_) => {}
                }
            }
            Ok(if unknown { Value::Unknown } else { Value::Bool(true) })
        };
        if !self.node.changed_when.is_empty() {
            match all(&self.node.changed_when, attempt) {
                Ok(value) => attempt.changed = value,
                Err(failed) => *attempt = failed,
            }
        }
        if !self.node.failed_when.is_empty() && attempt.place.is_none() {
            match all(&self.node.failed_when, attempt) {
                Ok(Value::Unknown) => attempt.failed = Value::Bool(false),
                Ok(value) => {
                    let failed = value.is_true();
                    attempt.result.insert("failed_when_result".into(), Value::Bool(failed));
                    if failed && attempt.failed != Value::Bool(true) {
                        let own = attempt.message.take().map(|m| format!(": {m}")).unwrap_or_default();
                        attempt.message = Some(format!("`failed_when` holds{own}"));
                    }
                    attempt.failed = Value::Bool(failed);
                }
                Err(failed) => *attempt = failed,
            }
        }
    }
}

/// The variables of a loop for the item at `index`.
pub fn loop_variables(looped: &Loop, items: &[Value], index: usize) -> Vec<(String, Value)> {
    let item = items.get(index).cloned().unwrap_or_default();
    let mut locals = vec![(looped.var.clone(), item)];
    locals.extend(looped.index_var.clone().map(|name| (name, Value::from(index))));
    locals.push(("ansible_loop_var".into(), Value::str(&looped.var)));
    if let Some(name) = &looped.index_var {
        locals.push(("ansible_index_var".into(), Value::str(name)));
    }
    if !looped.extended {
        return locals;
    }
    let count = items.len();
    let mut info = vec![
        ("allitems", Value::list(items.iter().cloned())),
        ("index", Value::from(index + 1)),
        ("index0", Value::from(index)),
        ("first", Value::Bool(index == 0)),
        ("last", Value::Bool(index + 1 == count)),
        ("length", Value::from(count)),
        ("revindex", Value::from(count.saturating_sub(index))),
        ("revindex0", Value::from(count.saturating_sub(index + 1))),
    ];
    info.extend(items.get(index + 1).map(|next| ("nextitem", next.clone())));
    info.extend(index.checked_sub(1).and_then(|before| items.get(before)).map(|item| ("previtem", item.clone())));
    locals.push(("ansible_loop".into(), Value::map(info)));
    locals
}

fn give_up(mut attempt: Attempt, retries: u32) -> Attempt {
    // As Ansible counts them where it gives up.
    attempt.result.insert("attempts".into(), Value::from(retries));
    let tries = retries + 1;
    let own = attempt.message.take().filter(|m| !m.is_empty());
    let own = own.map(|m| format!("; the last time: {m}")).unwrap_or_default();
    attempt.message = Some(format!("tried {tries} times and `until` did not hold{own}"));
    attempt.failed = Value::Bool(true);
    attempt
}

/// What a loop registers, from what its items came to.
pub fn all_items(items: Vec<Value>) -> Value {
    let any = |key: &str| {
        let has = |wanted: &Value| items.iter().any(|item| item.get(key) == Some(wanted));
        match () {
            () if has(&Value::Bool(true)) => Value::Bool(true),
            () if has(&Value::Unknown) => Value::Unknown,
            () => Value::Bool(false),
        }
    };
    let skipped = items.iter().all(|item| item.get("skipped") == Some(&Value::Bool(true)));
    let message = if any("failed") == Value::Bool(true) { "One or more items failed" } else { "All items completed" };
    let mut map = Map::new();
    map.insert("changed".into(), any("changed"));
    map.insert("failed".into(), any("failed"));
    map.insert("msg".into(), Value::str(message));
    if skipped {
        map.insert("skipped".into(), Value::Bool(true));
    }
    map.insert("results".into(), Value::from(items));
    Value::from(map)
}

/// The truth of a condition's value; text counts by what it says.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Str(text) => parse_bool(text).unwrap_or(!text.is_empty()),
        other => other.is_true(),
    }
}

/// A term as it was written.
pub fn raw(term: &Term) -> String {
    match term {
        Term::Value(value) => value.to_string(),
        Term::Template(template) => template.text.trim().to_owned(),
        Term::List(items) => items.iter().map(raw).collect::<Vec<_>>().join(", "),
        Term::Map(_) => "{…}".to_owned(),
        Term::Failed(error) => error.message.clone(),
    }
}
