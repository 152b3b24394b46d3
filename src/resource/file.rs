//! `file`: files, directories, links and their attributes.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::attrs::Wanted;
use super::params::params;
use super::paths::Target;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource};
use crate::machine::{Attrs, Content, FileKind, Machine, Stat, Written};
use crate::value::Value;

choices! {
    /// What is wanted at a path.
    pub enum State {
        /// Nothing.
        Absent = "absent",
        /// A directory, with those above it.
        Directory = "directory",
        /// Whatever is there, with these attributes; an error where nothing is.
        File = "file",
        /// A hard link.
        Hard = "hard",
        /// A symbolic link.
        Link = "link",
        /// A file, empty where it was not there; its times are set.
        Touch = "touch",
    }
}

params! {
    /// Manages files, directories, links and their attributes.
    ///
    /// # Example
    /// ```yaml
    /// - file: { path: /srv/app, state: directory, owner: root, mode: "0755" }
    /// ```
    pub struct File {
        /// The path.
        path: PathBuf, required, alias "dest" "name";
        /// What is wanted there. The default is `file` where something is there or a mode, owner or group is set only;
        /// `directory` with `recurse`.
        state: Option<State>;
        /// Mode, octal in quotes or symbolic.
        mode: Option<Mode>;
        /// Owner.
        owner: Option<String>;
        /// Group.
        group: Option<String>;
        /// Where a link points.
        src: Option<Target>;
        /// Set attributes of everything below a directory too.
        recurse: bool = false;
        /// Replace what is there by a link; make a link whose target is not there.
        force: bool = false;
        /// Set attributes of what a link points to rather than of the link.
        follow: bool = true;
        /// Time of modification: `preserve`, `now` or seconds since the epoch. `touch` sets `now` by default.
        modification_time: Option<String>;
        /// Time of access, as `modification_time`.
        access_time: Option<String>;
    }
}

impl File {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        match self.state {
            Some(State::Link | State::Hard) if self.src.is_none() => {
                Err(ParamError::conflict("`state: link` and `state: hard` need `src`, where the link points"))
            }
            Some(state) if self.recurse && state != State::Directory => {
                Err(ParamError::conflict("`recurse` needs `state: directory`"))
            }
            _ => Ok(()),
        }
    }

    fn wanted(&self) -> Wanted {
        Wanted { mode: self.mode.clone(), owner: self.owner.clone(), group: self.group.clone() }
    }

    fn state(&self, stat: Option<&Stat>) -> State {
        self.state.unwrap_or(match stat {
            _ if self.recurse => State::Directory,
            Some(Stat { kind: FileKind::Dir, .. }) => State::Directory,
            _ => State::File,
        })
    }

    /// The path attributes are set on.
    fn target(&self, machine: &dyn Machine) -> Result<PathBuf, Failure> {
        if !self.follow {
            return Ok(self.path.clone());
        }
        let real = machine.resolve(&self.path)?;
        real.ok_or_else(|| Failure::new(format!("{}: too many levels of symbolic links", self.path.display())))
    }

    fn directory(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let target = self.target(machine)?;
        match machine.lstat(&target)? {
            Some(stat) if stat.kind == FileKind::Dir => {}
            Some(_) if !self.force => {
                return Err(Failure::new(format!("{} is there and is not a directory", target.display())));
            }
            found => {
                if found.is_some() {
                    machine.remove(&target)?;
                }
                self.make_dirs(machine, &target)?;
            }
        }
        self.attributes(machine, &target)?;
        if self.recurse { self.below(machine, &target) } else { Ok(()) }
    }

    /// Makes a directory and those above it that are missing; each of them gets the attributes, as in Ansible.
    fn make_dirs(&self, machine: &dyn Machine, path: &Path) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for dir in path.ancestors() {
            match machine.stat(dir)? {
                Some(stat) if stat.kind == FileKind::Dir => break,
                Some(_) => return Err(Failure::new(format!("{} is there and is not a directory", dir.display()))),
                None => missing.push(dir),
            }
        }
        let wanted = self.wanted().resolve(machine, 0o755, true)?;
        for dir in missing.into_iter().rev() {
            machine.make_dir(dir, &wanted)?;
        }
        Ok(())
    }

    fn attributes(&self, machine: &dyn Machine, path: &Path) -> Result<(), Failure> {
        let stat = machine.lstat(path)?;
        let stat = stat.ok_or_else(|| Failure::new(format!("{} is not there", path.display())))?;
        self.wanted().apply(machine, path, &stat)
    }

    fn below(&self, machine: &dyn Machine, dir: &Path) -> Result<(), Failure> {
        for name in machine.list(dir)? {
            let path = dir.join(name);
            let Some(stat) = machine.lstat(&path)? else { continue };
            self.wanted().apply(machine, &path, &stat)?;
            if stat.kind == FileKind::Dir {
                self.below(machine, &path)?;
            }
        }
        Ok(())
    }

    fn link(&self, machine: &dyn Machine, src: &Path) -> Result<(), Failure> {
        let there = machine.lstat(&self.path)?;
        let points_there =
            there.as_ref().is_some_and(|s| s.kind == FileKind::Link) && machine.read_link(&self.path)? == src;
        if points_there {
            return self.link_attributes(machine);
        }
        let target = self.path.parent().unwrap_or(Path::new("/")).join(src);
        if machine.stat(&target)?.is_none() && !self.force {
            let message = format!("{} does not exist; `force: true` makes the link all the same", target.display());
            return Err(Failure::new(message));
        }
        match there {
            Some(stat) if stat.kind == FileKind::Dir => self.make_room(machine, "a directory")?,
            Some(stat) if stat.kind != FileKind::Link && !self.force => {
                let message = format!("{} is there and is not a link; `force: true` replaces it", self.path.display());
                return Err(Failure::new(message));
            }
            _ => {}
        }
        machine.symlink(src, &self.path)?;
        self.link_attributes(machine)
    }

    /// A directory gives way to a link only with `force`, and only when it is empty.
    fn make_room(&self, machine: &dyn Machine, what: &str) -> Result<(), Failure> {
        if self.force && machine.list(&self.path)?.is_empty() {
            return Ok(machine.remove(&self.path)?);
        }
        let message = format!("{} is {what}; `force: true` replaces it where it is empty", self.path.display());
        Err(Failure::new(message))
    }

    fn link_attributes(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let target = self.target(machine)?;
        match machine.lstat(&target)? {
            Some(stat) => self.wanted().apply(machine, &target, &stat),
            None => Ok(()),
        }
    }

    fn hard(&self, machine: &dyn Machine, src: &Path) -> Result<(), Failure> {
        let source = machine.lstat(src)?.ok_or_else(|| Failure::new(format!("{} is not there", src.display())))?;
        match machine.lstat(&self.path)? {
            Some(stat) if (stat.inode, stat.device) == (source.inode, source.device) => {}
            Some(_) if !self.force => {
                let message = format!("{} is there; `force: true` replaces it", self.path.display());
                return Err(Failure::new(message));
            }
            _ => machine.hard_link(src, &self.path)?,
        }
        self.attributes(machine, &self.path)
    }

    fn touch(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let target = self.target(machine)?;
        let is_new = machine.lstat(&target)?.is_none();
        if is_new {
            let attrs = self.wanted().resolve(machine, 0o644, false)?;
            machine.write(&target, &Content::bytes(*b""), &attrs, &Written::default())?;
        } else {
            self.attributes(machine, &target)?;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        let accessed = self.time(self.access_time.as_deref(), Some(now))?;
        let modified = self.time(self.modification_time.as_deref(), Some(now))?;
        if !is_new && (accessed.is_some() || modified.is_some()) {
            machine.set_times(&target, accessed, modified)?;
        }
        Ok(())
    }

    fn time(&self, text: Option<&str>, default: Option<f64>) -> Result<Option<f64>, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        match text {
            None => Ok(default),
            Some("preserve") => Ok(None),
            Some("now") => Ok(Some(now)),
            Some(text) => text.parse().map(Some).map_err(|_| Failure::new(format!("`{text}` is not a time"))),
        }
    }
}

impl Resource for File {
    fn footprint(&self) -> Footprint {
        let claim = match self.state {
            Some(State::Absent) => Claim::Tree(self.path.clone()),
            _ if self.recurse => Claim::Tree(self.path.clone()),
            _ => Claim::Path(self.path.clone()),
        };
        let mut footprint = Footprint::nothing().write(claim);
        if let Some(src) = &self.src {
            let target = self.path.parent().unwrap_or(Path::new("/")).join(src);
            footprint = footprint.read(Claim::Path(target));
        }
        self.wanted().footprint(footprint)
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let stat = machine.lstat(&self.path)?;
        let state = self.state(stat.as_ref());
        match (state, &self.src) {
            (State::Absent, _) => {
                if stat.is_some() {
                    machine.remove(&self.path)?;
                }
            }
            (State::Directory, _) => self.directory(machine)?,
            (State::Touch, _) => self.touch(machine)?,
            (State::Link, Some(src)) => self.link(machine, src.as_ref())?,
            (State::Hard, Some(src)) => self.hard(machine, src.as_ref())?,
            _ => {
                let target = self.target(machine)?;
                match machine.lstat(&target)? {
                    Some(stat) if stat.kind == FileKind::Dir && self.state == Some(State::File) => {
                        return Err(Failure::new(format!("{} is a directory, not a file", target.display())));
                    }
                    _ => self.attributes(machine, &target)?,
                }
            }
        }
        result(machine, &self.path)
    }
}

/// The return values every type that makes files has.
pub(super) fn result(machine: &dyn Machine, path: &Path) -> Result<Outcome, Failure> {
    let shown = Value::str(path.to_string_lossy());
    let Some(stat) = machine.lstat(path)? else {
        return Ok(Outcome::of([("path", shown), ("state", Value::str("absent"))]));
    };
    let state = match stat.kind {
        FileKind::Dir => "directory",
        FileKind::Link => "link",
        _ if stat.links > 1 => "hard",
        _ => "file",
    };
    let owner = machine.user(&crate::machine::Key::Id(stat.uid))?.map(|u| u.name);
    let group = machine.group(&crate::machine::Key::Id(stat.gid))?.map(|g| g.name);
    Ok(Outcome::of([
        ("path", shown.clone()),
        ("dest", shown),
        ("state", Value::str(state)),
        ("mode", Value::from(format!("{:04o}", stat.mode))),
        ("uid", Value::from(stat.uid)),
        ("gid", Value::from(stat.gid)),
        ("owner", Value::from(owner.unwrap_or_else(|| stat.uid.to_string()))),
        ("group", Value::from(group.unwrap_or_else(|| stat.gid.to_string()))),
        ("size", Value::from(stat.size)),
    ]))
}

/// Sets what differs of attributes on a path that is there.
pub(super) fn set_differing(machine: &dyn Machine, path: &Path, wanted: &Attrs) -> Result<(), Failure> {
    if let Some(stat) = machine.lstat(path)? {
        let differing = super::attrs::differing(wanted, &stat);
        if differing != Attrs::default() {
            machine.set_attrs(path, &differing)?;
        }
    }
    Ok(())
}
