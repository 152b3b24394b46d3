//! Selecting tasks by tags.

use std::collections::BTreeSet;

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
