//! The agent: what runs on a target, and how the controller talks with it.
//!
//! Invariants: frames have a length limit and a strict schema; a frame from a target holds no path the controller would
//! open and no code it would run. The agent ends when its channel closes and leaves nothing running. The first frame
//! from the agent carries the facts, so a run needs no round trip to ask for them.

mod frame;
mod machines;
mod protocol;
mod questions;
mod serve;

#[cfg(feature = "controller")]
mod embedded;

pub use frame::{FrameError, MAX_FRAME, decode, encode, read_frame, write_frame};
pub use protocol::{FromAgent, Hello, MAGIC, PROTOCOL, Shelved, ToAgent};
pub use serve::{main, serve_machine};

#[cfg(feature = "controller")]
pub use embedded::{AGENTS, BootstrapReply, Embedded, bootstrap, bootstrap_reply};
