//! What is asked of a node's conditions: whether it runs, whether it failed or changed something, whether it is tried again.

use std::sync::Arc;

use super::actions;
use super::outcome::Attempt;
use super::run::Runner;
use crate::event::Warning;
use crate::graph::{Execution, Iteration};
use crate::template::{EvalError, NOT_A_BOOLEAN_HELP, Term, TermScope, not_a_boolean};
use crate::value::{Value, parse_bool};

/// Where a result says which condition does not hold.
pub const FALSE_CONDITION: &str = "false_condition";

impl Runner<'_> {
    /// Whether what is waited for holds. Without a condition: that it did not fail.
    pub(super) fn holds(
        &self,
        condition: &[Term],
        attempt: &Attempt,
        locals: &[(String, Value)],
    ) -> Result<bool, Attempt> {
        if condition.is_empty() {
            return Ok(attempt.failed != Value::Bool(true));
        }
        let scope = self.result_scope(attempt, locals);
        for term in condition {
            match self.holding(term, &scope) {
                Ok(Value::Bool(true)) => {}
                Ok(_) => return Ok(false),
                Err(error) => return Err(Attempt::eval(error)),
            }
        }
        Ok(true)
    }

    /// What a condition comes to: a boolean, or unknown. Anything else counts by its truth, with a warning, unless the run is
    /// strict.
    pub(super) fn holding(&self, term: &Term, scope: &Arc<TermScope>) -> Result<Value, EvalError> {
        let value = scope.evaluate(term)?;
        if value.has_unknown() {
            return Ok(Value::Unknown);
        }
        let holds = truth(&value);
        if matches!(value, Value::Bool(_)) {
            return Ok(value);
        }
        let message = not_a_boolean(&value, holds);
        let place = match term {
            Term::Template(template) => EvalError::failed("").in_template(template, None).place,
            _ => None,
        };
        let help = NOT_A_BOOLEAN_HELP.to_owned();
        if self.session.prologue.strict {
            return Err(EvalError { place, help: Some(help), ..EvalError::failed(message) });
        }
        let warning = Warning { message, place, help };
        let mut known = self.warnings();
        if !known.contains(&warning) {
            known.push(warning);
        }
        Ok(Value::Bool(holds))
    }

    /// Judges `when`. Gives the reason where the work is not to be done.
    pub(super) fn condition(&self, scope: &Arc<TermScope>, iteration: &Iteration) -> Option<Attempt> {
        let mut unknown = false;
        for term in &iteration.when {
            match self.holding(term, scope) {
                Err(error) => return Some(Attempt::eval(error)),
                Ok(Value::Unknown) => unknown = true,
                Ok(Value::Bool(false)) => {
                    return Some(not_held(false_condition(term, iteration)));
                }
                Ok(_) => {}
            }
        }
        unknown.then(|| Attempt::unknown("whether it runs is known after apply"))
    }

    /// `unless`, `onlyif` and `creates` of any task.
    pub(super) fn guarded(&self, scope: &Arc<TermScope>, execution: &Execution) -> Option<Attempt> {
        for (kind, term) in &self.node.guards {
            let value = match scope.evaluate(term) {
                Ok(value) => value,
                Err(error) => return Some(Attempt::eval(error)),
            };
            if value.has_unknown() {
                return Some(Attempt::unknown("whether it runs is known after apply"));
            }
            match actions::guard(self, kind, &value, execution) {
                Ok(true) => {}
                Ok(false) => return Some(Attempt::skipped(format!("`{kind}` says there is nothing to do"))),
                Err(failure) => return Some(Attempt::of(failure)),
            }
        }
        None
    }

    /// Applies `changed_when` and `failed_when`.
    pub(super) fn judge(&self, attempt: &mut Attempt, locals: &[(String, Value)]) {
        if attempt.failed == Value::Bool(true) && self.node.failed_when.is_empty() && self.node.changed_when.is_empty()
        {
            return;
        }
        if !self.node.changed_when.is_empty() {
            match self.all_hold(&self.node.changed_when, attempt, locals) {
                Ok(value) => attempt.changed = value,
                Err(error) => return misjudged(attempt, "changed_when_result", error),
            }
        }
        if !self.node.failed_when.is_empty() {
            match self.all_hold(&self.node.failed_when, attempt, locals) {
                Ok(Value::Unknown) => attempt.failed = Value::Bool(false),
                Ok(value) => attempt.fails_when(value.is_true()),
                Err(error) => misjudged(attempt, "failed_when_result", error),
            }
        }
    }

    /// Says whether conditions about a result hold, where that is known.
    pub(super) fn all_hold(
        &self,
        terms: &[Term],
        attempt: &Attempt,
        locals: &[(String, Value)],
    ) -> Result<Value, EvalError> {
        let scope = self.result_scope(attempt, locals);
        let mut unknown = false;
        for term in terms {
            match self.holding(term, &scope)? {
                Value::Unknown => unknown = true,
                Value::Bool(false) => return Ok(Value::Bool(false)),
                _ => {}
            }
        }
        Ok(if unknown { Value::Unknown } else { Value::Bool(true) })
    }
}

/// What is waited for did not come. Where `failed_when` judges, that alone says whether the task failed, as in Ansible.
pub fn give_up(mut attempt: Attempt, retries: u32, judged: bool) -> Attempt {
    // As Ansible counts them where it gives up.
    attempt.result.insert("attempts".into(), Value::from(retries));
    attempt.result.insert("failed".into(), Value::Bool(true));
    if judged {
        return attempt;
    }
    let tries = retries + 1;
    let own = attempt.message.take().filter(|m| !m.is_empty());
    let own = own.map(|m| format!("; the last time: {m}")).unwrap_or_default();
    attempt.message = Some(format!("tried {tries} times and `until` did not hold{own}"));
    attempt.failed = Value::Bool(true);
    attempt
}

/// A task is skipped for a condition.
fn not_held(condition: Value) -> Attempt {
    let mut attempt = Attempt::skipped("Conditional result was False");
    attempt.result.insert(FALSE_CONDITION.into(), condition);
    attempt
}

/// What is registered where it is known before the run that a condition does not hold.
pub fn result_of_skipped(iteration: &Iteration) -> Value {
    not_held(false_condition(&Term::Value(Value::Bool(false)), iteration)).registered()
}

/// What does not hold, as it was written. Where that was known before the run, the arguments say it.
fn false_condition(term: &Term, iteration: &Iteration) -> Value {
    let known = || iteration.args.as_value()?.get(FALSE_CONDITION).cloned();
    match term {
        Term::Value(value) => known().unwrap_or_else(|| value.clone()),
        _ => Value::from(raw(term)),
    }
}

/// The truth of a condition's value; text counts by what it says.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Str(text) => parse_bool(text).unwrap_or(!text.is_empty()),
        other => other.is_true(),
    }
}

/// The number a keyword comes to; nothing where it says none.
pub fn number_of(scope: &Arc<TermScope>, keyword: &str, term: &Term) -> Result<Option<f64>, Attempt> {
    let value = scope.evaluate(term).map_err(Attempt::eval)?;
    match value.as_number() {
        None if !matches!(value, Value::Null | Value::Omit | Value::Unknown) => {
            Err(Attempt::failed(format!("`{keyword}` takes a number; found `{value}`")))
        }
        number => Ok(number),
    }
}

/// A term as it was written.
pub fn raw(term: &Term) -> String {
    match term {
        Term::Value(value) => value.to_string(),
        Term::Template(template) => template.text.trim().to_owned(),
        Term::List(items) => items.iter().map(raw).collect::<Vec<_>>().join(", "),
        Term::Map(_) => "{…}".to_owned(),
        Term::Failed(error) => error.message.clone(),
    }
}

/// A condition about the result cannot be evaluated: the task fails with what it came to, and says why.
pub(super) fn misjudged(attempt: &mut Attempt, condition: &str, error: EvalError) {
    let mut result = std::mem::take(&mut attempt.result);
    let changes = std::mem::take(&mut attempt.changes);
    result.insert(condition.into(), Value::from(error.for_result()));
    let mut failed = Attempt::eval(error).with_exception();
    result.extend(std::mem::take(&mut failed.result));
    // Why the task itself failed comes first: it may be why the condition cannot be evaluated.
    if let (Value::Bool(true), Some(own), Some(error)) = (&attempt.failed, attempt.message.take(), &failed.message) {
        failed.message = Some(format!("{own}; then {error}"));
    }
    *attempt = Attempt { result, changes, ..failed };
}
