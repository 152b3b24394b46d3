//! What playbooks mean, on this machine without SSH: a table of playbooks, and the messages each has to show, host by host
//! in the order in which they come. ansible-core 2.19 shows the same.

use crate::fleet::{cfg, events};

/// A name, the inventory, the playbook, the exit status, and what `debug` says: `HOST MESSAGE`, sorted.
const TABLE: &[(&str, &str, &str, i32, &[&str])] = &[
    (
        "what a task was to set and has not means what it meant before",
        "a,",
        "- hosts: a\n  connection: local\n  vars: { flag: before }\n  tasks:\n\
         \x20   - block:\n\
         \x20       - command: \"false\"\n\
         \x20       - set_fact: { flag: after }\n\
         \x20     rescue: [{ debug: { msg: \"rescued {{ flag }}\" } }]\n\
         \x20   - debug: { msg: \"then {{ flag }}\" }\n",
        0,
        &["a rescued before", "a then before"],
    ),
    (
        "a failure that is one of all leads all through the same rescue",
        "a,b",
        "- hosts: a,b\n  connection: local\n  gather_facts: false\n  any_errors_fatal: true\n  tasks:\n\
         \x20   - block:\n\
         \x20       - command: \"false\"\n\
         \x20         when: inventory_hostname == 'a'\n\
         \x20       - debug: { msg: never }\n\
         \x20     rescue: [{ debug: { msg: rescued } }]\n\
         \x20     always: [{ debug: { msg: always } }]\n\
         \x20   - debug: { msg: then }\n",
        0,
        &["a always", "a rescued", "a then", "b always", "b rescued", "b then"],
    ),
    (
        "a handler that fails in a flush of a block is the block's failure",
        "a,",
        "- hosts: a\n  connection: local\n  tasks:\n\
         \x20   - block:\n\
         \x20       - { command: \"true\", notify: h }\n\
         \x20       - meta: flush_handlers\n\
         \x20     rescue: [{ debug: { msg: \"{{ ansible_failed_task.name }}\" } }]\n\
         \x20 handlers: [{ name: h, command: \"false\" }]\n",
        0,
        &["a h"],
    ),
    (
        "a handler that notifies an earlier one makes the flush go round again",
        "a,",
        "- hosts: a\n  connection: local\n  tasks: [{ command: \"true\", notify: second }]\n\
         \x20 handlers:\n\
         \x20   - { name: first, debug: { msg: first } }\n\
         \x20   - { name: second, command: \"true\", notify: first }\n",
        0,
        &["a first"],
    ),
    (
        "a handler nobody notifies needs no user",
        "a,",
        "- hosts: a\n  connection: local\n  gather_facts: false\n  tasks: [{ debug: { msg: fine } }]\n\
         \x20 handlers: [{ name: unasked, command: \"true\", become: true, become_user: \"{{ nobody.name }}\" }]\n",
        0,
        &["a fine"],
    ),
    (
        "hosts that are not there are gone on with where the play says so",
        "a,",
        "- hosts: a\n  gather_facts: false\n  vars: { ansible_host: 127.0.0.1, ansible_port: 1 }\n  tasks:\n\
         \x20   - { ping: , ignore_unreachable: true, register: r }\n\
         \x20   - debug: { msg: \"{{ r is unreachable }} {{ r is failed }}\" }\n\
         \x20   - ping:\n\
         \x20   - debug: { msg: never }\n",
        4,
        &["a True False"],
    ),
    (
        "a play that only speaks of the run connects to nobody",
        "a,b",
        "- hosts: a,b\n  gather_facts: false\n  vars: { ansible_host: 127.0.0.1, ansible_port: 1 }\n  tasks:\n\
         \x20   - set_fact: { n: \"{{ inventory_hostname * 2 }}\" }\n\
         \x20   - debug: { msg: \"{{ n }}\" }\n",
        0,
        &["a aa", "b bb"],
    ),
    (
        "a loop ends where `break_when` says",
        "a,",
        "- hosts: a\n  connection: local\n  gather_facts: false\n  tasks:\n\
         \x20   - command: echo {{ item }}\n\
         \x20     loop: [1, 2, 3]\n\
         \x20     register: r\n\
         \x20     loop_control: { break_when: r.stdout == '2' }\n\
         \x20   - debug: { msg: \"{{ r.results | map(attribute='stdout') | join(' ') }}\" }\n",
        0,
        &["a 1 2"],
    ),
    (
        "a label speaks of the result, and an item whose label fails has failed",
        "a,",
        "- hosts: a\n  connection: local\n  gather_facts: false\n  tasks:\n\
         \x20   - command: echo {{ item }}\n\
         \x20     loop: [go, skip]\n\
         \x20     when: item == 'go'\n\
         \x20     register: r\n\
         \x20     loop_control: { label: \"{{ r.stdout }}\" }\n\
         \x20     ignore_errors: true\n\
         \x20   - debug: { msg: \"{{ r.results[1].msg is contains(\\\"no attribute 'stdout'\\\") }} {{ r is failed }}\" }\n",
        0,
        &["a True True"],
    ),
    (
        "what runs once may count who is left, and so may what few do at once",
        "a,b,c",
        "- hosts: all\n  connection: local\n  gather_facts: false\n  tasks:\n\
         \x20   - debug: { msg: \"once {{ ansible_play_batch | length }}\" }\n\
         \x20     run_once: true\n\
         \x20   - command: \"true\"\n\
         \x20     failed_when: inventory_hostname == 'c'\n\
         \x20     ignore_errors: \"{{ inventory_hostname == 'x' }}\"\n\
         \x20   - debug: { msg: \"few {{ ansible_play_hosts | join(' ') }}\" }\n\
         \x20     throttle: 1\n\
         \x20   - command: echo {{ hostvars | length }} {{ ansible_play_hosts | length }}\n\
         \x20     run_once: true\n\
         \x20     register: r\n\
         \x20   - debug: { msg: \"{{ r.stdout }}\" }\n",
        2,
        &["a 3 2", "a few a b", "a once 3", "b 3 2", "b few a b"],
    ),
    (
        "what is gathered anew counts, and the time is that of the task",
        "a,",
        "- hosts: a\n  connection: local\n  tasks:\n\
         \x20   - copy: { dest: \"{{ playbook_dir }}/facts/x.fact\", content: '{\"v\": 1}' }\n\
         \x20   - setup: { fact_path: \"{{ playbook_dir }}/facts\" }\n\
         \x20   - debug: { msg: \"{{ ansible_local.x.v }}\" }\n\
         \x20   - set_fact: { before: \"{{ now(fmt='%s') | int }}\" }\n\
         \x20   - command: sleep 1.1\n\
         \x20   - debug: { msg: \"{{ now(fmt='%s') | int > before | int }}\" }\n",
        0,
        &["a 1", "a true"],
    ),
    (
        "a delegated task sees the host it is about",
        "a,b",
        "- hosts: a\n  connection: local\n  gather_facts: false\n  tasks:\n\
         \x20   - debug: { msg: \"{{ ansible_host }} {{ inventory_hostname }}\" }\n\
         \x20     delegate_to: b\n\
         \x20   - set_fact: { given: \"{{ item }}\" }\n\
         \x20     delegate_to: \"{{ item }}\"\n\
         \x20     delegate_facts: true\n\
         \x20     loop: [b]\n\
         \x20   - debug: { msg: \"{{ hostvars.b.given }} {{ given is defined }}\" }\n",
        0,
        &["a b False", "a b a"],
    ),
];

#[test]
fn playbooks_mean_what_they_mean() {
    for (name, inventory, text, status, expected) in TABLE {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("facts")).unwrap();
        let path = dir.path().join("play.yml");
        std::fs::write(&path, text).unwrap();
        let run = events(cfg(&["apply", path.to_str().unwrap(), "-i", inventory]));
        let said =
            |event: &&serde_json::Value| event["event"] == "task_finished" && event["outcome"]["module"] == "debug";
        let message = |event: &serde_json::Value| {
            let text = event["outcome"]["items"][0]["message"].as_str().unwrap_or_default();
            format!("{} {text}", event["host"].as_str().unwrap_or_default())
        };
        let mut shown: Vec<String> = run.events.iter().filter(said).map(message).collect();
        shown.sort();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        assert_eq!((run.status, shown.as_slice()), (*status, *expected), "{name}: {}", run.text);
    }
}

/// Ansible refuses to read what such a program writes.
#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("play.yml");
    let text = "- hosts: a\n  connection: local\n  gather_facts: false\n  tasks:\n\
         \x20   - command: printf 'caf\\351'\n\
         \x20     register: said\n\
         \x20   - command: cat\n\
         \x20     args: { stdin: \"{{ said.stdout }}\", stdin_add_newline: false }\n\
         \x20     register: again\n\
         \x20   - copy: { content: \"{{ again.stdout }}\", dest: \"{{ playbook_dir }}/out\" }\n\
         \x20   - copy: { content: \"{{ 'Y2Fm6Q==' | b64decode }}\", dest: \"{{ playbook_dir }}/decoded\" }\n\
         \x20   - command: test {{ said.stdout | b64encode }} = Y2Fm6Q==\n";
    std::fs::write(&path, text).unwrap();
    let run = events(cfg(&["apply", path.to_str().unwrap(), "-i", "a,"]));
    assert_eq!(run.status, 0, "{}", run.text);
    for name in ["out", "decoded"] {
        assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), b"caf\xe9");
    }
}

/// ansible-core 2.19 says the same of both playbooks.
#[test]
fn facts_are_kept_from_one_run_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("ansible.cfg", "[defaults]\nfact_caching = jsonfile\nfact_caching_connection = ./cache\n");
    let one = "- hosts: a\n  connection: local\n  tasks:\n\
         \x20   - set_fact: { release: 7, plain: 1, cacheable: true }\n\
         \x20   - set_fact: { own: 1 }\n\
         \x20   - set_fact: { maybe: 1, cacheable: \"{{ release == 8 }}\" }\n";
    write("one.yml", one);
    let two = "- hosts: a\n  connection: local\n  gather_facts: false\n  vars: { plain: play }\n  tasks:\n\
         \x20   - debug: { msg: \"{{ release }} {{ plain }} {{ own is defined }} {{ maybe is defined }}\" }\n\
         - hosts: b\n  connection: local\n  gather_facts: false\n  tasks:\n\
         \x20   - debug: { msg: \"{{ hostvars.a.release }} {{ hostvars.a.ansible_facts.system }}\" }\n";
    write("two.yml", two);
    let run = |name: &str| {
        let mut command = cfg(&["apply", dir.path().join(name).to_str().unwrap(), "-i", "a,b"]);
        command.env("ANSIBLE_CONFIG", dir.path().join("ansible.cfg"));
        let run = events(command);
        assert_eq!(run.status, 0, "{}", run.text);
        run
    };
    run("one.yml");
    let second = run("two.yml");
    for said in ["7 play False False", "7 Linux"] {
        assert!(second.text.contains(said), "{said}: {}", second.text);
    }
    // What is too old does not count.
    write(
        "ansible.cfg",
        "[defaults]\nfact_caching = jsonfile\nfact_caching_connection = ./cache\nfact_caching_timeout = 1\n",
    );
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let mut command = cfg(&["apply", dir.path().join("two.yml").to_str().unwrap(), "-i", "a,b"]);
    command.env("ANSIBLE_CONFIG", dir.path().join("ansible.cfg"));
    assert_eq!(events(command).status, 1);
}
