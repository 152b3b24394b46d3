//! Parameters of the tasks about the run itself: those that are no resource.
//!
//! A value is checked where it is known: before the run, or on the target.

use super::args::{ParamError, ParamErrorKind};
use super::params::FromValue;
use crate::value::{Map, Value, is_variable_name};

/// A kind of task about the run itself.
#[derive(Debug)]
pub struct ActionKind {
    /// Its name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Parameter],
    /// Any other name is one too.
    pub is_open: bool,
    /// Names of which one must be given; none where nothing must.
    needs: &'static [&'static str],
    /// Two that exclude each other.
    excludes: Option<(&'static str, &'static str)>,
}

/// A parameter, and what is wrong with a value of it.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    check: Option<Check>,
}

/// What is wrong with a value, in words.
type Check = fn(&Value) -> Result<(), String>;

const fn parameter(name: &'static str, check: Option<Check>) -> Parameter {
    Parameter { name, check }
}

const fn kind(name: &'static str, params: &'static [Parameter]) -> ActionKind {
    ActionKind { name, params, is_open: false, needs: &[], excludes: None }
}

const ANY: Option<Check> = None;
/// Anything, but whether it is there has to be known.
const PRESENT: Option<Check> = Some(|_| Ok(()));
const FLAG: Option<Check> = Some(is::<bool>);
const INTEGER: Option<Check> = Some(is::<i64>);
const NUMBER: Option<Check> = Some(is::<f64>);
const MAPPING: Option<Check> = Some(is::<Map>);
const TEXT: Option<Check> = Some(text);
const SCALAR: Option<Check> = Some(scalar);
const TEXTS: Option<Check> = Some(texts);

fn is<T: FromValue>(value: &Value) -> Result<(), String> {
    T::from_value(value).map(drop)
}

/// Text that is not made of something else.
fn text(value: &Value) -> Result<(), String> {
    match value {
        Value::Str(_) => Ok(()),
        other => Err(format!("expected a string, found {} ({other})", other.type_name())),
    }
}

/// What can be written as text.
fn scalar(value: &Value) -> Result<(), String> {
    match value {
        Value::List(_) | Value::Map(_) => text(value),
        _ => Ok(()),
    }
}

fn texts(value: &Value) -> Result<(), String> {
    match value {
        Value::List(items) => items.iter().try_for_each(scalar),
        other => scalar(other),
    }
}

const INCLUDE_ROLE: &[Parameter] = &[
    parameter("name", TEXT),
    parameter("role", TEXT),
    parameter("tasks_from", TEXT),
    parameter("vars_from", TEXT),
    parameter("defaults_from", TEXT),
    parameter("handlers_from", TEXT),
    parameter("public", FLAG),
    parameter("allow_duplicates", FLAG),
    parameter("rolespec_validate", FLAG),
    parameter("apply", MAPPING),
];

const GATHER: &[Parameter] = &[
    parameter("gather_subset", TEXTS),
    parameter("filter", TEXTS),
    parameter("gather_timeout", INTEGER),
    parameter("fact_path", TEXT),
    parameter("parallel", FLAG),
];

const CACHEABLE: &str = "cacheable";

/// All of them.
pub const ACTIONS: &[ActionKind] = &[
    ActionKind {
        is_open: true,
        needs: &["name", "hostname", "host"],
        ..kind(
            "add_host",
            &[
                parameter("name", SCALAR),
                parameter("hostname", SCALAR),
                parameter("host", SCALAR),
                parameter("groups", TEXTS),
                parameter("groupname", TEXTS),
                parameter("group", TEXTS),
            ],
        )
    },
    kind(
        "assert",
        &[
            parameter("that", ANY),
            parameter("msg", TEXTS),
            parameter("fail_msg", TEXTS),
            parameter("success_msg", TEXTS),
            parameter("quiet", FLAG),
        ],
    ),
    ActionKind {
        excludes: Some(("var", "msg")),
        ..kind("debug", &[parameter("msg", PRESENT), parameter("var", SCALAR), parameter("verbosity", INTEGER)])
    },
    kind("fail", &[parameter("msg", ANY)]),
    kind("gather_facts", GATHER),
    ActionKind { needs: &["key"], ..kind("group_by", &[parameter("key", SCALAR), parameter("parents", ANY)]) },
    kind("import_role", INCLUDE_ROLE.split_at(INCLUDE_ROLE.len() - 1).0),
    kind("import_tasks", &[parameter("file", TEXT)]),
    kind("include_role", INCLUDE_ROLE),
    kind("include_tasks", &[parameter("file", TEXT), parameter("apply", MAPPING)]),
    ActionKind {
        needs: &["file", "dir"],
        excludes: Some(("file", "dir")),
        ..kind(
            "include_vars",
            &[
                parameter("file", TEXT),
                parameter("dir", TEXT),
                parameter("name", TEXT),
                parameter("depth", ANY),
                parameter("files_matching", TEXT),
                parameter("ignore_files", TEXTS),
                parameter("extensions", TEXTS),
                parameter("ignore_unknown_extensions", FLAG),
                parameter("hash_behaviour", TEXT),
            ],
        )
    },
    ActionKind { is_open: true, ..kind("meta", &[]) },
    ActionKind {
        excludes: Some(("seconds", "minutes")),
        ..kind(
            "pause",
            &[
                parameter("seconds", NUMBER),
                parameter("minutes", NUMBER),
                parameter("prompt", SCALAR),
                parameter("echo", FLAG),
            ],
        )
    },
    ActionKind { is_open: true, ..kind("set_fact", &[parameter(CACHEABLE, FLAG)]) },
    kind("set_stats", &[parameter("data", ANY), parameter("per_host", ANY), parameter("aggregate", ANY)]),
    kind("setup", GATHER.split_at(GATHER.len() - 1).0),
    kind(
        "validate_argument_spec",
        &[
            parameter("argument_spec", ANY),
            parameter("provided_arguments", ANY),
            parameter("validate_args_context", ANY),
        ],
    ),
];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static ActionKind> {
    ACTIONS.iter().find(|kind| kind.name == name)
}

impl ActionKind {
    /// Says whether some values of a parameter cannot be meant.
    pub fn judges(&self, name: &str) -> bool {
        self.params.iter().any(|parameter| parameter.name == name && parameter.check.is_some())
    }

    /// Checks what is known of the arguments.
    ///
    /// # Errors
    /// What cannot be meant, whatever is not known yet comes to.
    pub fn check(&self, args: &Map) -> Result<(), ParamError> {
        let given = |name: &str| args.get(name).filter(|value| !matches!(value, Value::Null | Value::Omit));
        if let Some((one, other)) = self.excludes
            && let (Some(_), Some(_)) = (given(one), given(other))
        {
            let message = format!("parameters are mutually exclusive: `{one}`, `{other}`");
            return Err(ParamError { param: Some(other.to_owned()), message, kind: ParamErrorKind::Conflict });
        }
        if !self.needs.is_empty() && !self.needs.iter().any(|name| given(name).is_some()) {
            let message = format!("missing required arguments: {}", self.needs.join(" or "));
            return Err(ParamError { param: None, message, kind: ParamErrorKind::Missing });
        }
        if self.name == "set_fact" {
            check_facts(args)?;
        }
        for parameter in self.params {
            let value = given(parameter.name).filter(|value| !value.has_unknown());
            if let Some(Err(message)) = parameter.check.zip(value).map(|(check, value)| check(value)) {
                return Err(ParamError::bad(parameter.name, message));
            }
        }
        Ok(())
    }
}

/// What `set_fact` sets.
fn check_facts(args: &Map) -> Result<(), ParamError> {
    let refused = |message: String, kind| Err(ParamError { param: None, message, kind });
    let mut names = args.keys().filter(|name| name.as_ref() != CACHEABLE).peekable();
    if names.peek().is_none() {
        let message = "No key/value pairs provided, at least one is required for this action to succeed";
        return refused(message.to_owned(), ParamErrorKind::Missing);
    }
    match names.find(|name| !is_variable_name(name)) {
        Some(name) => {
            let rule = "a name is made of letters, digits and `_`, and is no keyword";
            refused(format!("Invalid variable name '{name}': {rule}"), ParamErrorKind::Conflict)
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant() {
        let table = [
            ("pause", "{seconds: 0.5, echo: 'no', prompt: null}", None),
            ("pause", "{seconds: soon}", Some("expected a number")),
            ("pause", "{seconds: 1, minutes: 2}", Some("mutually exclusive")),
            ("pause", "{seconds: 1, minutes: null}", None),
            ("debug", "{verbosity: loud}", Some("expected an integer")),
            ("debug", "{var: [a]}", Some("expected a string")),
            ("debug", "{msg: [a]}", None),
            ("assert", "{quiet: maybe}", Some("expected a boolean")),
            ("assert", "{fail_msg: {a: 1}}", Some("expected a string")),
            ("group_by", "{}", Some("missing required arguments: key")),
            ("add_host", "{nam: web1, groups: [a]}", Some("name or hostname or host")),
            ("include_role", "{name: web, tasks_from: no}", Some("expected a string, found a boolean")),
            ("include_role", "{name: web, apply: all}", Some("expected a mapping")),
            ("include_vars", "{file: a.yml, dir: vars}", Some("mutually exclusive")),
            ("set_fact", "{cacheable: true}", Some("No key/value pairs")),
            ("set_fact", "{a_1: 2}", None),
            ("set_fact", "{'{{ name }}': 1}", Some("Invalid variable name '{{ name }}'")),
            ("set_fact", "{'web port': 1}", Some("Invalid variable name 'web port'")),
            ("set_fact", "{a: 1, cacheable: maybe}", Some("expected a boolean")),
            ("add_host", "{host: web1, groups: {a: 1}}", Some("expected a string")),
            ("setup", "{gather_subset: ['!all', network], gather_timeout: 10}", None),
        ];
        for (name, args, wanted) in table {
            let Value::Map(args) = super::super::testing::yaml(args) else { panic!("{args} is no mapping") };
            let found = find(name).unwrap().check(&args).err().map(|error| error.message);
            assert_eq!(found.is_some(), wanted.is_some(), "{name} {args:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(wanted.unwrap_or_default()), "{name} {args:?}");
        }
    }
}
