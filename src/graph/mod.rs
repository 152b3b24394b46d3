//! The compiled program of one host: nodes in written order, the edges between them, and the variables they name.
//!
//! Invariants: the graph leaves no choice to the target but what depends on results, and those are the [`Term`]s that
//! are still templates. It holds only what its own host needs. It is what travels and what `cfg graph` shows.
//! A node's index is its place in written order; every edge points to a smaller index, so the graph has no circle
//! (circles of requisites are refused when it is built).

mod edges;
mod node;
mod requisite;
mod touched;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::template::Term;
use crate::value::Value;

pub use edges::{Builder, Circle};
pub use node::{
    Action, Background, Become, BecomeMethod, BlockId, BlockRef, CheckMode, Diff, Edge, Execution, Handler, Iteration,
    Loop, Node, NodeId, OPEN_FILES, Section, TemplateFile, Until, Why, Work,
};
pub use requisite::{Requisite, RequisiteKind, TargetOutcome, Verdict};

/// How a graph is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Changes are made.
    Apply,
    /// Changes are found out and shown.
    Plan,
}

/// What orders the states of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The result is as if they ran in the order they are written in.
    #[default]
    Written,
    /// Requisites and data flow alone: `order: explicit`.
    Explicit,
}

/// A part of a host's program: all of it, unless the controller is needed in between.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Segment {
    /// The nodes, in written order. Their ids go on from those of the segment before.
    pub nodes: Vec<Node>,
    /// What orders them beside their edges.
    pub order: Order,
    /// Variables the nodes name, each once: name, term, and whether it stands above `set_fact` and `register`.
    pub bindings: Vec<Binding>,
    /// Blocks that have a rescue section.
    pub rescues: Vec<BlockId>,
    /// Send the variables that tasks have set back at the end: the controller goes on compiling with them.
    pub return_variables: bool,
    /// No segment follows.
    pub last: bool,
}

/// A variable of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Its value, or the expression that gives it.
    pub term: Term,
    /// It stands above `set_fact` and `register` (extra variables, role and include parameters).
    pub strong: bool,
}

/// What holds for all segments of a play on a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prologue {
    /// The run.
    pub run: String,
    /// How it is run.
    pub mode: Mode,
    /// Names the play, for notifications that survive a crash.
    pub play: String,
    /// Facts and other variables tasks may read on the target by name (`ansible_facts`, `ansible_*`, …) come from the
    /// agent's own facts under this prefix rule; magic variables are bindings.
    pub variables: Vec<(String, Value)>,
    /// It runs tasks of another host: what they notify is that host's, and so is nothing that is kept.
    pub guest: bool,
    /// Run handlers that were notified even where the host failed.
    pub force_handlers: bool,
    /// Conditions must be booleans.
    pub strict: bool,
    /// As whom notifications are kept.
    pub state_as: Option<Become>,
    /// Texts that must never be shown.
    pub secrets: Vec<Arc<str>>,
    /// The agent stands in for a host nobody is connected to, and why: what needs the host itself is unreachable.
    pub absent: Option<String>,
}

impl Prologue {
    /// Says whether what is pending is kept where the agent runs.
    pub fn keeps(&self) -> bool {
        !self.guest && self.absent.is_none()
    }
}
