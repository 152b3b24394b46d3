//! Every example in the documentation of a type is a task that can be parsed.

use super::testing::{args, yaml};
use super::{KINDS, Kind};
use crate::value::{Value, to_json};

/// The YAML between the fences under `# Example`.
fn examples(kind: &Kind) -> Vec<String> {
    let doc: Vec<&str> = kind.doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let text = doc.join("\n");
    let blocks = text.split("```yaml\n").skip(1);
    blocks.filter_map(|block| block.split("```").next().map(str::to_owned)).collect()
}

#[test]
fn examples_parse() {
    for kind in KINDS {
        let examples = examples(kind);
        assert!(!examples.is_empty(), "`{}` has no example", kind.name);
        for task in examples.iter().flat_map(|text| yaml(text).as_list().unwrap().to_vec()) {
            let entry = task.as_map().unwrap().iter().find(|(name, _)| super::find(name).is_some());
            let (name, value) = entry.unwrap_or_else(|| panic!("{task} names no type"));
            let found = super::find(name).unwrap();
            let text = match value {
                Value::Null => "{}".to_owned(),
                Value::Str(text) => format!("{:?}", text.as_ref()),
                other => to_json(other).to_string(),
            };
            // What an expression comes to is not known here.
            if text.contains("{{") {
                continue;
            }
            if let Err(error) = (found.parse)(args(found.name, &text)) {
                panic!("the example of `{}`: {error}", kind.name);
            }
        }
    }
}

#[test]
fn names_are_unique_and_sorted() {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let all: std::collections::BTreeSet<&str> = super::names().collect();
    assert_eq!(all.len(), super::names().count());
}

#[test]
fn defaults_are_shown_as_they_are_written() {
    let shown = |kind: &str, name: &str| {
        super::find(kind).unwrap().params.iter().find(|p| p.name == name).unwrap().shown_default()
    };
    let table = [
        ("apt", "state", "present"),
        ("apt", "lock_timeout", "60"),
        ("ping", "data", "pong"),
        ("copy", "force", "true"),
    ];
    for (kind, name, expected) in table {
        assert_eq!(shown(kind, name), expected);
    }
}

#[test]
fn every_parameter_is_documented() {
    for kind in KINDS {
        for param in kind.params {
            assert!(!param.doc.trim().is_empty(), "{}.{}", kind.name, param.name);
        }
    }
}
