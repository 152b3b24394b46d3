//! Asking a person, one question at a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::exec::OnDrop;

/// Somebody who can be asked for secrets; called off the async threads, one question at a time.
pub trait Prompt: Send + Sync {
    /// The passphrase of a private key, or `None` to go on without it.
    fn passphrase(&self, key: &Path) -> Option<String>;
    /// An answer to a server's question (`prompt` as the server words it), or `None` to give up.
    fn password(&self, user_host: &str, prompt: &str, echo: bool) -> Option<String>;
}

/// The person, if there is one, and the queue before them.
pub(super) struct Prompter {
    prompt: Option<Arc<dyn Prompt>>,
    turn: Mutex<()>,
    open: AtomicUsize,
}

impl Prompter {
    pub(super) fn new(prompt: Option<Arc<dyn Prompt>>) -> Self {
        Self { prompt, turn: Mutex::new(()), open: AtomicUsize::new(0) }
    }

    /// Whether there is somebody.
    pub(super) fn exists(&self) -> bool {
        self.prompt.is_some()
    }

    /// Asks; `None` if there is nobody or no answer.
    pub(super) async fn ask<F>(&self, question: F) -> Option<String>
    where
        F: FnOnce(&dyn Prompt) -> Option<String> + Send + 'static,
    {
        let prompt = self.prompt.clone()?;
        self.open.fetch_add(1, Ordering::Relaxed);
        let _answered = OnDrop::new(|| {
            self.open.fetch_sub(1, Ordering::Relaxed);
        });
        let _turn = self.turn.lock().await;
        tokio::task::spawn_blocking(move || question(&*prompt)).await.ok().flatten()
    }

    /// Runs `work` with a limit that stands still while a question is open.
    pub(super) async fn timeout<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = tokio::time::sleep(limit) => {
                    if self.open.load(Ordering::Relaxed) == 0 {
                        return None;
                    }
                }
            }
        }
    }
}
