//! One node: conditions, items, tries, and what its result means.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::judge::{give_up, number_of, raw, truth};
use super::notify::Due;
use super::outcome::{Attempt, combined};
use super::{Session, actions};
use crate::event::{ItemOutcome, Status, TaskOutcome, Warning};
use crate::graph::{Action, CheckMode, Execution, Iteration, Node, RequisiteKind, Segment, Verdict, Work};
use crate::template::{EvalError, Term, TermScope};
use crate::value::{Map, Value};

/// What the hidden variables start with that say whether a handler of several tasks was notified.
pub const HANDLER_GATE: &str = "__cfg_handler_";

/// Says when a node may do more than look.
pub trait Turns: Sync {
    /// Says that the node has started, to whom it may concern, in its turn.
    fn announce(&self, node: &Node, name: &str);
    /// Waits until all that is written before the node has ended, and says whether the node is still to run.
    fn await_turn(&self, node: &Node) -> bool;
}

/// A node while it runs. It looks at the machine when it likes; what it does more it does in its turn: changes, variables,
/// notifications, and coming to an end.
pub struct Runner<'a> {
    pub session: &'a Session,
    pub segment: &'a Segment,
    pub node: &'a Node,
    pub name: String,
    /// Nothing of it may be shown, as far as that is not for an item to say.
    pub no_log: bool,
    /// Only find out what would change: nothing is written, registered or notified.
    pub looking: bool,
    turns: &'a dyn Turns,
    /// Whether its turn came, once that is known.
    turn: OnceLock<bool>,
    warnings: Mutex<Vec<Warning>>,
    /// Each time of its work, so far.
    rounds: Mutex<Vec<Round>>,
}

/// One time of a node's work.
pub(super) struct Round {
    /// The variables of the loop.
    pub locals: Vec<(String, Value)>,
    /// Nothing of it may be shown.
    pub no_log: bool,
    /// Whom it notifies if something is changed; nobody where it is not done.
    pub notify: Vec<String>,
}

/// One try of the work, at one time.
pub(super) struct Try<'t> {
    pub iteration: &'t Iteration,
    pub round: &'t Round,
    pub scope: &'t Arc<TermScope>,
    /// As whom, and whether for real.
    pub execution: &'t Execution,
    /// What a state it watches has news.
    pub refresh: bool,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// What the work of a node came to.
pub(super) struct Done {
    pub items: Vec<ItemOutcome>,
    pub registered: Value,
}

impl<'a> Runner<'a> {
    /// Prepares a node.
    pub fn new(session: &'a Session, segment: &'a Segment, node: &'a Node, turns: &'a dyn Turns) -> Self {
        let (turn, warnings, rounds) = (OnceLock::new(), Mutex::default(), Mutex::default());
        let (name, no_log, looking) = (String::new(), false, false);
        let mut runner = Self { session, segment, node, name, no_log, looking, turns, turn, warnings, rounds };
        let scope = runner.scope(Vec::new());
        // A failing name is shown as it was written; the task itself will report the failure where it matters.
        runner.name = scope.evaluate(&node.name).map_or_else(|_| raw(&node.name), |value| value.to_string());
        runner.no_log = runner.round(Vec::new()).no_log;
        runner
    }

    /// A time of the work that is yet to be done, with the variables of the loop.
    pub(super) fn round(&self, locals: Vec<(String, Value)>) -> Round {
        let no_log = match &self.node.no_log {
            Term::Value(value) => truth(value),
            term => self.scope(locals.clone()).evaluate(term).map_or(true, |value| truth(&value)),
        };
        Round { locals, no_log, notify: Vec::new() }
    }

    /// Says whether the node would change something: what `prereq` asks. What cannot be known counts as a change.
    pub fn would_change(mut self) -> bool {
        self.looking = true;
        self.work(false).items.iter().any(|item| matches!(item.status, Status::Changed | Status::Unknown))
    }

    /// Waits for the turn of the node. Where that does not come (an earlier state failed), the node has never been.
    pub(super) fn has_turn(&self) -> bool {
        self.looking || *self.turn.get_or_init(|| self.turns.await_turn(self.node))
    }

    /// Says whether the node waits for its turn before it even looks: what tells the controller or other nodes of itself, and
    /// what counts time, which is not to run out while others work.
    fn starts_in_turn(&self) -> bool {
        let node = self.node;
        let counts_time = node.until.is_some() || node.timeout.is_some() || node.background.is_some();
        node.handler.is_some() || counts_time || !matches!(node.action, Action::Resource(_))
    }

    pub(super) fn scope(&self, locals: Vec<(String, Value)>) -> Arc<TermScope> {
        self.session.runtime.scope(&self.session.engine, self.segment, self.node, locals)
    }

    /// Says whether the node belongs to a handler of several tasks that was not notified.
    fn not_asked(&self) -> bool {
        let of_handler = |gate: &&Term| raw(gate).starts_with(HANDLER_GATE);
        let scope = self.scope(Vec::new());
        self.node.gates.iter().filter(of_handler).any(|gate| scope.evaluate(gate).is_ok_and(|value| !truth(&value)))
    }

    /// Runs the node; gives what is reported of it, and its result. Silent nodes (gates, handlers that were not notified) report nothing, and neither do
    /// those whose turn did not come.
    pub fn run(&self, verdict: Verdict) -> Option<(TaskOutcome, Value)> {
        if self.starts_in_turn() && !self.has_turn() {
            return None;
        }
        let started = Instant::now();
        let mut because = Vec::new();
        if let Some(handler) = &self.node.handler {
            match self.session.state().notifications.due(handler) {
                Due::No => return None,
                Due::Maybe => {
                    let item =
                        Attempt::unknown("whether it is notified is known after apply").into_item(None, self.no_log);
                    return Some((self.outcome(vec![item], Vec::new(), started), Value::Unknown));
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
            self.turns.announce(self.node, &self.name);
        }
        let Done { items, registered } = match verdict {
            Verdict::Nothing => self.single(Attempt::skipped("no requisite asks for it")),
            Verdict::Fail => self.single(Attempt::failed("a state it requires failed")),
            Verdict::Run | Verdict::Refresh => self.work(verdict == Verdict::Refresh),
        };
        if !self.has_turn() {
            return None;
        }
        if let Some(name) = &self.node.register {
            self.session.runtime.set(name, registered.clone());
        }
        if self.node.action == Action::SetFact {
            self.open_facts(&items);
        }
        if items.iter().any(|item| item.status == Status::Unknown) {
            self.leave_out();
        }
        let hidden = matches!(self.node.action, Action::Gate(_) | Action::HandlerDone(_));
        if hidden && !items.iter().any(|i| i.status == Status::Failed) {
            return None;
        }
        let outcome = self.outcome(items, because, started);
        if let (Some(handler), false) = (&self.node.handler, outcome.status == Status::Failed) {
            self.session.state().notifications.finish(handler);
        }
        Some((outcome, registered))
    }

    /// Notes that a plan leaves the work of this node out, or a part of it, unless the playbook says that it never changes
    /// anything.
    pub(super) fn leave_out(&self) {
        let never = |term: &Term| term.as_value().map_or_else(|| raw(term) == "false", |value| !truth(value));
        let works = matches!(self.node.action, Action::Resource(_) | Action::Noop);
        if works && self.session.is_plan() && !self.node.changed_when.iter().any(never) {
            self.session.expect_anything();
        }
    }

    /// What `set_fact` would set where that is known after apply: it may set it or not, and to anything.
    fn open_facts(&self, items: &[ItemOutcome]) {
        let open = |item: &ItemOutcome| item.status == Status::Unknown;
        let iterations: Vec<&Iteration> = match &self.node.work {
            Work::Once(iteration) | Work::Late(_, _, iteration) if items.iter().any(open) => vec![iteration],
            Work::Items(_, all) => all.iter().zip(items).filter(|(_, item)| open(item)).map(|(each, _)| each).collect(),
            _ => Vec::new(),
        };
        for name in iterations.into_iter().flat_map(fact_names) {
            self.session.runtime.set(&name, Value::Unknown);
        }
    }

    fn outcome(&self, items: Vec<ItemOutcome>, because: Vec<String>, started: Instant) -> TaskOutcome {
        let status = combined(&items);
        let unreachable = items.iter().any(|item| item.unreachable);
        let ignore = self.ignores(&items, unreachable);
        TaskOutcome {
            node: self.node.id,
            name: self.name.clone(),
            role: self.node.role.clone(),
            module: self.node.module.clone(),
            origin: self.node.origin.clone(),
            status,
            items,
            handler: self.node.handler.is_some() || self.node.in_handler,
            ignored: status == Status::Failed && ignore,
            unreachable,
            rescued: false,
            notified: Vec::new(),
            because,
            warnings: std::mem::take(&mut *self.warnings()),
            millis: started.elapsed().as_millis() as u64,
        }
    }

    /// Says whether a failure does not count. Of a loop each item that failed is asked.
    fn ignores(&self, items: &[ItemOutcome], unreachable: bool) -> bool {
        let term = if unreachable { &self.node.ignore_unreachable } else { &self.node.ignore_errors };
        let holds = |locals| self.scope(locals).evaluate(term).is_ok_and(|value| truth(&value));
        let mut failed = items.iter().enumerate().filter(|(_, item)| item.status == Status::Failed);
        let locals = |i: usize| self.rounds().get(i).map(|round| round.locals.clone()).unwrap_or_default();
        failed.all(|(i, _)| holds(locals(i)))
    }

    fn rounds(&self) -> MutexGuard<'_, Vec<Round>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, refresh: bool) -> Done {
        if let Err(attempt) = self.entered() {
            return self.single(attempt);
        }
        match &self.node.work {
            Work::Once(iteration) => {
                let attempt = self.item(iteration, self.round(Vec::new()), refresh);
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

    fn single(&self, attempt: Attempt) -> Done {
        let registered = attempt.registered();
        Done { items: vec![attempt.into_item(None, self.no_log)], registered }
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

    /// One time of the work.
    pub(super) fn item(&self, iteration: &Iteration, mut round: Round, refresh: bool) -> Attempt {
        let attempt = self.worked(iteration, &mut round, refresh);
        self.rounds().push(round);
        attempt
    }

    /// Its condition, its tries.
    fn worked(&self, iteration: &Iteration, round: &mut Round, refresh: bool) -> Attempt {
        let scope = self.scope(round.locals.clone());
        if let Some(no) = self.condition(&scope, iteration) {
            return no;
        }
        let execution = self.node.execution_of(iteration);
        if let Some(no) = self.guarded(&scope, execution) {
            return no;
        }
        round.notify = match self.notified_names(&scope) {
            Ok(names) => names,
            Err(error) => return Attempt::eval(error),
        };
        if let Some(failed) = self.unanswered(&round.notify) {
            return failed;
        }
        let Some(until) = self.node.until.as_ref().filter(|_| !self.looking) else {
            return self.try_once(iteration, round, refresh, None).unwrap_or_else(|failed| failed);
        };
        let number = |keyword, term, default| {
            number_of(&scope, keyword, term).map(|n| n.unwrap_or(default).clamp(0.0, LONGEST_DELAY))
        };
        let (retries, delay) = match (number("retries", &until.retries, 3.0), number("delay", &until.delay, 5.0)) {
            (Ok(retries), Ok(delay)) => (retries as u32, delay),
            (Err(failed), _) | (_, Err(failed)) => return failed,
        };
        for tried in 0..=retries {
            let attempt = match self.try_once(iteration, round, refresh, Some(tried + 1)) {
                Ok(attempt) => attempt,
                Err(failed) => return failed,
            };
            match self.holds(&until.condition, &attempt, &round.locals) {
                _ if attempt.changed.has_unknown() || attempt.result.values().any(Value::has_unknown) => {
                    return attempt;
                }
                Err(failed) => return failed,
                Ok(true) => return attempt,
                Ok(false) if self.session.cancel.is_cancelled() => return attempt,
                // Nothing changes while a plan waits; the apply may bring what is waited for.
                Ok(false) if self.session.is_plan() && execution.check_mode != CheckMode::Off => {
                    return Attempt::unknown("`until` does not hold yet; whether it will is known after apply");
                }
                Ok(false) if tried == retries => return give_up(attempt, tried, !self.node.failed_when.is_empty()),
                Ok(false) => {}
            }
            self.session.sink.retried(self.node.id, &self.name, retries - tried);
            std::thread::sleep(Duration::from_secs_f64(delay));
        }
        self.try_once(iteration, round, refresh, None).unwrap_or_else(|failed| failed)
    }

    pub(super) fn warnings(&self) -> MutexGuard<'_, Vec<Warning>> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn result_scope(&self, attempt: &Attempt, locals: &[(String, Value)]) -> Arc<TermScope> {
        let mut locals = locals.to_vec();
        if let Some(name) = &self.node.register {
            locals.push((name.clone(), attempt.registered()));
        }
        self.scope(locals)
    }

    /// One try, the `tried`th where it is tried until something holds.
    ///
    /// # Errors
    /// What keeps it from being tried at all.
    fn try_once(
        &self,
        iteration: &Iteration,
        round: &Round,
        refresh: bool,
        tried: Option<u32>,
    ) -> Result<Attempt, Attempt> {
        let scope = self.scope(round.locals.clone());
        let limit = self.limit(&scope).map_err(Attempt::with_exception)?;
        let args = self.arguments(iteration, &scope).map_err(Attempt::with_exception)?;
        let execution = self.node.execution_of(iteration);
        let how = Try { iteration, round, scope: &scope, execution, refresh, limit };
        let mut attempt = match &self.node.action {
            Action::Resource(kind) => self.resource(kind, args, &how),
            action => actions::run(self, action, &args, &how),
        };
        if let Some(tried) = tried {
            attempt.result.insert("attempts".into(), Value::from(tried));
        }
        attempt = attempt.with_exception();
        if attempt.skipped.is_none() {
            self.judge(&mut attempt, &round.locals);
        }
        Ok(attempt)
    }

    /// Evaluates the arguments; a template file becomes the argument `content`.
    fn arguments(&self, iteration: &Iteration, scope: &Arc<TermScope>) -> Result<Map, Attempt> {
        if matches!(self.node.action, Action::Assert) {
            return Ok(Map::new());
        }
        let value = scope.evaluate(&iteration.args).map_err(|error| self.unresolved(&iteration.args, scope, error))?;
        let mut args = match value {
            Value::Map(map) => map.as_ref().clone(),
            Value::Unknown => return Err(Attempt::unknown("its arguments are known after apply")),
            other => {
                let message = format!("the arguments of a task are a mapping; these are {}", other.type_name());
                return Err(Attempt::failed(message));
            }
        };
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

    /// An argument that cannot be evaluated. The result says which, in Ansible's words.
    fn unresolved(&self, args: &Term, scope: &Arc<TermScope>, error: EvalError) -> Attempt {
        let Term::Map(entries) = args else { return Attempt::eval(error) };
        let failed = entries.iter().find(|(_, value)| scope.evaluate(value).is_err());
        let name = failed.and_then(|(name, _)| name.as_value()?.as_str());
        let module = self.node.module.rsplit('.').next().unwrap_or_default();
        let words = name.map(|name| Value::from(error.for_argument(module, name)));
        let mut attempt = Attempt::eval(error);
        if let Some(words) = words {
            attempt.result.insert("msg".into(), words);
        }
        attempt
    }

    /// The names this node notifies, as far as they are known.
    fn notified_names(&self, scope: &Arc<TermScope>) -> Result<Vec<String>, EvalError> {
        let mut names = Vec::new();
        for term in &self.node.notify {
            match scope.evaluate(term)? {
                Value::List(items) => names.extend(items.iter().map(ToString::to_string)),
                Value::Unknown | Value::Null | Value::Omit => {}
                other => names.push(other.to_string()),
            }
        }
        Ok(names)
    }

    /// A name that nothing answers to.
    fn unanswered(&self, names: &[String]) -> Option<Attempt> {
        let answered = self.node.answered.as_ref()?;
        let name = names.iter().find(|name| !answered.contains(name))?;
        let help = crate::diagnostic::did_you_mean(name, answered.iter().map(String::as_str));
        Some(Attempt { help, ..Attempt::failed(format!("there is no handler `{name}`")) })
    }

    /// What the items notify that were not skipped, each name once: that one of them changed something counts for all.
    fn names_of_items(&self, items: &[ItemOutcome]) -> Vec<String> {
        let (mut names, rounds) = (Vec::new(), self.rounds());
        for (i, item) in items.iter().enumerate() {
            let notified = match (item.status, rounds.get(i)) {
                (Status::Skipped, _) => continue,
                // It was not begun: nobody has asked yet.
                (Status::Unknown, round) => {
                    let locals = round.map(|round| round.locals.clone()).unwrap_or_default();
                    self.notified_names(&self.scope(locals)).unwrap_or_default()
                }
                (_, round) => round.map(|round| round.notify.clone()).unwrap_or_default(),
            };
            notified.into_iter().for_each(|name| {
                if !names.contains(&name) {
                    names.push(name)
                }
            });
        }
        names
    }

    /// Notifies what a finished node notifies.
    pub fn notify(&self, outcome: &mut TaskOutcome) {
        let settled = self.session.state().notifications.settle(self.node.id);
        let changed = outcome.items.iter().any(|item| item.status == Status::Changed);
        let maybe = outcome.items.iter().any(|item| item.status == Status::Unknown);
        if !self.node.notify.is_empty() && (changed || maybe) && outcome.status != Status::Failed {
            let names = self.names_of_items(&outcome.items);
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
}

/// The facts an iteration of `set_fact` names.
fn fact_names(iteration: &Iteration) -> Vec<String> {
    let mut names: Vec<String> = match &iteration.args {
        Term::Value(Value::Map(map)) => map.keys().map(ToString::to_string).collect(),
        Term::Map(entries) => entries.iter().filter_map(|(key, _)| Some(key.as_value()?.to_string())).collect(),
        _ => Vec::new(),
    };
    names.retain(|name| name != "cacheable");
    names
}

/// The longest time between two tries: about thirty years.
const LONGEST_DELAY: f64 = 1e9;
