//! What a run says while it happens. Agents, the fleet, reports and the history share these types.
//!
//! Grammar: `RunStarted (PlayStarted (HostReady | Unreachable)* (TaskStarted TaskFinished)* PlayFinished)* RunFinished`.
//! Task events of different hosts interleave; those of one task come in order. Events are the only output of a run.

#[cfg(feature = "controller")]
mod stats;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::machine::Change;
use crate::source::Origin;
use crate::value::{Map, Value};

#[cfg(feature = "controller")]
pub use stats::{RUN, collect};

/// What tasks report with `set_stats`, by the names of hosts.
pub type Stats = std::collections::BTreeMap<String, Map>;

/// How a task or one of its items came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is as it should be.
    Ok,
    /// It was changed, or would be.
    Changed,
    /// A condition said no.
    Skipped,
    /// It went wrong.
    Failed,
    /// Whether it changes something is known only after apply.
    Unknown,
}

/// One item of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemOutcome {
    /// What to show for the item.
    pub label: Option<String>,
    /// How it came out.
    pub status: Status,
    /// The host could not be reached.
    pub unreachable: bool,
    /// What changed.
    pub changes: Vec<Change>,
    /// Why it was skipped or failed; what a message says.
    pub message: Option<String>,
    /// What to do about a failure.
    pub help: Option<String>,
    /// Where a failed expression stands, and how long it is.
    pub place: Option<(Origin, u32)>,
    /// Return values.
    pub result: Value,
}

impl ItemOutcome {
    /// Says whether something was changed, whatever came of it in the end.
    pub fn has_changed(&self) -> bool {
        !self.changes.is_empty() || self.result.get("changed") == Some(&Value::Bool(true))
    }
}

/// A finished task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// Which node.
    pub node: u32,
    /// What a person calls it.
    pub name: String,
    /// The role it belongs to.
    pub role: Option<Arc<str>>,
    /// The module.
    pub module: Arc<str>,
    /// Where it was written.
    pub origin: Origin,
    /// How it came out, over all items.
    pub status: Status,
    /// Its items; one without a label where it has no loop.
    pub items: Vec<ItemOutcome>,
    /// It is a handler.
    pub handler: bool,
    /// It failed, and that does not count.
    pub ignored: bool,
    /// The host could not be reached.
    pub unreachable: bool,
    /// It failed, and a rescue section takes over.
    pub rescued: bool,
    /// Handlers it notified.
    pub notified: Vec<String>,
    /// The handler or refresh ran because of these tasks.
    pub because: Vec<String>,
    /// What counts for something else than it is.
    pub warnings: Vec<Warning>,
    /// Milliseconds it took.
    pub millis: u64,
}

/// Something about a task that went well and may not be meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Warning {
    /// In words.
    pub message: String,
    /// Where it stands, and how many characters it has.
    pub place: Option<(Origin, u32)>,
    /// What to do about it.
    pub help: String,
}

impl TaskOutcome {
    /// The failure of another host, which counts here too.
    #[cfg(feature = "controller")]
    pub fn failed_elsewhere() -> Self {
        Self {
            node: u32::MAX,
            name: String::new(),
            role: None,
            module: Arc::from("fail"),
            origin: Origin { file: Arc::from(""), line: 0, col: 0 },
            status: Status::Failed,
            items: Vec::new(),
            handler: false,
            ignored: false,
            unreachable: false,
            rescued: false,
            notified: Vec::new(),
            because: Vec::new(),
            warnings: Vec::new(),
            millis: 0,
        }
    }
}

/// Counts of a host, as the recap line shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tasks that went well, changed ones included.
    pub ok: u32,
    /// Tasks that changed something.
    pub changed: u32,
    /// 1 where the host could not be reached.
    pub unreachable: u32,
    /// Tasks that failed.
    pub failed: u32,
    /// Tasks that were skipped.
    pub skipped: u32,
    /// Blocks that were rescued.
    pub rescued: u32,
    /// Failures that did not count.
    pub ignored: u32,
    /// Tasks of a plan whose result is known after apply.
    #[serde(default)]
    pub unknown: u32,
}

/// Why a host could not be reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unreachable {
    /// In words.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run starts.
    RunStarted {
        /// Its id.
        run: String,
        /// `apply` or `plan`.
        mode: String,
        /// The playbooks.
        playbooks: Vec<String>,
        /// Seconds since the epoch.
        time: f64,
    },
    /// A play starts.
    PlayStarted {
        /// Its name.
        play: String,
        /// Its hosts.
        hosts: Vec<String>,
        /// Which of how many batches.
        batch: (u32, u32),
    },
    /// A host is connected, its facts are known.
    HostReady {
        /// The host.
        host: String,
    },
    /// A host's program was compiled.
    Compiled {
        /// The host.
        host: String,
        /// Number of nodes.
        nodes: u32,
        /// Microseconds it took.
        micros: u64,
    },
    /// A host could not be reached, or was lost.
    Unreachable {
        /// The host.
        host: String,
        /// Why.
        why: Unreachable,
    },
    /// A task starts.
    TaskStarted {
        /// The host.
        host: String,
        /// What a person calls it.
        name: String,
        /// Which node.
        node: u32,
    },
    /// Somebody is asked whether a task runs (`--step`).
    Asked {
        /// What a person calls it.
        name: String,
        /// Where it was written.
        origin: Origin,
    },
    /// Somebody is asked for an answer (`pause`).
    Prompted {
        /// What is asked.
        prompt: String,
    },
    /// A task is tried again.
    TaskRetried {
        /// The host.
        host: String,
        /// What a person calls it.
        name: String,
        /// How often it may still be tried.
        left: u32,
    },
    /// A task ended.
    TaskFinished {
        /// The host.
        host: String,
        /// How.
        outcome: Box<TaskOutcome>,
    },
    /// Something about a host that is no task: a compile error, a note.
    HostMessage {
        /// The host.
        host: String,
        /// `error`, `warning` or `note`.
        level: String,
        /// The text.
        text: String,
    },
    /// A play ended for its batch.
    PlayFinished {
        /// Its name.
        play: String,
    },
    /// The run ended.
    RunFinished {
        /// Its id.
        run: String,
        /// Counts by host.
        hosts: Vec<(String, Counts)>,
        /// Seconds it took.
        seconds: f64,
        /// It was cancelled.
        cancelled: bool,
        /// What tasks reported with `set_stats`.
        #[serde(default, skip_serializing_if = "Stats::is_empty")]
        stats: Stats,
    },
}

impl Counts {
    /// Counts a finished task.
    pub fn add(&mut self, outcome: &TaskOutcome) {
        match outcome.status {
            Status::Ok => self.ok += 1,
            Status::Changed => {
                self.ok += 1;
                self.changed += 1;
            }
            Status::Unknown => {
                self.ok += 1;
                self.unknown += 1;
            }
            Status::Skipped => self.skipped += 1,
            Status::Failed if outcome.ignored => {
                self.ok += 1;
                self.ignored += 1;
                // What failed halfway has changed something all the same.
                self.changed += u32::from(outcome.items.iter().any(ItemOutcome::has_changed));
            }
            Status::Failed if outcome.rescued => self.rescued += 1,
            Status::Failed => self.failed += 1,
        }
    }
}
