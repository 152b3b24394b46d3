//! Many hosts: connecting, batches, gates, and the conversation with each agent.
//!
//! Invariants: hosts do not wait for each other except where the meaning needs it; a host that is lost counts as failed
//! for every gate; memory is bounded by the hosts in flight. Asynchronous code stays in `link` and below; a host's
//! program is compiled on a thread of its own, which waits for the agent where it has to.

mod driver;
mod history;
mod link;
mod meeting;
mod reach;
mod reboot;
mod run;
mod shelf;
mod step;
mod target;

pub use driver::DryDriver;
pub use history::{History, RunRecord};
pub use link::{Link, LinkError};
pub use run::{EventSink, Outcome, RunOptions, Runner, SelectHosts, blank_play, connection_scope, rehearse};
pub use step::{Answer, Asker, Person, Steps};
pub use target::{Connections, Login};
