//! `cfg schema`: the JSON schema of playbooks, from the tables of keywords and modules.

use serde_json::{Value as Json, json};

use super::error::{CliError, Exit};
use crate::parse::{Keyword, levels};
use crate::resource::{KINDS, ParamSpec};

/// Runs the command.
///
/// # Errors
/// Never so far.
pub fn run() -> Result<Exit, CliError> {
    super::print(&format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap_or_default()));
    Ok(Exit::Converged)
}

/// The schema.
pub fn schema() -> Json {
    let keywords = |level: u8| -> serde_json::Map<String, Json> {
        Keyword::ALL
            .iter()
            .filter(|(_, _, levels, _)| levels & level != 0)
            .map(|(_, name, _, doc)| ((*name).to_owned(), json!({ "description": doc })))
            .collect()
    };
    let mut task = keywords(levels::TASK);
    for kind in KINDS {
        let description = kind.doc.trim().lines().next().unwrap_or("").trim().to_owned();
        let properties: serde_json::Map<String, Json> = kind
            .params
            .iter()
            .filter(|p| !p.name.starts_with('_'))
            .map(|p| (p.name.to_owned(), parameter(p)))
            .collect();
        let shape = json!({
            "description": description,
            "anyOf": [
                { "type": "object", "properties": properties },
                { "type": ["string", "null"] }
            ]
        });
        for name in std::iter::once(kind.name).chain(kind.aliases.iter().copied()) {
            task.insert(name.to_owned(), shape.clone());
            task.insert(format!("{}.{name}", kind.collection), shape.clone());
        }
    }
    for (name, doc) in [
        ("include_tasks", "Tasks of another file, chosen when it is reached."),
        ("import_tasks", "Tasks of another file."),
        ("include_role", "A role, chosen when it is reached."),
        ("import_role", "A role."),
        ("include_vars", "Variables of a file."),
        ("set_fact", "Sets variables."),
        ("debug", "Shows a message."),
        ("assert", "Checks conditions."),
        ("fail", "Fails."),
        ("meta", "About the run itself."),
        ("pause", "Waits."),
        ("setup", "Reads facts again."),
        ("validate_argument_spec", "Checks variables against a specification."),
    ] {
        task.insert(name.to_owned(), json!({ "description": doc }));
    }
    let mut block = keywords(levels::BLOCK);
    for section in ["block", "rescue", "always"] {
        block.insert(section.to_owned(), json!({ "type": "array", "items": { "$ref": "#/$defs/item" } }));
    }
    let mut play = keywords(levels::PLAY);
    for section in ["pre_tasks", "tasks", "post_tasks", "handlers"] {
        play.insert(section.to_owned(), json!({ "type": ["array", "null"], "items": { "$ref": "#/$defs/item" } }));
    }
    play.insert("import_playbook".into(), json!({ "type": "string", "description": "Another playbook." }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cfg playbook",
        "type": "array",
        "items": { "$ref": "#/$defs/play" },
        "$defs": {
            "play": { "type": "object", "properties": play, "additionalProperties": false },
            "item": { "anyOf": [{ "$ref": "#/$defs/block" }, { "$ref": "#/$defs/task" }] },
            "block": { "type": "object", "required": ["block"], "properties": block, "additionalProperties": false },
            "task": { "type": "object", "properties": task, "patternProperties": { "^with_": {}, "\\.": {} } }
        }
    })
}

fn parameter(spec: &ParamSpec) -> Json {
    let description: String = spec.doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut entry = json!({ "description": description.trim() });
    if !spec.choices.is_empty()
        && let Some(map) = entry.as_object_mut()
    {
        // A template may stand in the place of a word.
        map.insert("anyOf".into(), json!([{ "enum": spec.choices }, { "type": ["string", "boolean", "array"] }]));
    }
    entry
}
