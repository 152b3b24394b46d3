//! Connections to jump hosts, shared by the targets behind them.
//!
//! One connection serves a few targets only: a target that does not read holds up all others on its connection.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::Target;
use super::connection::Connection;
use super::error::ConnectError;

/// How many targets share one connection.
pub(super) const TARGETS_PER_CONNECTION: usize = 10;

/// A jump connection that is made, being made or could not be made.
#[derive(Default)]
struct Slot {
    connection: OnceCell<Result<Connection, Arc<ConnectError>>>,
    users: AtomicUsize,
    failed: AtomicBool,
}

/// A target's place on a jump connection; dropping it makes room.
pub(super) struct Lease(Arc<Slot>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.0.connection.get().and_then(|made| made.as_ref().ok())
    }
}

impl Slot {
    fn usable(&self) -> bool {
        let closed = || matches!(self.connection.get(), Some(Ok(connection)) if connection.is_closed());
        !self.failed.load(Ordering::Relaxed) && !closed()
    }
}

/// The jump connections of a run, by what they go through.
#[derive(Default)]
pub(super) struct Jumps(Mutex<HashMap<String, Vec<Arc<Slot>>>>);

impl Jumps {
    /// Takes a place on a connection through `hops`, making the connection with `connect` if there is no room.
    ///
    /// Those who come while it is being made wait for it; all of them get the same failure.
    pub(super) async fn lease<F>(&self, hops: &str, connect: impl FnOnce() -> F) -> Result<Lease, Arc<ConnectError>>
    where
        F: Future<Output = Result<Connection, ConnectError>>,
    {
        let lease = Lease(self.place(hops));
        let make = || async { connect().await.map_err(Arc::new) };
        match lease.0.connection.get_or_init(make).await {
            Ok(_) => Ok(lease),
            Err(error) => {
                lease.0.failed.store(true, Ordering::Relaxed);
                Err(error.clone())
            }
        }
    }

    fn place(&self, hops: &str) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = slots.entry(hops.to_owned()).or_default();
        slots.retain(|slot| slot.usable());
        let free = slots.iter().find(|slot| slot.users.load(Ordering::Relaxed) < TARGETS_PER_CONNECTION);
        let slot = match free {
            Some(slot) => slot.clone(),
            None => {
                let slot = Arc::new(Slot::default());
                slots.push(slot.clone());
                slot
            }
        };
        slot.users.fetch_add(1, Ordering::Relaxed);
        slot
    }
}

/// The last of some hops as a target, which is reached through those before it.
pub(super) fn target(hops: &str) -> Result<Target, String> {
    let (before, last) = match hops.rsplit_once(',') {
        Some((before, last)) => (Some(before.trim().to_owned()), last),
        None => (None, hops),
    };
    let text = last.trim().strip_prefix("ssh://").unwrap_or(last.trim());
    let (user, host) = text.rsplit_once('@').map_or((None, text), |(user, host)| (Some(user.to_owned()), host));
    let (host, port) = split_port(host)?;
    if host.is_empty() {
        return Err(format!("`{hops}` names no jump host"));
    }
    Ok(Target { user, port, proxy_jump: before, ..Target::named(host) })
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match text.split_once(':') {
            // More than one colon: an IPv6 address without brackets.
            Some((_, port)) if port.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let number = |port: &str| port.trim_end_matches('/').parse().map_err(|_| format!("`{port}` is not a port"));
    Ok((host, port.map(number).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops() {
        let table = [
            ("j1", (None, "j1", None, None)),
            ("me@j1:2222", (Some("me"), "j1", Some(2222), None)),
            ("a,b@c,me@j1", (Some("me"), "j1", None, Some("a,b@c"))),
            ("ssh://me@j1:22/", (Some("me"), "j1", Some(22), None)),
            ("[fe80::1]:9", (None, "fe80::1", Some(9), None)),
            ("fe80::1", (None, "fe80::1", None, None)),
            ("me@corp@j1", (Some("me@corp"), "j1", None, None)),
        ];
        for (text, expected) in table {
            let found = target(text).unwrap();
            let found = (found.user.as_deref(), found.alias.as_str(), found.port, found.proxy_jump.as_deref());
            assert_eq!(found, expected, "{text}");
        }
        for wrong in ["", "a,", "j1:many", "me@"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ten_targets_share_a_connection() {
        let jumps = Jumps::default();
        let mut leases: Vec<_> = (0..25).map(|_| Lease(jumps.place("j"))).collect();
        let count = |jumps: &Jumps| jumps.0.lock().unwrap().values().map(Vec::len).sum::<usize>();
        assert_eq!(count(&jumps), 3);
        leases.truncate(5);
        leases.extend((0..5).map(|_| Lease(jumps.place("j"))));
        assert_eq!(count(&jumps), 3);
        assert_eq!(leases.len(), 10);
    }
}
