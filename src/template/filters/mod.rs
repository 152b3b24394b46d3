//! Ansible's filters, by subject. A filter takes and gives engine values; [`super::bridge`] converts.

mod basic;
pub(super) mod call;
mod crypt;
mod encode;
mod ip;
mod json;
mod maps;
mod numbers;
#[cfg(test)]
mod oracle_tests;
mod paths;
mod random;
pub(super) mod regex;
pub(super) mod sets;
mod text;
mod yaml;
#[cfg(feature = "controller")]
mod yaml_read;

#[cfg(feature = "controller")]
pub use crypt::password_hash_of as password_hash;
pub(super) use json::compact;
#[cfg(feature = "controller")]
pub use random::{random_below, random_text};
pub use text::python_type;

use minijinja::Environment;

/// The names of the filters and tests, for suggestions: minijinja's own and those added here.
pub const NAMES: &[&str] = &[
    "abs",
    "attr",
    "b64decode",
    "b64encode",
    "basename",
    "batch",
    "bool",
    "capitalize",
    "center",
    "checksum",
    "combinations",
    "combine",
    "comment",
    "count",
    "d",
    "default",
    "dict2items",
    "dictsort",
    "difference",
    "dirname",
    "e",
    "escape",
    "expanduser",
    "extract",
    "first",
    "flatten",
    "float",
    "format",
    "from_json",
    "from_yaml",
    "from_yaml_all",
    "groupby",
    "hash",
    "human_readable",
    "human_to_bytes",
    "indent",
    "int",
    "intersect",
    "ipaddr",
    "ipv4",
    "ipv6",
    "ipwrap",
    "items",
    "items2dict",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "log",
    "lower",
    "mandatory",
    "map",
    "max",
    "md5",
    "min",
    "normpath",
    "password_hash",
    "path_join",
    "permutations",
    "pow",
    "product",
    "quote",
    "random",
    "realpath",
    "regex_escape",
    "regex_findall",
    "regex_replace",
    "regex_search",
    "reject",
    "rejectattr",
    "relpath",
    "replace",
    "reverse",
    "root",
    "round",
    "safe",
    "select",
    "selectattr",
    "sha1",
    "shuffle",
    "slice",
    "sort",
    "split",
    "splitext",
    "splitlines",
    "strftime",
    "string",
    "subelements",
    "sum",
    "symmetric_difference",
    "ternary",
    "title",
    "to_json",
    "to_nice_json",
    "to_nice_yaml",
    "to_uuid",
    "to_yaml",
    "tojson",
    "trim",
    "truncate",
    "type_debug",
    "union",
    "unique",
    "upper",
    "urldecode",
    "urlencode",
    "urlsplit",
    "wordcount",
    "wordwrap",
    "zip",
    "zip_longest",
];

/// The names of the tests.
pub const TESTS: &[&str] = &[
    "all",
    "any",
    "boolean",
    "change",
    "changed",
    "contains",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "even",
    "failed",
    "failure",
    "false",
    "falsy",
    "finished",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "match",
    "ne",
    "none",
    "number",
    "odd",
    "regex",
    "sameas",
    "search",
    "sequence",
    "skip",
    "skipped",
    "started",
    "string",
    "subset",
    "succeeded",
    "success",
    "successful",
    "superset",
    "true",
    "truthy",
    "undefined",
    "unreachable",
    "upper",
    "url",
    "version",
    "version_compare",
];

/// Registers every filter.
pub fn register(env: &mut Environment<'static>) {
    basic::register(env);
    maps::register(env);
    sets::register(env);
    json::register(env);
    yaml::register(env);
    regex::register(env);
    text::register(env);
    encode::register(env);
    crypt::register(env);
    paths::register(env);
    numbers::register(env);
    random::register(env);
    ip::register(env);
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_name_is_there() {
        let mut env = Environment::new();
        register(&mut env);
        crate::template::tests::register(&mut env);
        for name in NAMES {
            let error = env.render_str(&format!("{{{{ 1 | {name} }}}}"), ()).err();
            assert_ne!(error.map(|e| e.kind()), Some(minijinja::ErrorKind::UnknownFilter), "no filter {name}");
        }
        for name in TESTS {
            let error = env.render_str(&format!("{{{{ 1 is {name} }}}}"), ()).err();
            assert_ne!(error.map(|e| e.kind()), Some(minijinja::ErrorKind::UnknownTest), "no test {name}");
        }
    }
}
