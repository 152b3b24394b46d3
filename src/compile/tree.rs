//! A directory of the controller, as a task that copies it takes it along: names, modes, digests.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::BlobStore;
use crate::secret::Vault;
use crate::value::Value;

/// So many files are no directory somebody means to copy.
const MAX_ENTRIES: usize = 50_000;

/// What is in a directory, each entry after the directory it is in.
pub struct Tree<'a> {
    blobs: &'a BlobStore,
    vault: Option<&'a Vault>,
    /// A file of it was in a vault.
    pub secret: bool,
    follow: bool,
    root: PathBuf,
    /// Mappings with `path` and one of `dir`, `link` and `sha256`.
    pub entries: Vec<Value>,
    /// The directories above, to see links that lead in circles.
    above: Vec<PathBuf>,
}

impl<'a> Tree<'a> {
    /// An empty one; with `follow`, a link counts as what it points to. With a vault, its files are decrypted.
    pub fn new(blobs: &'a BlobStore, follow: bool, vault: Option<&'a Vault>) -> Self {
        Self { blobs, vault, secret: false, follow, root: PathBuf::new(), entries: Vec::new(), above: Vec::new() }
    }

    /// Takes in a directory.
    ///
    /// # Errors
    /// In words, where something cannot be read or copied.
    pub fn walk(&mut self, root: &Path) -> Result<(), String> {
        root.clone_into(&mut self.root);
        self.directory(root)
    }

    fn directory(&mut self, dir: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot read {}: {error}", crate::source::display_path(dir));
        let real = dir.canonicalize().map_err(failed)?;
        let found = std::fs::read_dir(dir).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let mut paths: Vec<PathBuf> = found.into_iter().map(|entry| entry.path()).collect();
        // Files come before what is further down.
        paths.sort_by_key(|path| (path.is_dir(), path.clone()));
        self.above.push(real);
        let walked = paths.iter().try_for_each(|path| self.entry(path));
        self.above.pop();
        walked
    }

    /// What a path leads to. A link that leads nowhere or back up is copied as a link, as in Ansible.
    fn followed(&self, path: &Path) -> Option<std::fs::Metadata> {
        let meta = self.follow.then(|| path.metadata().ok()).flatten()?;
        let circle = meta.is_dir() && path.canonicalize().is_ok_and(|real| self.above.contains(&real));
        (!circle).then_some(meta)
    }

    fn entry(&mut self, path: &Path) -> Result<(), String> {
        let shown = crate::source::display_path(path);
        let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
        let relative = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let relative = relative.ok_or_else(|| format!("the name of {shown} is not UTF-8"))?.to_owned();
        if self.entries.len() >= MAX_ENTRIES {
            return Err(format!("there are more than {MAX_ENTRIES} files in {}", self.root.display()));
        }
        let meta = match self.followed(path) {
            Some(meta) => meta,
            None => path.symlink_metadata().map_err(failed)?,
        };
        let mode = ("mode", Value::from(meta.permissions().mode() & 0o7777));
        let path_of = ("path", Value::from(relative));
        if meta.is_symlink() {
            let target = path.read_link().map_err(failed)?;
            self.entries.push(Value::map([path_of, ("link", Value::str(target.to_string_lossy()))]));
            return Ok(());
        }
        if meta.is_dir() {
            self.entries.push(Value::map([path_of, mode, ("dir", Value::Bool(true))]));
            return self.directory(path);
        }
        if !meta.is_file() {
            return Err(format!("{shown} is neither a file, a directory nor a link"));
        }
        let digest = match self.vault.map_or(Ok(None), |vault| decrypted(vault, path))? {
            Some(text) => {
                self.secret = true;
                self.blobs.add_bytes(text.into_bytes())
            }
            None => self.blobs.add_file(path).map_err(failed)?.1,
        };
        self.entries.push(Value::map([path_of, mode, ("sha256", Value::from(digest))]));
        Ok(())
    }
}

/// The text of a file that is a vault; `None` where it is none.
///
/// # Errors
/// In words, where it cannot be read or decrypted.
pub fn decrypted(vault: &Vault, path: &Path) -> Result<Option<String>, String> {
    use std::io::Read as _;
    let shown = crate::source::display_path(path);
    let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let mut head = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(64).read_to_end(&mut head).map_err(failed)?;
    if !crate::secret::is_vault(&head) {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    vault.decrypt(&text).map(Some).map_err(|error| match error {
        crate::secret::VaultError::NoPassword => {
            let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
            let path = full.display();
            format!("cannot decrypt {shown}: A vault password or secret must be specified to decrypt {path}")
        }
        error => format!("cannot decrypt {shown}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("b/empty")).unwrap();
        std::fs::write(dir.path().join("a"), "x").unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("l")).unwrap();
        let blobs = BlobStore::default();
        let walked = |follow| {
            let mut tree = Tree::new(&blobs, follow, None);
            tree.walk(dir.path()).map(|()| tree.entries)
        };
        let paths =
            |entries: Vec<Value>| entries.iter().map(|e| e.get("path").unwrap().to_string()).collect::<Vec<_>>();
        assert_eq!(paths(walked(true).unwrap()), ["a", "l", "b", "b/empty"]);
        assert_eq!(walked(false).unwrap()[1].get("link"), Some(&Value::str("a")));
        assert!(walked(true).unwrap()[1].get("sha256").is_some());
        std::os::unix::fs::symlink("..", dir.path().join("b/up")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("b/void")).unwrap();
        for follow in [true, false] {
            let entries = walked(follow).unwrap();
            let link =
                |path: &str| entries.iter().find(|e| e.get("path") == Some(&Value::str(path))).unwrap().get("link");
            assert_eq!((link("b/up"), link("b/void")), (Some(&Value::str("..")), Some(&Value::str("nowhere"))));
        }
    }
}
