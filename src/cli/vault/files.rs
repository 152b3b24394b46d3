//! Where `cfg vault` reads and writes: files, standard input and output.
//!
//! A file is replaced as a whole: a new one beside it, with the mode and owner of the old, takes its name. Nobody ever sees
//! half of one, and a full disk leaves the old one.

use std::fmt;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::error::CliError;
use crate::secret::is_vault;
use crate::source::display_path;

/// A file, or standard input and output.
#[derive(Clone, Debug)]
pub enum Place {
    Standard,
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("standard input"),
            Self::File(path) => f.write_str(&display_path(path)),
        }
    }
}

impl Place {
    /// `-` stands for standard input and output.
    pub fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::Standard } else { Self::File(path.to_path_buf()) }
    }

    /// Everything there.
    pub fn read(&self) -> Result<Vec<u8>, CliError> {
        let mut bytes = Vec::new();
        let read = match self {
            Self::File(path) => std::fs::read(path),
            Self::Standard => {
                if std::io::stdin().is_terminal() {
                    crate::cli::note("reading standard input; Ctrl-D ends it");
                }
                std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
            }
        };
        read.map_err(|e| CliError::Message(format!("cannot read {self}: {}", reason(&e)), None))
    }

    /// The text of a vault.
    pub fn read_vault(&self) -> Result<String, CliError> {
        let bytes = self.read()?;
        if !is_vault(&bytes) {
            return Err(CliError::new(
                format!("{self} is not encrypted"),
                "a vault starts with `$ANSIBLE_VAULT;`; `cfg vault encrypt` makes one",
            ));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Replaces what is there.
    pub fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        let written = match self {
            Self::File(path) => replace(path, bytes),
            Self::Standard => {
                let mut out = std::io::stdout().lock();
                match out.write_all(bytes).and_then(|()| out.flush()) {
                    Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                    result => result,
                }
            }
        };
        let place = match self {
            Self::Standard => "standard output".to_owned(),
            Self::File(_) => self.to_string(),
        };
        written.map_err(|e| CliError::Message(format!("cannot write {place}: {}", reason(&e)), None))
    }
}

/// Says early that a file cannot be made, before anybody has typed its content.
pub fn check_parent(path: &Path) -> Result<(), CliError> {
    let parent = parent(path);
    if parent.is_dir() {
        return Ok(());
    }
    Err(CliError::new(format!("there is no directory {}", display_path(parent)), "make it first"))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A link stays a link: what it points to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let old = path.metadata().ok();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = parent(&path).join(format!(".{name}.cfg-{}", std::process::id()));
    let result = write_new(&temporary, bytes, old.as_ref()).and_then(|()| std::fs::rename(&temporary, &path));
    if result.is_err() {
        let _ = std::fs::remove_file(&temporary);
        return result;
    }
    std::fs::File::open(parent(&path)).and_then(|dir| dir.sync_all()).or(Ok(()))
}

fn write_new(path: &Path, bytes: &[u8], old: Option<&std::fs::Metadata>) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if let Some(old) = old {
        // Only root may give files away; for others the owner is the same anyway.
        let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        file.set_permissions(std::fs::Permissions::from_mode(old.mode() & 0o7777))?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a"), dir.path().join("link"));
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        replace(&file, b"one").unwrap();
        assert_eq!(mode(&file), 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"two").unwrap();
        assert_eq!((mode(&file), std::fs::read(&file).unwrap()), (0o640, b"two".to_vec()));
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
    }
}
