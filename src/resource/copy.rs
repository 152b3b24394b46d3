//! `copy`: a file with this content.
//!
//! `copy` with `src` on the controller and `template` arrive here with their content: the compiler reads or renders the
//! source and gives `content`, or, where it is large, only its digest; the content follows if the target lacks it.

use std::path::{Path, PathBuf};

use super::attrs::Wanted;
use super::params::params;
use super::paths::{Place, Source};
use super::types::split;
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, copy_tree, file};
use crate::machine::{Algorithm, Attrs, Command, Content, FileKind, Machine, Written};
use crate::value::{Map, Value, bytes_of};

params! {
    /// Puts a file in place, with this content, owner, group and mode; or a directory of the controller with all it holds.
    ///
    /// # Example
    /// ```yaml
    /// - copy: { dest: /etc/motd, content: "Welcome\n", mode: "0644" }
    /// - copy: { src: site/, dest: /var/www/site, mode: "0644", directory_mode: "0755" }
    /// ```
    pub struct Copy {
        /// Where the file goes. With a trailing `/`, or where it is a directory, the name of `src` is added.
        dest: Place, required;
        /// The file to copy: in the role's or play's `files`, or with `remote_src` on the target. Of a directory with a
        /// trailing `/` the content is copied, without one the directory itself.
        src: Option<Source>;
        /// The content itself. A mapping or list is written as JSON.
        content: Option<String>;
        /// `src` is on the target.
        remote_src: bool = false;
        /// Mode, octal in quotes or symbolic, or `preserve`.
        mode: Option<Mode>;
        /// Mode of directories that are made.
        directory_mode: Option<Mode>;
        /// Owner.
        owner: Option<String>;
        /// Group.
        group: Option<String>;
        /// Replace a file whose content differs.
        force: bool = true, alias "thirsty";
        /// Keep a copy of the old file beside it.
        backup: bool = false;
        /// A command that checks the new file before it takes the place; `%s` in it stands for the file.
        validate: Option<String>;
        /// A file of the controller that is in a vault is decrypted.
        decrypt: bool = true;
        /// In a directory that is copied, copy what links point to rather than the links.
        local_follow: bool = true;
        /// Write through a link at the destination.
        follow: bool = false;
        /// The content is secret even where nothing else says so: nothing of it is shown.
        sensitive: bool = false;
        /// The digest of the content the file must have (SHA-1).
        checksum: Option<String>;
        /// (Set by the compiler.) The SHA-256 of content that did not travel with the task.
        content_sha256: Option<String>, named "_content_sha256";
        /// (Set by the compiler.) The name a directory destination gets.
        original_basename: Option<String>, named "_original_basename";
        /// (Set by the compiler.) The mode of the source on the controller.
        source_mode: Option<u32>, named "_source_mode";
        /// (Set by the compiler.) What is in a directory of the controller.
        tree: Option<Vec<Map>>, named "_tree";
    }
}

impl Copy {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        // The compiler has looked at these.
        let _ = self.decrypt;
        let given = [self.src.is_some() && self.content_sha256.is_none() && !self.has_name(), self.content.is_some()];
        match given.iter().filter(|g| **g).count() {
            2 => Err(ParamError::conflict("parameters are mutually exclusive: `src`, `content`")),
            1 if self.src.as_deref() == Some("") && self.content.is_none() => {
                Err(ParamError::bad("src", "src (or content) is required"))
            }
            0 if self.content_sha256.is_none() => Err(ParamError::conflict("src (or content) is required")),
            _ if !self.local_follow && self.tree.is_none() && !self.remote_src => {
                Err(ParamError::bad("local_follow", "it means something only where `src` is a directory"))
            }
            _ => Ok(()),
        }
    }

    fn has_name(&self) -> bool {
        self.original_basename.is_some()
    }

    pub(super) fn wanted(&self) -> Wanted {
        let mode = match (&self.mode, self.source_mode) {
            (Some(Mode::Preserve), Some(bits)) => Some(Mode::Bits(bits)),
            (mode, _) => mode.clone(),
        };
        Wanted { mode, owner: self.owner.clone(), group: self.group.clone() }
    }

    /// The path of the file, once directories and links at the destination are seen.
    fn destination(&self, machine: &dyn Machine) -> Result<PathBuf, Failure> {
        let dest = Path::new(&self.dest);
        let name = self
            .original_basename
            .as_deref()
            .or_else(|| self.src.as_deref().and_then(|src| Path::new(src).file_name()).and_then(|name| name.to_str()));
        let is_dir = self.dest.ends_with('/') || machine.stat(dest)?.is_some_and(|s| s.kind == FileKind::Dir);
        let path = match name {
            Some(name) if is_dir => dest.join(name),
            None if is_dir => {
                return Err(Failure::new(format!("can not use content with a dir as dest: {}", dest.display())));
            }
            _ => dest.to_path_buf(),
        };
        if self.follow {
            return Ok(machine.resolve(&path)?.unwrap_or(path));
        }
        Ok(path)
    }

    /// The digest of the content, without holding what did not travel.
    fn wanted_digest(&self, machine: &dyn Machine) -> Result<String, Failure> {
        match (&self.content_sha256, &self.content, &self.src) {
            (Some(digest), ..) => Ok(digest.clone()),
            (None, Some(content), _) => Ok(Algorithm::Sha256.of(&bytes_of(content))),
            (None, None, Some(src)) => Ok(machine.digest(&self.source(machine, src)?, Algorithm::Sha256)?),
            (None, None, None) => Err(Failure::new("src (or content) is required")),
        }
    }

    /// The directory of the target that is to be copied, if it is one.
    fn remote_directory(&self, machine: &dyn Machine) -> Result<Option<PathBuf>, Failure> {
        let Some(src) = self.src.as_deref().filter(|_| self.remote_src && self.content.is_none()) else {
            return Ok(None);
        };
        let is_dir = machine.stat(Path::new(src))?.is_some_and(|stat| stat.kind == FileKind::Dir);
        Ok(is_dir.then(|| PathBuf::from(src)))
    }

    fn source(&self, machine: &dyn Machine, src: &str) -> Result<PathBuf, Failure> {
        let path = PathBuf::from(src);
        match machine.stat(&path)? {
            Some(stat) if stat.kind == FileKind::Dir => Err(Failure::new(format!("{src} is a directory"))),
            Some(stat) if stat.kind != FileKind::File => Err(Failure::new(format!("{src} is not a file"))),
            Some(_) => Ok(path),
            None => Err(Failure::new(format!("{src} is not there on the target"))),
        }
    }

    fn content(&self, machine: &dyn Machine, context: &Context) -> Result<Content, Failure> {
        match (&self.content, &self.content_sha256, &self.src) {
            (Some(content), ..) => Ok(Content::bytes(bytes_of(content).into_owned())),
            (None, Some(digest), _) => {
                let blobs = context.blobs.as_ref().ok_or_else(|| Failure::new("the content was not sent"))?;
                blobs.get(digest).map(Content::Bytes).map_err(Failure::new)
            }
            (None, None, Some(src)) => Ok(Content::File(self.source(machine, src)?)),
            (None, None, None) => Err(Failure::new("src (or content) is required")),
        }
    }

    fn make_parents(&self, machine: &dyn Machine, path: &Path) -> Result<(), Failure> {
        let wanted = Wanted { mode: self.directory_mode.clone(), ..self.wanted() };
        let Some(parent) = path.parent() else { return Ok(()) };
        if machine.stat(parent)?.is_some() {
            return Ok(());
        }
        if !self.dest.ends_with('/') {
            let message = format!("the directory {} does not exist", parent.display());
            return Err(Failure {
                help: Some("make it with a `file` task, `state: directory`".into()),
                ..Failure::new(message)
            });
        }
        let mut missing: Vec<&Path> = Vec::new();
        for dir in parent.ancestors().take_while(|dir| machine.stat(dir).is_ok_and(|s| s.is_none())) {
            missing.push(dir);
        }
        for dir in missing.into_iter().rev() {
            machine.make_dir(dir, &wanted.resolve(machine, 0o755, true)?)?;
        }
        Ok(())
    }
}

impl Resource for Copy {
    fn footprint(&self) -> Footprint {
        let dest = PathBuf::from(self.dest.trim_end_matches('/'));
        let claim = if self.dest.ends_with('/') || self.tree.is_some() || self.remote_src {
            Claim::Tree(dest)
        } else {
            Claim::Path(dest)
        };
        let mut footprint = Footprint::nothing().write(claim);
        if let Some(src) = self.src.as_ref().filter(|_| self.remote_src) {
            footprint = footprint.read(Claim::Tree(PathBuf::from(src)));
        }
        if self.validate.is_some() {
            footprint = footprint.read(Claim::World);
        }
        self.wanted().footprint(footprint)
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        match &self.tree {
            Some(entries) => copy_tree::put(self, entries, machine, context),
            None => match self.remote_directory(machine)? {
                Some(dir) => copy_tree::put_remote(self, &dir, machine, context),
                None => self.put(machine, context),
            },
        }
    }
}

impl Copy {
    /// Puts one file in place.
    pub(super) fn put(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let path = self.destination(machine)?;
        self.make_parents(machine, &path)?;
        let old = machine.lstat(&path)?;
        let wanted = self.wanted();
        let digest = self.wanted_digest(machine)?;
        let is_file = old.as_ref().is_some_and(|s| s.kind == FileKind::File);
        let same = is_file && machine.digest(&path, Algorithm::Sha256)? == digest;
        let keep = same || (old.is_some() && !self.force);
        let mut backup = None;
        let attrs = wanted.resolve(machine, old.as_ref().map_or(0o644, |s| s.mode), false)?;
        let attrs = match (&self.mode, &self.src) {
            (Some(Mode::Preserve), Some(src)) if self.remote_src => {
                Attrs { mode: machine.stat(src.as_ref())?.map(|stat| stat.mode), ..attrs }
            }
            _ => attrs,
        };
        if keep {
            file::set_differing(machine, &path, &attrs)?;
        } else {
            let content = self.content(machine, context)?;
            backup = backup_path(self.backup && is_file, &path);
            let validate = self.validate.as_deref().map(validation).transpose()?;
            let secret = self.sensitive || context.no_log;
            machine.write(&path, &content, &attrs, &Written { validate, backup: backup.clone(), secret })?;
        }
        let mut outcome = file::result(machine, &path)?;
        if let Ok(sha1) = machine.digest(&path, Algorithm::Sha1) {
            if self.checksum.as_ref().is_some_and(|wanted| *wanted != sha1) {
                return Err(Failure::new(format!("the file has the checksum {sha1}, which is not the one asked for")));
            }
            outcome.result.insert("checksum".into(), Value::from(sha1));
        }
        if let Ok(md5) = machine.digest(&path, Algorithm::Md5) {
            outcome.result.insert("md5sum".into(), Value::from(md5));
        }
        if let Some(src) = self.src.as_deref().or(self.original_basename.as_deref()) {
            outcome.result.insert("src".into(), Value::str(src));
        }
        if let Some(backup) = backup {
            outcome.result.insert("backup_file".into(), Value::str(backup.to_string_lossy()));
        }
        Ok(outcome)
    }
}

/// The command that checks a staged file.
pub(super) fn validation(text: &str) -> Result<Command, Failure> {
    if !text.contains("%s") {
        return Err(Failure::new(format!("validate must contain %s: {text}")));
    }
    split(text).map(Command::new).map_err(|e| Failure::new(format!("`validate`: {e}")))
}

/// Where a backup goes: `path.PID.DATE@TIME~`, as Ansible names it.
pub(super) fn backup_path(wanted: bool, path: &Path) -> Option<PathBuf> {
    let stamp = || jiff::ZonedDateTime::now().strftime("%Y-%m-%d@%H:%M:%S~").to_string();
    wanted.then(|| PathBuf::from(format!("{}.{}.{}", path.display(), std::process::id(), stamp())))
}
