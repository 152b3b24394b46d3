//! Variables in layers: what a file, a play, a task or a person defines, and which definition wins.
//!
//! Invariant: a layer never changes once it is made; layers are shared between hosts, never copied.

mod term;

use std::sync::Arc;

use indexmap::IndexMap;

use crate::source::Origin;
use crate::template::Term;
use crate::value::Value;
use crate::yaml::Entry;

pub use term::{Terms, content_origin};

/// The kinds of layers, from the weakest to the strongest: Ansible's order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LayerKind {
    /// `defaults/main.yml` of a role.
    RoleDefaults,
    /// Group variables in an inventory file or script.
    InventoryGroup,
    /// `group_vars/all` beside the inventory.
    InventoryGroupVarsAll,
    /// `group_vars/all` beside the playbook.
    PlaybookGroupVarsAll,
    /// `group_vars/*` beside the inventory.
    InventoryGroupVars,
    /// `group_vars/*` beside the playbook.
    PlaybookGroupVars,
    /// Host variables in an inventory file or script.
    InventoryHost,
    /// `host_vars/*` beside the inventory.
    InventoryHostVars,
    /// `host_vars/*` beside the playbook.
    PlaybookHostVars,
    /// Facts.
    Facts,
    /// `vars` of a play.
    Play,
    /// `vars_prompt` of a play.
    Prompt,
    /// `vars_files` of a play.
    VarsFiles,
    /// `vars/main.yml` of a role.
    RoleVars,
    /// `vars` of a block.
    Block,
    /// `vars` of a task.
    Task,
    /// `include_vars`.
    IncludeVars,
    /// `set_fact` and `register`.
    SetFact,
    /// Parameters of a role.
    RoleParams,
    /// Parameters of an include.
    IncludeParams,
    /// `-e` on the command line.
    Extra,
}

impl LayerKind {
    /// What `cfg explain` calls it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::RoleDefaults => "role defaults",
            Self::InventoryGroup => "group variables in the inventory",
            Self::InventoryGroupVarsAll => "group_vars/all beside the inventory",
            Self::PlaybookGroupVarsAll => "group_vars/all beside the playbook",
            Self::InventoryGroupVars => "group_vars beside the inventory",
            Self::PlaybookGroupVars => "group_vars beside the playbook",
            Self::InventoryHost => "host variables in the inventory",
            Self::InventoryHostVars => "host_vars beside the inventory",
            Self::PlaybookHostVars => "host_vars beside the playbook",
            Self::Facts => "facts",
            Self::Play => "play vars",
            Self::Prompt => "vars_prompt",
            Self::VarsFiles => "vars_files",
            Self::RoleVars => "role vars",
            Self::Block => "block vars",
            Self::Task => "task vars",
            Self::IncludeVars => "include_vars",
            Self::SetFact => "set_fact or register",
            Self::RoleParams => "role parameters",
            Self::IncludeParams => "include parameters",
            Self::Extra => "extra variables (-e)",
        }
    }
}

/// A definition of a variable.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its value or expression.
    pub term: Term,
    /// Where it stands.
    pub origin: Option<Origin>,
}

/// Definitions that come from one place.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Where in the order it stands.
    pub kind: LayerKind,
    /// The definitions.
    pub entries: IndexMap<Arc<str>, Definition>,
}

impl Layer {
    /// An empty layer.
    pub fn new(kind: LayerKind) -> Self {
        Self { kind, entries: IndexMap::new() }
    }

    /// A layer of the entries of a YAML mapping.
    pub fn of(kind: LayerKind, entries: &[Entry], terms: &Terms<'_>) -> Self {
        let define = |entry: &Entry| {
            let origin = Some(terms.sources.origin(entry.key_span));
            (entry.key.clone(), Definition { term: terms.term(&entry.value), origin })
        };
        Self { kind, entries: entries.iter().map(define).collect() }
    }

    /// A layer of plain values.
    pub fn of_values(kind: LayerKind, values: impl IntoIterator<Item = (String, Value)>) -> Self {
        let define =
            |(name, value): (String, Value)| (Arc::from(name), Definition { term: Term::Value(value), origin: None });
        Self { kind, entries: values.into_iter().map(define).collect() }
    }

    /// The definition of a name.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.entries.get(name)
    }
}
