//! What a package transaction would bring: apt's own simulation, and a look into the packages it would fetch.
//!
//! Works in a private scratch directory that is removed at the end, with package lists of its own where they would have
//! been refreshed. The system's lists, cache and database are not touched.

use std::path::{Path, PathBuf};

use super::super::package::Foresight;
use super::super::{Command, Fault, Result, Transaction};
use super::{Live, apt, deb, exec, fault, maintainer};

/// Finds out.
pub fn foresee(live: &Live, transaction: &Transaction) -> Result<Foresight> {
    let mut foresight = Foresight::default();
    let scratch = Scratch::make()?;
    let mut options = scratch.own_cache();
    if apt::needs_update(transaction) {
        options.extend(scratch.own_lists()?);
        exec::checked(live, &apt_get(&options, ["update".to_owned()]))?;
        foresight.report.updated_lists = true;
    }
    foresight.report.lists_time = apt::lists_time();
    for step in apt::steps(transaction) {
        if step.first().is_some_and(|verb| verb == "clean" || verb == "autoclean") {
            continue;
        }
        let arguments = options.iter().cloned().chain(apt::options(transaction)).chain(["--simulate".to_owned()]);
        let simulation = exec::output(live, &apt_get(&arguments.collect::<Vec<_>>(), step))?;
        foresight.report.changes.extend(apt::parse_simulation(&simulation.out()));
    }
    look_inside(live, &scratch, &options, &mut foresight);
    if Path::new("/usr/sbin/policy-rc.d").exists() {
        foresight.started.clear();
    }
    Ok(foresight)
}

fn apt_get(options: &[String], arguments: impl IntoIterator<Item = String>) -> Command {
    let argv = std::iter::once("apt-get".to_owned()).chain(options.iter().cloned()).chain(arguments);
    Command::new(argv).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8")
}

/// Fetches the packages that would be installed into the scratch directory and reads them.
fn look_inside(live: &Live, scratch: &Scratch, options: &[String], foresight: &mut Foresight) {
    let wanted: Vec<(String, String)> = foresight
        .report
        .changes
        .iter()
        .filter_map(|(name, _, new)| new.clone().map(|version| (name.clone(), version)))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let words = wanted.iter().map(|(name, version)| format!("{name}={version}"));
    let mut fetch = apt_get(options, std::iter::once("download".to_owned()).chain(words));
    fetch.argv.insert(1, "-q".into());
    fetch.chdir = Some(scratch.0.clone());
    if let Err(error) = exec::checked(live, &fetch) {
        foresight.unseen.extend(wanted.into_iter().map(|(name, _)| (name, error.reason.clone())));
        return;
    }
    for (name, _) in wanted {
        let found = scratch.package_file(&name);
        let read = found.ok_or_else(|| Fault::new("find the fetched package", "it is not there"));
        match read.and_then(|path| deb::read(live, &path)) {
            Ok(deb) => {
                foresight.files.extend(deb.files);
                maintainer::read(&deb.postinst, foresight);
            }
            Err(error) => foresight.unseen.push((name, error.to_string())),
        }
    }
}

/// A private directory in memory where there is one, removed with all it holds.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let base = ["/dev/shm", "/run", "/tmp"].into_iter().map(Path::new).find(|dir| dir.is_dir());
        let base = base.unwrap_or(Path::new("/tmp"));
        let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
        let path = base.join(format!("cfg-plan-{}-{stamp}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(fault("make the directory", &path))?;
        Ok(Self(path))
    }

    /// Options that keep apt from writing the caches it makes of its lists into the system's directory.
    fn own_cache(&self) -> Vec<String> {
        let dir = self.0.display();
        let option = |name: &str| format!("-oDir::Cache::{name}={dir}/{name}.bin");
        vec![option("pkgcache"), option("srcpkgcache")]
    }

    /// Options that make apt keep its lists and cache here. As root it would otherwise drop to `_apt`, who cannot write.
    fn own_lists(&self) -> Result<Vec<String>> {
        for dir in ["lists/partial", "cache/archives/partial"] {
            let path = self.0.join(dir);
            std::fs::create_dir_all(&path).map_err(fault("make the directory", &path))?;
        }
        let dir = self.0.display();
        Ok(vec![
            format!("-oDir::State::lists={dir}/lists"),
            format!("-oDir::Cache={dir}/cache"),
            "-oAPT::Sandbox::User=root".to_owned(),
        ])
    }

    fn package_file(&self, name: &str) -> Option<PathBuf> {
        let prefix = format!("{name}_");
        let entries = std::fs::read_dir(&self.0).ok()?.filter_map(|e| e.ok());
        entries.map(|e| e.path()).find(|p| p.file_name().is_some_and(|f| f.to_string_lossy().starts_with(&prefix)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
