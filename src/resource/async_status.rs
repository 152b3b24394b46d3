//! `async_status`: how a task in the background is getting on.

use std::path::PathBuf;

use super::params::params;
use super::types::choices;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::Machine;
use crate::value::{Map, Value, from_json};

/// A result larger than this is none of ours.
const MAX_RESULT: u64 = 64 * 1024 * 1024;

choices! {
    /// What to do with a job.
    pub enum JobMode {
        /// Look at it.
        Status = "status",
        /// Forget its result.
        Cleanup = "cleanup",
    }
}

params! {
    /// Looks at a task that was started with `async` and `poll: 0`. The result is the task's own, with `finished`.
    ///
    /// # Example
    /// ```yaml
    /// - async_status: { jid: j120593028475.4242 }
    ///   register: job
    ///   until: job.finished
    ///   retries: 30
    /// ```
    pub struct AsyncStatus {
        /// The job: `ansible_job_id` of the task that was started.
        jid: String, required;
        /// Look, or forget the job.
        mode: JobMode = JobMode::Status;
    }
}

impl AsyncStatus {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the name could lead out of the directory of jobs.
    pub fn check(&self) -> Result<(), ParamError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match self.jid.chars().all(plain) && !self.jid.starts_with('.') {
            true => Ok(()),
            false => Err(ParamError::bad("jid", "this is no id of a job")),
        }
    }

    fn file(&self, machine: &dyn Machine) -> Result<PathBuf, Failure> {
        Ok(machine.identity()?.home.join(".ansible_async").join(&self.jid))
    }
}

impl Resource for AsyncStatus {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let file = self.file(machine)?;
        let known = [
            ("ansible_job_id", Value::str(&self.jid)),
            ("results_file", Value::from(file.to_string_lossy().into_owned())),
        ];
        if self.mode == JobMode::Cleanup {
            if machine.lstat(&file)?.is_some() {
                machine.remove(&file)?;
            }
            let erased = ("erased", Value::from(file.to_string_lossy().into_owned()));
            return Ok(Outcome::of(known.into_iter().chain([erased])).changed(false));
        }
        if machine.lstat(&file)?.is_none() {
            let mut failure = Failure::new("could not find job");
            failure.result.extend(known.map(|(name, value)| (name.into(), value)));
            failure.result.insert("started".into(), Value::Bool(true));
            failure.result.insert("finished".into(), Value::Bool(true));
            return Err(failure);
        }
        let bytes = machine.read(&file, MAX_RESULT)?;
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|_| Failure::new(format!("the result of the job {} could not be read", self.jid)))?;
        let mut result: Map = from_json(value).as_map().cloned().unwrap_or_default();
        result.extend(known.map(|(name, value)| (name.into(), value)));
        let take = |result: &mut Map, name: &str| result.shift_remove(name).is_some_and(|value| value.is_true());
        let (failed, changed) = (take(&mut result, "failed"), take(&mut result, "changed"));
        if failed {
            let message = result.get("msg").map_or_else(|| "the job failed".to_owned(), ToString::to_string);
            return Err(Failure { result, ..Failure::new(message) });
        }
        Ok(Outcome { result, ..Outcome::default() }.changed(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn a_job_is_named_without_leading_anywhere_else() {
        let bench = Bench::with(&[]);
        assert!(bench.fails("async_status", "{jid: ../x}").contains("no id of a job"));
        assert!(bench.fails("async_status", "{jid: j1.2}").contains("could not find job"));
    }
}
