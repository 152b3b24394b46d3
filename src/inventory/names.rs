//! Names of groups that are not names of variables, such as `web-1`: `groups.web-1` is a subtraction.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Group, Inventory};
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::Files;

/// What becomes of such names: `force_valid_group_names`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupNames {
    /// They stay, with a warning (`never`).
    #[default]
    Warned,
    /// They stay (`ignore`).
    Kept,
    /// They are replaced, with a warning (`always`).
    Replaced,
    /// They are replaced (`silently`).
    Silently,
}

impl GroupNames {
    /// The words of the setting.
    pub const WORDS: &[&str] = &["always", "ignore", "never", "silently"];

    /// Reads one of them.
    pub fn of(word: &str) -> Self {
        match word {
            "always" => Self::Replaced,
            "silently" => Self::Silently,
            "ignore" => Self::Kept,
            _ => Self::Warned,
        }
    }

    fn replaces(self) -> bool {
        matches!(self, Self::Replaced | Self::Silently)
    }
}

/// A name of a variable in place of a name of a group.
pub(super) fn safe(name: &str) -> String {
    let fits = |(i, c): (usize, char)| c == '_' || c.is_alphabetic() || (i > 0 && c.is_alphanumeric());
    name.chars().enumerate().map(|(i, c)| if fits((i, c)) { c } else { '_' }).collect()
}

/// Warns of such names, and replaces them where that is asked for.
pub(super) fn check(inventory: &mut Inventory, how: GroupNames, files: &Files) {
    inventory.safe_names = how.replaces();
    let wrong = |(name, group): (&Arc<str>, &Group)| (safe(name) != **name).then(|| (name.clone(), group.span));
    let found: Vec<_> = inventory.groups.iter().filter_map(wrong).collect();
    let Some((_, span)) = found.first() else { return };
    let done = match how {
        GroupNames::Warned => Some("but not replaced"),
        GroupNames::Replaced => Some("and automatically replaced"),
        GroupNames::Kept | GroupNames::Silently => None,
    };
    if let Some(done) = done {
        let names = found.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = format!("Invalid characters were found in group names {done}: {names}");
        let report = Diagnostic::warning(Code::BadInventory, message);
        let report = match span {
            Some(span) => report.at(*span, ""),
            None => report,
        };
        let help = "expressions reach them as `groups[\"…\"]` only; `force_valid_group_names = ignore` keeps them without this";
        files.report(report.help(help));
    }
    if how.replaces() {
        replace(inventory);
    }
}

/// Gives every group its safe name; groups that come to the same name become one.
fn replace(inventory: &mut Inventory) {
    let safe = |name: &Arc<str>| Arc::from(safe(name));
    let mut groups: IndexMap<Arc<str>, Group> = IndexMap::new();
    for (name, mut group) in std::mem::take(&mut inventory.groups) {
        group.children = group.children.iter().map(safe).collect();
        match groups.entry(safe(&name)) {
            indexmap::map::Entry::Vacant(free) => {
                free.insert(group);
            }
            indexmap::map::Entry::Occupied(mut other) => {
                let other = other.get_mut();
                other.hosts.extend(group.hosts);
                other.children.extend(group.children);
                other.vars.extend(group.vars);
            }
        }
    }
    inventory.groups = groups;
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn names_of_groups_become_names_of_variables() {
        let table = [
            ("web", "web"),
            ("web-1.x", "web_1_x"),
            ("1web", "_web"),
            ("_a1", "_a1"),
            ("café", "café"),
            ("a b", "a_b"),
        ];
        for (name, expected) in table {
            assert_eq!(safe(name), expected, "{name}");
        }
    }
}
