//! Requisites on a real machine, this one.

use std::collections::BTreeSet;

use crate::fleet::{cfg, events};

/// Runs a playbook of tasks and gives what changed, in order.
fn changed(tasks: &str, times: usize) -> Vec<BTreeSet<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("play.yml");
    let text = tasks.replace("DIR", dir.path().to_str().unwrap());
    std::fs::write(&path, format!("- hosts: all\n  gather_facts: false\n  tasks:\n{text}")).unwrap();
    let run = |_| {
        let run = events(cfg(&["apply", path.to_str().unwrap(), "--local"]));
        assert!(matches!(run.status, 0 | 2), "{}", run.text);
        run.changed().into_iter().map(|(_, task)| task).collect()
    };
    (0..times).map(run).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn onchanges_runs_after_a_change_only() {
    let tasks = "    - { name: file, id: f, copy: { dest: DIR/a, content: x } }\n\
                 \x20   - { name: react, command: 'true', onchanges: [f] }\n";
    assert_eq!(changed(tasks, 2), [set(&["file", "react"]), set(&[])]);
}

#[test]
fn onchanges_in_is_the_same_from_the_other_side() {
    let tasks = "    - { name: file, copy: { dest: DIR/a, content: x }, onchanges_in: [r] }\n\
                 \x20   - { name: react, id: r, command: 'true' }\n";
    assert_eq!(changed(tasks, 2), [set(&["file", "react"]), set(&[])]);
}

#[test]
fn prereq_runs_before_and_only_when_needed() {
    // What runs first sees that the file is not there yet.
    let tasks = "    - { name: file, id: f, copy: { dest: DIR/a, content: x } }\n\
                 \x20   - { name: before, command: 'test ! -e DIR/a', prereq: [f] }\n";
    assert_eq!(changed(tasks, 2), [set(&["file", "before"]), set(&[])]);
}

#[test]
fn require_keeps_from_running_after_a_failure_and_onfail_runs_then() {
    let tasks = "    - { name: broken, id: b, command: 'false', ignore_errors: true }\n\
                 \x20   - { name: needs, command: 'true', require: [b], ignore_errors: true }\n\
                 \x20   - { name: repairs, command: 'true', onfail: [b] }\n";
    assert_eq!(changed(tasks, 1), [set(&["repairs"])]);
}

#[test]
fn watch_runs_a_command_again_only_after_a_change() {
    let tasks = "    - { name: file, id: f, copy: { dest: DIR/a, content: x } }\n\
                 \x20   - { name: watcher, command: { cmd: 'touch DIR/b', creates: DIR/b }, watch: [f] }\n";
    assert_eq!(changed(tasks, 2), [set(&["file", "watcher"]), set(&[])]);
}

#[test]
fn listen_refreshes_at_the_end_of_the_play_and_only_after_a_change() {
    // The listener runs in its place, before the file is there, and again when everything else is done.
    let tasks = "    - { name: listener, shell: 'cat DIR/a >> DIR/log 2>/dev/null || echo none >> DIR/log', listen: [f] }\n\
                 \x20   - { name: file, id: f, copy: { dest: DIR/a, content: \"x\\n\" } }\n\
                 \x20   - { name: last, shell: 'echo last >> DIR/log; cat DIR/log > DIR/seen' }\n\
                 \x20   - { name: check, command: 'grep -c . DIR/log' }\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("play.yml");
    let text = tasks.replace("DIR", dir.path().to_str().unwrap());
    std::fs::write(&path, format!("- hosts: all\n  tasks:\n{text}")).unwrap();
    let run = || {
        let run = events(cfg(&["apply", path.to_str().unwrap(), "--local"]));
        assert_eq!(run.status, 0, "{}", run.text);
        let log = dir.path().join("log");
        let lines = std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
        std::fs::remove_file(log).unwrap();
        lines
    };
    assert_eq!(run(), ["none", "last", "x"]);
    assert_eq!(run(), ["x", "last"]);
}

#[test]
fn listen_in_is_the_same_from_the_other_side() {
    let tasks = "    - { name: listener, id: l, command: { cmd: 'touch DIR/b', creates: DIR/b } }\n\
                 \x20   - { name: file, copy: { dest: DIR/a, content: x }, listen_in: [l] }\n";
    assert_eq!(changed(tasks, 2), [set(&["file", "listener"]), set(&[])]);
}
