//! `file` with `state: link` and `state: hard`.

use std::path::{Path, PathBuf};

use super::Failure;
use super::file::{File, word};
use crate::machine::{FileKind, Machine};

impl File {
    /// A symbolic link.
    pub(super) fn link(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let shown = self.path.display();
        let there = machine.lstat(&self.path)?;
        let is_link = there.as_ref().is_some_and(|stat| stat.kind == FileKind::Link);
        let current = if is_link { Some(machine.read_link(&self.path)?) } else { None };
        // Without a source, what the link points to stays.
        let src = self.src.as_deref().map(PathBuf::from).or_else(|| current.clone());
        let Some(src) = src else { return Err(Failure::new("src is required for creating new symlinks")) };
        let target = self.path.parent().unwrap_or(Path::new("/")).join(&src);
        if !self.force && machine.stat(&target)?.is_none() {
            let message = "src file does not exist, use \"force=yes\" if you really want to create the link";
            return Err(Failure::new(format!("{message}: {}", target.display())));
        }
        if current.as_ref() == Some(&src) {
            return self.link_attributes(machine);
        }
        match &there {
            Some(stat) if !is_link && !self.force => {
                let message = format!("refusing to convert from {} to symlink for {shown}", word(Some(stat)));
                let help = Some("`force: true` replaces it".to_owned());
                return Err(Failure { help, ..Failure::new(message) });
            }
            // A directory gives way to a link only when it is empty.
            Some(stat) if stat.kind == FileKind::Dir => {
                if !machine.list(&self.path)?.is_empty() {
                    let message = format!("the directory {shown} is not empty, refusing to convert it");
                    return Err(Failure::new(message));
                }
                machine.remove(&self.path)?;
            }
            _ => {}
        }
        machine.symlink(&src, &self.path)?;
        self.link_attributes(machine)
    }

    fn link_attributes(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let target = self.target(machine, &self.path)?;
        match machine.lstat(&target)? {
            Some(_) => self.attributes(machine, &target),
            None => Ok(()),
        }
    }

    /// A hard link.
    pub(super) fn hard(&self, machine: &dyn Machine, path: &Path) -> Result<(), Failure> {
        let there = machine.lstat(path)?;
        let Some(src) = self.src.as_deref() else {
            return Err(Failure::new("src is required for creating new hardlinks"));
        };
        let src = machine.identity()?.cwd.join(src);
        let source = machine.stat(&src)?.ok_or_else(|| Failure::new("src does not exist"))?;
        match &there {
            Some(stat) if (stat.inode, stat.device) == (source.inode, source.device) && source.inode != 0 => {}
            Some(stat) if stat.kind == FileKind::Link => machine.hard_link(&src, path)?,
            Some(stat) if !self.force => {
                let message = match word(Some(stat)) {
                    "file" => format!("Cannot link, {} exists at destination", "file"),
                    _ => "Cannot link, different hard link exists at destination".to_owned(),
                };
                let help = Some("`force: true` replaces it".to_owned());
                return Err(Failure { help, ..Failure::new(message) });
            }
            _ => machine.hard_link(&src, path)?,
        }
        self.attributes(machine, path)
    }
}
