//! What is known of variables before any host is: those given with `-e`, and those of the play itself.

use std::sync::Arc;

use super::Project;
use super::lookups::Reach;
use super::scope::Names;
use crate::parse::{Keyword, Play};
use crate::template::{EvalError, Term, TermScope};
use crate::value::Value;
use crate::variables::{Layer, LayerKind, Terms};
use crate::yaml::Node as Yaml;

/// Whether a play says that it gathers facts, or that it does not.
pub fn says_gathering(project: &Arc<Project>, play: &Play) -> Option<bool> {
    let said = play_keyword(project, play, Keyword::GatherFacts).ok().flatten();
    said.map(|value| crate::apply_truth(&value))
}

/// The value of a keyword of a play, which may be an expression; `None` where the play does not say it.
///
/// # Errors
/// Where it cannot be evaluated with what is known this early.
pub fn play_keyword(project: &Arc<Project>, play: &Play, keyword: Keyword) -> Result<Option<Value>, EvalError> {
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
    let names = Names {
        magic: Arc::new(|_| None),
        magic_names: &[],
        layers: std::iter::once(project.extra.clone()).chain(layers).collect(),
        runtime: Arc::default(),
        locals: Vec::new(),
        facts_unknown: false,
        open: None,
        reach: Reach::outside(project, &play.dir, false),
    };
    TermScope::new(project.engine.clone(), Arc::new(names)).evaluate(&term).map(Some)
}
