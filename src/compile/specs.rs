//! Specifications of arguments: `meta/argument_specs.yml`, and `validate_argument_spec` as a task. Both are one task: what does
//! not fit is a mistake where it is certain, and that task's failure where somebody may expect it or it is known late.

use std::sync::Arc;

use super::Stop;
use super::frame::{Frame, RoleInstance};
use super::host::HostCompiler;
use crate::apply::specification::{CONTEXT, Fault, PROVIDED, SPECIFICATION, VARIABLES, judge};
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::{Keywords, Task, TaskArgs};
use crate::resource::Footprint;
use crate::source::Span;
use crate::template::{Scope as _, Term, TermScope};
use crate::value::{Map, Value};
use crate::yaml::{Entry, Kind, Node as Yaml, Scalar, Style, Tag};

/// The module that checks arguments.
const MODULE: &str = "validate_argument_spec";

impl HostCompiler<'_> {
    /// Checks the variables of a role against its specification, before anything of it runs.
    pub(super) fn validate_arguments(
        &mut self,
        role: &Arc<RoleInstance>,
        frame: &Frame,
        entry: &str,
    ) -> Result<(), Stop> {
        let spec = role.role.meta.argument_specs.as_ref().and_then(|specs| specs.get(entry));
        match spec.filter(|spec| role.validated && !spec.is_null()) {
            Some(spec) => {
                let task = Arc::new(validation(role, spec, entry));
                self.lookups.begin();
                self.plain_task(&task, frame, MODULE)
            }
            None => Ok(()),
        }
    }

    /// The arguments of the task with the variables its specification names. Where that depends on results, what was
    /// compiled so far has to run first.
    pub(super) fn with_variables(&self, args: Term, scope: &Arc<TermScope>) -> Term {
        let Some(mut entries) = entries(&args) else { return args };
        let spec = entries.iter().find(|(key, _)| is_named(key, SPECIFICATION));
        let names: Vec<Arc<str>> = match spec {
            Some((_, Term::Value(Value::Map(spec)))) => spec.keys().cloned().collect(),
            Some((_, Term::Map(spec))) => {
                spec.iter().filter_map(|(key, _)| key.as_value()).map(|key| Arc::from(key.to_string())).collect()
            }
            Some((_, Term::Template(_) | Term::Value(Value::Unknown))) => {
                self.lookups.want_file();
                return args;
            }
            _ => return args,
        };
        let variables = names.iter().filter_map(|name| Some((named(name), self.variable(name, scope)?)));
        entries.push((named(VARIABLES), Term::map(variables.collect())));
        Term::map(entries)
    }

    /// A variable as far as it is known; `None` where there is none.
    fn variable(&self, name: &str, scope: &Arc<TermScope>) -> Option<Term> {
        match scope.get(name) {
            Ok(None | Some(Value::Omit)) => None,
            Ok(Some(value)) if !value.has_unknown() => Some(Term::Value(value)),
            // The name may come out of data: only what can be nothing but a name is an expression.
            Ok(Some(_)) if is_plain(name) => Some(self.expression(&format!("{name} | default(omit)"), self.play.span)),
            Ok(Some(_)) => {
                self.lookups.want_file();
                Some(Term::Value(Value::Unknown))
            }
            Err(error) => Some(Term::Failed(Arc::new(error))),
        }
    }

    /// Says what does not fit as far as it is known, and what the check has to wait for.
    pub(super) fn judge_arguments(
        &mut self,
        task: &Task,
        frame: &Frame,
        args: &Term,
        scope: &Arc<TermScope>,
        certain: bool,
    ) -> Result<Footprint, Stop> {
        let early = certain && self.nothing_ran();
        let args = match scope.evaluate(args) {
            Ok(Value::Map(args)) => args,
            Err(error) if early => return Err(self.failed(&error, scope, task.span)),
            _ => return Ok(Footprint::world()),
        };
        match judge(&args) {
            // Nothing of it can fail: nobody has to wait for it.
            Ok(judgement) if judgement.misfits.is_empty() && !judgement.open => Ok(Footprint::nothing()),
            Ok(judgement) if judgement.misfits.is_empty() || !early => Ok(Footprint::world()),
            Ok(judgement) => {
                let role = role_of(&args);
                for fault in judgement.misfits.iter().flat_map(|misfit| &misfit.faults) {
                    self.report_fault(task, frame, &role, fault);
                }
                Err(Stop::Mistakes)
            }
            Err(_) if !early => Ok(Footprint::world()),
            Err(refusal) => {
                let missing = !args.contains_key(SPECIFICATION);
                let code = if missing { Code::MissingParameter } else { Code::BadParameter };
                let span = task.args.get(refusal.argument).map_or(task.module_span, |node| node.span);
                self.mistake(Diagnostic::error(code, refusal.text).at(span, ""));
                Err(Stop::Mistakes)
            }
        }
    }

    /// What is found now was so before anything was run: it could have been said before any host was touched.
    fn nothing_ran(&self) -> bool {
        self.is_rehearsal() || (!self.hosts.earlier_plays && self.nodes.len() == self.next_node as usize)
    }

    fn report_fault(&mut self, task: &Task, frame: &Frame, role: &str, fault: &Fault) {
        let (said, hint) = fault.text.split_once("; did you mean").unwrap_or((&fault.text, ""));
        let mut report = Diagnostic::error(Code::BadRoleArgument, format!("{role}{said}"));
        if !hint.is_empty() {
            report = report.help(format!("did you mean{hint}"));
        }
        let spec = task.args.get(SPECIFICATION);
        let span = spec.map_or(task.module_span, |spec| place(spec, &fault.place));
        let provided = task.args.get(PROVIDED).and_then(Yaml::as_map).unwrap_or_default();
        let provided = provided.iter().find(|entry| entry.key.as_ref() == fault.argument).map(|entry| entry.key_span);
        let unfit = if fault.place.is_empty() { "these are specified" } else { "does not fit this" };
        self.mistake(match provided.or_else(|| self.defined_at(frame, &fault.argument)) {
            Some(place) => report.at(place, "this value").at(span, unfit),
            None => report.at(span, "asked for here"),
        });
    }

    fn defined_at(&self, frame: &Frame, name: &str) -> Option<Span> {
        let names = self.names(frame, Vec::new());
        let origin = names.layers.iter().find_map(|layer| layer.get(name)).and_then(|d| d.origin.clone())?;
        self.project.files.sources.span_at(&origin, name.chars().count() as u32)
    }
}

/// The task that checks the arguments of a role.
fn validation(role: &RoleInstance, spec: &Yaml, entry: &str) -> Task {
    let span = spec.span;
    let title = spec.get("short_description").and_then(Yaml::text).map(|t| format!(" - {t}")).unwrap_or_default();
    let mut keywords = Keywords::default();
    keywords.set_name(&format!("Validating arguments against arg spec '{entry}'{title}"), span);
    let node = |kind| Yaml { span, kind };
    let text = |text: &str| node(Kind::Scalar(Scalar::new(text, Style::Quoted, Tag::None)));
    let argument = |key: &str, value: Yaml| Entry { key: Arc::from(key), key_span: span, value };
    let context = [
        ("type", text("role")),
        ("name", text(&role.role.name)),
        ("argument_spec_name", text(entry)),
        ("path", text(&role.role.path.to_string_lossy())),
    ];
    let context = context.into_iter().map(|(key, value)| argument(key, value)).collect::<Vec<_>>();
    let options = spec.get("options").filter(|options| !options.is_null()).cloned();
    let named = vec![
        argument(SPECIFICATION, options.unwrap_or_else(|| node(Kind::Map(Vec::new().into())))),
        argument(PROVIDED, node(Kind::Map(role.given.clone().into()))),
        argument(CONTEXT, node(Kind::Map(context.into()))),
    ];
    let args = TaskArgs { named, free: None };
    Task { span, module: Arc::from(MODULE), module_span: span, args, keywords, with: None }
}

/// How a mistake in the arguments of a role begins.
fn role_of(args: &Map) -> String {
    let context = args.get(CONTEXT);
    let get = |name: &str| context.and_then(|context| context.get(name)).and_then(Value::as_str);
    match get("name").filter(|_| get("type") == Some("role")) {
        Some(name) => format!("role `{name}`: "),
        None => String::new(),
    }
}

/// The place in a specification keys lead to: the name of an option, or an attribute of one.
fn place(spec: &Yaml, keys: &[String]) -> Span {
    let mut node = spec;
    let mut span = spec.span;
    for (depth, key) in keys.iter().enumerate() {
        let Some(entry) = node.as_map().and_then(|entries| entries.iter().find(|entry| entry.key.as_ref() == key))
        else {
            break;
        };
        span = if depth % 2 == 0 { entry.key_span } else { entry.value.span };
        node = &entry.value;
    }
    span
}

/// The entries of arguments, if it is known which there are.
fn entries(args: &Term) -> Option<Vec<(Term, Term)>> {
    match args {
        Term::Map(entries) => Some(entries.to_vec()),
        Term::Value(Value::Map(map)) => {
            Some(map.iter().map(|(key, value)| (named(key), Term::Value(value.clone()))).collect())
        }
        _ => None,
    }
}

fn named(name: &str) -> Term {
    Term::Value(Value::str(name))
}

fn is_named(key: &Term, name: &str) -> bool {
    key.as_value().and_then(Value::as_str) == Some(name)
}

/// Says whether text is the name of a variable and can be nothing else in an expression.
fn is_plain(name: &str) -> bool {
    const WORDS: &[&str] =
        &["and", "else", "false", "if", "in", "is", "none", "not", "or", "true", "False", "None", "True"];
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !WORDS.contains(&name)
}
