//! Notifications: who was notified, which handlers have run since, and what has to survive a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::Session;
use crate::graph::{Handler, NodeId};
use crate::machine::{Algorithm, Attrs, Content, Machine, Written};

/// Names that were notified, in order of time.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Notifications {
    clock: u64,
    /// When each name was notified last, and by which tasks since its handlers ran.
    notified: BTreeMap<String, (u64, Vec<String>)>,
    /// Names that may have been notified: the task's change is unknown in a plan.
    maybe: BTreeSet<String>,
    /// When each handler ran last.
    ran: BTreeMap<u32, u64>,
    /// Until when the notifications of a name are done with.
    handled: BTreeMap<String, u64>,
    /// Notified before their change is made, by nodes that are running.
    intended: BTreeMap<NodeId, Vec<String>>,
}

/// Whether a handler has to run.
pub enum Due {
    /// It was notified, by these tasks.
    Yes(Vec<String>),
    /// Whether it is notified is known after apply.
    Maybe,
    /// It was not notified.
    No,
}

impl Notifications {
    /// Takes over what an earlier run left behind.
    pub fn restore(&mut self, names: Vec<String>) {
        for name in names {
            self.notify(&name, "an earlier run that did not end");
        }
    }

    /// Notifies a name.
    pub fn notify(&mut self, name: &str, task: &str) {
        self.clock += 1;
        let entry = self.notified.entry(name.to_owned()).or_default();
        entry.0 = self.clock;
        if !entry.1.iter().any(|t| t == task) {
            entry.1.push(task.to_owned());
        }
    }

    /// Notes that a name may be notified.
    pub fn maybe(&mut self, name: &str) {
        self.maybe.insert(name.to_owned());
    }

    /// Says whether a handler has to run.
    pub fn due(&self, handler: &Handler) -> Due {
        let last = self.ran.get(&handler.id).copied().unwrap_or(0);
        let calls: Vec<&(u64, Vec<String>)> = handler.names.iter().filter_map(|name| self.notified.get(name)).collect();
        let because: Vec<String> =
            calls.iter().filter(|(at, _)| *at > last).flat_map(|(_, tasks)| tasks.clone()).collect();
        if !because.is_empty() {
            return Due::Yes(because);
        }
        if handler.names.iter().any(|name| self.maybe.contains(name)) { Due::Maybe } else { Due::No }
    }

    /// Notes that a handler starts: what is notified from now on makes it run again.
    pub fn start(&mut self, handler: &Handler) {
        self.clock += 1;
        self.ran.insert(handler.id, self.clock);
    }

    /// Notes that a handler ended well.
    pub fn finish(&mut self, handler: &Handler) {
        let at = self.ran.get(&handler.id).copied().unwrap_or(0);
        for name in &handler.names {
            self.handled.insert(name.clone(), at);
        }
    }

    /// Notes what a node will notify if it changes something.
    pub fn intend(&mut self, node: NodeId, names: Vec<String>) {
        self.intended.entry(node).or_default().extend(names);
    }

    /// Takes that back. Says whether anything was noted.
    pub fn settle(&mut self, node: NodeId) -> bool {
        self.intended.remove(&node).is_some()
    }

    /// Names whose handlers have yet to run.
    pub fn waiting(&self) -> Vec<String> {
        let handled = |name: &String| self.handled.get(name).copied().unwrap_or(0);
        let notified = self.notified.iter().filter(|(name, (at, _))| *at > handled(name)).map(|(name, _)| name.clone());
        let all: BTreeSet<String> = notified.chain(self.intended.values().flatten().cloned()).collect();
        all.into_iter().collect()
    }
}

/// The file on the target that holds what is waiting, one for each play.
pub struct File {
    machine: Option<Arc<dyn Machine>>,
    path: PathBuf,
}

impl Session {
    /// Where notifications of this play are kept. A plan only reads it.
    pub(super) fn notifications_file(&self) -> File {
        let machine = self.machines.get(self.prologue.state_as.as_ref()).ok();
        let dir = machine.as_ref().and_then(|m| m.identity().ok()).map(|me| me.state).unwrap_or_default();
        let digest = Algorithm::Sha256.of(self.prologue.play.as_bytes());
        let name: String = digest.chars().take(24).collect();
        File { machine, path: dir.join("pending").join(format!("{name}.json")) }
    }

    /// Writes down what is waiting, before a change is made. Does not borrow the session.
    pub(super) fn keeper(&self) -> impl Fn() -> crate::machine::Result<()> + Send + 'static {
        let (state, file) = (self.state.clone(), self.notifications_file());
        move || {
            let waiting = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).notifications.waiting();
            file.try_store(&waiting)
        }
    }
}

impl File {
    /// What an earlier run left behind.
    pub fn load(&self) -> Vec<String> {
        let bytes = self.machine.as_ref().and_then(|m| m.read(&self.path, 1024 * 1024).ok());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Writes what is waiting; an empty list removes the file. Problems are left to the next run, which asks again.
    pub fn store(&self, names: &[String]) {
        let _ = self.try_store(names);
    }

    fn try_store(&self, names: &[String]) -> crate::machine::Result<()> {
        let Some(machine) = &self.machine else { return Ok(()) };
        if names.is_empty() {
            return match machine.lstat(&self.path)? {
                Some(_) => machine.remove(&self.path),
                None => Ok(()),
            };
        }
        let attrs = Attrs { mode: Some(0o700), ..Attrs::default() };
        let missing: Vec<_> =
            self.path.ancestors().skip(1).take_while(|dir| matches!(machine.lstat(dir), Ok(None))).collect();
        for dir in missing.into_iter().rev() {
            // The journal of this very change makes its directory beside it, and so may another agent.
            if let Err(fault) = machine.make_dir(dir, &attrs)
                && !matches!(machine.lstat(dir), Ok(Some(_)))
            {
                return Err(fault);
            }
        }
        let text = serde_json::to_vec(names).unwrap_or_default();
        let attrs = Attrs { mode: Some(0o600), ..Attrs::default() };
        machine.write(&self.path, &Content::bytes(text), &attrs, &Written::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_runs_once_a_notification_and_unfinished_ones_wait() {
        let mut notifications = Notifications::default();
        let handler = Handler { id: 1, names: vec!["Restart".into(), "topic".into()] };
        notifications.notify("topic", "task");
        assert!(matches!(notifications.due(&handler), Due::Yes(tasks) if tasks == ["task"]));
        notifications.start(&handler);
        assert!(matches!(notifications.due(&handler), Due::No));
        assert_eq!(notifications.waiting(), ["topic"], "it has not ended well yet");
        notifications.finish(&handler);
        assert!(notifications.waiting().is_empty());
        notifications.notify("Restart", "again");
        assert!(matches!(notifications.due(&handler), Due::Yes(_)));
    }
}
