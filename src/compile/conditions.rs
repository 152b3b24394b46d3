//! Conditions of tasks and assertions: what is known of them before the task runs.

use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::{Keyword, Task};
use crate::template::{NOT_A_BOOLEAN_HELP, Shape, Template, Term, TermScope, not_a_boolean};
use crate::value::Value;

/// What is known of the conditions of a task.
pub(super) enum Judged {
    /// All hold but for these, which are not known yet.
    Open(Vec<Term>),
    /// This one does not hold.
    False(Term),
}

impl HostCompiler<'_> {
    /// Judges `when`, as far as it is known.
    pub(super) fn conditions(&mut self, frame: &Frame, scope: &Arc<TermScope>, task: &Task) -> Result<Judged, Stop> {
        let mut open = Vec::new();
        for written in &frame.when {
            let term = self.settled(written, scope);
            match scope.evaluate(&term) {
                Ok(value) if value.has_unknown() => open.push(term),
                Ok(value) => {
                    self.judge_condition(&value, &term, task)?;
                    if !crate::apply_truth(&value) {
                        return Ok(Judged::False(written.clone()));
                    }
                }
                // An earlier condition that is not known yet may keep this one from being asked.
                Err(_) if !open.is_empty() || self.tolerates(task, frame) => open.push(term),
                Err(error) => return Err(self.failed(&error, scope, task.span)),
            }
        }
        Ok(Judged::Open(open))
    }

    fn judge_condition(&mut self, value: &Value, term: &Term, task: &Task) -> Result<(), Stop> {
        if matches!(value, Value::Bool(_)) {
            return Ok(());
        }
        let written = term.origin().and_then(|o| self.project.files.sources.span_at(o, raw_length(term)));
        let whole = || task.keywords.get(Keyword::When).filter(|node| !node.is_null()).map(|node| node.span);
        let span = written.or_else(whole).unwrap_or(task.span);
        let message = not_a_boolean(value, crate::apply_truth(value));
        if self.project.strict {
            let report = Diagnostic::error(Code::NonBooleanCondition, message).at(span, "");
            self.mistake(report.help(NOT_A_BOOLEAN_HELP));
            return Err(Stop::Mistakes);
        }
        let report = Diagnostic::warning(Code::NonBooleanCondition, message).at(span, "");
        self.project.files.report(report.help(NOT_A_BOOLEAN_HELP));
        Ok(())
    }

    /// A condition in markers as what the text says that it comes to: a target cannot know whether the project holds that.
    pub(super) fn settled(&self, term: &Term, scope: &Arc<TermScope>) -> Term {
        let Some((template, value)) = first_value(term, scope) else { return term.clone() };
        match value {
            Value::Str(text) => scope.condition_of(template, &text).unwrap_or_else(|_| term.clone()),
            _ => term.clone(),
        }
    }

    /// The arguments of an assertion, with what is known of its conditions. Those in markers may come to a list of them.
    pub(super) fn asserted(
        &mut self,
        args: Term,
        scope: &Arc<TermScope>,
        task: &Task,
        certain: bool,
    ) -> Result<Term, Stop> {
        let Term::Map(entries) = &args else { return Ok(args) };
        let mut asserted = Vec::new();
        for (key, value) in entries.iter() {
            let is_that = key.as_value().and_then(Value::as_str) == Some("that");
            let read: Vec<Term> = match (value, task.args.free.as_ref().map(|free| self.term(free))) {
                (Term::List(conditions), _) if is_that => {
                    conditions.iter().flat_map(|condition| self.read(condition, scope)).collect()
                }
                // It came out of a value with the other arguments.
                (Term::Value(value), Some(Term::Template(from))) if is_that => said(value, &from, scope),
                _ => {
                    asserted.push((key.clone(), value.clone()));
                    continue;
                }
            };
            self.judge_assertion(&read, scope, task, certain)?;
            asserted
                .push((Term::Value(Value::str(crate::apply::HOLDING)), Term::Value(of_all_variables(&read, scope))));
            asserted.push((key.clone(), Term::List(Arc::new(read))));
        }
        Ok(Term::Map(Arc::new(asserted)))
    }

    fn read(&self, term: &Term, scope: &Arc<TermScope>) -> Vec<Term> {
        match first_value(term, scope) {
            Some((template, items @ Value::List(_))) => said(&items, template, scope),
            _ => vec![self.settled(term, scope)],
        }
    }

    /// Says of conditions that are known to be no booleans what they count as, and of the first that fails that it does: they
    /// are asked in turn, up to one that does not hold.
    fn judge_assertion(
        &mut self,
        conditions: &[Term],
        scope: &Arc<TermScope>,
        task: &Task,
        certain: bool,
    ) -> Result<(), Stop> {
        let values: Vec<_> = conditions.iter().map(|term| scope.evaluate(term)).collect();
        for (term, value) in conditions.iter().zip(values) {
            let mut looks_up = false;
            term.for_each_template(&mut |template| looks_up |= super::binding::looks_up(&template.text));
            // It was asked so that the answer travels; what it says counts when the assertion is reached.
            if looks_up {
                return Ok(());
            }
            match value {
                Ok(value) if value.has_unknown() => return Ok(()),
                Ok(value) => {
                    self.judge_condition(&value, term, task)?;
                    if !crate::apply_truth(&value) {
                        return Ok(());
                    }
                }
                Err(error) if certain => return Err(self.failed(&error, scope, task.span)),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

/// For each condition whether it holds, where it asks for variables by names that only it knows: `vars[item]`. A target has
/// those that are named. Null: it can be asked there.
fn of_all_variables(conditions: &[Term], scope: &Arc<TermScope>) -> Value {
    let known = |term: &Term| {
        let mut asks = false;
        term.for_each_template(&mut |template| asks |= template.text.contains("vars"));
        let value = asks.then(|| scope.evaluate(term).ok()).flatten().filter(|value| !value.has_unknown());
        value.map_or(Value::Null, |value| Value::Bool(crate::apply_truth(&value)))
    };
    Value::list(conditions.iter().map(known))
}

/// The conditions that a value names which came out of a template.
fn said(value: &Value, from: &Template, scope: &Arc<TermScope>) -> Vec<Term> {
    match value {
        Value::List(items) => items.iter().flat_map(|item| said(item, from, scope)).collect(),
        Value::Str(text) => {
            vec![scope.condition_of(from, text).unwrap_or_else(|error| Term::Failed(Arc::new(error)))]
        }
        other => vec![Term::Value(other.clone())],
    }
}

/// What the expression of a condition in markers comes to.
fn first_value<'t>(term: &'t Term, scope: &Arc<TermScope>) -> Option<(&'t Template, Value)> {
    let Term::Template(template) = term else { return None };
    if template.shape != Shape::Condition {
        return None;
    }
    let plain = Term::expression(&template.text, template.origin.clone(), template.layout.clone());
    Some((template, scope.evaluate(&plain).ok()?))
}

fn raw_length(term: &Term) -> u32 {
    match term {
        Term::Template(template) => template.text.split('\n').next().unwrap_or("").trim().chars().count() as u32,
        _ => 1,
    }
}
