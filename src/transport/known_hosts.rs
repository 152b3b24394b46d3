//! The known_hosts files: which keys a host may have, and writing down a new one.
//!
//! Every form OpenSSH reads is read: several names, wildcards, negation, `[host]:port`, hashed names,
//! `@cert-authority` and `@revoked`. Lines that make no sense are skipped, as OpenSSH does. Files are read once and
//! kept; a key accepted during the run is added to what is kept as well as to the file.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};
use sha1::Sha1;

use super::pattern;

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Host,
    Authority,
    Revoked,
}

/// The names a line is for.
#[derive(Debug, Clone)]
enum Names {
    Patterns(Vec<String>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

#[derive(Debug, Clone)]
struct Line {
    marker: Marker,
    names: Names,
    key: KeyData,
    number: usize,
}

/// One file, parsed.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownHosts {
    path: PathBuf,
    lines: Vec<Line>,
}

/// The verdict on a host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key is on record, or signed by an authority that is.
    Known,
    /// Nothing is on record for this host.
    Unknown,
    /// Another key is on record (at `file:line`).
    Changed(String),
    /// The key or its authority is revoked (at `file:line`).
    Revoked(String),
}

impl KnownHosts {
    /// Reads a file; one that is missing or unreadable knows no hosts.
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        Self::parse(path, &text)
    }

    /// Parses a file's text.
    pub(super) fn parse(path: &Path, text: &str) -> Self {
        let lines = text.lines().enumerate().filter_map(|(index, line)| parse_line(line, index + 1)).collect();
        Self { path: path.to_owned(), lines }
    }

    fn at(&self, line: &Line) -> String {
        format!("{}:{}", self.path.display(), line.number)
    }
}

fn parse_line(line: &str, number: usize) -> Option<Line> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty()).peekable();
    let marker = match *words.peek()? {
        "@cert-authority" => Marker::Authority,
        "@revoked" => Marker::Revoked,
        word if word.starts_with(['#', '@']) => return None,
        _ => Marker::Host,
    };
    if marker != Marker::Host {
        words.next();
    }
    let names = parse_names(words.next()?)?;
    let algorithm = words.next()?;
    let blob = BASE64.decode(words.next()?).ok()?;
    let key = PublicKey::from_bytes(&blob).ok()?;
    (key.algorithm().as_str() == algorithm).then(|| Line { marker, names, key: key.key_data().clone(), number })
}

fn parse_names(text: &str) -> Option<Names> {
    let Some(hashed) = text.strip_prefix("|1|") else {
        return Some(Names::Patterns(text.split(',').map(str::to_lowercase).collect()));
    };
    let (salt, hash) = hashed.split_once('|')?;
    Some(Names::Hashed { salt: BASE64.decode(salt).ok()?, hash: BASE64.decode(hash).ok()? })
}

impl Names {
    fn contain(&self, name: &str) -> bool {
        match self {
            Self::Patterns(list) => pattern::list_matches(list.iter().map(String::as_str), name),
            Self::Hashed { salt, hash } => hash_name(salt, name).is_some_and(|found| found == *hash),
        }
    }
}

fn hash_name(salt: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

/// A host as known_hosts names it: lower case, with the port in brackets unless it is 22.
pub(super) fn lookup_name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// Judges a host key by all files together, as [`PublicKeyOrCertificate`] came from the key exchange.
pub(super) fn check(files: &[Arc<KnownHosts>], host: &str, port: u16, offered: &PublicKeyOrCertificate) -> Verdict {
    let name = lookup_name(host, port);
    let key = offered.public_key();
    if let Some(cert) = offered.certificate() {
        match check_certificate(files, &name, host, cert) {
            Some(verdict) => return verdict,
            // No authority signed it: it is still as good as its bare key.
            None => return check_key(files, &name, host, port, key.key_data()),
        }
    }
    check_key(files, &name, host, port, key.key_data())
}

fn entries<'a>(files: &'a [Arc<KnownHosts>], name: &'a str) -> impl Iterator<Item = (&'a KnownHosts, &'a Line)> {
    files
        .iter()
        .flat_map(|file| file.lines.iter().map(move |line| (&**file, line)))
        .filter(|(_, l)| l.names.contain(name))
}

fn check_key(files: &[Arc<KnownHosts>], name: &str, host: &str, port: u16, key: &KeyData) -> Verdict {
    let mut other = None;
    let mut known = false;
    for (file, line) in entries(files, name) {
        match line.marker {
            Marker::Revoked if line.key == *key => return Verdict::Revoked(file.at(line)),
            Marker::Host if line.key == *key => known = true,
            // A key of the same kind says more about what changed than one of another kind.
            Marker::Host if other.is_none() || line.key.algorithm() == key.algorithm() => other = Some(file.at(line)),
            _ => {}
        }
    }
    match other {
        _ if known => Verdict::Known,
        Some(location) => Verdict::Changed(location),
        // As OpenSSH: a key on record for the host on port 22 is good for its other ports too.
        None if port != 22 && known_elsewhere(files, host, key) => Verdict::Known,
        None => Verdict::Unknown,
    }
}

fn known_elsewhere(files: &[Arc<KnownHosts>], host: &str, key: &KeyData) -> bool {
    let name = lookup_name(host, 22);
    let mut found = false;
    for (_, line) in entries(files, &name).filter(|(_, line)| line.key == *key) {
        match line.marker {
            Marker::Revoked => return false,
            Marker::Host => found = true,
            Marker::Authority => {}
        }
    }
    found
}

/// `None` if no authority on record vouches for this certificate.
fn check_certificate(files: &[Arc<KnownHosts>], name: &str, host: &str, cert: &Certificate) -> Option<Verdict> {
    let mut trusted = false;
    for (file, line) in entries(files, name) {
        match line.marker {
            Marker::Revoked if line.key == *cert.signature_key() || line.key == *cert.public_key() => {
                return Some(Verdict::Revoked(file.at(line)));
            }
            Marker::Authority => trusted |= line.key == *cert.signature_key(),
            _ => {}
        }
    }
    (trusted && certificate_is_valid(cert, host)).then_some(Verdict::Known)
}

fn certificate_is_valid(cert: &Certificate, host: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let authority = cert.signature_key().fingerprint(HashAlg::Sha256);
    let host = host.to_lowercase();
    cert.cert_type() == CertType::Host
        && cert.critical_options().is_empty()
        && cert.valid_principals().iter().any(|principal| pattern::matches(&principal.to_lowercase(), &host))
        && cert.validate_at(now, [&authority]).is_ok()
}

/// The key algorithms to ask a host for, most wanted first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    /// Kinds of plain keys on record for the host.
    pub(super) keys: Vec<Algorithm>,
    /// Whether an authority is on record for the host.
    pub(super) certificates: bool,
}

/// Which kinds of key are on record: asking for another kind would make a known host look unknown.
pub(super) fn wanted(files: &[Arc<KnownHosts>], host: &str, port: u16) -> Wanted {
    let mut found = Wanted::default();
    let mut name = lookup_name(host, port);
    if port != 22 && !entries(files, &name).any(|(_, line)| line.marker == Marker::Host) {
        if entries(files, &name).any(|(_, line)| line.marker == Marker::Authority) {
            found.certificates = true;
        }
        name = lookup_name(host, 22);
    }
    for (_, line) in entries(files, &name) {
        match line.marker {
            Marker::Host if !found.keys.contains(&line.key.algorithm()) => found.keys.push(line.key.algorithm()),
            Marker::Authority if name == lookup_name(host, port) => found.certificates = true,
            _ => {}
        }
    }
    found
}

/// Records a new key: at the end of the file, in one write, and in what is kept of it.
pub(super) fn append(file: &mut KnownHosts, name: &str, key: &PublicKey, hashed: bool) -> io::Result<()> {
    if let Some(parent) = file.path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let names = if hashed { hashed_name(name)? } else { name.to_owned() };
    let encoded = key.to_openssh().map_err(io::Error::other)?;
    let mut words = encoded.split(' ');
    let (algorithm, blob) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let line = format!("{names} {algorithm} {blob}\n");
    let mut target = fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&file.path)?;
    let mut text = Vec::new();
    target.read_to_end(&mut text)?;
    let separator = if text.last().is_some_and(|end| *end != b'\n') { "\n" } else { "" };
    target.write_all(format!("{separator}{line}").as_bytes())?;
    let number = text.split(|byte| *byte == b'\n').count() + separator.len();
    file.lines.extend(parse_line(line.trim_end(), number));
    Ok(())
}

fn hashed_name(name: &str) -> io::Result<String> {
    let mut salt = [0; 20];
    fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
    let hash = hash_name(&salt, name).ok_or_else(|| io::Error::other("cannot hash the name"))?;
    Ok(format!("|1|{}|{}", BASE64.encode(salt), BASE64.encode(hash)))
}

/// A key type the way `ssh-keygen -l` writes it.
pub(super) fn type_name(offered: &PublicKeyOrCertificate) -> String {
    let base = match offered.public_key().algorithm() {
        Algorithm::Ed25519 => "ED25519",
        Algorithm::Rsa { .. } => "RSA",
        Algorithm::Ecdsa { .. } => "ECDSA",
        Algorithm::Dsa => "DSA",
        Algorithm::SkEd25519 => "ED25519-SK",
        Algorithm::SkEcdsaSha2NistP256 => "ECDSA-SK",
        other => return other.to_string(),
    };
    if offered.certificate().is_some() { format!("{base}-CERT") } else { base.to_owned() }
}

#[cfg(test)]
#[path = "known_hosts_tests.rs"]
mod tests;
