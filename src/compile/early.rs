//! What is known of variables before any host is: those given with `-e`, and those of the play itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Project;
use crate::parse::{Keyword, Play};
use crate::template::{Bindings, EvalError, Term, TermScope};
use crate::value::Value;
use crate::variables::{Layer, LayerKind, Terms};
use crate::yaml::Node as Yaml;

/// Layers of variables, the strongest first.
struct Early(Vec<Arc<Layer>>);

impl Bindings for Early {
    fn binding(&self, name: &str) -> Option<Term> {
        self.0.iter().find_map(|layer| layer.get(name)).map(|definition| definition.term.clone())
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.iter().flat_map(|layer| layer.entries.keys()).map(ToString::to_string).collect()
    }
}

/// The value of a keyword of a play, which may be an expression; `None` where the play does not say it.
///
/// # Errors
/// Where it cannot be evaluated with what is known this early.
pub fn play_keyword(project: &Project, play: &Play, keyword: Keyword) -> Result<Option<Value>, EvalError> {
    let Some(node) = play.keywords.get(keyword) else { return Ok(None) };
    let ignore = |_| {};
    let terms = Terms { sources: &project.files.sources, vault: &project.files.vault, report: &ignore };
    let term = terms.term(node);
    if let Term::Value(value) = term {
        return Ok(Some(value));
    }
    let vars = |node: &Yaml| {
        let entries = node.as_map().unwrap_or_default().iter().map(|entry| {
            let origin = Some(project.files.sources.origin(entry.value.span));
            (entry.key.clone(), crate::variables::Definition { term: terms.term(&entry.value), origin })
        });
        Arc::new(Layer { kind: LayerKind::Play, entries: entries.collect() })
    };
    let given = std::iter::once(&play.keywords).chain(play.imported.iter().rev());
    let layers = given.filter_map(|keywords| keywords.get(Keyword::Vars)).map(vars);
    let layers = std::iter::once(project.extra.clone()).chain(layers).collect();
    TermScope::new(project.engine.clone(), Arc::new(Early(layers))).evaluate(&term).map(Some)
}
