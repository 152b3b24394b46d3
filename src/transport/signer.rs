//! Signing for a login, with a key file or the agent.

use std::sync::Arc;

use russh::Signer;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey};

use super::agent;
use super::identities::{Identity, Source};
use super::keys::{KeyProblem, Keyring};

/// Signs for a key, wherever its private half is.
pub(super) struct KeySigner<'a> {
    pub(super) identity: &'a Identity,
    pub(super) keyring: &'a Keyring,
    pub(super) binding: Option<AgentSessionBinding>,
}

/// Why there is no signature.
pub(super) enum SignError {
    /// The session has ended.
    Closed,
    Key(KeyProblem),
}

impl From<russh::SendError> for SignError {
    fn from(_: russh::SendError) -> Self {
        Self::Closed
    }
}

impl Signer for KeySigner<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        key: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        match &self.identity.source {
            Source::Agent(socket, listed) => {
                let key = listed.as_deref().unwrap_or(key).clone();
                let signed = agent::sign(socket.clone(), key, self.binding.take(), hash, data).await;
                signed.map_err(|why| SignError::Key(KeyProblem::Unreadable(why)))
            }
            Source::File(file) => {
                let private = self.keyring.private(file).await.map_err(SignError::Key)?;
                let signed = tokio::task::spawn_blocking(move || sign(&private, hash, data)).await;
                let why = match signed {
                    Ok(Ok(signed)) => return Ok(signed),
                    Ok(Err(error)) => error,
                    Err(error) => error.to_string(),
                };
                Err(SignError::Key(KeyProblem::Unreadable(why)))
            }
        }
    }
}

/// Appends the signature over `data` to it, as the protocol wants it.
fn sign(key: &Arc<PrivateKey>, hash: Option<HashAlg>, mut data: Vec<u8>) -> Result<Vec<u8>, String> {
    let signature = match key.key_data() {
        KeypairData::Rsa(pair) => (pair, hash).try_sign(&data),
        pair => pair.try_sign(&data),
    };
    let mut blob = Vec::new();
    signature.map_err(|error| error.to_string())?.encode(&mut blob).map_err(|error| error.to_string())?;
    blob.as_slice().encode(&mut data).map_err(|error| error.to_string())?;
    Ok(data)
}
