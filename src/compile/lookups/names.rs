//! Lookups of names: variables, the environment of the controller, hosts.

use super::{Ask, Outcome, fail};
use crate::inventory::Pattern;
use crate::template::{EvalError, Lookup};
use crate::value::Value;

pub(super) fn env(ask: &Ask<'_>) -> Outcome {
    let mut results = Vec::new();
    for text in ask.texts() {
        let name = text.split_whitespace().next().unwrap_or("");
        results.push(match (std::env::var(name), ask.option("default")) {
            (Ok(value), _) => Value::from(value),
            // `default=undef()` asks for an error.
            (Err(_), Some(Value::Omit)) => return Err(EvalError::undefined(name)),
            (Err(_), default) => default.cloned().unwrap_or_else(|| Value::str("")),
        });
    }
    Ok(Lookup::Results(results))
}

pub(super) fn vars(ask: &Ask<'_>) -> Outcome {
    let mut results = Vec::new();
    for term in &ask.call.terms {
        let Some(name) = term.as_str() else {
            return fail(format!("Variable name must be 'str' not '{}'", crate::template::python_type(term)));
        };
        match (ask.scope.get(name)?, ask.option("default")) {
            (Some(value), _) if value.has_unknown() => {
                ask.reach.log.want(ask.call);
                return Ok(Lookup::Unknown);
            }
            (Some(value), _) => results.push(value),
            (None, Some(default)) if *default != Value::Omit => results.push(default.clone()),
            (None, _) => return fail(format!("No variable named '{name}' was found")),
        }
    }
    Ok(Lookup::Results(results))
}

pub(super) fn varnames(ask: &Ask<'_>) -> Outcome {
    let names = ask.scope.names();
    let mut results: Vec<Value> = Vec::new();
    for term in &ask.call.terms {
        let Some(pattern) = term.as_str() else {
            return fail(format!("Invalid setting identifier: `{term}` is not a string"));
        };
        let regex = fancy_regex::Regex::new(pattern).map_err(|error| {
            let why = if pattern.starts_with(['*', '+', '?']) { "nothing to repeat".into() } else { error.to_string() };
            EvalError::failed(format!("Unable to use `{pattern}` as a search parameter: {why}"))
        })?;
        results.extend(names.iter().filter(|name| regex.is_match(name).unwrap_or(false)).map(Value::str));
    }
    Ok(Lookup::Results(results))
}

pub(super) fn inventory_hostnames(ask: &Ask<'_>) -> Outcome {
    let pattern = ask.texts().collect::<Vec<_>>().join(",");
    let inventory = ask.reach.project.inventory.get();
    // A group that does not exist has no hosts.
    let hosts = Pattern::parse(&pattern).hosts(&inventory).unwrap_or_default();
    Ok(Lookup::Results(hosts.iter().map(Value::str).collect()))
}

/// The controller's time of day, behind `now()`: seconds and nanoseconds.
pub fn time_of_day(_ask: &Ask<'_>) -> Outcome {
    let now = jiff::Timestamp::now();
    Ok(Lookup::Results(vec![Value::Int(now.as_second()), Value::from(i64::from(now.subsec_nanosecond()))]))
}
