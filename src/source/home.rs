//! Paths on the controller that begin with `~`.

use std::path::PathBuf;

/// A path with `~` and `~user` as the shell reads them. Where there is no such home it stays as it is.
pub fn expanded(path: &str) -> PathBuf {
    let Some(rest) = path.strip_prefix('~') else { return PathBuf::from(path) };
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let own = || std::env::var_os("HOME").map(PathBuf::from);
    let home = if user.is_empty() { own() } else { home_of(user).filter(|home| home.is_absolute()) };
    match home {
        Some(home) if below.is_empty() => home,
        Some(home) => home.join(below.trim_start_matches('/')),
        None => PathBuf::from(path),
    }
}

/// The home of a user of this machine, as `/etc/passwd` has it.
pub fn home_of(user: &str) -> Option<PathBuf> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut records = passwd.lines().map(|line| line.split(':'));
    records.find_map(|mut fields| (fields.next() == Some(user)).then(|| fields.nth(4)).flatten()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes() {
        let own = PathBuf::from(std::env::var_os("HOME").unwrap());
        let table = [("~", own.clone()), ("~/", own.clone()), ("~/a/b", own.join("a/b")), ("/a/~", "/a/~".into())];
        for (path, expected) in table {
            assert_eq!(expanded(path), expected);
        }
        assert_eq!(expanded("~root/x"), PathBuf::from("/root/x"));
        assert_eq!(expanded("~no-such-user/x"), PathBuf::from("~no-such-user/x"));
    }
}
