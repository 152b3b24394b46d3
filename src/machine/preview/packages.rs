//! Packages, users and services of the overlay.

use std::path::Path;
use std::sync::Arc;

use super::super::package::{Comes, ForeseenFile};
use super::super::{
    Aging, FileKind, Group, GroupChange, Inspect as _, Key, Machine as _, Package, Result, Service, Stat, Transaction,
    TransactionReport, Unit, User, UserChange,
};
use super::overlay::Data;
use super::{Preview, unit_key};

impl Preview {
    /// Puts what a transaction would bring into the overlay.
    pub(super) fn foresee_packages(&self, transaction: &Transaction) -> Result<TransactionReport> {
        let mut transaction = transaction.clone();
        transaction.requests.retain(|request| self.still_differs(request));
        if self.state().lists_updated {
            transaction.update_older_than = transaction.update_older_than.filter(|limit| *limit == 0);
        }
        let foresight = self.under.foresee(&transaction)?;
        if foresight.report.updated_lists {
            self.state().lists_updated = true;
        }
        let mut report = foresight.report.clone();
        let known = |name: &str| self.state().packages.get(name).cloned();
        report.changes.retain(|(name, _, new)| known(name).is_none_or(|p| p.map(|p| p.version) != *new));
        for (name, _, new) in &report.changes {
            let package = new.clone().map(|version| Package { name: name.clone(), version, ..Package::default() });
            self.state().packages.insert(name.clone(), package);
        }
        for group in &foresight.groups {
            self.put_group(&GroupChange { name: group.clone(), system: true, ..GroupChange::default() })?;
        }
        for (name, home) in &foresight.users {
            let group = foresight.groups.contains(name).then(|| name.clone());
            let change =
                UserChange { name: name.clone(), home: home.clone(), group, system: true, ..UserChange::default() };
            if self.user(&Key::Name(name.clone()))?.is_none() {
                self.overlay_user(&change)?;
            }
        }
        for file in &foresight.files {
            self.put_foreseen(file)?;
        }
        self.start_foreseen(&foresight.enabled, &foresight.started)?;
        Ok(report)
    }

    /// A package the overlay has already brought needs no second look.
    fn still_differs(&self, request: &super::super::Request) -> bool {
        use super::super::Selection;
        match self.state().packages.get(&request.name) {
            Some(package) => match request.selection {
                Selection::Absent => package.is_some(),
                _ => package.is_none() || request.version.is_some(),
            },
            None => true,
        }
    }

    /// The packages there would be.
    pub(super) fn installed_then(&self) -> Result<Vec<Package>> {
        let mut all = self.under.installed()?;
        let state = self.state();
        all.retain(|package| !state.packages.contains_key(&package.name));
        all.extend(state.packages.values().flatten().cloned());
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The services there would be, and how they would be.
    pub(super) fn services_then(&self) -> Result<Vec<Service>> {
        let mut all = self.under.services()?;
        // Under systemd names end in `.service`; without it they have no end.
        let systemd = all.first().is_none_or(|service| service.source == "systemd");
        for (name, unit) in self.state().units.iter().filter(|(_, unit)| unit.exists) {
            let (name, source) = match systemd {
                true if name.contains('.') => (name.clone(), "systemd"),
                true => (format!("{name}.service"), "systemd"),
                false => (name.clone(), "sysv"),
            };
            let state = if unit.active { "running" } else { "stopped" };
            let status = if systemd { unit.file_state.clone() } else { String::new() };
            let then = Service { name, state: state.into(), status, source: source.into() };
            match all.iter_mut().find(|service| service.name == then.name) {
                Some(service) => *service = then,
                None => all.push(then),
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn put_foreseen(&self, file: &ForeseenFile) -> Result<()> {
        let real = self.real(&file.path)?;
        let old = self.lstat_real(&real)?;
        let uid = self.id_of(file.owner.as_deref(), |name| self.user(&Key::Name(name)).map(|u| u.map(|u| u.uid)))?;
        let gid = self.id_of(file.group.as_deref(), |name| self.group(&Key::Name(name)).map(|g| g.map(|g| g.gid)))?;
        // dpkg keeps a changed configuration file that is there already, and a directory.
        let keeps = file.comes == Comes::Made || file.kind == FileKind::Dir || file.path.starts_with("/etc");
        match (&old, file.comes) {
            (Some(_), Comes::Changed) => {
                return self.set_attrs(&real, &super::super::Attrs { mode: file.mode, uid, gid });
            }
            (None, Comes::Changed) => return Ok(()),
            (Some(_), _) if keeps => return Ok(()),
            // Without the directory above it a script did not come to making it.
            (None, Comes::Made) if !self.has_parent(&real)? => return Ok(()),
            _ => {}
        }
        let data = match (&file.content, &file.target, file.kind) {
            (_, _, FileKind::Dir) => Data::Dir,
            (_, Some(target), FileKind::Link) => Data::Link(target.clone()),
            (Some(bytes), _, _) => Data::Bytes(Arc::from(bytes.as_slice())),
            _ => Data::Unknown,
        };
        let stat = Stat {
            kind: file.kind,
            mode: file.mode.unwrap_or(0o644),
            uid: uid.unwrap_or(0),
            gid: gid.unwrap_or(0),
            size: file.size,
            atime: 0.0,
            mtime: 0.0,
            ctime: 0.0,
            inode: 0,
            device: 0,
            links: 1,
        };
        self.state().files.put(real, stat, data);
        Ok(())
    }

    fn has_parent(&self, path: &Path) -> Result<bool> {
        path.parent().map_or(Ok(true), |dir| Ok(self.lstat_real(dir)?.is_some()))
    }

    fn id_of(&self, name: Option<&str>, find: impl Fn(String) -> Result<Option<u32>>) -> Result<Option<u32>> {
        match name {
            None => Ok(None),
            Some(name) => match name.parse() {
                Ok(id) => Ok(Some(id)),
                Err(_) => find(name.to_owned()),
            },
        }
    }

    fn start_foreseen(&self, enabled: &[String], started: &[String]) -> Result<()> {
        for name in enabled.iter().chain(started) {
            let mut unit = self.unit(name)?;
            if enabled.contains(name) {
                (unit.exists, unit.enabled, unit.file_state) = (true, true, "enabled".into());
            }
            if started.contains(name) {
                (unit.exists, unit.active, unit.active_state) = (true, true, "active".into());
            }
            self.state().units.insert(unit_key(name).to_owned(), unit);
        }
        Ok(())
    }

    /// A service whose unit file is in the overlay.
    pub(super) fn unit_from_files(&self, name: &str) -> Option<Unit> {
        let file = if name.contains('.') { name.to_owned() } else { format!("{name}.service") };
        let template = file.split_once('@').map(|(base, rest)| {
            let suffix = rest.rsplit_once('.').map_or("service", |(_, suffix)| suffix);
            format!("{base}@.{suffix}")
        });
        let dirs = ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
        let names: Vec<String> = std::iter::once(file).chain(template).collect();
        let found = dirs
            .iter()
            .any(|dir| names.iter().any(|file| self.stat(&Path::new(dir).join(file)).is_ok_and(|stat| stat.is_some())));
        let script = Path::new("/etc/init.d").join(unit_key(name));
        let found = found || self.stat(&script).is_ok_and(|stat| stat.is_some());
        found.then(|| Unit {
            exists: true,
            active_state: "inactive".into(),
            file_state: "disabled".into(),
            ..Unit::default()
        })
    }

    pub(super) fn overlay_user(&self, change: &UserChange) -> Result<()> {
        let old = self.user(&Key::Name(change.name.clone()))?;
        let is_new = old.is_none();
        let uid = change.uid.or(old.as_ref().map(|u| u.uid)).map_or_else(|| self.free_id(change.system), Ok)?;
        let gid = self.primary_group(change, old.as_ref(), uid)?;
        let home = change
            .home
            .clone()
            .or(old.as_ref().map(|u| u.home.clone()))
            .unwrap_or_else(|| format!("/home/{}", change.name));
        let shell = change.shell.clone().or(old.as_ref().map(|u| u.shell.clone())).unwrap_or_else(|| "/bin/sh".into());
        let mut groups = change.groups.clone().or(old.as_ref().map(|u| u.groups.clone())).unwrap_or_default();
        groups.sort();
        let user = User {
            name: change.name.clone(),
            uid,
            gid,
            comment: change.comment.clone().or(old.as_ref().map(|u| u.comment.clone())).unwrap_or_default(),
            home: home.clone(),
            shell,
            groups,
            password: locked(change.password.clone().or(old.as_ref().and_then(|u| u.password.clone())), change.lock),
            expires: change.expires.or(old.as_ref().and_then(|u| u.expires)),
            aging: aged(&change.aging, old.map(|u| u.aging).unwrap_or_default()),
            local: true,
        };
        self.state().users.insert(change.name.clone(), Some(user));
        if is_new && change.create_home && self.lstat(Path::new(&home))?.is_none() {
            let stat =
                Stat { uid, gid, ..self.new_stat(FileKind::Dir, &super::super::Attrs::default(), None, 0o700, 4096)? };
            let real = self.real(Path::new(&home))?;
            self.state().files.put(real, stat, Data::Dir);
        }
        Ok(())
    }

    /// The primary group: the one given, the old one, or a new one of the user's name.
    fn primary_group(&self, change: &UserChange, old: Option<&User>, uid: u32) -> Result<u32> {
        if let Some(group) = &change.group {
            let key = group.parse().map_or_else(|_| Key::Name(group.clone()), Key::Id);
            return Ok(self.group(&key)?.map_or(uid, |g| g.gid));
        }
        if let Some(old) = old {
            return Ok(old.gid);
        }
        if let Some(group) = self.group(&Key::Name(change.name.clone()))? {
            return Ok(group.gid);
        }
        let group = Group { name: change.name.clone(), gid: uid, members: Vec::new(), local: true };
        self.state().groups.insert(change.name.clone(), Some(group));
        Ok(uid)
    }

    /// A number nobody has, from the range useradd(8) would take it from.
    pub(super) fn free_id(&self, system: bool) -> Result<u32> {
        let range: Box<dyn Iterator<Item = u32>> =
            if system { Box::new((100..1000).rev()) } else { Box::new(1000..60_000) };
        for id in range {
            if self.user(&Key::Id(id))?.is_none() && self.group(&Key::Id(id))?.is_none() {
                return Ok(id);
            }
        }
        Ok(60_000)
    }
}

/// How passwords age after a change.
fn aged(change: &Aging, old: Aging) -> Aging {
    Aging {
        min: change.min.or(old.min),
        max: change.max.or(old.max),
        warn: change.warn.or(old.warn),
        inactive: change.inactive.or(old.inactive),
    }
}

/// A locked password has a `!` before it; a new account has nothing but that.
fn locked(password: Option<String>, lock: Option<bool>) -> Option<String> {
    let password = password.unwrap_or_else(|| "!".to_owned());
    Some(match lock {
        Some(true) if !password.starts_with('!') => format!("!{password}"),
        Some(false) => password.strip_prefix('!').filter(|rest| !rest.is_empty()).unwrap_or(&password).to_owned(),
        _ => password,
    })
}
