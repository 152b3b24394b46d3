//! `get_url`: a file from the network.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::copy::backup_path;
use super::edit::wanted;
use super::params::params;
use super::{Claim, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, file};
use crate::machine::{Algorithm, Attrs, Fetch, FileKind, Inspect, Machine, Written};
use crate::value::{Map, Value};

/// A file of checksums is no larger than this.
const MAX_SUMS: u64 = 4 * 1024 * 1024;

params! {
    /// Fetches a file by HTTP or HTTPS on the target.
    ///
    /// A file that is there is fetched again only with `force`, or where it does not have the `checksum`. A host that
    /// has it is not connected to anything.
    ///
    /// # Example
    /// ```yaml
    /// - get_url: { url: "https://example.com/app.conf", dest: /etc/app.conf, mode: "0640", force: true }
    /// ```
    pub struct GetUrl {
        /// Where from: `http://…` or `https://…`.
        url: String, required;
        /// Where to. In a directory the file gets the last name of the URL.
        dest: PathBuf, required;
        /// What the content must be: `algorithm:digest`, or `algorithm:URL` of a file of digests.
        checksum: String = "";
        /// Fetch each time, and replace a file whose content differs.
        force: bool = false;
        /// Keep a copy of the old file beside it.
        backup: bool = false;
        /// Header fields.
        headers: Map = Map::new();
        /// Seconds to wait for a connection, for an answer, and for more of it.
        timeout: i64 = 10;
        /// The user name.
        url_username: Option<String>, alias "username";
        /// The password.
        url_password: Option<String>, secret, alias "password";
        /// Send name and password with the first request. cfg always does, so that only `true` can be asked for.
        force_basic_auth: bool = true;
        /// Check the server's certificate.
        validate_certs: bool = true;
        /// Use the proxy the environment names.
        use_proxy: bool = true;
        /// Mode, octal in quotes or symbolic.
        mode: Option<Mode>;
        /// Owner.
        owner: Option<String>;
        /// Group.
        group: Option<String>;
    }
}

/// A checksum as it was asked for.
enum Wanted {
    Nothing,
    Digest(Algorithm, String),
    FileOf(Algorithm, String),
}

impl GetUrl {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the URL or the checksum is none.
    pub fn check(&self) -> Result<(), ParamError> {
        if !is_web(&self.url) {
            return Err(ParamError::bad("url", "expected a URL that starts with http:// or https://"));
        }
        if self.timeout < 1 {
            return Err(ParamError::bad("timeout", "expected 1 or more"));
        }
        if self.url_password.is_some() && self.url_username.is_none() {
            return Err(ParamError::conflict("`url_password` needs `url_username`"));
        }
        if !self.force_basic_auth {
            return Err(ParamError::bad(
                "force_basic_auth",
                "cfg always sends name and password with the first request",
            ));
        }
        self.wanted_checksum().map(drop)
    }

    fn wanted_checksum(&self) -> Result<Wanted, ParamError> {
        if self.checksum.is_empty() {
            return Ok(Wanted::Nothing);
        }
        let bad = |message: String| ParamError::bad("checksum", message);
        let (algorithm, rest) = self.checksum.split_once(':').ok_or_else(|| bad("expected algorithm:digest".into()))?;
        let algorithm =
            Algorithm::parse(algorithm).ok_or_else(|| bad(format!("there is no algorithm `{algorithm}`")))?;
        // Some copy digests with spaces in them.
        let digest: String = rest.chars().filter(|c| !c.is_whitespace()).collect();
        if is_web(rest) {
            return Ok(Wanted::FileOf(algorithm, rest.to_owned()));
        }
        if !is_digest(&digest) {
            return Err(bad(format!("`{rest}` is not a digest in hexadecimal")));
        }
        Ok(Wanted::Digest(algorithm, digest.to_lowercase()))
    }

    fn request(&self, context: &Context, url: &str) -> Fetch {
        Fetch {
            url: url.to_owned(),
            headers: self.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            user: self.url_username.clone().map(|user| (user, self.url_password.clone().unwrap_or_default())),
            timeout: Duration::from_secs(u64::try_from(self.timeout).unwrap_or(10)),
            insecure: !self.validate_certs,
            direct: !self.use_proxy,
            env: context.environment.clone(),
            checksum: None,
        }
    }

    /// The digest the content must have.
    fn digest(&self, machine: &dyn Inspect, context: &Context) -> Result<Option<(Algorithm, String)>, Failure> {
        let (algorithm, url) = match self.wanted_checksum().map_err(|e| Failure::new(e.message))? {
            Wanted::Nothing => return Ok(None),
            Wanted::Digest(algorithm, digest) => return Ok(Some((algorithm, digest))),
            Wanted::FileOf(algorithm, url) => (algorithm, url),
        };
        let text = String::from_utf8_lossy(&machine.download(&self.request(context, &url), MAX_SUMS)?).into_owned();
        let name = file_name(&self.url).unwrap_or_default();
        let digest = find_digest(&text, &name);
        digest
            .map(|digest| Some((algorithm, digest)))
            .ok_or_else(|| Failure::new(format!("{url} has no checksum of `{name}`")))
    }

    fn destination(&self, machine: &dyn Inspect) -> Result<PathBuf, Failure> {
        let path = machine.resolve(&self.dest)?.unwrap_or_else(|| self.dest.clone());
        let is_dir = machine.stat(&path)?.is_some_and(|stat| stat.kind == FileKind::Dir);
        if !is_dir && !self.dest.to_string_lossy().ends_with('/') {
            return Ok(path);
        }
        let name = file_name(&self.url)
            .ok_or_else(|| Failure::new(format!("{} has no file name; give it in `dest`", self.url)))?;
        Ok(path.join(name))
    }

    fn outcome(&self, machine: &dyn Machine, path: &Path, started: Instant) -> Result<Outcome, Failure> {
        let mut outcome = file::result(machine, path)?;
        outcome.result.insert("url".into(), Value::str(&self.url));
        outcome.result.insert("elapsed".into(), Value::from(started.elapsed().as_secs()));
        Ok(outcome)
    }
}

pub(super) fn is_web(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// The last name in a URL's path.
pub(super) fn file_name(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?.split_once("://")?.1.split_once('/')?.1;
    let name = path.rsplit('/').next().unwrap_or_default();
    (!name.is_empty() && name != "." && name != "..").then(|| name.to_owned())
}

fn is_digest(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Finds the digest of a file in what `sha256sum` writes (plain or `--tag`), or a digest that stands alone.
fn find_digest(text: &str, name: &str) -> Option<String> {
    let mut alone = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let digest = words.iter().find(|word| is_digest(word)).map(|word| word.to_lowercase());
        let named = words.iter().any(|word| {
            let word = word.trim_start_matches('*').trim_start_matches("./").trim_matches(['(', ')']);
            word == name
        });
        match (digest, words.len()) {
            (Some(digest), _) if named => return Some(digest),
            (Some(digest), 1) => alone = alone.or(Some(digest)),
            _ => {}
        }
    }
    alone
}

impl Resource for GetUrl {
    fn footprint(&self) -> Footprint {
        // In a directory the file is below it.
        let footprint = Footprint::nothing().write(Claim::Tree(self.dest.clone()));
        wanted(self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref()).footprint(footprint)
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let started = Instant::now();
        let path = self.destination(machine)?;
        let old = machine.lstat(&path)?;
        let checksum = self.digest(machine, context)?;
        let fits = match (&old, &checksum) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(_), Some((algorithm, digest))) => machine.digest(&path, *algorithm)? == *digest,
        };
        let wanted = wanted(self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref());
        let attrs = wanted.resolve(machine, old.as_ref().map_or(0o644, |stat| stat.mode), false)?;
        if fits && (!self.force || checksum.is_some()) {
            file::set_differing(machine, &path, &attrs)?;
            return self.outcome(machine, &path, started);
        }
        let backup = backup_path(self.backup && old.is_some(), &path);
        let how = Written { validate: None, backup: backup.clone(), secret: context.no_log };
        // Attributes that are as they should be are not set again.
        let attrs = old.as_ref().map_or(attrs, |stat| super::attrs::differing(&attrs, stat));
        let fetched = machine.fetch(&Fetch { checksum, ..self.request(context, &self.url) }, &path, &attrs, &how)?;
        let mut outcome = self.outcome(machine, &path, started)?;
        let known = |value: Value| if fetched.status.is_some() { value } else { Value::Unknown };
        outcome.result.insert("status_code".into(), known(Value::from(fetched.status.map(u32::from))));
        outcome.result.insert("checksum_dest".into(), known(Value::str(&fetched.sha1)));
        outcome.result.insert("checksum_src".into(), known(Value::str(&fetched.sha1)));
        outcome.result.insert("size".into(), known(outcome.result.get("size").cloned().unwrap_or_default()));
        if let Some(backup) = backup.filter(|_| fetched.replaced) {
            outcome.result.insert("backup_file".into(), Value::str(backup.to_string_lossy()));
        }
        outcome.changed = plan(fetched.status.is_some(), old.is_some(), fits, attrs);
        Ok(outcome)
    }
}

/// What a dry run can say of a file that was there: a wrong checksum will change, anything else may.
fn plan(really: bool, was_there: bool, fits: bool, attrs: Attrs) -> Option<Value> {
    match (really, was_there) {
        (false, true) if !fits || attrs != Attrs::default() => Some(Value::Bool(true)),
        (false, true) => Some(Value::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn plans() {
        let url = "url: 'https://example.com/a/app.tar.gz?x=1'";
        let sum = "checksum: 'md5:5d41402abc4b2a76b9719d911017c592'";
        let bench = Bench::with(&[("/etc/there", "hello"), ("/etc/other", "hullo")]);
        let table = [
            ("dest: /srv/".to_owned(), 1, None),
            ("dest: /srv/app.tar.gz".to_owned(), 0, None),
            ("dest: /etc/there".to_owned(), 0, None),
            (format!("dest: /etc/there, {sum}, mode: '0600'"), 1, None),
            (format!("dest: /etc/there, {sum}"), 0, None),
            (format!("dest: /etc/there, {sum}, force: true"), 0, None),
            (format!("dest: /etc/other, {sum}"), 0, Some(Value::Bool(true))),
        ];
        for (params, changes, changed) in table {
            let (outcome, found) = bench.run("get_url", &format!("{{{url}, {params}}}")).unwrap();
            assert_eq!((found.len(), outcome.changed), (changes, changed), "{params}");
        }
        let bench = Bench::with(&[("/etc/there", "hello")]);
        let (outcome, _) = bench.run("get_url", &format!("{{{url}, dest: /etc/there, force: true}}")).unwrap();
        assert_eq!(outcome.changed, Some(Value::Unknown));
        assert_eq!(outcome.result.get("status_code"), Some(&Value::Unknown));
    }

    #[test]
    fn refusals() {
        let bench = Bench::with(&[]);
        let table = [
            ("{url: 'ftp://x/y', dest: /srv/y}", "http://"),
            ("{url: 'http://x/y', dest: /srv/y, checksum: 'md7:00'}", "md7"),
            ("{url: 'http://x/y', dest: /srv/y, checksum: 'md5:xyz'}", "hexadecimal"),
            ("{url: 'http://x/y', dest: /none/y}", "/none/y"),
            ("{url: 'http://x/', dest: /srv}", "no file name"),
            ("{url: 'http://x/y', dest: /srv/y, use_gssapi: true}", "use_gssapi"),
        ];
        for (text, expected) in table {
            let message = bench.fails("get_url", text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn digests_in_files() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let table = [
            (format!("{a}  x\n{b} *y\n"), Some(b.clone())),
            (format!("SHA256 (y) = {b}\n"), Some(b.clone())),
            (format!("{a}\n"), Some(a.clone())),
            (format!("{a}  x\n"), None),
        ];
        for (text, expected) in table {
            assert_eq!(find_digest(&text, "y"), expected, "{text}");
        }
    }
}
