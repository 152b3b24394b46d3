//! The names a task may use: resource types, and tasks about the run itself.

use crate::resource::{self, actions};

/// The short name of one of Ansible's own, or the name as it is.
pub fn short(name: &str) -> &str {
    ["ansible.builtin.", "ansible.legacy."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// Says whether a task may use this name.
pub fn is_module(name: &str) -> bool {
    actions::find(short(name)).is_some() || resource::find(name).is_some()
}

/// Every name, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    actions::ACTIONS.iter().map(|kind| kind.name).chain(resource::names())
}
