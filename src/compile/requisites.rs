//! Requisites: from names to edges, and circles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::graph::{Edge, Node, NodeId, Requisite, RequisiteKind, Why};
use crate::parse::{Keyword, Task};
use crate::source::Span;
use crate::value::Value;
use crate::yaml::Node as Yaml;

/// A requisite as it was written.
#[derive(Clone, Debug)]
struct Request {
    node: NodeId,
    kind: RequisiteKind,
    any: bool,
    reverse: bool,
    name: String,
    span: Span,
    keyword: Keyword,
}

/// Requisites and names of a play on a host.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    ids: BTreeMap<String, (NodeId, Span, bool)>,
    open: Vec<Request>,
    spans: BTreeMap<NodeId, Span>,
}

impl Requests {
    /// The node of a state.
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.ids.get(name).map(|(node, ..)| *node)
    }

    /// The names states go by.
    pub fn names(&self) -> Vec<String> {
        self.ids.keys().cloned().collect()
    }
}

const KEYWORDS: &[(Keyword, RequisiteKind, bool, bool)] = &[
    (Keyword::Require, RequisiteKind::Require, false, false),
    (Keyword::RequireAny, RequisiteKind::Require, true, false),
    (Keyword::RequireIn, RequisiteKind::Require, false, true),
    (Keyword::Watch, RequisiteKind::Watch, false, false),
    (Keyword::WatchAny, RequisiteKind::Watch, true, false),
    (Keyword::WatchIn, RequisiteKind::Watch, false, true),
    (Keyword::OnChanges, RequisiteKind::OnChanges, false, false),
    (Keyword::OnChangesAny, RequisiteKind::OnChanges, true, false),
    (Keyword::OnChangesIn, RequisiteKind::OnChanges, false, true),
    (Keyword::OnFail, RequisiteKind::OnFail, false, false),
    (Keyword::OnFailAny, RequisiteKind::OnFail, true, false),
    (Keyword::OnFailIn, RequisiteKind::OnFail, false, true),
    (Keyword::Prereq, RequisiteKind::Prereq, false, false),
    (Keyword::PrereqAny, RequisiteKind::Prereq, true, false),
    (Keyword::PrereqIn, RequisiteKind::Prereq, false, true),
];

impl HostCompiler<'_> {
    /// Takes note of a node's names and requisites.
    pub(super) fn note_requests(&mut self, task: &Arc<Task>, frame: &Frame, node: &Node) -> Result<(), Stop> {
        self.requests.spans.insert(node.id, task.module_span);
        if let Some(id) = task.keywords.get(Keyword::Id) {
            let name = id.to_value().to_string();
            if let Some((other, span, true)) = self.requests.ids.get(&name)
                && *other != node.id
                && frame.handler.is_none()
            {
                let report = Diagnostic::error(Code::DuplicateId, format!("two states have the id `{name}`"));
                let report = report.at(id.span, "given again here").at(*span, "given first here");
                self.mistake(report.help("give each state an id of its own"));
                return Err(Stop::Mistakes);
            }
            self.requests.ids.insert(name, (node.id, id.span, true));
        }
        if let Some(name) = task.keywords.get(Keyword::Name).and_then(Yaml::text) {
            self.requests.ids.entry(name.to_owned()).or_insert((node.id, task.span, false));
        }
        self.note_listening(task, frame, node)?;
        for (keyword, kind, any, reverse) in KEYWORDS.iter().copied() {
            let Some(value) = task.keywords.get(keyword) else { continue };
            let items = value.as_list().map_or_else(|| vec![value.clone()], <[Yaml]>::to_vec);
            for item in items {
                let name = self.state_name(&item, keyword)?;
                self.requests.open.push(Request { node: node.id, kind, any, reverse, name, span: item.span, keyword });
            }
        }
        Ok(())
    }

    /// Gives the nodes that were compiled their requisites. Names that are not there yet may come in a later part.
    pub(super) fn resolve_requisites(&mut self, last: bool) -> Result<(), Stop> {
        let open = std::mem::take(&mut self.requests.open);
        for request in open {
            match self.requests.ids.get(&request.name).copied() {
                Some((target, ..)) => self.add_requisite(&request, target),
                None if !last => self.requests.open.push(request),
                None => {
                    let known = self.requests.names();
                    let help = did_you_mean(&request.name, known.iter().map(String::as_str));
                    let report =
                        Diagnostic::error(Code::RequisiteNotFound, format!("there is no state `{}`", request.name));
                    self.mistake(
                        report.at(request.span, format!("`{}` names it", request.keyword.name())).help_opt(help),
                    );
                }
            }
        }
        if self.nodes.iter().any(|node| !node.requisites.is_empty()) { self.refuse_circles() } else { Ok(()) }
    }

    fn add_requisite(&mut self, request: &Request, target: NodeId) {
        let (asking, about) = if request.reverse { (target, request.node) } else { (request.node, target) };
        // A state with `prereq` comes before the one it is about, which in turn needs it to succeed.
        let is_prereq = request.kind == RequisiteKind::Prereq;
        let (waiting, on) = if is_prereq { (about, asking) } else { (asking, about) };
        let why = Why::Requisite(format!("{}: {}", request.keyword.name(), request.name));
        // What was said beats what was inferred: an automatic edge the other way goes.
        if let Some(other) = self.nodes.iter_mut().find(|node| node.id == on) {
            other.after.retain(|edge| edge.on != waiting || !matches!(edge.why, Why::Touches(_)));
        }
        self.add_edge(waiting, on, why);
        self.require(asking, about, request.kind, request.any);
        if is_prereq {
            self.require(about, asking, RequisiteKind::Require, false);
        }
    }

    fn add_edge(&mut self, waiting: NodeId, on: NodeId, why: Why) {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == waiting) else { return };
        if !node.after.iter().any(|edge| edge.on == on && matches!(edge.why, Why::Requisite(_))) {
            node.after.retain(|edge| edge.on != on);
            node.after.push(Edge { on, why });
        }
    }

    fn require(&mut self, node: NodeId, target: NodeId, kind: RequisiteKind, any: bool) {
        let Some(node) = self.nodes.iter_mut().find(|other| other.id == node) else { return };
        match node.requisites.iter_mut().find(|r| r.kind == kind && r.any == any) {
            Some(requisite) => requisite.targets.push(target),
            None => node.requisites.push(Requisite { kind, any, targets: vec![target] }),
        }
    }

    /// Looks for states that wait for each other.
    fn refuse_circles(&mut self) -> Result<(), Stop> {
        let edges: BTreeMap<NodeId, Vec<Edge>> = self.nodes.iter().map(|node| (node.id, node.after.clone())).collect();
        let mut done = BTreeSet::new();
        for start in edges.keys() {
            let mut path: Vec<NodeId> = Vec::new();
            if let Some(circle) = visit(*start, &edges, &mut done, &mut path) {
                self.report_circle(&circle, &edges);
                return Err(Stop::Mistakes);
            }
        }
        Ok(())
    }

    fn report_circle(&mut self, circle: &[NodeId], edges: &BTreeMap<NodeId, Vec<Edge>>) {
        let names: BTreeMap<NodeId, String> = self
            .nodes
            .iter()
            .map(|node| (node.id, node.name.as_value().map_or_else(|| node.module.to_string(), Value::to_string)))
            .collect();
        let name = |id: &NodeId| names.get(id).cloned().unwrap_or_default();
        let mut report = Diagnostic::error(Code::Cycle, "these states wait for each other in a circle");
        for (i, id) in circle.iter().enumerate() {
            let next = circle.get((i + 1) % circle.len()).unwrap_or(id);
            let why =
                edges.get(id).into_iter().flatten().find(|edge| edge.on == *next).map(|edge| edge.why.to_string());
            if let Some(span) = self.requests.spans.get(id) {
                report =
                    report.at(*span, format!("`{}` waits for `{}`: {}", name(id), name(next), why.unwrap_or_default()));
            }
        }
        self.mistake(report.help("take one of these requisites away"));
    }
}

/// Depth first; gives the nodes of the first circle met.
fn visit(
    id: NodeId,
    edges: &BTreeMap<NodeId, Vec<Edge>>,
    done: &mut BTreeSet<NodeId>,
    path: &mut Vec<NodeId>,
) -> Option<Vec<NodeId>> {
    if let Some(at) = path.iter().position(|other| *other == id) {
        return path.get(at..).map(<[NodeId]>::to_vec);
    }
    if done.contains(&id) {
        return None;
    }
    path.push(id);
    for edge in edges.get(&id).into_iter().flatten() {
        if let Some(circle) = visit(edge.on, edges, done, path) {
            return Some(circle);
        }
    }
    path.pop();
    done.insert(id);
    None
}

/// The name in `- id` or, as Salt writes it, `- service: id`.
pub(super) fn requisite_name(node: &Yaml) -> Option<String> {
    match node.as_map() {
        Some([entry]) => entry.value.text().map(str::to_owned),
        Some(_) => None,
        None => node.text().map(str::to_owned),
    }
}
