//! Where names get their values: layers of terms, evaluated when they are asked for.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use super::engine::Engine;
use super::error::{EvalError, Reason};
use super::lookup::{Lookup, LookupCall};
use super::term::{Template, Term};
use crate::value::Value;

/// Gives names their values during an evaluation.
pub trait Scope: Send + Sync {
    /// The value of a name; `None` where it is not defined.
    ///
    /// # Errors
    /// Where the name is defined by an expression that fails.
    fn get(&self, name: &str) -> Result<Option<Value>, EvalError>;

    /// The names that are defined, for suggestions.
    fn names(&self) -> BTreeSet<String>;

    /// Runs a lookup plugin.
    ///
    /// # Errors
    /// Where the lookup fails or cannot be made here.
    fn lookup(&self, call: &LookupCall) -> Result<Lookup, EvalError>;

    /// The condition a text is; `None` where it is not known to stand in the project.
    fn condition(&self, text: &str) -> Option<Term>;

    /// The collection a name is bound to that is being evaluated right now: its parts can be had one by one.
    fn open(&self, name: &str) -> Option<Term>;

    /// The value of a part of such a collection, by its path.
    ///
    /// # Errors
    /// Where it fails, or needs itself.
    fn part(&self, path: &str, term: &Term) -> Result<Value, EvalError>;
}

/// A source of terms by name: one layered view of variables.
pub trait Bindings: Send + Sync {
    /// The term a name is bound to.
    fn binding(&self, name: &str) -> Option<Term>;

    /// The names that are bound.
    fn names(&self) -> BTreeSet<String>;

    /// Runs a lookup plugin.
    ///
    /// # Errors
    /// Where the lookup fails or cannot be made here.
    fn lookup(&self, call: &LookupCall, scope: &dyn Scope) -> Result<Lookup, EvalError> {
        let _ = scope;
        super::lookup::answered(call, self.binding(super::lookup::ANSWERS))
    }

    /// The condition a text is; `None` where it is not known to stand in the project.
    fn condition(&self, text: &str) -> Option<Term>;
}

/// A [`Scope`] over [`Bindings`]: evaluates a binding the first time it is asked for, and detects loops.
pub struct TermScope {
    engine: Arc<Engine>,
    bindings: Arc<dyn Bindings>,
    state: Mutex<State>,
    me: std::sync::Weak<TermScope>,
}

#[derive(Default)]
struct State {
    done: HashMap<String, Result<Option<Value>, EvalError>>,
    running: Vec<String>,
}

impl TermScope {
    /// Makes a scope. What it has evaluated stays valid as long as the bindings do not change.
    pub fn new(engine: Arc<Engine>, bindings: Arc<dyn Bindings>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self { engine, bindings, state: Mutex::default(), me: me.clone() })
    }

    /// Evaluates a term in this scope.
    ///
    /// # Errors
    /// Where an expression in it fails.
    pub fn evaluate(self: &Arc<Self>, term: &Term) -> Result<Value, EvalError> {
        self.engine.evaluate(term, &(self.clone() as Arc<dyn Scope>))
    }

    /// What a text says that a condition in markers came to.
    ///
    /// # Errors
    /// Where it is data.
    pub fn condition_of(self: &Arc<Self>, template: &Template, text: &str) -> Result<Term, EvalError> {
        super::engine::condition_of(template, text, self.as_ref())
    }

    /// The engine expressions are evaluated with.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The bindings names are looked up in.
    pub fn bindings(&self) -> &Arc<dyn Bindings> {
        &self.bindings
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Evaluates what a name or a path stands for, once.
    fn running(self: &Arc<Self>, name: &str, term: &Term) -> Result<Option<Value>, EvalError> {
        self.enter(name)?;
        let result = self.evaluate(term).map(Some).map_err(|error| error.via(name, term.origin().cloned()));
        let mut state = self.state();
        state.running.pop();
        state.done.insert(name.to_owned(), result.clone());
        result
    }

    fn enter(&self, name: &str) -> Result<(), EvalError> {
        let mut state = self.state();
        if let Some(at) = state.running.iter().position(|running| running == name) {
            let mut circle: Vec<_> = state.running.iter().skip(at).map(|n| format!("`{n}`")).collect();
            circle.push(format!("`{name}`"));
            let message = format!("variables are defined in terms of each other: {}", circle.join(" → "));
            return Err(EvalError { reason: Reason::Loop, ..EvalError::failed(message) });
        }
        state.running.push(name.to_owned());
        Ok(())
    }
}

impl Scope for TermScope {
    fn get(&self, name: &str) -> Result<Option<Value>, EvalError> {
        if let Some(done) = self.state().done.get(name) {
            return done.clone();
        }
        let Some(term) = self.bindings.binding(name) else { return Ok(None) };
        let Some(me) = self.me.upgrade() else { return Ok(None) };
        if let Term::Value(value) = term {
            return Ok(Some(value));
        }
        me.running(name, &term)
    }

    fn names(&self) -> BTreeSet<String> {
        self.bindings.names()
    }

    fn lookup(&self, call: &LookupCall) -> Result<Lookup, EvalError> {
        self.bindings.lookup(call, self)
    }

    fn condition(&self, text: &str) -> Option<Term> {
        self.bindings.condition(text)
    }

    fn open(&self, name: &str) -> Option<Term> {
        self.state().running.iter().any(|running| running == name).then_some(())?;
        self.bindings.binding(name).filter(|term| matches!(term, Term::Map(_) | Term::List(_)))
    }

    fn part(&self, path: &str, term: &Term) -> Result<Value, EvalError> {
        let done = self.state().done.get(path).cloned();
        if let Some(done) = done {
            return done.map(Option::unwrap_or_default);
        }
        let Some(me) = self.me.upgrade() else { return Ok(Value::Unknown) };
        me.running(path, term).map(Option::unwrap_or_default)
    }
}
