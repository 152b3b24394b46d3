//! Checking host keys during the handshake, against files shared by all connections.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{Algorithm, HashAlg, PublicKeyOrCertificate};
use russh::{Preferred, kex};

use super::error::{ConnectError, HostKey};
use super::known_hosts::{self, KnownHosts, Verdict};
use super::pattern;
use super::plan::Trust;

/// The known_hosts files read so far.
#[derive(Default)]
pub(super) struct Store {
    files: Mutex<HashMap<PathBuf, Arc<KnownHosts>>>,
}

impl Store {
    fn get(&self, paths: &[PathBuf]) -> Vec<Arc<KnownHosts>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read =
            |path: &PathBuf| files.entry(path.clone()).or_insert_with(|| Arc::new(KnownHosts::read(path))).clone();
        paths.iter().map(&mut read).collect()
    }

    fn files(&self, trust: &Trust) -> Vec<Arc<KnownHosts>> {
        if trust.pinned.is_empty() {
            return self.get(&trust.files);
        }
        let name = known_hosts::lookup_name(&trust.name, trust.port);
        let lines: Vec<_> = trust.pinned.iter().map(|key| format!("{name} {}", key.trim())).collect();
        vec![Arc::new(KnownHosts::parse(Path::new("inventory"), &lines.join("\n")))]
    }

    /// Judges a key, and records it if it is new and that is wanted.
    pub(super) fn check(
        &self,
        trust: &Trust,
        addr: &str,
        offered: &PublicKeyOrCertificate,
    ) -> Result<(), ConnectError> {
        let key = || {
            Box::new(HostKey {
                host: trust.name.clone(),
                addr: addr.to_owned(),
                port: trust.port,
                key_type: known_hosts::type_name(offered),
                fingerprint: offered.public_key().fingerprint(HashAlg::Sha256).to_string(),
            })
        };
        match known_hosts::check(&self.files(trust), &trust.name, trust.port, offered) {
            Verdict::Known => Ok(()),
            Verdict::Changed(location) => Err(ConnectError::HostKeyChanged { key: key(), location }),
            Verdict::Revoked(location) => Err(ConnectError::HostKeyRevoked { key: key(), location }),
            Verdict::Unknown => match &trust.record_in {
                Some(file) if trust.accept_new && trust.pinned.is_empty() => self.record(trust, file, offered),
                _ => Err(ConnectError::HostKeyUnknown { key: key(), files: trust.files.clone() }),
            },
        }
    }

    /// Two connections to one new host may both come here: the second finds the key on record.
    fn record(&self, trust: &Trust, path: &Path, offered: &PublicKeyOrCertificate) -> Result<(), ConnectError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.entry(path.to_owned()).or_insert_with(|| Arc::new(KnownHosts::read(path)));
        let current = [file.clone()];
        if known_hosts::check(&current, &trust.name, trust.port, offered) == Verdict::Known {
            return Ok(());
        }
        let name = known_hosts::lookup_name(&trust.name, trust.port);
        drop(current);
        known_hosts::append(Arc::make_mut(file), &name, &offered.public_key(), trust.hash)
            .map_err(|source| ConnectError::KnownHosts { file: path.to_owned(), source })
    }

    /// The algorithms to offer, host keys already on record first.
    pub(super) fn preferred(&self, trust: &Trust) -> Preferred {
        let wanted = known_hosts::wanted(&self.files(trust), &trust.name, trust.port);
        let mut keys = host_key_algorithms(trust.algorithms.as_deref());
        if trust.algorithms.is_none() {
            keys.sort_by_key(|algorithm| !wanted.keys.iter().any(|known| same_kind(known, algorithm)));
        }
        let certificates = if wanted.certificates { keys.clone() } else { Vec::new() };
        Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Owned(keys),
            host_key_certificates: Cow::Owned(certificates),
            compression: Cow::Borrowed(&[russh::compression::NONE]),
            cipher: Cow::Borrowed(CIPHERS),
            ..Preferred::DEFAULT
        }
    }
}

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

const CIPHERS: &[russh::cipher::Name] = &[
    russh::cipher::AES_128_GCM,
    russh::cipher::AES_256_GCM,
    russh::cipher::CHACHA20_POLY1305,
    russh::cipher::AES_256_CTR,
    russh::cipher::AES_192_CTR,
    russh::cipher::AES_128_CTR,
];

fn same_kind(a: &Algorithm, b: &Algorithm) -> bool {
    a == b || matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

/// `HostKeyAlgorithms`: a list, or the default with `+` additions, `-` removals or `^` favourites.
fn host_key_algorithms(configured: Option<&str>) -> Vec<Algorithm> {
    let sha1 = Algorithm::Rsa { hash: None };
    let default: Vec<_> = Preferred::DEFAULT.key.iter().filter(|algorithm| **algorithm != sha1).cloned().collect();
    let Some(text) = configured else {
        return default;
    };
    let (mode, names) = match text.split_at_checked(1) {
        Some((mode @ ("+" | "-" | "^"), names)) => (mode, names),
        _ => ("", text),
    };
    let listed = |algorithm: &Algorithm| names.split(',').any(|name| pattern::matches(name, algorithm.as_str()));
    let named = || {
        names.split(',').flat_map(|name| {
            Preferred::DEFAULT.key.iter().filter(move |algorithm| pattern::matches(name, algorithm.as_str())).cloned()
        })
    };
    match mode {
        "+" => default.iter().cloned().chain(named().filter(|algorithm| !default.contains(algorithm))).collect(),
        "-" => default.into_iter().filter(|algorithm| !listed(algorithm)).collect(),
        "^" => named().chain(default.iter().filter(|algorithm| !listed(algorithm)).cloned()).collect(),
        _ => named().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::PrivateKey;

    #[test]
    fn host_key_algorithms_as_configured() {
        let names =
            |configured| host_key_algorithms(configured).iter().map(|a| a.as_str().to_owned()).collect::<Vec<_>>();
        let default = names(None);
        assert_eq!(default.first().map(String::as_str), Some("ssh-ed25519"));
        assert!(!default.contains(&"ssh-rsa".to_owned()));
        assert_eq!(names(Some("rsa-sha2-512,ssh-ed25519")), ["rsa-sha2-512", "ssh-ed25519"]);
        assert_eq!(names(Some("+ssh-rsa")).last().map(String::as_str), Some("ssh-rsa"));
        assert_eq!(names(Some("^rsa-sha2-256")).first().map(String::as_str), Some("rsa-sha2-256"));
        assert!(names(Some("-ecdsa*")).iter().all(|name| !name.starts_with("ecdsa")));
    }

    /// Pitfall 3: asking for another kind of key than the one on record would make a known host look unknown.
    #[test]
    fn keys_on_record_are_asked_for_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kh");
        let curve = russh::keys::EcdsaCurve::NistP256;
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ecdsa { curve }).unwrap();
        std::fs::write(&path, format!("web {}\n", key.public_key().to_openssh().unwrap())).unwrap();
        let trust = Trust {
            name: "web".into(),
            port: 22,
            files: vec![path.clone()],
            record_in: None,
            accept_new: false,
            hash: false,
            pinned: vec![],
            algorithms: None,
        };
        let preferred = Store::default().preferred(&trust);
        assert_eq!(preferred.key.first().map(Algorithm::as_str), Some("ecdsa-sha2-nistp256"));
    }
}
