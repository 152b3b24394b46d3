//! ansible-vault's format: AES-256-CTR with HMAC-SHA256, keys by PBKDF2-SHA256 with 10,000 rounds.
//!
//! Source: the Ansible documentation, "Ansible Vault payload format 1.1 - 1.2"
//! (<https://docs.ansible.com/ansible/latest/vault_guide/vault_encrypting_content.html>).

use std::collections::HashMap;
use std::sync::Mutex;

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const ROUNDS: u32 = 10_000;

/// Why vaulted text could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// No password was given.
    #[error("no vault password was given")]
    NoPassword,
    /// None of the passwords fits.
    #[error("none of the vault passwords fits")]
    WrongPassword,
    /// The text is not of the format.
    #[error("the text is not in ansible-vault's format: {0}")]
    Malformed(&'static str),
}

impl VaultError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoPassword => "give it with --vault-password-file FILE or --ask-vault-pass",
            Self::WrongPassword => "check the password; several may be given with --vault-password-file",
            Self::Malformed(_) => "it may have been cut or edited; encrypt it again",
        }
    }
}

/// Says whether a file is a vault as a whole.
pub fn is_vault(bytes: &[u8]) -> bool {
    bytes.starts_with(b"$ANSIBLE_VAULT;")
}

/// Decrypts with the passwords it was given; keeps what it has decrypted.
#[derive(Default)]
pub struct Vault {
    passwords: Vec<Vec<u8>>,
    known: Mutex<HashMap<String, Result<String, VaultError>>>,
    redactor: super::Redactor,
}

impl Vault {
    /// A vault with these passwords; what it decrypts is made known to the redactor.
    pub fn new(passwords: Vec<Vec<u8>>, redactor: super::Redactor) -> Self {
        Self { passwords, known: Mutex::default(), redactor }
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
        let result = self.decrypt_new(text);
        if let Ok(plain) = &result {
            self.redactor.add(plain);
        }
        known().insert(text.to_owned(), result.clone());
        result
    }

    fn decrypt_new(&self, text: &str) -> Result<String, VaultError> {
        let payload = Payload::parse(text)?;
        if self.passwords.is_empty() {
            return Err(VaultError::NoPassword);
        }
        let plain = self.passwords.iter().find_map(|password| payload.open(password));
        let bytes = plain.ok_or(VaultError::WrongPassword)?;
        String::from_utf8(bytes).map_err(|_| VaultError::Malformed("what it holds is not text"))
    }
}

struct Payload {
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
        let body: String = lines.map(str::trim).collect();
        let inner = unhex(body.as_bytes()).ok_or(VaultError::Malformed("its body is not hexadecimal"))?;
        let mut parts = inner.split(|b| *b == b'\n').map(unhex);
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
            (Some(salt), Some(mac), Some(cipher)) => Ok(Self { salt, mac, cipher }),
            _ => Err(VaultError::Malformed("its body does not have three parts")),
        }
    }

    fn open(&self, password: &[u8]) -> Option<Vec<u8>> {
        let mut keys = [0u8; 80];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, ROUNDS, &mut keys);
        let (key, rest) = keys.split_at(32);
        let (mac_key, iv) = rest.split_at(32);
        let mut mac = Hmac::<Sha256>::new_from_slice(mac_key).ok()?;
        mac.update(&self.cipher);
        mac.verify_slice(&self.mac).ok()?;
        let mut plain = self.cipher.clone();
        Ctr128BE::<Aes256>::new_from_slices(key, iv).ok()?.apply_keystream(&mut plain);
        let padding = usize::from(*plain.last()?);
        plain.truncate(plain.len().checked_sub(padding)?);
        Some(plain)
    }
}

fn unhex(bytes: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let (pairs, rest) = bytes.as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `ansible-vault encrypt_string` (ansible-core 2.19), password `test`.
    const SAMPLE: &str = include_str!("../../tests/data/vault-sample.txt");

    #[test]
    fn reads_what_ansible_wrote() {
        let vault = Vault::new(vec![b"wrong".to_vec(), b"test".to_vec()], super::super::Redactor::default());
        assert_eq!(vault.decrypt(SAMPLE).as_deref(), Ok("s3cret canary"));
        let wrong = Vault::new(vec![b"wrong".to_vec()], super::super::Redactor::default());
        assert_eq!(wrong.decrypt(SAMPLE), Err(VaultError::WrongPassword));
        assert!(matches!(wrong.decrypt("$ANSIBLE_VAULT;1.1;AES256\nzz"), Err(VaultError::Malformed(_))));
    }
}
