//! What a task says once its surroundings are known: a module whose name is an expression, and what `module_defaults` add.

use std::sync::Arc;

use super::frame::Frame;
use super::host::HostCompiler;
use super::{Stop, groups, modules};
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::{Keyword, Task};
use crate::source::Span;
use crate::template::{Layout, Scope as _, Term};
use crate::value::Value;
use crate::yaml::{Entry, Kind, Node as Yaml, Scalar, Style, Tag};

/// Modules that leave the work to another one: what that is, and the fact or variable that says which.
const DISPATCHERS: &[(&str, &str)] = &[("service", "ansible_service_mgr"), ("package", "ansible_pkg_mgr")];

/// The variable that says which package manager `package` uses.
const PACKAGE_USE: &str = "ansible_package_use";

impl HostCompiler<'_> {
    /// The task as it is meant; `None` where that is known after apply.
    pub(super) fn rewritten(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<Option<Arc<Task>>, Stop> {
        let Some(task) = self.named(task, frame)? else { return Ok(None) };
        let mut args = task.args.clone();
        let before = args.named.len();
        for entry in self.defaults_of(&task, frame)? {
            if args.get(&entry.key).is_none() {
                args.named.push(entry);
            }
        }
        if modules::short(&task.module) == "package" && args.get("use").is_none() {
            let scope = self.scope(frame, Vec::new());
            if let Ok(Some(Value::Str(manager))) = scope.get(PACKAGE_USE) {
                args.named.push(entry("use", &manager, task.module_span));
            }
        }
        if args.named.len() == before {
            return Ok(Some(task));
        }
        Ok(Some(Arc::new(Task { args, ..task.as_ref().clone() })))
    }

    /// The task with the name of its module evaluated, as in `action: "{{ ansible_facts.pkg_mgr }}"`.
    fn named(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<Option<Arc<Task>>, Stop> {
        if !task.module.contains("{{") {
            return Ok(Some(task.clone()));
        }
        let term =
            Term::from_text(&task.module, self.project.files.sources.origin(task.module_span), Layout::default());
        for settled in [false, true] {
            let scope = self.scope(&frame.in_round(&[]), Vec::new());
            if self.certainly_skipped(frame, &scope) {
                return Ok(None);
            }
            let name = self.evaluate(&term, &scope, task.module_span)?;
            if !name.has_unknown() {
                let module = Arc::from(name.to_string().trim());
                return Ok(Some(Arc::new(Task { module, ..task.as_ref().clone() })));
            }
            if settled || self.flush().is_err() {
                break;
            }
        }
        Ok(None)
    }

    /// What `module_defaults` give a task's module: its own defaults, those of the one that does its work, those of its group.
    /// What an inner level says of a module takes the place of all an outer one does.
    fn defaults_of(&mut self, task: &Task, frame: &Frame) -> Result<Vec<Entry>, Stop> {
        let levels: Vec<Yaml> = frame.all(&task.keywords, Keyword::ModuleDefaults).into_iter().cloned().collect();
        if levels.is_empty() {
            return Ok(Vec::new());
        }
        let own = modules::short(&task.module);
        let worker = self.worker(own, frame);
        let (mut found, mut beneath, mut grouped) = (None, None, None);
        for level in levels.iter().rev() {
            let parts = level.as_list().map_or_else(|| vec![level.clone()], <[Yaml]>::to_vec);
            for given in parts.iter().rev().filter_map(Yaml::as_map).flat_map(|part| part.iter().rev()) {
                let name = modules::short(&given.key);
                let place = if let Some(group) = given.key.strip_prefix(groups::PREFIX) {
                    let members = groups::members(group, given.key_span).map_err(|report| self.refused(report))?;
                    members.contains(&own).then_some(&mut grouped)
                } else if name == own {
                    Some(&mut found)
                } else {
                    worker.as_deref().is_some_and(|worker| worker == name).then_some(&mut beneath)
                };
                if let Some(place @ None) = place {
                    *place = Some(self.default_entries(given)?);
                }
            }
        }
        Ok([found, beneath, grouped].into_iter().flatten().flatten().collect())
    }

    /// The arguments one entry of `module_defaults` gives.
    fn default_entries(&mut self, given: &Entry) -> Result<Vec<Entry>, Stop> {
        match given.value.as_map() {
            Some(entries) => Ok(entries.to_vec()),
            None => {
                let message =
                    format!("the defaults of `{}` are a mapping; found {}", given.key, given.value.type_name());
                let report = Diagnostic::error(Code::Unsupported, message).at(given.value.span, "");
                Err(self.refused(report.help("write the mapping here; its values may be expressions")))
            }
        }
    }

    fn refused(&mut self, report: Diagnostic) -> Stop {
        self.mistake(report);
        Stop::Mistakes
    }

    /// The module that does the work of one that dispatches, where the host has said which.
    fn worker(&self, module: &str, frame: &Frame) -> Option<String> {
        if module == "gather_facts" {
            return Some("setup".to_owned());
        }
        let (_, variable) = DISPATCHERS.iter().find(|(name, _)| *name == module)?;
        match self.scope(frame, Vec::new()).get(variable) {
            Ok(Some(Value::Str(name))) => Some(name.to_string()),
            // Before a host was asked: the most usual one stands for it, for the mistakes it lets one see.
            _ if module == "service" => Some("systemd".to_owned()),
            _ => None,
        }
    }
}

/// An argument that is not written in the task.
fn entry(name: &str, text: &str, span: Span) -> Entry {
    let kind = Kind::Scalar(Scalar::new(text, Style::Quoted, Tag::None));
    Entry { key: Arc::from(name), key_span: span, value: Yaml { span, kind } }
}
