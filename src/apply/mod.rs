//! Running a host's graph against its machine: in the agent, on the target.
//!
//! Invariants: the outcome is as if nodes ran in written order, also where one fails: a node looks when all it waits for
//! has ended, and changes something when all before it have ended (unless the play says `order: explicit`); after a
//! failure no later node does anything unless a rescue or always section takes it in; handlers run once a flush, and a
//! notification is on disk before the change that causes it is made.

mod actions;
pub mod background;
mod blocks;
mod converge;
mod differences;
mod judge;
mod looped;
mod notify;
mod outcome;
mod run;
mod schedule;
pub mod specification;
mod variables;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::event::{Status, TaskOutcome};
use crate::graph::{Become, Mode, NodeId, Prologue, Segment};
use crate::machine::{Blank, Cancel, Inspect as _, Key, Machine, Preview};
use crate::resource::{Blobs, Failure};
use crate::template::Engine;
use crate::value::{Map, Value};

pub use actions::{DEBUG_VALUE, HOLDING};
pub use blocks::Blocks;
pub use judge::{FALSE_CONDITION, raw, result_of_skipped, truth};
pub use looped::{all_items, loop_variables};
pub use outcome::{combined, unreachable};
pub use run::HANDLER_GATE;

use notify::Notifications;
use variables::Runtime;

/// Gives the machine as seen with the rights of a user; `None` is the user who logged in.
pub trait Machines: Send + Sync {
    /// The machine.
    ///
    /// # Errors
    /// Where the rights cannot be had.
    fn get(&self, r#become: Option<&Become>) -> Result<Arc<dyn Machine>, Failure>;

    /// Where the agent is, to start it again for a task in the background.
    fn agent(&self) -> Option<std::path::PathBuf> {
        std::env::current_exe().ok()
    }

    /// Reads the facts of the machine.
    fn facts(&self, machine: &dyn Machine) -> Map;
}

/// Takes what happens.
pub trait Sink: Send + Sync {
    /// A task starts.
    fn started(&self, node: NodeId, name: &str);
    /// A task is tried again.
    fn retried(&self, node: NodeId, name: &str, left: u32);
    /// A task ended.
    fn finished(&self, outcome: TaskOutcome);
}

/// How a host came out of a segment.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SegmentReport {
    /// A failure that nothing caught.
    pub failed: bool,
    /// The play is over for this host (`meta: end_host`, or it failed).
    pub ended: bool,
    /// Blocks whose body failed: what is to come in them is not run.
    pub failed_blocks: Vec<u32>,
    /// How blocks came out: which sections may still run.
    pub blocks: Blocks,
    /// Names that were notified and whose handlers have yet to run, where the segment asked for variables.
    pub waiting: Option<Vec<String>>,
    /// The variables tasks have set, where the segment asked for them.
    pub variables: BTreeMap<String, Value>,
}

/// The outcome of a task of this host that ran on another one.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Adopted {
    /// How it came out.
    pub outcome: TaskOutcome,
    /// The blocks around it.
    pub blocks: Vec<crate::graph::BlockRef>,
    /// Blocks met since the last segment that have a rescue section.
    pub rescues: Vec<crate::graph::BlockId>,
    /// What it set.
    pub variables: BTreeMap<String, Value>,
    /// Only its consequences count: nothing is shown of it.
    pub silent: bool,
}

/// A host during a play.
pub struct Session {
    prologue: Prologue,
    engine: Arc<Engine>,
    machines: Arc<dyn Machines>,
    blobs: Arc<dyn Blobs>,
    sink: Arc<dyn Sink>,
    cancel: Cancel,
    preview: Mutex<Option<Preview>>,
    runtime: Runtime,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
struct State {
    blocks: Blocks,
    notifications: Notifications,
    outcomes: BTreeMap<NodeId, outcome::Ended>,
    failed: bool,
    ended: bool,
}

/// What a play needs around it.
pub struct Surroundings {
    /// Evaluates expressions.
    pub engine: Arc<Engine>,
    /// Gives the machine, as users see it.
    pub machines: Arc<dyn Machines>,
    /// Gives and takes content.
    pub blobs: Arc<dyn Blobs>,
    /// Takes what happens.
    pub sink: Arc<dyn Sink>,
    /// Says that it is to stop.
    pub cancel: Cancel,
    /// In a plan, the machine as the plays before would leave it.
    pub preview: Option<Preview>,
}

/// A play in the middle, from one agent of a host to its next one.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Handover {
    /// How it began.
    pub prologue: Prologue,
    state: State,
    runtime: Runtime,
}

impl std::fmt::Debug for Handover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handover").field("play", &self.prologue.play).finish_non_exhaustive()
    }
}

impl Session {
    /// Starts a play on this host. Notifications that a run before left behind count as made.
    pub fn new(prologue: Prologue, around: Surroundings) -> Self {
        let runtime = Runtime::new(prologue.variables.clone());
        let session = Self::taken_over(Handover { prologue, state: State::default(), runtime }, around);
        if session.prologue.keeps() {
            let left = session.notifications_file().load();
            session.state().notifications.restore(left);
        }
        session
    }

    /// Goes on where another agent was.
    pub fn taken_over(handover: Handover, around: Surroundings) -> Self {
        let Handover { prologue, state, runtime } = handover;
        let Surroundings { engine, machines, blobs, sink, cancel, preview } = around;
        let (preview, state) = (Mutex::new(preview), Arc::new(Mutex::new(state)));
        Self { prologue, engine, machines, blobs, sink, cancel, preview, runtime, state }
    }

    /// What the play has come to. What is notified is kept too, should nobody go on.
    pub fn hand_over(&self) -> Handover {
        let state = self.state().clone();
        if self.prologue.keeps() {
            self.notifications_file().store(&state.notifications.waiting());
        }
        Handover { prologue: self.prologue.clone(), state, runtime: self.runtime.clone() }
    }

    /// Runs a segment to its end.
    pub fn run(&self, segment: &Segment) -> SegmentReport {
        schedule::run(self, segment);
        if segment.last && self.prologue.keeps() {
            let waiting = self.state().notifications.waiting();
            self.notifications_file().store(&waiting);
        }
        self.report(segment.return_variables)
    }

    fn report(&self, with_variables: bool) -> SegmentReport {
        let state = self.state();
        SegmentReport {
            failed: state.failed,
            ended: state.ended || state.failed,
            failed_blocks: state.blocks.failed(),
            blocks: state.blocks.clone(),
            waiting: with_variables.then(|| state.notifications.waiting()),
            variables: if with_variables { self.runtime.set_by_tasks() } else { BTreeMap::new() },
        }
    }

    /// Takes in the outcome of a task that ran on another host, as if it had run here.
    pub fn adopt(&self, adopted: Adopted) -> SegmentReport {
        let Adopted { mut outcome, blocks, rescues, variables, silent } = adopted;
        for (name, value) in variables {
            self.runtime.set(&name, value);
        }
        {
            let mut state = self.state();
            state.blocks.know(&rescues);
            for name in &outcome.notified {
                state.notifications.notify(name, &outcome.name);
            }
        }
        if !outcome.notified.is_empty() && !self.is_plan() {
            let _ = (self.keeper())();
        }
        self.ended(&blocks, &mut outcome, |outcome| looped::result_of(&outcome.items));
        if !silent {
            self.sink.finished(outcome);
        }
        self.report(false)
    }

    /// Notes how a task came out, and what a failure means.
    fn ended(
        &self,
        blocks: &[crate::graph::BlockRef],
        outcome: &mut TaskOutcome,
        result: impl FnOnce(&TaskOutcome) -> Value,
    ) {
        let mut state = self.state();
        state.outcomes.insert(outcome.node, outcome::Ended { status: outcome.status, ignored: outcome.ignored });
        if outcome.status != Status::Failed || outcome.ignored {
            return;
        }
        // Nothing takes in that a host is not there.
        outcome.rescued = !outcome.unreachable && state.blocks.fail(blocks);
        if !outcome.rescued {
            state.failed = true;
        }
        drop(state);
        // What a person sees of a task without a name is its module.
        let name = if outcome.name == *outcome.module { "" } else { &outcome.name };
        let task = Value::map([("name", Value::str(name)), ("action", Value::str(&outcome.module))]);
        self.runtime.set("ansible_failed_task", task);
        self.runtime.set("ansible_failed_result", result(outcome));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn is_plan(&self) -> bool {
        self.prologue.mode == Mode::Plan
    }

    /// The machine as this run would leave it, where that was asked for and the session is of the run.
    pub fn foreseen(&self, run: &str) -> Option<Preview> {
        let preview = self.preview.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        preview.as_ref().filter(|_| self.prologue.run == run).map(|seen| seen.seen_by(Arc::new(Blank)))
    }

    /// Says whether this is a plan in which an earlier state would have changed something.
    fn foresees_changes(&self) -> bool {
        let preview = self.preview.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.is_plan() && preview.as_ref().is_some_and(Preview::is_touched)
    }

    /// Notes that a plan has left out what may do anything.
    fn expect_anything(&self) {
        let mut preview = self.preview.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        preview.get_or_insert_with(|| Preview::new(Arc::new(Blank))).expect_anything();
    }

    /// Says whether a user is not there yet, and an earlier state of this plan would make it, or may.
    fn expects_user(&self, name: &str) -> bool {
        let key = Key::Name(name.to_owned());
        let on_machine = self.machines.get(None).is_ok_and(|machine| matches!(machine.user(&key), Ok(Some(_))));
        let preview = self.preview.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let planned = |preview: &Preview| matches!(preview.user(&key), Ok(Some(_))) || preview.expects_anything();
        self.is_plan() && !on_machine && preview.as_ref().is_some_and(planned)
    }

    /// The machine a node works on: the real one, or in a plan a preview of it, one overlay for all users.
    fn machine(&self, r#become: Option<&Become>, really: bool) -> Result<Arc<dyn Machine>, Failure> {
        let real = self.machines.get(r#become)?;
        if really || !self.is_plan() {
            return Ok(real);
        }
        let under = Arc::new(variables::ReadOnly(real));
        let mut preview = self.preview.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let shared = match &*preview {
            Some(preview) => preview.seen_by(under),
            None => Preview::new(under),
        };
        if preview.is_none() {
            *preview = Some(shared.seen_by(Arc::new(Blank)));
        }
        Ok(Arc::new(shared))
    }
}
