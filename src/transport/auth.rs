//! Logging in: which ways are tried, in which order, and what is remembered for the error message.
//!
//! There is no `none` request to find out what the server would take: the first refusal says that as well.

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive};
use russh::keys::HashAlg;
use russh::{MethodKind, MethodSet};

use super::Secret;
use super::connection::{Client, Said};
use super::error::{Attempt, ConnectError};
use super::identities::{self, Identity};
use super::keys::Keyring;
use super::plan::{Method, Plan};
use super::signer::{KeySigner, SignError};

/// sshd gives six tries: with a password to fall back on, keys may use five of them.
const KEYS_BEFORE_PASSWORD: usize = 5;

/// Rounds of questions a server may ask.
const MAX_ROUNDS: usize = 10;

/// A login in progress.
struct Login<'a> {
    handle: &'a mut Handle<Client>,
    plan: &'a Plan,
    keyring: &'a Keyring,
    tried: Vec<Attempt>,
    /// The first problem with a key that kept it from being tried.
    problem: Option<ConnectError>,
    /// Keys still to try; `None` until they were looked for.
    identities: Option<std::vec::IntoIter<Identity>>,
    /// What the server takes, once it has said so.
    offered: Option<MethodSet>,
    sent: usize,
}

/// What came of a method.
enum Step {
    In,
    /// One factor was accepted, and another is wanted.
    Partly,
    Refused,
}

/// Logs in, or says why not.
pub(super) async fn log_in(
    handle: &mut Handle<Client>,
    plan: &Plan,
    keyring: &Keyring,
    said: &Said,
) -> Result<(), ConnectError> {
    let mut login =
        Login { handle, plan, keyring, tried: Vec::new(), problem: None, identities: None, offered: None, sent: 0 };
    let mut used = Vec::new();
    'factors: loop {
        for method in &plan.methods {
            if used.contains(method) || !login.takes(*method) {
                continue;
            }
            match login.attempt(*method).await? {
                Step::In => return Ok(()),
                Step::Partly => {
                    // Another key may be the second factor; another password is not.
                    if *method != Method::PublicKey {
                        used.push(*method);
                    }
                    continue 'factors;
                }
                Step::Refused => used.push(*method),
            }
        }
        break;
    }
    // Nothing was sent, so nothing was learned: ask, for the message's sake (and some servers need no more).
    if login.sent == 0 && login.send_none().await? {
        return Ok(());
    }
    Err(login.failure(said))
}

impl Login<'_> {
    fn takes(&self, method: Method) -> bool {
        let kind = match method {
            Method::PublicKey => MethodKind::PublicKey,
            Method::KeyboardInteractive => MethodKind::KeyboardInteractive,
            Method::Password => MethodKind::Password,
        };
        !self.handle.is_closed() && self.offered.as_ref().is_none_or(|offered| offered.contains(&kind))
    }

    async fn attempt(&mut self, method: Method) -> Result<Step, ConnectError> {
        match method {
            Method::PublicKey => self.keys().await,
            Method::KeyboardInteractive => self.interactive().await,
            Method::Password => self.password().await,
        }
    }

    /// Notes the server's answer.
    fn step(&mut self, what: &str, kind: MethodKind, result: AuthResult) -> Step {
        match result {
            AuthResult::Success => Step::In,
            AuthResult::Failure { remaining_methods, partial_success } => {
                self.refused(what, kind, remaining_methods, partial_success)
            }
        }
    }

    fn refused(&mut self, what: &str, kind: MethodKind, remaining: MethodSet, partial: bool) -> Step {
        self.sent += 1;
        let cut = remaining.is_empty();
        // A method the server does not have is no attempt anybody needs to hear of.
        let counts = partial || cut || remaining.contains(&kind);
        if !cut || self.offered.is_none() {
            self.offered = Some(remaining);
        }
        let outcome = match (partial, cut) {
            (true, _) => "accepted, but not enough",
            (false, true) => "the server closed the connection",
            (false, false) => "refused",
        };
        if counts {
            self.tried.push(Attempt { what: what.to_owned(), outcome: outcome.to_owned() });
        }
        if partial { Step::Partly } else { Step::Refused }
    }

    async fn send_none(&mut self) -> Result<bool, ConnectError> {
        match self.handle.authenticate_none(&self.plan.user).await {
            Ok(AuthResult::Success) => Ok(true),
            Ok(AuthResult::Failure { remaining_methods, .. }) => {
                self.offered = Some(remaining_methods);
                Ok(false)
            }
            Err(_) => Ok(false),
        }
    }

    async fn keys(&mut self) -> Result<Step, ConnectError> {
        let mut rest = match self.identities.take() {
            Some(rest) => rest,
            None => {
                let found = identities::collect(&self.plan.identities, self.keyring).await;
                self.tried.extend(found.unusable.into_iter().map(|(attempt, _)| attempt));
                self.problem = found.problem;
                found.usable.into_iter()
            }
        };
        let mut left = if self.plan.password.is_some() { KEYS_BEFORE_PASSWORD } else { usize::MAX };
        while let Some(identity) = rest.next() {
            if left == 0 || !self.takes(Method::PublicKey) {
                break;
            }
            left -= 1;
            match self.key(&identity).await? {
                Step::Refused => {}
                other => {
                    self.identities = Some(rest);
                    return Ok(other);
                }
            }
        }
        Ok(Step::Refused)
    }

    async fn key(&mut self, identity: &Identity) -> Result<Step, ConnectError> {
        let mut refused = Step::Refused;
        for hash in self.hashes(identity).await {
            let mut signer =
                KeySigner { identity, keyring: self.keyring, binding: self.handle.agent_session_binding().cloned() };
            let user = self.plan.user.as_str();
            let result = match &identity.certificate {
                Some(certificate) => {
                    self.handle.authenticate_certificate_with(user, certificate.clone(), hash, &mut signer).await
                }
                None => self.handle.authenticate_publickey_with(user, identity.public.clone(), hash, &mut signer).await,
            };
            match result {
                Ok(result) => refused = self.step(&identity.name, MethodKind::PublicKey, result),
                Err(SignError::Closed) => return Ok(Step::Refused),
                Err(SignError::Key(problem)) => {
                    self.sent += 1;
                    self.problem.get_or_insert_with(|| identity.problem(&problem));
                    let outcome = format!("the server would take it, but: {problem}");
                    self.tried.push(Attempt { what: identity.name.clone(), outcome });
                    return Ok(Step::Refused);
                }
            }
            if !matches!(refused, Step::Refused) || self.handle.is_closed() {
                break;
            }
        }
        Ok(refused)
    }

    /// RSA signs with SHA-2: as the server says, or if it does not say, with one and then the other.
    async fn hashes(&self, identity: &Identity) -> Vec<Option<HashAlg>> {
        if !identity.public.algorithm().is_rsa() {
            return vec![None];
        }
        match self.handle.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => vec![Some(hash)],
            _ => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
        }
    }

    fn login(&self) -> String {
        format!("{}@{}", self.plan.user, self.plan.host)
    }

    /// The password on record, or else the person's; and whether it is new.
    async fn find_password(&self, prompt: &str) -> Option<Secret> {
        if let Some(known) = self.plan.password.clone().or_else(|| self.keyring.password(&self.login())) {
            return Some(known);
        }
        let (login, prompt) = (self.login(), prompt.to_owned());
        self.keyring.prompter.ask(move |person| person.password(&login, &prompt, false)).await.map(Secret::new)
    }

    async fn password(&mut self) -> Result<Step, ConnectError> {
        let Some(password) = self.find_password("password").await else {
            return Ok(Step::Refused);
        };
        let result = match self.handle.authenticate_password(&self.plan.user, password.expose()).await {
            Ok(result) => result,
            Err(_) => return Ok(Step::Refused),
        };
        let step = self.step("password", MethodKind::Password, result);
        if !matches!(step, Step::Refused) {
            self.keyring.keep_password(&self.login(), password);
        }
        Ok(step)
    }

    async fn interactive(&mut self) -> Result<Step, ConnectError> {
        if self.plan.password.is_none() && !self.keyring.prompter.exists() {
            return Ok(Step::Refused);
        }
        let mut answer = self.handle.authenticate_keyboard_interactive_start(&self.plan.user, None).await;
        let mut first = true;
        for _ in 0..MAX_ROUNDS {
            let responses = match answer {
                Ok(Interactive::Success) => return Ok(Step::In),
                Ok(Interactive::Failure { remaining_methods, partial_success }) => {
                    let (what, kind) = ("keyboard-interactive", MethodKind::KeyboardInteractive);
                    return Ok(self.refused(what, kind, remaining_methods, partial_success));
                }
                Ok(Interactive::InfoRequest { prompts, .. }) => {
                    let mut responses = Vec::with_capacity(prompts.len());
                    for prompt in prompts {
                        let secret = std::mem::take(&mut first) && !prompt.echo;
                        responses.push(self.respond(prompt.prompt, prompt.echo, secret).await);
                    }
                    responses
                }
                Err(_) => break,
            };
            answer = self.handle.authenticate_keyboard_interactive_respond(responses).await;
        }
        Ok(Step::Refused)
    }

    /// The first hidden question is for the password; an empty answer is how to give up.
    async fn respond(&self, question: String, echo: bool, password: bool) -> String {
        if password {
            return self.find_password(&question).await.map(|secret| secret.expose().to_owned()).unwrap_or_default();
        }
        let login = self.login();
        self.keyring.prompter.ask(move |person| person.password(&login, &question, echo)).await.unwrap_or_default()
    }

    fn failure(self, said: &Said) -> ConnectError {
        // One key, and it could not even be tried: then that is what is wrong.
        if let (Some(problem), true) = (self.problem, self.tried.len() <= 1) {
            return problem;
        }
        let offered = self.offered.iter().flat_map(|methods| methods.iter().map(String::from)).collect();
        ConnectError::Auth { user: self.plan.user.clone(), tried: self.tried, offered, message: said.get() }
    }
}
