//! Blocks and tasks: from syntax to a node.

use std::sync::Arc;

use super::frame::Frame;
use super::host::HostCompiler;
use super::rounds::Next;
use super::{Stop, modules};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Action, Background, Become, BlockRef, Diff, Iteration, Node, OPEN_FILES, Section, Until, Work};
use crate::parse::{Block, Item, Keyword, Keywords, Task, TaskArgs};
use crate::resource::{Claim, Footprint};
use crate::template::{EvalError, Layout, Scope as _, Term, TermScope};
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
            let mut inner = frame.clone();
            inner.locals.extend(round.locals.clone());
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
        let mut inner = frame.clone();
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
        if let Some(refusal) = includes.then(|| self.argument_names(task, &module)).flatten() {
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
        if self.goes_elsewhere(task, frame)? {
            return Ok(());
        }
        if let Some(refusal) = self.refusal(task, module) {
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
            self.flush(true, false)?;
        }
        let (work, footprint) = self.settled_work(task, frame, &action)?;
        let gathers = action == Action::Setup;
        self.push(task, frame, action, work, footprint)?;
        let late_names = std::mem::take(&mut self.late_names);
        // Where nothing is run, or nothing for real, anything may be what is not defined here.
        self.open_ended |= late_names && (self.is_rehearsal() || self.project.plan);
        // What was gathered anew is what counts from here on, and what has got a name only now.
        if (gathers || late_names) && !self.is_rehearsal() {
            self.flush(true, false)?;
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

    /// A node that only says that it was skipped.
    pub(super) fn skipped_node(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        let when = vec![Term::Value(Value::Bool(false))];
        let iteration = Iteration { item: None, when, args: Term::Value(Value::map::<&str>([])), template: None };
        self.push(task, frame, Action::Noop, Work::Once(iteration), Footprint::nothing())
    }

    /// A node of which nothing is known before apply.
    pub(super) fn open_node(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        if !self.project.plan && !self.is_rehearsal() {
            let message = "what it depends on is not known though all before it has run: a task with `check_mode: true` only looks";
            return self.failing_node(task, frame, EvalError::failed(message));
        }
        let when = vec![Term::Value(Value::Unknown)];
        let iteration = Iteration { item: None, when, args: Term::Value(Value::map::<&str>([])), template: None };
        self.push(task, frame, Action::Noop, Work::Once(iteration), Footprint::world())
    }

    /// A node that fails where it is reached.
    pub(super) fn failing_node(&mut self, task: &Arc<Task>, frame: &Frame, error: EvalError) -> Result<(), Stop> {
        let args = Term::Failed(Arc::new(error));
        let iteration = Iteration { item: None, when: frame.when.clone(), args, template: None };
        self.push(task, frame, Action::Fail, Work::Once(iteration), Footprint::world())
    }

    /// Makes the node and adds it.
    pub(super) fn push(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        action: Action,
        work: Work,
        footprint: Footprint,
    ) -> Result<(), Stop> {
        // Handlers come after everything that may notify them, and before everything after the flush.
        let footprint = if frame.handler.is_some() { Footprint::world() } else { footprint };
        let mut node = self.node(task, frame, action, work)?;
        let footprint = around(footprint, &node);
        let names = self.names(frame, Vec::new());
        let scope = self.scope(frame, Vec::new());
        let (bound, uses) = {
            let terms = node_terms(&node);
            self.bind(&terms, &names, &scope)
        };
        node.scope = bound;
        let sets = self.sets(&node);
        self.note_requests(task, frame, &node)?;
        self.builder.add(&mut node, footprint, &uses, &sets);
        self.worked |= super::host::makes_files(&node);
        self.nodes.push(node);
        Ok(())
    }

    fn node(&mut self, task: &Arc<Task>, frame: &Frame, action: Action, work: Work) -> Result<Node, Stop> {
        let own = &task.keywords;
        let id = self.next_node;
        self.next_node += 1;
        let scope = self.scope(frame, Vec::new());
        let conditions = |this: &Self, keyword| {
            let terms = own.get(keyword).map(|node| this.condition(node)).unwrap_or_default();
            terms.iter().map(|term| this.settled(term, &scope)).collect()
        };
        for keyword in [Keyword::ChangedWhen, Keyword::FailedWhen, Keyword::Until] {
            self.check_conditions(own.get(keyword), task, frame)?;
        }
        self.check_values(task, frame)?;
        let flag = |this: &Self, keyword| {
            let node = frame.keyword(own, keyword);
            node.map_or(Term::Value(Value::Bool(false)), |node| this.flag_term(node))
        };
        let mut notify = frame.notify.clone();
        notify.extend(own.get(Keyword::Notify).map(|node| self.term(node)));
        let notify = self.known_notify(notify, frame, task)?;
        let name = own.get(Keyword::Name).map(|node| self.term(node));
        let name = name.unwrap_or_else(|| Term::Value(Value::str(&task.module)));
        // A name that cannot be evaluated is shown as it was written.
        let name = self.partial(&name, &scope).unwrap_or(name);
        // As whom a task would work that does not is nobody's question.
        let skipped = self.certainly_skipped(frame, &scope);
        let stranger = if skipped { None } else { self.stranger(task, frame, &scope) };
        let (action, work, skipped) = match stranger {
            Some(error) => {
                let args = Term::Failed(Arc::new(error));
                let iteration = Iteration { item: None, when: frame.when.clone(), args, template: None };
                (Action::Fail, Work::Once(iteration), true)
            }
            None => (action, work, skipped),
        };
        Ok(Node {
            id,
            name,
            role: frame.role.as_ref().map(|role| role.role.name.clone()),
            module: task.module.clone(),
            origin: self.project.files.sources.origin(task.span),
            action,
            work,
            gates: frame.gates.clone(),
            scope: Vec::new(),
            register: own.get(Keyword::Register).and_then(Yaml::text).map(str::to_owned),
            notify,
            changed_when: conditions(self, Keyword::ChangedWhen),
            failed_when: conditions(self, Keyword::FailedWhen),
            until: self.until(own, &scope),
            ignore_errors: flag(self, Keyword::IgnoreErrors),
            ignore_unreachable: flag(self, Keyword::IgnoreUnreachable),
            no_log: flag(self, Keyword::NoLog),
            check_mode: self.flag(frame, own, Keyword::CheckMode),
            environment: if skipped { Term::Value(Value::map::<&str>([])) } else { self.environment(frame, own)? },
            timeout: frame.keyword(own, Keyword::Timeout).map(|node| self.term(node)),
            open_files: self.open_files(task, &scope),
            background: own.get(Keyword::Async).map(|limit| Background {
                limit: self.term(limit),
                poll: own.get(Keyword::Poll).map_or(Term::Value(Value::Int(15)), |poll| self.term(poll)),
            }),
            diff: self.diff_of(frame, own),
            r#become: if skipped { None } else { self.become_of(frame, own, task.span)? },
            blocks: frame.blocks.clone(),
            after: Vec::new(),
            requisites: Vec::new(),
            handler: frame.handler.clone(),
            in_handler: frame.in_handler,
            guards: self.guards(own),
            tags: frame.tags.clone(),
        })
    }

    /// How many files its programs may have open, where a variable says so: even one that cannot be evaluated.
    fn open_files(&self, task: &Task, scope: &Arc<TermScope>) -> Option<Term> {
        let said = !matches!(scope.get(OPEN_FILES), Ok(None));
        said.then(|| {
            Term::expression(&Arc::from(OPEN_FILES), self.project.files.sources.origin(task.span), Layout::default())
        })
    }

    /// Expressions of keywords that are asked where the task runs, and mean something else where they fail.
    fn check_values(&mut self, task: &Task, frame: &Frame) -> Result<(), Stop> {
        const FLAGS: &[Keyword] = &[Keyword::IgnoreErrors, Keyword::NoLog, Keyword::CheckMode, Keyword::Diff];
        const OTHERS: &[Keyword] =
            &[Keyword::Retries, Keyword::Delay, Keyword::Async, Keyword::Poll, Keyword::Timeout, Keyword::Notify];
        // They may be about the item.
        let looped = task.keywords.get(Keyword::Loop).is_some() || task.with.is_some();
        let scope = self.scope(frame, Vec::new());
        if looped || !self.certainly_runs(frame, &scope) {
            return Ok(());
        }
        for keyword in FLAGS.iter().chain(OTHERS) {
            let Some(node) = frame.keyword(&task.keywords, *keyword).cloned() else { continue };
            let term = if FLAGS.contains(keyword) { self.flag_term(&node) } else { self.term(&node) };
            self.evaluate(&term, &scope, node.span)?;
        }
        Ok(())
    }

    /// Conditions about a result: that they can be read at all is known before there is one.
    fn check_conditions(&mut self, node: Option<&Yaml>, task: &Task, frame: &Frame) -> Result<(), Stop> {
        let Some(node) = node else { return Ok(()) };
        let scope = self.scope(frame, Vec::new());
        if frame.keyword(&task.keywords, Keyword::IgnoreErrors).is_some() || !self.certainly_runs(frame, &scope) {
            return Ok(());
        }
        let mut wrong = None;
        for term in self.condition(node) {
            term.for_each_template(&mut |template| {
                wrong = wrong.take().or_else(|| self.project.engine.check(template).err());
            });
        }
        wrong.map_or(Ok(()), |error| Err(self.failed(&error, &scope, node.span)))
    }

    /// Why the user a task becomes cannot be told, where the task may never be reached or its failure may be meant: then it
    /// fails where it is reached.
    fn stranger(&self, task: &Task, frame: &Frame, scope: &Arc<TermScope>) -> Option<EvalError> {
        if !self.tolerates(task, frame) || self.flag(frame, &task.keywords, Keyword::Become) != Some(true) {
            return None;
        }
        let user = frame.keyword(&task.keywords, Keyword::BecomeUser)?;
        scope.evaluate(&self.term(user)).err()
    }

    /// A boolean that may be an expression.
    pub(super) fn flag_term(&self, node: &Yaml) -> Term {
        match node.to_value() {
            Value::Str(text) if !text.contains("{{") => match crate::value::parse_bool(&text) {
                Some(flag) => Term::Value(Value::Bool(flag)),
                None => self.expression(&text, node.span),
            },
            _ => self.term(node),
        }
    }

    fn until(&self, own: &Keywords, scope: &Arc<TermScope>) -> Option<Until> {
        let settled = |node| self.condition(node).iter().map(|term| self.settled(term, scope)).collect();
        let condition: Option<Vec<Term>> = own.get(Keyword::Until).map(settled);
        let retries = own.get(Keyword::Retries).map(|node| self.term(node));
        // `retries` alone repeats until the task does not fail, as since ansible-core 2.16.
        if condition.is_none() && retries.is_none() {
            return None;
        }
        let delay = own.get(Keyword::Delay).map(|node| self.term(node));
        Some(Until {
            condition: condition.unwrap_or_default(),
            retries: retries.unwrap_or(Term::Value(Value::Int(3))),
            delay: delay.unwrap_or(Term::Value(Value::Int(5))),
        })
    }

    /// A keyword that is a boolean, where it is given.
    pub(super) fn flag(&self, frame: &Frame, own: &Keywords, keyword: Keyword) -> Option<bool> {
        let node = frame.keyword(own, keyword)?;
        let value = match node.to_value() {
            Value::Str(text) if text.contains("{{") => self.scope(frame, Vec::new()).evaluate(&self.term(node)).ok()?,
            other => other,
        };
        Some(crate::apply_truth(&value))
    }

    fn diff_of(&self, frame: &Frame, own: &Keywords) -> Diff {
        match self.flag(frame, own, Keyword::Diff) {
            Some(false) => Diff::Hidden,
            asked if asked.unwrap_or(self.project.diff) && own.get(Keyword::Register).is_some() => Diff::Wanted,
            _ => Diff::Shown,
        }
    }

    /// Environments of all levels in one mapping, inner ones win.
    fn environment(&mut self, frame: &Frame, own: &Keywords) -> Result<Term, Stop> {
        let mut entries: Vec<(Term, Term)> = Vec::new();
        let nodes: Vec<Yaml> = frame.all(own, Keyword::Environment).into_iter().cloned().collect();
        let scope = self.scope(frame, Vec::new());
        for node in nodes {
            let parts = node.as_list().map_or_else(|| vec![node.clone()], <[Yaml]>::to_vec);
            for part in parts {
                let term = self.term(&part);
                let term = self.partial(&term, &scope).map_err(|error| self.failed(&error, &scope, part.span))?;
                match term {
                    Term::Value(Value::Map(map)) => {
                        entries.extend(
                            map.iter().map(|(k, v)| (Term::Value(Value::Str(k.clone())), Term::Value(v.clone()))),
                        );
                    }
                    Term::Map(map) => entries.extend(map.iter().cloned()),
                    Term::Value(Value::Null | Value::Omit) => {}
                    _ => {
                        let report = Diagnostic::error(Code::WrongShape, "`environment` is a mapping");
                        self.mistake(report.at(part.span, ""));
                    }
                }
            }
        }
        Ok(Term::map(entries))
    }

    fn guards(&self, own: &Keywords) -> Vec<(String, Term)> {
        let pair = |keyword: Keyword| own.get(keyword).map(|node| (keyword.name().to_owned(), self.term(node)));
        [Keyword::Unless, Keyword::OnlyIf, Keyword::Creates].into_iter().filter_map(pair).collect()
    }

    /// As whom the task works: keywords, or the variables of the same meaning.
    pub(super) fn become_of(
        &mut self,
        frame: &Frame,
        own: &Keywords,
        at: crate::source::Span,
    ) -> Result<Option<Become>, Stop> {
        let scope = self.scope(frame, Vec::new());
        let mut value = |keyword: Keyword, variable: &str| -> Result<Option<Value>, Stop> {
            if let Ok(Some(value)) = scope.get(variable)
                && !value.has_unknown()
            {
                return Ok(Some(value));
            }
            let Some(node) = frame.keyword(own, keyword) else {
                return Ok(self.project.defaults.get(variable).cloned());
            };
            let term = self.flag_or_text(node, keyword);
            self.evaluate(&term, &scope, node.span).map(Some)
        };
        let wanted = value(Keyword::Become, "ansible_become")?.is_some_and(|v| crate::apply_truth(&v));
        if !wanted {
            return Ok(None);
        }
        let text = |value: Option<Value>| value.filter(|v| *v != Value::Null).map(|v| v.to_string());
        let user = text(value(Keyword::BecomeUser, "ansible_become_user")?);
        let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "root".into());
        let method = text(value(Keyword::BecomeMethod, "ansible_become_method")?).unwrap_or_else(|| "sudo".into());
        let flags = text(value(Keyword::BecomeFlags, "ansible_become_flags")?);
        let exe = text(value(Keyword::BecomeExe, "ansible_become_exe")?);
        let password = ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"]
            .iter()
            .find_map(|name| scope.get(name).ok().flatten())
            // In a plan any name may yet be set by a task that is not known.
            .filter(|value| *value != Value::Null && !value.has_unknown())
            .map(|value| value.to_string());
        if let Some(password) = &password {
            self.project.redactor.add(password);
        }
        if !matches!(method.rsplit('.').next(), Some("sudo" | "su" | "doas")) {
            let report =
                Diagnostic::error(Code::Unsupported, format!("cfg cannot become another user with `{method}`"));
            // Said by a keyword or by a variable; only the keyword has a place.
            let said = frame.keyword(own, Keyword::BecomeMethod).filter(|node| node.text() == Some(method.as_str()));
            self.mistake(report.at(said.map_or(at, |node| node.span), "").help("use sudo, su or doas"));
            return Err(Stop::Mistakes);
        }
        let method = method.rsplit('.').next().unwrap_or("sudo").to_owned();
        let chdir = text(scope.get("ansible_sudo_chdir").ok().flatten()).filter(|_| method == "sudo");
        let prompts = match scope.get("ansible_su_prompt_l10n").ok().flatten().filter(|_| method == "su") {
            Some(Value::List(words)) => words.iter().map(Value::to_string).collect(),
            Some(word) => vec![word.to_string()],
            None => Vec::new(),
        };
        Ok(Some(Become { user, method, password, flags, exe, chdir, prompts }))
    }

    fn flag_or_text(&self, node: &Yaml, keyword: Keyword) -> Term {
        if keyword == Keyword::Become { self.flag_term(node) } else { self.term(node) }
    }
}

/// What a rescue section can ask of the failure it takes in.
const FAILURE: [&str; 2] = ["ansible_failed_task", "ansible_failed_result"];

/// What the names of who is left of a play have in them.
pub(super) const LEFT: &[&str] = &["ansible_play_batch", "play_hosts"];

/// What a task touches, with what is asked before it runs and the rights it runs with.
fn around(mut footprint: Footprint, node: &Node) -> Footprint {
    if !node.guards.is_empty() {
        footprint = footprint.and(Footprint::observer());
    }
    let Some(r#become) = &node.r#become else { return footprint };
    footprint = footprint.read(Claim::User(r#become.user.clone()));
    let rights = ["/etc/sudoers.d", "/etc/sudoers", "/etc/doas.conf", "/etc/pam.d"];
    rights.into_iter().fold(footprint, |footprint, path| footprint.read(Claim::Tree(path.into())))
}

/// Every term of a node.
pub(super) fn node_terms(node: &Node) -> Vec<&Term> {
    let mut terms: Vec<&Term> =
        vec![&node.name, &node.ignore_errors, &node.ignore_unreachable, &node.no_log, &node.environment];
    terms.extend(node.gates.iter().chain(&node.notify).chain(&node.changed_when).chain(&node.failed_when));
    terms.extend(node.guards.iter().map(|(_, term)| term).chain(&node.open_files));
    if let Some(until) = &node.until {
        terms.extend(until.condition.iter().chain([&until.retries, &until.delay]));
    }
    let iterations: Vec<&Iteration> = match &node.work {
        Work::Once(iteration) => vec![iteration],
        Work::Items(looped, iterations) => {
            terms.extend(looped.label.iter().chain(&looped.break_when));
            iterations.iter().collect()
        }
        Work::Late(looped, term, iteration) => {
            terms.push(term);
            terms.extend(looped.label.iter().chain(&looped.break_when));
            vec![iteration]
        }
    };
    for iteration in iterations {
        terms.extend(&iteration.when);
        terms.push(&iteration.args);
        terms.extend(iteration.template.as_ref().map(|file| &file.term));
    }
    terms
}
