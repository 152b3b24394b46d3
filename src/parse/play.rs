//! Playbooks and plays.

use std::path::PathBuf;
use std::sync::Arc;

use super::keywords::{Keyword, Keywords, levels, unknown};
use super::role::RoleRef;
use super::task::{Item, parse_items};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::Span;
use crate::yaml::{Entry, Kind, Node};

/// A playbook.
#[derive(Clone, Debug)]
pub struct Playbook {
    /// The directory it is in.
    pub dir: PathBuf,
    /// What it holds.
    pub entries: Vec<PlaybookEntry>,
}

/// An entry of a playbook.
#[derive(Clone, Debug)]
pub enum PlaybookEntry {
    /// A play.
    Play(Arc<Play>),
    /// Another playbook, by its path as written, and what holds for all its plays.
    Import(Node, Keywords),
}

/// A play.
#[derive(Debug)]
pub struct Play {
    /// The whole of it.
    pub span: Span,
    /// The directory of its playbook.
    pub dir: PathBuf,
    /// Its keywords.
    pub keywords: Keywords,
    /// What the imports it came through say: variables, conditions and tags, outermost first.
    pub imported: Vec<Keywords>,
    /// The answers to `vars_prompt`, once they were given.
    pub prompted: std::sync::OnceLock<Vec<(String, crate::value::Value)>>,
    /// Its hosts.
    pub hosts: Node,
    /// Tasks before the roles.
    pub pre_tasks: Vec<Item>,
    /// Roles.
    pub roles: Vec<RoleRef>,
    /// Tasks.
    pub tasks: Vec<Item>,
    /// Tasks after all.
    pub post_tasks: Vec<Item>,
    /// Handlers.
    pub handlers: Vec<Item>,
}

impl Playbook {
    /// Reads the documents of a playbook file.
    pub fn parse(documents: &[Node], dir: PathBuf, diagnostics: &mut Diagnostics) -> Self {
        let mut entries = Vec::new();
        for document in documents {
            let Some(items) = document.as_list() else {
                if !document.is_null() {
                    let message = format!("a playbook is a list of plays; found {}", document.type_name());
                    let report = Diagnostic::error(Code::WrongShape, message).at(document.span, "");
                    diagnostics.push(report.help("start each play with `- hosts: …`"));
                }
                continue;
            };
            entries.extend(items.iter().filter_map(|item| parse_entry(item, &dir, diagnostics)));
        }
        Self { dir, entries }
    }
}

fn parse_entry(node: &Node, dir: &std::path::Path, diagnostics: &mut Diagnostics) -> Option<PlaybookEntry> {
    let Some(entries) = node.as_map() else {
        let message = format!("expected a play, found {}", node.type_name());
        diagnostics
            .push(Diagnostic::error(Code::WrongShape, message).at(node.span, "a play is a mapping with `hosts`"));
        return None;
    };
    for key in ["import_playbook", "ansible.builtin.import_playbook", "ansible.legacy.import_playbook"] {
        if let Some(path) = node.get(key) {
            let mut keywords = Keywords::default();
            let allowed = ["name", "vars", "when", "tags"];
            for entry in entries.iter().filter(|entry| entry.key.as_ref() != key) {
                // A condition is no keyword of plays, but of imports it is.
                let known = allowed.contains(&entry.key.as_ref())
                    && keywords.take(entry, levels::PLAY | levels::TASK, diagnostics);
                if !known {
                    unknown(entry, levels::PLAY, "an import of a playbook", &allowed, diagnostics);
                }
            }
            if path.as_scalar().is_none() || path.is_null() {
                let message = format!("`{key}` is the path of a playbook; found {}", path.type_name());
                diagnostics.push(Diagnostic::error(Code::WrongShape, message).at(path.span, ""));
                return None;
            }
            return Some(PlaybookEntry::Import(path.clone(), keywords));
        }
    }
    let Some(hosts) = node.get("hosts").cloned() else {
        let start = Span { end: node.span.start + 1, ..node.span };
        let report = Diagnostic::error(Code::WrongShape, "this play has no `hosts`").at(start, "");
        diagnostics.push(report.help("say which hosts it is for: `hosts: all`"));
        return None;
    };
    let mut play = Play {
        span: node.span,
        dir: dir.to_path_buf(),
        keywords: Keywords::default(),
        imported: Vec::new(),
        prompted: std::sync::OnceLock::new(),
        hosts,
        pre_tasks: Vec::new(),
        roles: Vec::new(),
        tasks: Vec::new(),
        post_tasks: Vec::new(),
        handlers: Vec::new(),
    };
    for entry in entries {
        match entry.key.as_ref() {
            "pre_tasks" => play.pre_tasks = parse_items(&entry.value, diagnostics),
            "tasks" => play.tasks = parse_items(&entry.value, diagnostics),
            "post_tasks" => play.post_tasks = parse_items(&entry.value, diagnostics),
            "handlers" => play.handlers = parse_items(&entry.value, diagnostics),
            "roles" => play.roles = parse_roles(&entry.value, diagnostics),
            // What `remote_user` was called long ago.
            "user" => old_user(entry, node, &mut play.keywords, diagnostics),
            _ if play.keywords.take(entry, levels::PLAY, diagnostics) => {}
            _ => unknown(entry, levels::PLAY, "a play", &[], diagnostics),
        }
    }
    Some(PlaybookEntry::Play(Arc::new(play)))
}

fn old_user(entry: &Entry, play: &Node, keywords: &mut Keywords, diagnostics: &mut Diagnostics) {
    if play.get("remote_user").is_some() {
        let message = "both `user` and `remote_user` are set for this play";
        let report = Diagnostic::error(Code::WrongShape, message).at(entry.key_span, "");
        diagnostics.push(report.help("`user` is the old name of `remote_user`: remove it"));
        return;
    }
    let entry = Entry { key: Arc::from("remote_user"), ..entry.clone() };
    keywords.take(&entry, levels::PLAY, diagnostics);
}

/// Reads `roles` or `dependencies`.
pub fn parse_roles(node: &Node, diagnostics: &mut Diagnostics) -> Vec<RoleRef> {
    match &node.kind {
        Kind::List(items) => items.iter().filter_map(|item| RoleRef::parse(item, diagnostics)).collect(),
        _ if node.is_null() => Vec::new(),
        _ => {
            let message = format!("expected a list of roles, found {}", node.type_name());
            diagnostics.push(Diagnostic::error(Code::WrongShape, message).at(node.span, ""));
            Vec::new()
        }
    }
}

impl Play {
    /// The name, or the pattern of its hosts.
    pub fn title(&self) -> String {
        let name = self.keywords.get(Keyword::Name).and_then(Node::text).filter(|n| !n.is_empty());
        name.or_else(|| self.hosts.text()).unwrap_or("play").to_owned()
    }
}
