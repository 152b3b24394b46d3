//! Changing packages with apt-get.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::super::{Command, Fault, FileTime, Request, Result, Selection, Stdio, Transaction, TransactionReport};
use super::{Live, exec, files};

const LISTS: &str = "/var/lib/apt/lists";

/// Runs a transaction and reports what changed, by comparing the package database before and after.
pub fn run(live: &Live, transaction: &Transaction) -> Result<TransactionReport> {
    require_apt()?;
    let mut report = TransactionReport::default();
    if needs_update(transaction) {
        update(live, transaction)?;
        report.updated_lists = true;
    }
    report.lists_time = lists_time();
    let before = live.installed()?;
    for arguments in steps(transaction) {
        let stdio = apt_get(live, transaction, &arguments)?;
        report.stdout.push_str(&stdio.out());
        report.stderr.push_str(&stdio.err());
    }
    report.changes = difference(&before, &live.installed()?);
    Ok(report)
}

fn require_apt() -> Result<()> {
    if Path::new("/usr/bin/apt-get").exists() {
        return Ok(());
    }
    Err(Fault::new("change packages", "this host has no apt-get; cfg supports apt only so far"))
}

type Versions = std::collections::BTreeMap<String, String>;

impl Live {
    fn installed(&self) -> Result<Versions> {
        let mut cache = self.dpkg.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(cache.all()?.values().map(|p| (p.name.clone(), p.version.clone())).collect())
    }
}

fn difference(before: &Versions, after: &Versions) -> Vec<(String, Option<String>, Option<String>)> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| (name.clone(), before.get(name).cloned(), after.get(name).cloned());
    names.into_iter().map(change).filter(|(_, old, new)| old != new).collect()
}

/// When the package lists were refreshed last, in seconds since the epoch.
pub fn lists_time() -> u64 {
    let stamp = |path: &str| files::lstat(Path::new(path)).ok().flatten().map(|stat| stat.mtime as u64);
    stamp("/var/lib/apt/periodic/update-success-stamp").into_iter().chain(stamp(LISTS)).max().unwrap_or(0)
}

/// Says whether the lists are older than asked for.
pub fn needs_update(transaction: &Transaction) -> bool {
    let Some(limit) = transaction.update_older_than else { return false };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    limit == 0 || now.saturating_sub(lists_time()) > limit
}

fn update(live: &Live, transaction: &Transaction) -> Result<()> {
    apt_get(live, transaction, &["update".to_owned()])?;
    // apt-get leaves the time of the directory alone when nothing was new; the age is what `cache_valid_time` asks for.
    files::set_times(Path::new(LISTS), Some(FileTime::Now), Some(FileTime::Now))
}

/// The argument lists of the apt-get calls a transaction takes.
pub fn steps(transaction: &Transaction) -> Vec<Vec<String>> {
    let mut steps = Vec::new();
    if let Some(upgrade) = &transaction.upgrade {
        let verb = match upgrade.as_str() {
            "dist" | "full" => "dist-upgrade",
            _ => "upgrade",
        };
        let mut arguments = vec![verb.to_owned()];
        if verb == "upgrade" {
            arguments.push("--with-new-pkgs".into());
        }
        steps.push(arguments);
    }
    let words = |wanted: &dyn Fn(&Request) -> bool| -> Vec<String> {
        transaction.requests.iter().filter(|r| wanted(r)).map(word).collect()
    };
    let installs = words(&|r| matches!(r.selection, Selection::Present | Selection::Latest | Selection::Fixed));
    if !installs.is_empty() {
        let fix = transaction.requests.iter().any(|r| r.selection == Selection::Fixed);
        let mut arguments = vec!["install".to_owned()];
        arguments.extend(fix.then(|| "--fix-broken".to_owned()));
        arguments.extend(transaction.only_upgrade.then(|| "--only-upgrade".to_owned()));
        arguments.extend(transaction.allow_downgrade.then(|| "--allow-downgrades".to_owned()));
        arguments.extend(installs);
        steps.push(arguments);
    }
    let build_deps = words(&|r| r.selection == Selection::BuildDeps);
    if !build_deps.is_empty() {
        steps.push(std::iter::once("build-dep".to_owned()).chain(build_deps).collect());
    }
    let removals = words(&|r| r.selection == Selection::Absent);
    if !removals.is_empty() {
        let verb = if transaction.purge { "purge" } else { "remove" };
        steps.push(std::iter::once(verb.to_owned()).chain(removals).collect());
    }
    if transaction.autoremove {
        steps.push(vec!["autoremove".into()]);
    }
    if transaction.autoclean {
        steps.push(vec!["autoclean".into()]);
    }
    if transaction.clean {
        steps.push(vec!["clean".into()]);
    }
    steps
}

fn word(request: &Request) -> String {
    match &request.version {
        Some(version) => format!("{}={version}", request.name),
        None => request.name.clone(),
    }
}

/// The options every call of a transaction takes.
pub fn options(transaction: &Transaction) -> Vec<String> {
    let mut options: Vec<String> =
        vec!["-y".into(), "-q".into(), format!("-oDPkg::Lock::Timeout={}", transaction.lock_timeout)];
    let dpkg = transaction.dpkg_options.iter().map(|option| format!("-oDpkg::Options::=--{option}"));
    options.extend(dpkg);
    if let Some(recommends) = transaction.recommends {
        options.push(format!("-oAPT::Install-Recommends={}", if recommends { "yes" } else { "no" }));
    }
    if let Some(release) = &transaction.default_release {
        options.push(format!("-t={release}"));
    }
    for (wanted, option) in [
        (transaction.autoremove, "--auto-remove"),
        (transaction.purge, "--purge"),
        (transaction.no_remove, "--no-remove"),
        (transaction.allow_unauthenticated, "--allow-unauthenticated"),
        (transaction.allow_held, "--allow-change-held-packages"),
    ] {
        if wanted {
            options.push(option.into());
        }
    }
    options
}

/// Runs apt-get, waiting for another package manager to finish where it holds a lock.
fn apt_get(live: &Live, transaction: &Transaction, arguments: &[String]) -> Result<Stdio> {
    let mut argv = vec!["apt-get".to_owned()];
    argv.extend(options(transaction));
    argv.extend(arguments.iter().cloned());
    let mut command = Command::new(argv).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
    command.env.push(("DEBIAN_PRIORITY".into(), "critical".into()));
    command.env.push(("APT_LISTCHANGES_FRONTEND".into(), "none".into()));
    command.env.extend(transaction.env.iter().cloned());
    let _policy = transaction.policy_rc_d.map(PolicyFile::put).transpose()?;
    let deadline = Instant::now() + Duration::from_secs(transaction.lock_timeout);
    let mut repaired = false;
    loop {
        let stdio = exec::run(&command, &live.cancel)?;
        if stdio.ok() {
            return Ok(stdio);
        }
        // A run that was killed half-way leaves dpkg in the middle of its work: it has to finish first.
        if stdio.err().contains("dpkg was interrupted") && !repaired {
            repaired = true;
            let mut repair = Command::new(["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"]);
            repair.env.clone_from(&command.env);
            exec::checked(live, &repair)?;
            continue;
        }
        let locked = stdio.err().contains("Could not get lock") || stdio.err().contains("Unable to lock");
        if !locked || Instant::now() >= deadline {
            return Err(failure(arguments, &stdio));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn failure(arguments: &[String], stdio: &Stdio) -> Fault {
    let errors: Vec<String> = stdio.err().lines().filter(|l| l.starts_with("E:")).map(str::to_owned).collect();
    let reason = if errors.is_empty() { stdio.tail() } else { errors.join("\n") };
    Fault::new(format!("apt-get {}", arguments.join(" ")), reason)
}

/// `/usr/sbin/policy-rc.d` for the time of one call; an existing one is left alone.
struct PolicyFile(bool);

impl PolicyFile {
    const PATH: &'static str = "/usr/sbin/policy-rc.d";

    fn put(status: i32) -> Result<Self> {
        let path = Path::new(Self::PATH);
        if path.exists() {
            return Ok(Self(false));
        }
        let content = super::super::Content::bytes(format!("#!/bin/sh\nexit {status}\n").into_bytes());
        let attrs = super::super::Attrs { mode: Some(0o755), ..Default::default() };
        files::stage(path, &content, &attrs, false)?.take_place(path)?;
        Ok(Self(true))
    }
}

impl Drop for PolicyFile {
    fn drop(&mut self) {
        if self.0 {
            let _ = std::fs::remove_file(Self::PATH);
        }
    }
}

/// Reads what `apt-get --simulate` says it would do.
pub fn parse_simulation(text: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let mut changes = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(verb), Some(name)) = (words.next(), words.next()) else { continue };
        let rest: Vec<&str> = words.collect();
        let old = rest.first().filter(|w| w.starts_with('[')).map(|w| w.trim_matches(['[', ']']).to_owned());
        let new = rest.iter().find_map(|w| w.strip_prefix('(')).map(|w| w.trim_end_matches(')').to_owned());
        match verb {
            "Inst" => changes.push((name.to_owned(), old, new)),
            "Remv" | "Purg" => changes.push((name.to_owned(), old.or(Some(String::new())), None)),
            _ => {}
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_simulation() {
        let text = "NOTE: This is only a simulation!\nInst liblzf1 (3.6-3 Debian:12/stable [amd64])\n\
                    Inst tzdata [2024a] (2024b Debian:12/stable [all])\nRemv nano [7.2-1]\nConf liblzf1 (3.6-3)\n";
        let some = |t: &str| Some(t.to_owned());
        assert_eq!(
            parse_simulation(text),
            [
                ("liblzf1".to_owned(), None, some("3.6-3")),
                ("tzdata".to_owned(), some("2024a"), some("2024b")),
                ("nano".to_owned(), some("7.2-1"), None),
            ]
        );
    }
}
