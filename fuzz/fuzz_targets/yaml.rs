//! A YAML file, read into nodes and taken for a playbook and for tasks. Every text ends as nodes or mistakes: no panic, no endless
//! nesting, no aliases that blow the tree up; each span lies inside of the text.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cfg_fuzz::yaml(data));
