//! `known_hosts`: the keys hosts are known by to ssh(1).

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::edit::{Edit, bare, end_last, lines};
use super::params::params;
use super::program::expand_home;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource, file};
use crate::machine::{Attrs, Machine};
use crate::value::Value;

choices! {
    /// Whether it is there.
    pub enum State {
        /// It is there.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

params! {
    /// Adds or removes the key of a host in a file such as `~/.ssh/known_hosts`.
    ///
    /// A host has one key of each type: another one of the same type is replaced.
    ///
    /// # Example
    /// ```yaml
    /// - known_hosts: { name: git.example.com, key: "git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==" }
    /// ```
    pub struct KnownHosts {
        /// The host; with a port other than 22 as `[host]:port`.
        name: String, required, alias "host";
        /// The line of the file: names, type and key. Without one, `state: absent` removes all keys of the host.
        key: Option<String>;
        /// The file.
        path: PathBuf = "~/.ssh/known_hosts";
        /// Do not write the name, but a hash of it.
        hash_host: bool = false;
        /// Whether it is there.
        state: State = State::Present;
    }
}

/// A line that names a key.
struct Line<'a> {
    marker: Option<&'a str>,
    hosts: &'a str,
    kind: &'a str,
    key: &'a str,
}

impl<'a> Line<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let first = words.next().filter(|word| !word.starts_with('#'))?;
        let (marker, hosts) = if first.starts_with('@') { (Some(first), words.next()?) } else { (None, first) };
        Some(Self { marker, hosts, kind: words.next()?, key: words.next()? })
    }

    /// Says whether it is about this host: by name, or by the hash of its name.
    fn names(&self, host: &str) -> bool {
        self.hosts.split(',').any(|name| name.eq_ignore_ascii_case(host) || hashes(name, host))
    }
}

/// Says whether `|1|salt|hash` is a hash of this host.
fn hashes(text: &str, host: &str) -> bool {
    let Some((salt, hash)) = text.strip_prefix("|1|").and_then(|rest| rest.split_once('|')) else { return false };
    match (STANDARD.decode(salt), STANDARD.decode(hash)) {
        (Ok(salt), Ok(hash)) => hmac_sha1(&salt, host.to_lowercase().as_bytes()) == hash,
        _ => false,
    }
}

/// HMAC with SHA-1 (RFC 2104), as OpenSSH hashes names.
fn hmac_sha1(key: &[u8], text: &[u8]) -> Vec<u8> {
    use sha1::Digest as _;
    let mut block = [0u8; 64];
    let short = if key.len() > block.len() { sha1::Sha1::digest(key).to_vec() } else { key.to_vec() };
    block.iter_mut().zip(&short).for_each(|(slot, byte)| *slot = *byte);
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = sha1::Sha1::new().chain_update(padded(0x36)).chain_update(text).finalize();
    sha1::Sha1::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

/// 20 bytes nobody can guess.
fn salt() -> Result<Vec<u8>, Failure> {
    let mut salt = vec![0; 20];
    match rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty()) {
        Ok(20) => Ok(salt),
        _ => Err(Failure::new("the system gives no random numbers")),
    }
}

impl KnownHosts {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the key is none, or not that of the host.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.name.contains(',') {
            let message = "Comma separated list of names is not supported. Please pass a single name to lookup in the \
                           known_hosts file.";
            return Err(ParamError::bad("name", message));
        }
        if self.name.is_empty() || self.name.contains(|c: char| c.is_whitespace() || c == ',') {
            return Err(ParamError::bad("name", "expected the name of one host"));
        }
        let Some(key) = &self.key else {
            return match self.state {
                State::Present => Err(ParamError::conflict("`state: present` needs `key`")),
                State::Absent => Ok(()),
            };
        };
        if key.trim().lines().count() != 1 {
            return Err(ParamError::bad("key", "expected one line"));
        }
        match Line::read(key) {
            None => Err(ParamError::bad("key", "expected names, a type and a key, as in a known_hosts file")),
            Some(line) if !line.names(&self.name) => {
                Err(ParamError::bad("key", "Host parameter does not match hashed host field in supplied key"))
            }
            Some(line) if STANDARD.decode(line.key).is_err() => {
                Err(ParamError::bad("key", "the key is not what a public key looks like (Base64)"))
            }
            Some(_) => Ok(()),
        }
    }

    /// The file as it is wanted. `None`: as it is.
    fn edited(&self, text: &str) -> Result<Option<String>, Failure> {
        let wanted = self.key.as_deref().and_then(Line::read);
        let about = |line: &str| {
            Line::read(line).filter(|line| line.names(&self.name)).map(|line| {
                (line.kind.to_owned(), line.key.to_owned(), line.marker.map(str::to_owned), line.hosts.starts_with('|'))
            })
        };
        let mut found = false;
        let mut all = Vec::new();
        for line in lines(text) {
            let keep = match (about(bare(&line)), &wanted, self.state) {
                (None, ..) => true,
                (Some(_), None, _) => false,
                (Some((kind, key, marker, _)), Some(wanted), State::Absent) => {
                    (kind.as_str(), key.as_str(), marker.as_deref()) != (wanted.kind, wanted.key, wanted.marker)
                }
                (Some((kind, key, marker, hashed)), Some(wanted), State::Present) => {
                    let other = (kind.as_str(), marker.as_deref()) != (wanted.kind, wanted.marker);
                    let same = !other && key == wanted.key && hashed == self.hashed(wanted) && !found;
                    found |= same;
                    // A host has one key of a kind; of authorities there may be several.
                    other || same || (marker.is_some() && key != wanted.key)
                }
            };
            if keep {
                all.push(line);
            }
        }
        if let (false, Some(wanted), State::Present) = (found, &wanted, self.state) {
            end_last(&mut all, "\n");
            all.push(self.line(wanted)?);
        }
        let after = all.concat();
        Ok((after != text).then_some(after))
    }

    fn hashed(&self, wanted: &Line<'_>) -> bool {
        self.hash_host || wanted.hosts.starts_with('|')
    }

    fn line(&self, wanted: &Line<'_>) -> Result<String, Failure> {
        let key = self.key.as_deref().unwrap_or_default().trim();
        if !self.hash_host || wanted.hosts.starts_with('|') {
            return Ok(format!("{key}\n"));
        }
        let salt = salt()?;
        let hash = STANDARD.encode(hmac_sha1(&salt, self.name.to_lowercase().as_bytes()));
        let marker = wanted.marker.map(|marker| format!("{marker} ")).unwrap_or_default();
        Ok(format!("{marker}|1|{}|{hash} {} {}\n", STANDARD.encode(&salt), wanted.kind, wanted.key))
    }

    /// The directory of the file, which nobody else may look into where it is `~/.ssh`.
    fn make_directory(&self, machine: &dyn Machine, path: &Path) -> Result<(), Failure> {
        let Some(dir) = path.parent() else { return Ok(()) };
        let is_ssh = dir.file_name().is_some_and(|name| name == ".ssh");
        if is_ssh && machine.stat(dir)?.is_none() {
            machine.make_dir(dir, &Attrs { mode: Some(0o700), ..Attrs::default() })?;
        }
        Ok(())
    }
}

impl Resource for KnownHosts {
    fn footprint(&self) -> Footprint {
        // Where `~` leads is not known before.
        match self.path.is_absolute() {
            true => Footprint::nothing().write(Claim::Path(self.path.clone())),
            false => Footprint::world(),
        }
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let path = PathBuf::from(expand_home(machine, &self.path.to_string_lossy())?);
        let edit = Edit { path: &path, backup: false, validate: None, wanted: Default::default() };
        let opened = edit.open(machine)?;
        let before = opened.text.as_deref().unwrap_or_default();
        let edited = self.edited(before)?;
        let header = Value::str(if opened.text.is_some() { path.to_string_lossy() } else { "/dev/null".into() });
        let diff = Value::map([
            ("before_header", header),
            ("before", Value::str(before)),
            ("after_header", Value::str(path.to_string_lossy())),
            ("after", Value::str(edited.as_deref().unwrap_or(before))),
        ]);
        if let Some(text) = edited {
            self.make_directory(machine, &path)?;
            edit.save(machine, context, &opened, text, "")?;
        }
        let mut outcome = file::result(machine, &path)?;
        outcome.result.insert("diff".into(), diff);
        outcome.result.insert("name".into(), Value::str(&self.name));
        outcome.result.insert("key".into(), Value::from(self.key.clone()));
        outcome.result.insert("hash_host".into(), Value::Bool(self.hash_host));
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    /// What `ssh-keygen -H` makes of `h3`.
    const HASHED: &str = "|1|pyV23d6AMJPy2W/kqe+k2QvTVBs=|n9E87B0CK4lxtU7VjJfukMouQDM=";

    #[test]
    fn hashes_are_those_of_openssh() {
        assert!(hashes(HASHED, "h3"));
        assert!(hashes(HASHED, "H3"));
        assert!(!hashes(HASHED, "h4"));
    }

    /// The results are those of ansible-core 2.19.
    #[test]
    fn keys() {
        let hashed = format!("{HASHED} ed AAAA\n");
        let table = [
            ("", "name: h1, key: h1 ed AAAA", "h1 ed AAAA\n"),
            ("h1 ed AAAA\n", "name: h1, key: h1 rsa BBBB", "h1 ed AAAA\nh1 rsa BBBB\n"),
            ("h1 ed AAAA\nh2 ed AAAA", "name: h1, key: h1 ed BBBB", "h2 ed AAAA\nh1 ed BBBB\n"),
            ("h2,10.0.0.2 ed AAAA\n", "name: h2, key: h2 ed AAAA", "h2,10.0.0.2 ed AAAA\n"),
            ("h9 ed AAAA comment\n", "name: h9, key: h9 ed AAAA", "h9 ed AAAA comment\n"),
            (&hashed, "name: h3, key: h3 ed AAAA, hash_host: true", &hashed),
            (&hashed, "name: h3, key: h3 ed AAAA", "h3 ed AAAA\n"),
            ("h1 ed AAAA\nh1 rsa BBBB\n", "name: h1, key: h1 ed AAAA, state: absent", "h1 rsa BBBB\n"),
            ("#c\nh1 ed AAAA\nh1 rsa BBBB\nh2 ed AAAA\n", "name: h1, state: absent", "#c\nh2 ed AAAA\n"),
            ("", "name: '[h8]:222', key: '[h8]:222 ed AAAA'", "[h8]:222 ed AAAA\n"),
            ("@cert-authority h1 ed AAAA\n", "name: h1, key: h1 ed BBBB", "@cert-authority h1 ed AAAA\nh1 ed BBBB\n"),
        ];
        for (before, params, after) in table {
            let bench = Bench::with(&[("/etc/kh", before)]);
            let (_, changes) = bench.settle("known_hosts", &format!("{{path: /etc/kh, {params}}}"));
            assert_eq!(changes, usize::from(before != after), "{params}");
            assert_eq!(bench.read("/etc/kh"), after, "{params}");
        }
        let bench = Bench::with(&[]);
        assert_eq!(bench.settle("known_hosts", "{name: h1, key: h1 ed AAAA, hash_host: true}").1, 2);
        assert!(hashes(bench.read("/root/.ssh/known_hosts").split(' ').next().unwrap(), "h1"));
        assert_eq!(bench.settle("known_hosts", "{name: h2, state: absent, path: /etc/none}").1, 0);
    }

    #[test]
    fn refusals() {
        let bench = Bench::with(&[]);
        let table = [
            ("name: h1", "needs `key`"),
            ("name: h3, key: h2 ed AAAA", "does not match"),
            ("name: h3, key: ed AAAA", "names, a type"),
            ("name: h3, key: h3 ed x!", "Base64"),
            ("name: h3, key: \"h3 ed AAAA\\nh4 ed AAAA\"", "one line"),
        ];
        for (params, expected) in table {
            let message = bench.fails("known_hosts", &format!("{{{params}}}"));
            assert!(message.contains(expected), "{params}: {message}");
        }
    }
}
