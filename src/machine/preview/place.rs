//! Where and how things are put into the overlay.

use std::path::Path;

use super::super::{Attrs, Content, Fault, FaultKind, FileKind, Inspect as _, Result, Stat};
use super::overlay::Data;
use super::{Preview, missing};

impl Preview {
    pub(super) fn require_parent(&self, operation: &str, path: &Path) -> Result<()> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let resolved = self.resolve(parent)?;
        let stat = resolved.map_or(Ok(None), |p| self.lstat(&p))?;
        let reason = match stat {
            Some(stat) if stat.kind == FileKind::Dir => return Ok(()),
            Some(_) => "Not a directory",
            None => "No such file or directory",
        };
        let fault = Fault::new(format!("{operation} {}", path.display()), reason);
        Err(Fault { kind: FaultKind::NotFound, ..fault })
    }

    pub(super) fn new_stat(
        &self,
        kind: FileKind,
        attrs: &Attrs,
        old: Option<&Stat>,
        mode: u32,
        size: u64,
    ) -> Result<Stat> {
        let me = self.under.identity()?;
        Ok(Stat {
            kind,
            mode: attrs.mode.or(old.map(|o| o.mode)).unwrap_or(mode),
            uid: attrs.uid.or(old.map(|o| o.uid)).unwrap_or(me.uid),
            gid: attrs.gid.or(old.map(|o| o.gid)).unwrap_or(me.gid),
            size,
            atime: 0.0,
            mtime: 0.0,
            ctime: 0.0,
            inode: 0,
            device: 0,
            links: 1,
        })
    }

    pub(super) fn content(&self, content: &Content) -> Result<(Data, u64)> {
        match content {
            Content::Bytes(bytes) => Ok((Data::Bytes(bytes.clone()), bytes.len() as u64)),
            Content::File(source) => {
                let real = self.real(source)?;
                let stat = self.lstat_real(&real)?;
                let stat = stat.ok_or_else(|| missing("read", source))?;
                let data = match self.state().files.find(&real) {
                    Some(Some(node)) => node.data.clone(),
                    _ => Data::Under(real),
                };
                Ok((data, stat.size))
            }
        }
    }
}
