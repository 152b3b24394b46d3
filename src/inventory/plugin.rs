//! Inventories that are made from others: YAML files with `plugin: constructed` or `plugin: generator`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Inventory, constructed, generator};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::Files;
use crate::source::Span;
use crate::template::{Bindings, Engine, EvalError, Reason, Term, TermScope};
use crate::value::Value;
use crate::variables::Layer;
use crate::yaml::{Entry, Node};

/// Reads a file that names a plugin.
pub fn read(name: &Node, node: &Node, files: &Files, extra: Option<&Arc<Layer>>, inventory: &mut Inventory) {
    let text = name.text().unwrap_or_default();
    match text.strip_prefix("ansible.builtin.").unwrap_or(text) {
        "constructed" => constructed::read(node, files, extra, inventory),
        "generator" => generator::read(node, files, inventory),
        other => {
            let message = format!("cfg has no inventory plugin `{text}`");
            let help = did_you_mean(other, ["constructed", "generator"]).unwrap_or_else(|| {
                "cfg has `constructed` and `generator`; others can be put behind a script that prints JSON".into()
            });
            files.report(Diagnostic::error(Code::BadInventory, message).at(name.span, "").help(help));
        }
    }
}

/// Reports the keys of a mapping that nothing reads.
pub(super) fn check_keys(entries: &[Entry], known: &[&str], files: &Files) {
    for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_ref())) {
        let help = did_you_mean(&entry.key, known.iter().copied());
        let help = help.unwrap_or_else(|| format!("there are {}", known.join(", ")));
        let message = format!("`{}` is not an option here", entry.key);
        files.report(Diagnostic::error(Code::BadInventory, message).at(entry.key_span, "").help(help));
    }
}

/// The entries of a mapping that may be missing.
pub(super) fn map<'n>(node: Option<&'n Node>, what: &str, files: &Files) -> &'n [Entry] {
    let Some(node) = node.filter(|node| !node.is_null()) else { return &[] };
    node.as_map().unwrap_or_else(|| {
        wrong(files, node.span, format!("`{what}` is {}; expected a mapping", node.type_name()));
        &[]
    })
}

/// The items of a list that may be missing.
pub(super) fn list<'n>(node: Option<&'n Node>, what: &str, files: &Files) -> &'n [Node] {
    let Some(node) = node.filter(|node| !node.is_null()) else { return &[] };
    node.as_list().unwrap_or_else(|| {
        wrong(files, node.span, format!("`{what}` is {}; expected a list", node.type_name()));
        &[]
    })
}

/// Reports something at a place.
pub(super) fn wrong(files: &Files, at: Span, message: impl Into<String>) {
    files.report(Diagnostic::error(Code::BadInventory, message).at(at, ""));
}

/// The code of a failed expression, wherever it stands.
pub fn code_of(reason: &Reason) -> Code {
    match reason {
        Reason::Undefined(_) => Code::UndefinedVariable,
        Reason::Syntax => Code::TemplateSyntax,
        Reason::UnknownName(_) => Code::UnknownFilter,
        Reason::Loop => Code::VariableLoop,
        Reason::Vault => Code::Vault,
        Reason::Misuse | Reason::Failed => Code::TemplateFailed,
    }
}

/// Reports an expression that failed, at the part of it that did.
pub(super) fn failed(files: &Files, at: Span, error: &EvalError, more: &str) {
    let place = error.place.as_ref().and_then(|(origin, length)| files.sources.span_at(origin, *length)).unwrap_or(at);
    let code = code_of(&error.reason);
    let more = if code == Code::UndefinedVariable { more } else { "" };
    let report = Diagnostic::error(code, format!("{}{more}", error.message)).at(place, "");
    files.report(report.help_opt(error.help.clone()));
}

/// Layers of variables, the strongest first, for expressions of a plugin.
pub(super) struct Variables(pub Vec<Arc<Layer>>);

impl Bindings for Variables {
    fn binding(&self, name: &str) -> Option<Term> {
        self.0.iter().find_map(|layer| layer.get(name)).map(|definition| definition.term.clone())
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.iter().flat_map(|layer| layer.entries.keys().map(ToString::to_string)).collect()
    }

    fn condition(&self, _text: &str) -> Option<Term> {
        None
    }
}

/// A scope over layers, the strongest first.
pub(super) fn scope(engine: &Arc<Engine>, layers: Vec<Arc<Layer>>) -> Arc<TermScope> {
    TermScope::new(engine.clone(), Arc::new(Variables(layers)))
}

/// A template of the text of a node.
pub(super) fn template(node: &Node, files: &Files) -> Term {
    let report = |diagnostic| files.report(diagnostic);
    super::load::terms(files, &report).term(node)
}

/// An expression: the text of a node without braces. What is no text is what it is.
pub(super) fn expression(node: &Node, files: &Files) -> Term {
    match node.as_scalar() {
        Some(scalar) if matches!(scalar.resolve(), Value::Str(_)) => {
            let (origin, layout) = crate::variables::content_origin(&files.sources, node, scalar);
            Term::expression(&scalar.text, origin, layout)
        }
        _ => template(node, files),
    }
}

/// A name as groups made by plugins have it: letters, digits and underscores.
pub(super) fn group_name(text: &str) -> String {
    let fits = |i: usize, c: char| c == '_' || c.is_ascii_alphabetic() || (c.is_ascii_digit() && i > 0);
    text.chars().enumerate().map(|(i, c)| if fits(i, c) { c } else { '_' }).collect()
}
