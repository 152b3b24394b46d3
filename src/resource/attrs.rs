//! Owner, group and mode, as every type that makes files takes them.

use std::path::Path;

use super::{Claim, Failure, Footprint, Mode};
use crate::machine::{Attrs, FileKind, Inspect, Key, Machine, Stat};

/// Owner, group and mode as they were asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Mode.
    pub mode: Option<Mode>,
    /// Owner, by name or number.
    pub owner: Option<String>,
    /// Group, by name or number.
    pub group: Option<String>,
}

impl Wanted {
    /// The numbers to set on something that is (or will be) of this kind with these bits.
    ///
    /// # Errors
    /// Where the user or group does not exist.
    pub fn resolve(&self, machine: &dyn Inspect, current: u32, is_dir: bool) -> Result<Attrs, Failure> {
        let mode = self.mode.as_ref().and_then(|mode| mode.bits(current, is_dir));
        let uid = self.owner.as_deref().map(|owner| user_id(machine, owner)).transpose()?;
        let gid = self.group.as_deref().map(|group| group_id(machine, group)).transpose()?;
        Ok(Attrs { mode, uid, gid })
    }

    /// Sets on an existing path what differs.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn apply(&self, machine: &dyn Machine, path: &Path, stat: &Stat) -> Result<(), Failure> {
        let wanted = self.resolve(machine, stat.mode, stat.kind == FileKind::Dir)?;
        let wanted = differing(&wanted, stat);
        if wanted != Attrs::default() {
            machine.set_attrs(path, &wanted)?;
        }
        Ok(())
    }

    /// The accounts that are read.
    pub fn footprint(&self, mut footprint: Footprint) -> Footprint {
        footprint.reads.extend(self.owner.clone().map(Claim::User));
        footprint.reads.extend(self.group.clone().map(Claim::Group));
        // A number may be that of any account.
        let numbered = |name: &Option<String>| name.as_deref().is_some_and(|name| name.parse::<u32>().is_ok());
        footprint.reads.extend(numbered(&self.owner).then(|| Claim::Path("/etc/passwd".into())));
        footprint.reads.extend(numbered(&self.group).then(|| Claim::Path("/etc/group".into())));
        footprint
    }
}

/// Keeps of `wanted` what a thing does not have yet. A link has no mode of its own.
pub fn differing(wanted: &Attrs, stat: &Stat) -> Attrs {
    Attrs {
        mode: wanted.mode.filter(|mode| *mode != stat.mode && stat.kind != FileKind::Link),
        uid: wanted.uid.filter(|uid| *uid != stat.uid),
        gid: wanted.gid.filter(|gid| *gid != stat.gid),
    }
}

/// The number of a user.
///
/// # Errors
/// Where there is no such user.
pub fn user_id(machine: &dyn Inspect, name: &str) -> Result<u32, Failure> {
    let user = machine.user(&Key::Name(name.to_owned()))?;
    let id = user.map(|u| u.uid).or_else(|| name.parse().ok());
    id.ok_or_else(|| Failure::new(format!("chown failed: failed to look up user {name}")))
}

/// The number of a group.
///
/// # Errors
/// Where there is no such group.
pub fn group_id(machine: &dyn Inspect, name: &str) -> Result<u32, Failure> {
    let group = machine.group(&Key::Name(name.to_owned()))?;
    let id = group.map(|g| g.gid).or_else(|| name.parse().ok());
    id.ok_or_else(|| Failure::new(format!("chgrp failed: failed to look up group {name}")))
}
