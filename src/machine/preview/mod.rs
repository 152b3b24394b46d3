//! A machine as it would be: an overlay in memory over any [`Inspect`].
//!
//! Writes land in the overlay, reads see the overlay first. What a package would bring is put into the overlay too, so
//! that the states after it see its directories, users and services. A program that may change anything is not run; its
//! output is unknown.

mod blank;
mod overlay;
mod packages;
mod place;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::package::Foresight;
use super::{
    Address4, Algorithm, Attrs, Command, Content, Effect, Fault, FaultKind, Fetch, Fetched, FileKind, FileTime, Group,
    GroupChange, HttpAnswer, HttpRequest, Identity, Inspect, Key, Machine, Output, Package, Reach, Result, Service,
    Stat, Transaction, TransactionReport, Unit, UnitAction, Usage, User, UserChange, Written,
};
use overlay::{Data, Overlay};

pub use blank::Blank;

/// The overlay and what lies under it.
pub struct Preview {
    under: Arc<dyn Inspect>,
    state: Arc<Mutex<State>>,
    /// Something was asked for through this view that is not there.
    missed: AtomicBool,
}

#[derive(Default)]
struct State {
    files: Overlay,
    users: BTreeMap<String, Option<User>>,
    groups: BTreeMap<String, Option<Group>>,
    packages: BTreeMap<String, Option<Package>>,
    units: BTreeMap<String, Unit>,
    lists_updated: bool,
    /// A program was left out that may have done anything.
    unforeseen: bool,
}

impl Preview {
    /// A preview of `under`.
    pub fn new(under: Arc<dyn Inspect>) -> Self {
        Self { under, state: Arc::default(), missed: AtomicBool::new(false) }
    }

    /// The same overlay seen with other rights.
    #[must_use]
    pub fn seen_by(&self, under: Arc<dyn Inspect>) -> Self {
        Self { under, state: self.state.clone(), missed: AtomicBool::new(false) }
    }

    /// Notes that a program was left out that may have done anything.
    pub fn expect_anything(&self) {
        self.state().unforeseen = true;
    }

    /// Says whether such a program was left out.
    pub fn expects_anything(&self) -> bool {
        self.state().unforeseen
    }

    /// Notes an answer of nothing being there.
    fn noted<T>(&self, answer: Result<T>, is_absent: impl Fn(&T) -> bool) -> Result<T> {
        let absent = match &answer {
            Ok(found) => is_absent(found),
            Err(fault) => fault.kind != FaultKind::Unknown,
        };
        if absent {
            self.missed.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Says whether anything would have changed by now.
    pub fn is_touched(&self) -> bool {
        let state = self.state();
        let things =
            [state.users.is_empty(), state.groups.is_empty(), state.packages.is_empty(), state.units.is_empty()];
        !state.files.is_empty() || state.unforeseen || things.contains(&false)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The path with every link in its directories followed, through the overlay.
    fn real(&self, path: &Path) -> Result<PathBuf> {
        let mut real = PathBuf::from("/");
        let name = path.file_name();
        let mut rest: Vec<_> =
            path.parent().unwrap_or(Path::new("/")).components().map(|c| c.as_os_str().to_owned()).collect();
        rest.reverse();
        let mut hops = 0;
        while let Some(part) = rest.pop() {
            match part.to_str() {
                Some("/" | ".") => continue,
                Some("..") => {
                    real.pop();
                    continue;
                }
                _ => real.push(&part),
            }
            if let Some(Stat { kind: FileKind::Link, .. }) = self.lstat_real(&real)? {
                hops += 1;
                if hops > 40 {
                    return Err(Fault::new(format!("look at {}", path.display()), "too many levels of symbolic links"));
                }
                let target = self.link_real(&real)?;
                real = if target.is_absolute() {
                    PathBuf::from("/")
                } else {
                    real.parent().unwrap_or(Path::new("/")).to_path_buf()
                };
                rest.extend(target.components().rev().map(|c| c.as_os_str().to_owned()));
            }
        }
        if let Some(name) = name {
            real.push(name);
        }
        Ok(real)
    }

    fn lstat_real(&self, path: &Path) -> Result<Option<Stat>> {
        if self.state().files.is_open(path) {
            return Err(open(path));
        }
        let entry = self.state().files.find(path).map(|entry| entry.map(|node| node.stat.clone()));
        self.noted(entry.map_or_else(|| self.under.lstat(path), Ok), Option::is_none)
    }

    fn link_real(&self, path: &Path) -> Result<PathBuf> {
        if let Some(Some(node)) = self.state().files.find(path)
            && let Data::Link(target) = &node.data
        {
            return Ok(target.clone());
        }
        self.under.read_link(path)
    }
}

fn missing(operation: &str, path: &Path) -> Fault {
    let fault = Fault::new(format!("{operation} {}", path.display()), "No such file or directory");
    Fault { kind: FaultKind::NotFound, ..fault }
}

/// Something a program is yet to make.
fn open(path: &Path) -> Fault {
    let fault = Fault::new(format!("look at {}", path.display()), "what is there is known after apply");
    Fault { kind: FaultKind::Unknown, ..fault }
}

/// The content of something a package or a program is yet to bring.
fn unknown(path: &Path) -> Fault {
    let fault = Fault::new(format!("read {}", path.display()), "its content is known after apply");
    Fault { kind: FaultKind::Unknown, ..fault }
}

impl Inspect for Preview {
    fn lstat(&self, path: &Path) -> Result<Option<Stat>> {
        let real = self.real(path)?;
        self.lstat_real(&real)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>> {
        let real = self.resolve(&self.real(path)?)?.ok_or_else(|| missing("read", path))?;
        let found = self.state().files.find(&real).map(|entry| entry.map(|node| node.data.clone()));
        match found {
            None => self.under.read(&real, limit),
            Some(None) => Err(missing("read", path)),
            Some(Some(Data::Bytes(bytes))) if bytes.len() as u64 <= limit => Ok(bytes.to_vec()),
            Some(Some(Data::Under(source))) => self.under.read(&source, limit),
            Some(Some(Data::Bytes(_))) => {
                let fault = Fault::new(format!("read {}", path.display()), format!("larger than {limit} bytes"));
                Err(Fault { kind: FaultKind::TooLarge, ..fault })
            }
            Some(Some(_)) => Err(unknown(path)),
        }
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        let real = self.real(path)?;
        self.link_real(&real)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let real = self.resolve(&self.real(path)?)?.ok_or_else(|| missing("list", path))?;
        let stat = self.lstat_real(&real)?.ok_or_else(|| missing("list", path))?;
        if stat.kind != FileKind::Dir {
            return Err(Fault::new(format!("list {}", path.display()), "Not a directory"));
        }
        let data = self.state().files.find(&real).flatten().map(|node| node.data.clone());
        let hidden = match data {
            Some(Data::Filled) => return Err(open(path)),
            data => matches!(data, Some(Data::Dir)),
        };
        let under = if hidden { Vec::new() } else { self.under.list(&real)? };
        Ok(self.state().files.names_in(&real, under))
    }

    fn digest(&self, path: &Path, algorithm: Algorithm) -> Result<String> {
        let real = self.resolve(&self.real(path)?)?.ok_or_else(|| missing("read", path))?;
        let found = self.state().files.find(&real).map(|entry| entry.map(|node| node.data.clone()));
        match found {
            None => self.under.digest(&real, algorithm),
            Some(Some(Data::Bytes(bytes))) => Ok(algorithm.of(&bytes)),
            Some(Some(Data::Under(source))) => self.under.digest(&source, algorithm),
            Some(None) => Err(missing("read", path)),
            Some(Some(_)) => Err(unknown(path)),
        }
    }

    fn user(&self, key: &Key) -> Result<Option<User>> {
        let state = self.state();
        if let Some(Some(user)) = state.users.values().find(|u| u.as_ref().is_some_and(|u| key.is_user(u))) {
            return Ok(Some(user.clone()));
        }
        let found = self.under.user(key)?;
        self.noted(Ok(found.filter(|user| !state.users.contains_key(&user.name))), Option::is_none)
    }

    fn group(&self, key: &Key) -> Result<Option<Group>> {
        let state = self.state();
        if let Some(Some(group)) = state.groups.values().find(|g| g.as_ref().is_some_and(|g| key.is_group(g))) {
            return Ok(Some(group.clone()));
        }
        let found = self.under.group(key)?;
        self.noted(Ok(found.filter(|group| !state.groups.contains_key(&group.name))), Option::is_none)
    }

    fn package(&self, name: &str) -> Result<Option<Package>> {
        let known = self.state().packages.get(name).cloned();
        self.noted(known.map_or_else(|| self.under.package(name), Ok), Option::is_none)
    }

    fn unit(&self, name: &str) -> Result<Unit> {
        let known = self.state().units.get(unit_key(name)).cloned();
        if let Some(unit) = known {
            return Ok(unit);
        }
        let unit = self.under.unit(name)?;
        let unit = if unit.exists { unit } else { self.unit_from_files(name).unwrap_or(unit) };
        self.noted(Ok(unit), |unit| !unit.exists)
    }

    fn probe(&self, command: &Command) -> Result<Output> {
        self.noted(self.under.probe(command), |output| output.known().is_some_and(|stdio| !stdio.ok()))
    }

    fn identity(&self) -> Result<Identity> {
        self.under.identity()
    }

    fn foresee(&self, transaction: &Transaction) -> Result<Foresight> {
        self.noted(self.under.foresee(transaction), |_| false)
    }

    /// What listens now says nothing about what will after the apply.
    fn reach(&self, _host: &str, _port: u16, _timeout: Duration, _limit: u64) -> Result<Reach> {
        Ok(Reach::Unknown)
    }

    fn pause(&self, _time: Duration) -> Result<bool> {
        Ok(false)
    }

    fn installed(&self) -> Result<Vec<Package>> {
        self.installed_then()
    }

    fn services(&self) -> Result<Vec<Service>> {
        self.services_then()
    }

    fn read_part(&self, path: &Path, offset: u64, length: u64) -> Result<Vec<u8>> {
        let real = self.resolve(&self.real(path)?)?.ok_or_else(|| missing("read", path))?;
        let found = self.state().files.find(&real).map(|entry| entry.map(|node| node.data.clone()));
        match found {
            None => self.under.read_part(&real, offset, length),
            Some(None) => Err(missing("read", path)),
            Some(Some(Data::Under(source))) => self.under.read_part(&source, offset, length),
            Some(Some(Data::Bytes(bytes))) => {
                let cut = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.get(cut(offset)..cut(offset.saturating_add(length))).unwrap_or_default().to_vec())
            }
            Some(Some(_)) => Err(unknown(path)),
        }
    }

    fn ask(&self, request: &HttpRequest, limit: u64) -> Result<HttpAnswer> {
        match self.under.ask(request, limit) {
            Ok(answer) => Ok(HttpAnswer { early: true, ..answer }),
            // Who does not answer now may do so after the apply.
            Err(fault) if fault.kind == FaultKind::Cancelled => Err(fault),
            Err(fault) => Err(Fault { kind: FaultKind::Unknown, ..fault }),
        }
    }

    fn download(&self, fetch: &Fetch, limit: u64) -> Result<Vec<u8>> {
        self.noted(self.under.download(fetch, limit), |_| false)
    }

    fn usage(&self, path: &Path) -> Result<Usage> {
        self.under.usage(path)
    }

    fn addresses(&self) -> Result<Vec<Address4>> {
        self.under.addresses()
    }

    fn may_yet_come(&self) -> bool {
        self.missed.load(Ordering::Relaxed) && self.expects_anything()
    }
}

/// `redis` and `redis.service` are one.
fn unit_key(name: &str) -> &str {
    name.strip_suffix(".service").unwrap_or(name)
}

impl Machine for Preview {
    fn write(&self, path: &Path, content: &Content, attrs: &Attrs, how: &Written) -> Result<()> {
        self.require_parent("write", path)?;
        let real = self.real(path)?;
        let old = self.lstat_real(&real)?;
        let (data, size) = self.content(content)?;
        let stat = self.new_stat(FileKind::File, attrs, old.as_ref(), if how.secret { 0o600 } else { 0o644 }, size)?;
        self.state().files.put(real, stat, data);
        Ok(())
    }

    fn poke(&self, path: &Path, text: &str) -> Result<()> {
        let real = self.real(path)?;
        let old = self.lstat_real(&real)?.ok_or_else(|| missing("write", path))?;
        self.state().files.put(real, old, Data::Bytes(text.as_bytes().into()));
        Ok(())
    }

    fn make_dir(&self, path: &Path, attrs: &Attrs) -> Result<()> {
        self.require_parent("make the directory", path)?;
        let real = self.real(path)?;
        if self.lstat_real(&real)?.is_some() {
            return Err(Fault::new(format!("make the directory {}", path.display()), "File exists"));
        }
        let stat = self.new_stat(FileKind::Dir, attrs, None, 0o755, 4096)?;
        self.state().files.put(real, stat, Data::Dir);
        Ok(())
    }

    fn symlink(&self, target: &Path, link: &Path) -> Result<()> {
        self.require_parent("link", link)?;
        let real = self.real(link)?;
        let stat = self.new_stat(FileKind::Link, &Attrs::default(), None, 0o777, 0)?;
        self.state().files.put(real, stat, Data::Link(target.to_path_buf()));
        Ok(())
    }

    fn hard_link(&self, target: &Path, link: &Path) -> Result<()> {
        self.require_parent("link", link)?;
        let source = self.real(target)?;
        let stat = self.lstat_real(&source)?.ok_or_else(|| missing("link to", target))?;
        let (data, _) = self.content(&Content::File(source))?;
        let real = self.real(link)?;
        self.state().files.put(real, stat, data);
        Ok(())
    }

    fn set_attrs(&self, path: &Path, attrs: &Attrs) -> Result<()> {
        let real = self.real(path)?;
        let mut stat = self.lstat_real(&real)?.ok_or_else(|| missing("change", path))?;
        stat.mode = attrs.mode.unwrap_or(stat.mode);
        stat.uid = attrs.uid.unwrap_or(stat.uid);
        stat.gid = attrs.gid.unwrap_or(stat.gid);
        let target = if stat.kind == FileKind::Link { Some(self.link_real(&real)?) } else { None };
        let mut state = self.state();
        let data = match (state.files.find(&real), stat.kind) {
            (Some(Some(node)), _) => node.data.clone(),
            (_, FileKind::Dir) => Data::DirUnder,
            (_, FileKind::Link) => Data::Link(target.unwrap_or_default()),
            _ => Data::Under(real.clone()),
        };
        state.files.put(real, stat, data);
        Ok(())
    }

    fn set_times(&self, path: &Path, _accessed: Option<FileTime>, modified: Option<FileTime>) -> Result<()> {
        let real = self.real(path)?;
        self.set_attrs(path, &Attrs::default())?;
        if let Some(modified) = modified {
            self.state().files.touch(&real, modified.seconds());
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let real = self.real(path)?;
        self.state().files.remove(real);
        Ok(())
    }

    fn packages(&self, transaction: &Transaction) -> Result<TransactionReport> {
        self.foresee_packages(transaction)
    }

    fn unit_action(&self, name: &str, action: UnitAction) -> Result<()> {
        if matches!(action, UnitAction::DaemonReload | UnitAction::DaemonReexec) {
            self.state().units.values_mut().for_each(|unit| unit.needs_reload = false);
            return Ok(());
        }
        let mut unit = self.unit(name)?;
        match action {
            UnitAction::Start | UnitAction::Restart | UnitAction::Reload => {
                (unit.active, unit.active_state) = (true, "active".into());
            }
            UnitAction::Stop => (unit.active, unit.active_state) = (false, "inactive".into()),
            UnitAction::Enable => (unit.enabled, unit.file_state) = (true, "enabled".into()),
            UnitAction::Disable => (unit.enabled, unit.file_state) = (false, "disabled".into()),
            UnitAction::Mask => (unit.masked, unit.file_state) = (true, "masked".into()),
            UnitAction::Unmask => (unit.masked, unit.file_state) = (false, "disabled".into()),
            UnitAction::DaemonReload | UnitAction::DaemonReexec => {}
        }
        self.state().units.insert(unit_key(name).to_owned(), unit);
        Ok(())
    }

    fn put_user(&self, change: &UserChange) -> Result<()> {
        self.overlay_user(change)
    }

    fn remove_user(&self, name: &str, files: bool, _force: bool) -> Result<()> {
        if let Some(user) = self.user(&Key::Name(name.to_owned()))?.filter(|_| files) {
            self.remove(Path::new(&user.home))?;
        }
        self.state().users.insert(name.to_owned(), None);
        Ok(())
    }

    fn put_group(&self, change: &GroupChange) -> Result<()> {
        let old = self.group(&Key::Name(change.name.clone()))?;
        let gid = change.gid.or(old.as_ref().map(|g| g.gid)).map_or_else(|| self.free_id(change.system), Ok)?;
        let members = old.map(|g| g.members).unwrap_or_default();
        self.state()
            .groups
            .insert(change.name.clone(), Some(Group { name: change.name.clone(), gid, members, local: true }));
        Ok(())
    }

    fn remove_group(&self, name: &str, _force: bool) -> Result<()> {
        self.state().groups.insert(name.to_owned(), None);
        Ok(())
    }

    fn fetch(&self, _fetch: &Fetch, path: &Path, attrs: &Attrs, how: &Written) -> Result<Fetched> {
        self.require_parent("write", path)?;
        let real = self.real(path)?;
        let old = self.lstat_real(&real)?;
        let stat = self.new_stat(FileKind::File, attrs, old.as_ref(), if how.secret { 0o600 } else { 0o644 }, 0)?;
        self.state().files.put(real, stat, Data::Unknown);
        Ok(Fetched::default())
    }

    fn request(&self, _request: &HttpRequest, _limit: u64) -> Result<Option<HttpAnswer>> {
        Ok(None)
    }

    fn run(&self, command: &Command) -> Result<Output> {
        match &command.effect {
            Effect::None | Effect::Anything(None) => {}
            Effect::Anything(Some(path)) => {
                let real = self.real(path)?;
                self.state().files.open(real);
            }
            Effect::Fills(dir) => {
                let real = self.real(dir)?;
                let stat = match self.lstat_real(&real)? {
                    Some(stat) => stat,
                    None => self.new_stat(FileKind::Dir, &Attrs::default(), None, 0o755, 4096)?,
                };
                self.state().files.put(real, stat, Data::Filled);
            }
        }
        Ok(Output::Unknown)
    }
}
