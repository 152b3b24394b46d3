//! Which keys to offer a server, and in which order.
//!
//! Keys somebody named come first, signed by the agent if it has them; then, unless told otherwise, the agent's other
//! keys. A server stops listening after a few (`MaxAuthTries`), so the likely ones go first. A key's certificate goes
//! before the bare key.

use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Certificate, PublicKey, load_openssh_certificate};

use super::agent;
use super::error::{Attempt, ConnectError};
use super::keys::{KeyFile, KeyProblem, Keyring};
use super::plan::Identities;

/// Where the private half is.
pub(super) enum Source {
    File(Arc<KeyFile>),
    /// The agent's socket, and the identity as the agent lists it if that is not the bare key.
    Agent(PathBuf, Option<Box<AgentIdentity>>),
}

/// A key to offer.
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) public: PublicKey,
    pub(super) certificate: Option<Certificate>,
    pub(super) source: Source,
}

impl Identity {
    /// A problem with this key as the reason for not getting in.
    pub(super) fn problem(&self, problem: &KeyProblem) -> ConnectError {
        match &self.source {
            Source::File(file) => key_error(file.path.clone(), problem),
            Source::Agent(socket, _) => key_error(socket.clone(), problem),
        }
    }
}

/// What there is to offer, and what cannot be.
#[derive(Default)]
pub(super) struct Found {
    pub(super) usable: Vec<Identity>,
    pub(super) unusable: Vec<(Attempt, KeyProblem)>,
    pub(super) problem: Option<ConnectError>,
}

fn key_error(path: PathBuf, problem: &KeyProblem) -> ConnectError {
    match problem {
        KeyProblem::NoPassphrase => ConnectError::Passphrase { path },
        other => ConnectError::Key { path, why: other.to_string() },
    }
}

/// Gathers the keys for a connection.
pub(super) async fn collect(wanted: &Identities, keyring: &Keyring) -> Found {
    let mut found = Found::default();
    let mut held = Vec::new();
    if let Some(socket) = &wanted.agent {
        match keyring.agent(socket).await {
            Ok(keys) => held = keys.to_vec(),
            Err(why) => found.pass_over(PathBuf::from("ssh-agent"), KeyProblem::Unreadable(why), false),
        }
    }
    let mut files = Vec::new();
    for path in &wanted.files {
        match keyring.file(path).await {
            Ok(file) => files.push(file),
            // A default key that is not there is not worth a word.
            Err(KeyProblem::Missing) if !wanted.named => {}
            Err(problem) => found.pass_over(path.clone(), problem, wanted.named),
        }
    }
    let certificates: Vec<_> =
        wanted.certificates.iter().filter_map(|path| load_openssh_certificate(path).ok()).collect();
    let socket = wanted.agent.clone().unwrap_or_default();
    let mut named = Vec::new();
    for file in files {
        found.offer_file(&mut named, file, &socket, &held, &certificates, wanted.named);
    }
    let others = if wanted.only { Vec::new() } else { offer_agent(&socket, &held, &certificates, &named) };
    // Default files are a guess, the agent's keys are there on purpose.
    let (first, second) = if wanted.named { (named, others) } else { (others, named) };
    found.usable.extend(first);
    found.usable.extend(second);
    found
}

impl Found {
    fn pass_over(&mut self, path: PathBuf, problem: KeyProblem, named: bool) {
        let attempt = Attempt { what: path.display().to_string(), outcome: problem.to_string() };
        if named {
            self.problem.get_or_insert_with(|| key_error(path, &problem));
        }
        self.unusable.push((attempt, problem));
    }

    fn offer_file(
        &mut self,
        into: &mut Vec<Identity>,
        file: Arc<KeyFile>,
        socket: &std::path::Path,
        held: &[AgentIdentity],
        certificates: &[Certificate],
        named: bool,
    ) {
        let data = file.public.key_data();
        let by_agent = held.iter().any(|key| is_key(key, data));
        let is_security_key = matches!(data, KeyData::SkEcdsaSha2NistP256(_) | KeyData::SkEd25519(_));
        if !by_agent && (is_security_key || !file.has_private()) {
            let why = if is_security_key {
                "a security key works through ssh-agent only"
            } else {
                "only its public half is here"
            };
            return self.pass_over(file.path.clone(), KeyProblem::Unreadable(why.to_owned()), named);
        }
        let source = || match by_agent {
            true => Source::Agent(socket.to_owned(), None),
            false => Source::File(file.clone()),
        };
        let name = file.path.display().to_string();
        let own = file.certificate.iter().chain(certificates.iter().filter(|cert| cert.public_key() == data));
        for certificate in own.filter(|certificate| certificate.public_key() == data) {
            // An agent signs for a certificate with the bare key.
            let source = match by_agent {
                true => Source::Agent(socket.to_owned(), Some(Box::new(file.public.clone().into()))),
                false => source(),
            };
            into.push(Identity {
                name: format!("{name} (certificate)"),
                public: file.public.clone(),
                certificate: Some(certificate.clone()),
                source,
            });
        }
        into.push(Identity { name, public: file.public.clone(), certificate: None, source: source() });
    }
}

fn is_key(identity: &AgentIdentity, data: &KeyData) -> bool {
    matches!(identity, AgentIdentity::PublicKey { key, .. } if key.key_data() == data)
}

/// The agent's keys that are not offered already.
fn offer_agent(
    socket: &std::path::Path,
    held: &[AgentIdentity],
    certificates: &[Certificate],
    named: &[Identity],
) -> Vec<Identity> {
    let mut offers = Vec::new();
    for identity in held {
        let (public, name) = agent::describe(identity);
        let data = public.key_data();
        if let AgentIdentity::Certificate { certificate, .. } = identity {
            let source = Source::Agent(socket.to_owned(), Some(Box::new(identity.clone())));
            offers.push(Identity { name, public, certificate: Some(certificate.clone()), source });
            continue;
        }
        if named.iter().any(|offer| offer.public.key_data() == data) {
            continue;
        }
        for certificate in certificates.iter().filter(|certificate| certificate.public_key() == data) {
            offers.push(Identity {
                name: format!("{name} (certificate)"),
                public: public.clone(),
                certificate: Some(certificate.clone()),
                source: Source::Agent(socket.to_owned(), Some(Box::new(identity.clone()))),
            });
        }
        offers.push(Identity { name, public, certificate: None, source: Source::Agent(socket.to_owned(), None) });
    }
    offers
}
