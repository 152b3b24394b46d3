//! The conversation with one agent: getting it onto the target, then frames in both directions.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::agent::{self, AGENTS, BootstrapReply, FromAgent, Hello, MAX_FRAME, PROTOCOL, ToAgent};
use crate::event::Unreachable;
use crate::transport::{ConnectError, Exec};

/// Why there is no agent to talk to.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The host could not be reached.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// The target answered something that is no agent.
    #[error("the target answered something unexpected: {0}")]
    Garbage(String),
    /// It is to be reached in a way cfg does not know.
    #[error("cfg has no connection `{0}`")]
    NoConnection(String),
    /// There is no agent for its CPU.
    #[error("cfg has no agent for the CPU `{0}`")]
    NoCpu(String),
    /// The agent cannot be kept or run there.
    #[error("the agent cannot be stored or run in {0}")]
    NoPlace(String),
    /// The channel closed.
    #[error("the connection was lost{0}")]
    Lost(String),
}

impl LinkError {
    /// What the events say.
    pub fn unreachable(&self) -> Unreachable {
        let help = match self {
            Self::Connect(error) => error.help(),
            Self::NoConnection(_) => Some("there are `ssh` and `local`; see `connection` and `ansible_connection`".to_owned()),
            Self::NoCpu(_) => Some("build the agents for all CPUs with `agents/build`, then build cfg again".to_owned()),
            Self::NoPlace(_) => Some("it needs a directory of the login user that is writable and not mounted noexec, and gzip or xz; set XDG_CACHE_HOME".to_owned()),
            Self::Garbage(_) => Some("a login script that writes to standard output is a common cause".to_owned()),
            Self::Lost(_) => None,
        };
        Unreachable { message: self.to_string(), help }
    }
}

/// An agent that runs.
pub struct Link {
    /// What it said first.
    pub hello: Hello,
    sender: mpsc::UnboundedSender<Vec<u8>>,
    receiver: mpsc::Receiver<FromAgent>,
    /// Bytes written to bring the agent here; 0 where it was there.
    pub pushed: usize,
    /// How it was reached: only who would go the same way takes it over.
    pub way: String,
}

impl Link {
    /// Starts the agent on a target through the shell line of [`agent::bootstrap`].
    ///
    /// # Errors
    /// Where the agent does not get there or does not run.
    pub async fn bootstrap(mut exec: Exec) -> Result<Self, LinkError> {
        let mut pushed = 0;
        loop {
            let line = read_line(&mut exec).await?;
            match agent::bootstrap_reply(&line) {
                Some(BootstrapReply::Runs) => break,
                Some(BootstrapReply::Send(cpu, packing)) => {
                    let found = AGENTS.iter().find(|agent| agent.cpu == cpu).ok_or(LinkError::NoCpu(cpu))?;
                    let packed = found.packed(packing);
                    pushed = packed.len();
                    exec.stdin.write_all(packed).await.map_err(|e| LinkError::Lost(format!(": {e}")))?;
                    exec.stdin.flush().await.map_err(|e| LinkError::Lost(format!(": {e}")))?;
                }
                Some(BootstrapReply::NoCpu(cpu)) => return Err(LinkError::NoCpu(cpu)),
                Some(BootstrapReply::NoPlace(place)) => return Err(LinkError::NoPlace(place)),
                None => return Err(LinkError::Garbage(shorten(&line))),
            }
        }
        let mut link = Self::start(exec).await?;
        link.pushed = pushed;
        Ok(link)
    }

    /// Talks to an agent that is running.
    ///
    /// # Errors
    /// Where what it says first is not an agent's.
    pub async fn start(exec: Exec) -> Result<Self, LinkError> {
        let Exec { stdin, mut stdout, process } = exec;
        let first = read_frame(&mut stdout).await;
        let hello = match first {
            Ok(FromAgent::Hello(hello)) if hello.magic == agent::MAGIC && hello.protocol == PROTOCOL => *hello,
            Ok(_) => return Err(LinkError::Garbage("its first message is not an agent's".into())),
            Err(reason) => {
                let said = process.stderr();
                let said = said.trim();
                return Err(if said.is_empty() {
                    LinkError::Garbage(reason)
                } else {
                    LinkError::Garbage(shorten(said))
                });
            }
        };
        let (sender, outgoing) = mpsc::unbounded_channel();
        let (incoming, receiver) = mpsc::channel(256);
        tokio::spawn(write_all(stdin, outgoing));
        tokio::spawn(async move {
            // The process lives as long as its output is read.
            let _process = process;
            while let Ok(message) = read_frame(&mut stdout).await {
                if incoming.send(message).await.is_err() {
                    break;
                }
            }
        });
        Ok(Self { hello, sender, receiver, pushed: 0, way: String::new() })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Where the agent is gone.
    pub fn send(&self, message: &ToAgent) -> Result<(), LinkError> {
        let bytes = agent::encode(message).map_err(|e| LinkError::Lost(format!(": {e}")))?;
        self.sender.send(bytes).map_err(|_| LinkError::Lost(String::new()))
    }

    /// Waits for a message; `None` where the agent is gone. Must not be called on an asynchronous thread.
    pub fn receive(&mut self) -> Option<FromAgent> {
        self.receiver.blocking_recv()
    }

    /// A way to send from elsewhere, to cancel.
    pub fn canceller(&self) -> Arc<dyn Fn() + Send + Sync> {
        let sender = self.sender.clone();
        Arc::new(move || {
            if let Ok(bytes) = agent::encode(&ToAgent::Cancel) {
                let _ = sender.send(bytes);
            }
        })
    }
}

async fn write_all(mut stdin: Box<dyn AsyncWrite + Send + Unpin>, mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = outgoing.recv().await {
        if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
    let _ = stdin.shutdown().await;
}

/// Reads a line of at most 4 KiB, byte by byte: what follows it belongs to the agent.
async fn read_line(exec: &mut Exec) -> Result<String, LinkError> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0u8];
        let n = exec.stdout.read(&mut byte).await.map_err(|e| LinkError::Lost(format!(": {e}")))?;
        match byte.first() {
            _ if n == 0 => {
                let said = format!("{} {}", String::from_utf8_lossy(&line), exec.stderr());
                return Err(LinkError::Garbage(shorten(said.trim())));
            }
            Some(b'\n') => return Ok(String::from_utf8_lossy(&line).into_owned()),
            Some(byte) if line.len() < 4096 => line.push(*byte),
            _ => return Err(LinkError::Garbage(shorten(&String::from_utf8_lossy(&line)))),
        }
    }
}

async fn read_frame(stdout: &mut (dyn AsyncRead + Send + Unpin)) -> Result<FromAgent, String> {
    let mut head = [0; 4];
    stdout.read_exact(&mut head).await.map_err(|e| e.to_string())?;
    let length = u32::from_le_bytes(head) as usize;
    if length > MAX_FRAME {
        return Err(format!("a frame of {length} bytes is larger than allowed"));
    }
    let mut bytes = Vec::new();
    stdout.take(length as u64).read_to_end(&mut bytes).await.map_err(|e| e.to_string())?;
    if bytes.len() < length {
        return Err("the channel closed within a frame".into());
    }
    agent::decode(&bytes).map_err(|e| e.to_string())
}

fn shorten(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control() || *c == ' ').take(200).collect();
    if clean.is_empty() { "nothing".into() } else { clean }
}
