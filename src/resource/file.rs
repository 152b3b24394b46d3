//! `file`: files, directories, links and their attributes.

use std::path::{Path, PathBuf};

use super::attrs::Wanted;
use super::params::params;
use super::paths::Target;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, file_diff};
use crate::machine::{Attrs, Content, FileKind, FileTime, Key, Machine, Stat, Written};
use crate::value::{Map, Value};

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
        /// Time of modification: `preserve`, `now`, a time in `modification_time_format` or seconds since the epoch.
        /// `touch` sets `now` by default.
        modification_time: Option<String>;
        /// How `modification_time` is written.
        modification_time_format: String = "%Y%m%d%H%M.%S";
        /// Time of access, as `modification_time`.
        access_time: Option<String>;
        /// How `access_time` is written.
        access_time_format: String = "%Y%m%d%H%M.%S";
        /// Only say whether the file looks binary.
        diff_peek: bool = false, named "_diff_peek";
    }
}

/// As much of a file as says whether it is binary.
const PEEKED: u64 = 8192;

impl File {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        match self.state {
            Some(state) if self.recurse && state != State::Directory => {
                Err(ParamError::conflict("`recurse` needs `state: directory`"))
            }
            state if self.src.is_some() && !matches!(state, Some(State::Link | State::Hard)) => {
                Err(ParamError::conflict("src option requires state to be 'link' or 'hard'"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted { mode: self.mode.clone(), owner: self.owner.clone(), group: self.group.clone() }
    }

    fn state(&self, stat: Option<&Stat>) -> State {
        self.state.unwrap_or(match stat {
            _ if self.recurse => State::Directory,
            Some(Stat { kind: FileKind::Dir, .. }) => State::Directory,
            _ => State::File,
        })
    }

    /// The path that is meant: within a directory, a hard link has the name of its source.
    fn place(&self, machine: &dyn Machine) -> Result<PathBuf, Failure> {
        let name = self.src.as_deref().and_then(|src| Path::new(src).file_name());
        match name.filter(|_| self.state == Some(State::Hard)) {
            Some(name) if machine.stat(&self.path)?.is_some_and(|stat| stat.kind == FileKind::Dir) => {
                Ok(self.path.join(name))
            }
            _ => Ok(self.path.clone()),
        }
    }

    /// The path attributes are set on.
    pub(super) fn target(&self, machine: &dyn Machine, path: &Path) -> Result<PathBuf, Failure> {
        if !self.follow {
            return Ok(path.to_path_buf());
        }
        let real = machine.resolve(path)?;
        real.ok_or_else(|| Failure::new(format!("{}: too many levels of symbolic links", path.display())))
    }

    fn directory(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let target = self.target(machine, &self.path)?;
        match machine.lstat(&target)? {
            Some(stat) if stat.kind == FileKind::Dir => {}
            Some(stat) if stat.kind == FileKind::Link || !self.force => {
                return Err(Failure::new(format!("{} already exists as a {}", target.display(), word(Some(&stat)))));
            }
            found => {
                if found.is_some() {
                    machine.remove(&target)?;
                }
                self.make_dirs(machine, &target)?;
            }
        }
        self.attributes(machine, &target)?;
        if self.recurse { self.below(machine, &target, &mut Vec::new()) } else { Ok(()) }
    }

    /// Makes a directory and those above it that are missing; each of them gets the attributes, as in Ansible.
    fn make_dirs(&self, machine: &dyn Machine, path: &Path) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for dir in path.ancestors() {
            match machine.stat(dir)? {
                Some(stat) if stat.kind == FileKind::Dir => break,
                Some(_) => {
                    let message = format!(
                        "There was an issue creating {} as requested: {} is there and is not a directory",
                        path.display(),
                        dir.display()
                    );
                    return Err(Failure::new(message));
                }
                None => missing.push(dir),
            }
        }
        let wanted = self.wanted().resolve(machine, 0o755, true)?;
        for dir in missing.into_iter().rev() {
            machine.make_dir(dir, &wanted)?;
        }
        Ok(())
    }

    pub(super) fn attributes(&self, machine: &dyn Machine, path: &Path) -> Result<(), Failure> {
        let stat = machine.lstat(path)?;
        let stat = stat.ok_or_else(|| Failure::new(format!("{} is not there", path.display())))?;
        self.wanted().apply(machine, path, &stat)?;
        self.times(machine, path, &stat, None)
    }

    /// Attributes of everything in a directory, and with `follow` of what its links point to.
    fn below(&self, machine: &dyn Machine, dir: &Path, seen: &mut Vec<PathBuf>) -> Result<(), Failure> {
        seen.push(dir.to_path_buf());
        for name in machine.list(dir)? {
            let path = dir.join(name);
            let Some(stat) = machine.lstat(&path)? else { continue };
            self.wanted().apply(machine, &path, &stat)?;
            let (real, stat) = match stat.kind {
                FileKind::Link if self.follow => match (machine.resolve(&path)?, machine.stat(&path)?) {
                    (Some(real), Some(stat)) => (real, stat),
                    _ => continue,
                },
                _ => (path, stat),
            };
            self.wanted().apply(machine, &real, &stat)?;
            // A link may lead back up.
            if stat.kind == FileKind::Dir && !seen.contains(&real) {
                self.below(machine, &real, seen)?;
            }
        }
        Ok(())
    }

    fn touch(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let target = self.target(machine, &self.path)?;
        let Some(old) = machine.lstat(&target)? else {
            let attrs = self.wanted().resolve(machine, 0o644, false)?;
            machine.write(&target, &Content::bytes(*b""), &attrs, &Written::default())?;
            return match machine.lstat(&target)? {
                Some(new) => self.times(machine, &target, &new, None),
                None => Ok(()),
            };
        };
        self.wanted().apply(machine, &target, &old)?;
        self.times(machine, &target, &old, Some(FileTime::Now))
    }

    /// Sets the times that differ. What the task does not say is `default`, or stays.
    fn times(&self, machine: &dyn Machine, path: &Path, stat: &Stat, default: Option<FileTime>) -> Result<(), Failure> {
        let accessed = time(self.access_time.as_deref(), &self.access_time_format, default)?;
        let modified = time(self.modification_time.as_deref(), &self.modification_time_format, default)?;
        let accessed = accessed.filter(|time| *time != FileTime::At(stat.atime));
        let modified = modified.filter(|time| *time != FileTime::At(stat.mtime));
        if accessed.is_some() || modified.is_some() {
            machine.set_times(path, accessed, modified)?;
        }
        Ok(())
    }

    /// Whatever is there, with these attributes.
    fn existing(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let target = self.target(machine, &self.path)?;
        let stat = machine.lstat(&target)?;
        let is_dir = stat.as_ref().is_some_and(|stat| stat.kind == FileKind::Dir);
        if stat.is_none() || is_dir && self.state == Some(State::File) {
            let verb = if is_dir { "directory" } else { "absent" };
            let mut failure = Failure::new(format!("file ({}) is {verb}, cannot continue", self.path.display()));
            failure.result.insert("state".into(), Value::str(verb));
            return Err(failure);
        }
        self.attributes(machine, &target)
    }

    fn bring_about(&self, machine: &dyn Machine, path: &Path, state: State) -> Result<(), Failure> {
        match state {
            State::Absent => match machine.lstat(path)? {
                Some(_) => Ok(machine.remove(path)?),
                None => Ok(()),
            },
            State::Directory => self.directory(machine),
            State::Touch => self.touch(machine),
            State::Link => self.link(machine),
            State::Hard => self.hard(machine, path),
            State::File => self.existing(machine),
        }
    }

    /// What `check_mode` says, as in Ansible, of owners that are not there yet.
    fn strangers(&self, machine: &dyn Machine) -> Result<Vec<String>, Failure> {
        let key = |name: &str| name.parse().map_or_else(|_| Key::Name(name.to_owned()), Key::Id);
        let said = |kind: &str, id: &str, name: &str| {
            let what = if name.parse::<u32>().is_ok() { format!("with {id} {name}") } else { name.to_owned() };
            format!("failed to look up {kind} {what}. Create {kind} up to this point in real play")
        };
        let mut warnings = Vec::new();
        if let Some(owner) = self.owner.as_deref().filter(|owner| machine.user(&key(owner)).is_ok_and(|u| u.is_none()))
        {
            warnings.push(said("user", "uid", owner));
        }
        if let Some(group) = self.group.as_deref().filter(|group| machine.group(&key(group)).is_ok_and(|g| g.is_none()))
        {
            warnings.push(said("group", "gid", group));
        }
        Ok(warnings)
    }

    fn failed(&self, mut failure: Failure, path: &Path) -> Failure {
        let shown = Value::str(path.to_string_lossy());
        failure.result.entry("path".into()).or_insert_with(|| shown.clone());
        failure.result.entry("dest".into()).or_insert(shown);
        if let Some(src) = &self.src {
            failure.result.insert("src".into(), Value::str(&**src));
        }
        failure
    }
}

/// A time as it is written: `preserve`, `now`, in a format, or seconds since the epoch.
fn time(text: Option<&str>, format: &str, default: Option<FileTime>) -> Result<Option<FileTime>, Failure> {
    match text {
        None => Ok(default),
        Some("preserve") => Ok(None),
        Some("now") => Ok(Some(FileTime::Now)),
        Some(text) => {
            let civil = jiff::civil::DateTime::strptime(format, text).ok();
            let zoned = civil.and_then(|civil| civil.to_zoned_datetime(jiff::tz::TimeZone::system()).ok());
            let seconds = zoned.map(|zoned| zoned.timestamp().as_second() as f64).or_else(|| text.parse().ok());
            let wrong =
                || Failure::new(format!("Error while obtaining timestamp for time {text} using format {format}"));
            seconds.map(|seconds| Some(FileTime::At(seconds))).ok_or_else(wrong)
        }
    }
}

impl Resource for File {
    fn footprint(&self) -> Footprint {
        let claim = match self.state {
            Some(State::Absent | State::Hard) => Claim::Tree(self.path.clone()),
            _ if self.recurse => Claim::Tree(self.path.clone()),
            _ => Claim::Path(self.path.clone()),
        };
        let mut footprint = Footprint::nothing().write(claim);
        if self.state == Some(State::Directory) {
            footprint = footprint.making_way_to(&self.path);
        }
        if let Some(src) = &self.src {
            let target = self.path.parent().unwrap_or(Path::new("/")).join(src);
            footprint = footprint.read(Claim::Path(target));
        }
        self.wanted().footprint(footprint)
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let path = self.place(machine)?;
        if self.diff_peek {
            let binary = machine.read_part(&path, 0, PEEKED)?.contains(&0);
            let peeked = [("path", Value::str(path.to_string_lossy())), ("appears_binary", Value::Bool(binary))];
            return Ok(Outcome::of(peeked).changed(false));
        }
        let state = self.state(machine.lstat(&path)?.as_ref());
        let before = context.diff.then(|| file_diff::look(machine, &path, state == State::Absent)).transpose()?;
        let warnings = if context.only_looks { self.strangers(machine)? } else { Vec::new() };
        let warn = |result: &mut Map| {
            if !warnings.is_empty() {
                result.insert("warnings".into(), Value::list(warnings.iter().map(Value::str)));
            }
        };
        self.bring_about(machine, &path, state).map_err(|failure| {
            let mut failure = self.failed(failure, &path);
            warn(&mut failure.result);
            failure
        })?;
        let mut outcome = result(machine, &path)?;
        warn(&mut outcome.result);
        if let Some(before) = before {
            let after = file_diff::look(machine, &path, false)?;
            outcome.result.insert("diff".into(), file_diff::difference(&path, &before, &after));
        }
        if let Some(src) = &self.src {
            outcome.result.insert("src".into(), Value::str(&**src));
        }
        Ok(outcome)
    }
}

/// What Ansible calls what is at a path.
pub(super) fn word(stat: Option<&Stat>) -> &'static str {
    match stat.map(|stat| (stat.kind, stat.links)) {
        None => "absent",
        Some((FileKind::Dir, _)) => "directory",
        Some((FileKind::Link, _)) => "link",
        Some((_, links)) if links > 1 => "hard",
        Some(_) => "file",
    }
}

/// The return values every type that makes files has.
pub(super) fn result(machine: &dyn Machine, path: &Path) -> Result<Outcome, Failure> {
    let shown = Value::str(path.to_string_lossy());
    let Some(stat) = machine.lstat(path)? else {
        return Ok(Outcome::of([("path", shown), ("state", Value::str("absent"))]));
    };
    let state = word(Some(&stat));
    let owner = machine.user(&crate::machine::Key::Id(stat.uid))?.map(|u| u.name);
    let group = machine.group(&crate::machine::Key::Id(stat.gid))?.map(|g| g.name);
    Ok(Outcome::of([
        ("path", shown.clone()),
        ("dest", shown),
        ("state", Value::str(state)),
        // With a zero in front whatever comes behind it, as Ansible has it.
        ("mode", Value::from(format!("0{:03o}", stat.mode))),
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
