//! cfg, a declarative configuration management engine.
//!
//! The pipeline: [`parse`] reads playbooks into syntax, [`inventory`] and [`variables`] say what is known of hosts,
//! [`compile`] makes one graph a host, [`apply`] runs it in the agent on the target against a [`machine`], and what
//! happens comes back as [`event`]s, which [`report`] shows. [`fleet`] drives many hosts at once over [`transport`].
//!
//! Rooms, from the top down. Imports point downward; the few that do not are listed with their reasons in
//! `tests/architecture.rs`, which reads this table:
//!
//! | level | rooms |
//! | --- | --- |
//! | 5 | [`cli`], [`report`] |
//! | 4 | [`fleet`], [`agent`], [`transport`] |
//! | 3 | [`parse`], [`compile`], [`apply`] |
//! | 2 | [`inventory`], [`variables`], [`graph`], [`resource`], [`facts`] |
//! | 1 | [`machine`], [`template`], [`yaml`], [`event`], [`secret`] |
//! | 0 | [`value`], [`diagnostic`], [`source`] |
//!
//! Without the feature `controller` the library is what the agent needs.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod agent;
pub mod apply;
pub mod diagnostic;
pub mod event;
pub mod facts;
pub mod graph;
pub mod machine;
pub mod resource;
pub mod source;
pub mod template;
pub mod value;

#[cfg(feature = "controller")]
pub mod cli;
#[cfg(feature = "controller")]
pub mod compile;
#[cfg(feature = "controller")]
pub mod fleet;
#[cfg(feature = "controller")]
pub mod inventory;
#[cfg(feature = "controller")]
pub mod parse;
#[cfg(feature = "controller")]
pub mod report;
#[cfg(feature = "controller")]
pub mod secret;
#[cfg(feature = "controller")]
pub mod transport;
#[cfg(feature = "controller")]
pub mod variables;
#[cfg(feature = "controller")]
pub mod yaml;

/// The truth of a condition's value, as apply and compile agree on it.
#[cfg(feature = "controller")]
pub(crate) fn apply_truth(value: &value::Value) -> bool {
    apply::truth(value)
}
