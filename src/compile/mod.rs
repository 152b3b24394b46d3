//! From a play and one host to the host's graph.
//!
//! Invariants: compiling is a pure function of (project, host, variables, facts) and of the results it asks for through
//! [`Driver`]; the same input gives the same graph. What is known is rendered here; what depends on a result stays an
//! expression, with just the variables it names. A mistake that is certain is reported before the host is changed.

mod binding;
mod cached;
mod conditions;
mod content;
mod deposits;
mod diagnose;
mod early;
mod execution;
mod frame;
mod gather;
mod groups;
mod handlers;
mod host;
mod hostless;
mod hosts;
mod hostvars;
mod include;
mod include_vars;
mod iteration;
mod keywords;
mod listen;
mod literals;
mod login;
mod lookups;
mod magic;
mod meta;
mod modules;
mod node;
mod pause;
mod play;
mod reboot;
mod refusal;
mod requisites;
mod rewrite;
mod roles;
mod rounds;
mod scope;
mod segment;
mod sets;
mod specs;
mod step;
mod tags;
mod task;
mod together;
mod tree;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::apply::{Adopted, SegmentReport};
use crate::event::TaskOutcome;
use crate::graph::{Node, Segment};
use crate::inventory::LiveInventory;
use crate::parse::Files;
use crate::secret::Redactor;
use crate::source::Origin;
use crate::template::Engine;
use crate::value::{Map, Value};
use crate::variables::Layer;

pub use cached::FactCache;
pub use deposits::{Deposit, Deposits};
pub use diagnose::expression as mistake_of;
pub use early::{play_keyword, says_gathering};
pub use host::{Facts, HostCompiler, PlayHosts};
pub use hostless::{needs_no_host, waits_first};
pub use hostvars::Store as HostVars;
pub use literals::Literals;
pub use login::Login;
pub use modules::is_module;
pub use play::PlaySettings;
pub use reboot::in_phase;
pub use tags::TagFilter;

/// What all hosts of a run share.
pub struct Project {
    /// The files.
    pub files: Files,
    /// The evaluator.
    pub engine: Arc<Engine>,
    /// The texts of the files, as far as conditions are looked for among them.
    pub literals: Literals,
    /// The hosts.
    pub inventory: LiveInventory,
    /// `-e`
    pub extra: Arc<Layer>,
    /// `--tags` and `--skip-tags`
    pub tags: TagFilter,
    /// It is a plan.
    pub plan: bool,
    /// Differences are wanted (`ansible_diff_mode`).
    pub diff: bool,
    /// Conditions must be booleans.
    pub strict: bool,
    /// Settings that were made, under the names `lookup('config')` asks for, and where.
    pub settings: BTreeMap<&'static str, (Value, String)>,
    /// Secret values.
    pub redactor: Redactor,
    /// Content that is sent when a target asks for it, by SHA-256.
    pub blobs: BlobStore,
    /// Files hosts may send, by token.
    pub deposits: Deposits,
    /// `--start-at-task`: what comes before the task of this name is not run.
    pub start_at: Option<String>,
    /// Where cfg was started.
    pub cwd: PathBuf,
    /// Facts from one run to the next.
    pub fact_cache: Option<FactCache>,
    /// The variables of hosts, as `hostvars` shows them.
    pub hostvars: HostVars,
    /// What the configuration says of becoming another user, by the names of the variables. Weaker than every keyword.
    pub defaults: std::collections::BTreeMap<&'static str, crate::value::Value>,
}

/// Content by digest: a file on the controller, or bytes.
#[derive(Default)]
pub struct BlobStore {
    known: Mutex<HashMap<String, BlobSource>>,
    digests: Mutex<HashMap<PathBuf, (u64, String)>>,
}

/// Where content is.
#[derive(Clone, Debug)]
pub enum BlobSource {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Bytes(Arc<[u8]>),
}

impl BlobStore {
    /// Adds bytes and gives their digest.
    pub fn add_bytes(&self, bytes: Vec<u8>) -> String {
        let digest = crate::machine::Algorithm::Sha256.of(&bytes);
        self.lock().insert(digest.clone(), BlobSource::Bytes(Arc::from(bytes)));
        digest
    }

    /// Adds a file and gives its digest and size; the file is read once a run.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn add_file(&self, path: &std::path::Path) -> std::io::Result<(u64, String)> {
        let mut digests = self.digests.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = digests.get(path) {
            return Ok(known.clone());
        }
        let mut file = std::fs::File::open(path)?;
        let size = file.metadata()?.len();
        let digest = crate::machine::Algorithm::Sha256.digest(&mut file)?;
        digests.insert(path.to_path_buf(), (size, digest.clone()));
        self.lock().insert(digest.clone(), BlobSource::File(path.to_path_buf()));
        Ok((size, digest))
    }

    /// The content with a digest. Only what a playbook named can be had: a target cannot ask for anything else.
    pub fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let source = self.lock().get(sha256).cloned()?;
        match source {
            BlobSource::Bytes(bytes) => Some(bytes.to_vec()),
            BlobSource::File(path) => std::fs::read(path).ok(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, BlobSource>> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Compiling stops: the reason has been reported, or the host is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Mistakes were reported.
    Mistakes,
    /// The host was lost, or the run cancelled.
    Lost,
    /// The play is over for this host.
    Ended,
    /// The role the walk is in is over.
    RoleEnded,
}

/// How hosts met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    /// This host is the first of those that met: it does what is done once.
    pub leads: bool,
    /// A failure somewhere stops all.
    pub stop: bool,
    /// At how many places so far a failure was one of all.
    pub failures: usize,
}

/// A task for another host.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The task.
    pub segment: Segment,
    /// The variables of the host it is for, that its own host would have: facts, results.
    pub variables: Vec<(String, Value)>,
    /// What the task says of the way there.
    pub login: Login,
}

/// A host that goes down and comes back: the phases, each a task on it.
#[derive(Debug)]
pub struct Reboot {
    /// Says whether it is to happen.
    pub announce: Guest,
    /// Makes it happen.
    pub go: Guest,
    /// Says whether the host is well again.
    pub after: Guest,
    /// How long the host is waited for.
    pub patience: crate::resource::Patience,
}

/// What became of a task that ran on another host.
#[derive(Debug, Default)]
pub struct Away {
    /// How it came out; `None`: it was not even started.
    pub outcome: Option<TaskOutcome>,
    /// What it set.
    pub variables: BTreeMap<String, Value>,
}

/// What may be known of the other hosts of a run.
pub trait Peers: Send + Sync {
    /// The facts of another host; waits until they are there. `None` where they are not gathered.
    fn facts_of(&self, host: &str) -> Option<Map>;

    /// Hosts that have failed or were lost.
    fn gone(&self) -> BTreeSet<Arc<str>>;

    /// What tasks of another host have set, as of the last time it met the others.
    fn results_of(&self, host: &str) -> Arc<BTreeMap<String, Value>>;
}

/// What compiling may ask of the run around it.
pub trait Driver {
    /// Begins a play.
    ///
    /// # Errors
    /// Where the host is lost.
    fn begin(&mut self, prologue: crate::graph::Prologue) -> Result<(), Stop> {
        let _ = prologue;
        Ok(())
    }

    /// Runs a part of the program and gives back how it came out.
    ///
    /// # Errors
    /// Where the host is lost.
    fn run(&mut self, segment: Segment) -> Result<SegmentReport, Stop>;

    /// Runs a task on another host, with these variables besides those of the segment. Gives back how it came out
    /// and what it set; `None` where nothing can be run (a rehearsal).
    ///
    /// # Errors
    /// Where that host cannot be reached.
    fn run_on(&mut self, host: &str, guest: Guest) -> Result<Option<Away>, Stop>;

    /// Reboots the host of this play and waits until it is there again. Gives back how that came out.
    ///
    /// # Errors
    /// Where the host does not come back.
    fn reboot(&mut self, reboot: Reboot) -> Result<Option<Away>, Stop>;

    /// Takes the outcome of a task that ran elsewhere into the host's own run.
    ///
    /// # Errors
    /// Where the host is lost.
    fn adopt(&mut self, adopted: Adopted) -> Result<SegmentReport, Stop>;

    /// Waits until the other hosts of the batch have come to this place of the play, or will not come any more. `results`
    /// is what tasks have set, for the others to see.
    ///
    /// # Errors
    /// Where the host is lost.
    fn meet(&mut self, place: &[u32], results: &Arc<BTreeMap<String, Value>>) -> Result<Met, Stop>;

    /// The play is over for every host, batches to come included.
    fn end_play(&mut self);

    /// All hosts of the batch are to stop when they meet next.
    fn stop_all(&mut self);

    /// A failure at this place of the play is one of all hosts of the batch. Gives how many such places there are.
    fn fail_all(&mut self, place: &[u32]) -> usize;

    /// Gives a result that is everybody's to the other hosts of the batch (`run_once`).
    fn share(&mut self, key: &str, variables: Vec<(String, Value)>);

    /// Waits for a result that is everybody's; `None` in a rehearsal, where nobody gives one.
    ///
    /// # Errors
    /// Where the host that should give it failed.
    fn shared(&mut self, key: &str) -> Result<Option<Vec<(String, Value)>>, Stop>;

    /// Sets variables of another host (`delegate_facts`).
    fn give(&mut self, host: &str, variables: Vec<(String, Value)>);

    /// Waits until fewer than `limit` hosts are at this task; [`Driver::leave_task`] must follow.
    fn enter_task(&mut self, key: &str, limit: usize);

    /// Lets the next host at a task.
    fn leave_task(&mut self, key: &str);

    /// What may be known of the other hosts.
    fn peers(&self) -> Arc<dyn Peers>;

    /// Says whether somebody is to be asked about every task (`--step`).
    fn asks(&self) -> bool;

    /// Asks whether a task runs: its name, and where it was written.
    fn ask(&mut self, name: &str, origin: &Origin) -> bool;

    /// Asks a person for a line of text; `None` where nobody is there. What is typed is shown with `echo`.
    fn answer(&mut self, prompt: &str, echo: bool) -> Option<String>;

    /// Notes something for the person, such as a warning about this host.
    fn note(&mut self, level: &str, text: String);

    /// How many nodes were compiled and how long it took, microseconds.
    fn compiled(&mut self, nodes: &[Node], micros: u64);
}
