//! Tasks that are about the run itself rather than the machine: messages, assertions, variables.

use std::sync::Arc;
use std::time::Duration;

use super::judge::raw;
use super::outcome::Attempt;
use super::run::{Runner, Try};
use super::specification::{self, CONTEXT, SPECIFICATION};
use crate::graph::{Action, Execution};
use crate::machine::{Command, Machine};
use crate::resource::{Failure, FromValue as _, Words, expand_home};
use crate::template::{EvalError, Shape, Term};
use crate::value::{Map, Value, is_variable_name};

/// Runs one.
pub(super) fn run(runner: &Runner<'_>, action: &Action, args: &Map, how: &Try<'_>) -> Attempt {
    if let Some(failed) = misfit(runner, action, args) {
        return failed;
    }
    match action {
        Action::SetFact => set_fact(runner, args),
        Action::Debug => debug(args),
        Action::Assert => assert(runner, how),
        Action::Fail => fail(args),
        Action::Validate => validate(args),
        Action::Setup => setup(runner, args, how),
        Action::Pause => pause(runner, args, how.limit),
        Action::Gate(name) => {
            runner.session.runtime.set(name, Value::Bool(true));
            fine([])
        }
        Action::EndHost => {
            runner.session.state().ended = true;
            fine([("msg", Value::str("the play ends here for this host"))])
        }
        Action::ClearErrors => {
            runner.session.state().failed = false;
            fine([])
        }
        Action::ClearFacts => {
            runner.session.runtime.clear_facts();
            fine([])
        }
        Action::HandlerDone(handler) => {
            runner.session.state().notifications.finish(handler);
            fine([])
        }
        Action::Report => report(args),
        Action::Noop | Action::Resource(_) => fine([]),
    }
}

/// Arguments that were not known before the run and cannot be meant.
fn misfit(runner: &Runner<'_>, action: &Action, args: &Map) -> Option<Attempt> {
    // The others have arguments of cfg's own making, or none.
    let theirs = matches!(action, Action::SetFact | Action::Debug | Action::Fail | Action::Setup | Action::Pause);
    let module = runner.node.module.rsplit('.').next().filter(|_| theirs)?;
    let error = crate::resource::actions::find(module)?.check(args).err()?;
    let param = error.param.map(|param| format!("`{param}`: ")).unwrap_or_default();
    Some(Attempt::failed(param + &error.message))
}

fn fine<const N: usize>(result: [(&str, Value); N]) -> Attempt {
    let result = result.into_iter().map(|(k, v)| (k.into(), v)).collect();
    Attempt { result, changed: Value::Bool(false), failed: Value::Bool(false), ..Attempt::default() }
}

fn report(args: &Map) -> Attempt {
    let mut result = args.clone();
    let changed = result.shift_remove("changed").unwrap_or(Value::Bool(false));
    let failed = result.shift_remove("failed").unwrap_or(Value::Bool(false));
    let message = result.get("msg").map(ToString::to_string).filter(|_| failed.is_true());
    if let Some(data) = result.shift_remove("data") {
        if let Some(why) = not_to_report(&data) {
            return Attempt::failed(why);
        }
        let per_host = result.shift_remove("per_host").unwrap_or(Value::Bool(false));
        let aggregate = result.shift_remove("aggregate").unwrap_or(Value::Bool(true));
        let stats = Value::map([("data", data), ("per_host", per_host), ("aggregate", aggregate)]);
        result.insert("ansible_stats".into(), stats);
    }
    Attempt { result, changed, failed, message, ..Attempt::default() }
}

/// Why something cannot be reported with `set_stats`, in Ansible's words.
fn not_to_report(data: &Value) -> Option<String> {
    match data {
        Value::Map(data) => {
            let name = data.keys().find(|name| !is_variable_name(name))?;
            Some(format!("Invalid variable name '{name}'."))
        }
        Value::Unknown => None,
        _ => Some("The 'data' option needs to be a dictionary/hash".to_owned()),
    }
}

fn set_fact(runner: &Runner<'_>, args: &Map) -> Attempt {
    let mut facts = args.clone();
    facts.shift_remove("cacheable");
    for (name, value) in &facts {
        runner.session.runtime.set(name, value.clone());
    }
    fine([("ansible_facts", Value::from(facts))])
}

/// The hidden argument of `debug` that holds what its `var` comes to. Only text of the playbook is an expression.
pub const DEBUG_VALUE: &str = "_value";

/// The hidden argument of `assert`: whether its conditions hold, where that is known already.
pub const HOLDING: &str = "_holding";

fn debug(args: &Map) -> Attempt {
    let (key, value) = match (args.get("var"), args.get(DEBUG_VALUE), args.get("msg")) {
        (Some(name), Some(value), _) => (name.to_string(), value.clone()),
        (Some(value), None, _) => ("var".to_owned(), value.clone()),
        (None, _, Some(message)) => ("msg".to_owned(), message.clone()),
        (None, ..) => ("msg".to_owned(), Value::str("Hello world!")),
    };
    let shown = match &value {
        Value::Str(text) => text.to_string(),
        other => serde_json::to_string_pretty(&crate::value::to_json(other)).unwrap_or_default(),
    };
    let mut attempt = fine([]);
    if key == "msg" {
        attempt.message = Some(shown);
    } else {
        attempt.shown = Some(format!("{key}: {shown}"));
    }
    attempt.result.insert(key.as_str().into(), value);
    attempt
}

fn is_marked(condition: &Term) -> bool {
    matches!(condition, Term::Template(template) if template.shape == Shape::Condition)
}

/// An assertion whose conditions were not known with the playbook: they cannot be read as such.
fn late_conditions(value: Result<Value, EvalError>) -> Attempt {
    match value {
        Err(error) => Attempt::eval(error),
        Ok(value) if value.has_unknown() => Attempt::unknown("whether it holds is known after apply"),
        Ok(_) => Attempt::failed("the conditions of this assertion come out of what tasks have found"),
    }
}

/// The conditions of an `assert` are expressions; they are evaluated one by one, so that the one that fails is named.
fn assert(runner: &Runner<'_>, how: &Try<'_>) -> Attempt {
    let (iteration, scope) = (how.iteration, how.scope);
    let Term::Map(entries) = &iteration.args else { return late_conditions(scope.evaluate(&iteration.args)) };
    let find = |name: &str| {
        entries.iter().find(|(key, _)| key.as_value().and_then(Value::as_str) == Some(name)).map(|(_, value)| value)
    };
    let text = |names: &[&str]| names.iter().find_map(|name| find(name)).map(|term| scope.evaluate(term));
    let conditions: Vec<Term> = match find("that") {
        Some(Term::List(items)) => items.to_vec(),
        Some(other) => vec![other.clone()],
        None => Vec::new(),
    };
    let known = find(HOLDING).and_then(Term::as_value).and_then(Value::as_list).unwrap_or_default();
    let mut unknown = false;
    for (i, condition) in conditions.iter().enumerate() {
        let list = |value: &Value| matches!(value, Value::List(_)) && is_marked(condition);
        if let Some(value) = scope.evaluate(condition).ok().filter(list) {
            return late_conditions(Ok(value));
        }
        let holds = known.get(i).filter(|value| matches!(value, Value::Bool(_)));
        match holds.map_or_else(|| runner.holding(condition, scope), |holds| Ok(holds.clone())) {
            Err(error) => return Attempt::eval(error),
            Ok(Value::Unknown) => unknown = true,
            Ok(Value::Bool(true)) => {}
            Ok(_) => {
                let shown = raw(condition);
                let message = match text(&["fail_msg", "msg"]) {
                    Some(Ok(message)) => message.to_string(),
                    Some(Err(error)) => return Attempt::eval(error),
                    None => format!("Assertion failed: {shown}"),
                };
                let mut attempt = Attempt::failed(message);
                attempt.help = Some(format!("this does not hold: {shown}"));
                attempt.result.insert("assertion".into(), Value::from(shown));
                attempt.result.insert("evaluated_to".into(), Value::Bool(false));
                return attempt;
            }
        }
    }
    if unknown {
        return Attempt { changed: Value::Bool(false), ..Attempt::unknown("whether it holds is known after apply") };
    }
    match text(&["success_msg"]).unwrap_or_else(|| Ok(Value::str("All assertions passed"))) {
        Ok(message) => fine([("msg", message)]),
        Err(error) => Attempt::eval(error),
    }
}

/// Arguments against their specification; the result tells of all that does not fit.
fn validate(args: &Map) -> Attempt {
    let judgement = match specification::judge(args) {
        Ok(judgement) => judgement,
        Err(refusal) => return Attempt::failed(refusal.message),
    };
    let context = args.get(CONTEXT).cloned().unwrap_or_else(|| Value::map::<&str>([]));
    if judgement.misfits.is_empty() && judgement.open {
        return Attempt { changed: Value::Bool(false), ..Attempt::unknown("whether they fit is known after apply") };
    }
    if judgement.misfits.is_empty() {
        return fine([("msg", Value::str("The arg spec validation passed")), (CONTEXT, context)]);
    }
    let errors: Vec<String> = judgement.misfits.into_iter().map(|misfit| misfit.message).collect();
    let mut attempt = Attempt::failed(format!("Validation of arguments failed:\n{}", errors.join("\n")));
    attempt.result.insert("argument_errors".into(), Value::list(errors.into_iter().map(Value::from)));
    attempt.result.insert("argument_spec_data".into(), args.get(SPECIFICATION).cloned().unwrap_or_default());
    attempt.result.insert(CONTEXT.into(), context);
    attempt
}

fn fail(args: &Map) -> Attempt {
    let message = args.get("msg").map_or_else(|| "Failed as requested from task".to_owned(), ToString::to_string);
    Attempt::failed(message)
}

fn setup(runner: &Runner<'_>, args: &Map, how: &Try<'_>) -> Attempt {
    let machine = match runner.session.machine(how.execution.r#become.as_ref(), false) {
        Ok(machine) => machine,
        Err(failure) => return Attempt::of(failure),
    };
    let environment = match runner.environment(how.scope) {
        Ok(environment) => environment,
        Err(attempt) => return attempt,
    };
    let wanted = crate::facts::Wanted {
        subset: words(args.get("gather_subset")),
        local: args.get("fact_path").and_then(|path| path.as_str().map(str::to_owned)),
    };
    if let Some(word) = wanted.unknown() {
        return Attempt::failed(format!("Bad subset '{word}' given to Ansible: `gather_subset` knows no such facts"));
    }
    let mut facts = match wanted.subset.is_empty() && wanted.local.is_none() {
        true => runner.session.machines.facts(&*machine),
        false => crate::facts::select(&*machine, &wanted),
    };
    if let Some(Value::Map(env)) = facts.get_mut("env") {
        let env = Arc::make_mut(env);
        env.extend(environment.into_iter().map(|(name, value)| (name.into(), Value::from(value))));
    }
    let filter: Vec<String> = words(args.get("filter")).into_iter().filter(|word| !word.is_empty()).collect();
    let shown = |name: &str| filter.is_empty() || filter.iter().any(|pattern| fits(pattern, name));
    facts.retain(|name, _| shown(&full(name)) || shown(name));
    let subset = if wanted.subset.is_empty() { vec!["all".to_owned()] } else { wanted.subset };
    facts.insert("gather_subset".into(), Value::list(subset.into_iter().map(Value::from)));
    facts.insert("module_setup".into(), Value::Bool(true));
    runner.session.runtime.add_facts(&facts);
    let named = facts.into_iter().map(|(name, value)| (full(&name), value));
    fine([("ansible_facts", Value::map(named))])
}

/// The name of a fact in the result of `setup`.
fn full(name: &str) -> String {
    let whole = matches!(name, "gather_subset" | "module_setup");
    if whole { name.to_owned() } else { crate::facts::variable_name(name) }
}

/// Words of a list, or of text with commas.
fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(items)) => items.iter().map(ToString::to_string).collect(),
        Some(other) => other.to_string().split(',').map(|word| word.trim().to_owned()).collect(),
    }
}

/// Says whether a name fits a pattern with `*` and `?`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pattern.get(1..).unwrap_or_default();
            let mut ends = name.char_indices().map(|(at, _)| at).chain(std::iter::once(name.len()));
            ends.any(|at| fits(rest, name.get(at..).unwrap_or_default()))
        }
        Some(c) => {
            let first = name.chars().next();
            let rest = |text: &str, c: char| text.get(c.len_utf8()..).unwrap_or_default().to_owned();
            first.is_some_and(|first| (c == '?' || c == first) && fits(&rest(pattern, c), &rest(name, first)))
        }
    }
}

fn pause(runner: &Runner<'_>, args: &Map, limit: Option<Duration>) -> Attempt {
    let number = |name: &str| args.get(name).and_then(|v| v.to_string().parse::<f64>().ok()).unwrap_or(0.0);
    let seconds = number("seconds") + 60.0 * number("minutes");
    if !runner.session.is_plan() {
        let step = Duration::from_millis(50);
        let wanted = Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
        let mut left = limit.map_or(wanted, |limit| limit.min(wanted));
        while !left.is_zero() && !runner.session.cancel.is_cancelled() {
            std::thread::sleep(left.min(step));
            left = left.saturating_sub(step);
        }
        if let Some(limit) = limit.filter(|limit| *limit < wanted) {
            return Attempt::timed_out(limit);
        }
    }
    fine([("delta", Value::Float(seconds))])
}

/// Judges `unless`, `onlyif` or `creates`: says whether the task has work to do.
///
/// # Errors
/// Where the program cannot be run.
pub fn guard(runner: &Runner<'_>, kind: &str, value: &Value, execution: &Execution) -> Result<bool, Failure> {
    let machine = runner.session.machine(execution.r#become.as_ref(), false)?;
    let each = match value {
        Value::List(items) => items.to_vec(),
        other => vec![other.clone()],
    };
    if kind == "creates" {
        return some_missing(&*machine, &each);
    }
    let mut all_fine = true;
    for command in each {
        let words = match &command {
            Value::Str(text) => vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_string()],
            other => Words::from_value(other).map_err(Failure::new)?.0,
        };
        let output = machine.probe(&Command::new(words))?;
        all_fine &= output.known().is_some_and(crate::machine::Stdio::ok);
    }
    Ok(if kind == "onlyif" { all_fine } else { !all_fine })
}

fn some_missing(machine: &dyn Machine, paths: &[Value]) -> Result<bool, Failure> {
    let mut missing = false;
    for path in paths {
        let path = std::path::PathBuf::from(expand_home(machine, &path.to_string())?);
        if !path.is_absolute() {
            return Err(Failure::new(format!("`creates` needs an absolute path, not `{}`", path.display())));
        }
        missing |= machine.lstat(&path)?.is_none();
    }
    Ok(missing)
}
