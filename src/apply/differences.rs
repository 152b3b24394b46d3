//! The return value `diff`, as Ansible's modules give it to tasks that ask for differences.

use crate::machine::{Difference, Side};
use crate::value::{Map, Value};

/// Modules that give one mapping rather than a list.
const SINGLE: [&str; 3] = ["assemble", "known_hosts", "replace"];
/// Modules that give a list even where nothing differs.
const ALWAYS: [&str; 4] = ["blockinfile", "copy", "lineinfile", "template"];
/// Modules that say of each part what it is.
const PARTS: [&str; 2] = ["blockinfile", "lineinfile"];

/// The differences a module made; `None` where there is nothing to tell.
pub fn shown(kind: &str, differences: &[Difference]) -> Option<Value> {
    let mut found: Vec<Value> = Vec::new();
    for difference in differences {
        found.extend(content(kind, difference));
        if !SINGLE.contains(&kind) {
            found.extend(attributes(difference));
        }
    }
    match () {
        () if SINGLE.contains(&kind) => found.into_iter().next(),
        () if found.is_empty() && !ALWAYS.contains(&kind) => None,
        () => Some(Value::from(found)),
    }
}

fn content(kind: &str, difference: &Difference) -> Option<Value> {
    let (before, after) = (difference.before.text.as_ref()?, difference.after.text.as_ref()?);
    let part = if PARTS.contains(&kind) { " (content)" } else { "" };
    let header = Value::from(format!("{}{part}", difference.path));
    (before != after).then(|| {
        Value::map([
            ("before", Value::str(before)),
            ("before_header", header.clone()),
            ("after", Value::str(after)),
            ("after_header", header.clone()),
        ])
    })
}

fn attributes(difference: &Difference) -> Option<Value> {
    // What was not there had no attributes.
    difference.before.mode?;
    let (before, after) = (properties(&difference.before), properties(&difference.after));
    let differing = |one: Map, other: &Map| one.into_iter().filter(|(k, v)| other.get(k) != Some(v)).collect::<Map>();
    let header = Value::from(format!("{} (file attributes)", difference.path));
    (before != after && !after.is_empty()).then(|| {
        Value::map([
            ("before", Value::from(differing(before.clone(), &after))),
            ("before_header", header.clone()),
            ("after", Value::from(differing(after.clone(), &before))),
            ("after_header", header.clone()),
        ])
    })
}

fn properties(side: &Side) -> Map {
    let all = [
        ("mode", side.mode.map(|mode| Value::from(format!("{mode:04o}")))),
        ("owner", side.uid.map(Value::from)),
        ("group", side.gid.map(Value::from)),
    ];
    all.into_iter().filter_map(|(name, value)| value.map(|value| (name.into(), value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_as_ansible_shows_them() {
        let side = |text: &str, mode| Side { text: Some(text.into()), mode, uid: Some(0), gid: Some(0) };
        let edited =
            Difference { path: "/f".into(), before: side("a\n", Some(0o644)), after: side("b\n", Some(0o600)) };
        let json = |kind: &str, all: &[Difference]| shown(kind, all).map(|v| crate::value::to_json(&v).to_string());
        assert_eq!(
            json("replace", std::slice::from_ref(&edited)).unwrap(),
            r#"{"before":"a\n","before_header":"/f","after":"b\n","after_header":"/f"}"#
        );
        let list = json("lineinfile", &[edited]).unwrap();
        assert!(list.contains(r#""before_header":"/f (content)""#), "{list}");
        assert!(list.contains(r#""after":{"mode":"0600"}"#), "{list}");
        assert_eq!(json("copy", &[]).unwrap(), "[]");
        assert_eq!(json("user", &[]), None);
        let hidden = Difference {
            path: "/f".into(),
            before: side("", None),
            after: Side { text: None, ..side("", Some(0o600)) },
        };
        assert_eq!(json("copy", &[hidden]).unwrap(), "[]");
    }
}
