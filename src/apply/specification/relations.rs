//! What options of a mapping have to do with each other. Each gives the first thing that does not hold, in Ansible's words.

use super::convert::same;
use crate::value::{Map, Value};

/// `mutually_exclusive`.
pub fn exclusive(rules: Option<&Value>, given: &Map) -> Option<String> {
    let broken = groups(rules, "mutually_exclusive").into_iter().filter(|group| count(group, given) > 1);
    let broken: Vec<String> = broken.map(|group| group.join("|")).collect();
    (!broken.is_empty()).then(|| format!("parameters are mutually exclusive: {}", broken.join(", ")))
}

/// `required_together`.
pub fn together(rules: Option<&Value>, given: &Map) -> Option<String> {
    let broken = |group: &Vec<String>| (1..group.len()).contains(&count(group, given));
    let group = groups(rules, "required_together").into_iter().find(broken)?;
    Some(format!("parameters are required together: {}", group.join(", ")))
}

/// `required_one_of`.
pub fn one_of(rules: Option<&Value>, given: &Map) -> Option<String> {
    let group = groups(rules, "required_one_of").into_iter().find(|group| count(group, given) == 0)?;
    Some(format!("one of the following is required: {}", group.join(", ")))
}

/// `required_if`: lists of an option, a value, the options it then needs, and whether one of them is enough.
pub fn required_if(rules: Option<&Value>, given: &Map) -> Option<String> {
    items(rules, "required_if").iter().filter_map(Value::as_list).find_map(|rule| {
        let [key, wanted, needed, rest @ ..] = rule else { return None };
        let found = given.get(key.to_string().as_str()).filter(|value| same(value, wanted))?;
        let needed = words(needed);
        let any = rest.first().is_some_and(Value::is_true);
        let missing: Vec<&str> = needed.iter().map(String::as_str).filter(|name| !given.contains_key(*name)).collect();
        let broken = if any { missing.len() == needed.len() } else { true };
        let how = if any { "any" } else { "all" };
        (broken && !missing.is_empty())
            .then(|| format!("{key} is {found} but {how} of the following are missing: {}", missing.join(", ")))
    })
}

/// `required_by`: what an option needs, by its name.
pub fn required_by(rules: Option<&Value>, given: &Map) -> Option<String> {
    let is_given = |name: &str| given.get(name).is_some_and(|value| *value != Value::Null);
    let rules = rules?.get("required_by")?.as_map()?;
    rules.iter().filter(|(key, _)| is_given(key)).find_map(|(key, needed)| {
        let missing: Vec<String> = words(needed).into_iter().filter(|name| !is_given(name)).collect();
        (!missing.is_empty()).then(|| format!("missing parameter(s) required by '{key}': {}", missing.join(", ")))
    })
}

fn items<'a>(rules: Option<&'a Value>, name: &str) -> &'a [Value] {
    rules.and_then(|rules| rules.get(name)).and_then(Value::as_list).unwrap_or_default()
}

/// The groups of names under a rule.
fn groups(rules: Option<&Value>, name: &str) -> Vec<Vec<String>> {
    items(rules, name).iter().map(words).collect()
}

/// A list of names, or one.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::List(items) => items.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    }
}

fn count(names: &[String], given: &Map) -> usize {
    names.iter().filter(|name| given.contains_key(name.as_str())).count()
}
