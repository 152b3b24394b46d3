//! What is kept of runs: their events, and which hosts are left to do.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::Counts;

/// How many runs are kept.
const KEEP: usize = 200;

/// The runs of this user.
#[derive(Clone, Debug)]
pub struct History {
    dir: PathBuf,
}

/// A run, in short.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub run: String,
    /// `apply` or `plan`.
    pub mode: String,
    /// Its playbooks.
    pub playbooks: Vec<String>,
    /// Counts by host.
    pub hosts: Vec<(String, Counts)>,
}

impl Default for History {
    fn default() -> Self {
        let state = std::env::var("XDG_STATE_HOME").map(PathBuf::from);
        let home = || std::env::var("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        Self { dir: state.or_else(|_| home()).unwrap_or_else(|_| PathBuf::from("/tmp")).join("cfg/runs") }
    }
}

impl History {
    /// A new id: short, and not taken.
    pub fn new_id(&self) -> String {
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let digest = crate::machine::Algorithm::Sha256.of(format!("{nanos}-{}", std::process::id()).as_bytes());
        digest.chars().take(8).collect()
    }

    /// Keeps a run's record. A history that cannot be written does not fail a run.
    pub fn keep(&self, record: &RunRecord) {
        let path = self.dir.join(format!("{}.json", record.run));
        let Ok(text) = serde_json::to_vec(record) else { return };
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        let written = made.and_then(|()| {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(&text)
        });
        if written.is_ok() {
            self.prune();
        }
    }

    fn prune(&self) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().filter_map(|e| e.ok());
        let mut files: Vec<_> = entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
        files.sort();
        for (_, path) in files.iter().take(files.len().saturating_sub(KEEP)) {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Finds a run by the start of its id.
    pub fn find(&self, prefix: &str) -> Option<RunRecord> {
        let entries = std::fs::read_dir(&self.dir).ok()?.filter_map(|e| e.ok()).map(|e| e.path());
        let mut fits: Vec<PathBuf> =
            entries.filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix))).collect();
        fits.sort();
        let [path] = fits.as_slice() else { return None };
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// The hosts of `@RUN:failed`, `@RUN:unreachable` and the like.
    pub fn hosts(&self, reference: &str) -> Option<Vec<String>> {
        let (run, which) = reference.split_once(':').unwrap_or((reference, "failed"));
        let record = self.find(run)?;
        let wanted = |counts: &Counts| match which {
            "failed" => counts.failed > 0 || counts.unreachable > 0,
            "unreachable" => counts.unreachable > 0,
            "changed" => counts.changed > 0,
            _ => true,
        };
        Some(record.hosts.into_iter().filter(|(_, counts)| wanted(counts)).map(|(host, _)| host).collect())
    }
}
