//! `stat`: what is at a path.

use std::path::{Path, PathBuf};

use super::params::params;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource, magic};
use crate::machine::{self, FaultKind, FileKind, Inspect, Key, Machine};
use crate::value::{Map, Value};

choices! {
    /// Digest algorithms.
    pub enum Algorithm {
        /// MD5.
        Md5 = "md5",
        /// SHA-1.
        Sha1 = "sha1",
        /// SHA-224.
        Sha224 = "sha224",
        /// SHA-256.
        Sha256 = "sha256",
        /// SHA-384.
        Sha384 = "sha384",
        /// SHA-512.
        Sha512 = "sha512",
    }
}

impl From<Algorithm> for machine::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5,
            Algorithm::Sha1 => Self::Sha1,
            Algorithm::Sha224 => Self::Sha224,
            Algorithm::Sha256 => Self::Sha256,
            Algorithm::Sha384 => Self::Sha384,
            Algorithm::Sha512 => Self::Sha512,
        }
    }
}

params! {
    /// Looks at a path. It changes nothing, so that a plan looks too.
    ///
    /// # Example
    /// ```yaml
    /// - stat: { path: /etc/foo.conf }
    ///   register: foo
    /// ```
    pub struct Stat {
        /// The path.
        path: PathBuf, required, alias "dest" "name";
        /// Follow links.
        follow: bool = false;
        /// Read the file for its checksum.
        get_checksum: bool = true;
        /// The algorithm of the checksum.
        checksum_algorithm: Algorithm = Algorithm::Sha1, alias "checksum" "checksum_algo";
        /// Ask file(1) for the MIME type and the encoding.
        get_mime: bool = true, alias "mime" "mime_type" "mime-type";
        /// Read the attributes of chattr(1) with lsattr(1).
        get_attributes: bool = true, alias "attr" "attributes";
    }
}

impl Stat {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), ParamError> {
        Ok(())
    }

    fn look(&self, machine: &dyn Inspect) -> Result<Map, Failure> {
        let mut map = Map::new();
        let real = if self.follow { machine.resolve(&self.path)? } else { Some(self.path.clone()) };
        let stat = real.as_ref().map_or(Ok(None), |real| machine.lstat(real))?;
        let (Some(real), Some(stat)) = (real, stat) else {
            map.insert("exists".into(), Value::Bool(false));
            return Ok(map);
        };
        describe(&mut map, &self.path, &stat);
        names(&mut map, machine, &stat)?;
        access(&mut map, machine, &stat)?;
        if stat.kind == FileKind::Link {
            let target = machine.read_link(&real)?;
            let source =
                machine.resolve(&real)?.unwrap_or_else(|| real.parent().unwrap_or(Path::new("/")).join(&target));
            map.insert("lnk_target".into(), Value::str(target.to_string_lossy()));
            map.insert("lnk_source".into(), Value::str(source.to_string_lossy()));
        }
        if self.get_checksum && stat.kind == FileKind::File {
            checksum(&mut map, machine, &real, self.checksum_algorithm)?;
        }
        // Programs do not see what an apply is yet to make.
        let later = stat.inode == 0;
        if self.get_mime {
            told(&mut map, later, &["mimetype", "charset"], |map| magic::mime(map, machine, &real))?;
        }
        if self.get_attributes {
            let names = ["version", "attributes", "attr_flags"];
            told(&mut map, later, &names, |map| magic::attributes(map, machine, &real))?;
        }
        Ok(map)
    }
}

/// Adds what a program says, or that it is known after apply.
fn told(
    map: &mut Map,
    later: bool,
    names: &[&str],
    ask: impl FnOnce(&mut Map) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if !later {
        return ask(map);
    }
    map.extend(names.iter().map(|name| ((*name).into(), Value::Unknown)));
    Ok(())
}

/// Adds the checksum of a file.
pub(super) fn checksum(map: &mut Map, machine: &dyn Inspect, real: &Path, algorithm: Algorithm) -> Result<(), Failure> {
    match machine.digest(real, algorithm.into()) {
        Ok(digest) => map.insert("checksum".into(), Value::from(digest)),
        Err(fault) if fault.kind == FaultKind::Unknown => map.insert("checksum".into(), Value::Unknown),
        // A file one may not read has no checksum, as in Ansible.
        Err(fault) if fault.kind == FaultKind::Denied => None,
        Err(fault) => return Err(fault.into()),
    };
    Ok(())
}

/// Adds what stat(2) knows, under Ansible's names.
pub(super) fn describe(map: &mut Map, path: &Path, stat: &machine::Stat) {
    let is = |kind| Value::Bool(stat.kind == kind);
    let bit = |bits: u32| Value::Bool(stat.mode & bits != 0);
    // What an apply is yet to make has no inode and no times.
    let later = |value: Value| if stat.inode == 0 { Value::Unknown } else { value };
    let entries = [
        ("exists", Value::Bool(true)),
        ("path", Value::str(path.to_string_lossy())),
        ("mode", Value::from(format!("{:04o}", stat.mode))),
        ("isdir", is(FileKind::Dir)),
        ("ischr", is(FileKind::Char)),
        ("isblk", is(FileKind::Block)),
        ("isreg", is(FileKind::File)),
        ("isfifo", is(FileKind::Fifo)),
        ("islnk", is(FileKind::Link)),
        ("issock", is(FileKind::Socket)),
        ("uid", Value::from(stat.uid)),
        ("gid", Value::from(stat.gid)),
        ("size", Value::from(stat.size)),
        ("inode", later(Value::from(stat.inode))),
        ("dev", later(Value::from(stat.device))),
        ("nlink", Value::from(stat.links)),
        ("atime", later(Value::from(stat.atime))),
        ("mtime", later(Value::from(stat.mtime))),
        ("ctime", later(Value::from(stat.ctime))),
        ("wusr", bit(0o200)),
        ("rusr", bit(0o400)),
        ("xusr", bit(0o100)),
        ("wgrp", bit(0o020)),
        ("rgrp", bit(0o040)),
        ("xgrp", bit(0o010)),
        ("woth", bit(0o002)),
        ("roth", bit(0o004)),
        ("xoth", bit(0o001)),
        ("isuid", bit(0o4000)),
        ("isgid", bit(0o2000)),
    ];
    map.extend(entries.into_iter().map(|(name, value)| (name.into(), value)));
}

/// Adds the names of owner and group.
pub(super) fn names(map: &mut Map, machine: &dyn Inspect, stat: &machine::Stat) -> Result<(), Failure> {
    if let Some(user) = machine.user(&Key::Id(stat.uid))? {
        map.insert("pw_name".into(), Value::from(user.name));
    }
    if let Some(group) = machine.group(&Key::Id(stat.gid))? {
        map.insert("gr_name".into(), Value::from(group.name));
    }
    Ok(())
}

/// What we may do with it, by its bits.
fn access(map: &mut Map, machine: &dyn Inspect, stat: &machine::Stat) -> Result<(), Failure> {
    let me = machine.identity()?;
    let class = if me.uid == stat.uid {
        stat.mode >> 6
    } else if me.gid == stat.gid || is_member(machine, &me.user, stat.gid)? {
        stat.mode >> 3
    } else {
        stat.mode
    };
    let root = me.uid == 0;
    let any_x = stat.mode & 0o111 != 0 || stat.kind == FileKind::Dir;
    map.insert("readable".into(), Value::Bool(root || class & 4 != 0));
    map.insert("writeable".into(), Value::Bool(root || class & 2 != 0));
    map.insert("executable".into(), Value::Bool(if root { any_x } else { class & 1 != 0 }));
    Ok(())
}

fn is_member(machine: &dyn Inspect, user: &str, gid: u32) -> Result<bool, Failure> {
    Ok(machine.group(&Key::Id(gid))?.is_some_and(|group| group.members.iter().any(|member| member == user)))
}

impl Resource for Stat {
    fn footprint(&self) -> Footprint {
        let footprint = Footprint::nothing().read(Claim::Path(self.path.clone()));
        // Where a link points is not known before.
        if self.follow { footprint.and(Footprint::observer()) } else { footprint }
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        Ok(Outcome::of([("stat", Value::from(self.look(machine)?))]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use crate::value::Value;

    #[test]
    fn looks() {
        let bench = Bench::with(&[("/etc/f", "hello")]);
        bench.run("file", "{path: /etc/l, src: f, state: link}").unwrap();
        let get = |text: &str, key: &str| {
            let (outcome, changes) = bench.settle("stat", text);
            assert_eq!(changes, 0);
            outcome.result.get("stat").and_then(|s| s.get(key).cloned())
        };
        let table = [
            ("{path: /etc/no}", "exists", Some(Value::Bool(false))),
            ("{path: /etc/no}", "mode", None),
            ("{path: /etc}", "isdir", Some(Value::Bool(true))),
            ("{path: /etc}", "inode", Some(Value::Int(1))),
            ("{path: /etc/f}", "inode", Some(Value::Unknown)),
            ("{path: /etc/f}", "mode", Some(Value::str("0644"))),
            ("{path: /etc/f}", "pw_name", Some(Value::str("root"))),
            ("{path: /etc/f}", "checksum", Some(Value::str("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"))),
            ("{path: /etc/f, checksum: md5}", "checksum", Some(Value::str("5d41402abc4b2a76b9719d911017c592"))),
            ("{path: /etc/f, get_checksum: false}", "checksum", None),
            ("{path: /etc/l}", "islnk", Some(Value::Bool(true))),
            ("{path: /etc/l}", "lnk_source", Some(Value::str("/etc/f"))),
            ("{path: /etc/l}", "lnk_target", Some(Value::str("f"))),
            ("{path: /etc/l, follow: true}", "isreg", Some(Value::Bool(true))),
            ("{path: /etc/f, get_mime: false, get_attributes: false}", "executable", Some(Value::Bool(false))),
        ];
        for (text, key, expected) in table {
            assert_eq!(get(text, key), expected, "{text} {key}");
        }
        assert_eq!(get("{path: /etc/f}", "mimetype"), Some(Value::Unknown));
        assert_eq!(get("{path: /etc}", "mimetype"), Some(Value::str("unknown")));
    }
}
