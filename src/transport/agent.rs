//! The ssh-agent: which keys it holds, and signing with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::agent::client::AgentClient;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use russh::keys::{HashAlg, PublicKey};

/// What an agent holds, or why that is not known.
pub(super) type AgentKeys = Result<Arc<Vec<AgentIdentity>>, String>;

/// Asks an agent for its keys.
pub(super) async fn list(socket: &Path) -> AgentKeys {
    let listed = async { AgentClient::connect_uds(socket).await?.request_identities().await };
    listed.await.map(Arc::new).map_err(|error: russh::keys::Error| error.to_string())
}

/// Signs with a key of the agent, on a connection of its own, so that hosts do not wait for each other.
///
/// The agent is told which session the signature is for, since keys may be confined to hosts.
pub(super) async fn sign(
    socket: PathBuf,
    key: AgentIdentity,
    binding: Option<AgentSessionBinding>,
    hash: Option<HashAlg>,
    data: Vec<u8>,
) -> Result<Vec<u8>, String> {
    let signed = async {
        let mut agent = AgentClient::connect_uds(&socket).await?;
        if let Some(binding) = &binding {
            // Agents other than OpenSSH's may not know of this; the signature is what counts.
            let _ = agent.bind_session(binding, false).await;
        }
        agent.sign_request(&key, hash, data).await
    };
    signed.await.map_err(|error: russh::keys::Error| error.to_string())
}

/// The public key of an agent's identity and its name for people.
pub(super) fn describe(identity: &AgentIdentity) -> (PublicKey, String) {
    let (key, comment, kind) = match identity {
        AgentIdentity::PublicKey { key, comment } => (key.clone(), comment, "key"),
        AgentIdentity::Certificate { certificate, comment } => {
            (PublicKey::new(certificate.public_key().clone(), ""), comment, "certificate")
        }
    };
    let name = if comment.is_empty() { key.fingerprint(HashAlg::Sha256).to_string() } else { comment.clone() };
    (key, format!("agent {kind} {name}"))
}
