//! What the types that edit a text file share: reading it, its lines, putting the new text in place.

use std::path::{Path, PathBuf};

use super::attrs::Wanted;
use super::copy::{backup_path, validation};
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, file};
use crate::machine::{Content, FileKind, Inspect, Machine, Written};
use crate::value::Value;

/// Files larger than this are not edited.
const MAX_EDIT: u64 = 64 * 1024 * 1024;

/// A file to be edited, as the parameters of a type describe it.
pub(super) struct Edit<'a> {
    /// Its path; links are followed.
    pub path: &'a Path,
    /// Keep a copy of the old file.
    pub backup: bool,
    /// What checks the new file.
    pub validate: Option<&'a str>,
    /// Mode, owner, group.
    pub wanted: Wanted,
}

/// A file that was read.
pub(super) struct Opened {
    /// Its real path.
    path: PathBuf,
    /// What it holds; `None` where it is not there.
    pub text: Option<String>,
}

/// Mode, owner and group as the parameters give them.
pub(super) fn wanted(mode: Option<&Mode>, owner: Option<&String>, group: Option<&String>) -> Wanted {
    Wanted { mode: mode.cloned(), owner: owner.cloned(), group: group.cloned() }
}

impl Edit<'_> {
    /// What it touches.
    pub fn footprint(&self) -> Footprint {
        let footprint = Footprint::nothing().write(Claim::Path(self.path.to_path_buf()));
        let footprint = if self.validate.is_some() { footprint.read(Claim::World) } else { footprint };
        self.wanted.footprint(footprint)
    }

    /// Reads the file.
    pub fn open(&self, machine: &dyn Inspect) -> Result<Opened, Failure> {
        let shown = self.path.display();
        let path = machine.resolve(self.path)?;
        let path = path.ok_or_else(|| Failure::new(format!("{shown}: too many levels of symbolic links")))?;
        let text = match machine.lstat(&path)? {
            None => None,
            Some(stat) if stat.kind == FileKind::Dir => {
                return Err(Failure::new(format!("Path {shown} is a directory !")));
            }
            Some(_) => {
                let text = String::from_utf8(machine.read(&path, MAX_EDIT)?);
                Some(text.map_err(|_| Failure::new(format!("{shown} is not UTF-8 text; cfg does not edit it")))?)
            }
        };
        Ok(Opened { path, text })
    }

    /// The failure of a file that is not there and is not to be made.
    pub fn missing(&self, noun: &str) -> Failure {
        let mut failure = Failure::new(format!("{noun} {} does not exist !", self.path.display()));
        failure.result.insert("rc".into(), Value::Int(257));
        failure
    }

    /// Puts the new text in place where it differs, and sets what differs of the attributes.
    pub fn save(
        &self,
        machine: &dyn Machine,
        context: &Context,
        opened: &Opened,
        text: String,
        message: &str,
    ) -> Result<Outcome, Failure> {
        let old = machine.lstat(&opened.path)?;
        let attrs = self.wanted.resolve(machine, old.as_ref().map_or(0o644, |stat| stat.mode), false)?;
        let changes = opened.text.as_ref() != Some(&text);
        let mut backup = None;
        if changes {
            make_parents(machine, &opened.path)?;
            backup = backup_path(self.backup && old.is_some(), &opened.path);
            let validate = self.validate.map(validation).transpose()?;
            let how = Written { validate, backup: backup.clone(), secret: context.no_log };
            machine.write(&opened.path, &Content::bytes(text.into_bytes()), &attrs, &how)?;
        } else {
            file::set_differing(machine, &opened.path, &attrs)?;
        }
        let mut outcome = Outcome::of([("msg", Value::str(if changes { message } else { "" }))]);
        if let Some(backup) = backup {
            let shown = Value::str(backup.to_string_lossy());
            outcome.result.insert("backup".into(), shown.clone());
            outcome.result.insert("backup_file".into(), shown);
        }
        Ok(outcome)
    }
}

/// Makes the directories above a new file.
pub(super) fn make_parents(machine: &dyn Machine, path: &Path) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for dir in path.ancestors().skip(1) {
        if machine.stat(dir)?.is_some() {
            break;
        }
        missing.push(dir);
    }
    for dir in missing.into_iter().rev() {
        machine.make_dir(dir, &crate::machine::Attrs::default())?;
    }
    Ok(())
}

/// The lines of a text, each with its end.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// How lines end in a text: as its first one does.
pub(super) fn line_end(lines: &[String]) -> &'static str {
    if lines.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" }
}

/// A line without its end.
pub(super) fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// Ends the last line where it is not ended.
pub(super) fn end_last(lines: &mut [String], end: &str) {
    if let Some(last) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
        last.push_str(end);
    }
}
