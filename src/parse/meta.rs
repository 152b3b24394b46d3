//! What a role says of itself: `meta/main.yml` and `meta/argument_specs.yml`.

use super::play::parse_roles;
use super::role::RoleRef;
use super::shapes::Shape;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, did_you_mean};
use crate::yaml::{Entry, Node};

const DEPENDENCIES: &str = "dependencies";
const DUPLICATES: &str = "allow_duplicates";
const SPECS: &str = "argument_specs";

/// What there may be in `meta/main.yml`; the last two are for Galaxy.
const KEYS: [&str; 5] = [DEPENDENCIES, DUPLICATES, SPECS, "collections", "galaxy_info"];

/// The metadata of a role.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// Roles it depends on.
    pub dependencies: Vec<RoleRef>,
    /// It may run more than once with the same parameters.
    pub allow_duplicates: bool,
    /// The specifications of its arguments, by entry point.
    pub argument_specs: Option<Node>,
}

impl Meta {
    /// Reads the main file, and the one for specifications alone: what that one says counts.
    pub fn parse(main: Option<&Node>, specs: Option<&Node>, diagnostics: &mut Diagnostics) -> Self {
        let mut meta = Self::default();
        for entry in main.map(|main| entries(main, "`meta` of a role", diagnostics)).unwrap_or_default() {
            meta.take(entry, diagnostics);
        }
        for entry in specs.map(|specs| entries(specs, "`meta/argument_specs`", diagnostics)).unwrap_or_default() {
            if entry.key.as_ref() == SPECS {
                meta.take(entry, diagnostics);
            }
        }
        meta
    }

    fn take(&mut self, entry: &Entry, diagnostics: &mut Diagnostics) {
        let value = &entry.value;
        match entry.key.as_ref() {
            DEPENDENCIES => self.dependencies = parse_roles(value, diagnostics),
            DUPLICATES => match value.to_value().as_flag() {
                Some(flag) => self.allow_duplicates = flag,
                None if value.is_null() => {}
                None => diagnostics.push(Shape::Flag.report(DUPLICATES, value.type_name(), value.span)),
            },
            SPECS => {
                let points = entries(value, "`argument_specs`", diagnostics);
                match points.iter().find(|point| !Shape::Mapping.fits(&point.value)) {
                    Some(Entry { key, value, .. }) => {
                        diagnostics.push(Shape::Mapping.report(key, value.type_name(), value.span));
                    }
                    None => self.argument_specs = value.as_map().map(|_| value.clone()),
                }
            }
            key if KEYS.contains(&key) => {}
            key => {
                let help = did_you_mean(key, KEYS).unwrap_or_else(|| format!("it has {}", KEYS.join(", ")));
                let report = Diagnostic::error(Code::UnknownKeyword, format!("`meta` of a role has no `{key}`"));
                diagnostics.push(report.at(entry.key_span, "").help(help));
            }
        }
    }
}

/// The entries of what has to be a mapping, or empty.
fn entries<'a>(node: &'a Node, what: &str, diagnostics: &mut Diagnostics) -> &'a [Entry] {
    if node.as_map().is_none() && !node.is_null() {
        let message = format!("{what} is a mapping; found {}", node.type_name());
        diagnostics.push(Diagnostic::error(Code::WrongShape, message).at(node.span, ""));
    }
    node.as_map().unwrap_or_default()
}
