//! From a plan to a logged-in connection: the wire, the handshake, the login, and trying again.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::{SshId, client::Config};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::config::{Family, Proxy};
use super::connection::{Client, Connection, Said, SessionError};
use super::error::{ConnectError, Phase};
use super::jump::{self, Lease};
use super::plan::{self, Plan};
use super::wire::{Eager, ProxyCommand, Wire};
use super::{Ssh, Target, auth};

/// Head start of each address over the next (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// A wire, the address at its other end, and the place on a jump connection it uses.
struct Dialled {
    wire: Box<dyn Wire>,
    addr: String,
    lease: Option<Lease>,
}

/// Connects to `target`, a jump host itself if `route` has the jumps that wait for it.
pub(super) async fn connect(ssh: &Ssh, target: &Target, route: &[String]) -> Result<Connection, ConnectError> {
    let plan = Arc::new(plan::make(ssh, target).await?);
    let mut tried = 0;
    loop {
        match once(ssh, &plan, route).await {
            Err(error) if error.is_transient() && tried < ssh.shared.options.retries => {
                sleep(backoff(tried)).await;
                tried += 1;
            }
            result => return result,
        }
    }
}

/// 0.2 s, 0.4 s, … up to 5 s, each between half and one and a half times that, so that hosts spread out.
fn backoff(tried: u32) -> Duration {
    let base = Duration::from_millis(200).saturating_mul(1 << tried.min(8)).min(Duration::from_secs(5));
    let random = RandomState::new().build_hasher().finish() % 1000;
    base.mul_f64(0.5 + random as f64 / 1000.0)
}

async fn once(ssh: &Ssh, plan: &Arc<Plan>, route: &[String]) -> Result<Connection, ConnectError> {
    let Dialled { wire, addr, lease } = dial(ssh, plan, route).await?;
    let said = Said::default();
    let mut handle = shake_hands(ssh, plan, wire, &addr, &said).await?;
    let addr = if addr.is_empty() { plan.addr() } else { addr };
    let login = auth::log_in(&mut handle, plan, &ssh.shared.keyring, &said);
    match ssh.shared.keyring.prompter.timeout(plan.auth_timeout, login).await {
        Some(result) => result?,
        None => return Err(late(plan, Phase::Authentication, plan.auth_timeout)),
    }
    let notes = plan.notes.clone();
    Ok(Connection { handle, said, addr, notes, timeout: plan.connect_timeout, _lease: lease })
}

fn late(plan: &Plan, phase: Phase, after: Duration) -> ConnectError {
    ConnectError::Timeout { addr: plan.addr(), phase, after }
}

async fn dial(ssh: &Ssh, plan: &Plan, route: &[String]) -> Result<Dialled, ConnectError> {
    match &plan.proxy {
        Proxy::Jump(hops) => through(ssh, plan, hops, route).await,
        Proxy::Command(command) => {
            let wire = Box::new(ProxyCommand::start(command)?);
            Ok(Dialled { wire, addr: String::new(), lease: None })
        }
        Proxy::None | Proxy::NoJump => {
            let limit = plan.connect_timeout;
            let (stream, addr) =
                timeout(limit, straight(plan)).await.map_err(|_| late(plan, Phase::Connect, limit))??;
            Ok(Dialled { wire: Box::new(Eager::new(stream)), addr: addr.to_string(), lease: None })
        }
    }
}

/// Goes through jump hosts; each has limits and retries of its own.
async fn through(ssh: &Ssh, plan: &Plan, hops: &str, route: &[String]) -> Result<Dialled, ConnectError> {
    let wrong = |what| ConnectError::Config { location: "ProxyJump".to_owned(), what };
    let hop = jump::target(hops).map_err(wrong)?;
    // Connections to jump hosts are shared, so one that waited for itself would wait for ever.
    if route.iter().any(|waiting| waiting == hops) {
        return Err(wrong(format!("the way to {hops} is a loop: {}", route.join(" through "))));
    }
    let route = [route, &[hops.to_owned()]].concat();
    let failed = |source| ConnectError::Proxy { hop: hop.alias.clone(), source };
    let connect = || Box::pin(connect(ssh, &hop, &route));
    let lease = ssh.shared.jumps.lease(hops, connect).await.map_err(failed)?;
    let jump = lease.connection().ok_or_else(|| failed(Arc::new(ConnectError::Lost { why: None })))?;
    let channel = jump.tunnel(&plan.host, plan.port).await.map_err(|error| failed(Arc::new(error)))?;
    Ok(Dialled { wire: Box::new(channel.into_stream()), addr: String::new(), lease: Some(lease) })
}

async fn straight(plan: &Plan) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let failed = |source| ConnectError::Resolve { host: plan.host.clone(), source };
    let found = tokio::net::lookup_host((plan.host.as_str(), plan.port)).await.map_err(failed)?;
    let wanted = |addr: &SocketAddr| match plan.family {
        Family::Any => true,
        Family::V4 => addr.is_ipv4(),
        Family::V6 => addr.is_ipv6(),
    };
    let addrs: Vec<_> = found.filter(wanted).collect();
    if addrs.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "no address of the wanted family")));
    }
    race(&addrs).await.map_err(|source| ConnectError::Connect { addr: list(&addrs), source })
}

fn list(addrs: &[SocketAddr]) -> String {
    addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The first address to answer wins; each gets a head start over the next, unless it fails before.
async fn race(addrs: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut rest = addrs.iter().copied();
    let mut running = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    loop {
        let started = rest.next();
        if let Some(addr) = started {
            running.spawn(async move { TcpStream::connect(addr).await.map(|stream| (stream, addr)) });
        }
        let head_start = async {
            match started {
                Some(_) => sleep(STAGGER).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = running.join_next() => match done {
                Some(Ok(Ok((stream, addr)))) => {
                    stream.set_nodelay(true)?;
                    return Ok((stream, addr));
                }
                Some(Ok(Err(error))) => last = error,
                Some(Err(_)) => {}
                None => return Err(last),
            },
            () = head_start => {}
        }
    }
}

async fn shake_hands(
    ssh: &Ssh,
    plan: &Arc<Plan>,
    wire: Box<dyn Wire>,
    addr: &str,
    said: &Said,
) -> Result<Handle<Client>, ConnectError> {
    let client = Client { ssh: ssh.clone(), plan: plan.clone(), addr: addr.to_owned(), said: said.clone() };
    let config = Arc::new(session_config(ssh, plan));
    let limit = plan.connect_timeout;
    match timeout(limit, client::connect_stream(config, wire, client)).await {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(SessionError::HostKey(error))) => Err(*error),
        Ok(Err(SessionError::Protocol(error))) => Err(protocol(plan, error)),
        Err(_) => Err(late(plan, Phase::Handshake, limit)),
    }
}

/// Windows and packets are as large as the protocol's users take: this carries archives, not keystrokes.
fn session_config(ssh: &Ssh, plan: &Plan) -> Config {
    Config {
        client_id: SshId::Standard(concat!("SSH-2.0-cfg_", env!("CARGO_PKG_VERSION")).into()),
        window_size: 8 * 1024 * 1024,
        maximum_packet_size: 65_535,
        keepalive_interval: plan.keepalive,
        keepalive_max: 3,
        // Silence that the questions above did not end; longer than a person takes over a passphrase.
        inactivity_timeout: plan.keepalive.map(|interval| (interval * 5).max(Duration::from_secs(600))),
        preferred: ssh.shared.known_hosts.preferred(&plan.trust),
        nodelay: true,
        ..Config::default()
    }
}

fn protocol(plan: &Plan, error: russh::Error) -> ConnectError {
    let (what, transient) = match &error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            (format!("no {kind:?} algorithm in common (it offers {})", theirs.join(", ")).to_lowercase(), false)
        }
        russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_) => {
            ("the connection was closed during the handshake".to_owned(), true)
        }
        other => (other.to_string().to_lowercase(), false),
    };
    ConnectError::Protocol { addr: plan.addr(), what, transient }
}
