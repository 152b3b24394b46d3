//! Reading small files of the machine, where what is missing is simply empty.

use std::path::Path;

use crate::machine::{Address4, Inspect};
use crate::value::{Map, Value};

/// The largest file read for a fact.
const LIMIT: u64 = 1 << 20;

/// A machine being looked at.
#[derive(Clone, Copy)]
pub struct Look<'a>(pub &'a dyn Inspect);

impl Look<'_> {
    /// The text of a file; empty where there is none.
    pub fn text(self, path: &str) -> String {
        let bytes = self.0.read(Path::new(path), LIMIT).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The text of a file without white space around it, where it has any.
    pub fn line(self, path: &str) -> Option<String> {
        let text = self.text(path);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The number a file holds.
    pub fn number(self, path: &str) -> Option<i64> {
        self.line(path)?.parse().ok()
    }

    /// Says whether a path exists, links followed.
    pub fn exists(self, path: &str) -> bool {
        self.0.stat(Path::new(path)).ok().flatten().is_some()
    }

    /// The names in a directory.
    pub fn names(self, path: &str) -> Vec<String> {
        self.0.list(Path::new(path)).unwrap_or_default()
    }

    /// The IPv4 addresses of the network interfaces.
    pub fn addresses(self) -> Vec<Address4> {
        self.0.addresses().unwrap_or_default()
    }

    /// The last part of where a link points.
    pub fn link_name(self, path: &str) -> Option<String> {
        let target = self.0.read_link(Path::new(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }
}

/// Adds facts under their names.
pub fn put<const N: usize>(facts: &mut Map, entries: [(&str, Value); N]) {
    for (name, value) in entries {
        facts.insert(name.into(), value);
    }
}

/// Reads lines of `NAME=value`, the values in shell quotes or not.
pub fn assignments(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (!name.starts_with('#')).then_some((name, value))
    })
}

/// The value of `NAME=` in such a text.
pub fn assigned<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    assignments(text).find(|(n, _)| *n == name).map(|(_, value)| value)
}
