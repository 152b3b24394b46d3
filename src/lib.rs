//! cfg

#[cfg(feature = "controller")]
pub mod transport;
