//! Private keys, read and unlocked once for the whole run.
//!
//! A key's public half is enough to ask a server whether it would do, so a passphrase is only asked for once a server
//! wants that key, and never twice.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{Certificate, PrivateKey, PublicKey, decode_secret_key, load_openssh_certificate, load_public_key};
use tokio::sync::OnceCell;

use super::Secret;
use super::agent::AgentKeys;
use super::prompt::{Prompt, Prompter};

/// How often a wrong passphrase may be given.
const TRIES: usize = 3;

/// Why a private key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyProblem {
    Missing,
    Unreadable(String),
    NoPassphrase,
}

impl std::fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("no such file"),
            Self::Unreadable(why) => f.write_str(why),
            Self::NoPassphrase => f.write_str("encrypted, and no passphrase given"),
        }
    }
}

/// A key file: its public half, certificates, and the private half once somebody needed it.
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    pub(super) public: PublicKey,
    pub(super) certificate: Option<Certificate>,
    /// `None` if the file only has the public half, which picks a key of the agent.
    text: Option<Secret>,
    private: OnceCell<Result<Arc<PrivateKey>, KeyProblem>>,
}

type Loaded = Result<Arc<KeyFile>, KeyProblem>;

/// All keys of a run, and the person who knows their passphrases.
pub(super) struct Keyring {
    pub(super) prompter: Prompter,
    files: Mutex<HashMap<PathBuf, Arc<OnceCell<Loaded>>>>,
    agents: Mutex<HashMap<PathBuf, Arc<OnceCell<AgentKeys>>>>,
    passwords: Mutex<HashMap<String, Secret>>,
}

impl Keyring {
    pub(super) fn new(prompt: Option<Arc<dyn Prompt>>) -> Self {
        Self {
            prompter: Prompter::new(prompt),
            files: Mutex::default(),
            agents: Mutex::default(),
            passwords: Mutex::default(),
        }
    }

    /// Reads a key file, the first time it is asked for.
    pub(super) async fn file(&self, path: &Path) -> Loaded {
        let cell =
            self.files.lock().unwrap_or_else(PoisonError::into_inner).entry(path.to_owned()).or_default().clone();
        cell.get_or_init(|| self.load(path)).await.clone()
    }

    /// The keys of an agent, listed the first time they are asked for.
    pub(super) async fn agent(&self, socket: &Path) -> AgentKeys {
        let cell =
            self.agents.lock().unwrap_or_else(PoisonError::into_inner).entry(socket.to_owned()).or_default().clone();
        cell.get_or_init(|| super::agent::list(socket)).await.clone()
    }

    /// A password that already worked.
    pub(super) fn password(&self, login: &str) -> Option<Secret> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner).get(login).cloned()
    }

    /// Keeps a password that worked, for the next connection with the same login.
    pub(super) fn keep_password(&self, login: &str, password: Secret) {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner).insert(login.to_owned(), password);
    }

    async fn load(&self, path: &Path) -> Loaded {
        let text = match read_private(path) {
            Ok(text) => text,
            // The private half may be with the agent only.
            Err(KeyProblem::Missing) => {
                let public = load_public_key(beside(path, ".pub")).map_err(|_| KeyProblem::Missing)?;
                return Ok(Arc::new(KeyFile::new(path, public, None, None)));
            }
            Err(problem) => return Err(problem),
        };
        if let Ok(public) = PublicKey::from_openssh(text.expose()) {
            return Ok(Arc::new(KeyFile::new(path, public, None, None)));
        }
        let private = match PrivateKey::from_openssh(text.expose()) {
            Ok(key) if key.is_encrypted() => None,
            Ok(key) => Some(key),
            // An older format: the public half is beside it, or inside where only the passphrase leads.
            Err(_) => decode_secret_key(text.expose(), None).ok(),
        };
        let known = match &private {
            Some(key) => Some(key.public_key().clone()),
            None => PrivateKey::from_openssh(text.expose()).ok().map(|key| key.public_key().clone()),
        };
        match known.or_else(|| load_public_key(beside(path, ".pub")).ok()) {
            Some(public) => Ok(Arc::new(KeyFile::new(path, public, Some(text), private))),
            None => {
                let private = self.unlock(path, &text).await?;
                let public = private.public_key().clone();
                Ok(Arc::new(KeyFile::new(path, public, Some(text), Some(PrivateKey::clone(&private)))))
            }
        }
    }

    /// The private half, asking for the passphrase if that was not done yet.
    pub(super) async fn private(&self, file: &KeyFile) -> Result<Arc<PrivateKey>, KeyProblem> {
        let unlock = || async {
            match &file.text {
                Some(text) => self.unlock(&file.path, text).await,
                None => Err(KeyProblem::Missing),
            }
        };
        file.private.get_or_init(unlock).await.clone()
    }

    async fn unlock(&self, path: &Path, text: &Secret) -> Result<Arc<PrivateKey>, KeyProblem> {
        if !is_encrypted(text.expose()) {
            let why = decode_secret_key(text.expose(), None).map_or_else(|error| error.to_string(), |_| String::new());
            return Err(KeyProblem::Unreadable(format!("not a private key ({why})")));
        }
        for _ in 0..TRIES {
            let asked = path.to_owned();
            let Some(passphrase) = self.prompter.ask(move |prompt| prompt.passphrase(&asked)).await else {
                return Err(KeyProblem::NoPassphrase);
            };
            let text = text.clone();
            // Slow on purpose (bcrypt), so not on an async thread.
            let decode = move || decode_secret_key(text.expose(), Some(&passphrase)).ok();
            if let Ok(Some(key)) = tokio::task::spawn_blocking(decode).await {
                return Ok(Arc::new(key));
            }
        }
        Err(KeyProblem::Unreadable("wrong passphrase".to_owned()))
    }
}

impl KeyFile {
    fn new(path: &Path, public: PublicKey, text: Option<Secret>, private: Option<PrivateKey>) -> Self {
        let certificate = load_openssh_certificate(beside(path, "-cert.pub")).ok();
        let private = private.map_or_else(OnceCell::new, |key| OnceCell::new_with(Some(Ok(Arc::new(key)))));
        Self { path: path.to_owned(), public, certificate, text, private }
    }

    /// Whether the file holds the private half.
    pub(super) fn has_private(&self) -> bool {
        self.text.is_some()
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn is_encrypted(text: &str) -> bool {
    let openssh = PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted());
    openssh || text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// Reads a private key, which as with OpenSSH must be nobody else's to read.
fn read_private(path: &Path) -> Result<Secret, KeyProblem> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => KeyProblem::Missing,
        _ => KeyProblem::Unreadable(error.to_string()),
    };
    let data = fs::metadata(path).map_err(unreadable)?;
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let open = data.mode() & 0o077 != 0 && data.uid() == rustix::process::getuid().as_raw();
    if open && text.contains("PRIVATE KEY") {
        return Err(KeyProblem::Unreadable(format!("its mode {:04o} lets others read it", data.mode() & 0o7777)));
    }
    Ok(Secret::new(text))
}
