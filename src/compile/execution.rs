//! As whom a task works, and whether it does. Both are settled while it is compiled, at the latest once what was compiled
//! before has run; the item of a loop may have a say in them.

use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Become, BecomeMethod, CheckMode, Execution, Iteration, Node};
use crate::parse::{Keyword, Keywords, Task};
use crate::resource::{Claim, Footprint};
use crate::source::Span;
use crate::template::{EvalError, Scope as _, Term, TermScope};
use crate::value::Value;
use crate::yaml::Node as Yaml;

/// The keywords that say so, with the variables that come before them.
const SAID_BEFORE: [(Keyword, Option<&str>); 6] = [
    (Keyword::CheckMode, None),
    (Keyword::Become, Some("ansible_become")),
    (Keyword::BecomeUser, Some("ansible_become_user")),
    (Keyword::BecomeMethod, Some("ansible_become_method")),
    (Keyword::BecomeFlags, Some("ansible_become_flags")),
    (Keyword::BecomeExe, Some("ansible_become_exe")),
];

impl HostCompiler<'_> {
    /// What keywords and variables say where that is not plain: expressions, and what tasks have set.
    fn said(&self, task: &Task, frame: &Frame) -> Vec<(Keyword, Term)> {
        let near = |name: &str| {
            self.runtime.contains_key(name) || frame.vars.iter().any(|layer| layer.entries.contains_key(name))
        };
        let each = SAID_BEFORE.iter().filter_map(|(keyword, variable)| match variable.filter(|name| near(name)) {
            Some(variable) => Some((*keyword, self.expression(variable, task.span))),
            None => Some((*keyword, self.open_term(task, frame, *keyword)?)),
        });
        each.collect()
    }

    /// What that comes to.
    fn said_before(
        &self,
        task: &Task,
        frame: &Frame,
        scope: &Arc<TermScope>,
    ) -> Vec<(Keyword, Result<Value, EvalError>)> {
        let said = self.said(task, frame).into_iter();
        said.map(|(keyword, term)| (keyword, scope.evaluate(&term))).collect()
    }

    /// A keyword that is an expression.
    fn open_term(&self, task: &Task, frame: &Frame, keyword: Keyword) -> Option<Term> {
        let term = self.keyword_term(keyword, frame.keyword(&task.keywords, keyword)?);
        term.as_value().is_none().then_some(term)
    }

    /// Says whether it depends on results as whom a task works, or whether it does.
    pub(super) fn waits_for_results(&self, task: &Task, frame: &Frame) -> bool {
        // Of a loop each item is asked, and waits.
        !task.is_looped() && self.is_said_late(task, frame)
    }

    /// Says whether each item of a loop is asked for it.
    pub(super) fn asks_item(&self, task: &Task, frame: &Frame) -> bool {
        task.is_looped() && self.is_said_late(task, frame)
    }

    fn is_said_late(&self, task: &Task, frame: &Frame) -> bool {
        let said = self.said(task, frame);
        if said.is_empty() {
            return false;
        }
        let scope = self.scope(frame, Vec::new());
        said.iter().any(|(_, term)| scope.evaluate(term).is_ok_and(|value| value.has_unknown()))
    }

    /// An iteration whose item has a say in it. Where it cannot be told, and `certain` is false, it fails where it is reached.
    pub(super) fn executed(
        &mut self,
        task: &Task,
        frame: &Frame,
        iteration: Iteration,
        scope: &Arc<TermScope>,
        certain: bool,
    ) -> Result<Iteration, Stop> {
        let said = self.said_before(task, frame, scope);
        if said.iter().any(|(_, said)| said.as_ref().is_ok_and(Value::has_unknown)) {
            // What was compiled so far runs first; in a plan it stays unknown.
            self.lookups.want_file();
            return Ok(Iteration { when: vec![Term::Value(Value::Unknown)], ..iteration });
        }
        if let Some(error) = self.stranger(task, frame, scope, || certain) {
            return Ok(Iteration { args: Term::Failed(Arc::new(error)), ..iteration });
        }
        let execution = self.execution(task, frame, scope)?;
        Ok(Iteration { execution: Some(Box::new(execution)), ..iteration })
    }

    /// As whom a task works, and whether it does.
    pub(super) fn execution(&mut self, task: &Task, frame: &Frame, scope: &Arc<TermScope>) -> Result<Execution, Stop> {
        let own = &task.keywords;
        let check_mode = match self.inherited(frame, own, Keyword::CheckMode, scope).cloned() {
            Some(node) => self.keyword_value(Keyword::CheckMode, &node, scope)?,
            None => Value::Null,
        };
        let check_mode = match check_mode {
            Value::Null | Value::Omit | Value::Unknown => CheckMode::OfTheRun,
            value if crate::apply_truth(&value) => CheckMode::On,
            _ => CheckMode::Off,
        };
        Ok(Execution { r#become: self.become_of(frame, own, task.span, scope)?, check_mode })
    }

    /// Why that cannot be told, where the task may never be reached or its failure may be meant: then it fails where it is
    /// reached.
    pub(super) fn stranger(
        &self,
        task: &Task,
        frame: &Frame,
        scope: &Arc<TermScope>,
        certain: impl FnOnce() -> bool,
    ) -> Option<EvalError> {
        let said = self.said_before(task, frame, scope);
        if said.is_empty() || certain() {
            return None;
        }
        let becomes = match said.iter().find(|(keyword, _)| *keyword == Keyword::Become) {
            Some((_, said)) => said.as_ref().is_ok_and(crate::apply_truth),
            None => self.flag(frame, &task.keywords, Keyword::Become) == Some(true),
        };
        let counts = |keyword| becomes || matches!(keyword, Keyword::Become | Keyword::CheckMode);
        said.into_iter().find_map(|(keyword, said)| said.err().filter(|_| counts(keyword)))
    }

    /// As whom the task works: keywords, or the variables of the same meaning.
    pub(super) fn become_of(
        &mut self,
        frame: &Frame,
        own: &Keywords,
        at: Span,
        scope: &Arc<TermScope>,
    ) -> Result<Option<Become>, Stop> {
        let mut value = |keyword: Keyword| -> Result<Option<Value>, Stop> {
            let variable = variable_of(keyword);
            match scope.get(variable) {
                Ok(Some(value)) if !value.has_unknown() => return Ok(Some(value)),
                Err(error) => return Err(self.failed(&error, scope, at)),
                Ok(_) => {}
            }
            let Some(node) = self.inherited(frame, own, keyword, scope) else {
                return Ok(self.project.defaults.get(variable).cloned());
            };
            self.keyword_value(keyword, node, scope).map(Some)
        };
        let wanted = value(Keyword::Become)?.is_some_and(|v| crate::apply_truth(&v));
        if !wanted {
            return Ok(None);
        }
        let text = |value: Option<Value>| value.filter(|v| *v != Value::Null).map(|v| v.to_string());
        let user = text(value(Keyword::BecomeUser)?);
        let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "root".into());
        let method = text(value(Keyword::BecomeMethod)?);
        let flags = text(value(Keyword::BecomeFlags)?);
        let exe = text(value(Keyword::BecomeExe)?);
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

/// The variable that comes before a keyword.
fn variable_of(keyword: Keyword) -> &'static str {
    SAID_BEFORE.iter().find(|(said, _)| *said == keyword).and_then(|(_, variable)| *variable).unwrap_or_default()
}

/// What a task touches, with what is asked before it runs and the rights it runs with.
pub(super) fn around(mut footprint: Footprint, node: &Node) -> Footprint {
    if !node.guards.is_empty() {
        footprint = footprint.and(Footprint::observer());
    }
    let users = node.users();
    if users.is_empty() {
        return footprint;
    }
    footprint = users.into_iter().fold(footprint, |footprint, user| footprint.read(Claim::User(user.to_owned())));
    let rights = ["/etc/sudoers.d", "/etc/sudoers", "/etc/doas.conf", "/etc/pam.d"];
    rights.into_iter().fold(footprint, |footprint, path| footprint.read(Claim::Tree(path.into())))
}
