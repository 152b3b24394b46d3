//! The messages between controller and agent.

use serde::{Deserialize, Serialize};

use crate::apply::{Adopted, Handover, SegmentReport};
use crate::event::TaskOutcome;
use crate::graph::{Prologue, Segment};
use crate::machine::Identity;
use crate::value::Map;

/// The first words of an agent's first message.
pub const MAGIC: &str = "cfg-agent";

/// The version of these messages. Controller and agent are built together, so a difference is a stale file.
pub const PROTOCOL: u32 = 8;

/// What an agent says first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`MAGIC`].
    pub magic: String,
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Who it is on the target.
    pub identity: Identity,
    /// Which start of the machine this is: the kernel's boot id.
    pub boot: String,
    /// The facts, under Ansible's names without `ansible_`.
    pub facts: Map,
}

/// From the controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ToAgent {
    /// A play begins; the one before is over.
    Begin(Box<Prologue>),
    /// Run this part of it.
    Run(Box<Segment>),
    /// A task of this host ran elsewhere, and came out like this.
    Adopt(Box<Adopted>),
    /// Say what the play has come to, for another agent to go on with.
    HandOver,
    /// Go on with a play that another agent began.
    TakeOver(Box<Handover>),
    /// Content that was asked for; `None` where the controller does not have it.
    Blob {
        /// Its SHA-256.
        sha256: String,
        /// The bytes.
        bytes: Option<Vec<u8>>,
    },
    /// What became of a file that was offered or sent.
    Shelved {
        /// The token it was offered under.
        token: String,
        /// The answer.
        answer: Shelved,
    },
    /// Finish what is being written and start nothing new.
    Cancel,
}

/// The controller's answer about a file for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shelved {
    /// It has the same file already.
    Same,
    /// It is to be sent.
    Wanted,
    /// It has arrived.
    Stored,
    /// It is not taken, and why.
    Refused(String),
}

/// From the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum FromAgent {
    /// The first message.
    Hello(Box<Hello>),
    /// A task starts.
    Started {
        /// Which.
        node: u32,
        /// What a person calls it.
        name: String,
    },
    /// A task is tried again.
    Retried {
        /// Which.
        node: u32,
        /// What a person calls it.
        name: String,
        /// How often it may still be tried.
        left: u32,
    },
    /// A task ended.
    Finished(Box<TaskOutcome>),
    /// Content is needed.
    NeedBlob {
        /// Its SHA-256.
        sha256: String,
    },
    /// A file the controller has asked for.
    Offer {
        /// The token it was asked for under.
        token: String,
        /// Its SHA-256.
        sha256: String,
        /// Its size.
        size: u64,
    },
    /// A part of a file that was offered and is wanted; parts come in order.
    Part {
        /// The token.
        token: String,
        /// The bytes.
        bytes: Vec<u8>,
        /// It was the last one.
        last: bool,
    },
    /// What the play has come to.
    HandedOver(Box<Handover>),
    /// A segment ended.
    Report(Box<SegmentReport>),
    /// The agent cannot go on.
    Fatal {
        /// Why.
        message: String,
    },
}
