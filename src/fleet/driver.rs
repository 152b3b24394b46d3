//! What compiling a host asks of the run: running parts of the program, results of other hosts, facts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::link::Link;
use super::run::Shared;
use super::shelf::Shelf;
use crate::agent::{FromAgent, ToAgent};
use crate::apply::SegmentReport;
use crate::compile::{Driver, Stop};
use crate::event::{Event, Status, TaskOutcome, Unreachable};
use crate::graph::{Node, Prologue, Segment};
use crate::value::{Map, Value};

/// What the hosts of a batch share while it runs.
#[derive(Default)]
pub struct Meeting {
    state: Mutex<Meet>,
    wake: Condvar,
}

#[derive(Default)]
struct Meet {
    facts: HashMap<Arc<str>, Option<Map>>,
    shared: HashMap<String, Vec<(String, Value)>>,
    /// The host whose results are everybody's will not give any more.
    first_gone: bool,
}

impl Meeting {
    fn lock(&self) -> MutexGuard<'_, Meet> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Makes a host's facts known; `None`: it has none to give.
    pub fn put_facts(&self, host: &Arc<str>, facts: Option<Map>) {
        self.lock().facts.insert(host.clone(), facts);
        self.wake.notify_all();
    }

    /// Tells those who wait that the first host is done.
    pub fn first_is_gone(&self) {
        self.lock().first_gone = true;
        self.wake.notify_all();
    }

    fn wait<T>(&self, ready: impl Fn(&Meet) -> Option<T>) -> T {
        let mut state = self.lock();
        loop {
            if let Some(value) = ready(&state) {
                return value;
            }
            state = self.wake.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

/// Drives one host.
pub struct HostDriver<'a> {
    /// The run.
    pub shared: &'a Shared,
    /// The host.
    pub host: Arc<str>,
    /// Its agent.
    pub link: &'a mut Link,
    /// The batch.
    pub meeting: &'a Meeting,
    /// The hosts whose facts will come.
    pub in_batch: Arc<Vec<Arc<str>>>,
    /// Why the host was lost.
    pub lost: Option<Unreachable>,
    /// It failed.
    pub failed: bool,
}

impl HostDriver<'_> {
    fn send(&mut self, message: &ToAgent) -> Result<(), Stop> {
        self.link.send(message).map_err(|error| {
            self.lost = Some(error.unreachable());
            Stop::Lost
        })
    }

    fn finished(&mut self, outcome: TaskOutcome) {
        if outcome.status == Status::Failed && !outcome.ignored && !outcome.rescued {
            self.failed = true;
            self.shared.host_failed(&self.host);
        }
        self.shared.emit(Event::TaskFinished { host: self.host.to_string(), outcome: Box::new(outcome) });
    }

    /// Listens to the agent until a segment is over.
    fn listen(&mut self) -> Result<SegmentReport, Stop> {
        let host = self.host.clone();
        let mut shelf = Shelf::new(&self.shared.project.deposits, &host, self.shared.project.plan);
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
                Some(FromAgent::Report(report)) => return Ok(*report),
                Some(FromAgent::Fatal { message }) => {
                    self.lost = Some(Unreachable { message, help: None });
                    return Err(Stop::Lost);
                }
                Some(FromAgent::Hello(_)) => {
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
        if segment.nodes.is_empty() && !segment.last {
            return Ok(SegmentReport::default());
        }
        self.send(&ToAgent::Run(Box::new(segment)))?;
        self.listen()
    }

    fn run_on(&mut self, host: &str, segment: Segment) -> Result<SegmentReport, Stop> {
        let mut link = self.shared.open_for_delegation(host).map_err(|why| {
            self.lost = Some(Unreachable {
                message: format!("the host `{host}` it delegates to: {}", why.message),
                help: why.help,
            });
            Stop::Lost
        })?;
        let prologue = self.shared.prologue(&format!("delegated to {host}"));
        let mut other = HostDriver {
            shared: self.shared,
            host: self.host.clone(),
            link: &mut link,
            meeting: self.meeting,
            in_batch: self.in_batch.clone(),
            lost: None,
            failed: false,
        };
        let result = other.begin(prologue).and_then(|()| other.run(Segment { last: true, ..segment }));
        self.failed |= other.failed;
        if let Some(lost) = other.lost {
            self.lost = Some(lost);
        }
        self.shared.keep_after_delegation(host, link);
        result
    }

    fn share(&mut self, key: &str, variables: &[(String, Value)]) {
        self.meeting.lock().shared.insert(key.to_owned(), variables.to_vec());
        self.meeting.wake.notify_all();
    }

    fn shared(&mut self, key: &str) -> Result<Vec<(String, Value)>, Stop> {
        let found = self.meeting.wait(|meet| match meet.shared.get(key) {
            Some(found) => Some(Some(found.clone())),
            None if meet.first_gone => Some(None),
            None => None,
        });
        found.ok_or(Stop::Ended)
    }

    fn facts_of(&self, host: &str) -> Option<Map> {
        if self.in_batch.iter().any(|other| other.as_ref() == host) {
            return self.meeting.wait(|meet| meet.facts.get(host).cloned());
        }
        self.shared.known_facts(host)
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
    pub facts: BTreeMap<String, Map>,
}

impl Driver for DryDriver {
    fn run(&mut self, segment: Segment) -> Result<SegmentReport, Stop> {
        self.nodes.extend(segment.nodes);
        Ok(SegmentReport::default())
    }

    fn run_on(&mut self, _host: &str, segment: Segment) -> Result<SegmentReport, Stop> {
        self.run(segment)
    }

    fn share(&mut self, _key: &str, _variables: &[(String, Value)]) {}

    fn shared(&mut self, _key: &str) -> Result<Vec<(String, Value)>, Stop> {
        Ok(Vec::new())
    }

    fn facts_of(&self, host: &str) -> Option<Map> {
        self.facts.get(host).cloned()
    }

    fn note(&mut self, _level: &str, _text: String) {}

    fn compiled(&mut self, _nodes: &[Node], _micros: u64) {}
}
