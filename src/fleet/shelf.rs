//! Puts files that hosts send where the compiler has said they go.
//!
//! Invariants: the path comes from the [`Deposit`] alone. Below its root no link is followed, and nothing is there until it
//! is complete and has the digest it was offered under. In a plan nothing is written.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use sha2::Digest as _;

use crate::agent::Shelved;
use crate::compile::{Deposit, Deposits};
use crate::machine::hex;

/// A host that offers more is not believed.
const MAX_SIZE: u64 = 64 * 1024 * 1024 * 1024;

/// The files one host is sending.
pub struct Shelf<'a> {
    deposits: &'a Deposits,
    host: &'a str,
    plan: bool,
    open: HashMap<String, Incoming>,
}

/// A file that was offered and is wanted.
struct Incoming {
    deposit: Deposit,
    sha256: String,
    left: u64,
    hasher: sha2::Sha256,
    staged: Option<Staged>,
}

impl<'a> Shelf<'a> {
    /// A shelf for a host; in a plan it only says what it would take.
    pub fn new(deposits: &'a Deposits, host: &'a str, plan: bool) -> Self {
        Self { deposits, host, plan, open: HashMap::new() }
    }

    /// A host offers a file.
    pub fn offer(&mut self, token: &str, sha256: &str, size: u64) -> Shelved {
        let Some(deposit) = self.deposits.find(token, self.host) else {
            return Shelved::Refused("nobody has asked for this file".into());
        };
        if size > MAX_SIZE {
            return Shelved::Refused(format!("a file of {size} bytes is larger than cfg takes"));
        }
        match digest_of(&deposit) {
            Ok(Some(digest)) if digest == sha256 => return Shelved::Same,
            Ok(_) => {}
            Err(error) => return Shelved::Refused(failed(&deposit, error)),
        }
        let incoming =
            Incoming { deposit, sha256: sha256.to_owned(), left: size, hasher: sha2::Sha256::new(), staged: None };
        self.open.insert(token.to_owned(), incoming);
        Shelved::Wanted
    }

    /// A host sends a part of a file it has offered. Gives the answer once it is over.
    pub fn part(&mut self, token: &str, bytes: &[u8], last: bool) -> Option<Shelved> {
        let Some(mut incoming) = self.open.remove(token) else {
            // What comes after a refusal is dropped.
            return last.then(|| Shelved::Refused("the file was not offered".into()));
        };
        if self.plan && !incoming.deposit.really {
            return Some(Shelved::Refused("a plan writes nothing".into()));
        }
        match incoming.take(bytes, last) {
            Ok(true) => Some(Shelved::Stored),
            Ok(false) => {
                self.open.insert(token.to_owned(), incoming);
                None
            }
            Err(message) => Some(Shelved::Refused(message)),
        }
    }
}

impl Incoming {
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<bool, String> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or("more came than was offered")?;
        self.hasher.update(bytes);
        if self.staged.is_none() {
            self.staged = Some(Staged::new(&self.deposit).map_err(|error| failed(&self.deposit, error))?);
        }
        let Some(staged) = &mut self.staged else { return Ok(false) };
        staged.file.write_all(bytes).map_err(|error| failed(&self.deposit, error))?;
        if !last {
            return Ok(false);
        }
        let digest = hex(&std::mem::take(&mut self.hasher).finalize());
        if self.left > 0 || digest != self.sha256 {
            return Err(
                "what arrived is not what was offered: the file changed while it was read, or was damaged".into()
            );
        }
        staged.take_place().map_err(|error| failed(&self.deposit, error))?;
        Ok(true)
    }
}

fn failed(deposit: &Deposit, error: impl Into<std::io::Error>) -> String {
    let error: std::io::Error = error.into();
    format!("cannot write {} on the controller: {error}", crate::source::display_path(&deposit.path()))
}

/// The directory of the file, reached name by name from its root. Where `make` does not hold, `None`: it is not there.
fn directory(deposit: &Deposit, make: bool) -> Result<Option<OwnedFd>, std::io::Error> {
    if make {
        std::fs::create_dir_all(&deposit.root)?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir = match rustix::fs::open(&deposit.root, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    let above = deposit.below.split_last().map(|(_, above)| above).unwrap_or_default();
    for name in above {
        if make {
            match rustix::fs::mkdirat(&dir, name.as_str(), Mode::from_raw_mode(0o755)) {
                Err(error) if error != Errno::EXIST => return Err(error.into()),
                _ => {}
            }
        }
        dir = match rustix::fs::openat(&dir, name.as_str(), flags | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
    }
    Ok(Some(dir))
}

fn name(deposit: &Deposit) -> &str {
    deposit.below.last().map_or("", String::as_str)
}

/// The digest of the file that is there. A link, or anything else that is no file, has none.
fn digest_of(deposit: &Deposit) -> Result<Option<String>, std::io::Error> {
    let Some(dir) = directory(deposit, false)? else { return Ok(None) };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::openat(&dir, name(deposit), flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        other => std::fs::File::from(other?),
    };
    if file.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    let mut reader = file.take(MAX_SIZE);
    crate::machine::Algorithm::Sha256.digest(&mut reader).map(Some)
}

/// A file beside its destination, removed again unless it takes the place.
struct Staged {
    dir: OwnedFd,
    temporary: String,
    name: String,
    file: std::fs::File,
    armed: bool,
}

impl Staged {
    fn new(deposit: &Deposit) -> Result<Self, std::io::Error> {
        use std::hash::{BuildHasher as _, RandomState};
        let dir = directory(deposit, true)?.ok_or(std::io::ErrorKind::NotFound)?;
        let temporary = format!(".cfg-{:016x}", RandomState::new().hash_one(name(deposit)));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // What is fetched may be secret: it is for its owner, unless somebody says otherwise.
        let file = rustix::fs::openat(&dir, temporary.as_str(), flags, Mode::from_raw_mode(0o600))?;
        Ok(Self { dir, temporary, name: name(deposit).to_owned(), file: file.into(), armed: true })
    }

    fn take_place(&mut self) -> Result<(), std::io::Error> {
        // A file that is replaced keeps its mode.
        let old = rustix::fs::statat(&self.dir, self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW).ok();
        let is_file = |stat: &rustix::fs::Stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
        if let Some(stat) = old.filter(is_file) {
            rustix::fs::fchmod(&self.file, Mode::from_raw_mode(stat.st_mode & 0o777))?;
        }
        self.file.sync_all()?;
        rustix::fs::renameat(&self.dir, self.temporary.as_str(), &self.dir, self.name.as_str())?;
        self.armed = false;
        rustix::fs::fsync(&self.dir)?;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.armed {
            let _ = rustix::fs::unlinkat(&self.dir, self.temporary.as_str(), AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::machine::Algorithm;

    fn deposits(root: &Path, below: &[&str]) -> (Deposits, String) {
        let deposits = Deposits::default();
        let below = below.iter().map(|name| (*name).to_owned()).collect();
        let token = deposits.add(Deposit { host: "web".into(), root: root.into(), below, really: false });
        (deposits, token)
    }

    fn send(shelf: &mut Shelf<'_>, token: &str, parts: &[&str]) -> Vec<Shelved> {
        let whole = parts.concat();
        let offered = shelf.offer(token, &Algorithm::Sha256.of(whole.as_bytes()), whole.len() as u64);
        let mut answers = vec![offered];
        for (i, part) in parts.iter().enumerate() {
            answers.extend(shelf.part(token, part.as_bytes(), i + 1 == parts.len()));
        }
        answers
    }

    #[test]
    fn files_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let (deposits, token) = deposits(&dir.path().join("out"), &["web", "etc", "f"]);
        let mut shelf = Shelf::new(&deposits, "web", false);
        assert_eq!(send(&mut shelf, &token, &["he", "llo"]), [Shelved::Wanted, Shelved::Stored]);
        let path = dir.path().join("out/web/etc/f");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hello");
        assert_eq!(shelf.offer(&token, &Algorithm::Sha256.of(b"hello"), 5), Shelved::Same);
        assert_eq!(send(&mut shelf, &token, &[""]), [Shelved::Wanted, Shelved::Stored]);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_hostile_host_gets_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        let root = dir.path().join("out");
        std::fs::create_dir_all(root.join("web")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("web/etc")).unwrap();
        let (deposits, token) = deposits(&root, &["web", "etc", "f"]);
        let refused = |answer: &Shelved| matches!(answer, Shelved::Refused(_));
        // A link below the root.
        assert!(refused(&Shelf::new(&deposits, "web", false).offer(&token, "x", 1)));
        std::fs::remove_file(root.join("web/etc")).unwrap();
        // Another host's token, none at all, a part without an offer, a file that is too large.
        assert!(refused(&Shelf::new(&deposits, "db", false).offer(&token, "x", 1)));
        let mut shelf = Shelf::new(&deposits, "web", false);
        assert!(refused(&shelf.offer("none", "x", 1)));
        assert!(refused(&shelf.offer(&token, "x", u64::MAX)));
        assert!(refused(&shelf.part(&token, b"x", true).unwrap()));
        // More than was offered, and something else than was offered.
        assert_eq!(shelf.offer(&token, "x", 1), Shelved::Wanted);
        assert!(refused(&shelf.part(&token, b"xy", false).unwrap()));
        assert_eq!(shelf.offer(&token, "x", 1), Shelved::Wanted);
        assert!(refused(&shelf.part(&token, b"x", true).unwrap()));
        // A plan.
        let mut plan = Shelf::new(&deposits, "web", true);
        assert!(send(&mut plan, &token, &["hello"]).iter().any(refused));
        assert!(!root.join("web/etc/f").exists());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        // A link in the place of the file is replaced, not followed.
        std::os::unix::fs::symlink(outside.join("f"), root.join("web/etc/f")).unwrap();
        assert_eq!(send(&mut shelf, &token, &["hello"]), [Shelved::Wanted, Shelved::Stored]);
        assert!(!outside.join("f").exists());
        assert!(root.join("web/etc/f").symlink_metadata().unwrap().is_file());
    }
}
