//! What a session runs on: a TCP connection, a proxy command, or a channel of a jump host.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::error::ConnectError;

/// Any of them.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// How many reads are acknowledged at once: the handshake, the login and the start of a command.
const EAGER_READS: u32 = 64;

/// A TCP connection that acknowledges at once while things start.
///
/// sshd leaves Nagle's algorithm on until a command runs: its small messages wait for our acknowledgements, which the
/// kernel would hold back for 40 ms in the hope of something to send along.
pub(super) struct Eager {
    stream: TcpStream,
    left: u32,
}

impl Eager {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, left: EAGER_READS }
    }

    /// The kernel forgets this setting as it sees fit, so it is repeated.
    fn acknowledge(&mut self) {
        if self.left > 0 {
            self.left -= 1;
            #[cfg(target_os = "linux")]
            let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
        }
    }
}

impl AsyncRead for Eager {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if read.is_ready() {
            self.acknowledge();
        }
        read
    }
}

impl AsyncWrite for Eager {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A proxy command's streams; the command dies with them.
pub(super) struct ProxyCommand {
    wire: tokio::io::Join<ChildStdout, ChildStdin>,
    _child: Child,
}

impl ProxyCommand {
    /// Starts `command`, tokens already replaced, with the user's shell as OpenSSH does.
    pub(super) fn start(command: &str) -> Result<Self, ConnectError> {
        let failed = |source| ConnectError::ProxyCommand { command: command.to_owned(), source };
        let shell = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty());
        let mut child = Command::new(shell.as_deref().unwrap_or("/bin/sh"))
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        match (child.stdout.take(), child.stdin.take()) {
            (Some(stdout), Some(stdin)) => Ok(Self { wire: tokio::io::join(stdout, stdin), _child: child }),
            _ => Err(failed(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl AsyncRead for ProxyCommand {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(cx, into)
    }
}

impl AsyncWrite for ProxyCommand {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
