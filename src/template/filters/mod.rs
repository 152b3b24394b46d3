//! Ansible's filters, by subject. A filter takes and gives engine values; [`super::bridge`] converts.

mod basic;

use minijinja::Environment;

/// Registers every filter.
pub fn register(env: &mut Environment<'static>) {
    basic::register(env);
}
