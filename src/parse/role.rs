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

/// Where a role comes from, in a list that is meant for ansible-galaxy too.
const SOURCE: &str = "src";

/// The name of a role out of where it comes from: `https://host/anna/ansible-web.git,v1.2` is `ansible-web`.
fn of_source(node: &Node) -> Node {
    let Kind::Scalar(scalar) = &node.kind else { return node.clone() };
    let mut parts = scalar.text.split(',');
    let (source, named) = (parts.next().unwrap_or_default(), parts.nth(1));
    let is_url = source.contains("://") || source.contains('@');
    let last = if is_url { source.rsplit('/').next().unwrap_or_default() } else { source };
    let last = last.strip_suffix(".git").or_else(|| last.strip_suffix(".tar.gz")).unwrap_or(last);
    let text = Arc::from(named.unwrap_or(last));
    Node { kind: Kind::Scalar(crate::yaml::Scalar { text, ..scalar.clone() }), ..node.clone() }
}

impl RoleRef {
    /// Reads an entry of `roles` or of `dependencies`.
    pub fn parse(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.kind {
            Kind::Scalar(_) => Some(Self { name: node.clone(), keywords: Keywords::default(), params: Vec::new() }),
            Kind::Map(entries) => {
                let named = node.get("role").or_else(|| node.get("name")).cloned();
                let Some(name) = named.or_else(|| node.get(SOURCE).map(of_source)) else {
                    let start = Span { end: node.span.start + 1, ..node.span };
                    let report =
                        Diagnostic::error(Code::WrongShape, "this entry of `roles` names no role").at(start, "");
                    diagnostics.push(report.help("write `- role: NAME`"));
                    return None;
                };
                let mut keywords = Keywords::default();
                let mut params = Vec::new();
                for entry in entries.iter() {
                    let is_name = matches!(entry.key.as_ref(), "role" | "name")
                        // Where it is installed from is no business of a run.
                        || (node.get("role").is_none() && matches!(entry.key.as_ref(), SOURCE | "version" | "scm"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_called_as_where_it_comes_from() {
        let table = [
            ("src: geerlingguy.nginx", "geerlingguy.nginx"),
            ("src: geerlingguy.nginx,1.2.3", "geerlingguy.nginx"),
            ("src: 'geerlingguy.nginx,1.2.3,web'", "web"),
            ("src: https://example.org/anna/ansible-web.git", "ansible-web"),
            ("src: git@example.org:anna/web.git", "web"),
            ("src: https://example.org/web.tar.gz", "web"),
            ("{ src: https://example.org/web.git, name: own, version: v1 }", "own"),
        ];
        for (text, name) in table {
            let sources = crate::source::SourceMap::default();
            let file = sources.add(std::path::Path::new("main.yml"), text);
            let mut diagnostics = Diagnostics::default();
            let node = crate::yaml::load(&sources, file, &mut diagnostics).remove(0);
            let role = RoleRef::parse(&node, &mut diagnostics).unwrap();
            assert_eq!((role.name.text(), role.params.len()), (Some(name), 0), "{text}");
        }
    }
}
