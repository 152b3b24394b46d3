//! `user`: user accounts.

use std::path::Path;

use super::group::check_account;
use super::lineinfile::State;
use super::params::params;
use super::paths::Target;
use super::types::choices;
use super::{Claim, Context, Days, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Aging, Attrs, Content, FileKind, Inspect, Key, Machine, UserChange, Written};
use crate::value::Value;

choices! {
    /// When a password is set.
    pub enum UpdatePassword {
        /// Whenever it differs.
        Always = "always",
        /// For a new account only.
        OnCreate = "on_create",
    }
}

params! {
    /// Manages user accounts.
    ///
    /// # Example
    /// ```yaml
    /// - user: { name: deploy, groups: [sudo, docker], append: true, shell: /bin/bash }
    /// ```
    pub struct User {
        /// The name.
        name: String, required, alias "user";
        /// Whether the account is wanted.
        state: State = State::Present;
        /// The number.
        uid: Option<u32>;
        /// Allow a number that is taken. It needs `uid`.
        non_unique: bool = false;
        /// The primary group, by name or number.
        group: Option<String>;
        /// The supplementary groups, by name or number. An empty list is none.
        groups: Option<Vec<String>>;
        /// Add to the supplementary groups rather than replace them.
        append: bool = false;
        /// The comment: the full name and the like.
        comment: Option<String>;
        /// The home directory.
        home: Option<Target>;
        /// Make the home directory where it is not there.
        create_home: bool = true, alias "createhome";
        /// Move the home directory when `home` changes.
        move_home: bool = false;
        /// The directory whose content a new home directory gets.
        skeleton: Option<String>;
        /// The login shell.
        shell: Option<Target>;
        /// Make a new account one of the system.
        system: bool = false;
        /// The hash of the password, as crypt(3) knows it; `*` or `!` for none.
        password: Option<String>, secret;
        /// When the password is set.
        update_password: UpdatePassword = UpdatePassword::Always;
        /// Lock the password, or unlock it.
        password_lock: Option<bool>;
        /// When the account expires.
        expires: Option<Days>;
        /// The umask for a new home directory.
        umask: Option<String>;
        /// With `state: absent`, remove the home directory too.
        remove: bool = false;
        /// With `state: absent`, remove the account even where it is in use; with `generate_ssh_key`, make the key anew.
        force: bool = false;
        /// Look at the files of the machine only, not at LDAP and the like.
        local: bool = false;
        /// The least number a new account may get.
        uid_min: Option<u32>;
        /// The greatest number a new account may get.
        uid_max: Option<u32>;
        /// Days before a password has to be changed.
        password_expire_max: Option<i64>;
        /// Days before a password may be changed.
        password_expire_min: Option<i64>;
        /// Days of warning before a password has to be changed.
        password_expire_warn: Option<i64>;
        /// Days after a password has expired before the account is disabled.
        password_expire_account_disable: Option<i64>;
        /// Make a key pair for SSH where there is none.
        generate_ssh_key: bool = false;
        /// How long the key is; what ssh-keygen(1) chooses where it is not said.
        ssh_key_bits: Option<u32>;
        /// The kind of key.
        ssh_key_type: String = "rsa";
        /// Where the key is, from the home directory on.
        ssh_key_file: Target = ".ssh/id_rsa";
        /// The comment of the key; `ansible-generated on` and the name of the host where none is given.
        ssh_key_comment: Option<String>;
        /// The passphrase of the key.
        ssh_key_passphrase: Option<String>, secret;
    }
}

impl User {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        check_account("name", &self.name)?;
        let groups = self.group.iter().chain(self.groups.iter().flatten());
        groups.into_iter().try_for_each(|group| check_account("groups", group))?;
        let colon = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains([':', '\n']));
        match () {
            () if self.local && (self.uid_min.is_some() || self.uid_max.is_some()) => {
                Err(ParamError::conflict("parameters are mutually exclusive: `local`, `uid_min`, `uid_max`"))
            }
            () if self.local && self.umask.is_some() => {
                Err(ParamError::conflict("parameters are mutually exclusive: `local`, `umask`"))
            }
            () if !self.ssh_key_type.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                Err(ParamError::bad("ssh_key_type", "expected a kind of key, such as rsa or ed25519"))
            }
            () if self.ssh_key_passphrase.as_ref().is_some_and(|text| text.contains('\n')) => {
                Err(ParamError::bad("ssh_key_passphrase", "expected one line"))
            }
            () if self.non_unique && self.uid.is_none() => Err(ParamError::conflict("`non_unique` needs `uid`")),
            () if colon(&self.comment) => Err(ParamError::bad("comment", "a comment holds no `:` and no newline")),
            () if colon(&plain(&self.home)) => {
                Err(ParamError::bad("home", "a home directory holds no `:` and no newline"))
            }
            () if colon(&plain(&self.shell)) => Err(ParamError::bad("shell", "a shell holds no `:` and no newline")),
            () if colon(&self.password) => {
                Err(ParamError::bad("password", "a password hash holds no `:` and no newline"))
            }
            () => Ok(()),
        }
    }

    /// What is to be changed; `None` where nothing differs.
    fn change(&self, machine: &dyn Inspect, old: Option<&crate::machine::User>) -> Result<Option<UserChange>, Failure> {
        let differs = |wanted: &Option<String>, has: fn(&crate::machine::User) -> &str| {
            wanted.clone().filter(|wanted| old.is_none_or(|old| has(old) != wanted))
        };
        let locked = |user: &crate::machine::User| user.password.as_ref().is_none_or(|hash| hash.starts_with('!'));
        let change = UserChange {
            name: self.name.clone(),
            uid: self.uid.filter(|uid| old.is_none_or(|old| old.uid != *uid)),
            group: self.primary_group(machine, old)?,
            groups: self.supplementary_groups(machine, old)?,
            comment: differs(&self.comment, |user| &user.comment),
            home: differs(&plain(&self.home), |user| &user.home),
            shell: differs(&plain(&self.shell), |user| &user.shell),
            password: self.new_password(old),
            lock: self.password_lock.filter(|lock| old.map_or(*lock, |old| locked(old) != *lock)),
            expires: self.expires.map(|days| days.0).filter(|days| differs_in_expiry(old, *days)),
            aging: self.aging(old),
            ..UserChange::default()
        };
        if old.is_some() && change == (UserChange { name: self.name.clone(), ..UserChange::default() }) {
            return Ok(None);
        }
        Ok(Some(UserChange {
            non_unique: self.non_unique && change.uid.is_some(),
            create_home: self.create_home,
            move_home: self.move_home,
            skeleton: self.skeleton.clone(),
            system: self.system,
            umask: self.umask.clone(),
            range: (self.uid_min, self.uid_max),
            ..change
        }))
    }

    /// How passwords are to age, where it differs.
    fn aging(&self, old: Option<&crate::machine::User>) -> Aging {
        let has = old.map(|old| old.aging.clone()).unwrap_or_default();
        let differs = |wanted: Option<i64>, has: Option<i64>| wanted.filter(|days| Some(*days) != has);
        Aging {
            min: differs(self.password_expire_min, has.min),
            max: differs(self.password_expire_max, has.max),
            warn: differs(self.password_expire_warn, has.warn),
            inactive: differs(self.password_expire_account_disable, has.inactive),
        }
    }

    fn new_password(&self, old: Option<&crate::machine::User>) -> Option<String> {
        let wanted =
            self.password.clone().filter(|_| old.is_none() || self.update_password == UpdatePassword::Always)?;
        let has = old.and_then(|old| old.password.as_deref()).unwrap_or_default();
        // A lock is not part of the hash.
        let bare = |hash: &str| hash.trim_start_matches('!').to_owned();
        (old.is_none() || bare(has) != bare(&wanted)).then_some(wanted)
    }

    fn primary_group(
        &self,
        machine: &dyn Inspect,
        old: Option<&crate::machine::User>,
    ) -> Result<Option<String>, Failure> {
        let Some(wanted) = &self.group else { return Ok(None) };
        let group = find_group(machine, wanted)?;
        Ok(old.is_none_or(|old| old.gid != group.gid).then_some(group.name))
    }

    /// All supplementary groups the account is to have, where they differ from those it has.
    fn supplementary_groups(
        &self,
        machine: &dyn Inspect,
        old: Option<&crate::machine::User>,
    ) -> Result<Option<Vec<String>>, Failure> {
        let Some(wanted) = &self.groups else { return Ok(None) };
        let primary = match (&self.group, old) {
            (Some(group), _) => Some(find_group(machine, group)?.gid),
            (None, old) => old.map(|old| old.gid),
        };
        let mut all = std::collections::BTreeSet::new();
        for name in wanted {
            let group = find_group(machine, name)?;
            if Some(group.gid) != primary {
                all.insert(group.name);
            }
        }
        let mut has = std::collections::BTreeSet::new();
        for name in old.iter().flat_map(|old| &old.groups) {
            let is_primary = machine.group(&Key::Name(name.clone()))?.is_some_and(|group| Some(group.gid) == primary);
            if !is_primary {
                has.insert(name.clone());
            }
        }
        if self.append {
            all.extend(has.iter().cloned());
        }
        Ok((old.is_none() || all != has).then(|| all.into_iter().collect()))
    }

    /// Makes the home directory of an account that has lost it, or never had one.
    fn make_home(&self, machine: &dyn Machine) -> Result<(), Failure> {
        let Some(user) = machine.user(&Key::Name(self.name.clone()))?.filter(|_| self.create_home) else {
            return Ok(());
        };
        let home = Path::new(&user.home);
        if !home.is_absolute() || machine.stat(home)?.is_some() {
            return Ok(());
        }
        super::edit::make_parents(machine, home)?;
        let umask = self.umask.as_deref().and_then(|umask| u32::from_str_radix(umask, 8).ok());
        let mode = umask.map_or_else(|| home_mode(machine), |umask| 0o777 & !umask);
        let attrs = Attrs { mode: Some(mode), uid: Some(user.uid), gid: Some(user.gid) };
        machine.make_dir(home, &attrs)?;
        fill(machine, Path::new(self.skeleton.as_deref().unwrap_or("/etc/skel")), home, &attrs)
    }

    fn outcome(&self, machine: &dyn Inspect) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::of([("name", Value::str(&self.name)), ("state", Value::str("present"))]);
        let mut put = |name: &str, value: Value| outcome.result.insert(name.into(), value);
        if let Some(user) = machine.user(&Key::Name(self.name.clone()))? {
            put("uid", Value::from(user.uid));
            put("group", Value::from(user.gid));
            put("comment", Value::from(user.comment));
            put("home", Value::from(user.home));
            put("shell", Value::from(user.shell));
        }
        put("append", Value::Bool(self.append));
        put("create_home", Value::Bool(self.create_home));
        put("move_home", Value::Bool(self.move_home));
        put("system", Value::Bool(self.system));
        if let Some(groups) = &self.groups {
            put("groups", Value::from(groups.join(",")));
        }
        if self.append && self.groups.is_none() {
            let warning = "'append' is set, but no 'groups' are specified. Use 'groups' with it";
            put("warnings", Value::list([Value::str(warning)]));
        }
        if let Some(password) = &self.password {
            put("password", Value::str("NOT_LOGGING_PASSWORD"));
            if !is_hash(password) {
                let warning = "the `password` does not look like a hash, so that nobody will be able to log in with it; \
                               use the filter `password_hash`";
                put("warnings", Value::list([Value::str(warning)]));
            }
        }
        Ok(outcome)
    }
}

/// The mode useradd(8) gives a home directory: `HOME_MODE` of login.defs, or what its `UMASK` leaves.
fn home_mode(machine: &dyn Inspect) -> u32 {
    let text = machine.read(Path::new("/etc/login.defs"), 1 << 20).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let setting = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
        let (_, value) = lines.find(|(key, _)| *key == name)?;
        u32::from_str_radix(value.trim(), 8).ok()
    };
    setting("HOME_MODE").unwrap_or_else(|| 0o777 & !setting("UMASK").unwrap_or(0o022))
}

fn plain(path: &Option<Target>) -> Option<String> {
    path.as_ref().map(|path| path.0.clone())
}

/// Says whether text is a crypt(3) hash, or stands for no password.
fn is_hash(password: &str) -> bool {
    let bare = password.trim_start_matches('!');
    if matches!(bare, "" | "*" | "x" | "*************") {
        return true;
    }
    let fields: Vec<&str> = bare.split('$').collect();
    let (Some(kind), Some(digest)) = (fields.get(1), fields.last()) else { return false };
    let alphabet = digest.bytes().all(|b| b.is_ascii_alphanumeric() || b"./=".contains(&b));
    let length = match *kind {
        "1" => 22,
        "5" => 43,
        "6" => 86,
        _ => digest.len(),
    };
    fields.len() >= 4 && fields.first() == Some(&"") && alphabet && digest.len() == length
}

fn differs_in_expiry(old: Option<&crate::machine::User>, days: i64) -> bool {
    match old {
        None => days >= 0,
        // An account without a line in the shadow file gets one.
        Some(old) if old.local && old.password.is_none() => true,
        Some(old) => old.expires.filter(|days| *days >= 0) != Some(days).filter(|days| *days >= 0),
    }
}

fn find_group(machine: &dyn Inspect, name: &str) -> Result<crate::machine::Group, Failure> {
    let mut found = machine.group(&Key::Name(name.to_owned()))?;
    if let (None, Ok(gid)) = (&found, name.parse()) {
        found = machine.group(&Key::Id(gid))?;
    }
    found.ok_or_else(|| {
        let help = Some("make it with a `group` task before this one".to_owned());
        Failure { help, ..Failure::new(format!("there is no group `{name}`")) }
    })
}

/// Copies the files of a skeleton.
fn fill(machine: &dyn Machine, from: &Path, to: &Path, owner: &Attrs) -> Result<(), Failure> {
    if machine.stat(from)?.is_none_or(|stat| stat.kind != FileKind::Dir) {
        return Ok(());
    }
    for name in machine.list(from)? {
        let (source, target) = (from.join(&name), to.join(&name));
        let Some(stat) = machine.lstat(&source)? else { continue };
        let attrs = Attrs { mode: Some(stat.mode), ..*owner };
        match stat.kind {
            FileKind::Dir => {
                machine.make_dir(&target, &attrs)?;
                fill(machine, &source, &target, owner)?;
            }
            FileKind::Link => {
                machine.symlink(&machine.read_link(&source)?, &target)?;
                machine.set_attrs(&target, &Attrs { mode: None, ..*owner })?;
            }
            FileKind::File => machine.write(&target, &Content::File(source), &attrs, &Written::default())?,
            _ => {}
        }
    }
    Ok(())
}

impl Resource for User {
    fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::nothing().write(Claim::User(self.name.clone()));
        // A number that is free is free for one account only, and the tools lock these files.
        footprint.writes.extend(["/etc/passwd", "/etc/group"].map(|path| Claim::Path(path.into())));
        if self.state == State::Absent {
            // What its primary group is, and what is in its home, is not known before.
            footprint.reads.push(Claim::World);
        }
        // A new account comes with a group of its name, and the members of its groups change.
        footprint.writes.push(Claim::Group(self.name.clone()));
        footprint.writes.extend(self.groups.iter().flatten().map(|group| Claim::Group(group.clone())));
        footprint.reads.extend(self.group.iter().map(|group| Claim::Group(group.clone())));
        let home = plain(&self.home).unwrap_or_else(|| format!("/home/{}", self.name));
        footprint.writes.push(Claim::Tree(home.into()));
        footprint.reads.push(Claim::Tree(self.skeleton.clone().unwrap_or_else(|| "/etc/skel".to_owned()).into()));
        footprint
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let old = machine.user(&Key::Name(self.name.clone()))?.filter(|user| user.local || !self.local);
        if self.state == State::Absent {
            if old.is_some() {
                machine.remove_user(&self.name, self.remove, self.force)?;
            }
            return Ok(Outcome::of([
                ("name", Value::str(&self.name)),
                ("state", Value::str("absent")),
                ("remove", Value::Bool(self.remove)),
                ("force", Value::Bool(self.force)),
            ]));
        }
        if let Some(change) = self.change(machine, old.as_ref())? {
            // useradd(8) makes the home directory, but nothing above it.
            if let Some(above) = self.home.as_deref().map(Path::new).filter(|_| old.is_none() && self.create_home) {
                super::edit::make_parents(machine, above)?;
            }
            machine.put_user(&change)?;
        }
        self.make_home(machine)?;
        let mut outcome = self.outcome(machine)?;
        let user = machine.user(&Key::Name(self.name.clone()))?;
        if let Some(user) = user.filter(|_| self.generate_ssh_key) {
            let (result, made) = self.ssh_key(machine, &user)?;
            outcome.result.extend(result);
            // A dry run makes no key, and nothing of it is recorded.
            outcome.changed = made.then_some(Value::Bool(true));
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::testing::Bench;
    use crate::value::Value;

    #[test]
    fn users() {
        let bench = Bench::with(&[("/etc/skel-file", "x")]);
        for group in ["a", "b", "web"] {
            bench.run("group", &format!("{{name: {group}}}")).unwrap();
        }
        let table = [
            ("{name: deploy, groups: 'a,b', shell: /bin/bash}", 1),
            ("{name: deploy, groups: [a, b]}", 0),
            ("{name: deploy, groups: web, append: true}", 1),
            ("{name: deploy, groups: [a]}", 1),
            ("{name: deploy, groups: a, append: true}", 0),
            ("{name: deploy, groups: []}", 1),
            ("{name: deploy, comment: D, uid: 4000}", 1),
            ("{name: deploy, password: '$6$salt$hash'}", 1),
            ("{name: deploy, password: '$6$salt$other', update_password: on_create}", 0),
            ("{name: deploy, password_lock: true}", 1),
            ("{name: deploy, password: '$6$salt$hash'}", 0),
            ("{name: deploy, password_lock: false}", 1),
            ("{name: deploy, expires: 1422403387}", 1),
            ("{name: deploy, expires: -1}", 1),
            ("{name: deploy, password_expire_max: 10, password_expire_min: 5}", 1),
            ("{name: deploy, password_expire_max: 10, password_expire_warn: 3, local: true}", 1),
            ("{name: deploy, password_expire_account_disable: 4}", 1),
            ("{name: deploy, group: web}", 1),
            ("{name: deploy, groups: [web]}", 0),
            ("{name: other, create_home: false}", 1),
            ("{name: other}", 1),
            ("{name: other, state: absent, remove: true}", 2),
            ("{name: never, state: absent}", 0),
            ("{name: root}", 0),
        ];
        for (text, expected) in table {
            let (_, changes) = bench.settle("user", text);
            assert!(changes == expected || (expected == 2 && changes == 1), "{text}: {changes}");
        }
        assert!(bench.0.stat(Path::new("/home/deploy")).unwrap().is_some());
        assert!(bench.0.stat(Path::new("/home/other")).unwrap().is_none());
    }

    #[test]
    fn passwords_are_hashes_and_never_shown() {
        let bench = Bench::with(&[]);
        let (outcome, changes) = bench.run("user", "{name: x, password: secret}").unwrap();
        assert!(outcome.result.contains_key("warnings"));
        assert!(!format!("{outcome:?}{changes:?}").contains("secret"));
        let (outcome, _) = bench.run("user", "{name: y, password: '!'}").unwrap();
        assert!(!outcome.result.contains_key("warnings"));
        assert!(bench.fails("user", "{name: z, groups: nogroup1}").contains("there is no group `nogroup1`"));
        let (outcome, _) = bench.run("user", "{name: z, generate_ssh_key: true, ssh_key_passphrase: p}").unwrap();
        assert_eq!(outcome.result.get("ssh_key_file"), Some(&Value::str("/home/z/.ssh/id_rsa")));
        assert_eq!(outcome.result.get("ssh_public_key"), Some(&Value::Unknown));
        assert!(bench.fails("user", "{name: 'z:y'}").contains("not the name"));
    }
}
