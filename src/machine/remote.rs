//! A machine seen through a pipe: another agent, running as another user, answers the calls.
//!
//! This is what `become` is: the same resource code, over a machine that has other rights.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::package::Foresight;
use super::{
    Address4, Algorithm, Attrs, Command, Content, Fault, Fetch, Fetched, FileTime, Group, GroupChange, HttpAnswer,
    HttpRequest, Identity, Inspect, Key, Machine, Output, Package, Reach, Result, Service, Stat, Transaction,
    TransactionReport, Unit, UnitAction, Usage, User, UserChange, Written,
};

macro_rules! calls {
    (
        inspect { $($iv:ident = $im:ident ( $($ia:ident : $it:ty),* ) -> $ir:ty;)* }
        machine { $($mv:ident = $mm:ident ( $($ma:ident : $mt:ty),* ) -> $mr:ty;)* }
    ) => {
        /// A call of one of the machine traits' methods.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Call {
            $(#[doc = concat!("[`Inspect::", stringify!($im), "`]")] $iv($($it),*),)*
            $(#[doc = concat!("[`Machine::", stringify!($mm), "`]")] $mv($($mt),*),)*
        }

        /// The answer to a [`Call`].
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Reply {
            $(#[doc = concat!("Of [`Call::", stringify!($iv), "`].")] $iv(Result<$ir>),)*
            $(#[doc = concat!("Of [`Call::", stringify!($mv), "`].")] $mv(Result<$mr>),)*
        }

        /// Answers a call on a machine.
        pub fn serve(machine: &dyn Machine, call: Call) -> Reply {
            match call {
                $(Call::$iv($($ia),*) => Reply::$iv(machine.$im($($ia.lend()),*)),)*
                $(Call::$mv($($ma),*) => Reply::$mv(machine.$mm($($ma.lend()),*)),)*
            }
        }

        impl Inspect for Remote {
            $(fn $im(&self, $($ia: <$it as Lend>::Lent<'_>),*) -> Result<$ir> {
                match self.call(Call::$iv($(<$it as Lend>::own($ia)),*))? {
                    Reply::$iv(result) => result,
                    _ => Err(Self::confused()),
                }
            })*
        }

        impl Machine for Remote {
            $(fn $mm(&self, $($ma: <$mt as Lend>::Lent<'_>),*) -> Result<$mr> {
                match self.call(Call::$mv($(<$mt as Lend>::own($ma)),*))? {
                    Reply::$mv(result) => result,
                    _ => Err(Self::confused()),
                }
            })*
        }
    };
}

/// How an owned argument of a call is passed to the method, and back.
pub trait Lend {
    type Lent<'a>
    where
        Self: 'a;
    fn lend(&self) -> Self::Lent<'_>;
    fn own(lent: Self::Lent<'_>) -> Self;
}

macro_rules! lend {
    ($($owned:ty => $lent:ty, $lend:ident, $own:ident;)*) => {
        $(impl Lend for $owned {
            type Lent<'a> = &'a $lent;
            fn lend(&self) -> &$lent { self.$lend() }
            fn own(lent: &$lent) -> Self { lent.$own() }
        })*
    };
    (ref $($owned:ty),*) => {
        $(impl Lend for $owned {
            type Lent<'a> = &'a $owned;
            fn lend(&self) -> &$owned { self }
            fn own(lent: &$owned) -> Self { lent.clone() }
        })*
    };
    (copy $($owned:ty),*) => {
        $(impl Lend for $owned {
            type Lent<'a> = $owned;
            fn lend(&self) -> $owned { *self }
            fn own(lent: $owned) -> Self { lent }
        })*
    };
}

lend! { PathBuf => Path, as_path, to_path_buf; String => str, as_str, to_owned; }
lend! { ref Key, Command, Attrs, Content, Written, Transaction, UserChange, GroupChange, Fetch, HttpRequest }
lend! { copy u16, u64, bool, Duration, Algorithm, UnitAction, Option<FileTime> }

calls! {
    inspect {
        Lstat = lstat(path: PathBuf) -> Option<Stat>;
        Read = read(path: PathBuf, limit: u64) -> Vec<u8>;
        ReadLink = read_link(path: PathBuf) -> PathBuf;
        List = list(path: PathBuf) -> Vec<String>;
        Digest = digest(path: PathBuf, algorithm: Algorithm) -> String;
        User = user(key: Key) -> Option<User>;
        Group = group(key: Key) -> Option<Group>;
        Package = package(name: String) -> Option<Package>;
        Unit = unit(name: String) -> Unit;
        Probe = probe(command: Command) -> Output;
        Identity = identity() -> Identity;
        Foresee = foresee(transaction: Transaction) -> Foresight;
        Reached = reach(host: String, port: u16, timeout: Duration, limit: u64) -> Reach;
        Pause = pause(time: Duration) -> bool;
        Installed = installed() -> Vec<Package>;
        Services = services() -> Vec<Service>;
        ReadPart = read_part(path: PathBuf, offset: u64, length: u64) -> Vec<u8>;
        Ask = ask(request: HttpRequest, limit: u64) -> HttpAnswer;
        Download = download(fetch: Fetch, limit: u64) -> Vec<u8>;
        Usage = usage(path: PathBuf) -> Usage;
        Addresses = addresses() -> Vec<Address4>;
    }
    machine {
        Write = write(path: PathBuf, content: Content, attrs: Attrs, how: Written) -> ();
        Poke = poke(path: PathBuf, text: String) -> ();
        MakeDir = make_dir(path: PathBuf, attrs: Attrs) -> ();
        Symlink = symlink(target: PathBuf, link: PathBuf) -> ();
        HardLink = hard_link(target: PathBuf, link: PathBuf) -> ();
        SetAttrs = set_attrs(path: PathBuf, attrs: Attrs) -> ();
        SetTimes = set_times(path: PathBuf, accessed: Option<FileTime>, modified: Option<FileTime>) -> ();
        Remove = remove(path: PathBuf) -> ();
        Packages = packages(transaction: Transaction) -> TransactionReport;
        UnitAct = unit_action(name: String, action: UnitAction) -> ();
        PutUser = put_user(change: UserChange) -> ();
        RemoveUser = remove_user(name: String, files: bool, force: bool) -> ();
        PutGroup = put_group(change: GroupChange) -> ();
        RemoveGroup = remove_group(name: String, force: bool) -> ();
        Fetched = fetch(fetch: Fetch, path: PathBuf, attrs: Attrs, how: Written) -> Fetched;
        Request = request(request: HttpRequest, limit: u64) -> Option<HttpAnswer>;
        Run = run(command: Command) -> Output;
    }
}

/// Sends a call and waits for its answer.
pub type Exchange = Box<dyn FnMut(Call) -> std::result::Result<Reply, String> + Send>;

/// A machine at the other end of a pipe. Calls go one after the other.
pub struct Remote(Mutex<Exchange>);

impl Remote {
    /// A machine that is reached by `exchange`.
    pub fn new(exchange: Exchange) -> Self {
        Self(Mutex::new(exchange))
    }

    fn call(&self, call: Call) -> Result<Reply> {
        let mut exchange = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        exchange(call).map_err(|reason| Fault::new("talk to the agent of the other user", reason))
    }

    fn confused() -> Fault {
        Fault::new("talk to the agent of the other user", "it answered something else")
    }
}
