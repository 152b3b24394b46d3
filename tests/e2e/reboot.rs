//! Hosts that go down and come back in the middle of a play. The test switches them on again, as a machine would itself.

use std::time::{Duration, Instant};

use crate::fleet::{Turn, events, turn};

const PLAY: &str = r#"
- name: Reboot
  hosts: e1
  tasks:
    - name: before
      command: cat /proc/sys/kernel/random/boot_id
      register: before
    - name: a change
      copy: { dest: /etc/reboot.conf, content: "{{ before.stdout }}" }
      notify: [told, restart it]
    - name: not now
      reboot:
      when: before.stdout == 'x'
    - name: restart
      reboot: { reboot_timeout: "{{ patience }}", test_command: test -e /etc/reboot.conf }
      register: done
    - name: after
      command: cat /proc/sys/kernel/random/boot_id
      register: after
    - name: it is another start of the same play
      assert:
        that:
          - before.stdout != after.stdout
          - ansible_facts.hostname == 'e1'
          - done is changed and done.rebooted and done.elapsed > 0 and '_goes_down' not in done
  handlers:
    - name: told
      command: echo {{ before.stdout }}
      register: told
    - name: restart it
      reboot: { reboot_timeout: "{{ patience }}" }
      when: told.stdout == before.stdout
"#;

/// Switches a host on again so often, each time after it has gone off.
fn switch_on(fleet: &Turn, host: &str, times: usize, until: &dyn Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(120);
    for _ in 0..times {
        let off = || fleet.fleet(&["status"]).lines().any(|l| l.starts_with(host) && l.contains(" off "));
        while !off() {
            assert!(Instant::now() < limit, "{host} did not go off");
            if until() {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        fleet.fleet(&["start", host]);
    }
}

#[test]
fn a_play_goes_on_after_a_reboot() {
    let Some(fleet) = turn("reboot") else { return };
    let dir = tempfile::tempdir().unwrap();
    let playbook = dir.path().join("reboot.yml");
    std::fs::write(&playbook, PLAY).unwrap();
    let inventory = fleet.redis_inventory(dir.path(), "");
    let arguments = |command| {
        [command, playbook.to_str().unwrap(), "-i", inventory.to_str().unwrap(), "-e", "patience=60"].map(str::to_owned)
    };
    fleet.inside("e1", "rm -f /etc/reboot.conf");
    let boot = fleet.inside("e1", "cat /proc/sys/kernel/random/boot_id");
    let plan = events(fleet.cfg(&arguments("plan").each_ref().map(String::as_str)));
    plan.converged();
    assert!(plan.changed().contains(&("e1".into(), "restart".into())), "{}", plan.text);
    assert_eq!(fleet.inside("e1", "cat /proc/sys/kernel/random/boot_id"), boot, "a plan reboots nothing");

    let command = fleet.cfg(&arguments("apply").each_ref().map(String::as_str));
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| events(command));
        switch_on(&fleet, "e1", 2, &|| run.is_finished());
        run.join().unwrap()
    });
    run.converged();
    let changed: Vec<String> = run.changed().into_iter().map(|(_, task)| task).collect();
    for name in ["a change", "restart", "told", "restart it"] {
        assert!(changed.iter().any(|task| task == name), "{name}: {}", run.text);
    }
    assert!(run.tasks("skipped").contains(&("e1".into(), "not now".into())), "{}", run.text);
    let pending = fleet.inside("e1", "ls -A /var/lib/cfg/pending 2>/dev/null");
    assert_eq!(pending.trim(), "", "nothing is left pending");
}

#[test]
fn a_host_that_does_not_come_back_is_unreachable() {
    let Some(fleet) = turn("a reboot without end") else { return };
    let dir = tempfile::tempdir().unwrap();
    let playbook = dir.path().join("reboot.yml");
    std::fs::write(&playbook, PLAY).unwrap();
    let inventory = fleet.redis_inventory(dir.path(), "");
    fleet.inside("e1", "rm -f /etc/reboot.conf");
    let arguments = ["apply", playbook.to_str().unwrap(), "-i", inventory.to_str().unwrap(), "-e", "patience=4"];
    let run = events(fleet.cfg(&arguments));
    fleet.fleet(&["start", "e1"]);
    assert_eq!(run.status, 4, "{}", run.text);
    assert!(run.text.contains("was not there again after 4 s"), "{}", run.text);
    // What was notified is not lost: the next run begins with it.
    assert!(!fleet.inside("e1", "ls -A /var/lib/cfg/pending").trim().is_empty());
    fleet.inside("e1", "rm -rf /var/lib/cfg/pending");
}
