//! The one door to a target: two traits through which a resource sees the machine, and who implements them.
//!
//! Invariants:
//! * [`Inspect`] cannot change anything; every change goes through [`Machine`].
//! * A dry run is the ordinary apply against [`Preview`], whose writes land in memory and whose reads see them first.
//! * [`Tracked`] records what changed, for the diff, in the same way for a real run and a dry one.
//! * Programs are run by argv; nothing here builds a shell line.

mod account;
mod command;
mod diff;
mod difference;
mod fault;
mod file;
mod journal;
mod live;
mod net;
mod package;
mod preview;
mod remote;
mod tracked;
mod unit;

use std::path::Path;

pub use account::{Aging, Group, GroupChange, Key, User, UserChange};
pub use command::{Command, Effect, Output, Stdio};
pub use difference::{Difference, Side};
pub use fault::{Fault, FaultKind, Result};
pub use file::{Algorithm, Attrs, Content, FileKind, FileTime, Stat, Usage, Written, hex};
pub use journal::Journal;
pub use live::{Cancel, Live, open_files};
pub use net::{Address4, Fetch, Fetched, HttpAnswer, HttpRequest, Reach};
pub use package::{ForeseenFile, Foresight, Package, Request, Selection, Transaction, TransactionReport};
pub use preview::{Blank, Preview};
pub use remote::{Call, Exchange, Remote, Reply, serve};
pub use tracked::{Action, Change, Tracked};
pub use unit::{Service, Unit, UnitAction};

/// Who cfg is on the machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// User name, or the id where it has none.
    pub user: String,
    /// Home directory.
    pub home: std::path::PathBuf,
    /// Where programs run that are told no directory, and what relative paths start from.
    pub cwd: std::path::PathBuf,
    /// Where cfg keeps its state: journals, and what has yet to be done.
    pub state: std::path::PathBuf,
}

/// Reading a machine. Nothing here changes it.
pub trait Inspect: Send + Sync {
    /// What is at a path, not following a link in its last part; `None` where nothing is.
    fn lstat(&self, path: &Path) -> Result<Option<Stat>>;
    /// Reads a file of at most `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>>;
    /// Where a symbolic link points.
    fn read_link(&self, path: &Path) -> Result<std::path::PathBuf>;
    /// The names in a directory, sorted.
    fn list(&self, path: &Path) -> Result<Vec<String>>;
    /// The digest of a file of any size, in hexadecimal.
    fn digest(&self, path: &Path, algorithm: Algorithm) -> Result<String>;
    /// A user.
    fn user(&self, key: &Key) -> Result<Option<User>>;
    /// A group.
    fn group(&self, key: &Key) -> Result<Option<Group>>;
    /// An installed package.
    fn package(&self, name: &str) -> Result<Option<Package>>;
    /// The state of a service.
    fn unit(&self, name: &str) -> Result<Unit>;
    /// Runs a program that only reads.
    fn probe(&self, command: &Command) -> Result<Output>;
    /// Who we are.
    fn identity(&self) -> Result<Identity>;
    /// What a package transaction would bring.
    fn foresee(&self, transaction: &Transaction) -> Result<Foresight>;
    /// Tries to connect to a port, and reads up to `limit` bytes of what is said there.
    fn reach(&self, host: &str, port: u16, timeout: std::time::Duration, limit: u64) -> Result<Reach>;
    /// Lets time pass, until it has passed or the run is cancelled. In a dry run none passes: it gives `false`.
    fn pause(&self, time: std::time::Duration) -> Result<bool>;
    /// Every installed package, by name.
    fn installed(&self) -> Result<Vec<Package>>;
    /// Every service the service manager knows, by name.
    fn services(&self) -> Result<Vec<Service>>;
    /// Up to `length` bytes of a file, from an offset on; fewer only at its end.
    fn read_part(&self, path: &Path, offset: u64, length: u64) -> Result<Vec<u8>>;
    /// Asks a web server something that changes nothing there: the method is GET or HEAD.
    fn ask(&self, request: &HttpRequest, limit: u64) -> Result<HttpAnswer>;
    /// Fetches something of at most `limit` bytes into memory.
    fn download(&self, fetch: &Fetch, limit: u64) -> Result<Vec<u8>>;

    /// How full the file system of a path is. Where nobody can tell, as on a machine in memory, that is an error.
    fn usage(&self, path: &Path) -> Result<Usage>;
    /// The IPv4 addresses of the network interfaces. Where nobody can tell, as on a machine in memory, that is an error.
    fn addresses(&self) -> Result<Vec<Address4>>;

    /// Says whether something was asked for that is not there, and may yet come of a program that a dry run has not run.
    fn may_yet_come(&self) -> bool {
        false
    }

    /// What is at a path, following links; `None` where nothing is or a link dangles.
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let Some(real) = self.resolve(path)? else { return Ok(None) };
        self.lstat(&real)
    }

    /// The path with links in its last part followed; `None` where they go round in circles.
    fn resolve(&self, path: &Path) -> Result<Option<std::path::PathBuf>> {
        let mut path = path.to_path_buf();
        for _ in 0..40 {
            match self.lstat(&path)? {
                Some(stat) if stat.kind == FileKind::Link => {
                    let target = self.read_link(&path)?;
                    path = path.parent().unwrap_or(Path::new("/")).join(target);
                }
                _ => return Ok(Some(path)),
            }
        }
        Ok(None)
    }
}

/// The reading methods of a machine around another one that hands them on to its field as they are. `probe` and `pause` are
/// its own to write: they take time.
macro_rules! hand_on {
    ($field:tt) => { $crate::machine::hand_on! { @methods $field
        lstat(path: &std::path::Path) -> Option<$crate::machine::Stat>;
        read(path: &std::path::Path, limit: u64) -> Vec<u8>;
        read_link(path: &std::path::Path) -> std::path::PathBuf;
        list(path: &std::path::Path) -> Vec<String>;
        digest(path: &std::path::Path, algorithm: $crate::machine::Algorithm) -> String;
        user(key: &$crate::machine::Key) -> Option<$crate::machine::User>;
        group(key: &$crate::machine::Key) -> Option<$crate::machine::Group>;
        package(name: &str) -> Option<$crate::machine::Package>;
        unit(name: &str) -> $crate::machine::Unit;
        identity() -> $crate::machine::Identity;
        foresee(transaction: &$crate::machine::Transaction) -> $crate::machine::Foresight;
        reach(host: &str, port: u16, timeout: std::time::Duration, limit: u64) -> $crate::machine::Reach;
        installed() -> Vec<$crate::machine::Package>;
        services() -> Vec<$crate::machine::Service>;
        read_part(path: &std::path::Path, offset: u64, length: u64) -> Vec<u8>;
        ask(request: &$crate::machine::HttpRequest, limit: u64) -> $crate::machine::HttpAnswer;
        download(fetch: &$crate::machine::Fetch, limit: u64) -> Vec<u8>;
        usage(path: &std::path::Path) -> $crate::machine::Usage;
        addresses() -> Vec<$crate::machine::Address4>;
    } };
    (@methods $field:tt $($name:ident($($arg:ident: $ty:ty),*) -> $result:ty;)*) => {
        $(fn $name(&self, $($arg: $ty),*) -> $crate::machine::Result<$result> { self.$field.$name($($arg),*) })*
    };
}
pub(crate) use hand_on;

/// Changing a machine.
pub trait Machine: Inspect {
    /// Puts a file in place as a whole: temporary file, owner and mode, fsync, rename, fsync of the directory.
    fn write(&self, path: &Path, content: &Content, attrs: &Attrs, how: &Written) -> Result<()>;
    /// Writes into an existing file that cannot be replaced, as under `/proc/sys` and `/sys`.
    fn poke(&self, path: &Path, text: &str) -> Result<()>;
    /// Makes one directory.
    fn make_dir(&self, path: &Path, attrs: &Attrs) -> Result<()>;
    /// Makes a symbolic link, replacing a link or file of that name.
    fn symlink(&self, target: &Path, link: &Path) -> Result<()>;
    /// Makes a hard link, replacing a file of that name.
    fn hard_link(&self, target: &Path, link: &Path) -> Result<()>;
    /// Sets owner, group and mode.
    fn set_attrs(&self, path: &Path, attrs: &Attrs) -> Result<()>;
    /// Sets the times of access and modification; `None` leaves one as it is.
    fn set_times(&self, path: &Path, accessed: Option<FileTime>, modified: Option<FileTime>) -> Result<()>;
    /// Removes a file, a link, or a directory with all it holds.
    fn remove(&self, path: &Path) -> Result<()>;
    /// Installs, upgrades and removes packages, and refreshes the package lists.
    fn packages(&self, transaction: &Transaction) -> Result<TransactionReport>;
    /// Starts, stops, enables, … a service.
    fn unit_action(&self, name: &str, action: UnitAction) -> Result<()>;
    /// Makes or changes a user.
    fn put_user(&self, change: &UserChange) -> Result<()>;
    /// Removes a user, and with `files` the home directory.
    fn remove_user(&self, name: &str, files: bool, force: bool) -> Result<()>;
    /// Makes or changes a group.
    fn put_group(&self, change: &GroupChange) -> Result<()>;
    /// Removes a group; with `force` one that is the primary group of a user too.
    fn remove_group(&self, name: &str, force: bool) -> Result<()>;
    /// Fetches something into a file, which is replaced as a whole where its content differs. A dry run fetches nothing.
    fn fetch(&self, fetch: &Fetch, path: &Path, attrs: &Attrs, how: &Written) -> Result<Fetched>;
    /// Sends a web server something that may change it. A dry run sends nothing: `None`.
    fn request(&self, request: &HttpRequest, limit: u64) -> Result<Option<HttpAnswer>>;
    /// Runs a program that may change anything. A dry run does not run it: its output is unknown.
    fn run(&self, command: &Command) -> Result<Output>;
}
