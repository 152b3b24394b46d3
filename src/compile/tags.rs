//! Tags: what has which, and selecting tasks by them.

use std::collections::BTreeSet;

use super::frame::Frame;
use super::host::HostCompiler;
use crate::parse::{Keyword, Keywords, Task};
use crate::value::Value;

/// `--tags` and `--skip-tags`.
#[derive(Clone, Debug, Default)]
pub struct TagFilter {
    /// Run only these; empty: all.
    pub only: BTreeSet<String>,
    /// Do not run these.
    pub skip: BTreeSet<String>,
}

impl TagFilter {
    /// Says whether a task with these tags runs, by Ansible's rules for `always`, `never`, `tagged`, `untagged`, `all`.
    pub fn selects(&self, tags: &BTreeSet<String>) -> bool {
        let has = |set: &BTreeSet<String>, name: &str| set.contains(name);
        let common = |set: &BTreeSet<String>| tags.iter().any(|tag| set.contains(tag));
        let mut run = if self.only.is_empty() {
            !has(tags, "never")
        } else {
            has(tags, "always")
                || (has(&self.only, "all") && !has(tags, "never"))
                || common(&self.only)
                || (has(&self.only, "tagged") && !tags.is_empty() && !has(tags, "never"))
                || (has(&self.only, "untagged") && tags.is_empty())
        };
        if run && !self.skip.is_empty() {
            let skipped = (has(&self.skip, "all") && !has(tags, "always"))
                || (has(&self.skip, "all") && has(&self.skip, "always"))
                || common(&self.skip)
                || (has(&self.skip, "tagged") && !tags.is_empty())
                || (has(&self.skip, "untagged") && tags.is_empty());
            run = !skipped;
        }
        run
    }
}

impl HostCompiler<'_> {
    /// The tags of something inside `frame`.
    pub(super) fn tags_of(&mut self, frame: &Frame, keywords: &Keywords) -> BTreeSet<String> {
        let own = self.own_tags(frame, keywords);
        frame.tags.iter().cloned().chain(own).collect()
    }

    /// The tags around a task without its own.
    pub(super) fn inherited_tags(&mut self, frame: &Frame, task: &Task) -> BTreeSet<String> {
        let own = self.own_tags(frame, &task.keywords);
        frame.tags.difference(&own).cloned().collect()
    }

    /// Tags may be expressions, with texts of several tags in them.
    fn own_tags(&mut self, frame: &Frame, keywords: &Keywords) -> BTreeSet<String> {
        let Some(node) = keywords.get(Keyword::Tags) else { return BTreeSet::new() };
        let value = match self.term(node) {
            crate::template::Term::Value(value) => Ok(value),
            term => self.evaluate(&term, &self.scope(frame, Vec::new()), node.span),
        };
        let items = match value {
            Ok(Value::List(items)) => items.to_vec(),
            Ok(Value::Null | Value::Map(_) | Value::Unknown | Value::Omit) | Err(_) => Vec::new(),
            Ok(other) => vec![other],
        };
        let words = |item: &Value| match item {
            Value::List(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        };
        let tags = items.iter().map(words).collect::<Vec<_>>().join(",");
        tags.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_as_ansible_does() {
        let set = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        let table = [
            ("", "", "a", true),
            ("", "", "never", false),
            ("a", "", "a b", true),
            ("a", "", "b", false),
            ("a", "", "always", true),
            ("never", "", "never", true),
            ("tagged", "", "", false),
            ("untagged", "", "", true),
            ("all", "", "never", false),
            ("", "a", "a", false),
            ("", "tagged", "a", false),
            ("", "always", "always", false),
            ("a", "b", "a b", false),
        ];
        for (only, skip, tags, expected) in table {
            let filter = TagFilter { only: set(only), skip: set(skip) };
            assert_eq!(filter.selects(&set(tags)), expected, "--tags {only} --skip-tags {skip}: {tags}");
        }
    }
}
