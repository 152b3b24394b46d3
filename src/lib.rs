//! cfg, a declarative configuration management engine.

pub mod agent;
pub mod apply;
pub mod diagnostic;
pub mod machine;
pub mod resource;
pub mod source;
pub mod template;
pub mod value;
#[cfg(feature = "controller")]
pub mod yaml;
pub mod event;
pub mod facts;
pub mod graph;
#[cfg(feature = "controller")]
pub mod compile;
#[cfg(feature = "controller")]
pub mod inventory;
#[cfg(feature = "controller")]
pub mod parse;
#[cfg(feature = "controller")]
pub mod secret;
#[cfg(feature = "controller")]
pub mod variables;

/// The truth of a condition's value, as apply and compile agree on it.
pub(crate) fn apply_truth(value: &value::Value) -> bool {
    apply::truth(value)
}
