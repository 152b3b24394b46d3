//! `listen` and `listen_in` on tasks: a state that refreshes at the end of the play if another one changed.
//!
//! The state runs in its place as if nothing were said. At the end of the play it is compiled once more, with a requisite
//! that lets it run only if a target changed; how targets came out is known over all parts of the program.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::frame::Frame;
use super::host::HostCompiler;
use super::meta::without;
use super::requisites::requisite_name;
use super::{Stop, modules};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::graph::{Edge, Node, NodeId, Requisite, RequisiteKind, Why};
use crate::parse::{Keyword, Task};
use crate::source::Span;
use crate::yaml::Node as Yaml;

/// What the copy at the end of the play must not say again.
const ONCE: &[Keyword] = &[
    Keyword::Id,
    Keyword::Register,
    Keyword::Listen,
    Keyword::ListenIn,
    Keyword::Require,
    Keyword::RequireAny,
    Keyword::RequireIn,
    Keyword::Watch,
    Keyword::WatchAny,
    Keyword::WatchIn,
    Keyword::OnChanges,
    Keyword::OnChangesAny,
    Keyword::OnChangesIn,
    Keyword::OnFail,
    Keyword::OnFailAny,
    Keyword::OnFailIn,
    Keyword::Prereq,
    Keyword::PrereqAny,
    Keyword::PrereqIn,
];

/// A name in `listen` or `listen_in`.
struct Heard {
    node: NodeId,
    name: String,
    span: Span,
    keyword: Keyword,
}

/// The listening states of a play on a host.
#[derive(Default)]
pub struct Listeners {
    /// Tasks that may have to be compiled again, by their nodes.
    states: BTreeMap<NodeId, (Arc<Task>, Frame)>,
    heard: Vec<Heard>,
}

impl HostCompiler<'_> {
    /// Takes note of what a task listens to, and of tasks others may name.
    pub(super) fn note_listening(&mut self, task: &Arc<Task>, frame: &Frame, node: &Node) -> Result<(), Stop> {
        if frame.handler.is_some() {
            return Ok(());
        }
        let listens = task.keywords.get(Keyword::Listen).is_some();
        if listens || self.project.files.sources.mentions("listen_in") {
            self.listeners.states.insert(node.id, (task.clone(), frame.clone()));
        }
        for keyword in [Keyword::Listen, Keyword::ListenIn] {
            let Some(value) = task.keywords.get(keyword) else { continue };
            for item in value.as_list().map_or_else(|| vec![value.clone()], <[Yaml]>::to_vec) {
                let name = self.state_name(&item, keyword)?;
                self.listeners.heard.push(Heard { node: node.id, name, span: item.span, keyword });
            }
        }
        Ok(())
    }

    /// The name a requisite gives.
    pub(super) fn state_name(&mut self, item: &Yaml, keyword: Keyword) -> Result<String, Stop> {
        requisite_name(item).ok_or_else(|| {
            let report = Diagnostic::error(Code::WrongShape, format!("`{}` takes ids of states", keyword.name()));
            self.mistake(report.at(item.span, "").help("give the state an `id:` and name it here"));
            Stop::Mistakes
        })
    }

    /// Compiles the listening states once more, at the end of the play.
    pub(super) fn listeners(&mut self) -> Result<(), Stop> {
        let Listeners { states, heard } = std::mem::take(&mut self.listeners);
        let mut targets: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for Heard { node, name, span, keyword } in heard {
            let Some(other) = self.requests.node(&name) else {
                let known = self.requests.names();
                let help = did_you_mean(&name, known.iter().map(String::as_str));
                let report = Diagnostic::error(Code::RequisiteNotFound, format!("there is no state `{name}`"));
                self.mistake(report.at(span, format!("`{}` names it", keyword.name())).help_opt(help));
                continue;
            };
            let (listener, about) = if keyword == Keyword::Listen { (node, other) } else { (other, node) };
            targets.entry(listener).or_default().push(about);
        }
        if self.mistakes {
            return Err(Stop::Mistakes);
        }
        for (listener, targets) in targets {
            let Some((task, frame)) = states.get(&listener) else { continue };
            self.listener(task, frame, targets)?;
        }
        Ok(())
    }

    fn listener(&mut self, task: &Arc<Task>, frame: &Frame, targets: Vec<NodeId>) -> Result<(), Stop> {
        let first = self.next_node;
        let module = modules::short(&task.module).to_owned();
        self.plain_task(&without(task, ONCE), frame, &module)?;
        let earlier: Vec<NodeId> = self.nodes.iter().map(|node| node.id).filter(|id| *id < first).collect();
        for node in self.nodes.iter_mut().filter(|node| node.id >= first) {
            node.requisites.push(Requisite { kind: RequisiteKind::Listen, any: false, targets: targets.clone() });
            node.after = earlier.iter().map(|on| Edge { on: *on, why: Why::Requisite("listen".into()) }).collect();
        }
        Ok(())
    }
}
