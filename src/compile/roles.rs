//! Roles: those of a play, those they depend on, and those that tasks include.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::Stop;
use super::frame::{Frame, RoleInstance};
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::{Files, Keyword, RoleRef, Task};
use crate::template::EvalError;
use crate::value::Value;
use crate::variables::{Layer, LayerKind};
use crate::yaml::Node as Yaml;

impl HostCompiler<'_> {
    /// The roles of the play in the order in which they run, dependencies first; their variables are everybody's.
    pub(super) fn role_calls(&mut self, frame: &Frame) -> Result<Vec<(Arc<RoleInstance>, Frame)>, Stop> {
        let mut calls = Vec::new();
        for role in &self.play.roles {
            self.role_call(role, frame, &[], &mut calls)?;
        }
        self.roles = calls.iter().map(|(role, _)| role.clone()).collect();
        for (role, frame) in &calls {
            self.add_handlers(&role.role.handlers, &self.role_frame(role, frame))?;
        }
        Ok(calls)
    }

    pub(super) fn role_call(
        &mut self,
        reference: &RoleRef,
        frame: &Frame,
        parents: &[Arc<RoleInstance>],
        calls: &mut Vec<(Arc<RoleInstance>, Frame)>,
    ) -> Result<Arc<RoleInstance>, Stop> {
        let frame = self.role_ref_frame(reference, frame)?;
        let scope = self.scope(&frame, Vec::new());
        let name = self.evaluate(&self.term(&reference.name), &scope, reference.name.span)?.to_string();
        let from = parents.last().map(|parent| parent.role.path.clone());
        let Some(role) = self.find_role(&name, &reference.name, from.as_deref()) else { return Err(Stop::Mistakes) };
        if parents.iter().any(|parent| parent.role.path == role.path) {
            let report = Diagnostic::error(Code::IncludeLoop, format!("the role `{name}` depends on itself"));
            self.mistake(report.at(reference.name.span, ""));
            return Err(Stop::Mistakes);
        }
        let params = {
            let report = |diagnostic| self.project.files.report(diagnostic);
            let mut layer = Layer::of(LayerKind::RoleParams, &reference.params, &self.terms(&report));
            if let Some(entries) = reference.keywords.get(Keyword::Vars).and_then(Yaml::as_map) {
                layer.entries.extend(Layer::of(LayerKind::RoleParams, entries, &self.terms(&report)).entries);
            }
            Arc::new(layer)
        };
        let mut instance = self.role_instance(role, params, parents);
        if let Some(new) = Arc::get_mut(&mut instance) {
            new.given = reference.params.clone();
        }
        self.dependencies(&instance, &frame, calls)?;
        let same = |other: &Arc<RoleInstance>| {
            let equal = |a: &Layer, b: &Layer| {
                a.entries.len() == b.entries.len()
                    && a.entries.iter().all(|(k, v)| b.entries.get(k).is_some_and(|w| w.term == v.term))
            };
            other.role.path == instance.role.path && equal(&other.params, &instance.params)
        };
        if !instance.role.meta.allow_duplicates && calls.iter().map(|(role, _)| role).chain(&self.roles_run).any(same) {
            return Ok(instance);
        }
        calls.push((instance.clone(), frame));
        Ok(instance)
    }

    /// Calls the roles a role depends on. It sees their variables, above those of the roles that called it.
    fn dependencies(
        &mut self,
        role: &Arc<RoleInstance>,
        frame: &Frame,
        calls: &mut Vec<(Arc<RoleInstance>, Frame)>,
    ) -> Result<(), Stop> {
        let chain: Vec<_> = role.parents.iter().chain([role]).cloned().collect();
        let mut layers = Vec::new();
        for dependency in &role.role.meta.dependencies {
            let called = self.role_call(dependency, frame, &chain, calls)?;
            layers.extend(called.dependencies.get().into_iter().flatten().cloned());
            layers.push(called.vars.clone());
        }
        let _ = role.dependencies.set(layers);
        Ok(())
    }

    /// The keywords of an entry of `roles` hold for all tasks of the role.
    fn role_ref_frame(&mut self, reference: &RoleRef, frame: &Frame) -> Result<Frame, Stop> {
        let mut inner = frame.below(&reference.keywords);
        inner.tags = Arc::new(self.tags_of(frame, &reference.keywords));
        if let Some(when) = reference.keywords.get(Keyword::When) {
            inner.when.extend(self.condition(when));
        }
        Ok(inner)
    }

    pub(super) fn find_role(&mut self, name: &str, at: &Yaml, from: Option<&Path>) -> Option<Arc<crate::parse::Role>> {
        match self.project.files.find_role(name, &self.play.dir, from) {
            Ok(path) => Some(self.project.files.role(name, &path)),
            Err(places) => {
                let candidates = super::content::names_in(&places);
                let help = crate::diagnostic::did_you_mean(name, candidates.iter().map(String::as_str));
                let report = Diagnostic::error(Code::RoleNotFound, format!("there is no role `{name}`"));
                let report = report
                    .at(at.span, "")
                    .help_opt(help)
                    .note(format!("looked in {}", crate::source::display_places(&places)));
                self.mistake(report);
                None
            }
        }
    }

    pub(super) fn role_instance(
        &self,
        role: Arc<crate::parse::Role>,
        params: Arc<Layer>,
        parents: &[Arc<RoleInstance>],
    ) -> Arc<RoleInstance> {
        let layer = |kind, file: &crate::parse::VarsFile| {
            Arc::new(Layer { kind, entries: crate::inventory::definitions(file, &self.project.files) })
        };
        Arc::new(RoleInstance {
            defaults: layer(LayerKind::RoleDefaults, &role.defaults),
            vars: layer(LayerKind::RoleVars, &role.vars),
            params,
            parents: parents.to_vec(),
            dependencies: OnceLock::new(),
            given: Vec::new(),
            validated: true,
            role,
        })
    }

    pub(super) fn role_frame(&self, role: &Arc<RoleInstance>, frame: &Frame) -> Frame {
        Frame { role: Some(role.clone()), dir: role.role.path.join("tasks"), ..frame.clone() }
    }

    /// The tasks of a role.
    pub(super) fn role_tasks(
        &mut self,
        role: &Arc<RoleInstance>,
        frame: &Frame,
        from: Option<&str>,
    ) -> Result<(), Stop> {
        let frame = self.role_frame(role, frame);
        let tasks = match from {
            None => role.role.tasks.clone(),
            Some(name) => {
                let found = Files::main_file(&role.role.path.join("tasks"), Some(name));
                found.and_then(|path| self.project.files.tasks(&path, None)).unwrap_or_default()
            }
        };
        self.roles_run.push(role.clone());
        self.validate_arguments(role, &frame, from.unwrap_or("main"))?;
        match self.items(&tasks, &frame) {
            Err(Stop::RoleEnded) => Ok(()),
            other => other,
        }
    }

    /// `include_role` and `import_role`.
    pub(super) fn include_role(&mut self, task: &Arc<Task>, frame: &Frame, is_import: bool) -> Result<(), Stop> {
        let Some(name) = task.args.get("name").or_else(|| task.args.get("role")).cloned() else {
            let report =
                Diagnostic::error(Code::MissingParameter, format!("`{}` needs the `name` of a role", task.module));
            self.mistake(report.at(task.module_span, ""));
            return Err(Stop::Mistakes);
        };
        if is_import {
            let frame = self.below_task(frame, task);
            return self.call_role(task, &frame, &name, true);
        }
        self.dynamic(task, frame, &mut |this, frame| this.call_role(task, frame, &name, false))
    }

    fn call_role(&mut self, task: &Arc<Task>, frame: &Frame, name: &Yaml, public: bool) -> Result<(), Stop> {
        let scope = self.scope(frame, Vec::new());
        let value = self.evaluate(&self.term(name), &scope, name.span)?;
        if value.has_unknown() {
            return self.known_after_apply(task, frame);
        }
        let from = frame.role.as_ref().map(|role| role.role.path.clone());
        let wanted = value.to_string();
        if !public
            && self.tolerates(task, frame)
            && self.project.files.find_role(&wanted, &self.play.dir, from.as_deref()).is_err()
        {
            let message = format!("the role '{wanted}' was not found");
            return self.failing_node(task, frame, EvalError::failed(message));
        }
        let Some(role) = self.find_role(&wanted, name, from.as_deref()) else { return Err(Stop::Mistakes) };
        let parents: Vec<_> =
            frame.role.iter().flat_map(|r| r.parents.iter().cloned().chain(std::iter::once(r.clone()))).collect();
        if parents.len() > 50 {
            let report =
                Diagnostic::error(Code::IncludeLoop, format!("the role `{value}` includes itself without end"));
            self.mistake(report.at(name.span, ""));
            return Err(Stop::Mistakes);
        }
        let mut instance = self.role_instance(role, Arc::new(Layer::new(LayerKind::RoleParams)), &parents);
        let again =
            self.option(task, frame, "allow_duplicates")?.is_none_or(|text| crate::apply_truth(&Value::from(text)));
        if !again && self.roles_run.iter().any(|run| run.role.path == instance.role.path) {
            return self.skipped_node(task, frame);
        }
        self.vars_from(task, frame, &mut instance)?;
        let unchecked = self.option(task, frame, "rolespec_validate")?;
        let unchecked = unchecked.is_some_and(|text| !crate::apply_truth(&Value::from(text)));
        if unchecked && let Some(new) = Arc::get_mut(&mut instance) {
            new.validated = false;
        }
        let mut calls = Vec::new();
        self.dependencies(&instance, frame, &mut calls)?;
        let asked = task.args.get("public").map(|n| crate::apply_truth(&n.to_value())).unwrap_or(public);
        if asked {
            self.roles.push(instance.clone());
        }
        self.handlers_from(task, frame, &instance)?;
        for (i, (role, frame)) in calls.iter().enumerate() {
            self.at(i, |this| this.role_tasks(role, frame, None))?;
        }
        let tasks_from = self.option(task, frame, "tasks_from")?;
        if let Some(from) = &tasks_from
            && Files::main_file(&instance.role.path.join("tasks"), Some(from)).is_none()
        {
            let report = Diagnostic::error(Code::FileNotFound, format!("the role has no file of tasks `{from}`"));
            let span = task.args.get("tasks_from").map_or(task.span, |n| n.span);
            let there = super::content::names_in(&[instance.role.path.join("tasks")]);
            let names = there.iter().map(|name| name.trim_end_matches(".yml").trim_end_matches(".yaml"));
            self.mistake(report.at(span, "").help_opt(crate::diagnostic::did_you_mean(from, names)));
            return Err(Stop::Mistakes);
        }
        self.at(calls.len(), |this| this.role_tasks(&instance, frame, tasks_from.as_deref()))
    }

    /// `vars_from` and `defaults_from`: other files in place of the main ones.
    pub(super) fn vars_from(
        &mut self,
        task: &Task,
        frame: &Frame,
        instance: &mut Arc<RoleInstance>,
    ) -> Result<(), Stop> {
        for (argument, folder) in [("vars_from", "vars"), ("defaults_from", "defaults")] {
            if let Some(file) = self.role_file(task, frame, &instance.role.path, argument, folder)? {
                let entries = self
                    .project
                    .files
                    .vars(&file, None)
                    .map(|f| crate::inventory::definitions(&f, &self.project.files))
                    .unwrap_or_default();
                if let Some(new) = Arc::get_mut(instance) {
                    let layer = |kind| Arc::new(Layer { kind, entries });
                    if folder == "vars" {
                        new.vars = layer(LayerKind::RoleVars)
                    } else {
                        new.defaults = layer(LayerKind::RoleDefaults)
                    }
                }
            }
        }
        Ok(())
    }

    /// The handlers of a role that is included: those of `handlers_from`, or the main ones.
    fn handlers_from(&mut self, task: &Task, frame: &Frame, instance: &Arc<RoleInstance>) -> Result<(), Stop> {
        let handlers = match self.role_file(task, frame, &instance.role.path, "handlers_from", "handlers")? {
            Some(file) => self.project.files.tasks(&file, None).unwrap_or_default(),
            None => instance.role.handlers.clone(),
        };
        let around = Frame { when: Vec::new(), gates: Vec::new(), blocks: Vec::new(), ..frame.clone() };
        self.add_handlers(&handlers, &self.role_frame(instance, &around))
    }

    /// An option of an include, which may be an expression; `None` where it is left out.
    fn option(&mut self, task: &Task, frame: &Frame, name: &str) -> Result<Option<String>, Stop> {
        let Some(node) = task.args.get(name).cloned() else { return Ok(None) };
        let scope = self.scope(frame, Vec::new());
        match self.evaluate(&self.term(&node), &scope, node.span)? {
            Value::Omit | Value::Null => Ok(None),
            value => Ok(Some(value.to_string())),
        }
    }

    fn role_file(
        &mut self,
        task: &Task,
        frame: &Frame,
        role: &Path,
        argument: &str,
        folder: &str,
    ) -> Result<Option<PathBuf>, Stop> {
        let Some(name) = self.option(task, frame, argument)? else { return Ok(None) };
        let found = Files::main_file(&role.join(folder), Some(&name));
        if found.is_none() {
            let report = Diagnostic::error(Code::FileNotFound, format!("the role has no file `{folder}/{name}`"));
            self.mistake(report.at(task.args.get(argument).map_or(task.span, |node| node.span), ""));
            return Err(Stop::Mistakes);
        }
        Ok(found)
    }
}
