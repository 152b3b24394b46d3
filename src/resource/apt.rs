//! `apt`: packages of Debian and Ubuntu.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::params::params;
use super::types::choices;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource, glob};
use crate::machine::{Command, Inspect, Machine, Package, Request, Selection, Transaction};
use crate::value::Value;

const LISTS: &str = "/var/lib/apt/lists";
const UPDATE_STAMP: &str = "/var/lib/apt/periodic/update-success-stamp";
const ARCHIVES: &str = "/var/cache/apt/archives";

choices! {
    /// What is wanted of packages.
    pub enum State {
        /// Installed, in any version.
        Present = "present",
        /// Installed, in the newest version there is.
        Latest = "latest",
        /// Not installed.
        Absent = "absent",
        /// What it takes to build them is installed.
        BuildDep = "build-dep",
        /// Installed, and repaired where their installation is broken.
        Fixed = "fixed",
    }
}

choices! {
    /// How everything is upgraded.
    pub enum Upgrade {
        /// Not at all.
        No = "no",
        /// Without removing anything.
        Safe = "yes" | "safe",
        /// Removing what stands in the way.
        Full = "full",
        /// As `full`.
        Dist = "dist",
    }
}

params! {
    /// Manages packages of Debian and Ubuntu.
    ///
    /// A host that has what is asked for is not asked twice: no program runs. A virtual package counts as installed
    /// where an installed package provides it.
    ///
    /// # Example
    /// ```yaml
    /// - apt: { name: [nginx, "postgresql=15*"], update_cache: true, cache_valid_time: 3600 }
    /// ```
    pub struct Apt {
        /// Packages: `name`, `name=version`, or patterns with `*` in either.
        name: Vec<String>, alias "package" "pkg";
        /// What is wanted of them.
        state: State = State::Present;
        /// The path of a `.deb` file on the target.
        deb: Option<PathBuf>;
        /// Refresh the package lists first. The default is to do so where `cache_valid_time` is given.
        update_cache: Option<bool>, alias "update-cache";
        /// Refresh the lists only where they are older than this many seconds.
        cache_valid_time: i64 = 0;
        /// Upgrade all packages.
        upgrade: Upgrade = Upgrade::No;
        /// Install recommended packages; the default is the system's own setting.
        install_recommends: Option<bool>, alias "install-recommends";
        /// Remove configuration files too.
        purge: bool = false;
        /// Remove packages that nothing needs any more.
        autoremove: bool = false;
        /// Clean the cache of fetched packages that cannot be fetched again.
        autoclean: bool = false;
        /// Clean the cache of fetched packages.
        clean: bool = false;
        /// Fail rather than remove a package.
        fail_on_autoremove: bool = false;
        /// Only upgrade packages that are installed.
        only_upgrade: bool = false;
        /// Prefer this release.
        default_release: Option<String>, alias "default-release";
        /// Options of dpkg, separated by commas.
        dpkg_options: Vec<String> = vec!["force-confdef".to_owned(), "force-confold".to_owned()];
        /// Seconds to wait for the lock of the package system.
        lock_timeout: i64 = 60;
        /// What `/usr/sbin/policy-rc.d` answers meanwhile; 101 keeps services from starting.
        policy_rc_d: Option<i64>;
        /// Allow packages to be downgraded.
        allow_downgrade: bool = false, alias "allow-downgrade" "allow_downgrades" "allow-downgrades";
        /// Allow packages that are held to change.
        allow_change_held_packages: bool = false;
        /// Allow packages that are not authenticated.
        allow_unauthenticated: bool = false, alias "allow-unauthenticated";
        /// Allow all three of the above.
        force: bool = false;
        /// Use apt-get rather than aptitude. cfg always does, so that only `true` can be asked for.
        force_apt_get: bool = true;
    }
}

impl Apt {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        let upgrades = self.upgrade != Upgrade::No;
        match &self.deb {
            _ if self.cache_valid_time < 0 => Err(ParamError::bad("cache_valid_time", "expected 0 or more")),
            _ if self.lock_timeout < 0 => Err(ParamError::bad("lock_timeout", "expected 0 or more")),
            _ if !self.force_apt_get => Err(ParamError::bad("force_apt_get", "cfg always uses apt-get")),
            Some(_) if !self.name.is_empty() || upgrades => {
                Err(ParamError::conflict("`deb`, `name` and `upgrade` exclude each other"))
            }
            Some(path) if path.to_string_lossy().contains("://") => {
                Err(ParamError::bad("deb", "expected a path on the target; fetch the file with `get_url` first"))
            }
            _ if upgrades && !self.name.is_empty() && self.name != ["*"] => {
                Err(ParamError::conflict("`upgrade` upgrades everything; give no `name`"))
            }
            _ => self.name.iter().try_for_each(|name| parse_name(name).map(drop)),
        }
    }

    fn selection(&self) -> Selection {
        match self.state {
            State::Present => Selection::Present,
            State::Latest => Selection::Latest,
            State::Absent => Selection::Absent,
            State::BuildDep => Selection::BuildDeps,
            State::Fixed => Selection::Fixed,
        }
    }

    /// The requests that are not fulfilled yet.
    fn requests(&self, machine: &dyn Inspect) -> Result<Vec<Request>, Failure> {
        let mut requests = Vec::new();
        for text in self.name.iter().filter(|name| !name.is_empty() && self.upgrade == Upgrade::No) {
            let mut request = parse_name(text).map_err(|e| Failure::new(e.message))?;
            request.selection = self.selection();
            if self.differs(machine, &request)? {
                requests.push(request);
            }
        }
        if let Some(path) = &self.deb
            && self.deb_differs(machine, path)?
        {
            let name = path.to_string_lossy().into_owned();
            requests.push(Request { name, version: None, selection: Selection::Present });
        }
        Ok(requests)
    }

    fn differs(&self, machine: &dyn Inspect, request: &Request) -> Result<bool, Failure> {
        if glob::is_pattern(&request.name) {
            return Ok(true);
        }
        let (plain, arch) = request.name.split_once(':').map_or((request.name.as_str(), None), |(n, a)| (n, Some(a)));
        let of_arch = |package: &Package| {
            arch.is_none_or(|a| matches!(a, "any" | "native") || package.arch == "all" || package.arch == a)
        };
        let found = machine.package(&request.name)?.filter(of_arch);
        let only_upgrade = self.only_upgrade && found.is_none();
        Ok(match (request.selection, &found, &request.version) {
            // Only the package itself can be removed, not one that provides its name.
            (Selection::Absent, found, _) => found.as_ref().is_some_and(|package| package.name == plain),
            (Selection::BuildDeps | Selection::Fixed, ..) => true,
            _ if only_upgrade => false,
            (_, Some(package), Some(version)) => !glob::matches(version, &package.version),
            (Selection::Latest, ..) | (_, None, _) => true,
            (_, Some(_), None) => false,
        })
    }

    /// Says whether the package in a file is not installed in that version.
    fn deb_differs(&self, machine: &dyn Inspect, path: &Path) -> Result<bool, Failure> {
        if machine.stat(path)?.is_none() {
            return Err(Failure::new(format!("there is no file {}", path.display())));
        }
        let shown = path.to_string_lossy().into_owned();
        let output =
            machine.probe(&Command::new(["dpkg-deb", "--show", "--showformat", "${Package} ${Version}", &shown]))?;
        let Some(stdio) = output.known().filter(|stdio| stdio.ok()) else {
            // A plan cannot look into a file that is yet to be fetched; reading it says so.
            machine.digest(path, crate::machine::Algorithm::Sha256)?;
            let reason = output.known().map(crate::machine::Stdio::tail).unwrap_or_default();
            return Err(Failure::new(format!("{shown} is not a package: {reason}")));
        };
        let fields = stdio.out();
        let (name, version) = fields.trim().split_once(' ').unwrap_or((fields.trim(), ""));
        Ok(machine.package(name)?.is_none_or(|package| package.name != name || package.version != version))
    }

    /// How old the lists may be, where they are to be refreshed at all.
    fn update_older_than(&self, machine: &dyn Inspect) -> Result<Option<u64>, Failure> {
        let limit = u64::try_from(self.cache_valid_time).unwrap_or(0);
        let wanted = self.update_cache.unwrap_or(limit > 0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let stale = limit == 0 || now.saturating_sub(lists_time(machine)?) > limit;
        Ok((wanted && stale).then_some(limit))
    }

    fn transaction(&self, machine: &dyn Inspect, context: &Context) -> Result<Transaction, Failure> {
        let upgrade = match self.upgrade {
            Upgrade::No => None,
            Upgrade::Safe => Some("safe"),
            Upgrade::Full => Some("full"),
            Upgrade::Dist => Some("dist"),
        };
        Ok(Transaction {
            requests: self.requests(machine)?,
            update_older_than: self.update_older_than(machine)?,
            upgrade: upgrade.map(str::to_owned),
            recommends: self.install_recommends,
            purge: self.purge,
            autoremove: self.autoremove,
            autoclean: self.autoclean,
            only_upgrade: self.only_upgrade,
            no_remove: self.fail_on_autoremove,
            allow_downgrade: self.allow_downgrade || self.force,
            allow_unauthenticated: self.allow_unauthenticated || self.force,
            allow_held: self.allow_change_held_packages || self.force,
            clean: self.clean && has_archives(machine)?,
            default_release: self.default_release.clone(),
            dpkg_options: self.dpkg_options.clone(),
            lock_timeout: u64::try_from(self.lock_timeout).unwrap_or(0),
            policy_rc_d: self.policy_rc_d.and_then(|status| i32::try_from(status).ok()),
            env: context.environment.clone(),
        })
    }
}

impl Resource for Apt {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let transaction = self.transaction(machine, context)?;
        let works = !transaction.requests.is_empty()
            || transaction.update_older_than.is_some()
            || transaction.upgrade.is_some()
            || transaction.clean
            || transaction.autoclean
            // By itself it is asked for; beside packages it goes with what happens to them.
            || (transaction.autoremove && self.name.is_empty());
        let report = if works { machine.packages(&transaction)? } else { Default::default() };
        let time = if works { report.lists_time } else { lists_time(machine)? };
        let mut outcome = Outcome::of([
            ("cache_updated", Value::Bool(report.updated_lists)),
            ("cache_update_time", Value::from(time)),
            ("stdout", Value::from(report.stdout)),
            ("stderr", Value::from(report.stderr)),
        ]);
        // As in Ansible, refreshed lists count only where nothing else was asked for.
        let only_lists = self.name.is_empty() && self.deb.is_none() && transaction.upgrade.is_none();
        if report.changes.is_empty() && ((report.updated_lists && only_lists) || transaction.clean) {
            outcome = outcome.changed(true);
        }
        Ok(outcome)
    }
}

/// Reads `name`, `name=version`.
fn parse_name(text: &str) -> Result<Request, ParamError> {
    let (name, version) = text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version)));
    if name.ends_with(['>', '<']) {
        let message =
            format!("`{text}`: cfg has no comparisons of versions; write name=version, where version may end in *");
        return Err(ParamError::bad("name", message));
    }
    if name.contains(char::is_whitespace) || name.starts_with('-') {
        return Err(ParamError::bad("name", format!("`{text}` is not the name of a package")));
    }
    Ok(Request { name: name.to_owned(), version: version.map(str::to_owned), selection: Selection::Present })
}

/// When the lists were refreshed last, in seconds since the epoch.
fn lists_time(machine: &dyn Inspect) -> Result<u64, Failure> {
    let mut newest = 0.0_f64;
    for path in [UPDATE_STAMP, LISTS] {
        newest = newest.max(machine.lstat(Path::new(path))?.map_or(0.0, |stat| stat.mtime));
    }
    Ok(newest as u64)
}

fn has_archives(machine: &dyn Inspect) -> Result<bool, Failure> {
    Ok(!glob::paths(machine, &Path::new(ARCHIVES).join("*.deb"))?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn refusals() {
        let bench = Bench::with(&[]);
        let table = [
            ("{deb: 'https://example.com/a.deb'}", "get_url"),
            ("{deb: /tmp/a.deb, name: b}", "exclude"),
            ("{deb: /tmp/a.deb}", "/tmp/a.deb"),
            ("{name: 'a>=1'}", "comparisons"),
            ("{name: a, force_apt_get: false}", "apt-get"),
            ("{name: a, state: installed}", "present, latest"),
            ("{name: a b}", "not the name"),
        ];
        for (args, expected) in table {
            let message = bench.fails("apt", args);
            assert!(message.contains(expected), "{args}: {message}");
        }
    }

    #[test]
    fn a_host_that_has_nothing_to_do_is_not_asked() {
        // The blank machine refuses every transaction, so that asking it would fail.
        let bench = Bench::with(&[]);
        for args in
            ["{name: a, state: absent}", "{name: [], state: present}", "{name: a, only_upgrade: true}", "{clean: true}"]
        {
            assert_eq!(bench.settle("apt", args).1, 0, "{args}");
        }
        for args in
            ["{name: a}", "{name: a, state: latest}", "{name: 'a*', state: absent}", "{name: a, state: build-dep}"]
        {
            assert!(bench.fails("apt", args).contains("no package manager"), "{args}");
        }
    }
}
