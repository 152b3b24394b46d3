//! Packages as the machine traits speak of them.

use serde::{Deserialize, Serialize};

/// An installed package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
    /// Held back from upgrades.
    pub held: bool,
    /// The section of the archive it belongs to; empty where that is not known.
    pub section: String,
}

/// What is wanted of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Installed, in any version.
    Present,
    /// Installed, in the newest version there is.
    Latest,
    /// Not installed.
    Absent,
    /// Its dependencies to build it.
    BuildDeps,
    /// Installed, and repaired where its installation is broken.
    Fixed,
}

/// One package that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Name; may be a pattern with `*`, a virtual package, or the path of a `.deb` on the machine.
    pub name: String,
    /// Version or version pattern, as in `name=1.2*`.
    pub version: Option<String>,
    /// What is wanted.
    pub selection: Selection,
}

/// A change of the set of packages, made as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The packages asked for.
    pub requests: Vec<Request>,
    /// Refresh the lists first where they are older than this many seconds; `Some(0)` always.
    pub update_older_than: Option<u64>,
    /// Upgrade everything: `safe`, `full` or `dist`.
    pub upgrade: Option<String>,
    /// Install recommended packages; `None` is the system's own setting.
    pub recommends: Option<bool>,
    /// Remove configuration files too.
    pub purge: bool,
    /// Remove packages nothing needs any more.
    pub autoremove: bool,
    /// Clean the cache of downloaded packages that cannot be downloaded any more.
    pub autoclean: bool,
    /// Fail rather than remove a package.
    pub no_remove: bool,
    /// Only upgrade what is installed.
    pub only_upgrade: bool,
    /// Allow packages to be downgraded.
    pub allow_downgrade: bool,
    /// Allow unauthenticated packages.
    pub allow_unauthenticated: bool,
    /// Allow packages marked as held to change.
    pub allow_held: bool,
    /// Clean the cache of downloaded packages.
    pub clean: bool,
    /// Prefer this release.
    pub default_release: Option<String>,
    /// Options for dpkg, such as `force-confdef`.
    pub dpkg_options: Vec<String>,
    /// Seconds to wait for the package system's lock.
    pub lock_timeout: u64,
    /// Do not start services of what is installed (as `policy_rc_d: 101`).
    pub policy_rc_d: Option<i32>,
    /// Variables added to the environment of the package manager.
    pub env: Vec<(String, String)>,
}

/// What a transaction did or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionReport {
    /// Packages that changed: name, version before, version after.
    pub changes: Vec<(String, Option<String>, Option<String>)>,
    /// The lists were refreshed.
    pub updated_lists: bool,
    /// When the lists were refreshed last, in seconds since the epoch.
    pub lists_time: u64,
    /// What the package manager wrote.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// What a transaction would bring, found out without changing the system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Foresight {
    /// The packages that would change.
    pub report: TransactionReport,
    /// Files and directories that would be there, in the order in which they come.
    pub files: Vec<ForeseenFile>,
    /// Users that would be made: name, home, and whether a group of the same name comes with it.
    pub users: Vec<(String, Option<String>)>,
    /// Groups that would be made.
    pub groups: Vec<String>,
    /// Services that would be enabled.
    pub enabled: Vec<String>,
    /// Services that would be started.
    pub started: Vec<String>,
    /// Packages whose content could not be looked into, and why.
    pub unseen: Vec<(String, String)>,
}

/// A file a package would bring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeseenFile {
    /// Where.
    pub path: std::path::PathBuf,
    /// What.
    pub kind: super::FileKind,
    /// Mode; `None` where only the owner changes.
    pub mode: Option<u32>,
    /// Owner by name.
    pub owner: Option<String>,
    /// Group by name.
    pub group: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Where a link points.
    pub target: Option<std::path::PathBuf>,
    /// The content of a small configuration or unit file.
    pub content: Option<Vec<u8>>,
    /// How it comes about.
    pub comes: Comes,
}

/// How something a package brings comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comes {
    /// It is unpacked.
    Unpacked,
    /// A script of the package makes it where there is nothing.
    Made,
    /// A script of the package sets attributes of what is there.
    Changed,
}
