//! The texts a project holds: what a variable comes to is a condition only if it is one of them.
//!
//! Invariant: only scalars of YAML files count, as a whole; what a task finds out, what a script prints and what is typed behind
//! `-e` is none of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::diagnostic::Diagnostics;
use crate::source::SourceMap;
use crate::template::{Term, condition};
use crate::variables::content_origin;
use crate::yaml::{self, Kind, Node, Tag};

/// The texts of the files that were read, found when somebody asks for one.
#[derive(Default)]
pub struct Literals(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// How many files were looked through.
    files: usize,
    terms: HashMap<Arc<str>, Term>,
}

impl Literals {
    /// The condition that is written so in a file of the project, where it stands there.
    pub fn condition(&self, text: &str, sources: &SourceMap) -> Option<Term> {
        let mut known = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let all = sources.ids();
        for id in all.iter().skip(known.files) {
            let name = sources.file(*id).path.clone();
            if name.extension().is_some_and(|e| e == "yml" || e == "yaml" || e == "json") {
                // Its mistakes were reported when it was read.
                for document in yaml::load(sources, *id, &mut Diagnostics::default()) {
                    collect(&document, sources, &mut known.terms);
                }
            }
        }
        known.files = all.len();
        known.terms.get(text).cloned()
    }
}

fn collect(node: &Node, sources: &SourceMap, terms: &mut HashMap<Arc<str>, Term>) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| collect(item, sources, terms)),
        Kind::Map(entries) => entries.iter().for_each(|entry| collect(&entry.value, sources, terms)),
        // What is marked as data stays data; what holds templates is no literal.
        Kind::Scalar(scalar)
            if matches!(scalar.tag, Tag::None | Tag::Str)
                && !scalar.text.contains("{{")
                && !scalar.text.contains("{%") =>
        {
            let (origin, layout) = content_origin(sources, node, scalar);
            if let Ok(term) = condition(&scalar.text, origin, layout) {
                terms.entry(scalar.text.clone()).or_insert(term);
            }
        }
        Kind::Scalar(_) => {}
    }
}
