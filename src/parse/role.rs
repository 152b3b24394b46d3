//! Roles: how they are named in a play, and what their directories hold.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::VarsFile;
use super::keywords::{Keywords, levels};
use super::meta::Meta;
use super::task::Item;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::Span;
use crate::yaml::{Entry, Kind, Node};

/// A role named by a play or another role.
#[derive(Clone, Debug)]
pub struct RoleRef {
    /// Its name.
    pub name: Node,
    /// Keywords.
    pub keywords: Keywords,
    /// Parameters: every key that is no keyword.
    pub params: Vec<Entry>,
}

/// A role that was read.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: Arc<str>,
    /// Its directory.
    pub path: PathBuf,
    /// `defaults/main.yml`
    pub defaults: Arc<VarsFile>,
    /// `vars/main.yml`
    pub vars: Arc<VarsFile>,
    /// `tasks/main.yml`
    pub tasks: Arc<Vec<Item>>,
    /// `handlers/main.yml`
    pub handlers: Arc<Vec<Item>>,
    /// What it says of itself.
    pub meta: Meta,
}

impl RoleRef {
    /// Reads an entry of `roles` or of `dependencies`.
    pub fn parse(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.kind {
            Kind::Scalar(_) => Some(Self { name: node.clone(), keywords: Keywords::default(), params: Vec::new() }),
            Kind::Map(entries) => {
                let Some(name) = node.get("role").or_else(|| node.get("name")).cloned() else {
                    let start = Span { end: node.span.start + 1, ..node.span };
                    let report =
                        Diagnostic::error(Code::WrongShape, "this entry of `roles` names no role").at(start, "");
                    diagnostics.push(report.help("write `- role: NAME`"));
                    return None;
                };
                let mut keywords = Keywords::default();
                let mut params = Vec::new();
                for entry in entries.iter() {
                    let is_name = matches!(entry.key.as_ref(), "role" | "name");
                    if !is_name && !keywords.take(entry, levels::ROLE, diagnostics) {
                        params.push(entry.clone());
                    }
                }
                Some(Self { name, keywords, params })
            }
            Kind::List(_) => {
                let report = Diagnostic::error(Code::WrongShape, "expected a role, found a list").at(node.span, "");
                diagnostics.push(report);
                None
            }
        }
    }
}
