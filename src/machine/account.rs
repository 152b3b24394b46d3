//! Users and groups, read from the files that hold them.

use serde::{Deserialize, Serialize};

/// Names a user or group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Key {
    /// By name.
    Name(String),
    /// By number.
    Id(u32),
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Comment.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Names of the supplementary groups, sorted.
    pub groups: Vec<String>,
    /// Password hash, where we may read it.
    pub password: Option<String>,
    /// Account expiry in days since the epoch, where we may read it.
    pub expires: Option<i64>,
    /// How passwords age, where we may read it.
    pub aging: Aging,
    /// It is in the files of the machine, not only in a directory of accounts.
    pub local: bool,
}

/// How the passwords of an account age, in days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aging {
    /// Before a password may be changed.
    pub min: Option<i64>,
    /// Before a password has to be changed.
    pub max: Option<i64>,
    /// Of warning before that.
    pub warn: Option<i64>,
    /// After that, before the account is disabled.
    pub inactive: Option<i64>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u32,
    /// Names of its members.
    pub members: Vec<String>,
    /// It is in the files of the machine, not only in a directory of accounts.
    pub local: bool,
}

/// A user to be made or changed. `None` leaves a property as it is or at its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserChange {
    /// Name.
    pub name: String,
    /// Number.
    pub uid: Option<u32>,
    /// Allow a number that is taken.
    pub non_unique: bool,
    /// Primary group, by name or number.
    pub group: Option<String>,
    /// Supplementary groups: all of them.
    pub groups: Option<Vec<String>>,
    /// Comment.
    pub comment: Option<String>,
    /// Home directory.
    pub home: Option<String>,
    /// Make the home directory of a new user.
    pub create_home: bool,
    /// Move the home directory when it changes.
    pub move_home: bool,
    /// Directory whose content a new home gets.
    pub skeleton: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// Make a system account.
    pub system: bool,
    /// Password hash.
    pub password: Option<String>,
    /// Lock or unlock the password.
    pub lock: Option<bool>,
    /// Account expiry in days since the epoch; a negative number clears it.
    pub expires: Option<i64>,
    /// Umask for the home directory.
    pub umask: Option<String>,
    /// How passwords age.
    pub aging: Aging,
    /// The least and the greatest number a new account may get.
    pub range: (Option<u32>, Option<u32>),
}

/// A group to be made or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupChange {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: Option<u32>,
    /// Allow a number that is taken.
    pub non_unique: bool,
    /// Make a system group.
    pub system: bool,
    /// The least and the greatest number a new group may get.
    pub range: (Option<u32>, Option<u32>),
}

/// Reads lines of `/etc/passwd`.
pub fn parse_passwd(text: &str) -> impl Iterator<Item = User> + '_ {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let _password = fields.next()?;
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let comment = fields.next()?.to_owned();
        let home = fields.next()?.to_owned();
        let shell = fields.next()?.to_owned();
        Some(User {
            name,
            uid,
            gid,
            comment,
            home,
            shell,
            groups: Vec::new(),
            password: None,
            expires: None,
            aging: Aging::default(),
            local: true,
        })
    })
}

/// Reads lines of `/etc/group`.
pub fn parse_group(text: &str) -> impl Iterator<Item = Group> + '_ {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let _password = fields.next()?;
        let gid = fields.next()?.parse().ok()?;
        let members = fields.next().unwrap_or("").split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
        Some(Group { name, gid, members, local: true })
    })
}

impl Key {
    /// Says whether this names the user.
    pub fn is_user(&self, user: &User) -> bool {
        match self {
            Self::Name(name) => *name == user.name,
            Self::Id(id) => *id == user.uid,
        }
    }

    /// Says whether this names the group.
    pub fn is_group(&self, group: &Group) -> bool {
        match self {
            Self::Name(name) => *name == group.name,
            Self::Id(id) => *id == group.gid,
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}
