//! Between SSH channel messages and byte streams.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::Said;
use super::exec::{Ending, Exit, Stdout, Tail};

/// How many messages wait for a slow reader of stdout before the connection does.
const BACKLOG: usize = 64;

/// The number SSH gives stderr.
const STDERR: u32 = 1;

/// Sends chunks to a [`Received`].
fn received<B>() -> (mpsc::Sender<B>, Received<B>) {
    let (sink, chunks) = mpsc::channel(BACKLOG);
    (sink, Received { chunks, current: None })
}

/// Reads the chunks sent to it, without copying them before they are read.
struct Received<B> {
    chunks: mpsc::Receiver<B>,
    current: Option<(B, usize)>,
}

impl<B: AsRef<[u8]> + Unpin> AsyncRead for Received<B> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some((chunk, read)) = &mut self.current {
                let rest = chunk.as_ref().get(*read..).unwrap_or_default();
                if !rest.is_empty() {
                    let part = rest.get(..into.remaining().min(rest.len())).unwrap_or_default();
                    into.put_slice(part);
                    *read += part.len();
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(self.chunks.poll_recv(cx)) {
                Some(chunk) => self.current = Some((chunk, 0)),
                None => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// Writes to a remote command; dropping it without a shutdown sends end of file all the same.
pub(super) struct RemoteStdin {
    channel: Arc<ChannelWriteHalf<Msg>>,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    ended: bool,
}

impl RemoteStdin {
    pub(super) fn new(channel: Arc<ChannelWriteHalf<Msg>>) -> Self {
        let writer = Box::pin(channel.make_writer());
        Self { channel, writer, ended: false }
    }
}

impl AsyncWrite for RemoteStdin {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        // russh takes an empty write for an error.
        if data.is_empty() { Poll::Ready(Ok(0)) } else { self.writer.as_mut().poll_write(cx, data) }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        ready!(self.writer.as_mut().poll_shutdown(cx))?;
        self.ended = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for RemoteStdin {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let channel = self.channel.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { channel.eof().await });
        }
    }
}

/// What a running command leaves behind besides its stdout.
pub(super) struct Watched {
    pub(super) stderr: Tail,
    pub(super) ending: watch::Receiver<Option<Ending>>,
    /// Dropping this stops listening to the command.
    pub(super) cancel: oneshot::Sender<()>,
}

/// Hands a channel's messages to where they belong, in the background, until the channel ends.
///
/// When nobody reads stdout any more it is thrown away rather than left lying: an unread channel would hold up the
/// whole connection.
pub(super) fn watch_over(mut channel: ChannelReadHalf, said: Said) -> (Stdout, Watched) {
    let (sink, stdout) = received();
    let stderr = Tail::default();
    let (told, ending) = watch::channel(None);
    let (cancel, mut cancelled) = oneshot::channel();
    let watched = Watched { stderr: stderr.clone(), ending, cancel };
    tokio::spawn(async move {
        let mut sink = Some(sink);
        let mut end = None;
        loop {
            let message = tokio::select! {
                message = channel.wait() => message,
                _ = &mut cancelled => return,
            };
            match message {
                Some(ChannelMsg::Data { data }) => {
                    let Some(open) = &sink else { continue };
                    let taken = tokio::select! {
                        sent = open.send(data) => sent.is_ok(),
                        _ = &mut cancelled => return,
                    };
                    if !taken {
                        sink = None;
                    }
                }
                Some(ChannelMsg::Eof) => sink = None,
                Some(ChannelMsg::Close) | None => break,
                Some(message) => note(message, &stderr, &mut end),
            }
        }
        told.send_replace(Some(end.unwrap_or_else(|| Ending::Lost(said.get()))));
    });
    (Box::new(stdout), watched)
}

/// The messages that are not stdout.
fn note(message: ChannelMsg, stderr: &Tail, end: &mut Option<Ending>) {
    match message {
        ChannelMsg::ExtendedData { data, ext: STDERR } => stderr.push(&data),
        ChannelMsg::ExitStatus { exit_status } => *end = Some(Ending::Exit(Exit::Code(exit_status))),
        ChannelMsg::ExitSignal { signal_name, .. } => *end = Some(Ending::Exit(Exit::Signal(signal(signal_name)))),
        ChannelMsg::Failure => *end = Some(Ending::Refused("the server does not run commands".to_owned())),
        _ => {}
    }
}

fn signal(signal: Sig) -> String {
    match signal {
        Sig::Custom(name) => name,
        known => format!("{known:?}"),
    }
}
