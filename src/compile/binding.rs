//! The variables that travel with a node: those its terms name, through the variables those name.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::host::HostCompiler;
use super::scope::Names;
use crate::graph::Binding;
use crate::template::{ANSWERS, Scope, Term, TermScope};
use crate::value::Value;
use crate::variables::LayerKind;

/// What templates ask for.
#[derive(Default)]
struct Asked {
    /// Names that were not looked at yet.
    names: Vec<String>,
    /// Something is looked up.
    lookups: bool,
}

impl HostCompiler<'_> {
    /// The variables the terms name, through the variables those name: what has to travel with a node. Gives where they are
    /// among the bindings of the segment, and all names.
    pub(super) fn bind(
        &mut self,
        terms: &[&Term],
        names: &Names,
        scope: &Arc<TermScope>,
    ) -> (Vec<u32>, BTreeSet<String>) {
        let mut asked = Asked::default();
        terms.iter().for_each(|term| self.note_asked(term, scope, &mut asked));
        let mut seen = BTreeSet::new();
        let mut indices = Vec::new();
        while let Some(name) = asked.names.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let Some((term, strong)) = self.meaning(&name, names, scope) else { continue };
            self.note_asked(&term, scope, &mut asked);
            indices.push(self.intern(Binding { name, term, strong }));
        }
        if asked.lookups
            && let Some(answers) = self.lookups.answers()
        {
            let term = Term::Value(answers);
            indices.push(self.intern(Binding { name: ANSWERS.to_owned(), term, strong: true }));
        }
        indices.sort_unstable();
        (indices, seen)
    }

    /// Notes what the templates of a term ask for.
    fn note_asked(&self, term: &Term, scope: &Arc<TermScope>, asked: &mut Asked) {
        let engine = &self.project.engine;
        term.for_each_template(&mut |template| {
            if looks_up(&template.text) {
                asked.lookups = true;
                // So that what it looks up is known, as far as it can be; a failure is that of the task.
                drop(engine.evaluate_template(template, &(scope.clone() as Arc<dyn Scope>)));
            }
            asked.names.extend(engine.names_in(template));
        });
    }

    /// What a name means on the target, and whether that is stronger than what tasks set there. Nothing for what the target
    /// knows itself and for what nobody knows yet.
    fn meaning(&self, name: &str, names: &Names, scope: &Arc<TermScope>) -> Option<(Term, bool)> {
        let (term, kind) = names.find(name)?;
        let term = match scope.get(name) {
            Ok(Some(value)) if !value.has_unknown() => Term::Value(value),
            _ => term,
        };
        let open = matches!(&term, Term::Value(value) if value.has_unknown());
        if open && kind == Some(LayerKind::SetFact) {
            // A task may set it, or may not: then it means what it meant before.
            if let Some(term) = names.beneath(name) {
                return Some((term, false));
            }
            // In a plan what another host has found out for this one may be known after apply; its own agent cannot say so.
            if self.project.plan && !self.expected.contains_key(name) {
                return Some((term, false));
            }
        }
        // Of the variables of hosts a part may be open; the rest is known.
        if name == "hostvars" && open && term != Term::Value(Value::Unknown) {
            return Some((term, true));
        }
        // What does not exist yet does not travel; but that it may exist does.
        let may_come = self.open_ended && kind == Some(LayerKind::RoleDefaults);
        if kind == Some(LayerKind::Facts) || (open && !may_come) {
            return None;
        }
        Some((term, kind.is_some_and(|kind| kind >= LayerKind::RoleParams)))
    }

    fn intern(&mut self, binding: Binding) -> u32 {
        let known = self.binding_index.entry(binding.name.clone()).or_default();
        for index in known.iter() {
            if self.bindings.get(*index as usize) == Some(&binding) {
                return *index;
            }
        }
        let index = self.bindings.len() as u32;
        known.push(index);
        self.bindings.push(binding);
        index
    }
}

const PATH_WORDS: &[&str] = &["directory", "is_dir", "exist", "file", "link", "mount"];

/// Says whether the text of a template may call a lookup.
pub(super) fn looks_up(text: &str) -> bool {
    let calls =
        ["fileglob", "lookup(", "query(", "q(", "lookup (", "query (", "q ("].iter().any(|call| text.contains(call));
    // `is file` and its kin are lookups too.
    let tests = [" is ", "select", "reject"].iter().any(|word| text.contains(word));
    calls || (tests && PATH_WORDS.iter().any(|word| text.contains(word)))
}
