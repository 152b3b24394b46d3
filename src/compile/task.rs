//! Blocks and tasks: from syntax to a node.

use std::sync::Arc;

use super::frame::Frame;
use super::host::HostCompiler;
use super::rounds::Next;
use super::{Stop, modules};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Action, BlockRef, Section, Work};
use crate::parse::{Block, Item, Keyword, Task, TaskArgs};
use crate::resource::Footprint;
use crate::template::{EvalError, Term, TermScope};
use crate::value::Value;
use crate::variables::LayerKind;
use crate::yaml::Node as Yaml;

impl HostCompiler<'_> {
    /// Compiles a list of tasks and blocks.
    pub(super) fn items(&mut self, items: &[Item], frame: &Frame) -> Result<(), Stop> {
        for (i, item) in items.iter().enumerate() {
            let result = self.at(i, |this| match item {
                Item::Block(block) => this.block(block, frame),
                Item::Task(task) => this.task(task, frame),
            });
            match result {
                // Mistakes of one task do not hide those of the next.
                Err(Stop::Mistakes) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Walks something at an index of the place the walk is at.
    pub(super) fn at<T>(&mut self, index: usize, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(index as u32);
        let result = walk(self);
        self.place.pop();
        result
    }

    /// A block, for each item of its loop where it has one.
    fn block(&mut self, block: &Block, frame: &Frame) -> Result<(), Stop> {
        if block.keywords.get(Keyword::Loop).is_none() && block.with.is_none() {
            return self.block_once(block, frame);
        }
        let looped = Arc::new(Task {
            span: block.span,
            module: Arc::from("block"),
            module_span: block.span,
            args: TaskArgs::default(),
            keywords: block.keywords.clone(),
            with: block.with.clone(),
        });
        for (i, round) in self.rounds(&looped, frame)?.into_iter().enumerate() {
            let inner = frame.in_round(&round.locals);
            self.at(i, |this| this.block_once(block, &inner))?;
            match self.after_round(&looped, frame, &round)? {
                Next::Goes => {}
                Next::Stops => break,
                Next::Unknown => return self.known_after_apply(&looped, frame),
            }
        }
        Ok(())
    }

    fn block_once(&mut self, block: &Block, frame: &Frame) -> Result<(), Stop> {
        let mut inner = frame.below(&block.keywords);
        inner.tags = Arc::new(self.tags_of(frame, &block.keywords));
        if let Some(vars) = block.keywords.get(Keyword::Vars) {
            let layer = self.layer(LayerKind::Block, vars);
            inner.vars.insert(0, layer);
        }
        if let Some(when) = block.keywords.get(Keyword::When) {
            inner.when.extend(self.condition(when));
        }
        if let Some(notify) = block.keywords.get(Keyword::Notify) {
            inner.notify.push(self.term(notify));
        }
        if block.rescue.is_empty() && block.always.is_empty() {
            return self.items(&block.body, &inner);
        }
        let id = self.next_block;
        self.next_block += 1;
        if !block.rescue.is_empty() {
            self.rescues.push(id);
        }
        let sections =
            [(Section::Body, &block.body), (Section::Rescue, &block.rescue), (Section::Always, &block.always)];
        for (i, (section, items)) in sections.into_iter().enumerate() {
            if section == Section::Rescue {
                // What is known of an earlier failure says nothing of this one.
                for name in FAILURE {
                    self.expect_runtime(name, Value::Unknown);
                }
            }
            let mut frame = inner.clone();
            frame.blocks.push(BlockRef { id, section });
            self.at(i, |this| this.items(items, &frame))?;
        }
        Ok(())
    }

    /// Compiles a task.
    pub(super) fn task(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        self.regroup();
        let tags = self.tags_of(frame, &task.keywords);
        let module = modules::short(&task.module).to_owned();
        let is_static = matches!(module.as_str(), "import_tasks" | "import_role");
        if !is_static && frame.handler.is_none() && !self.project.tags.selects(&tags) {
            return Ok(());
        }
        if !is_static && self.comes_before_start(task, frame) {
            return Ok(());
        }
        let mut inner = frame.in_round(&[]);
        inner.tags = Arc::new(tags);
        if let Some(vars) = task.keywords.get(Keyword::Vars) {
            let kind = if module.starts_with("import_") || module.starts_with("include_") {
                LayerKind::IncludeParams
            } else {
                LayerKind::Task
            };
            let kind = if module.starts_with("import_") { LayerKind::Task } else { kind };
            let layer = self.layer(kind, vars);
            inner.vars.insert(0, layer);
        }
        if let Some(when) = task.keywords.get(Keyword::When) {
            let own = self.condition(when);
            inner.when.extend(own);
        }
        if task.is_looped() {
            inner.round = self.loop_control(task, &inner).unknown_variables();
        }
        let task = &match self.rewritten(task, &inner)? {
            Some(task) => task,
            None => return self.open_node(task, &inner),
        };
        let module = modules::short(&task.module).to_owned();
        if !is_static {
            self.meet_before(task, &inner)?;
        }
        if !is_static && !self.wants_task(task, &inner)? {
            return Ok(());
        }
        let includes = module.starts_with("import_") || module.starts_with("include_");
        let refusal = || self.argument_names(task, &module).or_else(|| self.argument_values(task, &inner, &module));
        if let Some(refusal) = includes.then(refusal).flatten() {
            return Err(self.mistakes(refusal.reports));
        }
        self.lookups.begin();
        match module.as_str() {
            "import_tasks" | "include_tasks" => self.include_tasks(task, &inner, module == "import_tasks"),
            "import_role" | "include_role" => self.include_role(task, &inner, module == "import_role"),
            "include_vars" => self.include_vars(task, &inner),
            "meta" => self.meta(task, &inner),
            "add_host" => self.once(task, &inner),
            _ => self.plain_task(task, &inner, &module),
        }
    }

    /// `--start-at-task`: says whether the task comes before the one to start at. Once that was met, on this host, none does.
    fn comes_before_start(&mut self, task: &Task, frame: &Frame) -> bool {
        const STARTED: &str = "__cfg_started";
        let Some(wanted) = &self.project.start_at else { return false };
        if frame.handler.is_some() || self.runtime.contains_key(STARTED) {
            return false;
        }
        let own = task.keywords.get(Keyword::Name).and_then(Yaml::text).unwrap_or(&task.module);
        let role = frame.role.as_ref().map(|role| format!("{} : {own}", role.role.name));
        let met = crate::inventory::glob(wanted, own) || role.is_some_and(|name| crate::inventory::glob(wanted, &name));
        if met {
            self.set_runtime(STARTED, Value::Bool(true));
        }
        !met
    }

    pub(super) fn plain_task(&mut self, task: &Arc<Task>, frame: &Frame, module: &str) -> Result<(), Stop> {
        if self.waits_for_results(task, frame) && !self.is_rehearsal() {
            self.flush()?;
            let scope = self.scope(frame, Vec::new());
            if self.waits_for_results(task, frame) && !self.certainly_skipped(frame, &scope) {
                return self.open_node(task, frame);
            }
        }
        if self.goes_elsewhere(task, frame)? {
            return Ok(());
        }
        let refusal = self.refusal(task, module).or_else(|| self.argument_values(task, frame, module));
        if let Some(refusal) = refusal {
            return self.refuse(task, frame, refusal);
        }
        if matches!(module, "add_host" | "group_by") {
            return self.change_hosts(task, frame, module);
        }
        let action = match module {
            "set_stats" => Action::Report,
            "set_fact" => Action::SetFact,
            "debug" => Action::Debug,
            "assert" => Action::Assert,
            "fail" => Action::Fail,
            "validate_argument_spec" => Action::Validate,
            "setup" | "gather_facts" => Action::Setup,
            "pause" => Action::Pause,
            _ => Action::Resource(
                crate::resource::find(&task.module).map_or_else(|| module.to_owned(), |k| k.name.to_owned()),
            ),
        };
        if super::pause::has_prompt(task) {
            return self.pause(task, frame);
        }
        if action == Action::Assert && task.args.free.is_none() && task.args.get("that").is_none() {
            let message = "`assert` needs `that`";
            if self.tolerates(task, frame) {
                return self.failing_node(task, frame, EvalError::failed(message));
            }
            let report = Diagnostic::error(Code::MissingParameter, message).at(task.module_span, "");
            self.mistake(report.help("write the conditions under `that:`"));
            return Err(Stop::Mistakes);
        }
        if action == Action::Assert {
            self.check_conditions(task.args.get("that"), task, frame)?;
        }
        let texts = self.texts_about_hosts(task, frame, &action);
        // Who is left of the play is known only where all have come.
        let counts = texts.iter().any(|text| LEFT.iter().any(|name| text.contains(name)));
        if self.reads_results_of_others(&texts) || (counts && self.hosts.batch.len() > 1 && !self.is_rehearsal()) {
            self.meet()?;
        } else if !texts.is_empty() && !self.is_rehearsal() && self.hostvars_source()().has_unknown() {
            self.flush()?;
        }
        let (work, footprint) = self.settled_work(task, frame, &action)?;
        let gathers = action == Action::Setup;
        self.push(task, frame, action, work, footprint)?;
        let late_names = std::mem::take(&mut self.late_names);
        // Where nothing is run, or nothing for real, anything may be what is not defined here.
        self.open_ended |= late_names && (self.is_rehearsal() || self.project.plan);
        // What was gathered anew is what counts from here on, and what has got a name only now.
        if (gathers || late_names) && !self.is_rehearsal() {
            self.flush()?;
        }
        Ok(())
    }

    /// The work of a task. Where something has to be looked up that earlier tasks may make, or that depends on their
    /// results, those run first.
    fn settled_work(&mut self, task: &Arc<Task>, frame: &Frame, action: &Action) -> Result<(Work, Footprint), Stop> {
        let first = self.work(task, frame, action);
        if matches!(first, Err(Stop::Mistakes)) || !self.settle_lookups()? {
            return first;
        }
        self.lookups.begin();
        self.work(task, frame, action)
    }

    /// Says whether the conditions are already known not to hold.
    pub(super) fn certainly_skipped(&self, frame: &Frame, scope: &Arc<TermScope>) -> bool {
        let no =
            |term: &Term| scope.evaluate(term).is_ok_and(|value| !value.has_unknown() && !crate::apply_truth(&value));
        frame.when.iter().any(no)
    }

    /// Says whether the conditions are already known to hold.
    pub(super) fn certainly_runs(&self, frame: &Frame, scope: &Arc<TermScope>) -> bool {
        let yes =
            |term: &Term| scope.evaluate(term).is_ok_and(|value| !value.has_unknown() && crate::apply_truth(&value));
        frame.gates.is_empty() && frame.handler.is_none() && frame.blocks.is_empty() && frame.when.iter().all(yes)
    }
}

/// What a rescue section can ask of the failure it takes in.
const FAILURE: [&str; 2] = ["ansible_failed_task", "ansible_failed_result"];

/// What the names of who is left of a play have in them.
pub(super) const LEFT: &[&str] = &["ansible_play_batch", "play_hosts"];
