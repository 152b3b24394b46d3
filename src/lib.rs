//! cfg, a declarative configuration management engine.

pub mod diagnostic;
pub mod machine;
pub mod resource;
pub mod source;
pub mod template;
pub mod value;
#[cfg(feature = "controller")]
pub mod yaml;
