//! A machine with nothing on it but a root directory and root: what tests of resources stand on.

use std::path::{Path, PathBuf};

use super::super::package::Foresight;
use super::super::{
    Address4, Algorithm, Command, Fault, Fetch, FileKind, Group, HttpAnswer, HttpRequest, Identity, Inspect, Key,
    Output, Package, Reach, Result, Service, Stat, Stdio, Transaction, Unit, Usage, User,
};

/// The empty machine. A [`super::Preview`] over it is a fake that can be written to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blank;

impl Inspect for Blank {
    fn lstat(&self, path: &Path) -> Result<Option<Stat>> {
        let directories = ["/", "/etc", "/tmp", "/root", "/var", "/usr", "/srv", "/home", "/opt"];
        let is_dir = directories.iter().any(|dir| Path::new(dir) == path);
        Ok(is_dir.then_some(Stat {
            kind: FileKind::Dir,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 4096,
            atime: 0.0,
            mtime: 0.0,
            ctime: 0.0,
            inode: 1,
            device: 1,
            links: 2,
        }))
    }

    fn read(&self, path: &Path, _limit: u64) -> Result<Vec<u8>> {
        Err(super::missing("read", path))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        Err(super::missing("read the link", path))
    }

    fn list(&self, _path: &Path) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn digest(&self, path: &Path, _algorithm: Algorithm) -> Result<String> {
        Err(super::missing("read", path))
    }

    fn user(&self, key: &Key) -> Result<Option<User>> {
        let root = User {
            name: "root".into(),
            uid: 0,
            gid: 0,
            comment: "root".into(),
            home: "/root".into(),
            shell: "/bin/bash".into(),
            groups: Vec::new(),
            password: Some("*".into()),
            expires: None,
            aging: super::super::Aging::default(),
            local: true,
        };
        Ok(key.is_user(&root).then_some(root))
    }

    fn group(&self, key: &Key) -> Result<Option<Group>> {
        let root = Group { name: "root".into(), gid: 0, members: Vec::new(), local: true };
        Ok(key.is_group(&root).then_some(root))
    }

    fn package(&self, _name: &str) -> Result<Option<Package>> {
        Ok(None)
    }

    fn unit(&self, _name: &str) -> Result<Unit> {
        Ok(Unit { active_state: "inactive".into(), ..Unit::default() })
    }

    fn probe(&self, _command: &Command) -> Result<Output> {
        Ok(Output::Known(Stdio::default()))
    }

    fn identity(&self) -> Result<Identity> {
        let root = || PathBuf::from("/root");
        Ok(Identity { uid: 0, gid: 0, user: "root".into(), home: root(), cwd: root(), state: "/var/lib/cfg".into() })
    }

    fn reach(&self, _host: &str, _port: u16, _timeout: std::time::Duration, _limit: u64) -> Result<Reach> {
        Ok(Reach::Closed)
    }

    fn pause(&self, _time: std::time::Duration) -> Result<bool> {
        Ok(true)
    }

    fn installed(&self) -> Result<Vec<Package>> {
        Ok(Vec::new())
    }

    fn services(&self) -> Result<Vec<Service>> {
        Ok(Vec::new())
    }

    fn read_part(&self, path: &Path, _offset: u64, _length: u64) -> Result<Vec<u8>> {
        Err(super::missing("read", path))
    }

    fn ask(&self, request: &HttpRequest, _limit: u64) -> Result<HttpAnswer> {
        Err(Fault::new(format!("ask {}", request.to.url), "this machine has no network"))
    }

    fn download(&self, fetch: &Fetch, _limit: u64) -> Result<Vec<u8>> {
        Err(Fault::new(format!("fetch {}", fetch.url), "this machine has no network"))
    }

    fn usage(&self, path: &Path) -> Result<Usage> {
        Err(Fault::new(format!("ask for the free space of {}", path.display()), "this machine does not know it"))
    }

    fn addresses(&self) -> Result<Vec<Address4>> {
        Err(Fault::new("ask for the network addresses".to_owned(), "this machine does not know them"))
    }

    fn foresee(&self, transaction: &Transaction) -> Result<Foresight> {
        if transaction.requests.is_empty() {
            return Ok(Foresight::default());
        }
        Err(Fault::new("change packages", "this machine has no package manager"))
    }
}
