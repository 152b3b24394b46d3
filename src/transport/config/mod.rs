//! `ssh_config`: what the user already told OpenSSH about a host.
//!
//! Files are read and parsed once ([`parse`]); every host is then answered from memory ([`resolve`]). The rule is
//! OpenSSH's: the first value found wins, `Host` and `Match` say where lines apply. Only keywords this transport acts
//! on are kept. Deliberately absent: canonicalisation (`Match canonical` never holds) and the choice of ciphers.

mod parse;
mod resolve;
pub(super) mod tokens;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ConnectError;
use tokens::Local;

/// Where ssh configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConfigSource {
    /// `~/.ssh/config`, then `/etc/ssh/ssh_config`.
    #[default]
    Default,
    /// One file, and nothing else.
    File(PathBuf),
    /// No file at all.
    None,
}

/// How to get to a host other than straight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proxy {
    None,
    /// Straight, unless a later line has a command.
    NoJump,
    Jump(String),
    Command(String),
}

/// The answer to "what does the configuration say about this host": `None` is "nothing".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HostConfig {
    pub(super) host_name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) identity_files: Vec<String>,
    pub(super) certificate_files: Vec<String>,
    pub(super) identities_only: Option<bool>,
    pub(super) identity_agent: Option<String>,
    pub(super) proxy: Option<Proxy>,
    pub(super) user_known_hosts: Option<Vec<String>>,
    pub(super) global_known_hosts: Option<Vec<String>>,
    pub(super) host_key_alias: Option<String>,
    pub(super) host_key_algorithms: Option<String>,
    pub(super) strict: Option<Strict>,
    pub(super) hash_known_hosts: Option<bool>,
    pub(super) connect_timeout: Option<Option<Duration>>,
    pub(super) keepalive: Option<Duration>,
    pub(super) preferred_auth: Option<Vec<String>>,
    pub(super) pubkey: Option<bool>,
    pub(super) password: Option<bool>,
    pub(super) keyboard_interactive: Option<bool>,
    pub(super) family: Option<Family>,
}

/// `StrictHostKeyChecking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strict {
    /// `yes` and `ask`: there is nobody to ask in the middle of a run.
    Refuse,
    AcceptNew,
    /// `no` and `off`, which are not obeyed.
    Off,
}

/// `AddressFamily`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    V4,
    V6,
}

pub(super) use parse::split_args;
pub(super) use resolve::acts_on;

/// The lower-case keyword of an option, and its value.
pub(super) fn option(text: &str) -> (String, String) {
    parse::split_keyword(text)
        .map_or_else(|| (text.to_owned(), String::new()), |(name, value)| (name, value.to_owned()))
}

/// The parsed files, in order of precedence.
#[derive(Debug, Default)]
pub(super) struct SshConfig {
    files: Vec<parse::File>,
}

impl SshConfig {
    /// Reads what `source` names; default files may be missing, an explicit one may not.
    pub(super) fn load(source: &ConfigSource, local: &Local) -> Result<Self, ConnectError> {
        let user_dir = local.home.join(".ssh");
        let system_dir = Path::new("/etc/ssh");
        let mut files = Vec::new();
        match source {
            ConfigSource::None => {}
            ConfigSource::File(path) => {
                let file = parse::File::read(path, &user_dir, local)?;
                files.push(file.ok_or_else(|| missing(path))?);
            }
            ConfigSource::Default => {
                files.extend(parse::File::read(&user_dir.join("config"), &user_dir, local)?);
                files.extend(parse::File::read(&system_dir.join("ssh_config"), system_dir, local)?);
            }
        }
        Ok(Self { files })
    }

    /// Whether answering may run a program (`Match exec`), and so block.
    pub(super) fn may_block(&self) -> bool {
        self.files.iter().any(parse::File::has_exec)
    }
}

fn missing(path: &Path) -> ConnectError {
    ConnectError::Config { location: path.display().to_string(), what: "no such file".to_owned() }
}

#[cfg(test)]
mod tests;
