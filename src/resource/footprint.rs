//! What a state touches, so that the graph knows which states must keep their order.

use std::path::{Path, PathBuf};

/// Something a state reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// A path. Touching a path also reads every directory above it.
    Path(PathBuf),
    /// A path and all below it.
    Tree(PathBuf),
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A service.
    Unit(String),
    /// A kernel parameter.
    Sysctl(String),
    /// Anything: what a program may touch.
    World,
}

/// What a state reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Read.
    pub reads: Vec<Claim>,
    /// Written.
    pub writes: Vec<Claim>,
}

impl Footprint {
    /// Touches nothing on the machine.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// May touch anything.
    pub fn world() -> Self {
        Self { reads: Vec::new(), writes: vec![Claim::World] }
    }

    /// Looks at anything, writes nothing.
    pub fn observer() -> Self {
        Self { reads: vec![Claim::World], writes: Vec::new() }
    }

    /// Adds something read.
    #[must_use]
    pub fn read(mut self, claim: Claim) -> Self {
        self.reads.push(claim);
        self
    }

    /// Adds something written.
    #[must_use]
    pub fn write(mut self, claim: Claim) -> Self {
        self.writes.push(claim);
        self
    }

    /// Adds the directories above a path, as far as they may have to be made for it.
    #[must_use]
    pub fn making_way_to(mut self, path: &Path) -> Self {
        let missing = path.ancestors().skip(1).filter(|dir| !always_there(dir));
        self.writes.extend(missing.map(|dir| Claim::Path(dir.to_path_buf())));
        self
    }

    /// Why two states must keep their order; `None` where they may run at the same time.
    pub fn conflict(&self, other: &Self) -> Option<String> {
        let writes_against = |a: &Self, b: &Self| {
            a.writes.iter().find_map(|w| b.writes.iter().chain(&b.reads).find_map(|c| overlap(w, c)))
        };
        writes_against(self, other).or_else(|| writes_against(other, self))
    }

    /// Joins two footprints.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.reads.extend(other.reads);
        self.writes.extend(other.writes);
        self
    }
}

/// Says what a written claim and another have in common.
fn overlap(written: &Claim, other: &Claim) -> Option<String> {
    use Claim::{Group, Path, Sysctl, Tree, Unit, User, World};
    let path = |p: &std::path::Path| Some(p.display().to_string());
    match (written, other) {
        (World, World) => Some("either may touch anything".into()),
        (World, claim) => Some(format!("one may touch anything, the other {claim}")),
        (claim, World) => Some(format!("one may look at anything, the other changes {claim}")),
        (Path(a), Path(b) | Tree(b)) if above(a, b) => path(a),
        (Path(a), Tree(b)) if above(b, a) => path(a),
        (Tree(a), Path(b) | Tree(b)) if above(a, b) || above(b, a) => path(b),
        (User(a), User(b)) if a == b => Some(format!("user {a}")),
        (Group(a), Group(b)) if a == b => Some(format!("group {a}")),
        (Unit(a), Unit(b)) if a == b => Some(format!("service {a}")),
        (Sysctl(a), Sysctl(b)) if a == b => Some(format!("sysctl {a}")),
        _ => None,
    }
}

/// Directories every system has: nobody has to make them.
/// Source: the Filesystem Hierarchy Standard 3.0, and systemd's file-hierarchy(7).
fn always_there(dir: &Path) -> bool {
    const DEEP: &[&str] = &[
        "/etc/default",
        "/etc/systemd",
        "/etc/systemd/system",
        "/usr/bin",
        "/usr/lib",
        "/usr/local",
        "/usr/local/bin",
        "/usr/local/lib",
        "/usr/local/sbin",
        "/usr/sbin",
        "/usr/share",
        "/var/cache",
        "/var/lib",
        "/var/log",
        "/var/spool",
        "/var/tmp",
    ];
    let standard = || DEEP.iter().any(|name| dir == Path::new(name));
    const TOP: &[&str] = &[
        "bin", "boot", "dev", "etc", "home", "lib", "media", "mnt", "opt", "root", "run", "sbin", "srv", "tmp", "usr",
        "var",
    ];
    let top = || dir.parent() == Some(Path::new("/")) && dir.file_name().is_some_and(|n| TOP.iter().any(|t| n == *t));
    dir.parent().is_none() || top() || standard()
}

/// Says whether `a` is `b` or a directory above it.
fn above(a: &Path, b: &Path) -> bool {
    b.starts_with(a)
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Tree(path) => write!(f, "{}/…", path.display()),
            Self::User(name) => write!(f, "user {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Unit(name) => write!(f, "service {name}"),
            Self::Sysctl(name) => write!(f, "sysctl {name}"),
            Self::World => f.write_str("anything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_a_directory_comes_before_who_needs_it() {
        let make = Footprint::nothing()
            .write(Claim::Path("/srv/app/conf/d".into()))
            .making_way_to(Path::new("/srv/app/conf/d"));
        let write = |path: &str| Footprint::nothing().write(Claim::Path(path.into()));
        assert!(make.conflict(&write("/srv/app/file")).is_some(), "/srv/app may have to be made");
        assert!(make.conflict(&write("/srv/other")).is_none(), "/srv is there");
    }

    #[test]
    fn conflicts() {
        let write = |path: &str| Footprint::nothing().write(Claim::Path(path.into()));
        let read = |path: &str| Footprint::nothing().read(Claim::Path(path.into()));
        let table = [
            (write("/a/b"), write("/a/c"), false),
            (write("/a"), write("/a/c"), true),
            (write("/a/c"), write("/a"), true),
            (write("/a/c"), read("/a"), false),
            (write("/a"), read("/a/c"), true),
            (read("/a"), read("/a"), false),
            (write("/a"), Footprint::observer(), true),
            (Footprint::observer(), Footprint::observer(), false),
            (Footprint::world(), Footprint::nothing(), false),
            (Footprint::nothing().write(Claim::Tree("/a".into())), read("/a/b/c"), true),
        ];
        for (a, b, expected) in table {
            assert_eq!(a.conflict(&b).is_some(), expected, "{a:?} {b:?}");
            assert_eq!(b.conflict(&a).is_some(), expected, "{b:?} {a:?}");
        }
    }
}
