//! The names a task may use: resource types, and tasks about the run itself.

use crate::resource;

/// Tasks about the run itself: name and parameters.
pub const ACTIONS: &[(&str, &[&str])] = &[
    ("add_host", &[]),
    ("assert", &["that", "msg", "fail_msg", "success_msg", "quiet"]),
    ("debug", &["msg", "var", "verbosity"]),
    ("fail", &["msg"]),
    ("gather_facts", &["parallel", "gather_subset", "filter", "gather_timeout", "fact_path"]),
    ("group_by", &["key", "parents"]),
    (
        "import_role",
        &[
            "name",
            "role",
            "tasks_from",
            "vars_from",
            "defaults_from",
            "handlers_from",
            "public",
            "allow_duplicates",
            "rolespec_validate",
        ],
    ),
    ("import_tasks", &["file"]),
    (
        "include_role",
        &[
            "name",
            "role",
            "tasks_from",
            "vars_from",
            "defaults_from",
            "handlers_from",
            "public",
            "allow_duplicates",
            "apply",
            "rolespec_validate",
        ],
    ),
    ("include_tasks", &["file", "apply"]),
    (
        "include_vars",
        &[
            "file",
            "dir",
            "name",
            "depth",
            "files_matching",
            "ignore_files",
            "extensions",
            "ignore_unknown_extensions",
            "hash_behaviour",
        ],
    ),
    ("meta", &[]),
    ("pause", &["seconds", "minutes", "prompt", "echo"]),
    ("set_fact", &[]),
    ("set_stats", &["data", "per_host", "aggregate"]),
    ("setup", &["gather_subset", "filter", "gather_timeout", "fact_path"]),
    ("validate_argument_spec", &["argument_spec", "provided_arguments", "validate_args_context"]),
];

/// The short name of one of Ansible's own, or the name as it is.
pub fn short(name: &str) -> &str {
    ["ansible.builtin.", "ansible.legacy."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// Says whether a task may use this name.
pub fn is_module(name: &str) -> bool {
    ACTIONS.iter().any(|(action, _)| *action == short(name)) || resource::find(name).is_some()
}

/// Every name, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|(name, _)| *name).chain(resource::names())
}
