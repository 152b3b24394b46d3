//! ansible-vault's format: AES-256-CTR with HMAC-SHA256, keys by PBKDF2-SHA256 with 10,000 rounds.
//!
//! Source: the Ansible documentation, "Ansible Vault payload format 1.1 - 1.2"
//! (<https://docs.ansible.com/ansible/latest/vault_guide/vault_encrypting_content.html>).
//!
//! Version 1.2 is 1.1 with the label of the password in its header. The label is a hint which password to try first, and no
//! more: it is not covered by the MAC, so the other passwords are tried too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const ROUNDS: u32 = 10_000;
const SALT: usize = 32;
const BLOCK: usize = 16;
/// How long the lines of a vault are.
const WIDTH: usize = 80;
/// The label of a password that was given without one; a header of version 1.1 stands for it.
pub const DEFAULT_ID: &str = "default";

/// Why vaulted text could not be read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// No password was given.
    #[error("no vault password was given")]
    NoPassword,
    /// None of the passwords fits.
    #[error("none of the vault passwords fits")]
    WrongPassword,
    /// None of the passwords fits, and the text says which one is wanted.
    #[error("none of the vault passwords fits; it was encrypted for the vault id `{0}`")]
    WrongPasswordFor(String),
    /// The text is not of the format.
    #[error("the text is not in ansible-vault's format: {0}")]
    Malformed(&'static str),
    /// The system gave no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl VaultError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::NoPassword => "give it with --vault-password-file FILE or --ask-vault-pass".to_owned(),
            Self::WrongPassword => "check the password; several may be given with --vault-id ID@FILE".to_owned(),
            Self::WrongPasswordFor(id) => format!("give its password with --vault-id {id}@FILE"),
            Self::Malformed(_) => "it may have been cut or edited; encrypt it again".to_owned(),
            Self::NoRandomness => "nothing was encrypted; see whether getrandom works on this machine".to_owned(),
        }
    }
}

/// Says whether a file is a vault as a whole.
pub fn is_vault(bytes: &[u8]) -> bool {
    bytes.starts_with(b"$ANSIBLE_VAULT;")
}

/// A password and its label. It has no `Debug`: a password is never shown.
#[derive(Clone)]
pub struct Password {
    /// The vault id.
    pub id: Arc<str>,
    /// The password.
    pub bytes: Vec<u8>,
}

impl Password {
    /// A password without a label of its own.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { id: Arc::from(DEFAULT_ID), bytes: bytes.into() }
    }
}

/// What was inside of a vault.
pub struct Opened {
    /// The plain bytes.
    pub plain: Vec<u8>,
    /// The password that fitted.
    pub password: Password,
    /// The label in the header.
    pub id: Arc<str>,
}

/// Decrypts with the passwords it was given; keeps what it has decrypted.
#[derive(Default)]
pub struct Vault {
    passwords: Vec<Password>,
    only_labelled: bool,
    known: Mutex<HashMap<String, Result<String, VaultError>>>,
    redactor: super::Redactor,
}

impl Vault {
    /// A vault with these passwords; what it decrypts is made known to the redactor.
    pub fn new(passwords: Vec<Password>, redactor: super::Redactor) -> Self {
        Self { passwords, only_labelled: false, known: Mutex::default(), redactor }
    }

    /// The label of a text is more than a hint: no other password is tried.
    #[must_use]
    pub fn only_labelled(self, only_labelled: bool) -> Self {
        Self { only_labelled, ..self }
    }

    /// Where secrets are made known.
    pub fn redactor(&self) -> &super::Redactor {
        &self.redactor
    }

    /// Decrypts text in the vault format.
    ///
    /// # Errors
    /// Where it is not of the format or no password fits.
    pub fn decrypt(&self, text: &str) -> Result<String, VaultError> {
        let known = || self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = known().get(text) {
            return known.clone();
        }
        let result = self.open(text).and_then(|opened| {
            String::from_utf8(opened.plain).map_err(|_| VaultError::Malformed("what it holds is not text"))
        });
        if let Ok(plain) = &result {
            self.redactor.add(plain);
        }
        known().insert(text.to_owned(), result.clone());
        result
    }

    /// Decrypts to bytes, and says which password did it. Nothing is kept.
    ///
    /// # Errors
    /// As [`Vault::decrypt`].
    pub fn open(&self, text: &str) -> Result<Opened, VaultError> {
        let payload = Payload::parse(text)?;
        if self.passwords.is_empty() {
            return Err(VaultError::NoPassword);
        }
        let labelled = |password: &&Password| password.id.as_ref() == payload.id;
        let others = self.passwords.iter().filter(|password| !self.only_labelled && !labelled(password));
        for password in self.passwords.iter().filter(labelled).chain(others) {
            if let Some(plain) = payload.open(&password.bytes) {
                return Ok(Opened { plain, password: password.clone(), id: Arc::from(payload.id.as_str()) });
            }
        }
        Err(match payload.id.as_str() {
            DEFAULT_ID => VaultError::WrongPassword,
            id => VaultError::WrongPasswordFor(id.to_owned()),
        })
    }
}

/// Encrypts; the text ends with a newline. A label other than `default` makes it version 1.2. Without a salt of its own, a text
/// gets a random one.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn encrypt(plain: &[u8], password: &[u8], id: &str, salt: Option<&str>) -> Result<String, VaultError> {
    let salt = salt.map_or_else(random_salt, |salt| Ok(salt.as_bytes().to_vec()))?;
    encrypt_with(plain, password, id, &salt).ok_or(VaultError::Malformed("the keys do not fit"))
}

fn random_salt() -> Result<Vec<u8>, VaultError> {
    let mut salt = [0u8; SALT];
    let mut filled = 0;
    while let Some(rest) = salt.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let got = rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty());
        filled += got.ok().filter(|n| *n > 0).ok_or(VaultError::NoRandomness)?;
    }
    Ok(salt.to_vec())
}

fn encrypt_with(plain: &[u8], password: &[u8], id: &str, salt: &[u8]) -> Option<String> {
    let keys = Keys::derive(password, salt);
    let padding = BLOCK - plain.len() % BLOCK;
    let mut cipher = plain.to_vec();
    cipher.extend(std::iter::repeat_n(padding as u8, padding));
    keys.apply(&mut cipher)?;
    written(&keys, salt, &cipher, id)
}

/// The text of what was encrypted.
fn written(keys: &Keys, salt: &[u8], cipher: &[u8], id: &str) -> Option<String> {
    let mac = keys.mac(cipher)?.finalize().into_bytes();
    let inner = [hex(salt), hex(&mac), hex(cipher)].join("\n");
    let mut out = match id {
        DEFAULT_ID => "$ANSIBLE_VAULT;1.1;AES256\n".to_owned(),
        id => format!("$ANSIBLE_VAULT;1.2;AES256;{id}\n"),
    };
    for (i, digit) in hex(inner.as_bytes()).chars().enumerate() {
        if i > 0 && i % WIDTH == 0 {
            out.push('\n');
        }
        out.push(digit);
    }
    out.push('\n');
    Some(out)
}

/// The keys of a payload: for the cipher, for the MAC, and the counter to start with.
struct Keys([u8; 80]);

impl Keys {
    fn derive(password: &[u8], salt: &[u8]) -> Self {
        let mut keys = [0u8; 80];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, &mut keys);
        Self(keys)
    }

    fn mac(&self, cipher: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.get(32..64)?).ok()?;
        mac.update(cipher);
        Some(mac)
    }

    /// Encrypts or decrypts: in this mode it is the same.
    fn apply(&self, bytes: &mut [u8]) -> Option<()> {
        let (key, iv) = (self.0.get(..32)?, self.0.get(64..)?);
        Ctr128BE::<Aes256>::new_from_slices(key, iv).ok()?.apply_keystream(bytes);
        Some(())
    }
}

struct Payload {
    id: String,
    salt: Vec<u8>,
    mac: Vec<u8>,
    cipher: Vec<u8>,
}

impl Payload {
    fn parse(text: &str) -> Result<Self, VaultError> {
        let mut lines = text.trim().lines();
        let mut header = lines.next().unwrap_or("").trim().split(';');
        if header.next() != Some("$ANSIBLE_VAULT") {
            return Err(VaultError::Malformed("it does not start with $ANSIBLE_VAULT"));
        }
        if !matches!(header.next(), Some("1.1" | "1.2")) || header.next() != Some("AES256") {
            return Err(VaultError::Malformed("it is not version 1.1 or 1.2 with AES256"));
        }
        let id = header.next().map(str::trim).filter(|id| !id.is_empty()).unwrap_or(DEFAULT_ID).to_owned();
        let body: String = lines.map(str::trim).collect();
        let inner = unhex(body.as_bytes()).ok_or(VaultError::Malformed("its body is not hexadecimal"))?;
        let mut parts = inner.split(|b| *b == b'\n').map(unhex);
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
            (Some(salt), Some(mac), Some(cipher)) => Ok(Self { id, salt, mac, cipher }),
            _ => Err(VaultError::Malformed("its body does not have three parts")),
        }
    }

    fn open(&self, password: &[u8]) -> Option<Vec<u8>> {
        self.open_with(&Keys::derive(password, &self.salt))
    }

    fn open_with(&self, keys: &Keys) -> Option<Vec<u8>> {
        keys.mac(&self.cipher)?.verify_slice(&self.mac).ok()?;
        let mut plain = self.cipher.clone();
        keys.apply(&mut plain)?;
        let padding = usize::from(*plain.last()?);
        plain.truncate(plain.len().checked_sub(padding)?);
        Some(plain)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(bytes: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let (pairs, rest) = bytes.as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// For fuzzing: vaults under keys that are fixed, for to derive them is slow by design.
#[doc(hidden)]
pub mod fuzzing {
    use super::{DEFAULT_ID, Keys, Payload, SALT, written};

    const KEYS: Keys = Keys([7; 80]);

    /// The text of a vault that holds these bytes, padding and all.
    pub fn sealed(padded: &[u8]) -> String {
        let mut cipher = padded.to_vec();
        KEYS.apply(&mut cipher).and_then(|()| written(&KEYS, &[7; SALT], &cipher, DEFAULT_ID)).unwrap_or_default()
    }

    /// What is inside of a vault.
    pub fn opened(text: &str) -> Option<Vec<u8>> {
        Payload::parse(text).ok()?.open_with(&KEYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `ansible-vault encrypt_string` (ansible-core 2.19), password `test`.
    const SAMPLE: &str = include_str!("../../tests/data/vault-sample.txt");

    fn vault(passwords: &[(&str, &str)]) -> Vault {
        let password = |(id, text): &(&str, &str)| Password { id: Arc::from(*id), bytes: text.as_bytes().to_vec() };
        Vault::new(passwords.iter().map(password).collect(), super::super::Redactor::default())
    }

    #[test]
    fn reads_what_ansible_wrote() {
        let both = vault(&[("default", "wrong"), ("default", "test")]);
        assert_eq!(both.decrypt(SAMPLE).as_deref(), Ok("s3cret canary"));
        let wrong = vault(&[("default", "wrong")]);
        assert_eq!(wrong.decrypt(SAMPLE), Err(VaultError::WrongPassword));
        assert!(matches!(wrong.decrypt("$ANSIBLE_VAULT;1.1;AES256\nzz"), Err(VaultError::Malformed(_))));
    }

    #[test]
    fn reads_what_it_wrote_whatever_its_length() {
        for length in [0usize, 1, 15, 16, 17, 4096] {
            let plain: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let text = encrypt(&plain, b"pw", "prod", None).unwrap();
            assert!(text.starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n") && text.ends_with('\n'));
            assert!(text.lines().skip(1).all(|line| line.len() <= WIDTH));
            // A label is a hint: the password counts, whatever it is called.
            let opened = vault(&[("other", "no"), ("dev", "pw")]).open(&text).unwrap();
            assert_eq!((opened.plain, opened.id.as_ref(), opened.password.id.as_ref()), (plain, "prod", "dev"));
        }
        assert!(encrypt(b"x", b"pw", DEFAULT_ID, None).unwrap().starts_with("$ANSIBLE_VAULT;1.1;AES256\n"));
        let salted = |salt| encrypt(b"x", b"pw", "a", salt).unwrap();
        assert_ne!(salted(None), salted(None), "every salt is new");
        assert_eq!(salted(Some("salty")), salted(Some("salty")));
        assert_eq!(vault(&[("a", "pw")]).decrypt(&salted(Some("salty"))).as_deref(), Ok("x"));
    }

    #[test]
    fn a_label_can_be_more_than_a_hint() {
        let text = encrypt(b"x", b"pw", "prod", None).unwrap();
        let strict = |passwords| vault(passwords).only_labelled(true).decrypt(&text);
        assert_eq!(strict(&[("dev", "pw")]), Err(VaultError::WrongPasswordFor("prod".into())));
        assert_eq!(strict(&[("dev", "no"), ("prod", "pw")]).as_deref(), Ok("x"));
    }

    #[test]
    fn names_the_password_that_is_wanted() {
        let text = encrypt(b"x", b"pw", "prod", None).unwrap();
        assert_eq!(vault(&[("dev", "no")]).decrypt(&text), Err(VaultError::WrongPasswordFor("prod".into())));
    }
}
