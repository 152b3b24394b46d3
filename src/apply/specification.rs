//! Specifications of arguments, as `meta/argument_specs.yml` and `validate_argument_spec` have them: what does not fit, in
//! Ansible's words for those who read results, and in cfg's for people.

mod convert;
mod relations;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::did_you_mean;
use crate::value::{Map, Value};

/// The argument that holds the specification.
pub const SPECIFICATION: &str = "argument_spec";
/// The argument that holds what is given beside variables.
pub const PROVIDED: &str = "provided_arguments";
/// The argument that says what the arguments are those of.
pub const CONTEXT: &str = "validate_args_context";
/// The hidden argument that holds the variables the specification names.
pub const VARIABLES: &str = "_variables";

/// What stands for the value of an option with `no_log`, and for the reason that would show it.
const HIDDEN: &str = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER";

/// What was found of arguments.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What does not fit.
    pub misfits: Vec<Misfit>,
    /// A part of it is known after apply.
    pub open: bool,
}

/// Something that does not fit.
#[derive(Debug)]
pub struct Misfit {
    /// In Ansible's words.
    pub message: String,
    /// The same argument by argument. There are none where another misfit says it better.
    pub faults: Vec<Fault>,
}

/// What is wrong with one argument.
#[derive(Debug)]
pub struct Fault {
    /// In cfg's words.
    pub text: String,
    /// The argument, or the outermost one around it.
    pub argument: String,
    /// The keys of the specification that lead to what is not met: names of options and, after each, an attribute of it.
    pub place: Vec<String>,
}

/// Why there is nothing to judge.
#[derive(Debug)]
pub struct Refusal {
    /// In Ansible's words.
    pub message: String,
    /// In cfg's words.
    pub text: String,
    /// The argument it is about.
    pub argument: &'static str,
}

/// Judges the arguments of `validate_argument_spec`.
///
/// # Errors
/// Where they are no specification and mapping.
pub fn judge(args: &Map) -> Result<Judgement, Refusal> {
    let open = || Ok(Judgement { open: true, ..Judgement::default() });
    let spec = match args.get(SPECIFICATION) {
        None => {
            let message = format!("\"{SPECIFICATION}\" arg is required in args");
            let text = format!("`{SPECIFICATION}` must be given");
            return Err(Refusal { message, text, argument: SPECIFICATION });
        }
        Some(Value::Map(spec)) => spec,
        Some(Value::Unknown) => return open(),
        Some(other) => return Err(wrong_type(SPECIFICATION, other)),
    };
    let mut given = args.get(VARIABLES).and_then(Value::as_map).cloned().unwrap_or_default();
    match args.get(PROVIDED) {
        None => {}
        Some(Value::Map(provided)) => given.extend(provided.iter().map(|(name, value)| (name.clone(), value.clone()))),
        Some(Value::Unknown) => return open(),
        Some(other) => return Err(wrong_type(PROVIDED, other)),
    }
    if spec.values().any(Value::has_unknown) {
        return open();
    }
    shape(spec).map_err(|text| Refusal { message: text.clone(), text, argument: SPECIFICATION })?;
    given.retain(|_, value| *value != Value::Omit);
    let open = given.values().any(Value::has_unknown);
    let mut checker = Checker::default();
    checker.level(&Level { spec, rules: None, names: Vec::new(), place: Vec::new(), shown: String::new() }, given);
    checker.report_strays();
    Ok(Judgement { misfits: checker.misfits, open })
}

fn wrong_type(argument: &'static str, found: &Value) -> Refusal {
    let message = format!("Incorrect type for {argument}, expected dict and got {}", convert::class(found));
    Refusal { message, text: format!("`{argument}` is a mapping, found {}", found.type_name()), argument }
}

/// Says where a specification is none.
fn shape(spec: &Map) -> Result<(), String> {
    for (name, option) in spec {
        let Value::Map(attributes) = option else {
            return Err(format!("the specification of `{name}` is a mapping, found {}", option.type_name()));
        };
        match attributes.get("options") {
            None | Some(Value::Null) => {}
            Some(Value::Map(options)) => shape(options)?,
            Some(other) => return Err(format!("`options` of `{name}` is a mapping, found {}", other.type_name())),
        }
    }
    Ok(())
}

/// The options of one level: the arguments themselves, or those in one of them.
struct Level<'a> {
    spec: &'a Map,
    /// The option around them, which says what goes together.
    rules: Option<&'a Value>,
    /// The names of the options around.
    names: Vec<&'a str>,
    /// Where this level is in the specification.
    place: Vec<String>,
    /// What stands in front of a name where people read it.
    shown: String,
}

impl Level<'_> {
    /// The end of a message: in which option it was.
    fn found_in(&self) -> String {
        if self.names.is_empty() { String::new() } else { format!(" found in {}", self.names.join(" -> ")) }
    }

    /// The same in the messages about types.
    fn found_in_quoted(&self) -> String {
        if self.names.is_empty() { String::new() } else { format!(" found in '{}'.", self.names.join(" -> ")) }
    }

    fn fault(&self, text: String, name: &str, attribute: Option<&str>) -> Fault {
        let argument = self.names.first().copied().unwrap_or(name).to_owned();
        let known = self.spec.contains_key(name).then(|| name.to_owned());
        let mut place: Vec<String> = self.place.iter().cloned().chain(known).collect();
        // Of what is not specified the options around it are the place.
        if place.len().is_multiple_of(2) {
            place.pop();
        } else {
            place.extend(attribute.map(str::to_owned));
        }
        Fault { text, argument, place }
    }
}

/// An argument no option is for.
struct Stray {
    supported: String,
    fault: Fault,
}

#[derive(Default)]
struct Checker {
    misfits: Vec<Misfit>,
    /// By their names with those around them.
    strays: BTreeMap<String, Stray>,
}

impl Checker {
    /// Checks what is given for one level, in the order in which Ansible tells of it.
    fn level(&mut self, level: &Level<'_>, mut given: Map) {
        let aliases = self.aliases(level, &mut given);
        if let Err(message) = convert::readable(level.spec, &given) {
            self.say(message, Vec::new());
        }
        self.find_strays(level, &given, &aliases);
        self.related(level, relations::exclusive(level.rules, &given));
        defaults(level.spec, &mut given, false);
        self.required(level, &given);
        self.types(level, &mut given);
        self.choices(level, &given);
        self.related(level, relations::together(level.rules, &given));
        self.related(level, relations::one_of(level.rules, &given));
        self.related(level, relations::required_if(level.rules, &given));
        self.related(level, relations::required_by(level.rules, &given));
        defaults(level.spec, &mut given, true);
        for (name, option) in level.spec {
            self.nested(level, name, option, &given);
        }
    }

    fn say(&mut self, message: String, faults: Vec<Fault>) {
        self.misfits.push(Misfit { message, faults });
    }

    fn related(&mut self, level: &Level<'_>, message: Option<String>) {
        let Some(message) = message else { return };
        let fault = level.fault(format!("`{}`: {message}", level.names.join(".")), "", None);
        self.say(message + &level.found_in(), vec![fault]);
    }

    /// Gives options the values of their aliases; the aliases there are.
    fn aliases(&mut self, level: &Level<'_>, given: &mut Map) -> Vec<Arc<str>> {
        let mut found = Vec::new();
        for (name, option) in level.spec {
            if flag(option, "required") && option.get("default").is_some_and(|value| *value != Value::Null) {
                let text = format!("`{}{name}` is required, so that its default can have no effect", level.shown);
                let fault = level.fault(text, name, Some("default"));
                self.say(
                    format!("internal error: required and default are mutually exclusive for {name}"),
                    vec![fault],
                );
                return Vec::new();
            }
            for alias in option.get("aliases").and_then(Value::as_list).unwrap_or_default() {
                let alias: Arc<str> = Arc::from(alias.to_string());
                if let Some(value) = given.get(&alias).cloned() {
                    given.insert(name.clone(), value);
                }
                found.push(alias);
            }
        }
        found
    }

    fn find_strays(&mut self, level: &Level<'_>, given: &Map, aliases: &[Arc<str>]) {
        for name in given.keys().filter(|name| !level.spec.contains_key(*name) && !aliases.contains(name)) {
            let whole = level.names.iter().copied().chain([name.as_ref()]).collect::<Vec<_>>().join(".");
            let hint = did_you_mean(name, level.spec.keys().map(AsRef::as_ref));
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            let text = match level.shown.strip_suffix('.') {
                Some(around) => format!("`{around}` has no option `{name}`{hint}"),
                None => format!("there is no argument `{name}`{hint}"),
            };
            let mut supported: Vec<&str> = level.spec.keys().map(AsRef::as_ref).collect();
            supported.sort_unstable();
            let mut supported = supported.join(", ");
            if !aliases.is_empty() {
                let mut aliases: Vec<&str> = aliases.iter().map(AsRef::as_ref).collect();
                aliases.sort_unstable();
                supported += &format!(" ({})", aliases.join(", "));
            }
            self.strays.insert(whole, Stray { supported, fault: level.fault(text, name, None) });
        }
    }

    /// All arguments no option is for are one message, which names the options of one of them.
    fn report_strays(&mut self) {
        let strays = std::mem::take(&mut self.strays);
        let names = strays.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let Some((_, last)) = strays.last_key_value() else { return };
        let message = format!("{names}. Supported parameters include: {}.", last.supported);
        self.say(message, strays.into_values().map(|stray| stray.fault).collect());
    }

    fn required(&mut self, level: &Level<'_>, given: &Map) {
        let missing = level.spec.iter().filter(|(name, option)| flag(option, "required") && !given.contains_key(*name));
        let mut names: Vec<&str> = missing.map(|(name, _)| name.as_ref()).collect();
        if names.is_empty() {
            return;
        }
        let fault = |name: &&str| level.fault(format!("`{}{name}` must be given", level.shown), name, None);
        let faults = names.iter().map(fault).collect();
        names.sort_unstable();
        self.say(format!("missing required arguments: {}{}", names.join(", "), level.found_in()), faults);
    }

    /// Gives values the types they are to have.
    fn types(&mut self, level: &Level<'_>, given: &mut Map) {
        for (name, option) in level.spec {
            let Some(value) = given.get(name).cloned() else { continue };
            let has_default = option.get("default").is_some_and(|value| *value != Value::Null);
            if value == Value::Null && !flag(option, "required") && !has_default {
                continue;
            }
            let kind = kind_of(option, "type").unwrap_or_else(|| "str".to_owned());
            match convert::convert(&kind, &value) {
                Ok(converted) => {
                    let converted = self.elements(level, name, option, &kind, converted);
                    given.insert(name.clone(), converted);
                }
                Err(why) => {
                    let why = if flag(option, "no_log") { HIDDEN.to_owned() } else { why };
                    let message = format!(
                        "argument '{name}' is of type {}{} and we were unable to convert to {kind}: {why}",
                        convert::type_name(&value),
                        level.found_in_quoted()
                    );
                    let text = convert::expected(&format!("{}{name}", level.shown), &kind, &value);
                    self.say(message, vec![level.fault(text, name, Some("type"))]);
                }
            }
        }
    }

    /// Gives the elements of a list their type; those it cannot be given to are left out.
    fn elements(&mut self, level: &Level<'_>, name: &str, option: &Value, kind: &str, value: Value) -> Value {
        let Some(wanted) = kind_of(option, "elements") else { return value };
        let items = match value {
            Value::List(items) => items,
            Value::Unknown => return value,
            other => {
                let message = format!(
                    "Invalid type {kind} for option '{other}'{}, elements value check is supported only with 'list' type",
                    level.found_in_quoted()
                );
                let text = format!("`{}{name}` has `elements`, and is no list", level.shown);
                self.say(message, vec![level.fault(text, name, Some("elements"))]);
                return other;
            }
        };
        let mut converted = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            match convert::convert(&wanted, item) {
                Ok(item) => converted.push(item),
                Err(why) => {
                    let why = if flag(option, "no_log") { HIDDEN.to_owned() } else { why };
                    let found = level.found_in_quoted();
                    let message = format!(
                        "Elements value for option '{name}'{} is of type {} and we were unable to convert to {wanted}: {why}",
                        found.trim_end_matches('.'),
                        convert::type_name(item)
                    );
                    let text = convert::expected(&format!("{}{name}[{i}]", level.shown), &wanted, item);
                    self.say(message, vec![level.fault(text, name, Some("elements"))]);
                }
            }
        }
        Value::from(converted)
    }

    fn choices(&mut self, level: &Level<'_>, given: &Map) {
        for (name, option) in level.spec {
            let choices = match option.get("choices") {
                None | Some(Value::Null) => continue,
                Some(Value::List(choices)) => choices,
                Some(other) => {
                    let message = format!("internal error: choices for argument {name} are not iterable: {other}");
                    let text = format!("`choices` of `{}{name}` is a list, found {}", level.shown, other.type_name());
                    self.say(message + &level.found_in(), vec![level.fault(text, name, Some("choices"))]);
                    continue;
                }
            };
            let Some(value) = given.get(name) else { continue };
            let hidden = flag(option, "no_log");
            let shown = |text: String| if hidden { HIDDEN.to_owned() } else { text };
            let words = join(choices);
            let (strange, message) = match value {
                Value::List(items) => {
                    let strange: Vec<Value> = items.iter().filter(|item| !is_among(item, choices)).cloned().collect();
                    let text = shown(join(&strange));
                    (strange, format!("value of {name} must be one or more of: {words}. Got no match for: {text}"))
                }
                value if is_among(value, choices) || is_boolean_among(value, choices) => continue,
                value => {
                    let text = shown(value.to_string());
                    (vec![value.clone()], format!("value of {name} must be one of: {words}, got: {text}"))
                }
            };
            if strange.is_empty() {
                continue;
            }
            let fault = |item: &Value| {
                let known: Vec<String> = choices.iter().map(ToString::to_string).collect();
                let hint = did_you_mean(&item.to_string(), known.iter().map(String::as_str)).filter(|_| !hidden);
                let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                let item = shown(item.to_string());
                let text = format!("`{}{name}` is `{item}`, which is none of {words}{hint}", level.shown);
                level.fault(text, name, Some("choices"))
            };
            self.say(message + &level.found_in(), strange.iter().map(fault).collect());
        }
    }

    /// The options in an option.
    fn nested(&mut self, level: &Level<'_>, name: &str, option: &Value, given: &Map) {
        let Some(spec) = option.get("options").and_then(Value::as_map).filter(|_| convert::holds_options(option))
        else {
            return;
        };
        let value = match given.get(name) {
            None | Some(Value::Null) if flag(option, "apply_defaults") => Value::from(Map::new()),
            None | Some(Value::Null | Value::Unknown) => return,
            Some(value) => value.clone(),
        };
        let items = match &value {
            Value::List(items) => items.as_slice(),
            other => std::slice::from_ref(other),
        };
        let is_list = kind_of(option, "type").as_deref() == Some("list");
        for (i, item) in items.iter().enumerate() {
            let fields = match item {
                Value::Map(fields) => fields,
                Value::Unknown => continue,
                _ => {
                    self.say(format!("value of '{name}' must be of type dict or list of dicts"), Vec::new());
                    continue;
                }
            };
            let index = if is_list { format!("[{i}]") } else { String::new() };
            let inner = Level {
                spec,
                rules: Some(option),
                names: level.names.iter().copied().chain([name]).collect(),
                place: level.place.iter().cloned().chain([name.to_owned(), "options".to_owned()]).collect(),
                shown: format!("{}{name}{index}.", level.shown),
            };
            self.level(&inner, fields.as_ref().clone());
        }
    }
}

/// Gives options that were not given their defaults; with `all` also nothing where there is none.
fn defaults(spec: &Map, given: &mut Map, all: bool) {
    for (name, option) in spec.iter().filter(|(name, _)| !given.contains_key(*name)).collect::<Vec<_>>() {
        let default = option.get("default").cloned().unwrap_or_default();
        if all || default != Value::Null {
            given.insert(name.clone(), default);
        }
    }
}

fn flag(option: &Value, name: &str) -> bool {
    option.get(name).is_some_and(super::truth)
}

/// The type an option names for itself or its elements.
fn kind_of(option: &Value, attribute: &str) -> Option<String> {
    option.get(attribute).filter(|value| value.is_true()).map(ToString::to_string)
}

fn join(values: &[Value]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Says whether a value is one of the choices; what is not known may be.
fn is_among(value: &Value, choices: &[Value]) -> bool {
    *value == Value::Unknown || choices.iter().any(|choice| convert::same(choice, value))
}

/// A boolean of YAML that became text stands for the one word among the choices that means it.
fn is_boolean_among(value: &Value, choices: &[Value]) -> bool {
    let wanted = match value.as_str() {
        Some("True") => true,
        Some("False") => false,
        _ => return false,
    };
    let means = |choice: &&Value| match choice {
        Value::Bool(b) => *b == wanted,
        Value::Int(i) => *i == i64::from(wanted),
        Value::Str(word) => convert::WORDS.iter().any(|(known, meant)| *known == word.as_ref() && *meant == wanted),
        _ => false,
    };
    choices.iter().filter(means).count() == 1
}

#[cfg(test)]
mod tests;
