//! Shell patterns over the paths of a machine, and over names.

use std::path::{Path, PathBuf};

use crate::machine::{FileKind, Inspect, Result};

/// Says whether text holds a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Says whether anything (a dangling link counts) is at a path or matches it as a pattern.
pub(super) fn any(machine: &dyn Inspect, path: &Path) -> Result<bool> {
    if !is_pattern(&path.to_string_lossy()) {
        return Ok(machine.lstat(path)?.is_some());
    }
    Ok(!paths(machine, path)?.is_empty())
}

/// The paths that match a pattern, sorted. As in a shell, `*` does not match a leading dot.
pub(super) fn paths(machine: &dyn Inspect, pattern: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.components().filter_map(|c| match c {
        std::path::Component::Normal(part) => part.to_str(),
        _ => None,
    }) {
        let mut next = Vec::new();
        for dir in &found {
            if !is_pattern(part) {
                let path = dir.join(part);
                next.extend(machine.lstat(&path)?.map(|_| path));
            } else if machine.stat(dir)?.is_some_and(|stat| stat.kind == FileKind::Dir) {
                let names = machine.list(dir)?;
                let fits = |name: &String| (part.starts_with('.') || !name.starts_with('.')) && matches(part, name);
                next.extend(names.iter().filter(|name| fits(name)).map(|name| dir.join(name)));
            }
        }
        found = next;
    }
    Ok(found)
}

/// Matches a name as Python's `fnmatch` does: `*`, `?`, `[abc]`, `[!abc]`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    fits(&pattern, &name)
}

fn fits(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, rest) => rest.is_none(),
        (Some(('*', after)), rest) => fits(after, name) || rest.is_some_and(|(_, rest)| fits(pattern, rest)),
        (Some(('[', after)), Some((c, rest))) => match class(after) {
            Some((set, negated, after)) => in_class(set, *c) != negated && fits(after, rest),
            None => *c == '[' && fits(after, rest),
        },
        (Some(('?', after)), Some((_, rest))) => fits(after, rest),
        (Some((p, after)), Some((c, rest))) => p == c && fits(after, rest),
        (Some(_), None) => false,
    }
}

/// Splits off a bracket expression: its characters, whether it is negated, and what follows.
fn class(text: &[char]) -> Option<(&[char], bool, &[char])> {
    let (negated, text) = match text.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, text),
    };
    // A `]` that comes first stands for itself.
    let end = text.iter().skip(1).position(|c| *c == ']')? + 1;
    Some((text.get(..end)?, negated, text.get(end + 1..)?))
}

fn in_class(set: &[char], c: char) -> bool {
    let mut rest = set;
    loop {
        rest = match rest {
            [from, '-', to, more @ ..] => {
                if (*from..=*to).contains(&c) {
                    return true;
                }
                more
            }
            [one, more @ ..] => {
                if *one == c {
                    return true;
                }
                more
            }
            [] => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match() {
        let table = [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("1.2*", "1.2-3", true),
            ("[a-c]?", "bz", true),
            ("[!a-c]", "b", false),
            ("[]]", "]", true),
            ("[", "[", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
