//! Keywords of a task as its node has them: those that nothing but the task's own run asks for.

use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use super::refusal::Refusal;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Become, BecomeMethod, Diff, OPEN_FILES, Until};
use crate::parse::{Keyword, Keywords, Shape, Task};
use crate::source::Span;
use crate::template::{EvalError, Scope as _, Term, TermScope};
use crate::value::Value;
use crate::yaml::Node as Yaml;

impl HostCompiler<'_> {
    /// A keyword that is a boolean, where it is given.
    pub(super) fn flag(&self, frame: &Frame, own: &Keywords, keyword: Keyword) -> Option<bool> {
        let node = frame.keyword(own, keyword)?;
        let value = match node.to_value() {
            Value::Str(text) if text.contains("{{") => self.scope(frame, Vec::new()).evaluate(&self.term(node)).ok()?,
            other => other,
        };
        Some(crate::apply_truth(&value))
    }

    /// Keywords that say as whom a task works, and whether it does. They are asked while it is compiled.
    const SAID_BEFORE: [Keyword; 6] = [
        Keyword::Become,
        Keyword::BecomeUser,
        Keyword::BecomeMethod,
        Keyword::BecomeFlags,
        Keyword::BecomeExe,
        Keyword::CheckMode,
    ];

    /// What those keywords come to where they are expressions.
    fn said_before(&self, task: &Task, frame: &Frame) -> Vec<(Keyword, Span, Result<Value, EvalError>)> {
        let nodes = Self::SAID_BEFORE.iter().filter_map(|keyword| {
            let node = frame.keyword(&task.keywords, *keyword)?;
            let term = if keyword.shape() == Shape::Condition { self.flag_term(node) } else { self.term(node) };
            term.as_value().is_none().then_some((*keyword, node.span, term))
        });
        let nodes: Vec<(Keyword, Span, Term)> = nodes.collect();
        if nodes.is_empty() {
            return Vec::new();
        }
        let scope = self.scope(frame, Vec::new());
        nodes.into_iter().map(|(keyword, span, term)| (keyword, span, scope.evaluate(&term))).collect()
    }

    /// Says whether it depends on results as whom a task works, or whether it does.
    pub(super) fn waits_for_results(&self, task: &Task, frame: &Frame) -> bool {
        self.said_before(task, frame).iter().any(|(_, _, said)| said.as_ref().is_ok_and(Value::has_unknown))
    }

    /// Each item of a loop has a say in that: a node has one answer for all.
    pub(super) fn differs_by_item(&self, task: &Task, frame: &Frame) -> Option<Refusal> {
        let looped = task.keywords.get(Keyword::Loop).is_some() || task.with.is_some();
        let said = if looped { self.said_before(task, frame) } else { Vec::new() };
        let (keyword, span, _) = said.into_iter().find(|(_, _, said)| said.is_err())?;
        let message = format!("`{}` about the item of a loop is not supported", keyword.name());
        let report = Diagnostic::error(Code::Unsupported, message.clone()).at(span, "");
        let help = "put the task into a `block` and loop over that: a block can be looped in cfg";
        Some(Refusal { message, reports: vec![report.help(help)] })
    }

    /// What a keyword comes to. A value that it does not take is a mistake.
    pub(super) fn keyword_value(
        &mut self,
        keyword: Keyword,
        node: &Yaml,
        scope: &Arc<TermScope>,
    ) -> Result<Value, Stop> {
        let shape = keyword.shape();
        let term = if shape == Shape::Condition { self.flag_term(node) } else { self.term(node) };
        self.shaped_value(keyword.name(), shape, &term, node.span, scope)
    }

    /// What the term of a keyword comes to. A value that is not of its shape is a mistake.
    pub(super) fn shaped_value(
        &mut self,
        name: &str,
        shape: Shape,
        term: &Term,
        at: Span,
        scope: &Arc<TermScope>,
    ) -> Result<Value, Stop> {
        let value = self.evaluate(term, scope, at)?;
        if !shape.takes(&value) {
            let found = value.to_string();
            let found = if found.is_empty() { "an empty text".to_owned() } else { format!("`{found}`") };
            self.mistake(shape.report(name, &found, at));
            return Err(Stop::Mistakes);
        }
        Ok(value)
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

    pub(super) fn until(&self, own: &Keywords, scope: &Arc<TermScope>) -> Option<Until> {
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

    pub(super) fn diff_of(&self, frame: &Frame, own: &Keywords) -> Diff {
        match self.flag(frame, own, Keyword::Diff) {
            Some(false) => Diff::Hidden,
            asked if asked.unwrap_or(self.project.diff) && own.get(Keyword::Register).is_some() => Diff::Wanted,
            _ => Diff::Shown,
        }
    }

    /// Environments of all levels in one mapping, inner ones win.
    pub(super) fn environment(&mut self, task: &Task, frame: &Frame, scope: &Arc<TermScope>) -> Result<Term, Stop> {
        let own = &task.keywords;
        let mut entries: Vec<(Term, Term)> = Vec::new();
        let looped = own.get(Keyword::Loop).is_some() || task.with.is_some();
        let nodes: Vec<Yaml> = frame.all(own, Keyword::Environment).into_iter().cloned().collect();
        for node in nodes {
            let parts = node.as_list().map_or_else(|| vec![node.clone()], <[Yaml]>::to_vec);
            for part in parts {
                let term = self.term(&part);
                let term = match self.partial(&term, scope) {
                    Ok(term) => term,
                    // It may be about the item: that is known where the item is.
                    Err(_) if looped && matches!(term, Term::Map(_)) => term,
                    Err(error) => return Err(self.failed(&error, scope, part.span)),
                };
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

    pub(super) fn guards(&self, own: &Keywords) -> Vec<(String, Term)> {
        let pair = |keyword: Keyword| own.get(keyword).map(|node| (keyword.name().to_owned(), self.term(node)));
        [Keyword::Unless, Keyword::OnlyIf, Keyword::Creates].into_iter().filter_map(pair).collect()
    }

    /// How many files its programs may have open, where a variable says so: even one that cannot be evaluated.
    pub(super) fn open_files(&self, task: &Task, scope: &Arc<TermScope>) -> Option<Term> {
        let said = !matches!(scope.get(OPEN_FILES), Ok(None));
        said.then(|| self.expression(OPEN_FILES, task.span))
    }

    /// As whom the task works: keywords, or the variables of the same meaning.
    pub(super) fn become_of(
        &mut self,
        frame: &Frame,
        own: &Keywords,
        at: Span,
        scope: &Arc<TermScope>,
    ) -> Result<Option<Become>, Stop> {
        let mut value = |keyword: Keyword, variable: &str| -> Result<Option<Value>, Stop> {
            if let Ok(Some(value)) = scope.get(variable)
                && !value.has_unknown()
            {
                return Ok(Some(value));
            }
            let Some(node) = frame.keyword(own, keyword) else {
                return Ok(self.project.defaults.get(variable).cloned());
            };
            self.keyword_value(keyword, node, scope).map(Some)
        };
        let wanted = value(Keyword::Become, "ansible_become")?.is_some_and(|v| crate::apply_truth(&v));
        if !wanted {
            return Ok(None);
        }
        let text = |value: Option<Value>| value.filter(|v| *v != Value::Null).map(|v| v.to_string());
        let user = text(value(Keyword::BecomeUser, "ansible_become_user")?);
        let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "root".into());
        let method = text(value(Keyword::BecomeMethod, "ansible_become_method")?);
        let flags = text(value(Keyword::BecomeFlags, "ansible_become_flags")?);
        let exe = text(value(Keyword::BecomeExe, "ansible_become_exe")?);
        let method = match method.as_deref().map(|name| BecomeMethod::named(name).ok_or(name)) {
            None => BecomeMethod::Sudo,
            Some(Ok(method)) => method,
            Some(Err(name)) => return Err(self.unknown_method(name, frame.keyword(own, Keyword::BecomeMethod), at)),
        };
        let variable = |name: &str, of: BecomeMethod| scope.get(name).ok().flatten().filter(|_| method == of);
        let chdir = text(variable("ansible_sudo_chdir", BecomeMethod::Sudo));
        let prompts = match variable("ansible_su_prompt_l10n", BecomeMethod::Su) {
            Some(Value::List(words)) => words.iter().map(Value::to_string).collect(),
            Some(word) => vec![word.to_string()],
            None => Vec::new(),
        };
        Ok(Some(Become { user, method, password: self.become_password(scope), flags, exe, chdir, prompts }))
    }

    /// The password for becoming another user. It is shown nowhere from here on.
    fn become_password(&self, scope: &TermScope) -> Option<String> {
        let password = ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"]
            .iter()
            .find_map(|name| scope.get(name).ok().flatten())
            // In a plan any name may yet be set by a task that is not known.
            .filter(|value| *value != Value::Null && !value.has_unknown())?
            .to_string();
        self.project.redactor.add(&password);
        Some(password)
    }

    /// Said by a keyword or by a variable; only the keyword has a place.
    fn unknown_method(&mut self, name: &str, keyword: Option<&Yaml>, at: Span) -> Stop {
        let report = Diagnostic::error(Code::Unsupported, format!("cfg cannot become another user with `{name}`"));
        let said = keyword.filter(|node| node.text() == Some(name));
        self.mistake(report.at(said.map_or(at, |node| node.span), "").help("use sudo, su or doas"));
        Stop::Mistakes
    }
}
