//! What compiling a host asks of the run: running parts of the program, results of other hosts, facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::link::Link;
use super::meeting::{Meeting, Others, Turn};
use super::run::Shared;
use super::shelf::Shelf;
use super::step::Steps;
use crate::agent::{FromAgent, ToAgent};
use crate::apply::{Adopted, SegmentReport};
use crate::compile::{Away, Driver, Guest, Met, Peers, Reboot, Stop};
use crate::event::{Event, Status, TaskOutcome, Unreachable};
use crate::graph::{Node, Prologue, Segment};
use crate::source::Origin;
use crate::template::Term;
use crate::value::{Map, Value};

/// Drives one host.
pub struct HostDriver<'a> {
    /// The run.
    pub shared: Arc<Shared>,
    /// The host.
    pub host: Arc<str>,
    /// Its agent.
    pub link: &'a mut Link,
    /// The batch.
    pub meeting: Arc<Meeting>,
    /// Its right to work.
    pub turn: Arc<Turn>,
    /// Where outcomes go that are not to be reported yet: those of tasks run for another host.
    pub collected: Option<Vec<TaskOutcome>>,
    /// Why the host was lost.
    pub lost: Option<Unreachable>,
    /// It failed.
    pub failed: bool,
}

impl HostDriver<'_> {
    pub(super) fn send(&mut self, message: &ToAgent) -> Result<(), Stop> {
        self.link.send(message).map_err(|error| {
            self.lost = Some(error.unreachable());
            Stop::Lost
        })
    }

    fn finished(&mut self, outcome: TaskOutcome) {
        if let Some(collected) = &mut self.collected {
            return collected.push(outcome);
        }
        if outcome.unreachable && !outcome.ignored {
            let failed = outcome.items.into_iter().find(|item| item.unreachable);
            let (message, help) = failed.map(|item| (item.message, item.help)).unwrap_or_default();
            self.lost = Some(Unreachable { message: message.unwrap_or_default(), help });
            return;
        }
        if outcome.status == Status::Failed && !outcome.ignored && !outcome.rescued {
            self.failed = true;
            self.shared.host_failed(&self.host);
        }
        self.shared.emit(Event::TaskFinished { host: self.host.to_string(), outcome: Box::new(outcome) });
    }

    /// Listens to the agent until a segment is over.
    fn listen(&mut self) -> Result<SegmentReport, Stop> {
        let host = self.host.clone();
        let project = self.shared.project.clone();
        let mut shelf = Shelf::new(&project.deposits, &host, project.plan);
        loop {
            match self.link.receive() {
                Some(FromAgent::Started { node, name }) => {
                    self.shared.emit(Event::TaskStarted { host: self.host.to_string(), name, node });
                }
                Some(FromAgent::Retried { name, left, .. }) => {
                    self.shared.emit(Event::TaskRetried { host: self.host.to_string(), name, left });
                }
                Some(FromAgent::Finished(outcome)) => self.finished(*outcome),
                Some(FromAgent::NeedBlob { sha256 }) => {
                    let bytes = self.shared.project.blobs.get(&sha256);
                    self.send(&ToAgent::Blob { sha256, bytes })?;
                }
                Some(FromAgent::Offer { token, sha256, size }) => {
                    let answer = shelf.offer(&token, &sha256, size);
                    self.send(&ToAgent::Shelved { token, answer })?;
                }
                Some(FromAgent::Part { token, bytes, last }) => {
                    if let Some(answer) = shelf.part(&token, &bytes, last) {
                        self.send(&ToAgent::Shelved { token, answer })?;
                    }
                }
                Some(FromAgent::Report(_)) if self.lost.is_some() => return Err(Stop::Lost),
                Some(FromAgent::Report(report)) => return Ok(*report),
                Some(FromAgent::Fatal { message }) => {
                    self.lost = Some(Unreachable { message, help: None });
                    return Err(Stop::Lost);
                }
                Some(FromAgent::Hello(_) | FromAgent::HandedOver(_)) => {
                    self.lost = Some(Unreachable { message: "the agent started over".into(), help: None });
                    return Err(Stop::Lost);
                }
                None => {
                    let message = "the connection was lost while tasks were running".to_owned();
                    let help = Some("run it again: what was done stays, what is left will be done".to_owned());
                    self.lost = Some(Unreachable { message, help });
                    return Err(Stop::Lost);
                }
            }
        }
    }
}

impl Driver for HostDriver<'_> {
    fn begin(&mut self, prologue: Prologue) -> Result<(), Stop> {
        self.send(&ToAgent::Begin(Box::new(prologue)))
    }

    fn run(&mut self, segment: Segment) -> Result<SegmentReport, Stop> {
        self.send(&ToAgent::Run(Box::new(segment)))?;
        self.listen()
    }

    fn run_on(&mut self, host: &str, guest: Guest) -> Result<Option<Away>, Stop> {
        let may_miss = |node: &Node| node.ignore_unreachable != Term::Value(Value::Bool(false));
        let tolerant = guest.segment.nodes.iter().any(may_miss);
        let opened = self.shared.open_for_delegation(host, &guest.login);
        let about = |why: &str| format!("the host `{host}` it delegates to: {why}");
        let opened = match opened {
            Err(why) if tolerant => self.shared.stand_in().map(|link| (link, Some(about(&why.message)))),
            other => other.map(|link| (link, None)),
        };
        let (mut link, absent) = opened.map_err(|why| {
            self.lost = Some(Unreachable { message: about(&why.message), help: why.help });
            Stop::Lost
        })?;
        let mut prologue = self.shared.prologue(&format!("delegated to {host}"));
        prologue.guest = true;
        prologue.variables = guest.variables;
        prologue.absent.clone_from(&absent);
        let mut other = HostDriver {
            shared: self.shared.clone(),
            host: self.host.clone(),
            link: &mut link,
            meeting: self.meeting.clone(),
            turn: self.turn.clone(),
            collected: Some(Vec::new()),
            lost: None,
            failed: false,
        };
        let node = guest.segment.nodes.first().map(|node| node.id);
        let result = other.begin(prologue).and_then(|()| other.run(guest.segment));
        let (lost, outcomes) = (other.lost.take(), other.collected.take().unwrap_or_default());
        match result {
            Ok(report) => {
                if absent.is_none() {
                    self.shared.keep_after_delegation(host, &guest.login, link);
                }
                let outcome = outcomes.into_iter().find(|outcome| Some(outcome.node) == node);
                Ok(Some(Away { outcome, variables: report.variables }))
            }
            Err(stop) => {
                self.lost = lost;
                Err(stop)
            }
        }
    }

    fn reboot(&mut self, reboot: Reboot) -> Result<Option<Away>, Stop> {
        self.lead_through(reboot)
    }

    fn adopt(&mut self, adopted: Adopted) -> Result<SegmentReport, Stop> {
        self.send(&ToAgent::Adopt(Box::new(adopted)))?;
        self.listen()
    }

    fn meet(&mut self, place: &[u32], results: &Arc<BTreeMap<String, Value>>) -> Result<Met, Stop> {
        self.shared.keep_results(&self.host, results.clone());
        Ok(self.turn.lent(|| self.meeting.meet(&self.host, place)))
    }

    fn end_play(&mut self) {
        self.shared.end_play();
    }

    fn stop_all(&mut self) {
        self.meeting.stop_all();
    }

    fn fail_all(&mut self, place: &[u32]) -> usize {
        self.meeting.fail_all(place)
    }

    fn share(&mut self, key: &str, variables: Vec<(String, Value)>) {
        self.meeting.share(key, variables);
    }

    fn shared(&mut self, key: &str) -> Result<Option<Vec<(String, Value)>>, Stop> {
        self.turn.lent(|| self.meeting.shared(key)).map(Some).ok_or(Stop::Ended)
    }

    fn give(&mut self, host: &str, variables: Vec<(String, Value)>) {
        self.shared.give(host, variables);
    }

    fn enter_task(&mut self, key: &str, limit: usize) {
        self.turn.lent(|| self.meeting.enter(key, limit));
    }

    fn leave_task(&mut self, key: &str) {
        self.meeting.exit(key);
    }

    fn peers(&self) -> Arc<dyn Peers> {
        Arc::new(Others { shared: self.shared.clone(), meeting: self.meeting.clone(), turn: self.turn.clone() })
    }

    fn asks(&self) -> bool {
        self.shared.steps().is_some_and(Steps::asks)
    }

    fn ask(&mut self, name: &str, origin: &Origin) -> bool {
        // Whoever cancelled has said enough; the agent starts nothing new.
        let Some(steps) = self.shared.steps().filter(|_| !self.shared.is_cancelled()) else { return true };
        self.shared.emit(Event::Asked { name: name.to_owned(), origin: origin.clone() });
        steps.wants(name, origin)
    }

    fn answer(&mut self, prompt: &str, echo: bool) -> Option<String> {
        self.shared.emit(Event::Prompted { prompt: prompt.to_owned() });
        self.shared.person().and_then(|person| person.answer(prompt, echo))
    }

    fn note(&mut self, level: &str, text: String) {
        self.shared.emit(Event::HostMessage { host: self.host.to_string(), level: level.to_owned(), text });
    }

    fn compiled(&mut self, nodes: &[Node], micros: u64) {
        self.shared.emit(Event::Compiled { host: self.host.to_string(), nodes: nodes.len() as u32, micros });
    }
}

/// Compiles without a host: what depends on a result stays unknown. This is how mistakes are found before any host is
/// contacted, and how `cfg graph` works.
#[derive(Default)]
pub struct DryDriver {
    /// The nodes, over all segments.
    pub nodes: Vec<Node>,
    /// The facts of hosts, where they are given.
    pub facts: Arc<BTreeMap<String, Map>>,
    /// It is the first host of its batch: what is done once is its.
    pub leads: bool,
}

/// What a rehearsal knows of other hosts.
struct Given(Arc<BTreeMap<String, Map>>);

impl Peers for Given {
    fn facts_of(&self, host: &str) -> Option<Map> {
        self.0.get(host).cloned()
    }

    fn gone(&self) -> BTreeSet<Arc<str>> {
        BTreeSet::new()
    }

    fn results_of(&self, _host: &str) -> Arc<BTreeMap<String, Value>> {
        Arc::default()
    }
}

impl Driver for DryDriver {
    fn run(&mut self, segment: Segment) -> Result<SegmentReport, Stop> {
        self.nodes.extend(segment.nodes);
        Ok(SegmentReport::default())
    }

    fn run_on(&mut self, _host: &str, guest: Guest) -> Result<Option<Away>, Stop> {
        self.nodes.extend(guest.segment.nodes);
        Ok(None)
    }

    fn reboot(&mut self, reboot: Reboot) -> Result<Option<Away>, Stop> {
        self.nodes.extend(reboot.announce.segment.nodes);
        Ok(None)
    }

    fn adopt(&mut self, _adopted: Adopted) -> Result<SegmentReport, Stop> {
        Ok(SegmentReport::default())
    }

    fn meet(&mut self, _place: &[u32], _results: &Arc<BTreeMap<String, Value>>) -> Result<Met, Stop> {
        Ok(Met { leads: self.leads, stop: false, failures: 0 })
    }

    fn end_play(&mut self) {}

    fn stop_all(&mut self) {}

    fn fail_all(&mut self, _place: &[u32]) -> usize {
        0
    }

    fn share(&mut self, _key: &str, _variables: Vec<(String, Value)>) {}

    fn shared(&mut self, _key: &str) -> Result<Option<Vec<(String, Value)>>, Stop> {
        Ok(None)
    }

    fn give(&mut self, _host: &str, _variables: Vec<(String, Value)>) {}

    fn enter_task(&mut self, _key: &str, _limit: usize) {}

    fn leave_task(&mut self, _key: &str) {}

    fn peers(&self) -> Arc<dyn Peers> {
        Arc::new(Given(self.facts.clone()))
    }

    fn asks(&self) -> bool {
        false
    }

    fn ask(&mut self, _name: &str, _origin: &Origin) -> bool {
        true
    }

    fn answer(&mut self, _prompt: &str, _echo: bool) -> Option<String> {
        None
    }

    fn note(&mut self, _level: &str, _text: String) {}

    fn compiled(&mut self, _nodes: &[Node], _micros: u64) {}
}
