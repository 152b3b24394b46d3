//! A play: its variables, roles, sections and flushes of handlers.

use std::sync::Arc;

use super::frame::{Frame, Inherited, RoleInstance};
use super::host::HostCompiler;
use super::{Project, Stop};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::{Keyword, Play, Shape};
use crate::value::Value;
use crate::variables::{Layer, LayerKind};
use crate::yaml::Node as Yaml;

/// What a play says about how its hosts are gone through.
#[derive(Clone, Debug, Default)]
pub struct PlaySettings {
    /// Batches: numbers, or percentages as negative numbers; empty: all at once.
    pub serial: Vec<i64>,
    /// Stop when more than this share of hosts failed, in percent.
    pub max_fail_percentage: Option<f64>,
    /// A failure on one host stops all.
    pub any_errors_fatal: bool,
    /// Run notified handlers on failed hosts.
    pub force_handlers: Option<bool>,
    /// Reverse, sort or shuffle the hosts.
    pub order: Option<String>,
    /// Hosts meet before every task.
    pub lockstep: bool,
}

/// The orders of hosts there are, and that of cfg's own.
const ORDERS: &[&str] = &["inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle", "explicit"];

impl PlaySettings {
    /// Reads them; what is wrong is reported.
    pub fn of(project: &Arc<Project>, play: &Play, report: &dyn Fn(Diagnostic)) -> Self {
        let value = |keyword| {
            super::early::play_keyword(project, play, keyword).unwrap_or_else(|error| {
                let span = play.keywords.get(keyword).map_or(play.span, |node| node.span);
                let help = "a keyword of a play can use its `vars` and what -e gives";
                let own = play.keywords.get(Keyword::Vars).and_then(Yaml::as_map).unwrap_or_default();
                let names = own.iter().map(|entry| &entry.key).chain(project.extra.entries.keys());
                let names = names.map(ToString::to_string).collect();
                let found = super::diagnose::expression(&error, &names, &project.files, span);
                report(found.note(help));
                None
            })
        };
        let value = |keyword| value(keyword).filter(|value| *value != Value::Omit);
        let flag = |keyword: Keyword| {
            let value = value(keyword)?;
            if !Shape::Flag.takes(&value) {
                let span = play.keywords.get(keyword).map_or(play.span, |node| node.span);
                report(Shape::Flag.report(keyword.name(), &format!("`{value}`"), span));
            }
            Some(crate::apply_truth(&value))
        };
        flag(Keyword::GatherFacts);
        let mut settings = Self {
            any_errors_fatal: flag(Keyword::AnyErrorsFatal) == Some(true),
            force_handlers: flag(Keyword::ForceHandlers),
            order: value(Keyword::Order).map(|v| v.to_string()),
            ..Self::default()
        };
        let bad = |keyword: Keyword, found: &Value, what: &str, help: Option<String>| {
            let message = format!("`{}`: expected {what}, found `{found}`", keyword.name());
            if let Some(node) = play.keywords.get(keyword) {
                let item = node.as_list().and_then(|items| items.iter().find(|item| item.to_value() == *found));
                let span = item.unwrap_or(node).span;
                report(Diagnostic::error(Code::WrongShape, message).at(span, "").help_opt(help));
            }
        };
        if let Some(serial) = value(Keyword::Serial) {
            let items = match serial {
                Value::List(items) => items.to_vec(),
                other => vec![other],
            };
            for item in items {
                match parse_serial(&item) {
                    Some(size) => settings.serial.push(size),
                    None => {
                        bad(Keyword::Serial, &item, "a number of hosts or a percentage such as \"30%\"", None);
                    }
                }
            }
        }
        if let Some(limit) = value(Keyword::MaxFailPercentage) {
            settings.max_fail_percentage = limit.to_string().trim_end_matches('%').parse().ok();
            if settings.max_fail_percentage.is_none() {
                bad(Keyword::MaxFailPercentage, &limit, "a percentage", None);
            }
        }
        if let Some(order) = &settings.order
            && !ORDERS.contains(&order.as_str())
        {
            let help = did_you_mean(order, ORDERS.iter().copied());
            bad(Keyword::Order, &Value::str(order), &format!("one of {}", ORDERS.join(", ")), help);
        }
        // A limit to failures means something only if no host runs ahead of it.
        settings.lockstep = settings.any_errors_fatal
            || settings.max_fail_percentage.is_some()
            || value(Keyword::Strategy)
                .is_some_and(|v| v.to_string().trim_start_matches("ansible.builtin.") == "linear");
        if let Some(Value::Str(strategy)) = value(Keyword::Strategy)
            && !matches!(
                strategy.as_ref(),
                "linear" | "free" | "host_pinned" | "ansible.builtin.linear" | "ansible.builtin.free"
            )
        {
            let help = did_you_mean(&strategy, ["linear", "free", "host_pinned"]);
            bad(Keyword::Strategy, &Value::Str(strategy), "`linear`, `free` or `host_pinned`", help);
        }
        settings
    }

    /// Splits hosts into batches.
    pub fn batches(&self, hosts: &[Arc<str>]) -> Vec<Vec<Arc<str>>> {
        let mut rest = hosts.to_vec();
        let mut batches = Vec::new();
        let mut sizes = self.serial.iter().copied();
        let mut size = sizes.next().unwrap_or(0);
        while !rest.is_empty() {
            let count = match size {
                0 => rest.len(),
                n if n < 0 => ((hosts.len() as i64 * -n) / 100).max(1) as usize,
                n => n as usize,
            };
            let tail = rest.split_off(count.min(rest.len()));
            batches.push(std::mem::replace(&mut rest, tail));
            // The last size holds for all that follow.
            size = sizes.next().unwrap_or(size);
        }
        batches
    }
}

fn parse_serial(value: &Value) -> Option<i64> {
    let text = value.to_string();
    match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<i64>().ok().filter(|p| *p > 0).map(|p| -p),
        None => text.trim().parse().ok().filter(|n| *n >= 0),
    }
}

impl HostCompiler<'_> {
    /// Compiles and runs the play.
    ///
    /// # Errors
    /// Where mistakes were reported, or the host is lost.
    pub fn play(&mut self) -> Result<(), Stop> {
        let play = self.play;
        let mut frame = Frame { dir: play.dir.clone(), ..Frame::default() };
        self.play_variables(&frame)?;
        for import in &play.imported {
            frame.tags = Arc::new(self.tags_of(&frame, import));
            if let Some(when) = import.get(Keyword::When) {
                frame.when.extend(self.condition(when));
            }
        }
        frame.tags = Arc::new(self.tags_of(&frame, &play.keywords));
        frame.keywords.push(Arc::new(Inherited(play.keywords.clone())));
        let calls = self.role_calls(&frame)?;
        self.add_handlers(&play.handlers, &frame)?;
        self.lockstep = PlaySettings::of(self.project, play, &|_| {}).lockstep;
        for section in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            self.imported_roles(section, &frame)?;
        }
        self.gather(&frame)?;
        let result = self.sections(&frame, &calls);
        match result {
            Err(Stop::Ended) | Ok(()) => self.finish(),
            Err(stop) => Err(stop),
        }
    }

    /// The variables of roles that are imported by name are everybody's from the start of the play, as in Ansible.
    fn imported_roles(&mut self, items: &[crate::parse::Item], frame: &Frame) -> Result<(), Stop> {
        for item in items {
            match item {
                crate::parse::Item::Block(block) => {
                    for section in [&block.body, &block.rescue, &block.always] {
                        self.imported_roles(section, frame)?;
                    }
                }
                crate::parse::Item::Task(task) if super::modules::short(&task.module) == "import_role" => {
                    let name = task.args.get("name").or_else(|| task.args.get("role"));
                    let Some(name) = name.and_then(Yaml::text).filter(|name| !name.contains("{{")) else { continue };
                    let private = task.args.get("public").is_some_and(|node| !crate::apply_truth(&node.to_value()));
                    if private {
                        continue;
                    }
                    if let Ok(path) = self.project.files.find_role(name, &self.play.dir, None) {
                        let role = self.project.files.role(name, &path);
                        let mut instance = self.role_instance(role, Arc::new(Layer::new(LayerKind::RoleParams)), &[]);
                        self.vars_from(task, frame, &mut instance)?;
                        self.roles.push(instance);
                    }
                }
                crate::parse::Item::Task(_) => {}
            }
        }
        Ok(())
    }

    /// Loads the variables and roles of the play, without its tasks.
    ///
    /// # Errors
    /// Where they have mistakes.
    pub fn prepare(&mut self) -> Result<(), Stop> {
        let frame = Frame { dir: self.play.dir.clone(), ..Frame::default() };
        self.play_variables(&frame)?;
        self.role_calls(&frame).map(drop)
    }

    fn sections(&mut self, frame: &Frame, calls: &[(Arc<RoleInstance>, Frame)]) -> Result<(), Stop> {
        let play = self.play;
        if !play.pre_tasks.is_empty() {
            self.at(0, |this| this.items(&play.pre_tasks, frame))?;
            self.at(1, |this| this.flush_handlers(&[]))?;
        }
        for (i, (role, frame)) in calls.iter().enumerate() {
            self.at(2, |this| this.at(i, |this| this.role_tasks(role, frame, None)))?;
        }
        self.at(3, |this| this.items(&play.tasks, frame))?;
        if !calls.is_empty() || !play.tasks.is_empty() || play.post_tasks.is_empty() {
            self.at(4, |this| this.flush_handlers(&[]))?;
        }
        if !play.post_tasks.is_empty() {
            self.at(5, |this| this.items(&play.post_tasks, frame))?;
            self.at(6, |this| this.flush_handlers(&[]))?;
        }
        self.listeners()
    }

    fn play_variables(&mut self, frame: &Frame) -> Result<(), Stop> {
        let play = self.play;
        for import in &play.imported {
            if let Some(vars) = import.get(Keyword::Vars) {
                let layer = self.layer(LayerKind::Play, vars);
                self.play_layers.push(layer);
            }
        }
        if let Some(vars) = play.keywords.get(Keyword::Vars) {
            let layer = self.layer(LayerKind::Play, vars);
            self.play_layers.push(layer);
        }
        self.prompted();
        let Some(files) = play.keywords.get(Keyword::VarsFiles) else { return Ok(()) };
        let entries = files.as_list().map_or_else(|| vec![files.clone()], <[Yaml]>::to_vec);
        for entry in entries {
            let candidates = entry.as_list().map_or_else(|| vec![entry.clone()], <[Yaml]>::to_vec);
            self.vars_file(&candidates, frame, &entry)?;
        }
        Ok(())
    }

    /// The answers to `vars_prompt`; unknown where nobody was asked.
    fn prompted(&mut self) {
        let Some(node) = self.play.keywords.get(Keyword::VarsPrompt) else { return };
        let names = node.as_list().unwrap_or_default().iter().filter_map(|item| item.get("name").and_then(Yaml::text));
        let values = match self.play.prompted.get() {
            Some(answers) => answers.clone(),
            None => names.map(|name| (name.to_owned(), Value::Unknown)).collect(),
        };
        self.play_layers.push(Arc::new(Layer::of_values(LayerKind::Prompt, values)));
    }

    /// Of several files the first that exists.
    fn vars_file(&mut self, candidates: &[Yaml], frame: &Frame, entry: &Yaml) -> Result<(), Stop> {
        let mut tried = Vec::new();
        for candidate in candidates {
            let scope = self.scope(frame, Vec::new());
            let term = self.term(candidate);
            let value = match scope.evaluate(&term) {
                Ok(value) => value,
                Err(error) => return Err(self.failed(&error, &scope, candidate.span)),
            };
            if value.has_unknown() || value == Value::Null {
                return Ok(());
            }
            let name = value.to_string();
            let dir = self.play.dir.clone();
            let places = [dir.join("vars").join(&name), dir.join(&name)];
            if let Some(path) = places.iter().find(|path| path.is_file()) {
                if let Some(file) = self.project.files.vars_of_play(path, Some(candidate.span)) {
                    let entries = crate::inventory::definitions(&file, &self.project.files);
                    self.play_layers.push(Arc::new(Layer { kind: LayerKind::VarsFiles, entries }));
                }
                return Ok(());
            }
            tried.push(name);
        }
        let report = Diagnostic::error(Code::FileNotFound, format!("there is no file `{}`", tried.join("`, `")));
        self.mistake(
            report
                .at(entry.span, "named here")
                .help(format!("looked in {} and its `vars`", crate::source::display_path(&self.play.dir))),
        );
        Err(Stop::Mistakes)
    }
}
