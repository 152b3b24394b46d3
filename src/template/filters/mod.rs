//! Ansible's filters, by subject. A filter takes and gives engine values; [`super::bridge`] converts.

mod basic;
pub(super) mod call;
mod crypt;
mod encode;
mod ip;
mod json;
mod maps;
mod more;
mod numbers;
#[cfg(test)]
mod oracle_tests;
mod paths;
mod query;
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
pub use random::{random_below, random_text, shuffled};
pub use text::python_type;
pub(super) use text::title;

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, State};

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
    "commonpath",
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
    "expandvars",
    "extract",
    "fileglob",
    "filesizeformat",
    "first",
    "flatten",
    "float",
    "forceescape",
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
    "json_query",
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
    "pprint",
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
    "rekey_on_member",
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
    "striptags",
    "subelements",
    "sum",
    "symmetric_difference",
    "ternary",
    "title",
    "to_datetime",
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
    "win_basename",
    "win_dirname",
    "win_splitdrive",
    "wordcount",
    "wordwrap",
    "xmlattr",
    "zip",
    "zip_longest",
];

/// The names of the tests.
pub const TESTS: &[&str] = &[
    "abs",
    "all",
    "any",
    "boolean",
    "callable",
    "change",
    "changed",
    "contains",
    "defined",
    "directory",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "exists",
    "failed",
    "failure",
    "false",
    "falsy",
    "file",
    "filter",
    "finished",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "is_abs",
    "is_dir",
    "is_file",
    "is_link",
    "is_mount",
    "is_same_file",
    "isnan",
    "issubset",
    "issuperset",
    "iterable",
    "le",
    "lessthan",
    "link",
    "link_exists",
    "lower",
    "lt",
    "mapping",
    "match",
    "mount",
    "nan",
    "ne",
    "none",
    "number",
    "odd",
    "reachable",
    "regex",
    "same_file",
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
    "test",
    "timedout",
    "true",
    "truthy",
    "undefined",
    "unreachable",
    "upper",
    "uri",
    "url",
    "urn",
    "vault_encrypted",
    "vaulted_file",
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
    more::register(env);
    query::register(env);
}

/// Gives every filter and test its names with a collection before it.
pub fn register_prefixed(env: &mut Environment<'static>) {
    let prefixes = |name: &str| -> &[&str] {
        match name {
            "ipaddr" | "ipv4" | "ipv6" | "ipwrap" => &["ansible.utils.", "ansible.netcommon.", "ansible.builtin."],
            "json_query" => &["community.general."],
            _ => &["ansible.builtin.", "ansible.legacy."],
        }
    };
    for name in NAMES.iter().copied() {
        for prefix in prefixes(name) {
            env.add_filter(format!("{prefix}{name}"), move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
                state.apply_filter(name, &args.into_values())
            });
        }
    }
    for name in TESTS.iter().copied() {
        for prefix in prefixes(name) {
            env.add_test(format!("{prefix}{name}"), move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
                state.perform_test(name, &args.into_values())
            });
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_name_is_there() {
        let mut env = Environment::new();
        register(&mut env);
        crate::template::tests::register(&mut env);
        crate::template::lookup::register(&mut env);
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
