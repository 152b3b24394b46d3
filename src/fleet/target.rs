//! From a host of the inventory to a running agent.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::link::{Link, LinkError};
use crate::agent::{self, AGENTS};
use crate::source::expanded;
use crate::template::{Scope as _, TermScope};
use crate::transport::{self, Arguments, Secret, Ssh, Target};
use crate::value::Value;

/// What the command line says about logging in.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// `--user`
    pub user: Option<String>,
    /// `--private-key`
    pub private_key: Option<PathBuf>,
    /// Everything is done on this machine.
    pub local: bool,
    /// Hosts of which nothing says how they are reached are this machine.
    pub local_by_default: bool,
    /// The private key where nothing else names one.
    pub default_private_key: Option<PathBuf>,
    /// The jump host where the inventory names none.
    pub default_proxy_jump: Option<String>,
}

/// Opens connections. Agents stay connected from play to play.
pub struct Connections {
    ssh: Ssh,
    login: Login,
    local_agent: tokio::sync::OnceCell<PathBuf>,
    idle: tokio::sync::Mutex<HashMap<Arc<str>, Vec<Link>>>,
}

impl Connections {
    /// Connections of a run.
    pub fn new(ssh: Ssh, login: Login) -> Self {
        Self { ssh, login, local_agent: tokio::sync::OnceCell::new(), idle: tokio::sync::Mutex::default() }
    }

    /// An agent on a host: the one that is connected already, or a new one.
    ///
    /// # Errors
    /// Where the host cannot be reached.
    pub async fn open(&self, host: &Arc<str>, scope: &Arc<TermScope>) -> Result<Link, LinkError> {
        self.open_as(host, host, scope).await
    }

    /// An agent on a host, kept under a name of its own.
    ///
    /// # Errors
    /// Where the host cannot be reached.
    pub async fn open_as(&self, name: &Arc<str>, host: &Arc<str>, scope: &Arc<TermScope>) -> Result<Link, LinkError> {
        const SSH: &[&str] = &["ssh", "smart", "paramiko", "paramiko_ssh"];
        let local = self.is_local(scope);
        if let Some(other) = connection_of(scope).filter(|how| !local && !SSH.contains(&how.as_str())) {
            return Err(LinkError::NoConnection(other));
        }
        let target = (!local).then(|| self.target(host, scope));
        let way = target.as_ref().map(way_to).unwrap_or_default();
        if let Some(idle) = self.idle.lock().await.get_mut(name)
            && let Some(at) = idle.iter().position(|link| link.way == way)
        {
            return Ok(idle.swap_remove(at));
        }
        let mut link = match &target {
            None => self.open_local().await?,
            Some(target) => {
                let connection = self.ssh.connect(target).await?;
                let exec = connection.exec(&agent::bootstrap()).await?;
                Link::bootstrap(exec).await?
            }
        };
        link.way = way;
        Ok(link)
    }

    /// Lets go of the agents kept under a name.
    pub async fn forget(&self, name: &Arc<str>) {
        self.idle.lock().await.remove(name);
    }

    /// Keeps an agent for the next play.
    pub async fn keep(&self, name: &Arc<str>, link: Link) {
        self.idle.lock().await.entry(name.clone()).or_default().push(link);
    }

    /// What of `ansible_ssh_common_args` and its kin cfg does not understand: to be said, never to be ignored in silence.
    pub fn unsupported_arguments(&self, scope: &Arc<TermScope>) -> Option<String> {
        if self.is_local(scope) {
            return None;
        }
        Some(arguments(scope).left.join(" ")).filter(|left| !left.is_empty())
    }

    /// Says whether a host is this machine itself.
    pub fn is_local(&self, scope: &Arc<TermScope>) -> bool {
        self.login.local || connection_of(scope).map_or(self.login.local_by_default, |how| how == "local")
    }

    /// An agent on this machine for a host nobody is connected to.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn stand_in(&self) -> Result<Link, LinkError> {
        self.open_local().await
    }

    async fn open_local(&self) -> Result<Link, LinkError> {
        let path = self.local_agent.get_or_try_init(|| async { unpack() }).await?;
        let exec = transport::local::exec(&[&path.to_string_lossy()])?;
        Link::start(exec).await
    }

    /// What the inventory and the command line say about a host.
    fn target(&self, host: &str, scope: &Arc<TermScope>) -> Target {
        let get = |names: &[&str]| -> Option<Value> {
            names.iter().find_map(|name| scope.get(name).ok().flatten()).filter(|v| *v != Value::Null)
        };
        let text = |names: &[&str]| get(names).map(|v| v.to_string()).filter(|t| !t.is_empty());
        let key = text(&["ansible_ssh_private_key_file", "ansible_private_key_file"]).map(|p| expanded(&p));
        let arguments = arguments(scope);
        let default_jump = self.login.default_proxy_jump.clone().filter(|_| !arguments.name_a_way());
        Target {
            alias: host.to_owned(),
            // Where nobody says it, `ansible_host` is the name itself: then ssh's configuration says where that is.
            host: text(&["ansible_host", "ansible_ssh_host"]).filter(|address| address != host),
            port: text(&["ansible_port", "ansible_ssh_port"]).and_then(|p| p.parse().ok()),
            user: text(&["ansible_user", "ansible_ssh_user"]).or_else(|| self.login.user.clone()),
            identity_files: self
                .login
                .private_key
                .clone()
                .or(key)
                .or_else(|| self.login.default_private_key.clone())
                .into_iter()
                .collect(),
            password: text(&["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"]).map(Secret::new),
            proxy_jump: text(&["cfg_proxy_jump"]).or(default_jump),
            options: arguments.options,
            known_host_keys: get(&["cfg_host_keys"])
                .map(|v| {
                    v.as_list().map_or_else(|| vec![v.to_string()], |l| l.iter().map(ToString::to_string).collect())
                })
                .unwrap_or_default(),
        }
    }
}

/// How a host is to be reached, where that is said: the short name of a connection.
fn connection_of(scope: &Arc<TermScope>) -> Option<String> {
    let said = scope.get("ansible_connection").ok().flatten().filter(|value| *value != Value::Null)?.to_string();
    Some(said.rsplit('.').next().unwrap_or(&said).to_owned()).filter(|name| !name.is_empty())
}

/// What tells two ways to a host apart.
fn way_to(target: &Target) -> String {
    let Target { alias, host, port, user, identity_files, proxy_jump, options, .. } = target;
    format!("{alias} {host:?} {port:?} {user:?} {identity_files:?} {proxy_jump:?} {options:?}")
}

/// What the inventory would give ssh on its command line, in the order in which Ansible does.
fn arguments(scope: &Arc<TermScope>) -> Arguments {
    let text = |name: &str| scope.get(name).ok().flatten().filter(|v| *v != Value::Null).map(|v| v.to_string());
    let names = ["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];
    Arguments::parse(&names.iter().filter_map(|name| text(name)).collect::<Vec<_>>().join(" "))
}

/// Puts the agent for this machine into the cache directory, as the bootstrap line does on others.
fn unpack() -> Result<PathBuf, LinkError> {
    use std::io::Read as _;
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let cpu = std::env::consts::ARCH;
    let found = AGENTS.iter().find(|agent| agent.cpu == cpu).ok_or_else(|| LinkError::NoCpu(cpu.to_owned()))?;
    let cache = std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cache")));
    let dir = PathBuf::from(cache.unwrap_or_else(|_| "/tmp".into())).join("cfg");
    let failed = |_: std::io::Error| LinkError::NoPlace(dir.display().to_string());
    let path = dir.join(format!("agent-{}", found.sha256));
    let fits = std::fs::read(&path).is_ok_and(|bytes| crate::machine::Algorithm::Sha256.of(&bytes) == found.sha256);
    if !fits {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(found.gzip).read_to_end(&mut bytes).map_err(failed)?;
        let temporary = dir.join(format!(".agent.{}", std::process::id()));
        std::fs::write(&temporary, bytes).map_err(failed)?;
        std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        std::fs::rename(&temporary, &path).map_err(failed)?;
    }
    Ok(path)
}
