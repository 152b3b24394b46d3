//! What a git server has: the branches, tags and commits `git ls-remote --symref` lists.

use std::collections::BTreeMap;

/// The references of a repository.
#[derive(Debug, Default)]
pub(super) struct Remote {
    /// Name to commit; for a tag with a message the commit it points to.
    refs: BTreeMap<String, String>,
    /// The branch `HEAD` stands for.
    head: Option<String>,
}

/// What a version means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A branch and its commit.
    Branch(String, String),
    /// A tag and its commit.
    Tag(String, String),
    /// A commit.
    Commit(String),
    /// Something the list does not have, such as a short commit.
    Unknown(String),
}

impl Target {
    /// The commit, where it is known.
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Branch(_, commit) | Self::Tag(_, commit) | Self::Commit(commit) => Some(commit),
            Self::Unknown(_) => None,
        }
    }
}

impl Remote {
    /// Reads the list: `COMMIT<tab>NAME`, `ref: NAME<tab>HEAD`.
    pub fn read(text: &str) -> Self {
        let mut remote = Self::default();
        for (commit, name) in text.lines().filter_map(|line| line.split_once('\t')) {
            if let Some(branch) = commit.strip_prefix("ref: refs/heads/") {
                if name == "HEAD" {
                    remote.head = Some(branch.to_owned());
                }
                continue;
            }
            // A tag with a message is listed first, then what it points to.
            remote.refs.insert(name.trim_end_matches("^{}").to_owned(), commit.to_owned());
        }
        remote
    }

    /// Finds a version: a branch, a tag, or a commit by its full name.
    pub fn target(&self, version: &str) -> Target {
        let commit = |name: String| self.refs.get(&name).cloned();
        if version == "HEAD" {
            let branch = self.head.as_ref().and_then(|name| Some((name, commit(format!("refs/heads/{name}"))?)));
            return match (branch, commit("HEAD".into())) {
                (Some((name, at)), _) => Target::Branch(name.clone(), at),
                (None, Some(at)) => Target::Commit(at),
                (None, None) => Target::Unknown(version.to_owned()),
            };
        }
        if let Some(at) = commit(format!("refs/heads/{version}")) {
            return Target::Branch(version.to_owned(), at);
        }
        if let Some(at) = commit(format!("refs/tags/{version}")) {
            return Target::Tag(version.to_owned(), at);
        }
        if version.len() >= 40 && version.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Target::Commit(version.to_ascii_lowercase());
        }
        Target::Unknown(version.to_owned())
    }

    /// Says whether another repository has the same branches and tags.
    pub fn refs_are_in(&self, other: &Self) -> bool {
        let named = |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        self.refs.iter().filter(|(name, _)| named(name)).all(|(name, commit)| {
            // show-ref does not follow tags: that the name is there has to do.
            other.refs.get(name).is_some_and(|at| at == commit || name.starts_with("refs/tags/"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let full = "c".repeat(40);
        let remote = Remote::read(
            "ref: refs/heads/main\tHEAD\na1\tHEAD\na1\trefs/heads/main\nb1\trefs/heads/dev\nt1\trefs/tags/v2\nt2\trefs/tags/v2^{}\n",
        );
        let table = [
            ("HEAD", Target::Branch("main".into(), "a1".into())),
            ("dev", Target::Branch("dev".into(), "b1".into())),
            ("v2", Target::Tag("v2".into(), "t2".into())),
            (full.as_str(), Target::Commit(full.clone())),
            ("abc1234", Target::Unknown("abc1234".into())),
        ];
        for (version, expected) in table {
            assert_eq!(remote.target(version), expected, "{version}");
        }
        assert!(remote.refs_are_in(&Remote::read("a1\trefs/heads/main\nb1\trefs/heads/dev\nt1\trefs/tags/v2\n")));
        assert!(!remote.refs_are_in(&Remote::read("a1\trefs/heads/main\nb2\trefs/heads/dev\nt1\trefs/tags/v2\n")));
    }
}
