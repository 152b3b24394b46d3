//! A collection that is asked for while it is evaluated: `paths: { root: /srv, logs: "{{ paths.root }}/logs" }`.
//!
//! Invariant: each of its parts is evaluated on its own and once; a part that needs itself is a loop.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja};

use super::convert::placed;
use super::scope::Scope;
use super::term::Term;
use super::trace;

/// The collection, and where in the variables it stands.
pub struct Open {
    pub scope: Arc<dyn Scope>,
    pub path: Arc<str>,
    pub term: Term,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)
    }
}

impl Open {
    fn part(&self, path: String, term: &Term) -> Jinja {
        let path: Arc<str> = Arc::from(path);
        match term {
            Term::Map(_) | Term::List(_) => {
                Jinja::from_object(Self { scope: self.scope.clone(), path, term: term.clone() })
            }
            _ => match self.scope.part(&path, term) {
                Ok(value) => placed(&value, || Some(path)),
                Err(error) => trace::unavailable(&path, error),
            },
        }
    }

    /// The keys of a mapping. One that is an expression is none that its own collection could be asked for.
    fn entries(&self) -> impl Iterator<Item = (String, &Term)> {
        let entries = if let Term::Map(entries) = &self.term { entries.as_slice() } else { &[] };
        entries.iter().filter_map(|(key, value)| Some((key.as_value()?.to_string(), value)))
    }
}

impl Object for Open {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(self.term, Term::List(_)) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        if let Term::List(items) = &self.term {
            let at = key.as_usize()?;
            let path = format!("{}[{at}]", self.path);
            return Some(
                items.get(at).map_or_else(|| trace::missing(path.clone(), None), |item| self.part(path.clone(), item)),
            );
        }
        let key = key.to_string();
        let path = format!("{}.{key}", self.path);
        let found = self.entries().find(|(name, _)| *name == key).map(|(_, term)| self.part(path.clone(), term));
        Some(found.unwrap_or_else(|| trace::missing(path, None)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.term {
            Term::List(items) => Enumerator::Seq(items.len()),
            _ => Enumerator::Values(self.entries().map(|(key, _)| Jinja::from(key)).collect()),
        }
    }
}
