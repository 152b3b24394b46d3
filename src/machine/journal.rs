//! The journal of changes: one line for each, written and synced before the change is made, with the before-image.
//!
//! A before-image of a file is a hard link to the old one where that is possible (files are replaced, never edited, so
//! the old inode keeps the old content), a copy otherwise.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rustix::fs::Access;

use super::{Fault, Identity, Result};

/// The journal of one run on one machine.
pub struct Journal {
    dir: PathBuf,
    uid: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    number: u32,
}

/// Where everybody may make a directory: for users who have no home, or one that is not theirs.
const SHARED: &str = "/var/tmp";

/// Where cfg keeps its state: `/var/lib/cfg` for root, the user's state directory otherwise.
pub fn state_dir(uid: u32, home: &Path) -> PathBuf {
    if uid == 0 {
        return PathBuf::from("/var/lib/cfg");
    }
    state_dir_in(Path::new(SHARED), uid, home)
}

/// `nobody` has no home, and that of `www-data` or `daemon` is not theirs to write in.
fn state_dir_in(shared: &Path, uid: u32, home: &Path) -> PathBuf {
    let own = home.join(".local/state/cfg");
    // The nearest directory that is there decides.
    let writable = own.ancestors().find(|dir| dir.is_dir()).is_some_and(|dir| {
        dir.starts_with(home) && rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    });
    if writable {
        return own;
    }
    // Somebody else may have taken the first name there.
    let further = (1..10).map(|i| format!("cfg-{uid}-{i}"));
    let mut names = std::iter::once(format!("cfg-{uid}")).chain(further).map(|name| shared.join(name));
    names.find(|dir| !is_there(dir) || is_own(dir, uid)).unwrap_or(own)
}

fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Says whether a directory is one in which nobody else can put anything.
fn is_own(dir: &Path, uid: u32) -> bool {
    std::fs::symlink_metadata(dir).is_ok_and(|stat| stat.is_dir() && stat.uid() == uid && stat.mode() & 0o022 == 0)
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
        Self { dir: identity.state.join("journal").join(name), uid: identity.uid, state: Mutex::default() }
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
            if !is_own(&self.dir, self.uid) {
                return Err(failed(std::io::Error::other("it belongs to somebody else")));
            }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn state_is_kept_where_nobody_else_can_put_anything() {
        let temporary = tempfile::tempdir().unwrap();
        let shared = temporary.path();
        let uid = rustix::process::geteuid().as_raw();
        let home = shared.join("home");
        std::fs::create_dir(&home).unwrap();
        assert_eq!(state_dir_in(shared, uid, &home), home.join(".local/state/cfg"));
        let gone = shared.join("gone/home");
        let named = |name: String| shared.join(name);
        assert_eq!(state_dir_in(shared, uid, &gone), named(format!("cfg-{uid}")));
        symlink(&home, named(format!("cfg-{uid}"))).unwrap();
        assert_eq!(state_dir_in(shared, uid, &gone), named(format!("cfg-{uid}-1")), "a link leads elsewhere");
        std::fs::create_dir(named(format!("cfg-{uid}-1"))).unwrap();
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(named(format!("cfg-{uid}-1")), open).unwrap();
        assert_eq!(state_dir_in(shared, uid, &gone), named(format!("cfg-{uid}-2")), "anybody could write there");
        std::fs::DirBuilder::new().mode(0o700).create(named(format!("cfg-{uid}-2"))).unwrap();
        assert_eq!(state_dir_in(shared, uid, &gone), named(format!("cfg-{uid}-2")), "it is the one of an earlier run");
    }
}
