//! What breaks half-way: hosts that die, connections that are cut, controllers that are killed.

use std::time::Duration;

use crate::fleet::{events, turn};

const PLAY: &str = r#"
- name: Fault
  hosts: all
  gather_facts: false
  tasks:
    - name: Change the configuration
      copy: { dest: /etc/fault.conf, content: "{{ version }}\n", mode: "0644" }
      notify: Restart it
    - name: Take a while
      command: sleep {{ nap }}
      changed_when: false
  handlers:
    - name: Restart it
      command: sh -c 'date >> /var/tmp/fault-restarted'
"#;

#[test]
fn a_restart_that_was_due_is_made_by_the_next_run() {
    let Some(fleet) = turn("pending notifications") else { return };
    let dir = tempfile::tempdir().unwrap();
    let playbook = dir.path().join("fault.yml");
    std::fs::write(&playbook, PLAY).unwrap();
    let playbook = playbook.to_str().unwrap();
    let inventory = dir.path().join("hosts.ini");
    let address = fleet.fleet(&["ip", "e1"]);
    let line = format!(
        "e1 ansible_host={} ansible_user=root ansible_ssh_private_key_file={}\n",
        address.trim(),
        fleet.key().display()
    );
    std::fs::write(&inventory, line).unwrap();
    let inventory = inventory.to_str().unwrap();
    fleet.inside("e1", "rm -f /etc/fault.conf /var/tmp/fault-restarted");

    // The controller is killed after the file changed and before its handler ran.
    let mut child = fleet
        .cfg(&["apply", playbook, "-i", inventory, "-e", "version=one", "-e", "nap=30"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if fleet.inside("e1", "cat /etc/fault.conf").contains("one") {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(200));
    child.kill().unwrap();
    child.wait().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let agents = fleet.inside("e1", "pgrep -f '[c]ache/cfg/agent-' || true");
    assert_eq!(agents.trim(), "", "the agent is gone within a second of its controller");
    assert_eq!(fleet.inside("e1", "cat /var/tmp/fault-restarted 2>/dev/null").trim(), "");

    let run = events(fleet.cfg(&["apply", playbook, "-i", inventory, "-e", "version=one", "-e", "nap=0"]));
    run.converged();
    assert_eq!(fleet.inside("e1", "wc -l < /var/tmp/fault-restarted").trim(), "1", "{}", run.text);
    assert!(!run.changed().iter().any(|(_, task)| task == "Change the configuration"), "{}", run.text);

    // Once is enough.
    events(fleet.cfg(&["apply", playbook, "-i", inventory, "-e", "version=one", "-e", "nap=0"])).converged();
    assert_eq!(fleet.inside("e1", "wc -l < /var/tmp/fault-restarted").trim(), "1");
}

#[test]
fn a_dead_host_is_unreachable_and_others_go_on() {
    let Some(fleet) = turn("dead host") else { return };
    let dir = tempfile::tempdir().unwrap();
    let playbook = dir.path().join("ping.yml");
    std::fs::write(&playbook, "- hosts: all\n  tasks:\n    - ping:\n").unwrap();
    let inventory = fleet.redis_inventory(dir.path(), "");
    fleet.fleet(&["kill", "e3"]);
    let arguments = [
        "apply",
        playbook.to_str().unwrap(),
        "-i",
        inventory.to_str().unwrap(),
        "--connect-timeout",
        "3",
        "--connect-retries",
        "0",
    ];
    let run = events(fleet.cfg(&arguments));
    fleet.fleet(&["start", "e3"]);
    assert_eq!(run.status, 4, "{}", run.text);
    let unreachable: Vec<_> =
        run.events.iter().filter(|e| e["event"] == "unreachable").map(|e| e["host"].clone()).collect();
    assert_eq!(unreachable, ["e3"]);
    assert_eq!(run.tasks("ok").len(), 2, "{}", run.text);
}
