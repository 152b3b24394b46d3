//! The real system.
//!
//! Every change is journalled with its before-image before it is made. Files are replaced as a whole, never edited in
//! place. Users, packages and services are read from their files or the system's own tools and changed by those tools.

mod accounts;
mod addresses;
mod apt;
mod deb;
mod dpkg;
mod exec;
mod files;
mod foresee;
mod maintainer;
mod net;
pub mod open_files;
mod systemd;
mod sysv;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::package::Foresight;
use super::{
    Address4, Algorithm, Attrs, Command, Content, Fault, FaultKind, Fetch, Fetched, FileTime, Group, GroupChange,
    HttpAnswer, HttpRequest, Identity, Inspect, Journal, Key, Machine, Output, Package, Reach, Result, Service, Stat,
    Transaction, TransactionReport, Unit, UnitAction, Usage, User, UserChange, Written,
};

/// Ends the programs that run and refuses new ones once it is set.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Cancels.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Says whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The real system.
pub struct Live {
    journal: Option<Journal>,
    cancel: Cancel,
    dpkg: Mutex<dpkg::Cache>,
    /// The package system changes one at a time.
    package_turn: Mutex<()>,
}

impl Live {
    /// The system this process runs on; without a journal for looking only.
    pub fn new(journal: Option<Journal>, cancel: Cancel) -> Self {
        Self { journal, cancel, dpkg: Mutex::default(), package_turn: Mutex::default() }
    }

    fn record(&self, action: &str, path: &Path) -> Result<()> {
        match &self.journal {
            Some(journal) => journal.before(action, path),
            None => Ok(()),
        }
    }

    fn note(&self, action: &str, subject: &str) -> Result<()> {
        match &self.journal {
            Some(journal) => journal.note(action, subject),
            None => Ok(()),
        }
    }
}

/// Turns an operating system error into a [`Fault`].
fn fault(operation: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Fault {
    let operation = format!("{operation} {}", path.display());
    move |error| Fault::io(operation, &error)
}

impl Inspect for Live {
    fn lstat(&self, path: &Path) -> Result<Option<Stat>> {
        files::lstat(path)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>> {
        files::read(path, limit)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        std::fs::read_link(path).map_err(fault("read the link", path))
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(path).map_err(fault("list", path))?;
        let mut names: Vec<String> =
            entries.filter_map(|e| e.ok()).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn digest(&self, path: &Path, algorithm: Algorithm) -> Result<String> {
        let mut file = std::fs::File::open(path).map_err(fault("read", path))?;
        algorithm.digest(&mut file).map_err(fault("read", path))
    }

    fn user(&self, key: &Key) -> Result<Option<User>> {
        accounts::user(key)
    }

    fn group(&self, key: &Key) -> Result<Option<Group>> {
        accounts::group(key)
    }

    fn package(&self, name: &str) -> Result<Option<Package>> {
        let mut cache = self.dpkg.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        cache.find(name)
    }

    fn unit(&self, name: &str) -> Result<Unit> {
        if systemd::runs() { systemd::unit(self, name) } else { sysv::unit(self, name) }
    }

    fn probe(&self, command: &Command) -> Result<Output> {
        exec::run(command, &self.cancel).map(Output::Known)
    }

    fn identity(&self) -> Result<Identity> {
        accounts::identity()
    }

    fn foresee(&self, transaction: &Transaction) -> Result<Foresight> {
        foresee::foresee(self, transaction)
    }

    fn reach(&self, host: &str, port: u16, timeout: Duration, limit: u64) -> Result<Reach> {
        net::reach(host, port, timeout, limit, &self.cancel)
    }

    fn pause(&self, time: Duration) -> Result<bool> {
        net::pause(time, &self.cancel)
    }

    fn installed(&self) -> Result<Vec<Package>> {
        let mut cache = self.dpkg.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut all: Vec<Package> = cache.all()?.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn services(&self) -> Result<Vec<Service>> {
        let mut all = if systemd::runs() { systemd::services(self)? } else { sysv::services(self)? };
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn read_part(&self, path: &Path, offset: u64, length: u64) -> Result<Vec<u8>> {
        files::read_part(path, offset, length)
    }

    fn ask(&self, request: &HttpRequest, limit: u64) -> Result<HttpAnswer> {
        net::exchange(request, limit, &self.cancel)
    }

    fn download(&self, fetch: &Fetch, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        net::ask(fetch, &self.cancel)?.read_into(&mut bytes, limit)?;
        net::verify(fetch, |algorithm| Ok(algorithm.of(&bytes)))?;
        Ok(bytes)
    }

    fn usage(&self, path: &Path) -> Result<Usage> {
        files::usage(path)
    }

    fn addresses(&self) -> Result<Vec<Address4>> {
        addresses::read()
    }
}

impl Machine for Live {
    fn write(&self, path: &Path, content: &Content, attrs: &Attrs, how: &Written) -> Result<()> {
        if let Some(backup) = &how.backup {
            files::copy(path, backup)?;
        }
        let temporary = files::stage(path, content, attrs, how.secret)?;
        let validated = match &how.validate {
            Some(command) => self.validate(command, temporary.path()),
            None => Ok(()),
        };
        validated.and_then(|()| self.record("write", path)).and_then(|()| temporary.take_place(path))
    }

    fn poke(&self, path: &Path, text: &str) -> Result<()> {
        self.record("poke", path)?;
        std::fs::write(path, text).map_err(fault("write", path))
    }

    fn make_dir(&self, path: &Path, attrs: &Attrs) -> Result<()> {
        self.note("make_dir", &path.to_string_lossy())?;
        files::make_dir(path, attrs)
    }

    fn symlink(&self, target: &Path, link: &Path) -> Result<()> {
        self.record("symlink", link)?;
        files::replace_with_link(link, |at| std::os::unix::fs::symlink(target, at))
    }

    fn hard_link(&self, target: &Path, link: &Path) -> Result<()> {
        self.record("hard_link", link)?;
        files::replace_with_link(link, |at| std::fs::hard_link(target, at))
    }

    fn set_attrs(&self, path: &Path, attrs: &Attrs) -> Result<()> {
        self.record("set_attrs", path)?;
        files::set_attrs(path, attrs)
    }

    fn set_times(&self, path: &Path, accessed: Option<FileTime>, modified: Option<FileTime>) -> Result<()> {
        files::set_times(path, accessed, modified)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.record("remove", path)?;
        files::remove(path)
    }

    fn packages(&self, transaction: &Transaction) -> Result<TransactionReport> {
        let _turn = self.package_turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let names: Vec<&str> = transaction.requests.iter().map(|r| r.name.as_str()).collect();
        self.note("packages", &names.join(" "))?;
        apt::run(self, transaction)
    }

    fn unit_action(&self, name: &str, action: UnitAction) -> Result<()> {
        self.note(action.verb(), name)?;
        if systemd::runs() { systemd::act(self, name, action) } else { sysv::act(self, name, action) }
    }

    fn put_user(&self, change: &UserChange) -> Result<()> {
        self.note("put_user", &change.name)?;
        accounts::put_user(self, change)
    }

    fn remove_user(&self, name: &str, files: bool, force: bool) -> Result<()> {
        self.note("remove_user", name)?;
        accounts::remove_user(self, name, files, force)
    }

    fn put_group(&self, change: &GroupChange) -> Result<()> {
        self.note("put_group", &change.name)?;
        accounts::put_group(self, change)
    }

    fn remove_group(&self, name: &str, force: bool) -> Result<()> {
        self.note("remove_group", name)?;
        let force = force.then_some("--force");
        exec::checked(self, &Command::new(["groupdel"].into_iter().chain(force).chain(["--", name])))
    }

    fn fetch(&self, fetch: &Fetch, path: &Path, attrs: &Attrs, how: &Written) -> Result<Fetched> {
        let (download, status) = net::Download::get(fetch, path, &self.cancel)?;
        let sha256 = download.digest(Algorithm::Sha256)?;
        let is_file = files::lstat(path)?.is_some_and(|stat| stat.kind == super::FileKind::File);
        let replaced = !is_file || self.digest(path, Algorithm::Sha256)? != sha256;
        let sha1 = download.digest(Algorithm::Sha1)?;
        if replaced {
            self.write(path, &Content::File(download.path().to_path_buf()), attrs, how)?;
        } else if *attrs != Attrs::default() {
            self.set_attrs(path, attrs)?;
        }
        Ok(Fetched { status: Some(status), sha1, replaced })
    }

    fn request(&self, request: &HttpRequest, limit: u64) -> Result<Option<HttpAnswer>> {
        // An address may hold a secret; the journal is no place for it.
        self.note("request", &request.method)?;
        net::exchange(request, limit, &self.cancel).map(Some)
    }

    fn run(&self, command: &Command) -> Result<Output> {
        self.note("run", command.argv.first().map_or("", String::as_str))?;
        exec::run(command, &self.cancel).map(Output::Known)
    }
}

impl Live {
    /// Runs the validation of a staged file: `%s` in it stands for the file.
    fn validate(&self, command: &Command, staged: &Path) -> Result<()> {
        let mut command = command.clone();
        for word in &mut command.argv {
            *word = word.replace("%s", &staged.to_string_lossy());
        }
        let output = exec::run(&command, &self.cancel)?;
        if output.ok() {
            return Ok(());
        }
        Err(Fault { kind: FaultKind::Other, ..Fault::new("validate failed", output.tail()) })
    }
}
