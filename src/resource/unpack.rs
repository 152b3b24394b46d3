//! Putting the entries of an archive in place, where they differ from what is there.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::archive::{Entry, Kind};
use super::attrs::{Wanted, differing};
use super::{Failure, file};
use crate::machine::{Algorithm, Attrs, Content, FileKind, FileTime, Key, Machine, Stat, Written};

/// An archive while it is unpacked.
pub(super) struct Unpack<'a> {
    machine: &'a dyn Machine,
    dest: &'a Path,
    wanted: Wanted,
    /// Only root gives files away and keeps set-id bits, as with tar.
    root: bool,
    keep_newer: bool,
    /// Directories that are known to be there and inside of the destination.
    seen: HashSet<PathBuf>,
    /// Numbers of users (`u`) and groups (`g`).
    ids: HashMap<(char, String), Option<u32>>,
    /// Directories with the attributes they get at the end, when no more is written into them.
    dirs: Vec<(PathBuf, Attrs)>,
    /// The names that were unpacked.
    pub files: Vec<String>,
}

impl<'a> Unpack<'a> {
    /// Starts to unpack into a directory.
    pub fn new(machine: &'a dyn Machine, dest: &'a Path, wanted: Wanted, keep_newer: bool) -> Result<Self, Failure> {
        Ok(Self {
            machine,
            dest,
            wanted,
            root: machine.identity()?.uid == 0,
            keep_newer,
            seen: HashSet::new(),
            ids: HashMap::new(),
            dirs: Vec::new(),
            files: Vec::new(),
        })
    }

    /// Unpacks one entry.
    pub fn entry(&mut self, entry: Entry) -> Result<(), Failure> {
        let path = self.dest.join(&entry.path);
        let slash = if entry.kind == Kind::Dir { "/" } else { "" };
        self.files.push(format!("{}{slash}", entry.path.display()));
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        let old = self.machine.lstat(&path)?;
        let newer = old.as_ref().zip(entry.modified).is_some_and(|(old, modified)| old.mtime > modified);
        if self.keep_newer && newer && entry.kind != Kind::Dir {
            return Ok(());
        }
        let attrs = self.attrs(&entry, old.as_ref())?;
        match entry.kind {
            Kind::Dir => {
                self.directory(&path)?;
                self.dirs.push((path, attrs));
                Ok(())
            }
            _ if old.as_ref().is_some_and(|old| old.kind == FileKind::Dir) => {
                Err(Failure::new(format!("{} is a directory, and something else in the archive", path.display())))
            }
            Kind::File(bytes) => self.file(&path, bytes, entry.modified, &attrs, old.as_ref()),
            Kind::Symlink(target) => {
                let same = old.as_ref().is_some_and(|old| old.kind == FileKind::Link);
                if !same || self.machine.read_link(&path)? != target {
                    self.machine.symlink(&target, &path)?;
                }
                file::set_differing(self.machine, &path, &Attrs { mode: None, ..attrs })
            }
            Kind::Hardlink(target) => self.hard_link(&path, &target, old.as_ref()),
        }
    }

    fn file(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        modified: Option<f64>,
        attrs: &Attrs,
        old: Option<&Stat>,
    ) -> Result<(), Failure> {
        let is_file = old.is_some_and(|old| old.kind == FileKind::File && old.size == bytes.len() as u64);
        if is_file && self.machine.digest(path, Algorithm::Sha256)? == Algorithm::Sha256.of(&bytes) {
            return file::set_differing(self.machine, path, attrs);
        }
        self.machine.write(path, &Content::bytes(bytes), attrs, &Written::default())?;
        if let Some(modified) = modified {
            self.machine.set_times(path, None, Some(FileTime::At(modified)))?;
        }
        Ok(())
    }

    fn hard_link(&mut self, path: &Path, target: &Path, old: Option<&Stat>) -> Result<(), Failure> {
        let target = self.dest.join(target);
        if let Some(parent) = target.parent() {
            self.directory(parent)?;
        }
        let source = self.machine.lstat(&target)?;
        let source = source
            .ok_or_else(|| Failure::new(format!("the archive links to {}, which is not there", target.display())))?;
        if old.is_some_and(|old| (old.inode, old.device) == (source.inode, source.device)) {
            return Ok(());
        }
        Ok(self.machine.hard_link(&target, path)?)
    }

    /// Sees to it that a directory is there. A link on the way must not lead out of the destination.
    fn directory(&mut self, dir: &Path) -> Result<(), Failure> {
        let Ok(below) = dir.strip_prefix(self.dest) else {
            return Err(Failure::new(format!("{} is outside of the destination", dir.display())));
        };
        if below.as_os_str().is_empty() || self.seen.contains(dir) {
            return Ok(());
        }
        if let Some(parent) = dir.parent() {
            self.directory(parent)?;
        }
        match self.machine.lstat(dir)? {
            None => self.machine.make_dir(dir, &Attrs { mode: Some(0o755), ..Attrs::default() })?,
            Some(stat) if stat.kind == FileKind::Dir => {}
            Some(stat) if stat.kind == FileKind::Link => {
                let real = self.machine.resolve(dir)?.unwrap_or_default();
                let hops = real.components().any(|part| part == std::path::Component::ParentDir);
                let is_dir = self.machine.lstat(&real)?.is_some_and(|stat| stat.kind == FileKind::Dir);
                if !real.starts_with(self.dest) || hops || !is_dir {
                    let message = format!("{} is a link that leads out of the destination", dir.display());
                    return Err(Failure::new(message));
                }
            }
            Some(_) => return Err(Failure::new(format!("{} is there and is not a directory", dir.display()))),
        }
        self.seen.insert(dir.to_path_buf());
        Ok(())
    }

    /// The attributes of an entry: those asked for, else those of the archive.
    fn attrs(&mut self, entry: &Entry, old: Option<&Stat>) -> Result<Attrs, Failure> {
        let is_dir = entry.kind == Kind::Dir;
        let mask = if self.root { 0o7777 } else { 0o755 };
        let stored = entry.mode.map(|mode| mode & mask);
        let base = stored.or(old.map(|old| old.mode)).unwrap_or(if is_dir { 0o755 } else { 0o644 });
        let asked = self.wanted.resolve(self.machine, base, is_dir)?;
        let machine = self.machine;
        let uid = entry.owner.as_ref().filter(|_| self.root).map(|(id, name)| {
            let find = || machine.user(&Key::Name(name.clone())).ok().flatten().map(|user| user.uid);
            self.ids.entry(('u', name.clone())).or_insert_with(find).unwrap_or(*id)
        });
        let gid = entry.group.as_ref().filter(|_| self.root).map(|(id, name)| {
            let find = || machine.group(&Key::Name(name.clone())).ok().flatten().map(|group| group.gid);
            self.ids.entry(('g', name.clone())).or_insert_with(find).unwrap_or(*id)
        });
        Ok(Attrs { mode: asked.mode.or(Some(base)), uid: asked.uid.or(uid), gid: asked.gid.or(gid) })
    }

    /// Gives the directories their attributes, the innermost first.
    pub fn finish(&mut self) -> Result<(), Failure> {
        for (path, attrs) in self.dirs.iter().rev() {
            let stat = self.machine.stat(path)?;
            let wanted = stat.map_or(*attrs, |stat| differing(attrs, &stat));
            if wanted != Attrs::default() && self.machine.lstat(path)?.is_some_and(|stat| stat.kind == FileKind::Dir) {
                self.machine.set_attrs(path, &wanted)?;
            }
        }
        Ok(())
    }
}
