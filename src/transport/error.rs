//! Why a host could not be reached: one enum, each variant an operation with its operand.
//!
//! `Display` is a lowercase fragment fit for "unreachable: …"; [`ConnectError::help`] says what to do next. Causes that
//! are errors themselves are sources, and not repeated in the text.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The stage of a connection that ran out of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Opening the TCP connection.
    Connect,
    /// Version exchange, key exchange and the host key.
    Handshake,
    /// Proving who we are.
    Authentication,
    /// Opening a channel or starting a command.
    Channel,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Handshake => "the SSH handshake",
            Self::Authentication => "authentication",
            Self::Channel => "opening a channel",
        })
    }
}

/// A host key as a person compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// The host as looked up in known_hosts (`HostKeyAlias` if there is one).
    pub host: String,
    /// The address and port that answered (empty behind a proxy command).
    pub addr: String,
    /// The port asked for.
    pub port: u16,
    /// `ED25519`, `RSA`, …, with `-CERT` for a certificate.
    pub key_type: String,
    /// `SHA256:…`.
    pub fingerprint: String,
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        if !self.addr.is_empty() {
            write!(f, " ({})", self.addr)?;
        }
        write!(f, " offers {} {}", self.key_type, self.fingerprint)
    }
}

/// One way of logging in that was tried or passed over, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The key file, agent key or method.
    pub what: String,
    /// Why it did not let us in.
    pub outcome: String,
}

/// A connection that could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name looked up.
        host: String,
        /// The resolver's answer.
        source: std::io::Error,
    },
    /// The peer, or something before it, turned the connection away.
    #[error("cannot connect to {addr}")]
    Connect {
        /// The address or addresses tried.
        addr: String,
        /// The last system error.
        source: std::io::Error,
    },
    /// A stage took longer than allowed.
    #[error("{addr} timed out after {} during {phase}", seconds(.after))]
    Timeout {
        /// The host and port.
        addr: String,
        /// The stage.
        phase: Phase,
        /// The limit.
        after: Duration,
    },
    /// The host key is in no known_hosts file.
    #[error("host key not known: {key}")]
    HostKeyUnknown {
        /// What the host offers.
        key: Box<HostKey>,
        /// The files looked at.
        files: Vec<PathBuf>,
    },
    /// The host has another key than the one on record.
    #[error("host key changed: {key}, but {location} has another key")]
    HostKeyChanged {
        /// What the host offers.
        key: Box<HostKey>,
        /// `file:line` of the key on record.
        location: String,
    },
    /// The host key, or the authority that signed it, is marked `@revoked`.
    #[error("host key revoked: {key} ({location})")]
    HostKeyRevoked {
        /// What the host offers.
        key: Box<HostKey>,
        /// `file:line` of the revocation.
        location: String,
    },
    /// The new host key was acceptable but could not be written down.
    #[error("cannot record the host key in {}", .file.display())]
    KnownHosts {
        /// The known_hosts file.
        file: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// No way of logging in worked.
    #[error("authentication as {user} failed{}", attempts(.tried, .offered))]
    Auth {
        /// The login name.
        user: String,
        /// Keys and methods tried, in order, with what came of each.
        tried: Vec<Attempt>,
        /// The methods the server accepts.
        offered: Vec<String>,
        /// The server's parting words, if any.
        message: Option<String>,
    },
    /// A private key asked for by name cannot be used.
    #[error("cannot use key {}: {why}", .path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A key is encrypted and there is nobody to ask for the passphrase.
    #[error("key {} is encrypted and no passphrase was given", .path.display())]
    Passphrase {
        /// The key file.
        path: PathBuf,
    },
    /// The connection to a jump host failed.
    #[error("cannot reach it through {hop}")]
    Proxy {
        /// The jump host or proxy command.
        hop: String,
        /// Shared, since one jump host serves many targets.
        source: Arc<ConnectError>,
    },
    /// The proxy command could not be started.
    #[error("cannot start proxy command `{command}`")]
    ProxyCommand {
        /// The command after token expansion.
        command: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An ssh configuration file is wrong.
    #[error("{location}: {what}")]
    Config {
        /// `file:line`.
        location: String,
        /// What is wrong there.
        what: String,
    },
    /// The two sides could not agree, or the peer broke the protocol.
    #[error("SSH protocol error with {addr}: {what}")]
    Protocol {
        /// The host and port.
        addr: String,
        /// What happened.
        what: String,
        /// Whether a second try may go better (the connection was cut).
        transient: bool,
    },
    /// The server refused a channel or a command on it.
    #[error("the server refused {what}: {why}")]
    Channel {
        /// The request.
        what: String,
        /// The server's reason.
        why: String,
    },
    /// The connection ended before the command did.
    #[error("the connection was lost while a command was running{}", reason(.why))]
    Lost {
        /// What is known about it.
        why: Option<String>,
    },
    /// A local program could not be started or waited for.
    #[error("cannot run `{program}`")]
    Local {
        /// The program.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl ConnectError {
    /// Says what to do next, where there is something.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Resolve { host, .. } => Some(format!("check the name `{host}`, or set `HostName` in ~/.ssh/config")),
            Self::Connect { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
                Some("the machine answers but no sshd does on this port: check that it runs, and the port".to_owned())
            }
            Self::Connect { .. } | Self::Timeout { phase: Phase::Connect, .. } => {
                Some("check that the machine is up and that no firewall is in the way".to_owned())
            }
            Self::Timeout { .. } => None,
            Self::HostKeyUnknown { key, .. } => Some(unknown_key_help(key)),
            Self::HostKeyChanged { key, location } => Some(format!(
                "someone may be in between, or the machine was reinstalled: check the fingerprint on {}; if it is \
                 right, delete {location} and connect again",
                key.host
            )),
            Self::HostKeyRevoked { .. } => Some("give the host a new key: this one must not be trusted".to_owned()),
            Self::Auth { tried, message, .. } => Some(auth_help(tried, message.as_deref())),
            Self::Passphrase { path } => {
                Some(format!("run `ssh-add {}` first, or run from a terminal to be asked", path.display()))
            }
            Self::Proxy { source, .. } => source.help(),
            Self::Channel { .. } => Some("see the server's log (journalctl -u ssh)".to_owned()),
            _ => None,
        }
    }

    /// Whether trying again may help: never for keys, logins or configuration.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { source, .. } => transient_io(source.kind()),
            Self::Timeout { phase, .. } => matches!(phase, Phase::Connect | Phase::Handshake),
            Self::Protocol { transient, .. } => *transient,
            Self::Proxy { source, .. } => source.is_transient(),
            _ => false,
        }
    }
}

fn transient_io(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        kind,
        K::ConnectionReset | K::ConnectionAborted | K::TimedOut | K::Interrupted | K::UnexpectedEof | K::BrokenPipe
    )
}

fn seconds(after: &Duration) -> String {
    format!("{} s", (after.as_millis() as f64) / 1000.0)
}

fn reason(why: &Option<String>) -> String {
    why.as_ref().map_or_else(String::new, |why| format!(": {why}"))
}

fn attempts(tried: &[Attempt], offered: &[String]) -> String {
    let mut text = String::new();
    if !tried.is_empty() {
        let list: Vec<_> = tried.iter().map(|a| format!("{} ({})", a.what, a.outcome)).collect();
        text.push_str(&format!("; tried {}", list.join(", ")));
    }
    if !offered.is_empty() {
        text.push_str(&format!("; the server accepts {}", offered.join(", ")));
    }
    text
}

fn unknown_key_help(key: &HostKey) -> String {
    let port = if key.port == 22 { String::new() } else { format!("-p {} ", key.port) };
    format!(
        "check the fingerprint, then pass --accept-new-host-keys, or add it: ssh-keyscan {port}{} >> ~/.ssh/known_hosts",
        key.host
    )
}

fn auth_help(tried: &[Attempt], message: Option<&str>) -> String {
    if message.is_some_and(|text| text.contains("Too many authentication failures")) {
        return "the server stops listening after a few keys: name the right one with IdentityFile and set \
                IdentitiesOnly yes"
            .to_owned();
    }
    if tried.is_empty() {
        return "there was nothing to try: give a key with IdentityFile, start an ssh-agent, or give a password"
            .to_owned();
    }
    "check the user name, and that one of these keys is in the host's ~/.ssh/authorized_keys".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Box<HostKey> {
        Box::new(HostKey {
            host: "db-3".into(),
            addr: "10.0.0.43:22".into(),
            port: 22,
            key_type: "ED25519".into(),
            fingerprint: "SHA256:9hT0".into(),
        })
    }

    #[test]
    fn messages_are_fragments_with_help() {
        let unknown = ConnectError::HostKeyUnknown { key: key(), files: vec![] };
        assert_eq!(unknown.to_string(), "host key not known: db-3 (10.0.0.43:22) offers ED25519 SHA256:9hT0");
        assert!(unknown.help().unwrap().contains("--accept-new-host-keys"));
        let auth = ConnectError::Auth {
            user: "root".into(),
            tried: vec![Attempt { what: "~/.ssh/id_rsa".into(), outcome: "refused".into() }],
            offered: vec!["publickey".into()],
            message: None,
        };
        assert_eq!(
            auth.to_string(),
            "authentication as root failed; tried ~/.ssh/id_rsa (refused); the server accepts publickey"
        );
        let late =
            ConnectError::Timeout { addr: "a:22".into(), phase: Phase::Connect, after: Duration::from_millis(1500) };
        assert_eq!(late.to_string(), "a:22 timed out after 1.5 s during connecting");
    }

    #[test]
    fn only_the_network_is_worth_another_try() {
        let table = [
            (ConnectError::Connect { addr: "a".into(), source: std::io::ErrorKind::ConnectionReset.into() }, true),
            (ConnectError::Connect { addr: "a".into(), source: std::io::ErrorKind::ConnectionRefused.into() }, false),
            (ConnectError::HostKeyUnknown { key: key(), files: vec![] }, false),
            (ConnectError::Passphrase { path: "k".into() }, false),
        ];
        for (error, expected) in table {
            assert_eq!(error.is_transient(), expected, "{error}");
        }
    }
}
