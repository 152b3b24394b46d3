//! Keywords of a task as its node has them: those that nothing but the task's own run asks for.

use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Diff, OPEN_FILES, Until};
use crate::parse::{Keyword, Keywords, Shape, Task};
use crate::source::Span;
use crate::template::{Scope as _, Term, TermScope};
use crate::value::Value;
use crate::yaml::Node as Yaml;

impl HostCompiler<'_> {
    /// The innermost value of an inherited keyword that does not say `omit`: then what is around it counts.
    pub(super) fn inherited<'f>(
        &self,
        frame: &'f Frame,
        own: &'f Keywords,
        keyword: Keyword,
        scope: &Arc<TermScope>,
    ) -> Option<&'f Yaml> {
        let counts = |node: &&Yaml| {
            let may_be_omitted = node.text().is_some_and(|text| text.contains("omit"));
            !may_be_omitted || scope.evaluate(&self.term(node)).ok() != Some(Value::Omit)
        };
        let innermost = frame.keyword(own, keyword)?;
        Some(innermost).filter(counts).or_else(|| frame.all(own, keyword).into_iter().rev().find(counts))
    }

    /// A keyword that is a boolean, where it is given. One that cannot be evaluated counts as not given.
    pub(super) fn flag(&self, frame: &Frame, own: &Keywords, keyword: Keyword) -> Option<bool> {
        frame.keyword(own, keyword)?;
        let scope = self.scope(frame, Vec::new());
        let node = self.inherited(frame, own, keyword, &scope)?;
        let value = match node.to_value() {
            Value::Str(text) if text.contains("{{") => scope.evaluate(&self.term(node)).ok()?,
            other => other,
        };
        Some(crate::apply_truth(&value))
    }

    /// What a keyword comes to. A value that it does not take is a mistake.
    pub(super) fn keyword_value(
        &mut self,
        keyword: Keyword,
        node: &Yaml,
        scope: &Arc<TermScope>,
    ) -> Result<Value, Stop> {
        self.shaped_value(keyword.name(), keyword.shape(), &self.keyword_term(keyword, node), node.span, scope)
    }

    /// The term of a keyword: text is an expression where a condition is wanted.
    pub(super) fn keyword_term(&self, keyword: Keyword, node: &Yaml) -> Term {
        if keyword.shape() == Shape::Condition { self.flag_term(node) } else { self.term(node) }
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
        let looped = task.is_looped();
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
        // Before any host was asked any name may be there.
        let said = !self.is_rehearsal() && !matches!(scope.get(OPEN_FILES), Ok(None));
        said.then(|| self.expression(OPEN_FILES, task.span))
    }
}
