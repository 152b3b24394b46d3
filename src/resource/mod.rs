//! Resource types: what a task can ask for. One file a type, one line in the registry.
//!
//! A resource is made from a task's arguments, says what it touches ([`Footprint`]), and brings a machine to the state
//! it describes ([`Resource::converge`]). It sees the machine through [`Inspect`](crate::machine::Inspect) and
//! [`Machine`] only, so a dry run is the same call against a preview; there is no check-mode branch. Whether something
//! changed is what the machine recorded, unless the type has to say so itself (a program that was run).

mod args;
mod footprint;
mod params;
mod paths;
mod registry;
mod types;

pub mod actions;
pub mod attrs;
mod attrs_extra;

mod apt;
mod archive;
mod assemble;
mod async_status;
mod authorized_key;
mod blockinfile;
mod command;
mod copy;
mod copy_tree;
mod cron;
mod debconf;
mod edit;
#[cfg(test)]
mod examples;
mod fetch;
mod file;
mod file_diff;
mod file_link;
mod find;
mod get_url;
mod getent;
mod git;
mod git_remote;
mod glob;
mod group;
mod hostname;
mod ini_file;
mod known_hosts;
mod lineinfile;
mod magic;
mod package;
mod package_facts;
mod ping;
mod program;
mod python;
mod raw;
mod reboot;
mod replace;
mod script;
mod service;
mod service_facts;
mod shell;
mod slurp;
mod stat;
mod sysctl;
mod systemd;
mod tempfile;
mod template;
#[cfg(test)]
mod testing;
mod unarchive;
mod unpack;
mod uri;
mod user;
mod user_key;
mod wait_for;
mod wait_for_connection;

use std::sync::Arc;

use crate::machine::{Fault, Machine};
use crate::value::{Map, Value};

pub use args::{Arg, Args, ParamError, ParamErrorKind};
pub use assemble::Assembly;
pub use footprint::{Claim, Footprint};
pub use params::{FromValue, ParamSpec, finish as finish_params, optional as optional_param, read as read_param};
pub(crate) use params::{documentation, params};
pub use paths::{settle, settled};
pub use program::expand_home;
#[cfg(feature = "controller")]
pub use python::regex as python_regex;
pub use reboot::{GOES_DOWN, Reboot};
pub use registry::{KINDS, Kind, ansible_words, find, names};
pub use script::script_of;
pub use types::{Days, Mode, Words};
pub use wait_for_connection::{Patience, WaitForConnection};

/// What a task wants of a machine.
pub trait Resource: Send + Sync {
    /// What it reads and writes.
    fn footprint(&self) -> Footprint;

    /// Brings the machine to the state described, changing only what differs.
    ///
    /// # Errors
    /// Where that is not possible; nothing is left half-written.
    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure>;

    /// What being notified by `watch` means beyond converging: a service restarts, a command runs. `None`: nothing.
    fn refresh(&self, machine: &dyn Machine, context: &Context) -> Option<Result<Outcome, Failure>> {
        let _ = (machine, context);
        None
    }
}

/// What a resource may need from the task around it.
#[derive(Clone, Default)]
pub struct Context {
    /// The task's `environment`.
    pub environment: Vec<(String, String)>,
    /// Fetches content that did not travel with the graph, and takes files to the controller.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// Nothing of this task may be shown.
    pub no_log: bool,
    /// The result shall say how things differ.
    pub diff: bool,
    /// The task itself asks for `check_mode`: what it would do is not going to be done.
    pub only_looks: bool,
}

/// Content that travels between controller and target.
pub trait Blobs: Send + Sync {
    /// The content with this SHA-256 (hexadecimal).
    ///
    /// # Errors
    /// Where the controller cannot give it.
    fn get(&self, sha256: &str) -> Result<Arc<[u8]>, String>;

    /// Offers a file to the controller, under a token it has given. Says whether it wants it, or has it already.
    ///
    /// # Errors
    /// Where the controller refuses it.
    fn offer(&self, token: &str, sha256: &str, size: u64) -> Result<bool, String> {
        let _ = (token, sha256, size);
        Err("the controller takes no files here".to_owned())
    }

    /// Sends a file of `size` bytes that was offered and is wanted; `part` gives what comes from an offset on.
    ///
    /// # Errors
    /// Where it cannot be read, or the controller could not keep it.
    fn send(&self, token: &str, size: u64, part: PartOf<'_>) -> Result<(), String> {
        let _ = (token, size, part);
        Err("the controller takes no files here".to_owned())
    }
}

/// Reads a part of a file, from an offset on.
pub type PartOf<'a> = &'a mut dyn FnMut(u64) -> Result<Vec<u8>, String>;

/// What came of a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Whether it changed something; `None` leaves that to what the machine recorded.
    pub changed: Option<Value>,
    /// Return values, under Ansible's names.
    pub result: Map,
    /// Facts to add to `ansible_facts`.
    pub facts: Map,
    /// Why nothing was done, as with `creates`.
    pub skipped: Option<String>,
}

impl Outcome {
    /// An outcome with return values.
    pub fn of<K: AsRef<str>>(result: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self { result: result.into_iter().map(|(k, v)| (Arc::from(k.as_ref()), v)).collect(), ..Self::default() }
    }

    /// Says itself whether something changed.
    #[must_use]
    pub fn changed(mut self, changed: impl Into<Value>) -> Self {
        self.changed = Some(changed.into());
        self
    }
}

/// Why a resource could not be brought about.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// In words.
    pub message: String,
    /// Return values of a failed run, such as `rc` and `stderr`.
    pub result: Map,
    /// What to do about it.
    pub help: Option<String>,
    /// It is no failure: this is a dry run, and what it depends on is known after apply.
    pub unknown: bool,
}

impl Failure {
    /// A failure in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), result: Map::new(), help: None, unknown: false }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let unknown = fault.kind == crate::machine::FaultKind::Unknown;
        Self { help: fault.help().map(str::to_owned), unknown, ..Self::new(fault.to_string()) }
    }
}
