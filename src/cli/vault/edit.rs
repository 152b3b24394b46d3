//! Plain text for an editor, never on a disk.
//!
//! An editor wants a file. Two kinds are not on a disk:
//!
//! * **A file in a tmpfs**, in a directory of its own that only we may enter. It works with every editor: those that save by
//!   renaming, and those that leave swap and backup files beside it, for all of that lands in the same directory. Such a
//!   directory is removed in every case we live to see: an editor that fails, a mistake of ours, SIGINT, SIGTERM, SIGHUP. After
//!   a SIGKILL it stays, in memory and private, until the next `cfg vault edit` sweeps it up or the machine restarts.
//! * **A memfd**, opened as `/proc/PID/fd/N`. Nothing can be left behind, but only editors that write in place can save to it
//!   (nano, ed, micro): one that renames makes a file of that name somewhere else, or nothing, and vi takes the link for its
//!   target, which does not exist.
//!
//! So the tmpfs is what is used, `$XDG_RUNTIME_DIR` before `/dev/shm`; the memfd where neither is one, and then cfg says what it
//! asks of the editor.

use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::error::CliError;

const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6;
const PREFIX: &str = "cfg-vault-";

/// Lets a person edit bytes; gives what they made of them. `name` is what the editor is to call it.
pub fn edit(name: &Path, plain: &[u8]) -> Result<Vec<u8>, CliError> {
    let text = |e: std::io::Error| CliError::Message(format!("cannot edit: {e}"), None);
    let place = [std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), Some(PathBuf::from("/dev/shm"))]
        .into_iter()
        .flatten()
        .find(|dir| in_memory(dir));
    match place {
        Some(place) => {
            sweep(&place);
            let private = Private::new(&place).map_err(text)?;
            let file = private.0.join(name.file_name().unwrap_or_else(|| "vault".as_ref()));
            write_private(&file, plain).map_err(text)?;
            run_editor(&file)?;
            std::fs::read(&file).map_err(text)
        }
        None => edit_memfd(plain),
    }
}

/// Says whether what is written below a directory stays in memory.
fn in_memory(dir: &Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|fs| matches!(fs.f_type, TMPFS | RAMFS))
        && rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

/// A directory that is gone when this is.
struct Private(PathBuf);

impl Private {
    fn new(place: &Path) -> std::io::Result<Self> {
        for attempt in 0..100 {
            let path = place.join(format!("{PREFIX}{}-{attempt}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                result => return result.map(|()| Self(path)),
            }
        }
        Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes what a cfg that was killed has left: directories of ours whose process is gone.
fn sweep(place: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        let ours = entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == own);
        if let (Some(process), true) = (process, ours)
            && !Path::new("/proc").join(process.to_string()).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

fn edit_memfd(plain: &[u8]) -> Result<Vec<u8>, CliError> {
    use std::io::{Read as _, Seek as _, Write as _};
    let failed = |e: std::io::Error| CliError::Message(format!("cannot edit: {e}"), None);
    let memory =
        rustix::fs::memfd_create("cfg-vault", rustix::fs::MemfdFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
    let mut memory = std::fs::File::from(memory);
    memory.write_all(plain).map_err(failed)?;
    crate::cli::note(
        "neither $XDG_RUNTIME_DIR nor /dev/shm is in memory: the editor gets a file that has no name, and has to save in \
         place, as nano does; vi cannot",
    );
    run_editor(&PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd())))?;
    let mut new = Vec::new();
    memory.rewind().map_err(failed)?;
    memory.read_to_end(&mut new).map_err(failed)?;
    Ok(new)
}

/// Runs the editor and waits for it. Signals that would end cfg end the editor's turn instead, so that the file is removed.
fn run_editor(file: &Path) -> Result<(), CliError> {
    let chosen = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()));
    let chosen = chosen.unwrap_or_else(|| "vi".to_owned());
    let words: Vec<String> = crate::parse::split_pairs(&chosen)
        .into_iter()
        .map(|(_, word)| word.trim_matches(['"', '\'']).to_owned())
        .collect();
    let (program, arguments) = words.split_first().ok_or_else(|| no_editor(&chosen, "it is empty"))?;
    let failed = |e: std::io::Error| CliError::Message(format!("cannot wait for the editor: {e}"), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let status = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        // Ctrl-C at the terminal is the editor's: it gets it too, and decides.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut child = tokio::process::Command::new(program).args(arguments).arg(file).kill_on_drop(true).spawn()?;
        loop {
            tokio::select! {
                status = child.wait() => return status.map(Some),
                _ = interrupt.recv() => {}
                _ = terminate.recv() => break,
                _ = hangup.recv() => break,
            }
        }
        child.kill().await.map(|()| None)
    });
    match status {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => {
            Err(CliError::new(format!("the editor `{chosen}` ended with {status}"), "nothing was changed"))
        }
        Ok(None) => Err(CliError::new("cfg was told to stop while the editor was open", "nothing was changed")),
        Err(error) => Err(no_editor(&chosen, error.to_string().split(" (os error").next().unwrap_or_default())),
    }
}

fn no_editor(chosen: &str, why: &str) -> CliError {
    CliError::new(format!("cannot run the editor `{chosen}`: {why}"), "set VISUAL or EDITOR to one that is installed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_swept_up_and_the_rest_stays() {
        let place = tempfile::tempdir().unwrap();
        // No process has this number: it is above the largest Linux gives.
        let (dead, alive) = (place.path().join("cfg-vault-4194399-0"), Private::new(place.path()).unwrap());
        let other = place.path().join("other");
        for dir in [&dead, &other] {
            std::fs::create_dir(dir).unwrap();
        }
        sweep(place.path());
        assert!(!dead.exists() && alive.0.exists() && other.exists());
        assert_eq!(alive.0.metadata().unwrap().mode() & 0o777, 0o700);
        let path = alive.0.clone();
        drop(alive);
        assert!(!path.exists());
    }
}
