//! Paths as people write them: with `~`, with variables of the environment, or relative to where programs run.
//!
//! They are made absolute before a resource is made from its arguments, so that no resource has to think of it.

use std::ffi::OsStr;
use std::path::Path;

use super::params::{FromValue, ParamSpec};
use super::program::expand_home;
use super::{Context, Failure, command};
use crate::machine::Inspect;
use crate::value::{Map, Value, parse_bool};

/// The type of a parameter that is a path of the machine.
pub const PATH: &str = "path";
/// The type of a parameter that is what a link points to: `~` is expanded, but it may be relative.
pub const LINK: &str = "path, relative ones as they are written";
/// The type of a parameter that is a path of the machine where `remote_src` says so.
pub const SOURCE: &str = "path, on the machine with `remote_src`";

/// A path that keeps its trailing slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(pub String);

/// A path that is on the machine only where `remote_src` says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source(pub String);

/// What a link points to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target(pub String);

macro_rules! text {
    ($($name:ident $type:expr),*) => { $(
        impl FromValue for $name {
            const TYPE: &'static str = $type;
            fn from_value(value: &Value) -> Result<Self, String> {
                String::from_value(value).map(Self)
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<Path> for $name {
            fn as_ref(&self) -> &Path {
                Path::new(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl AsRef<OsStr> for $name {
            fn as_ref(&self) -> &OsStr {
                OsStr::new(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )* };
}

text!(Place PATH, Source SOURCE, Target LINK);

/// Says whether every path among the arguments is where it says, whoever looks.
pub fn settled(specs: &[ParamSpec], args: &Map) -> bool {
    given(specs, args).iter().all(|(_, path, text)| is_plain(*path, text))
}

/// Expands `~`, `~user` and variables in paths, and makes relative ones absolute.
///
/// # Errors
/// Where the machine cannot be asked.
pub fn settle(specs: &[ParamSpec], args: &mut Map, machine: &dyn Inspect, context: &Context) -> Result<(), Failure> {
    for (name, path, text) in given(specs, args) {
        if is_plain(path, &text) {
            continue;
        }
        let expanded = expand(machine, context, &text)?;
        let absolute = if path && Path::new(&expanded).is_relative() {
            machine.identity()?.cwd.join(expanded).to_string_lossy().into_owned()
        } else {
            expanded
        };
        args.insert(name.into(), Value::from(absolute));
    }
    Ok(())
}

/// Variables, then `~`.
fn expand(machine: &dyn Inspect, context: &Context, text: &str) -> Result<String, Failure> {
    if text.contains('$') { command::expand(machine, context, text) } else { expand_home(machine, text) }
}

fn is_plain(path: bool, text: &str) -> bool {
    !text.contains('$') && !text.starts_with('~') && (!path || text.starts_with('/') || text.is_empty())
}

/// Whether the source is on the machine.
fn remote(specs: &[ParamSpec], args: &Map) -> bool {
    match args.get("remote_src") {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::Str(text)) => parse_bool(text).unwrap_or(false),
        _ => specs.iter().any(|spec| spec.name == "remote_src" && spec.default == "true"),
    }
}

/// The arguments that are paths: the name, whether it is more than a link's target, the text.
fn given(specs: &[ParamSpec], args: &Map) -> Vec<(String, bool, String)> {
    let remote = remote(specs, args);
    let is_path = |spec: &&ParamSpec| match spec.type_name {
        PATH | LINK => true,
        other => other == SOURCE && remote,
    };
    let names = specs.iter().filter(is_path).flat_map(|spec| {
        std::iter::once(spec.name).chain(spec.aliases.iter().copied()).map(|name| (name, spec.type_name))
    });
    names
        .filter_map(|(name, kind)| match args.get(name) {
            Some(Value::Str(text)) if kind == SOURCE && text.contains("://") => None,
            Some(Value::Str(text)) => Some((name.to_owned(), kind != LINK, text.to_string())),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn paths_are_made_absolute() {
        let bench = Bench::with(&[]);
        for (written, meant) in [("f", "/root/f"), ("~/g", "/root/g"), ("~root/h", "/root/h"), ("/i/$NO", "/i/$NO")] {
            bench.run("lineinfile", &format!("{{path: '{written}', line: a, create: true}}")).unwrap();
            assert_eq!(bench.read(meant), "a\n", "{written}");
        }
        bench.run("file", "{path: l, src: f, state: link}").unwrap();
        assert_eq!(bench.0.read_link("/root/l".as_ref()).unwrap().to_str(), Some("f"));
    }
}
