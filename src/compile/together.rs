//! What one host's program has to do with other hosts: meeting them, tasks that run once, tasks that run elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::frame::{Frame, Inherited};
use super::host::HostCompiler;
use super::meta::without;
use super::reboot::{Where, phases};
use super::rounds::Round;
use super::{Away, Facts, Guest, Met, Stop, modules};
use crate::apply::{Adopted, SegmentReport};
use crate::event::TaskOutcome;
use crate::graph::{Action, Iteration, Node, Segment, Work};
use crate::parse::{Keyword, Keywords, Task};
use crate::resource::Footprint;
use crate::template::Term;
use crate::value::Value;
use crate::yaml::Node as Yaml;

/// Where the items of a loop are worked on.
enum Elsewhere {
    /// On this host.
    Here,
    /// All on this other host.
    There(String),
    /// Each on a host of its own.
    Each(Vec<String>),
    /// Here, since it is about the run itself; its words may be about that other host.
    Of(String),
    /// It sets facts of that other host, which may be another one for each item.
    For(Term),
}

impl HostCompiler<'_> {
    /// Names the place the walk is at: the same on all hosts that come there.
    pub(super) fn place_key(&self) -> String {
        self.place.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
    }

    /// Waits for the other hosts at this place of the play. Results are known from then on, those of others too.
    pub(super) fn meet(&mut self) -> Result<Met, Stop> {
        self.flush()?;
        if self.alone {
            return Ok(Met { leads: true, stop: false, failures: self.seen_failures });
        }
        let met = self.driver.meet(&self.place, &self.runtime)?;
        self.hostvars.take();
        self.gone = Arc::new(self.driver.peers().gone());
        if met.stop {
            return Err(Stop::Ended);
        }
        if met.failures > self.seen_failures {
            self.seen_failures = met.failures;
            self.fail_with_others()?;
        }
        Ok(met)
    }

    /// With `any_errors_fatal` a failure here is one of all hosts, also where a rescue takes it in.
    pub(super) fn fail_all_after(&mut self, report: &SegmentReport) {
        let known = &self.so_far.failed_blocks;
        let fresh = report.failed && !self.so_far.failed || report.failed_blocks.iter().any(|id| !known.contains(id));
        if self.fatal && fresh {
            let place = self.place.clone();
            self.seen_failures = self.driver.fail_all(&place);
        }
    }

    /// Another host failed in the task before, and that is a failure of all: this host fails there too, so that the same
    /// rescue and always sections run. Nothing is reported of it.
    fn fail_with_others(&mut self) -> Result<(), Stop> {
        let outcome = TaskOutcome::failed_elsewhere();
        let (blocks, rescues) = (self.fatal_blocks.clone(), std::mem::take(&mut self.rescues));
        let report =
            self.driver.adopt(Adopted { outcome, blocks, rescues, variables: BTreeMap::new(), silent: true })?;
        self.take_in(report)
    }

    /// Takes in how the host stands after an outcome that came from elsewhere.
    pub(super) fn take_in(&mut self, report: SegmentReport) -> Result<(), Stop> {
        self.failed_blocks.extend(report.failed_blocks.iter().copied());
        self.so_far = report;
        if self.so_far.ended && self.so_far.failed_blocks.is_empty() { Err(Stop::Ended) } else { Ok(()) }
    }

    /// Meets the others before a task where the meaning needs it: `strategy: linear`, a failure that would stop all, or
    /// a result of another host.
    pub(super) fn meet_before(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        if frame.handler.is_some() {
            return Ok(());
        }
        let fatal = self.flag(frame, &task.keywords, Keyword::AnyErrorsFatal) == Some(true);
        if self.lockstep || fatal {
            self.meet()?;
            self.fatal = fatal;
            self.fatal_blocks.clone_from(&frame.blocks);
        } else if self.fatal {
            // What comes after may fail on its own.
            self.meet()?;
            self.fatal = false;
        }
        Ok(())
    }

    /// Says whether texts read, through `hostvars`, what a task of another host may have set: the hosts meet first.
    pub(super) fn reads_results_of_others(&self, texts: &[Arc<str>]) -> bool {
        !matches!(self.facts, Facts::Unknown) && self.hosts.batch.len() > 1 && self.reads_others(texts)
    }

    /// Says whether anything in the project is about other hosts of a play.
    fn speaks_of_others(&self) -> bool {
        let sources = &self.project.files.sources;
        sources.mentions("hostvars") || super::task::LEFT.iter().any(|name| sources.mentions(name))
    }

    /// What a task says, itself and through variables, where it speaks of other hosts; else nothing.
    pub(super) fn texts_about_hosts(&self, task: &Arc<Task>, frame: &Frame, action: &Action) -> Vec<Arc<str>> {
        let speaks = |text: &str| text.contains("hostvars") || super::task::LEFT.iter().any(|name| text.contains(name));
        if !self.speaks_of_others() {
            return Vec::new();
        }
        let own = &task.keywords;
        let said = [Keyword::Loop, Keyword::ChangedWhen, Keyword::FailedWhen, Keyword::Until, Keyword::Environment];
        let mut terms = vec![self.args_term(task, action)];
        terms.extend(frame.when.iter().cloned());
        // What is wrong with them is said where they are compiled.
        let quiet = |_| {};
        let made = self.terms(&quiet);
        terms.extend(said.iter().filter_map(|keyword| own.get(*keyword)).flat_map(|node| made.condition(node)));
        terms.extend(task.with.iter().map(|(_, _, node)| made.term(node)));
        let texts = self.texts_behind(&terms, frame);
        let file = task.args.get("src").and_then(Yaml::text).filter(|_| modules::short(&task.module) == "template");
        let file = file.and_then(|name| self.find_file(frame, "templates", name));
        let file = file.and_then(|path| self.project.files.text(&path, None)).map(|(_, text)| text);
        let texts: Vec<Arc<str>> = texts.into_iter().chain(file).collect();
        if texts.iter().any(|text| speaks(text)) { texts } else { Vec::new() }
    }

    /// The text of every template that terms come to through the variables they name.
    fn texts_behind(&self, terms: &[Term], frame: &Frame) -> Vec<Arc<str>> {
        let names = self.names(frame, Vec::new());
        let engine = self.project.engine.clone();
        let mut texts: Vec<Arc<str>> = Vec::new();
        let mut open: Vec<String> = Vec::new();
        let mut collect = |term: &Term, open: &mut Vec<String>| {
            term.for_each_template(&mut |template| {
                open.extend(engine.names_in(template));
                texts.push(template.text.clone());
            });
        };
        terms.iter().for_each(|term| collect(term, &mut open));
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = open.pop() {
            if name != "hostvars"
                && seen.insert(name.clone())
                && let Some((term, _)) = names.find(&name)
            {
                collect(&term, &mut open);
            }
        }
        texts
    }

    /// `run_once`, `delegate_to` and `throttle`. Says whether the task was dealt with.
    pub(super) fn goes_elsewhere(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<bool, Stop> {
        let once = match frame.keyword(&task.keywords, Keyword::RunOnce).cloned() {
            Some(node) => {
                let scope = self.scope(frame, Vec::new());
                crate::apply_truth(&self.keyword_value(Keyword::RunOnce, &node, &scope)?)
            }
            None => super::pause::has_prompt(task) && !self.alone && !self.is_rehearsal(),
        };
        if once {
            return self.once(task, frame).map(|()| true);
        }
        if let Some(node) = frame.keyword(&task.keywords, Keyword::Throttle).cloned() {
            let scope = self.scope(frame, Vec::new());
            let limit = self.keyword_value(Keyword::Throttle, &node, &scope)?.as_whole_number();
            if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0) {
                return self.throttled(task, frame, limit).map(|()| true);
            }
        }
        // What cfg has not fails at home.
        let known = modules::is_module(&task.module);
        Ok(known && (self.delegate(task, frame)? || self.reboots(task, frame)? || self.logs_in(task, frame)?))
    }

    /// Runs a task on this host as it says itself, if that is not as the play does. Says whether it was dealt with.
    fn logs_in(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<bool, Stop> {
        let module = modules::short(&task.module);
        if frame.handler.is_some() || frame.in_login || super::hostless::is_about_the_run(module) {
            return Ok(false);
        }
        if !self.says_login(task, frame)
            || self.certainly_skipped(frame, &self.scope(frame, Vec::new()))
            || self.other_login(task, frame)?.is_none()
        {
            return Ok(false);
        }
        self.away(task, frame, &Where::On(vec![self.host.to_string()])).map(|()| true)
    }

    /// Runs a task where it says, if that is not here. Says whether it was dealt with.
    fn delegate(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<bool, Stop> {
        match self.elsewhere(task, frame)? {
            Elsewhere::Here => Ok(false),
            Elsewhere::There(host) => {
                let frame = self.about(frame, &host);
                self.away(task, &frame, &Where::On(vec![host])).map(|()| true)
            }
            Elsewhere::For(host) => self.give_facts(task, frame, &host).map(|()| true),
            Elsewhere::Of(host) => {
                let frame = strip(&self.about(frame, &host), &[Keyword::DelegateTo]);
                let module = modules::short(&task.module).to_owned();
                self.plain_task(&without(task, &[Keyword::DelegateTo]), &frame, &module).map(|()| true)
            }
            Elsewhere::Each(hosts) => {
                let frame = Frame { delegates: hosts.clone(), ..frame.clone() };
                self.away(task, &frame, &Where::On(hosts)).map(|()| true)
            }
        }
    }

    /// `set_fact` with `delegate_facts`: facts of another host, which nobody has to ask for that.
    fn give_facts(&mut self, task: &Arc<Task>, frame: &Frame, host: &Term) -> Result<(), Stop> {
        self.flush()?;
        let frame = &strip(frame, &[Keyword::DelegateTo]);
        let mut iterations = Vec::new();
        let rounds = self.rounds(task, frame)?;
        for round in rounds {
            let scope = self.scope(frame, round.locals.clone());
            let host = self.evaluate(host, &scope, task.span)?.to_string();
            let scope = self.scope(&self.about(frame, &host), round.locals);
            let holds = self.evaluate(&Term::list(frame.when.clone()), &scope, task.span)?;
            let holds = holds.as_list().unwrap_or_default().iter().all(crate::apply_truth);
            let facts = self.evaluate(&self.args_term(task, &Action::SetFact), &scope, task.span)?;
            let mut facts = facts.as_map().cloned().unwrap_or_default();
            facts.shift_remove("cacheable");
            if self.is_rehearsal() {
                // Nobody is given anything yet; `hostvars` sees from this that there may be such facts.
                facts.keys().for_each(|name| self.set_runtime(name, Value::Unknown));
            } else if holds {
                self.driver.give(&host, facts.iter().map(|(name, value)| (name.to_string(), value.clone())).collect());
            }
            let args = Term::Value(Value::map([("ansible_facts", Value::from(facts))]));
            let when = vec![Term::Value(Value::Bool(holds))];
            iterations.push(Iteration { item: round.item, ..Iteration::of(when, args) });
        }
        let looped = task.is_looped();
        let work = match iterations.pop() {
            Some(iteration) if !looped => Work::Once(iteration),
            last => Work::Items(self.loop_control(task, frame), iterations.into_iter().chain(last).collect()),
        };
        self.push(task, frame, Action::Report, work, Footprint::world())
    }

    /// What a delegated task sees of the host it works on.
    fn about(&self, frame: &Frame, host: &str) -> Frame {
        let mut frame = frame.clone();
        frame.locals.extend(self.seen_of(host));
        frame
    }

    /// The variables about a host in which a delegated task differs from others.
    pub(super) fn seen_of(&self, host: &str) -> [(String, Value); 2] {
        let vars = self.delegated_vars(host);
        let address = vars.get("ansible_host").cloned().unwrap_or_default();
        let vars = Value::map([(host, Value::from(vars))]);
        [("ansible_delegated_vars".to_owned(), vars), ("ansible_host".to_owned(), address)]
    }

    fn elsewhere(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<Elsewhere, Stop> {
        let Some(node) = frame.keyword(&task.keywords, Keyword::DelegateTo).cloned() else {
            return Ok(Elsewhere::Here);
        };
        let scope = self.scope(frame, Vec::new());
        let gives = self.flag(frame, &task.keywords, Keyword::DelegateFacts) == Some(true);
        let module = modules::short(&task.module);
        let about_the_run = super::hostless::is_about_the_run(module) && (!gives || module == "set_fact");
        if self.certainly_skipped(frame, &scope) {
            return Ok(Elsewhere::Here);
        }
        let term = self.term(&node);
        if about_the_run {
            return Ok(match scope.evaluate(&term) {
                _ if gives => Elsewhere::For(term),
                Ok(Value::Str(host)) => Elsewhere::Of(host.to_string()),
                _ => Elsewhere::Here,
            });
        }
        let asks_item = task.is_looped() && scope.evaluate(&term).is_ok_and(|value| value.has_unknown());
        let rounds = if asks_item { self.rounds(task, frame)? } else { vec![Round::default()] };
        let own = self.host.to_string();
        let mut hosts = Vec::new();
        for Round { locals, .. } in rounds {
            match self.needed_now(&node, frame, locals)?.0 {
                Value::Omit => hosts.push(own.clone()),
                value if value.has_unknown() => return Ok(Elsewhere::There("?".into())),
                value => hosts.push(value.to_string()),
            }
        }
        Ok(match hosts.as_slice() {
            hosts if hosts.iter().all(|host| *host == own) => Elsewhere::Here,
            [host] => Elsewhere::There(host.clone()),
            _ => Elsewhere::Each(hosts),
        })
    }

    /// A task that runs on the first host that is left, and whose result is everybody's.
    pub(super) fn once(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let met = self.meet()?;
        let key = self.place_key();
        if !met.leads {
            return match self.driver.shared(&key)? {
                Some(variables) => {
                    variables.into_iter().for_each(|(name, value)| self.set_runtime(&name, value));
                    Ok(())
                }
                None => {
                    self.set_unknown(task);
                    Ok(())
                }
            };
        }
        let before = self.runtime.clone();
        let plain = without(task, &[Keyword::RunOnce]);
        let stripped = strip(frame, &[Keyword::RunOnce]);
        let module = modules::short(&task.module).to_owned();
        let result = self.by_itself(&plain, &stripped, &module);
        let after = self.runtime.clone();
        let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
        let changed = changed.map(|(name, value)| (name.clone(), value.clone())).collect();
        if result.is_err() {
            // What was to happen once did not: nobody goes on.
            self.driver.stop_all();
            return result;
        }
        self.driver.share(&key, changed);
        result
    }

    /// What a task sets is not known here.
    fn set_unknown(&mut self, task: &Task) {
        let facts = matches!(modules::short(&task.module), "set_fact");
        let names = task.args.named.iter().filter(|_| facts).map(|entry| entry.key.to_string());
        let names: Vec<String> =
            names.chain(task.keywords.get(Keyword::Register).and_then(Yaml::text).map(str::to_owned)).collect();
        for name in names {
            self.set_runtime(&name, Value::Unknown);
        }
    }

    /// A task that only so many hosts do at once.
    fn throttled(&mut self, task: &Arc<Task>, frame: &Frame, limit: usize) -> Result<(), Stop> {
        self.flush()?;
        let key = self.place_key();
        if self.speaks_of_others() {
            self.meet()?;
        }
        self.driver.enter_task(&key, limit);
        let plain = without(task, &[Keyword::Throttle]);
        let stripped = strip(frame, &[Keyword::Throttle]);
        let module = modules::short(&task.module).to_owned();
        let result = self.by_itself(&plain, &stripped, &module);
        self.driver.leave_task(&key);
        result
    }

    /// Runs a task for which other hosts wait: it cannot wait for them.
    fn by_itself(&mut self, task: &Arc<Task>, frame: &Frame, module: &str) -> Result<(), Stop> {
        let outer = std::mem::replace(&mut self.alone, true);
        let result = self.plain_task(task, frame, module).and_then(|()| self.flush().map(drop));
        self.alone = outer;
        result
    }

    /// Runs a task on other hosts, with the variables of this one. What comes of it counts here.
    pub(super) fn away(&mut self, task: &Arc<Task>, frame: &Frame, place: &Where) -> Result<(), Stop> {
        let login = self.login(task, frame)?;
        let hosts = match place {
            Where::On(hosts) if modules::short(&task.module) == "reboot" => return self.no_reboot(task, hosts),
            Where::On(hosts) => hosts.clone(),
            Where::AfterReboot => vec![self.host.to_string()],
        };
        self.flush()?;
        let admitted = self.so_far.blocks.admit(&frame.blocks, self.so_far.failed);
        let plain = without(task, &[Keyword::DelegateTo]);
        let stripped = Frame { in_login: true, ..strip(frame, &[Keyword::DelegateTo]) };
        let module = modules::short(&task.module).to_owned();
        let before = self.runtime.clone();
        self.plain_task(&plain, &stripped, &module)?;
        if self.mistakes {
            return Err(Stop::Mistakes);
        }
        let to_others = self.flag(frame, &task.keywords, Keyword::DelegateFacts) == Some(true);
        if to_others {
            // What it finds or sets is the other host's; what it registers stays here.
            let own = task.keywords.get(Keyword::Register).and_then(Yaml::text);
            let registered = own.and_then(|name| Some((name.to_owned(), self.runtime.get(name)?.clone())));
            self.runtime = before;
            registered.into_iter().for_each(|(name, value)| self.set_runtime(&name, value));
        }
        let nodes = std::mem::take(&mut self.nodes);
        let bindings = std::mem::take(&mut self.bindings);
        self.binding_index.clear();
        let rescues = std::mem::take(&mut self.rescues);
        self.driver.compiled(&nodes, 0);
        // From here on, what is looked up on the controller may have been made by this task.
        self.here |= hosts.iter().any(|host| matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1" | "?"));
        let Some(node) = nodes.into_iter().next().filter(|_| admitted) else { return Ok(()) };
        let mut whole: Option<(TaskOutcome, BTreeMap<String, Value>)> = None;
        for (host, node) in parts(node, &hosts) {
            let segment = Segment {
                nodes: vec![Node { blocks: Vec::new(), handler: None, ..node.clone() }],
                bindings: bindings.clone(),
                return_variables: true,
                last: true,
                ..Segment::default()
            };
            let guest = Guest { segment, variables: self.own_variables(), login: login.clone() };
            let away = match place {
                Where::AfterReboot => self.driver.reboot(phases(guest))?,
                Where::On(_) if host == "?" => None,
                Where::On(_) => self.driver.run_on(&host, guest)?,
            };
            let Some(Away { outcome: Some(outcome), mut variables }) = away else {
                self.set_unknown(task);
                continue;
            };
            if to_others {
                let (own, given): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    variables.into_iter().partition(|(name, _)| Some(name) == node.register.as_ref());
                variables = own;
                self.driver.give(&host, given.into_iter().collect());
            }
            whole = Some(match whole {
                None => (outcome, variables),
                Some(before) => joined(before, (outcome, variables), node.register.as_deref()),
            });
        }
        let Some((outcome, variables)) = whole else { return Ok(()) };
        for (name, value) in &variables {
            self.set_runtime(name, value.clone());
        }
        let adopted = Adopted { outcome, blocks: frame.blocks.clone(), rescues, variables, silent: false };
        let report = self.driver.adopt(adopted)?;
        self.fail_all_after(&report);
        self.take_in(report)
    }

    /// The facts and results of this host, for a task of it that runs elsewhere.
    fn own_variables(&self) -> Vec<(String, Value)> {
        let mut variables = match &self.facts {
            Facts::Known(facts) => crate::facts::as_variables(facts),
            Facts::Unknown => Vec::new(),
        };
        variables.extend(self.runtime.iter().map(|(name, value)| (name.clone(), value.clone())));
        variables
    }
}

/// A node for each host in turn: all of it for one, or its items one by one.
fn parts(node: Node, hosts: &[String]) -> Vec<(String, Node)> {
    match (&node.work, hosts) {
        (Work::Items(looped, iterations), [_, _, ..]) if iterations.len() == hosts.len() => {
            let part = |(host, iteration): (&String, &Iteration)| {
                let work = Work::Items(looped.clone(), vec![iteration.clone()]);
                (host.clone(), Node { work, ..node.clone() })
            };
            hosts.iter().zip(iterations).map(part).collect()
        }
        (_, hosts) => hosts.first().map(|host| vec![(host.clone(), node.clone())]).unwrap_or_default(),
    }
}

/// What came of some items and of some more.
fn joined(
    before: (TaskOutcome, BTreeMap<String, Value>),
    after: (TaskOutcome, BTreeMap<String, Value>),
    register: Option<&str>,
) -> (TaskOutcome, BTreeMap<String, Value>) {
    let ((mut outcome, mut variables), (more, mut new)) = (before, after);
    outcome.items.extend(more.items);
    outcome.status = crate::apply::combined(&outcome.items);
    outcome.ignored |= more.ignored;
    outcome.notified.extend(more.notified);
    outcome.millis += more.millis;
    if let Some(name) = register {
        let results = |value: Option<&Value>| value.and_then(|v| v.get("results")?.as_list().map(<[Value]>::to_vec));
        let mut all = results(variables.get(name)).unwrap_or_default();
        all.extend(results(new.get(name)).unwrap_or_default());
        new.insert(name.to_owned(), crate::apply::all_items(all));
    }
    variables.extend(new);
    (outcome, variables)
}

/// A frame without some inherited keywords.
fn strip(frame: &Frame, keywords: &[Keyword]) -> Frame {
    let mut frame = frame.clone();
    for level in &mut frame.keywords {
        if keywords.iter().any(|keyword| level.0.get(*keyword).is_some()) {
            *level = Arc::new(Inherited(Keywords::without(&level.0, keywords)));
        }
    }
    frame
}
