//! Tasks that cfg cannot do: a module or arguments there are not.
//!
//! Invariant: such a task is a mistake only where it is certain to run; where it is not, that is known when it is reached.

use std::sync::Arc;

use super::frame::Frame;
use super::host::HostCompiler;
use super::{Stop, binding, diagnose, modules};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::{Keyword, Task};
use crate::resource::{ParamSpec, actions};
use crate::source::Span;
use crate::template::{EvalError, Term, TermScope};
use crate::value::{Map, Value};
use crate::yaml::Entry;

/// Why a task cannot be done by cfg.
pub(super) struct Refusal {
    /// As the task's failure.
    pub message: String,
    /// As mistakes.
    pub reports: Vec<Diagnostic>,
}

impl HostCompiler<'_> {
    /// What no cfg can do, whatever the values are: a module or arguments there are not.
    pub(super) fn refusal(&self, task: &Task, module: &str) -> Option<Refusal> {
        if modules::is_module(&task.module) {
            return self.argument_names(task, module);
        }
        let help = did_you_mean(modules::short(&task.module), modules::names());
        let help = help.unwrap_or_else(|| "`cfg doc` lists the modules there are".to_owned());
        let message = format!("cfg has no module `{}`", task.module);
        let report = Diagnostic::error(Code::UnknownModule, message.clone());
        Some(Refusal { message, reports: vec![report.at(task.module_span, "").help(help)] })
    }

    /// A task that is refused: nothing where it does not run, its failure where it may not be reached or may be meant to fail,
    /// and a mistake elsewhere.
    pub(super) fn refuse(&mut self, task: &Arc<Task>, frame: &Frame, refusal: Refusal) -> Result<(), Stop> {
        let scope = self.scope(frame, Vec::new());
        let unknown = |term: &Term| scope.evaluate(term).is_ok_and(|value| value.has_unknown());
        let late = frame.when.iter().any(unknown);
        if self.certainly_skipped(frame, &scope) || (late && matches!(self.facts, super::Facts::Unknown)) {
            return self.skipped_node(task, frame);
        }
        if late || self.tolerates(task, frame) {
            return self.failing_node(task, frame, EvalError::failed(refusal.message));
        }
        Err(self.mistakes(refusal.reports))
    }

    pub(super) fn mistakes(&mut self, reports: Vec<Diagnostic>) -> Stop {
        reports.into_iter().for_each(|report| self.mistake(report));
        Stop::Mistakes
    }

    /// Arguments that no module of this name has.
    pub(super) fn argument_names(&self, task: &Task, module: &str) -> Option<Refusal> {
        let kind = crate::resource::find(&task.module);
        let known: Vec<&str> = match (kind, actions::find(module)) {
            (Some(kind), _) => kind.params.iter().flat_map(ParamSpec::names).collect(),
            (None, Some(action)) if !action.is_open => action.params.iter().map(|parameter| parameter.name).collect(),
            _ => return None,
        };
        // What only cfg itself gives starts so; this one Ansible lets tasks give.
        let hidden = |key: &str| key.starts_with('_') && key != "_diff_peek";
        let wrong = task.args.named.iter().filter(|entry| hidden(&entry.key) || !known.contains(&entry.key.as_ref()));
        let wrong: Vec<_> = wrong.collect();
        // In the words of Ansible, which differ where a module is a part of it that runs on the controller.
        let plugins = ["fail", "group_by", "reboot", "set_stats", "wait_for_connection"];
        let first = &wrong.first()?.key;
        let message = if plugins.contains(&module) {
            format!("Invalid options for {module}: {first}")
        } else {
            format!("Unsupported parameters for ({module}) module: {first}")
        };
        let reports = wrong.into_iter().map(|entry| {
            let public = known.iter().copied().filter(|name| !name.starts_with('_'));
            let keyword = Keyword::find(&entry.key)
                .map(|_| format!("`{}` is a keyword of the task: check the indentation", entry.key));
            let help = keyword.or_else(|| did_you_mean(&entry.key, public));
            let help = help.unwrap_or_else(|| diagnose::shows_parameters(module));
            let report =
                Diagnostic::error(Code::UnknownParameter, format!("`{module}` has no parameter `{}`", entry.key));
            report.at(entry.key_span, "").help(help)
        });
        Some(Refusal { message, reports: reports.collect() })
    }

    /// Values that no task about the run itself can do anything with, as far as they are known.
    pub(super) fn argument_values(&self, task: &Task, frame: &Frame, module: &str) -> Option<Refusal> {
        let action = actions::find(module)?;
        let scope = self.scope(frame, Vec::new());
        let value = |entry: &Entry| match action.judges(&entry.key) {
            true => self.known_now(&self.term(&entry.value), &scope),
            false => Value::Unknown,
        };
        // A name that is an expression may come to any.
        let name = |entry: &Entry| if entry.key.contains("{{") { "_".into() } else { entry.key.clone() };
        let given = task.args.named.iter().map(|entry| (name(entry), value(entry)));
        let whole = task.args.free.is_some();
        let error = action.check(&given.collect::<Map>()).err().filter(|error| !whole || error.param.is_some())?;
        let report = diagnose::parameter(&error, &task.module, task.module_span, places(task));
        Some(Refusal { message: error.message, reports: vec![report] })
    }

    /// What a term comes to, if that is known and nobody is asked for it.
    fn known_now(&self, term: &Term, scope: &Arc<TermScope>) -> Value {
        let mut asks = false;
        term.for_each_template(&mut |template| asks |= binding::looks_up(&template.text));
        if asks { Value::Unknown } else { scope.evaluate(term).unwrap_or(Value::Unknown) }
    }
}

/// Finds where an argument of a task stands: its name, and its value.
pub(super) fn places(task: &Task) -> impl Fn(&str) -> Option<(Span, Span)> {
    |name| {
        let entry = task.args.named.iter().find(|entry| entry.key.as_ref() == name);
        let free = || task.args.free.as_ref().map(|free| (free.span, free.span));
        entry.map(|entry| (entry.key_span, entry.value.span)).or_else(free)
    }
}
