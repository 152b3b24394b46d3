//! Ansible's filters, by subject. A filter takes and gives engine values; [`super::bridge`] converts.

mod basic;

use minijinja::Environment;

/// The names of the filters and tests, for suggestions: minijinja's own and those added here.
pub const NAMES: &[&str] = &[
    "abs", "attr", "batch", "bool", "capitalize", "combine", "count", "d", "default", "dict2items", "dictsort", "difference",
    "first", "flatten", "float", "format", "from_json", "from_yaml", "groupby", "indent", "int", "intersect", "items",
    "items2dict", "join", "last", "length", "lines", "list", "lower", "map", "mandatory", "max", "min", "quote", "random",
    "regex_escape", "regex_findall", "regex_replace", "regex_search", "reject", "rejectattr", "replace", "reverse", "round",
    "select", "selectattr", "slice", "sort", "split", "string", "sum", "ternary", "title", "to_json", "to_nice_json",
    "to_nice_yaml", "to_yaml", "tojson", "trim", "truncate", "unique", "union", "upper", "urlencode", "zip", "defined",
    "undefined", "changed", "failed", "skipped", "succeeded", "match", "search", "version",
];

/// Registers every filter.
pub fn register(env: &mut Environment<'static>) {
    basic::register(env);
}
