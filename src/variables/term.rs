//! From YAML nodes to terms: the one place where source text becomes a template.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic};
use crate::secret::Vault;
use crate::source::{Origin, SourceMap};
use crate::template::{EvalError, Layout, Reason, Shape, Term, condition, is_comparison};
use crate::value::Value;
use crate::yaml::{Kind, Node, Scalar, Style, Tag};

/// How many characters the first line of a vaulted value has.
const FIRST_LINE: u32 = 25;

/// Makes terms of nodes.
pub struct Terms<'a> {
    /// Where text comes from.
    pub sources: &'a SourceMap,
    /// Decrypts `!vault` values.
    pub vault: &'a Vault,
    /// Takes what is wrong.
    pub report: &'a dyn Fn(Diagnostic),
}

impl Terms<'_> {
    /// The term of a node.
    pub fn term(&self, node: &Node) -> Term {
        match &node.kind {
            Kind::Scalar(scalar) => self.scalar(node, scalar),
            Kind::List(items) => Term::list(items.iter().map(|item| self.term(item)).collect()),
            Kind::Map(entries) => {
                let pair = |e: &crate::yaml::Entry| {
                    let origin = self.sources.origin(e.key_span);
                    (Term::from_text(&e.key, origin, Layout::default()), self.term(&e.value))
                };
                Term::map(entries.iter().map(pair).collect())
            }
        }
    }

    /// The term of a condition: an expression without markers. Markers are accepted as far as they mean one.
    pub fn condition(&self, node: &Node) -> Vec<Term> {
        match &node.kind {
            Kind::List(items) => items.iter().flat_map(|item| self.condition(item)).collect(),
            Kind::Scalar(scalar) if !matches!(scalar.resolve(), Value::Str(_)) => vec![Term::Value(scalar.resolve())],
            Kind::Scalar(scalar) => {
                if scalar.tag != Tag::None {
                    return vec![self.scalar(node, scalar)];
                }
                let (origin, layout) = content_origin(self.sources, node, scalar);
                let term = condition(&scalar.text, origin, layout);
                if matches!(&term, Ok(Term::Template(it)) if it.shape == Shape::Condition && is_comparison(&it.text)) {
                    let report = Diagnostic::warning(Code::NonBooleanCondition, "a condition is an expression already");
                    (self.report)(report.at(node.span, "").help("leave the `{{ }}` away"));
                }
                vec![term.unwrap_or_else(|markers| self.marked(node, scalar, markers))]
            }
            Kind::Map(_) => vec![self.term(node)],
        }
    }

    /// Markers in the middle of a condition: it has no meaning, in Ansible either.
    fn marked(&self, node: &Node, scalar: &Scalar, markers: Range<usize>) -> Term {
        let (origin, layout) = content_origin(self.sources, node, scalar);
        let place = layout.place(&origin, &scalar.text, markers.start);
        let length = markers.len() as u32;
        let span = self.sources.span_at(&place, length).unwrap_or(node.span);
        let message = format!("a condition is an expression already, without `{}`", &scalar.text[markers]);
        let help = "leave the markers away; to put texts together write `'a' ~ b`";
        (self.report)(Diagnostic::error(Code::TemplateSyntax, message.clone()).at(span, "").help(help));
        Term::Failed(Arc::new(EvalError {
            reason: Reason::Syntax,
            place: Some((place, length)),
            help: Some(help.to_owned()),
            ..EvalError::failed(message)
        }))
    }

    fn scalar(&self, node: &Node, scalar: &Scalar) -> Term {
        match scalar.tag {
            Tag::Vault => match self.vault.decrypt(&scalar.text) {
                Ok(text) => Term::Value(Value::from(text)),
                // A value nobody uses needs no password.
                Err(error) => Term::Failed(Arc::new(EvalError {
                    reason: Reason::Vault,
                    place: Some((self.sources.origin(node.span), FIRST_LINE)),
                    help: Some(error.help()),
                    ..EvalError::failed(format!("cannot decrypt this value: {error}"))
                })),
            },
            Tag::Unsafe | Tag::Binary => Term::Value(Value::Str(scalar.text.clone())),
            _ => match scalar.resolve() {
                Value::Str(text) => {
                    let (origin, layout) = content_origin(self.sources, node, scalar);
                    Term::from_text(&text, origin, layout)
                }
                data => Term::Value(data),
            },
        }
    }
}

/// Where the first character of a scalar's text stands, and how the others follow.
pub fn content_origin(sources: &SourceMap, node: &Node, scalar: &Scalar) -> (Origin, Layout) {
    let file = sources.file(node.span.file);
    let place = |offset: u32| file.line_col(scalar.place(offset as usize, node.span.start));
    let (line, col) = place(0);
    let origin = Origin { file: file.name.clone(), line, col };
    let indent = if scalar.style == Style::Block { col - 1 } else { 0 };
    let turns = scalar.places.turns().iter().map(|(offset, _)| {
        let (line, col) = place(*offset);
        (*offset, line, col)
    });
    let layout = Layout::new(&scalar.text, &origin, indent, turns);
    (origin, layout)
}
