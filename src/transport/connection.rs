//! A connection that is logged in, and the commands on it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, DisconnectReason, Handle, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelWriteHalf, Disconnect};

use super::Ssh;
use super::error::{ConnectError, Phase};
use super::exec::{Exec, OnDrop, Process};
use super::jump::Lease;
use super::plan::Plan;
use super::streams::{RemoteStdin, Watched, watch_over};

/// A logged-in connection; dropping it, like closing it, ends it.
pub struct Connection {
    pub(super) handle: Handle<Client>,
    pub(super) said: Said,
    pub(super) addr: String,
    pub(super) notes: Vec<String>,
    pub(super) timeout: Duration,
    /// The place on the jump host's connection this one goes through.
    pub(super) _lease: Option<Lease>,
}

/// The other side's parting words, shared with the session.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Option<String>>>);

impl Said {
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }
}

/// What the SSH session asks back.
pub(super) struct Client {
    pub(super) ssh: Ssh,
    pub(super) plan: Arc<Plan>,
    pub(super) addr: String,
    pub(super) said: Said,
}

/// Why a session ended: the protocol, or our verdict on the host key.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Protocol(#[from] russh::Error),
    #[error(transparent)]
    HostKey(Box<ConnectError>),
}

impl client::Handler for Client {
    type Error = SessionError;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, SessionError> {
        let verdict = self.ssh.shared.known_hosts.check(&self.plan.trust, &self.addr, offered);
        verdict.map(|()| true).map_err(|error| SessionError::HostKey(Box::new(error)))
    }

    async fn disconnected(&mut self, reason: DisconnectReason<SessionError>) -> Result<(), SessionError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => self.said.set(info.message),
            DisconnectReason::Error(error) => self.said.set(error.to_string()),
        }
        Ok(())
    }
}

impl Connection {
    /// The address and port connected to.
    #[must_use]
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// What the user should know about the configuration, such as a setting that is not obeyed.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Starts a command through the login shell; its refusal shows when waiting for it.
    ///
    /// # Errors
    /// [`ConnectError::Channel`] if the server gives no session, [`ConnectError::Lost`] if the connection has ended.
    pub async fn exec(&self, command: &str) -> Result<Exec, ConnectError> {
        let (read, write) = self.open(self.handle.channel_open_session(), "a session").await?.split();
        let write = Arc::new(write);
        let (stdout, Watched { stderr, ending, cancel }) = watch_over(read, self.said.clone());
        // From here on, whatever happens, the session's slot is given back.
        let close = OnDrop::new(close_later(write.clone()));
        write.exec(true, command).await.map_err(|_| ConnectError::Lost { why: self.said.get() })?;
        let process = Process { stderr, ending, _guard: Box::new((close, cancel)) };
        Ok(Exec { stdin: Box::new(RemoteStdin::new(write)), stdout, process })
    }

    /// Opens a way through this host to another.
    pub(super) async fn tunnel(&self, host: &str, port: u16) -> Result<Channel<Msg>, ConnectError> {
        let what = format!("a way to {host}:{port}");
        self.open(self.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0), &what).await
    }

    async fn open(
        &self,
        opening: impl Future<Output = Result<Channel<Msg>, russh::Error>>,
        what: &str,
    ) -> Result<Channel<Msg>, ConnectError> {
        match tokio::time::timeout(self.timeout, opening).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
                Err(ConnectError::Channel { what: what.to_owned(), why: why.description().to_lowercase() })
            }
            Ok(Err(_)) => Err(ConnectError::Lost { why: self.said.get() }),
            Err(_) => {
                Err(ConnectError::Timeout { addr: self.addr.clone(), phase: Phase::Channel, after: self.timeout })
            }
        }
    }

    /// Says goodbye and waits until that is on its way.
    pub async fn close(self) {
        if self.handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
            let _ = tokio::time::timeout(Duration::from_secs(1), self.handle).await;
        }
    }
}

/// Closes a command's channel from wherever it is dropped.
///
/// The command sees the end of its stdin and a broken stdout, and is not killed: it may be in the middle of something.
/// sshd frees the session's slot when the command ends, so one that minds neither keeps it until then.
fn close_later(channel: Arc<ChannelWriteHalf<Msg>>) -> impl FnOnce() + Send + Sync {
    move || {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { channel.close().await });
        }
    }
}
