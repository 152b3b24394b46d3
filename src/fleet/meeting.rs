//! Where the hosts of a batch meet: sync points, results for everybody, facts.
//!
//! Hosts run freely. A host that comes to a point where the meaning needs the others waits there until every other host
//! waits too, or is gone; then those that wait at the earliest place of the play go on together. As the earliest place
//! always goes on, hosts that take different ways through a play cannot keep each other waiting for ever.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::run::Shared;
use crate::compile::{Met, Peers};
use crate::value::{Map, Value};

/// What the hosts of a batch share while it runs.
pub struct Meeting {
    hosts: Arc<Vec<Arc<str>>>,
    state: Mutex<Meet>,
    wake: Condvar,
}

#[derive(Clone, Debug, PartialEq)]
enum Whereabouts {
    /// It works, or has yet to start.
    Working,
    /// It waits at this place of the play.
    Waiting(Vec<u32>),
    /// It may go on; the first of those that met leads.
    Called(Met),
    /// It does not take part any more.
    Gone,
}

#[derive(Default)]
struct Meet {
    hosts: HashMap<Arc<str>, Whereabouts>,
    facts: HashMap<Arc<str>, Option<Map>>,
    shared: HashMap<String, Vec<(String, Value)>>,
    /// How many hosts are at a task that only so many may do at once.
    inside: HashMap<String, usize>,
    /// A failure that is to stop all hosts.
    fatal: bool,
    /// Where a failure of one host was one of all.
    failed_at: BTreeSet<Vec<u32>>,
    /// Hosts that failed.
    failed: usize,
}

impl Meeting {
    /// A meeting of the hosts of a batch.
    pub fn new(hosts: Arc<Vec<Arc<str>>>) -> Self {
        let state =
            Meet { hosts: hosts.iter().map(|host| (host.clone(), Whereabouts::Working)).collect(), ..Meet::default() };
        Self { hosts, state: Mutex::new(state), wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Meet> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<T>(&self, ready: impl Fn(&mut Meet) -> Option<T>) -> T {
        let mut state = self.lock();
        loop {
            if let Some(value) = ready(&mut state) {
                return value;
            }
            state = self.wake.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Makes a host's facts known; `None`: it has none to give.
    pub fn put_facts(&self, host: &Arc<str>, facts: Option<Map>) {
        self.lock().facts.insert(host.clone(), facts);
        self.wake.notify_all();
    }

    /// A host is through with the play, failed, or was lost. More failures than `limit` percent stop all.
    pub fn leave(&self, host: &Arc<str>, failed: bool, limit: Option<f64>) {
        let mut state = self.lock();
        state.failed += usize::from(failed);
        let share = state.failed as f64 * 100.0 / self.hosts.len().max(1) as f64;
        state.fatal |= limit.is_some_and(|limit| share > limit);
        state.hosts.insert(host.clone(), Whereabouts::Gone);
        self.call(&mut state);
        drop(state);
        self.wake.notify_all();
    }

    /// All hosts are to stop at their next meeting.
    pub fn stop_all(&self) {
        self.lock().fatal = true;
        self.wake.notify_all();
    }

    /// A failure at this place is one of all hosts. Gives how many such places there are.
    pub fn fail_all(&self, place: &[u32]) -> usize {
        let mut state = self.lock();
        state.failed_at.insert(place.to_vec());
        state.failed_at.len()
    }

    /// Waits at a place of the play for the others.
    pub fn meet(&self, host: &Arc<str>, place: &[u32]) -> Met {
        let mut state = self.lock();
        state.hosts.insert(host.clone(), Whereabouts::Waiting(place.to_vec()));
        self.call(&mut state);
        drop(state);
        self.wake.notify_all();
        self.wait(|state| match state.hosts.get(host) {
            Some(Whereabouts::Called(met)) => {
                let met = *met;
                state.hosts.insert(host.clone(), Whereabouts::Working);
                Some(met)
            }
            Some(Whereabouts::Waiting(_)) => None,
            _ => Some(Met { leads: false, stop: true, failures: state.failed_at.len() }),
        })
    }

    /// Where nobody works any more, those at the earliest place go on.
    fn call(&self, state: &mut Meet) {
        let busy = |place: &Whereabouts| matches!(place, Whereabouts::Working | Whereabouts::Called(_));
        if state.hosts.values().any(busy) {
            return;
        }
        let waits = |place: &Whereabouts| match place {
            Whereabouts::Waiting(place) => Some(place.clone()),
            _ => None,
        };
        let Some(earliest) = state.hosts.values().filter_map(waits).min() else { return };
        let mut leads = true;
        for host in self.hosts.iter() {
            if let Some(place) = state.hosts.get_mut(host)
                && *place == Whereabouts::Waiting(earliest.clone())
            {
                *place = Whereabouts::Called(Met { leads, stop: state.fatal, failures: state.failed_at.len() });
                leads = false;
            }
        }
    }

    /// Gives a result to everybody.
    pub fn share(&self, key: &str, variables: Vec<(String, Value)>) {
        self.lock().shared.insert(key.to_owned(), variables);
        self.wake.notify_all();
    }

    /// Waits for a result that is everybody's; `None` where all are to stop.
    pub fn shared(&self, key: &str) -> Option<Vec<(String, Value)>> {
        self.wait(|state| match state.shared.get(key) {
            Some(found) => Some(Some(found.clone())),
            None if state.fatal => Some(None),
            None => None,
        })
    }

    /// Waits until fewer than `limit` hosts are at a task, and joins them.
    pub fn enter(&self, task: &str, limit: usize) {
        self.wait(|state| {
            let inside = state.inside.entry(task.to_owned()).or_default();
            (*inside < limit).then(|| *inside += 1)
        });
    }

    /// Leaves a task to the next host.
    pub fn exit(&self, task: &str) {
        if let Some(inside) = self.lock().inside.get_mut(task) {
            *inside = inside.saturating_sub(1);
        }
        self.wake.notify_all();
    }

    fn facts(&self, host: &str) -> Option<Map> {
        self.wait(|state| state.facts.get(host).cloned())
    }

    fn has(&self, host: &str) -> bool {
        self.hosts.iter().any(|other| other.as_ref() == host)
    }
}

/// A host's right to work, one of `--forks`. Given back while it waits for others, who may need it to get there.
pub struct Turn {
    turns: Arc<Semaphore>,
    runtime: tokio::runtime::Handle,
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Turn {
    /// Waits for a turn.
    pub async fn take(turns: Arc<Semaphore>) -> Self {
        let held = turns.clone().acquire_owned().await.ok();
        Self { turns, runtime: tokio::runtime::Handle::current(), held: Mutex::new(held) }
    }

    /// Does something that waits for other hosts. Must not be called on an asynchronous thread.
    pub fn lent<T>(&self, wait: impl FnOnce() -> T) -> T {
        let held = || self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        held().take();
        let result = wait();
        let again = self.runtime.block_on(self.turns.clone().acquire_owned()).ok();
        *held() = again;
        result
    }
}

/// What a host may know of the others of its run.
pub struct Others {
    /// The run.
    pub shared: Arc<Shared>,
    /// The batch.
    pub meeting: Arc<Meeting>,
    /// The host's turn.
    pub turn: Arc<Turn>,
}

impl Peers for Others {
    fn facts_of(&self, host: &str) -> Option<Map> {
        if self.meeting.has(host) {
            return self.turn.lent(|| self.meeting.facts(host));
        }
        self.shared.known_facts(host)
    }

    fn gone(&self) -> BTreeSet<Arc<str>> {
        self.shared.gone()
    }

    fn results_of(&self, host: &str) -> Arc<BTreeMap<String, Value>> {
        self.shared.results_of(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting(names: &[&str]) -> (Arc<Meeting>, Vec<Arc<str>>) {
        let hosts: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
        (Arc::new(Meeting::new(Arc::new(hosts.clone()))), hosts)
    }

    #[test]
    fn the_earliest_place_goes_on_first_and_the_first_host_leads() {
        let (meeting, hosts) = meeting(&["a", "b", "c"]);
        // `a` takes another way through the play: it never comes to [1].
        let ways: [&[&[u32]]; 3] = [&[&[2]], &[&[1], &[2]], &[&[1], &[2]]];
        let order = Arc::new(Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for (host, way) in hosts.iter().zip(ways) {
                let (meeting, order) = (meeting.clone(), order.clone());
                scope.spawn(move || {
                    for place in way {
                        let met = meeting.meet(host, place);
                        order.lock().unwrap().push((place.to_vec(), host.to_string(), met.leads));
                    }
                    meeting.leave(host, false, None);
                });
            }
        });
        let mut order = order.lock().unwrap().clone();
        order.sort();
        let expected = [(1, "b", true), (1, "c", false), (2, "a", true), (2, "b", false), (2, "c", false)];
        let expected: Vec<_> = expected.iter().map(|(p, h, l)| (vec![*p], (*h).to_owned(), *l)).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn those_who_left_are_not_waited_for() {
        let (meeting, hosts) = meeting(&["a", "b"]);
        meeting.leave(&hosts[0], true, Some(50.0));
        assert_eq!(meeting.meet(&hosts[1], &[1]), Met { leads: true, stop: false, failures: 0 });
        meeting.stop_all();
        assert_eq!(meeting.meet(&hosts[1], &[2]), Met { leads: true, stop: true, failures: 0 });
    }
}
