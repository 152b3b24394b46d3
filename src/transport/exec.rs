//! A running command, remote or local: two streams, the end of stderr, and how it ended.
//!
//! Whatever is dropped is also closed at the far side: an [`Exec`] that goes away gives back its session slot
//! (sshd allows ten per connection), and a dropped stdin is an end of file.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::watch;

use super::error::ConnectError;

/// How much of stderr is kept: the last part, where the reason usually is.
pub const STDERR_LIMIT: usize = 64 * 1024;

/// Writes to a command's standard input; dropping it sends end of file.
pub type Stdin = Box<dyn AsyncWrite + Send + Unpin>;
/// Reads a command's standard output up to its end of file.
pub type Stdout = Box<dyn AsyncRead + Send + Unpin>;

/// A command that was started.
pub struct Exec {
    /// Its standard input.
    pub stdin: Stdin,
    /// Its standard output.
    pub stdout: Stdout,
    /// The command itself: its stderr and its end. Dropping it closes the command's channel (or kills a local program).
    pub process: Process,
}

impl Exec {
    /// Waits for the end of the command, closing its stdin and throwing away what is left of its stdout.
    ///
    /// # Errors
    /// [`ConnectError::Lost`] if the connection ended first, [`ConnectError::Channel`] if the command was refused.
    pub async fn wait(&mut self) -> Result<Exit, ConnectError> {
        self.stdin = Box::new(tokio::io::sink());
        let mut rest = vec![0; 16 * 1024];
        while matches!(self.stdout.read(&mut rest).await, Ok(1..)) {}
        self.process.wait().await
    }

    /// Reads stdout to its end and waits: for short answers.
    ///
    /// # Errors
    /// As [`Exec::wait`].
    pub async fn output(mut self) -> Result<Output, ConnectError> {
        drop(self.stdin);
        let mut stdout = Vec::new();
        let read = self.stdout.read_to_end(&mut stdout).await;
        let exit = self.process.wait().await?;
        read.map_err(|error| ConnectError::Lost { why: Some(error.to_string()) })?;
        Ok(Output { stdout, stderr: self.process.stderr(), exit })
    }

    /// The end of stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }
}

/// What a finished command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// All of standard output.
    pub stdout: Vec<u8>,
    /// The end of standard error.
    pub stderr: String,
    /// How it ended.
    pub exit: Exit,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It exited by itself.
    Code(u32),
    /// It was killed by a signal (name without `SIG`).
    Signal(String),
}

impl Exit {
    /// Whether it exited with status 0.
    #[must_use]
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

/// How a command ended, or why that is not known; cheap to hand around.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Exit(Exit),
    Refused(String),
    Lost(Option<String>),
}

/// A started command without its streams.
pub struct Process {
    pub(super) stderr: Tail,
    pub(super) ending: watch::Receiver<Option<Ending>>,
    /// Lets go of the command when dropped.
    pub(super) _guard: Box<dyn Send + Sync>,
}

impl Process {
    /// Waits for the end; stdout has to be read (or dropped) meanwhile, or a talkative command never ends.
    ///
    /// # Errors
    /// As [`Exec::wait`].
    pub async fn wait(&mut self) -> Result<Exit, ConnectError> {
        let ending = match self.ending.wait_for(Option::is_some).await {
            Ok(ending) => ending.clone(),
            Err(_) => None,
        };
        match ending {
            Some(Ending::Exit(exit)) => Ok(exit),
            Some(Ending::Refused(why)) => Err(ConnectError::Channel { what: "the command".to_owned(), why }),
            Some(Ending::Lost(why)) => Err(ConnectError::Lost { why }),
            None => Err(ConnectError::Lost { why: None }),
        }
    }

    /// The end of stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }
}

/// The last [`STDERR_LIMIT`] bytes of a stream, shared between its reader and whoever wants to know.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    pub(super) fn push(&self, data: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(data);
        if kept.len() > 2 * STDERR_LIMIT {
            let excess = kept.len() - STDERR_LIMIT;
            kept.drain(..excess);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = kept.len().saturating_sub(STDERR_LIMIT);
        String::from_utf8_lossy(kept.get(start..).unwrap_or_default()).into_owned()
    }
}

/// Calls a function when dropped.
pub(super) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(super) fn new(action: F) -> Self {
        Self(Some(action))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(action) = self.0.take() {
            action();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_end() {
        let tail = Tail::default();
        for n in 0..40_000 {
            tail.push(format!("{n:05}\n").as_bytes());
        }
        let text = tail.text();
        assert_eq!(text.len(), STDERR_LIMIT);
        assert!(text.ends_with("39998\n39999\n"));
    }
}
