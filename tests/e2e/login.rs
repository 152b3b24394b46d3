//! How tasks reach their hosts.

use crate::fleet::{events, turn};

/// Hosts by the names ssh's configuration has for them; tasks that say as whom and how they go there.
#[test]
fn tasks_say_how_their_host_is_reached() {
    let Some(turn) = turn("tasks_say_how_their_host_is_reached") else { return };
    turn.blank();
    let dir = tempfile::tempdir().unwrap();
    let (inventory, play) = (dir.path().join("inventory.ini"), dir.path().join("play.yml"));
    std::fs::write(&inventory, "[all]\ne1\ne2\n").unwrap();
    let task = |name: &str, command: &str, more: &str| {
        format!("    - {{ command: {command}, register: {name}, changed_when: false{more} }}\n")
    };
    let shown = ["usual", "user", "here", "variable", "block", "inner", "other", "defaulted"];
    let tasks = [
        task("usual", "id -un", ""),
        task("user", "id -un", ", remote_user: deploy"),
        task("here", "hostname", ", connection: local"),
        task("variable", "id -un", ", vars: { ansible_user: deploy }"),
        "    - remote_user: deploy\n      block:\n".to_owned(),
        format!("    {}", task("block", "id -un", "")),
        format!("    {}", task("inner", "id -un", ", remote_user: root")),
        task("other", "id -un", ", remote_user: root, delegate_to: e2"),
        task("defaulted", "hostname", ", remote_user: deploy, delegate_to: localhost"),
    ];
    let said: String = shown.iter().map(|name| format!("{{{{ {name}.stdout }}}} ")).collect();
    let text = format!(
        "- hosts: e1\n  gather_facts: false\n  tasks:\n\
         \x20   - {{ user: {{ name: deploy, shell: /bin/bash }} }}\n\
         \x20   - {{ file: {{ path: /home/deploy/.ssh, state: directory, owner: deploy, mode: '0700' }} }}\n\
         \x20   - copy: {{ src: /root/.ssh/authorized_keys, remote_src: true, dest: /home/deploy/.ssh/authorized_keys, owner: deploy, mode: '0600' }}\n\
         - hosts: e1\n  gather_facts: false\n  tasks:\n{}    - {{ debug: {{ msg: \"{said}\" }} }}\n\
         - hosts: e1\n  gather_facts: false\n  remote_user: deploy\n  tasks:\n{}    - {{ debug: {{ msg: \"{{{{ usual.stdout }}}} of the play\" }} }}\n",
        tasks.concat(),
        task("usual", "id -un", ""),
    );
    std::fs::write(&play, text).unwrap();
    let run = events(turn.cfg(&["apply", play.to_str().unwrap(), "-i", inventory.to_str().unwrap()]));
    let here = String::from_utf8(std::process::Command::new("hostname").output().unwrap().stdout).unwrap();
    let here = here.trim();
    let expected = format!("root deploy {here} deploy deploy root root {here}");
    assert!(run.converged().text.contains(&expected), "{expected} in {}", run.text);
    assert!(run.text.contains("deploy of the play"), "{}", run.text);
}
