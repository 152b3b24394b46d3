//! Redaction by value.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use crate::value::Value;

/// What stands in the place of a secret.
pub const HIDDEN: &str = "********";

/// Shorter texts are not redacted by value: they would blot out half of every output. A vault never protects three
/// letters anyway.
const SHORTEST: usize = 4;

/// The secrets of a run.
#[derive(Clone, Debug, Default)]
pub struct Redactor(Arc<RwLock<BTreeSet<String>>>);

impl Redactor {
    /// Adds a secret: each line of it, for outputs are written by lines.
    pub fn add(&self, secret: &str) {
        let mut secrets = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        for part in std::iter::once(secret).chain(secret.lines()).map(str::trim).filter(|p| p.len() >= SHORTEST) {
            secrets.insert(part.to_owned());
            // The same text as JSON and as Python would write it.
            let json = serde_json::Value::from(part).to_string();
            secrets.insert(json.trim_matches('"').to_owned());
        }
    }

    /// Adds every text inside a value.
    pub fn add_value(&self, value: &Value) {
        match value {
            Value::Str(text) => self.add(text),
            Value::Int(i) => self.add(&i.to_string()),
            Value::List(items) => items.iter().for_each(|item| self.add_value(item)),
            Value::Map(map) => map.values().for_each(|item| self.add_value(item)),
            _ => {}
        }
    }

    /// Replaces every secret in a text, longer ones first.
    pub fn redact<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        let secrets = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !secrets.iter().any(|secret| text.contains(secret.as_str())) {
            return std::borrow::Cow::Borrowed(text);
        }
        let mut by_length: Vec<&String> = secrets.iter().collect();
        by_length.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let mut out = text.to_owned();
        for secret in by_length {
            out = out.replace(secret.as_str(), HIDDEN);
        }
        std::borrow::Cow::Owned(out)
    }

    /// Replaces every secret in the texts of a JSON value.
    pub fn redact_json(&self, json: &mut serde_json::Value) {
        match json {
            serde_json::Value::String(text) => {
                if let std::borrow::Cow::Owned(clean) = self.redact(text) {
                    *text = clean;
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|item| self.redact_json(item)),
            _ => {}
        }
    }

    /// The secrets, for the one host that needs them.
    pub fn all(&self) -> Vec<Arc<str>> {
        let secrets = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        secrets.iter().map(|s| Arc::from(s.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_whole_and_in_every_spelling() {
        let redactor = Redactor::default();
        redactor.add("hunter2\"x");
        redactor.add("abc");
        assert_eq!(redactor.redact("pw=hunter2\"x abc"), "pw=******** abc");
        assert_eq!(redactor.redact(r#"{"pw":"hunter2\"x"}"#), r#"{"pw":"********"}"#);
    }
}
