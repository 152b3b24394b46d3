//! Tasks in the background (`async` with `poll: 0`): a job of its own that outlives the agent, and its result in a file.
//!
//! The job is the agent again, started with the task in a file that only its user can read; it removes that file, works, and
//! leaves the result where `async_status` and Ansible look for it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::machine::{Attrs, Cancel, Command, Content, Live, Machine, Tracked, Written};
use crate::resource::{self, Args, Context, Failure};
use crate::value::{Map, Value, to_json};

/// Where jobs leave their results, below the user's home.
pub const ASYNC_DIR: &str = ".ansible_async";

/// What a job does.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: String,
    /// The resource type.
    pub kind: String,
    /// The arguments.
    pub args: Map,
    /// The environment of programs.
    pub environment: Vec<(String, String)>,
    /// How many files each of its programs may have open.
    pub open_files: Option<u64>,
    /// Seconds it may take.
    pub limit: u64,
}

impl Job {
    /// Starts the job on a machine; gives what the task registers.
    ///
    /// # Errors
    /// Where it cannot be written down or started.
    pub fn start(&self, machine: &dyn Machine, agent: &Path) -> Result<Map, Failure> {
        let dir = machine.identity()?.home.join(ASYNC_DIR);
        if machine.lstat(&dir)?.is_none() {
            machine.make_dir(&dir, &Attrs { mode: Some(0o700), ..Attrs::default() })?;
        }
        let (file, result) = (dir.join(format!("{}.job", self.id)), dir.join(&self.id));
        let mut begun = state(&self.id, false);
        // The result first: whoever asks after the job the moment it is named finds one that has begun.
        lay_down(machine, &result, &to_json(&Value::from(begun.clone())))?;
        lay_down(machine, &file, self)?;
        let command = Command::new([agent.to_string_lossy(), "--job".into(), file.to_string_lossy()]);
        let output = machine.run(&command)?;
        if output.known().is_some_and(|stdio| !stdio.ok()) {
            let tail = output.known().map(|stdio| stdio.tail()).unwrap_or_default();
            return Err(Failure::new(format!("the job could not be started: {tail}")));
        }
        begun.insert("results_file".into(), Value::from(result.to_string_lossy().into_owned()));
        Ok(begun)
    }
}

/// Writes a file for its user's eyes only.
fn lay_down<T: Serialize>(machine: &dyn Machine, file: &Path, what: &T) -> Result<(), Failure> {
    let text = serde_json::to_vec(what).map_err(|e| Failure::new(e.to_string()))?;
    let attrs = Attrs { mode: Some(0o600), ..Attrs::default() };
    Ok(machine.write(file, &Content::bytes(text), &attrs, &Written { secret: true, ..Written::default() })?)
}

/// What a result says of the job itself.
fn state(id: &str, finished: bool) -> Map {
    Map::from_iter([
        ("ansible_job_id".into(), Value::str(id)),
        ("started".into(), Value::Bool(true)),
        ("finished".into(), Value::Bool(finished)),
    ])
}

/// Starts the job of a file apart from this process, so that who asked for it need not wait. Gives the exit status.
pub fn detach(file: &str) -> i32 {
    use std::os::unix::process::CommandExt as _;
    let Ok(agent) = std::env::current_exe() else { return 1 };
    let mut process = std::process::Command::new(agent);
    process.args(["--run-job", file]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match process.process_group(0).spawn() {
        Ok(_) => 0,
        Err(_) => 1,
    }
}

/// Does the job of a file. Gives the exit status.
pub fn run(file: &str) -> i32 {
    let path = PathBuf::from(file);
    let Ok(bytes) = std::fs::read(&path) else { return 1 };
    let _ = std::fs::remove_file(&path);
    let Ok(job) = serde_json::from_slice::<Job>(&bytes) else { return 1 };
    let mut done = work(&job);
    done.extend(state(&job.id, true));
    store(&path.with_file_name(&job.id), &done);
    0
}

fn work(job: &Job) -> Map {
    let failed = |message: String, mut result: Map| {
        result.insert("failed".into(), Value::Bool(true));
        result.insert("msg".into(), Value::from(message));
        result
    };
    let Some(kind) = resource::find(&job.kind) else { return failed(format!("no module `{}`", job.kind), Map::new()) };
    let made = match (kind.parse)(Args::new(job.args.clone())) {
        Ok(made) => made,
        Err(error) => return failed(error.message, Map::new()),
    };
    let machine = Tracked::new(std::sync::Arc::new(Live::new(None, Cancel::default())), false)
        .within(Some(Duration::from_secs(job.limit.max(1))))
        .with_open_files(job.open_files);
    let context = Context { environment: job.environment.clone(), ..Context::default() };
    match made.converge(&machine, &context) {
        Ok(outcome) => {
            let mut result = outcome.result;
            let changed = outcome.changed.unwrap_or(Value::Bool(!machine.changes().is_empty()));
            result.insert("changed".into(), changed);
            result
        }
        Err(failure) => failed(failure.message, failure.result),
    }
}

/// A result is there whole or not at all.
fn store(path: &Path, result: &Map) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let text = serde_json::to_vec(&to_json(&Value::from(result.clone()))).unwrap_or_default();
    let temporary = path.with_extension("tmp");
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    if made.and_then(|mut file| file.write_all(&text)).is_ok() {
        let _ = std::fs::rename(&temporary, path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::machine::{Blank, Preview};

    #[test]
    fn a_job_that_has_not_got_going_yet_is_known() {
        let machine: Arc<dyn Machine> = Arc::new(Preview::new(Arc::new(Blank)));
        let job = Job {
            id: "j1.2".into(),
            kind: "command".into(),
            args: Map::new(),
            environment: Vec::new(),
            open_files: None,
            limit: 30,
        };
        job.start(&*machine, Path::new("/not/started/in/a/preview")).unwrap();
        let args = Args::new(Map::from_iter([("jid".into(), Value::str("j1.2"))]));
        let status = (resource::find("async_status").unwrap().parse)(args).unwrap();
        let outcome = status.converge(&*machine, &Context::default()).unwrap();
        assert_eq!(outcome.result.get("finished"), Some(&Value::Bool(false)));
    }
}
