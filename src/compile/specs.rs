//! `meta/argument_specs.yml`: what a role's caller may give.

use std::sync::Arc;

use super::Stop;
use super::frame::{Frame, RoleInstance};
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::{Keywords, Task, TaskArgs};
use crate::source::Span;
use crate::template::Scope as _;
use crate::value::{Value, parse_bool};
use crate::yaml::Node as Yaml;

impl HostCompiler<'_> {
    /// Checks the variables of a role against its specification, before anything of it runs.
    pub(super) fn validate_arguments(
        &mut self,
        role: &Arc<RoleInstance>,
        frame: &Frame,
        entry: &str,
    ) -> Result<(), Stop> {
        let Some(spec) = role.role.argument_specs.as_ref().and_then(|specs| specs.get(entry)).cloned() else {
            return Ok(());
        };
        let Some(options) = spec.get("options").and_then(Yaml::as_map) else { return Ok(()) };
        let scope = self.scope(frame, Vec::new());
        if self.certainly_skipped(frame, &scope) {
            return Ok(());
        }
        let mut wrong = false;
        let mut failures: Vec<String> = Vec::new();
        for option in options {
            let value = match scope.get(&option.key) {
                Ok(value) => value.filter(|v| *v != Value::Omit),
                Err(error) => {
                    self.failed(&error, &scope, option.key_span);
                    wrong = true;
                    continue;
                }
            };
            if let Err((message, span)) = check(&option.key, &option.value, value.as_ref(), option.key_span) {
                if !frame.blocks.is_empty() || !frame.gates.is_empty() {
                    failures.push(message);
                    continue;
                }
                let (said, hint) = message.split_once("; did you mean").unwrap_or((&message, ""));
                let mut report = Diagnostic::error(Code::BadRoleArgument, format!("role `{}`: {said}", role.role.name));
                if !hint.is_empty() {
                    report = report.help(format!("did you mean{hint}"));
                }
                report = match self.defined_at(frame, &option.key) {
                    Some(place) => report.at(place, "this value").at(span, "does not fit this"),
                    None => report.at(span, "asked for here"),
                };
                self.mistake(report);
                wrong = true;
            }
        }
        if wrong {
            return Err(Stop::Mistakes);
        }
        let title = spec.get("short_description").and_then(Yaml::text).map(|t| format!(" - {t}")).unwrap_or_default();
        let name = format!("Validating arguments against arg spec '{entry}'{title}");
        let mut keywords = Keywords::default();
        keywords.set_name(&name, spec.span);
        let task = Task {
            span: spec.span,
            module: Arc::from("validate_argument_spec"),
            module_span: spec.span,
            args: TaskArgs::default(),
            keywords,
            with: None,
        };
        let task = Arc::new(task);
        if failures.is_empty() {
            return self.noop_node(&task, frame);
        }
        // Somebody may rescue it: it fails where it is reached.
        let message = format!("Validation of arguments failed:\n{}", failures.join("\n"));
        self.failing_node(&task, frame, crate::template::EvalError::failed(message))
    }

    fn defined_at(&self, frame: &Frame, name: &str) -> Option<Span> {
        let names = self.names(frame, Vec::new());
        let origin = names.layers.iter().find_map(|layer| layer.get(name)).and_then(|d| d.origin.clone())?;
        self.project.files.sources.span_at(&origin, name.chars().count() as u32)
    }
}

fn check(name: &str, spec: &Yaml, value: Option<&Value>, span: Span) -> Result<(), (String, Span)> {
    let flag = |key: &str| spec.get(key).is_some_and(|node| crate::apply_truth(&node.to_value()));
    let Some(value) = value else {
        return if flag("required") { Err((format!("`{name}` must be given"), span)) } else { Ok(()) };
    };
    if value.has_unknown() || (*value == Value::Null && !flag("required")) {
        return Ok(());
    }
    let kind = spec.get("type").and_then(Yaml::text).unwrap_or("str");
    let at = spec.get("type").map_or(span, |node| node.span);
    fits(kind, value).map_err(|expected| (format!("`{name}` must be {expected}, found {}", value.type_name()), at))?;
    if let Some(choices) = spec.get("choices").and_then(Yaml::as_list) {
        let words: Vec<String> = choices.iter().map(|node| node.to_value().to_string()).collect();
        let given = match value {
            Value::List(items) if kind == "list" => items.to_vec(),
            other => vec![other.clone()],
        };
        for item in given.iter().map(ToString::to_string) {
            if !words.contains(&item) {
                let hint =
                    did_you_mean(&item, words.iter().map(String::as_str)).map(|h| format!("; {h}")).unwrap_or_default();
                let at = spec.get("choices").map_or(span, |node| node.span);
                return Err((format!("`{name}` is `{item}`, which is none of {}{hint}", words.join(", ")), at));
            }
        }
    }
    nested(name, spec, value, kind, span)
}

/// Elements of lists and options of mappings.
fn nested(name: &str, spec: &Yaml, value: &Value, kind: &str, span: Span) -> Result<(), (String, Span)> {
    let elements = spec.get("elements").and_then(Yaml::text);
    if let (Value::List(items), Some(element)) = (value, elements) {
        for (i, item) in items.iter().enumerate() {
            let at = spec.get("elements").map_or(span, |node| node.span);
            fits(element, item)
                .map_err(|expected| (format!("`{name}[{i}]` must be {expected}, found {}", item.type_name()), at))?;
        }
    }
    let Some(options) = spec.get("options").and_then(Yaml::as_map) else { return Ok(()) };
    let maps: Vec<(String, &Value)> = match value {
        Value::Map(_) if kind == "dict" => vec![(name.to_owned(), value)],
        Value::List(items) => items.iter().enumerate().map(|(i, v)| (format!("{name}[{i}]"), v)).collect(),
        _ => Vec::new(),
    };
    for (name, map) in maps {
        for option in options {
            check(&format!("{name}.{}", option.key), &option.value, map.get(&option.key), option.key_span)?;
        }
        for key in map.as_map().into_iter().flatten().map(|(key, _)| key) {
            if !options.iter().any(|option| option.key == *key) {
                let hint = did_you_mean(key, options.iter().map(|o| o.key.as_ref()))
                    .map(|h| format!("; {h}"))
                    .unwrap_or_default();
                return Err((format!("`{name}` has no option `{key}`{hint}"), span));
            }
        }
    }
    Ok(())
}

/// Says what was expected where a value does not fit a type of the specification, with Ansible's conversions.
fn fits(kind: &str, value: &Value) -> Result<(), &'static str> {
    let ok = match kind {
        "str" | "path" | "raw" | "any" | "json" | "jsonarg" | "bytes" | "bits" => {
            kind != "path" || value.as_str().is_some()
        }
        "int" => matches!(value, Value::Int(_)) || value.as_str().is_some_and(|t| t.trim().parse::<i64>().is_ok()),
        "float" => {
            matches!(value, Value::Int(_) | Value::Float(_))
                || value.as_str().is_some_and(|t| t.trim().parse::<f64>().is_ok())
        }
        "bool" => {
            matches!(value, Value::Bool(_) | Value::Int(0 | 1))
                || value.as_str().is_some_and(|t| parse_bool(t).is_some())
        }
        "list" => !matches!(value, Value::Map(_)),
        "dict" => matches!(value, Value::Map(_)) || value.as_str().is_some_and(|t| t.trim_start().starts_with('{')),
        _ => true,
    };
    let collections =
        matches!(kind, "str" | "path") && matches!(value, Value::Map(_) | Value::List(_)) && kind == "path";
    if ok && !collections {
        return Ok(());
    }
    Err(match kind {
        "int" => "an integer",
        "float" => "a number",
        "bool" => "a boolean",
        "list" => "a list",
        "dict" => "a mapping",
        _ => "a path",
    })
}
