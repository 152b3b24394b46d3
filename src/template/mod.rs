//! Templates: Jinja2 as Ansible speaks it, over [`Value`]s.
//!
//! Invariants:
//! * Only a [`Template`] is ever compiled, and only the project's own source files make one: data cannot become code.
//! * No value is rendered twice: what an expression yields is data for ever.
//! * A scalar that is exactly one `{{ expression }}` keeps the type of its value; any other text renders to a string.
//! * What depends on an unknown is [`Value::Unknown`]; what depends on nothing defined is an error that names it.

mod blame;
mod condition;
mod convert;
mod engine;
#[cfg(test)]
mod engine_tests;
mod error;
pub mod filters;
mod formats;
mod globals;
mod layout;
mod lexer;
mod lookup;
mod methods;
mod moment;
mod mutable;
mod native;
mod open;
mod percent;
mod scope;
mod subscripts;
mod term;
mod tests;
mod tests_ansible;
mod trace;
mod version;
mod weight;

pub use condition::{NOT_A_BOOLEAN_HELP, condition, is_comparison, not_a_boolean};
pub use engine::{Engine, FileOptions, Loader, filter_names};
pub use error::{EvalError, Reason, Via};
pub use filters::python_type;
#[cfg(feature = "controller")]
pub use filters::{password_hash, random_below, random_text, shuffled};
pub use layout::Layout;
#[cfg(feature = "controller")]
pub use lookup::answer_value;
pub use lookup::{ANSWERS, Lookup, LookupCall, NOW, PATH_TEST};
pub use scope::{Bindings, Scope, TermScope};
pub use term::{Shape, Template, Term};

/// For the rooms that write filters: the conversions between the engine's values and ours.
pub mod bridge {
    pub use super::convert::{from_jinja, to_jinja};
}
