//! The journal of changes: one line for each, written and synced before the change is made, with the before-image.
//!
//! A before-image of a file is a hard link to the old one where that is possible (files are replaced, never edited, so
//! the old inode keeps the old content), a copy otherwise.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use super::{Fault, Identity, Result};

/// The journal of one run on one machine.
pub struct Journal {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    number: u32,
}

/// Where cfg keeps its state: `/var/lib/cfg` for root, the user's state directory otherwise.
pub fn state_dir(identity: &Identity) -> PathBuf {
    if identity.uid == 0 {
        return PathBuf::from("/var/lib/cfg");
    }
    // `nobody` and its like have no home.
    if identity.home.is_dir() {
        identity.home.join(".local/state/cfg")
    } else {
        PathBuf::from(format!("/var/tmp/cfg-{}", identity.uid))
    }
}

/// Copies a file to where there is none: what is there may be a link to a file that lives.
fn copy_new(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut source = std::fs::File::open(from)?;
    let mut image = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    std::io::copy(&mut source, &mut image).map(drop)
}

impl Journal {
    /// The journal of the run `run`. Nothing is made on disk before the first change.
    pub fn new(identity: &Identity, run: &str) -> Self {
        // Two agents of a run may work on one machine, as with a task that is delegated to a host of the play.
        let name = format!("{run}-{}", std::process::id());
        Self { dir: state_dir(identity).join("journal").join(name), state: Mutex::default() }
    }

    /// Records a change of a file, keeping what is there now.
    pub fn before(&self, action: &str, path: &Path) -> Result<()> {
        let mut state = self.open()?;
        let image = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file).map(|_| {
            let name = format!("{:06}", state.number);
            let image = self.dir.join(&name);
            // `/proc` and other file systems cannot be linked to.
            std::fs::hard_link(path, &image).or_else(|_| copy_new(path, &image)).map(|()| name)
        });
        let image = image.transpose().map_err(|e| Fault::io(format!("journal {}", path.display()), &e))?;
        self.append(&mut state, action, &path.to_string_lossy(), image.as_deref())
    }

    /// Records a change that has no before-image.
    pub fn note(&self, action: &str, subject: &str) -> Result<()> {
        let mut state = self.open()?;
        self.append(&mut state, action, subject, None)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if state.file.is_none() {
            let failed = |e: std::io::Error| Fault::io(format!("write the journal in {}", self.dir.display()), &e);
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(failed)?;
            self.forget_old();
            let path = self.dir.join("journal.jsonl");
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(failed)?;
            state.file = Some(file);
        }
        Ok(state)
    }

    /// Keeps the journals of the last runs that changed something.
    fn forget_old(&self) {
        const KEEP: usize = 50;
        let entries =
            self.dir.parent().and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().filter_map(|e| e.ok());
        let mut runs: Vec<_> = entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
        runs.sort();
        for (_, path) in runs.iter().take(runs.len().saturating_sub(KEEP)) {
            let _ = std::fs::remove_dir_all(path);
        }
    }

    fn append(&self, state: &mut State, action: &str, subject: &str, image: Option<&str>) -> Result<()> {
        state.number += 1;
        let line = serde_json::json!({ "n": state.number, "action": action, "subject": subject, "before": image });
        let Some(file) = &mut state.file else { return Ok(()) };
        writeln!(file, "{line}")
            .and_then(|()| file.sync_data())
            .map_err(|e| Fault::io(format!("write the journal in {}", self.dir.display()), &e))
    }
}
