//! Getting to a host at the start of a play, or going on without it.

use std::sync::Arc;

use super::link::{Link, LinkError};
use super::run::Shared;
use crate::compile::{needs_no_host, play_keyword, says_gathering, waits_first};
use crate::event::Unreachable;
use crate::parse::{Keyword, Play};
use crate::resource::{Args, Patience, WaitForConnection};
use crate::template::TermScope;
use crate::value::Map;

/// What there is of a host when its play begins.
pub struct Reached {
    /// Its agent.
    pub link: Link,
    /// Its facts.
    pub facts: Map,
    /// Why the agent is not on the host itself.
    pub absent: Option<String>,
}

impl Shared {
    /// An agent for a host: on it, or one of this machine that stands in where nobody needs to connect, or where the play
    /// goes on with hosts that cannot be reached. Then it says why.
    pub(super) async fn reach(
        &self,
        play: &Play,
        host: &Arc<str>,
        scope: &Arc<TermScope>,
    ) -> Result<Reached, Unreachable> {
        let stand_in = |why: String| async {
            let link = self.connections.stand_in().await.map_err(|error| error.unreachable())?;
            Ok(Reached { link, facts: Map::new(), absent: Some(why) })
        };
        if !self.connections.is_local(scope) && needs_no_host(&self.project, play, host) {
            return stand_in("nobody is connected to this host, as no task of its play works on it".to_owned()).await;
        }
        let opened = match self.patience(play) {
            Some(patience) => self.open_patiently(host, scope, patience).await,
            None => self.connections.open(host, scope).await,
        };
        match opened {
            Ok(link) => Ok(Reached { facts: link.hello.facts.clone(), link, absent: None }),
            Err(error) if self.goes_on_without(play) => stand_in(error.unreachable().message).await,
            Err(error) => Err(error.unreachable()),
        }
    }

    /// How long a play waits for its hosts: its first task that needs them is `wait_for_connection`.
    fn patience(&self, play: &Play) -> Option<Patience> {
        let task = waits_first(&self.project, play)?;
        let args = task.args.named.iter().map(|entry| (entry.key.clone(), entry.value.to_value())).collect();
        WaitForConnection::from_args(Args::new(args)).ok().map(|wanted| wanted.patience())
    }

    async fn open_patiently(
        &self,
        host: &Arc<str>,
        scope: &Arc<TermScope>,
        patience: Patience,
    ) -> Result<Link, LinkError> {
        let until = tokio::time::Instant::now() + patience.timeout;
        tokio::time::sleep(patience.delay).await;
        loop {
            let tried = tokio::time::timeout(patience.connect, self.connections.open(host, scope)).await;
            match tried.unwrap_or_else(|_| Err(LinkError::Lost(": it did not answer in time".to_owned()))) {
                Err(_) if tokio::time::Instant::now() + patience.sleep < until => {
                    tokio::time::sleep(patience.sleep).await;
                }
                other => return other,
            }
        }
    }

    /// Says whether a play has tasks for hosts that cannot be reached. Gathering facts is the first of its tasks.
    fn goes_on_without(&self, play: &Play) -> bool {
        let of_play = |keyword| play_keyword(&self.project, play, keyword).ok().flatten();
        if of_play(Keyword::IgnoreUnreachable).is_some_and(|value| crate::apply_truth(&value)) {
            return true;
        }
        let gathers = says_gathering(&self.project, play).unwrap_or(true);
        !gathers && self.project.files.sources.mentions("ignore_unreachable")
    }
}
