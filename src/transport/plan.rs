//! From a target to everything needed to connect: inventory over ssh configuration over defaults.

use std::path::PathBuf;
use std::time::Duration;

use super::config::tokens::{Local, Tokens};
use super::config::{Family, HostConfig, Proxy, Strict};
use super::error::ConnectError;
use super::{Options, Secret, Ssh, Target};

/// OpenSSH's default keys, in its order; security keys only work through an agent.
const DEFAULT_KEYS: [&str; 5] = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];

/// A way of logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    PublicKey,
    KeyboardInteractive,
    Password,
}

/// How to connect to one host.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) proxy: Proxy,
    pub(super) family: Family,
    pub(super) connect_timeout: Duration,
    pub(super) auth_timeout: Duration,
    pub(super) keepalive: Option<Duration>,
    pub(super) trust: Trust,
    pub(super) identities: Identities,
    pub(super) methods: Vec<Method>,
    pub(super) password: Option<Secret>,
    pub(super) notes: Vec<String>,
}

/// Which host keys are good.
#[derive(Debug)]
pub(super) struct Trust {
    /// The name and port to look up.
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) files: Vec<PathBuf>,
    /// Where new keys go.
    pub(super) record_in: Option<PathBuf>,
    pub(super) accept_new: bool,
    pub(super) hash: bool,
    pub(super) pinned: Vec<String>,
    pub(super) algorithms: Option<String>,
}

/// Which keys to log in with.
#[derive(Debug)]
pub(super) struct Identities {
    pub(super) files: Vec<PathBuf>,
    /// Whether somebody named these files, rather than them being the defaults.
    pub(super) named: bool,
    pub(super) only: bool,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) agent: Option<PathBuf>,
}

impl Plan {
    /// The host and port, for messages.
    pub(super) fn addr(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Decides how to connect to `target`.
pub(super) async fn make(ssh: &Ssh, target: &Target) -> Result<Plan, ConnectError> {
    let config = if ssh.shared.config.may_block() {
        let (shared, target) = (ssh.shared.clone(), target.clone());
        let ask = move || shared.config.resolve(&target, &shared.local);
        tokio::task::spawn_blocking(ask).await.map_err(|error| wrong(error.to_string()))??
    } else {
        ssh.shared.config.resolve(target, &ssh.shared.local)?
    };
    combine(&ssh.shared.options, &ssh.shared.local, target, config)
}

fn wrong(what: String) -> ConnectError {
    ConnectError::Config { location: "ssh configuration".to_owned(), what }
}

fn combine(options: &Options, local: &Local, target: &Target, config: HostConfig) -> Result<Plan, ConnectError> {
    let host = target.host.clone().or_else(|| config.host_name.clone()).unwrap_or_else(|| target.alias.clone());
    let port = config.port.unwrap_or(22);
    let user = config.user.clone().unwrap_or_else(|| local.user.clone());
    let jump = match &config.proxy {
        Some(Proxy::Jump(hosts)) => Some(hosts.as_str()),
        _ => None,
    };
    let tokens = Tokens {
        local,
        host: &host,
        alias: &target.alias,
        port,
        user: &user,
        key_alias: config.host_key_alias.as_deref(),
        jump: target.proxy_jump.as_deref().or(jump),
    };
    let default_timeout = config.connect_timeout.flatten().unwrap_or(Duration::from_secs(10));
    let keepalive = options.keepalive.or(config.keepalive).unwrap_or(Duration::from_secs(15));
    let plan = Plan {
        proxy: proxy(target, &config, &tokens).map_err(wrong)?,
        family: config.family.unwrap_or(Family::Any),
        connect_timeout: options.connect_timeout.unwrap_or(default_timeout),
        auth_timeout: options.auth_timeout,
        keepalive: Some(keepalive).filter(|interval| !interval.is_zero()),
        trust: trust(options, target, &config, &tokens).map_err(wrong)?,
        identities: identities(target, &config, &tokens).map_err(wrong)?,
        methods: methods(target, &config),
        password: target.password.clone(),
        notes: notes(&config),
        host: host.clone(),
        port,
        user: user.clone(),
    };
    Ok(plan)
}

fn notes(config: &HostConfig) -> Vec<String> {
    let off = (config.strict == Some(Strict::Off)).then(|| {
        "StrictHostKeyChecking no is not obeyed: host keys are always checked (accept-new records new ones)".to_owned()
    });
    off.into_iter().collect()
}

fn proxy(target: &Target, config: &HostConfig, tokens: &Tokens<'_>) -> Result<Proxy, String> {
    let chosen = match &target.proxy_jump {
        Some(hosts) if hosts.eq_ignore_ascii_case("none") => Proxy::None,
        Some(hosts) => Proxy::Jump(hosts.clone()),
        None => config.proxy.clone().unwrap_or(Proxy::None),
    };
    Ok(match chosen {
        Proxy::None | Proxy::NoJump => Proxy::None,
        Proxy::Jump(hosts) => Proxy::Jump(tokens.expand(&hosts)?),
        Proxy::Command(command) => Proxy::Command(tokens.expand(&command)?),
    })
}

fn trust(options: &Options, target: &Target, config: &HostConfig, tokens: &Tokens<'_>) -> Result<Trust, String> {
    let paths = |configured: &Option<Vec<String>>, default: [&str; 2]| -> Result<Vec<PathBuf>, String> {
        let list = match configured {
            Some(list) => list.iter().map(String::as_str).collect(),
            None => default.to_vec(),
        };
        list.iter().filter(|path| !path.eq_ignore_ascii_case("none")).map(|path| tokens.path(path)).collect()
    };
    let mut files = match &options.known_hosts_files {
        Some(files) => files.clone(),
        None => paths(&config.user_known_hosts, ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"])?,
    };
    let record_in = files.first().cloned();
    if options.known_hosts_files.is_none() {
        let system = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
        files.extend(paths(&config.global_known_hosts, system)?);
    }
    Ok(Trust {
        // An alias stands for the host whatever its port.
        port: if config.host_key_alias.is_some() { 22 } else { tokens.port },
        name: config.host_key_alias.clone().unwrap_or_else(|| tokens.host.to_owned()),
        files,
        record_in,
        accept_new: options.accept_new_host_keys || config.strict == Some(Strict::AcceptNew),
        hash: config.hash_known_hosts.unwrap_or(false),
        pinned: target.known_host_keys.clone(),
        algorithms: config.host_key_algorithms.clone(),
    })
}

fn identities(target: &Target, config: &HostConfig, tokens: &Tokens<'_>) -> Result<Identities, String> {
    let none = |path: &&String| !path.eq_ignore_ascii_case("none");
    let mut files = target.identity_files.clone();
    for path in config.identity_files.iter().filter(none) {
        let path = tokens.path(path)?;
        if !files.contains(&path) {
            files.push(path);
        }
    }
    let named = !files.is_empty() || !config.identity_files.is_empty();
    if !named {
        files = DEFAULT_KEYS.iter().map(|name| tokens.local.home.join(".ssh").join(name)).collect();
    }
    let certificates = config.certificate_files.iter().filter(none).map(|path| tokens.path(path));
    Ok(Identities {
        files,
        named,
        only: config.identities_only.unwrap_or(false),
        certificates: certificates.collect::<Result<_, _>>()?,
        agent: agent(config, tokens)?,
    })
}

fn agent(config: &HostConfig, tokens: &Tokens<'_>) -> Result<Option<PathBuf>, String> {
    let from_env = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    match config.identity_agent.as_deref() {
        None | Some("SSH_AUTH_SOCK") => Ok(from_env("SSH_AUTH_SOCK")),
        Some("none") => Ok(None),
        Some(text) => match text.strip_prefix('$') {
            Some(name) if !name.starts_with('{') => Ok(from_env(name)),
            _ => tokens.path(text).map(Some),
        },
    }
}

fn methods(target: &Target, config: &HostConfig) -> Vec<Method> {
    let allowed = |method: &Method| match method {
        Method::PublicKey => config.pubkey != Some(false),
        Method::Password => config.password != Some(false),
        Method::KeyboardInteractive => config.keyboard_interactive != Some(false),
    };
    let order: Vec<Method> = match &config.preferred_auth {
        Some(list) => list.iter().filter_map(|name| method(name)).collect(),
        // A password given for this very host is the shortest way in, unless a key was given as well.
        None if target.password.is_some() && target.identity_files.is_empty() => {
            vec![Method::Password, Method::KeyboardInteractive, Method::PublicKey]
        }
        None if target.password.is_some() => vec![Method::PublicKey, Method::Password, Method::KeyboardInteractive],
        None => vec![Method::PublicKey, Method::KeyboardInteractive, Method::Password],
    };
    order.into_iter().filter(allowed).collect()
}

fn method(name: &str) -> Option<Method> {
    match name {
        "publickey" => Some(Method::PublicKey),
        "password" => Some(Method::Password),
        "keyboard-interactive" => Some(Method::KeyboardInteractive),
        _ => None,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
