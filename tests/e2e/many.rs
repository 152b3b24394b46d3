//! What hosts of a play mean to each other: batches, gates, tasks that run once or elsewhere.

use std::path::{Path, PathBuf};

use crate::fleet::{Run, Turn, events, turn};

/// The three hosts, and one that nobody answers for.
fn inventory(fleet: &Turn, dir: &Path, dead: bool) -> PathBuf {
    let key = fleet.key();
    let line = |host: &str, ip: &str| {
        format!("{host} ansible_host={} ansible_user=root ansible_ssh_private_key_file={}\n", ip.trim(), key.display())
    };
    let mut text: String = ["e1", "e2", "e3"].iter().map(|host| line(host, &fleet.fleet(&["ip", host]))).collect();
    if dead {
        // Port 1 refuses at once.
        text = format!("e0 ansible_host=127.0.0.1 ansible_port=1\n{text}");
    }
    let path = dir.join("hosts.ini");
    std::fs::write(&path, text).unwrap();
    path
}

fn run(fleet: &Turn, dead: bool, play: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let inventory = inventory(fleet, dir.path(), dead);
    let playbook = dir.path().join("play.yml");
    std::fs::write(&playbook, play).unwrap();
    let (playbook, inventory) = (playbook.to_str().unwrap(), inventory.to_str().unwrap());
    events(fleet.cfg(&["apply", playbook, "-i", inventory, "--connect-retries", "0"]))
}

/// The messages of `debug` tasks: host and text, in the order in which they came.
fn messages(run: &Run) -> Vec<(String, String)> {
    let finished = run.events.iter().filter(|e| e["event"] == "task_finished");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    finished
        .filter(|e| e["outcome"]["module"] == "debug")
        .map(|e| (text(&e["host"]), text(&e["outcome"]["items"][0]["result"]["msg"])))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(host, text)| ((*host).to_owned(), (*text).to_owned())).collect()
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

#[test]
fn batches_come_one_after_the_other() {
    let Some(fleet) = turn("serial") else { return };
    let play =
        "- hosts: all\n  serial: [1, 2]\n  tasks:\n    - debug: { msg: \"{{ ansible_play_batch | join(' ') }}\" }\n";
    let run = run(&fleet, false, play);
    assert_eq!(run.status, 0, "{}", run.text);
    let said = messages(&run);
    assert_eq!(said.first(), Some(&("e1".to_owned(), "e1".to_owned())));
    assert_eq!(sorted(said), pairs(&[("e1", "e1"), ("e2", "e2 e3"), ("e3", "e2 e3")]));
}

#[test]
fn a_batch_that_failed_whole_ends_the_play() {
    let Some(fleet) = turn("serial with a failure") else { return };
    let play = "- hosts: all\n  serial: 1\n  tasks:\n    - fail: { msg: no }\n      when: inventory_hostname == 'e2'\n\
                \x20   - debug: { msg: done }\n- hosts: all\n  tasks:\n    - debug: { msg: second }\n";
    let run = run(&fleet, false, play);
    assert_eq!(run.status, 2, "{}", run.text);
    assert_eq!(messages(&run), pairs(&[("e1", "done")]), "neither e3 nor the next play is reached");
}

#[test]
fn an_unreachable_host_counts_as_failed() {
    let Some(fleet) = turn("max_fail_percentage") else { return };
    let play = |limit: &str| {
        format!("- hosts: all\n  serial: 2\n  max_fail_percentage: {limit}\n  tasks:\n    - debug: {{ msg: done }}\n")
    };
    let stopped = run(&fleet, true, &play("40"));
    assert_eq!(stopped.status, 4, "{}", stopped.text);
    assert_eq!(messages(&stopped), pairs(&[]), "half of the first batch is gone: nobody goes on");
    let goes_on = run(&fleet, true, &play("50"));
    assert_eq!(sorted(messages(&goes_on)), pairs(&[("e1", "done"), ("e2", "done"), ("e3", "done")]));
}

#[test]
fn any_errors_fatal_stops_the_other_hosts() {
    let Some(fleet) = turn("any_errors_fatal") else { return };
    let play = "- hosts: all\n  any_errors_fatal: true\n  tasks:\n    - fail: { msg: no }\n      when: inventory_hostname == 'e2'\n\
                \x20   - debug: { msg: after }\n- hosts: all\n  tasks:\n    - debug: { msg: second }\n";
    let run = run(&fleet, false, play);
    assert_eq!(run.status, 2, "{}", run.text);
    assert_eq!(messages(&run), pairs(&[]), "no host goes past the task that failed on one");
}

#[test]
fn run_once_gives_its_result_to_all() {
    let Some(fleet) = turn("run_once") else { return };
    let play = "- hosts: all\n  tasks:\n    - command: hostname\n      run_once: true\n      register: name\n\
                \x20   - set_fact: { told: \"by {{ inventory_hostname }}\" }\n      run_once: true\n\
                \x20   - debug: { msg: \"{{ name.stdout }} {{ told }}\" }\n";
    let run = run(&fleet, false, play);
    assert_eq!(run.status, 0, "{}", run.text);
    let all = "e1 by e1";
    assert_eq!(sorted(messages(&run)), pairs(&[("e1", all), ("e2", all), ("e3", all)]));
    let commands = run.events.iter().filter(|e| e["outcome"]["module"] == "command").count();
    assert_eq!(commands, 1, "it ran on one host only");
}

#[test]
fn a_run_once_that_fails_fails_for_all() {
    let Some(fleet) = turn("run_once that fails") else { return };
    let play = "- hosts: all\n  tasks:\n    - command: 'false'\n      run_once: true\n    - debug: { msg: after }\n";
    let run = run(&fleet, false, play);
    assert_eq!(run.status, 2, "{}", run.text);
    assert_eq!(messages(&run), pairs(&[]));
}

#[test]
fn a_delegated_task_works_there_with_the_variables_of_here() {
    let Some(fleet) = turn("delegate_to") else { return };
    let play = "- hosts: e2:e3\n  tasks:\n    - shell: \"echo {{ inventory_hostname }} > /tmp/from-{{ inventory_hostname }}; hostname\"\n\
                \x20     delegate_to: e1\n      register: name\n\
                \x20   - debug: { msg: \"{{ inventory_hostname }} {{ name.stdout }}\" }\n\
                \x20   - command: 'false'\n      delegate_to: e1\n      when: inventory_hostname == 'e3'\n\
                \x20   - debug: { msg: end }\n";
    let run = run(&fleet, false, play);
    assert_eq!(run.status, 2, "{}", run.text);
    assert_eq!(sorted(messages(&run)), pairs(&[("e2", "e2 e1"), ("e2", "end"), ("e3", "e3 e1")]));
    assert_eq!(fleet.inside("e1", "cat /tmp/from-e2 /tmp/from-e3"), "e2\ne3\n");
    assert_eq!(fleet.inside("e2", "ls /tmp/from-e2 2>/dev/null"), "");
}

#[test]
fn hostvars_show_what_other_hosts_found_out() {
    let Some(fleet) = turn("hostvars") else { return };
    let play = "- hosts: all\n  tasks:\n    - command: hostname\n      register: name\n- hosts: all\n  tasks:\n\
                \x20   - debug: { msg: \"{{ groups.all | map('extract', hostvars, ['name', 'stdout']) | join(' ') }}\" }\n";
    let run = run(&fleet, false, play);
    assert_eq!(run.status, 0, "{}", run.text);
    let all = "e1 e2 e3";
    assert_eq!(sorted(messages(&run)), pairs(&[("e1", all), ("e2", all), ("e3", all)]));
}

#[test]
fn the_first_change_ever_of_a_host_may_notify() {
    let Some(fleet) = turn("first change notifies") else { return };
    fleet.blank();
    let play = "- hosts: all\n  handlers:\n    - { name: told, debug: { msg: told } }\n  tasks:\n\
                \x20   - copy: { dest: /root/first, content: x }\n      notify: told\n";
    let run = run(&fleet, false, play);
    assert_eq!(run.status, 0, "{}", run.text);
    assert_eq!(sorted(messages(&run)), pairs(&[("e1", "told"), ("e2", "told"), ("e3", "told")]));
}
