//! Users and groups: read from the files, `getent` for those that live elsewhere, changed by the system's tools.

use std::path::Path;

use super::super::account::{parse_group, parse_passwd};
use super::super::{Aging, Command, Fault, Group, GroupChange, Identity, Key, Result, User, UserChange};
use super::{Cancel, Live, exec, files};

const MAX_FILE: u64 = 64 * 1024 * 1024;

fn text(path: &str) -> Result<String> {
    files::read(Path::new(path), MAX_FILE).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Asks the name service, for accounts of LDAP, SSSD and the like. Only where it is set up to look beyond files.
fn getent(database: &str, key: &Key) -> Option<String> {
    let switch = text("/etc/nsswitch.conf").ok()?;
    let line = switch.lines().find_map(|l| l.trim().strip_prefix(database)?.strip_prefix(':'))?;
    if line.split_whitespace().all(|source| matches!(source, "files" | "compat" | "systemd") || source.starts_with('['))
    {
        return None;
    }
    let command = Command::new(["getent", database, &key.to_string()]);
    let stdio = exec::run(&command, &Cancel::default()).ok()?;
    stdio.ok().then(|| stdio.out())
}

/// Finds a user.
pub fn user(key: &Key) -> Result<Option<User>> {
    let passwd = text("/etc/passwd")?;
    let mut found = parse_passwd(&passwd).find(|user| key.is_user(user));
    if found.is_none() {
        found =
            getent("passwd", key).and_then(|line| parse_passwd(&line).next()).map(|user| User { local: false, ..user });
    }
    let Some(mut user) = found else { return Ok(None) };
    user.groups =
        parse_group(&text("/etc/group")?).filter(|g| g.members.contains(&user.name)).map(|g| g.name).collect();
    user.groups.sort();
    if let Ok(shadow) = text("/etc/shadow")
        && let Some(line) = shadow.lines().find(|line| line.split(':').next() == Some(user.name.as_str()))
    {
        user.password = line.split(':').nth(1).map(str::to_owned);
        let days = |field: usize| line.split(':').nth(field).and_then(|days| days.parse().ok());
        user.expires = days(7);
        user.aging = Aging { min: days(3), max: days(4), warn: days(5), inactive: days(6) };
    }
    Ok(Some(user))
}

/// Finds a group.
pub fn group(key: &Key) -> Result<Option<Group>> {
    let groups = text("/etc/group")?;
    let found = parse_group(&groups).find(|group| key.is_group(group));
    Ok(found.or_else(|| {
        getent("group", key).and_then(|line| parse_group(&line).next()).map(|group| Group { local: false, ..group })
    }))
}

/// Who this process is.
pub fn identity() -> Result<Identity> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let user = user(&Key::Id(uid)).ok().flatten();
    let home = user.as_ref().map_or_else(|| std::env::var("HOME").unwrap_or_else(|_| "/".into()), |u| u.home.clone());
    let home = std::path::PathBuf::from(home);
    let cwd = std::env::current_dir().unwrap_or_else(|_| home.clone());
    let state = crate::machine::journal::state_dir(uid, &home);
    Ok(Identity { uid, gid, user: user.map_or_else(|| uid.to_string(), |u| u.name), home, cwd, state })
}

/// Makes or changes a user.
pub fn put_user(live: &Live, change: &UserChange) -> Result<()> {
    let existing = user(&Key::Name(change.name.clone()))?;
    let mut argv = vec![if existing.is_some() { "usermod" } else { "useradd" }.to_owned()];
    let mut option = |flag: &str, value: &Option<String>| {
        if let Some(value) = value {
            argv.extend([flag.to_owned(), value.clone()]);
        }
    };
    option("--uid", &change.uid.map(|uid| uid.to_string()));
    option("--gid", &change.group);
    option("--groups", &change.groups.as_ref().map(|groups| groups.join(",")));
    option("--comment", &change.comment);
    option("--home-dir", &change.home.clone().filter(|_| existing.is_none()));
    option("--home", &change.home.clone().filter(|_| existing.is_some()));
    option("--shell", &change.shell);
    option("--expiredate", &change.expires.map(|days| if days < 0 { String::new() } else { date_of(days) }));
    option("--inactive", &change.aging.inactive.map(|days| days.to_string()));
    if change.non_unique {
        argv.push("--non-unique".into());
    }
    if existing.is_none() {
        new_user_options(change, &mut argv);
    } else if change.move_home && change.home.is_some() {
        argv.push("--move-home".into());
    }
    argv.extend(["--".to_owned(), change.name.clone()]);
    let has_work = existing.is_none() || argv.len() > 3;
    if has_work {
        exec::checked(live, &Command::new(argv))?;
    }
    set_aging(live, change)?;
    set_password(live, change)
}

/// Options that keep the number of a new account within bounds.
fn range(what: &str, (min, max): (Option<u32>, Option<u32>)) -> Vec<String> {
    let bound = |name: &str, bound: Option<u32>| bound.map(|id| ["--key".to_owned(), format!("{what}_{name}={id}")]);
    bound("MIN", min).into_iter().chain(bound("MAX", max)).flatten().collect()
}

/// Sets how passwords age.
fn set_aging(live: &Live, change: &UserChange) -> Result<()> {
    let aging = &change.aging;
    let mut argv = vec!["chage".to_owned()];
    for (flag, days) in [("--mindays", aging.min), ("--maxdays", aging.max), ("--warndays", aging.warn)] {
        argv.extend(days.into_iter().flat_map(|days| [flag.to_owned(), days.to_string()]));
    }
    if argv.len() == 1 {
        return Ok(());
    }
    argv.extend(["--".to_owned(), change.name.clone()]);
    exec::checked(live, &Command::new(argv))
}

fn new_user_options(change: &UserChange, argv: &mut Vec<String>) {
    argv.push(if change.create_home { "--create-home" } else { "--no-create-home" }.into());
    if change.system {
        argv.push("--system".into());
    }
    argv.extend(range("UID", change.range));
    if let Some(skeleton) = change.skeleton.as_ref().filter(|_| change.create_home) {
        argv.extend(["--skel".to_owned(), skeleton.clone()]);
    }
    if let Some(umask) = &change.umask {
        argv.extend(["--key".to_owned(), format!("UMASK={umask}")]);
    }
    let has_own_group = change.group.is_none()
        && parse_group(&text("/etc/group").unwrap_or_default()).any(|group| group.name == change.name);
    if has_own_group {
        argv.push("--no-user-group".into());
        argv.extend(["--gid".to_owned(), change.name.clone()]);
    }
}

/// Sets the password hash through standard input, so that it is in no process list.
fn set_password(live: &Live, change: &UserChange) -> Result<()> {
    if let Some(hash) = &change.password {
        let mut command = Command::new(["chpasswd", "--encrypted"]);
        command.stdin = Some(format!("{}:{hash}\n", change.name).into_bytes());
        exec::checked(live, &command)?;
    }
    match change.lock {
        Some(true) => exec::checked(live, &Command::new(["usermod", "--lock", "--", &change.name])),
        Some(false) => exec::checked(live, &Command::new(["usermod", "--unlock", "--", &change.name])),
        None => Ok(()),
    }
}

/// The date so many days after 1970-01-01, as `YYYY-MM-DD`.
fn date_of(days: i64) -> String {
    let day = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days.clamp(0, 1_000_000)));
    day.map_or_else(|_| days.to_string(), |date| date.to_string())
}

/// Removes a user.
pub fn remove_user(live: &Live, name: &str, files: bool, force: bool) -> Result<()> {
    let mut argv = vec!["userdel"];
    if files {
        argv.push("--remove");
    }
    if force {
        argv.push("--force");
    }
    argv.extend(["--", name]);
    exec::checked(live, &Command::new(argv))
}

/// Makes or changes a group.
pub fn put_group(live: &Live, change: &GroupChange) -> Result<()> {
    let exists = group(&Key::Name(change.name.clone()))?.is_some();
    let mut argv = vec![if exists { "groupmod" } else { "groupadd" }.to_owned()];
    if let Some(gid) = change.gid {
        argv.extend(["--gid".to_owned(), gid.to_string()]);
    }
    if change.non_unique {
        if change.gid.is_none() {
            return Err(Fault::new(format!("make the group {}", change.name), "`non_unique` needs a `gid`"));
        }
        argv.push("--non-unique".into());
    }
    if change.system && !exists {
        argv.push("--system".into());
    }
    if !exists {
        argv.extend(range("GID", change.range));
    }
    argv.extend(["--".to_owned(), change.name.clone()]);
    exec::checked(live, &Command::new(argv))
}
