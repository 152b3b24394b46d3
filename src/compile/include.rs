//! Includes and imports of tasks, roles and variables.

use std::path::PathBuf;
use std::sync::Arc;

use super::frame::Frame;
use super::host::HostCompiler;
use super::{Stop, modules};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::graph::{Action, Iteration, Work};
use crate::parse::{Keyword, Keywords, Task};
use crate::resource::Footprint;
use crate::template::{EvalError, Term, TermScope};
use crate::value::Value;
use crate::yaml::Node as Yaml;

impl HostCompiler<'_> {
    /// `include_tasks` and `import_tasks`.
    pub(super) fn include_tasks(&mut self, task: &Arc<Task>, frame: &Frame, is_import: bool) -> Result<(), Stop> {
        let Some(file) = self.file_of_tasks(task)? else { return Ok(()) };
        if is_import {
            return self.include_file(task, &self.below_task(frame, task), &file);
        }
        self.dynamic(task, frame, &mut |this, frame| this.include_file(task, frame, &file))
    }

    /// What an include names.
    pub(super) fn file_of_tasks(&mut self, task: &Task) -> Result<Option<Yaml>, Stop> {
        let file = task.args.get("file").or(task.args.free.as_ref()).cloned();
        if file.is_none() {
            let report = Diagnostic::error(Code::MissingParameter, format!("`{}` needs a file", task.module));
            self.mistake(report.at(task.module_span, ""));
            return Err(Stop::Mistakes);
        }
        Ok(file)
    }

    /// The keywords of an import hold for all its tasks.
    pub(super) fn below_task(&self, frame: &Frame, task: &Task) -> Frame {
        let mut inner = frame.below(&task.keywords);
        if let Some(notify) = task.keywords.get(Keyword::Notify) {
            inner.notify.push(self.term(notify));
        }
        inner
    }

    fn include_file(&mut self, task: &Arc<Task>, frame: &Frame, file: &Yaml) -> Result<(), Stop> {
        match self.open_tasks(task, frame, file)? {
            Some((items, inner)) => self.items(&items, &inner),
            None => Ok(()),
        }
    }

    /// The tasks of a file that is included, and what is around them; `None` where that is known after apply.
    pub(super) fn open_tasks(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        file: &Yaml,
    ) -> Result<Option<(Arc<Vec<crate::parse::Item>>, Frame)>, Stop> {
        let (value, _) = self.needed_now(file, frame, Vec::new())?;
        if value.has_unknown() {
            self.known_after_apply(task, frame)?;
            return Ok(None);
        }
        let name = value.to_string();
        let mut places = vec![frame.dir.clone()];
        if let Some(role) = &frame.role {
            places.extend([role.role.path.join("tasks"), role.role.path.clone()]);
        }
        places.push(self.play.dir.clone());
        places.push(self.play.dir.join("tasks"));
        let found = places.iter().map(|dir| dir.join(&name)).find(|path| path.is_file());
        let dynamic = modules::short(&task.module) == "include_tasks";
        if found.is_none() && dynamic && self.tolerates(task, frame) {
            let message = format!("Could not find or access '{name}'");
            self.failing_node(task, frame, EvalError::failed(message))?;
            return Ok(None);
        }
        let Some(path) = found else {
            let report = Diagnostic::error(Code::FileNotFound, format!("there is no file of tasks `{name}`"));
            let there = super::content::names_in(&places);
            let report = report.at(file.span, "").help_opt(did_you_mean(&name, there.iter().map(String::as_str)));
            self.mistake(report.note(format!("looked in {}", crate::source::display_places(&places))));
            return Err(Stop::Mistakes);
        };
        let path = path.canonicalize().unwrap_or(path);
        if frame.including.contains(&path) && frame.including.len() > 60 {
            let report = Diagnostic::error(Code::IncludeLoop, format!("`{name}` includes itself without end"));
            self.mistake(report.at(file.span, ""));
            return Err(Stop::Mistakes);
        }
        let Some(items) = self.project.files.tasks(&path, Some(file.span)) else {
            self.mistakes = true;
            return Err(Stop::Mistakes);
        };
        let mut inner = frame.clone();
        inner.dir = path.parent().map(PathBuf::from).unwrap_or_default();
        inner.including.push(path);
        Ok(Some((items, inner)))
    }

    /// A dynamic include: its conditions are judged once, its loop repeats it, `apply` gives keywords to its tasks.
    pub(super) fn dynamic(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        include: &mut dyn FnMut(&mut Self, &Frame) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut base = frame.clone();
        if let Some(apply) = task.args.get("apply").and_then(Yaml::as_map) {
            let mut keywords = Keywords::default();
            let mut diagnostics = crate::diagnostic::Diagnostics::default();
            for entry in apply {
                if !keywords.take(entry, crate::parse::levels::TASK | crate::parse::levels::BLOCK, &mut diagnostics) {
                    crate::parse::unknown_keyword(entry, &mut diagnostics);
                }
            }
            for diagnostic in diagnostics {
                self.mistake(diagnostic);
            }
            base.tags = Arc::new(self.tags_of(&base, &keywords));
            if let Some(when) = keywords.get(Keyword::When) {
                base.when.extend(self.condition(when));
            }
            if let Some(notify) = keywords.get(Keyword::Notify) {
                base.notify.push(self.term(notify));
            }
            base = base.below(&keywords);
        } else {
            // Tags of a dynamic include choose the include, not its tasks; those keep what is around.
            base.tags = Arc::new(self.inherited_tags(frame, task));
        }
        if let Some(node) = task.keywords.get(Keyword::RunOnce) {
            let scope = self.scope(frame, Vec::new());
            if crate::apply_truth(&self.keyword_value(Keyword::RunOnce, node, &scope)?) && !self.meet()?.leads {
                return Ok(());
            }
        }
        // `vars` of the include are parameters of its tasks already; other keywords are its own.
        for (i, round) in self.rounds_at_once(task, frame)?.into_iter().enumerate() {
            let mut inner = base.in_round(&round.locals);
            if self.gate(task, &mut inner)? {
                self.at(i, |this| include(this, &inner))?;
            }
        }
        Ok(())
    }

    /// Judges the conditions of a dynamic include. Where they depend on a result, a hidden node does, and the tasks ask it.
    fn gate(&mut self, task: &Arc<Task>, frame: &mut Frame) -> Result<bool, Stop> {
        let when = std::mem::take(&mut frame.when);
        let mut scope = self.scope(frame, Vec::new());
        for term in &when {
            drop(scope.evaluate(term));
        }
        if self.settle_lookups()? {
            scope = self.scope(frame, Vec::new());
        }
        let mut open = Vec::new();
        for term in when {
            let term = self.settled(&term, &scope);
            match scope.evaluate(&term) {
                Ok(value) if value.has_unknown() => open.push(term),
                Ok(value) if crate::apply_truth(&value) => {}
                Ok(_) => {
                    self.skipped_node(task, frame)?;
                    return Ok(false);
                }
                Err(_) if !open.is_empty() || !frame.gates.is_empty() => open.push(term),
                Err(error) if self.tolerates(task, frame) => {
                    self.failing_node(task, frame, error)?;
                    return Ok(false);
                }
                Err(error) => return Err(self.failed(&error, &scope, task.span)),
            }
        }
        if open.is_empty() {
            return Ok(true);
        }
        let name = format!("__cfg_gate_{}", self.next_node);
        let iteration = Iteration::of(open, Term::Value(Value::map::<&str>([])));
        self.push(task, frame, Action::Gate(name.clone()), Work::Once(iteration), Footprint::nothing())?;
        let asked = self.expression(&format!("{name} | default(false)"), task.span);
        self.set_runtime(&name, Value::Unknown);
        frame.gates.push(asked);
        Ok(true)
    }

    /// A value that is needed to go on compiling, with the scope it was found in. Where it asks for a result of what stands above
    /// it, or for what that leaves on this machine, that runs first.
    pub(super) fn needed_now(
        &mut self,
        node: &Yaml,
        frame: &Frame,
        locals: Vec<(String, Value)>,
    ) -> Result<(Value, Arc<TermScope>), Stop> {
        let term = self.term(node);
        let scope = self.scope(frame, locals.clone());
        let value = self.evaluate(&term, &scope, node.span)?;
        if !value.has_unknown() {
            return Ok((value, scope));
        }
        self.flush()?;
        let scope = self.scope(frame, locals);
        Ok((self.evaluate(&term, &scope, node.span)?, scope))
    }

    /// A part of the program that only an apply can know.
    pub(super) fn known_after_apply(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let origin = self.project.files.sources.origin(task.span);
        self.driver.note("note", format!("{origin}: which tasks are included is known after apply"));
        self.open_ended = true;
        self.open_node(task, frame)
    }
}
