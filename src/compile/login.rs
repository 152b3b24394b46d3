//! How a task reaches its host, where it says so itself: `remote_user`, `port` and `connection` of roles, blocks and tasks, and
//! their variables.

use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::parse::{Keyword, Task};
use crate::template::{Scope as _, Term};
use crate::value::Value;
use crate::variables::{Definition, Layer, LayerKind};

/// The keywords, and the variables they are the weakest definition of.
pub(super) const KEYWORDS: [(Keyword, &str); 3] = [
    (Keyword::RemoteUser, "ansible_user"),
    (Keyword::Port, "ansible_port"),
    (Keyword::Connection, "ansible_connection"),
];

/// The variables that say how a host is reached.
const VARIABLES: &[&str] = &[
    "ansible_connection",
    "ansible_host",
    "ansible_password",
    "ansible_port",
    "ansible_private_key_file",
    "ansible_ssh_args",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_ssh_host",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_ssh_port",
    "ansible_ssh_private_key_file",
    "ansible_ssh_user",
    "ansible_user",
];

/// What a task says of the way to its host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Login {
    /// Keywords: weaker than all variables.
    pub keywords: Vec<(String, Value)>,
    /// Variables of the task and of blocks around it: stronger than those of the host.
    pub variables: Vec<(String, Value)>,
}

impl Login {
    /// It says nothing.
    pub fn is_empty(&self) -> bool {
        self.keywords.is_empty() && self.variables.is_empty()
    }

    /// One of the two as a layer of variables.
    pub(super) fn layer(kind: LayerKind, entries: &[(String, Value)]) -> Arc<Layer> {
        let mut layer = Layer::new(kind);
        for (name, value) in entries {
            let definition = Definition { term: Term::Value(value.clone()), origin: None };
            layer.entries.insert(Arc::from(name.as_str()), definition);
        }
        Arc::new(layer)
    }
}

impl HostCompiler<'_> {
    /// What a task and what is around it say of the way to the host it works on, those of the play included.
    pub(super) fn login(&mut self, task: &Task, frame: &Frame) -> Result<Login, Stop> {
        let scope = self.scope(frame, Vec::new());
        let mut login = Login::default();
        for (keyword, name) in KEYWORDS {
            let Some(node) = self.inherited(frame, &task.keywords, keyword, &scope).cloned() else { continue };
            let value = self.evaluate(&self.term(&node), &scope, node.span)?;
            if !matches!(value, Value::Null | Value::Omit) && !value.has_unknown() {
                login.keywords.push((name.to_owned(), value));
            }
        }
        for layer in &frame.vars {
            for name in VARIABLES.iter().filter(|name| layer.get(name).is_some()) {
                if let Ok(Some(value)) = scope.get(name) {
                    login.variables.push(((*name).to_owned(), value));
                }
            }
        }
        Ok(login)
    }

    /// Says whether a task, or what is around it below the play, says anything of the way to its host.
    pub(super) fn says_login(&self, task: &Task, frame: &Frame) -> bool {
        let below_play = |keyword: Keyword| {
            let here = frame.keyword(&task.keywords, keyword).map(|node| node.span);
            here.is_some() && here != self.play.keywords.get(keyword).map(|node| node.span)
        };
        KEYWORDS.iter().any(|(keyword, _)| below_play(*keyword))
            || frame.vars.iter().any(|layer| VARIABLES.iter().any(|name| layer.get(name).is_some()))
    }

    /// The login of a task that reaches its own host in another way than the play does.
    pub(super) fn other_login(&mut self, task: &Task, frame: &Frame) -> Result<Option<Login>, Stop> {
        if !self.says_login(task, frame) {
            return Ok(None);
        }
        let login = self.login(task, frame)?;
        let usual = self.connection_scope(false, &Login::default());
        let own = self.connection_scope(false, &login);
        // What the inventory says of the host stands above keywords: then nothing is different.
        let same = VARIABLES.iter().all(|name| usual.get(name).ok().flatten() == own.get(name).ok().flatten());
        Ok(Some(login).filter(|_| !same))
    }
}
