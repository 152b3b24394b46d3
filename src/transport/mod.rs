//! Reaching machines: SSH connections and local commands, with streams.
//!
//! [`Ssh`] is made once for a run and shared: it holds the parsed ssh configuration, the known_hosts files, the unlocked
//! keys and the connections to jump hosts. [`Ssh::connect`] goes from a [`Target`] to a [`Connection`];
//! [`Connection::exec`] starts a command as an [`Exec`] with streams; [`local::exec`] does the same on this machine.
//!
//! Invariants: a host key that is not on record is refused (or recorded, if asked for) and a changed one always refused,
//! on every hop; nothing prompts but the [`Prompt`] given; whatever is dropped is closed at the far side.
//!
//! Deliberately absent: SFTP, forwarding of ports or agents, terminals, GSSAPI, and sharing OpenSSH's control sockets.

mod agent;
mod arguments;
mod auth;
mod config;
mod connect;
mod connection;
mod error;
mod exec;
mod identities;
mod jump;
mod keys;
mod known_hosts;
pub mod local;
mod pattern;
mod plan;
mod prompt;
mod signer;
mod streams;
mod verify;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use arguments::Arguments;
pub use config::ConfigSource;
pub use connection::Connection;
pub use error::{Attempt, ConnectError, HostKey, Phase};
pub use exec::{Exec, Exit, Output, Process, STDERR_LIMIT, Stdin, Stdout};
pub use prompt::Prompt;

use config::SshConfig;
use config::tokens::Local;

/// A string that does not show itself in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A host to reach, with what inventory and command line say; what is absent comes from the ssh configuration.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// The name the user knows it by, matched in the ssh configuration.
    pub alias: String,
    /// Its address or real name.
    pub host: Option<String>,
    /// Its SSH port.
    pub port: Option<u16>,
    /// The login name.
    pub user: Option<String>,
    /// Private keys to try before all others; with any given, default keys are not tried.
    pub identity_files: Vec<PathBuf>,
    /// The login password.
    pub password: Option<Secret>,
    /// Hosts to go through, as `ProxyJump` writes them; `none` for straight.
    pub proxy_jump: Option<String>,
    /// Options for this host alone, as lines of `ssh_config`; they come before those of files.
    pub options: Vec<String>,
    /// The only host keys to accept (`ssh-ed25519 AAAA…`); empty for what known_hosts says.
    pub known_host_keys: Vec<String>,
}

impl Target {
    /// A target of which only the name is known.
    #[must_use]
    pub fn named(alias: impl Into<String>) -> Self {
        Self { alias: alias.into(), ..Self::default() }
    }
}

/// What holds for all connections of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Limit on connecting, and again on the SSH handshake; `None` is `ConnectTimeout`, or 10 s.
    pub connect_timeout: Option<Duration>,
    /// Limit on authentication, not counting time a person takes to answer.
    pub auth_timeout: Duration,
    /// Silence after which the server is asked for a sign of life; three unanswered end the connection. `None` is
    /// `ServerAliveInterval`, or 15 s; zero is never.
    pub keepalive: Option<Duration>,
    /// How often to try again after a failure of the network.
    pub retries: u32,
    /// Record keys of hosts never seen before instead of refusing them.
    pub accept_new_host_keys: bool,
    /// Where ssh configuration comes from.
    pub ssh_config: ConfigSource,
    /// Read these known_hosts files (and record in the first) instead of the configured ones.
    pub known_hosts_files: Option<Vec<PathBuf>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: None,
            auth_timeout: Duration::from_secs(30),
            keepalive: None,
            retries: 2,
            accept_new_host_keys: false,
            ssh_config: ConfigSource::Default,
            known_hosts_files: None,
        }
    }
}

/// The context all connections of a run share; clones are the same context.
#[derive(Clone)]
pub struct Ssh {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    local: Local,
    config: SshConfig,
    known_hosts: verify::Store,
    keyring: keys::Keyring,
    jumps: jump::Jumps,
}

impl Ssh {
    /// Reads the ssh configuration; `prompt` is asked for passphrases and passwords, if there is somebody to ask.
    ///
    /// # Errors
    /// [`ConnectError::Config`] if a configuration file is wrong.
    pub fn new(options: Options, prompt: Option<Arc<dyn Prompt>>) -> Result<Self, ConnectError> {
        let local = Local::detect();
        let config = SshConfig::load(&options.ssh_config, &local)?;
        let shared = Shared {
            options,
            local,
            config,
            known_hosts: verify::Store::default(),
            keyring: keys::Keyring::new(prompt),
            jumps: jump::Jumps::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Connects and logs in, trying again where that may help.
    ///
    /// # Errors
    /// The first failure that another try cannot mend, or the last of them.
    pub async fn connect(&self, target: &Target) -> Result<Connection, ConnectError> {
        connect::connect(self, target, &[]).await
    }
}
