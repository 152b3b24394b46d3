//! `add_host` and `group_by`: tasks that change the inventory of the run. They work on the controller.

use std::sync::Arc;

use super::frame::Frame;
use super::host::HostCompiler;
use super::{Facts, Stop};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Action, Iteration, Work};
use crate::parse::Task;
use crate::resource::Footprint;
use crate::template::{EvalError, Term};
use crate::value::{Map, Value};
use crate::variables::Definition;

/// What one item of such a task came to.
enum Done {
    /// It reports this.
    Result(Map),
    /// Its condition does not hold.
    Skipped,
    /// That is known after apply.
    Open,
    /// It cannot be done, which may be meant.
    Failed(EvalError),
}

impl HostCompiler<'_> {
    /// Does what `add_host` or `group_by` says, and adds the node that reports it.
    pub(super) fn change_hosts(&mut self, task: &Arc<Task>, frame: &Frame, module: &str) -> Result<(), Stop> {
        self.project.inventory.expect_more();
        let looped = task.is_looped();
        let mut iterations = Vec::new();
        for super::rounds::Round { item, locals } in self.rounds_at_once(task, frame)? {
            let mut done = self.change_once(task, frame, module, &locals)?;
            if matches!(done, Done::Open) && self.flush().is_ok() {
                done = self.change_once(task, frame, module, &locals)?;
            }
            let (when, args) = match done {
                Done::Result(map) => (Vec::new(), Term::Value(Value::from(map))),
                Done::Skipped => (vec![Term::Value(Value::Bool(false))], Term::Value(Value::map::<&str>([]))),
                Done::Failed(error) => (Vec::new(), Term::Failed(Arc::new(error))),
                Done::Open => (vec![Term::Value(Value::Unknown)], Term::Value(Value::map::<&str>([]))),
            };
            iterations.push(Iteration { item, ..Iteration::of(when, args) });
        }
        let work = match looped {
            true => Work::Items(self.loop_control(task, frame), iterations),
            false => Work::Once(iterations.into_iter().next().unwrap_or_else(super::iteration::skipped)),
        };
        self.push(task, frame, Action::Report, work, Footprint::world())
    }

    fn change_once(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        module: &str,
        locals: &[(String, Value)],
    ) -> Result<Done, Stop> {
        let scope = self.scope(frame, locals.to_vec());
        for term in &frame.when {
            let value = self.evaluate(term, &scope, task.span)?;
            if value.has_unknown() {
                return Ok(Done::Open);
            }
            if !crate::apply_truth(&value) {
                return Ok(Done::Skipped);
            }
        }
        let args = self.args_term(task, &Action::Report);
        let args = self.evaluate(&args, &scope, task.span)?;
        // In a rehearsal nothing is added: it is done again when the run gets here.
        if args.has_unknown() || matches!(self.facts, Facts::Unknown) {
            return Ok(Done::Open);
        }
        let args = args.as_map().cloned().unwrap_or_default();
        let done = match module {
            "add_host" => self.add_host(task, &args),
            _ => self.group_by(&args),
        };
        match done {
            Ok(result) => Ok(Done::Result(result)),
            Err(name) => {
                let message = format!("`{}` needs `{name}`", task.module);
                if self.tolerates(task, frame) {
                    return Ok(Done::Failed(EvalError::failed(message)));
                }
                self.mistake(Diagnostic::error(Code::MissingParameter, message).at(task.module_span, ""));
                Err(Stop::Mistakes)
            }
        }
    }

    /// Adds a host; an error is the name of the parameter that is missing.
    fn add_host(&mut self, task: &Task, args: &Map) -> Result<Map, &'static str> {
        let first = |names: &[&str]| names.iter().find_map(|name| args.get(*name));
        let Some(name) = first(&["name", "hostname", "host"]).map(ToString::to_string).filter(|n| !n.is_empty()) else {
            return Err("name");
        };
        let groups = words(first(&["groups", "groupname", "group"]));
        let (name, port) = match name.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => {
                (host.to_owned(), port.parse::<i64>().ok())
            }
            _ => (name, None),
        };
        const OWN: &[&str] = &["name", "hostname", "host", "groups", "groupname", "group"];
        let given = args.iter().filter(|(key, _)| !OWN.contains(&key.as_ref()));
        let origin = Some(self.project.files.sources.origin(task.span));
        let define = |value: Value| Definition { term: Term::Value(value), origin: origin.clone() };
        let mut vars: Vec<(String, Definition)> =
            given.map(|(key, value)| (key.to_string(), define(value.clone()))).collect();
        vars.extend(port.map(|port| ("ansible_ssh_port".to_owned(), define(Value::Int(port)))));
        let shown: Map =
            vars.iter().filter_map(|(k, d)| Some((k.as_str().into(), d.term.as_value()?.clone()))).collect();
        let changed = self.project.inventory.add_host(&name, &groups, vars);
        let host = Value::map([
            ("host_name", Value::from(name)),
            ("groups", Value::list(groups.iter().map(Value::str))),
            ("host_vars", Value::from(shown)),
        ]);
        Ok([("changed".into(), Value::Bool(changed)), ("add_host".into(), host)].into_iter().collect())
    }

    /// Puts the host into a group; an error is the name of the parameter that is missing.
    fn group_by(&mut self, args: &Map) -> Result<Map, &'static str> {
        let Some(key) = args.get("key").map(ToString::to_string).filter(|key| !key.is_empty()) else {
            return Err("key");
        };
        let dashes = |name: &str| name.replace(' ', "-");
        let parents: Vec<String> = match args.get("parents") {
            Some(parents) => words(Some(parents)).iter().map(|name| dashes(name)).collect(),
            None => vec!["all".to_owned()],
        };
        let group = dashes(&key);
        let changed = self.project.inventory.group_host(&self.host.clone(), &group, &parents);
        Ok([
            ("changed".into(), Value::Bool(changed)),
            ("add_group".into(), Value::from(group)),
            ("parent_groups".into(), Value::list(parents.iter().map(Value::str))),
        ]
        .into_iter()
        .collect())
    }
}

/// A list, or names in one text with commas between.
fn words(value: Option<&Value>) -> Vec<String> {
    let split = |text: String| {
        text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect::<Vec<_>>()
    };
    match value {
        Some(Value::List(items)) => items.iter().map(ToString::to_string).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(other) => split(other.to_string()),
    }
}
