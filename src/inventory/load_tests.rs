//! Sources together: what a directory holds, what merges, what programs and plugins add. `tests/compare/inventory` holds the same
//! against ansible-inventory.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::{Inventory, Loader};
use crate::diagnostic::Diagnostic;
use crate::parse::Files;
use crate::source::SourceMap;

/// Loads sources of a folder; gives the inventory and what was said about it.
fn load(files: &[(&str, &str)], sources: &[&str]) -> (Inventory, Vec<Diagnostic>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if text.starts_with("#!") {
            program(&path, text);
        } else {
            std::fs::write(&path, text).unwrap();
        }
    }
    let place = |source: &&str| match source.contains(',') {
        true => (*source).to_owned(),
        false => dir.path().join(source).to_string_lossy().into_owned(),
    };
    let sources: Vec<String> = sources.iter().map(place).collect();
    let files = Files::new(SourceMap::default(), Vec::new(), Arc::default());
    let inventory = Loader { files: &files, rules: super::Rules::default() }.load(&sources);
    (inventory, files.take_diagnostics().sorted())
}

/// Makes a program. Another one writes the file: were it open in this process, a test beside this one could start a child that
/// keeps it open, and it could not be run.
fn program(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text).unwrap();
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(std::process::Command::new("cp").args(["-p"]).args([&draft, path]).status().unwrap().success());
}

fn clean(files: &[(&str, &str)], sources: &[&str]) -> Inventory {
    let (inventory, said) = load(files, sources);
    assert!(said.is_empty(), "{:?}", said.iter().map(|d| &d.message).collect::<Vec<_>>());
    inventory
}

fn hosts(inventory: &Inventory, group: &str) -> String {
    inventory.hosts_in(group).join(" ")
}

fn var(inventory: &Inventory, host: &str, name: &str) -> String {
    let layers = inventory.own_layers(host);
    let found = layers.iter().rev().find_map(|layer| layer.get(name));
    found.map_or_else(|| "-".to_owned(), |definition| definition.term.written().to_string())
}

#[test]
fn a_directory_is_read_by_name_without_what_is_no_inventory() {
    let inventory = clean(
        &[
            ("inv/02.yml", "web: {hosts: {w1: {a: 2}}}"),
            ("inv/01", "[web]\nw1 a=1\nw0\n"),
            ("inv/sub/db.toml", "[db.hosts]\nd1 = {}\n"),
            ("inv/group_vars/web.yml", "x: 1"),
            ("inv/notes.txt", "not an inventory"),
            ("inv/old.bak", "[["),
            ("inv/.hidden", "[["),
        ],
        &["inv"],
    );
    assert_eq!(hosts(&inventory, "web"), "w1 w0");
    assert_eq!(hosts(&inventory, "all"), "w1 w0 d1");
    assert_eq!(var(&inventory, "w1", "a"), "2");
}

#[test]
fn later_sources_add_to_earlier_ones() {
    let files =
        [("a", "[web]\nw1 a=1 b=1\n[web:vars]\nv=1\n"), ("b.yml", "web: {hosts: {w1: {b: 2}, w2: }, vars: {v: 2}}")];
    let inventory = clean(&files, &["a", "b.yml", "w3,x[1:2]:22,"]);
    assert_eq!(hosts(&inventory, "web"), "w1 w2");
    assert_eq!(hosts(&inventory, "ungrouped"), "w3 x1 x2");
    assert_eq!((var(&inventory, "w1", "a"), var(&inventory, "w1", "b")), ("1".into(), "2".into()));
    assert_eq!((var(&inventory, "w1", "v"), var(&inventory, "x2", "ansible_port")), ("2".into(), "22".into()));
}

#[test]
fn the_nearer_group_wins_and_then_the_higher_priority() {
    let text = "[low]\nh\n[high]\nh\n[zlast]\nh\n[deep:children]\nlow\n[deep:vars]\nv=deep\n[low:vars]\nv=low\n\
                [high:vars]\nv=high\nansible_group_priority=10\n[zlast:vars]\nv=zlast\n";
    let inventory = clean(&[("hosts", text)], &["hosts"]);
    assert_eq!(inventory.groups_of("h").join(" "), "all deep zlast high low");
    assert_eq!(var(&inventory, "h", "v"), "low");
    assert_eq!(var(&inventory, "h", "ansible_group_priority"), "-");
}

#[test]
fn programs_print_inventories() {
    let list = "#!/bin/sh\ncase $1 in --list) echo '{\"web\": [\"s1\", \"s2\"], \"solo\": {\"x\": \"{{ y }}\"}}';; \
                --host) [ $2 = s1 ] && echo '{\"a\": 5}';; esac; true\n";
    let (inventory, said) = load(&[("inv.sh", list)], &["inv.sh"]);
    assert_eq!(said.iter().map(|d| d.message.as_str()).collect::<Vec<_>>(), ["`solo` is a group and a host"]);
    assert_eq!((hosts(&inventory, "web"), hosts(&inventory, "solo")), ("s1 s2".into(), "solo".into()));
    assert_eq!(var(&inventory, "s1", "a"), "5");
    // What a program prints is data.
    assert!(
        inventory.own_layers("solo").iter().any(|layer| layer.get("x").is_some_and(|d| d.term.as_value().is_some()))
    );
    let (_, said) = load(&[("inv.sh", "#!/bin/sh\necho no\n")], &["inv.sh"]);
    assert!(said.iter().any(|d| d.message.contains("is not JSON")));
    let (_, said) = load(&[("inv.sh", "#!/bin/sh\necho '{\"web\": {\"hosts\": \"s1\"}}'\n")], &["inv.sh"]);
    assert!(said.iter().any(|d| d.message.contains("`hosts` of `web` is a string")));
}

#[test]
fn constructed_groups_see_composed_variables_and_not_each_other() {
    let plugin = "plugin: ansible.builtin.constructed\ncompose:\n  full: inventory_hostname ~ '.x'\n  late: full\n\
                  groups:\n  has-full: full is defined\nkeyed_groups:\n  - {key: env, prefix: env, parent_group: envs}\n\
                  \x20 - {key: tags, separator: '', default_value: none}\n  - {key: nothing.at.all, prefix: n}\n";
    let hosts_file = "[web]\na env=prod\nb env='x-y' tags=\"{'k': '', 'l': 'm'}\"\n";
    let inventory = clean(&[("inv/1", hosts_file), ("inv/2.yml", plugin)], &["inv"]);
    assert_eq!((hosts(&inventory, "has_full"), hosts(&inventory, "envs")), ("a b".into(), "a b".into()));
    assert_eq!(
        (hosts(&inventory, "env_x_y"), hosts(&inventory, "knone"), hosts(&inventory, "lm")),
        ("b".into(), "b".into(), "b".into())
    );
    assert_eq!((var(&inventory, "a", "full"), var(&inventory, "a", "late")), ("a.x".into(), "-".into()));
}

#[test]
fn generated_hosts_are_in_generated_groups() {
    let plugin = "plugin: generator\nhosts:\n  name: '{{ op }}-{{ app }}'\n  parents:\n    - name: '{{ app }}'\n      vars: {port: '{{ op | length }}'}\n      parents: [{name: every}]\nlayers:\n  op: [build, run]\n  app: [web, api]\n";
    let inventory = clean(&[("gen.yml", plugin)], &["gen.yml"]);
    assert_eq!(hosts(&inventory, "all"), "build-web build-api run-web run-api");
    assert_eq!(
        (hosts(&inventory, "web"), hosts(&inventory, "every")),
        ("build-web run-web".into(), "build-web run-web build-api run-api".into())
    );
    assert_eq!(var(&inventory, "run-api", "port"), "3");
}

#[test]
fn a_file_of_variables_is_one_file_or_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    std::fs::create_dir_all(base.join("group_vars/web/sub")).unwrap();
    for name in
        ["web.yml", "web/b", "web/a.json", "web/sub/c.yaml", "web/no.txt", "web/.no.yml", "web/no.yml~", "db.yaml"]
    {
        std::fs::write(base.join("group_vars").join(name), "{}").unwrap();
    }
    let found = |name: &str| -> Vec<String> {
        let paths = super::vars_files(base, "group_vars", name);
        let shown = |path: &Path| path.strip_prefix(base.join("group_vars")).unwrap().display().to_string();
        paths.iter().map(|path| shown(path)).collect()
    };
    assert_eq!(found("web"), ["web/a.json", "web/b", "web/sub/c.yaml"]);
    assert_eq!(found("db"), ["db.yaml"]);
    assert!(found("none").is_empty());
}

#[test]
fn keyed_groups_have_defaults_for_items_without_a_name() {
    let plugin = "plugin: constructed\nkeyed_groups:\n  - {key: roles, prefix: with, default_value: none}\n  - {key: roles, prefix: without}\n";
    let hosts_file = "all:\n  hosts:\n    a: {roles: [db, '', ~]}\n";
    let inventory = clean(&[("1.yml", hosts_file), ("2.yml", plugin)], &["1.yml", "2.yml"]);
    let names: Vec<&str> = inventory.groups.keys().map(AsRef::as_ref).collect();
    assert_eq!(names.join(" "), "all with_db with_none without_db without_ without_None ungrouped");
}

#[test]
fn generated_containers_leave_what_is_defined_later() {
    let plugin = "plugin: generator\nhosts:\n  name: '{{ op }}'\n  parents:\n    - name: every\n      vars: {here: '{{ op }}', list: ['{{ op }}', '{{ later }}']}\nlayers:\n  op: [build]\n";
    let inventory = clean(&[("g.yml", plugin)], &["g.yml"]);
    assert_eq!(var(&inventory, "build", "here"), "build");
    assert_eq!(var(&inventory, "build", "list"), "['build', '{{ later }}']");
    let (_, said) = load(&[("g.yml", &plugin.replace("here: '{{ op }}'", "here: '{{ later }}'"))], &["g.yml"]);
    assert_eq!(said.len(), 1, "a text that names what is not there is a mistake");
}

#[test]
fn ranges_make_no_more_than_is_allowed() {
    let many = |letters: std::ops::RangeInclusive<char>| letters.map(|c| format!("{c}[0:99999]\n")).collect::<String>();
    assert_eq!(clean(&[("i", &many('a'..='c'))], &["i"]).hosts.len(), 300_000);
    let vars: String = (0..50).map(|n| format!(" v{n}=1")).collect();
    for text in [
        many('a'..='z'),
        format!("a[0:99999]{vars}\n"),
        format!("all: {{hosts: {{'a[0:99999]': {{{}}}}}}}\n", &vars.replace("=1", ": 1,")),
    ] {
        let (_, said) = load(&[("i", &text)], &["i"]);
        let message = said.first().map(|d| d.message.as_str());
        assert_eq!(
            message,
            Some("the ranges of the inventory stand for more than 2000000 hosts and variables"),
            "{text}"
        );
    }
}

#[test]
fn many_hosts_and_deep_groups_take_no_long_time_and_no_stack() {
    let start = std::time::Instant::now();
    let inventory = clean(&[("i", "[a]\nw[0:99999]\n")], &["i"]);
    let count = |pattern: &str| super::Pattern::parse(pattern).hosts(&inventory).unwrap().len();
    assert_eq!((count("a"), count("w*"), count("a:&w1*"), count("a:!w1*")), (100_000, 100_000, 11_111, 88_889));
    let deep: String = (0..2000).map(|n| format!("[g{n}:children]\ng{}\n", n + 1)).collect();
    let inventory = clean(&[("i", &format!("{deep}[g2000]\nw1\n"))], &["i"]);
    assert_eq!((hosts(&inventory, "g0").as_str(), inventory.groups_of("w1").len()), ("w1", 2002));
    assert!(start.elapsed().as_secs() < 30, "it took {:?}", start.elapsed());
}
