//! Working with the rights of another user.

use crate::fleet::{events, turn};

const PLAY: &str = r#"
- hosts: all
  tasks:
    - name: as myself
      command: id -un
      register: me
    - name: as root
      command: id -un
      become: true
      register: root
    - name: as nobody
      command: id -un
      become: true
      become_user: nobody
      register: nobody
    - name: a file of root
      copy: { dest: /root/become-test, content: "x\n", mode: "0600" }
      become: true
    - assert:
        that:
          - root.stdout == 'root'
          - nobody.stdout == 'nobody'
          - me.stdout == expected_me
"#;

#[test]
fn sudo_with_and_without_a_password() {
    let Some(fleet) = turn("become") else { return };
    let dir = tempfile::tempdir().unwrap();
    let playbook = dir.path().join("become.yml");
    std::fs::write(&playbook, PLAY).unwrap();
    let address = fleet.fleet(&["ip", "e1"]);
    for (user, password) in [("root", None), ("ops", None), ("dev", Some("devpass"))] {
        fleet.inside("e1", "rm -f /root/become-test");
        let mut text = format!(
            "e1 ansible_host={} ansible_user={user} ansible_ssh_private_key_file={} expected_me={user}",
            address.trim(),
            fleet.key().display()
        );
        if let Some(password) = password {
            text.push_str(&format!(" ansible_become_password={password}"));
        }
        let inventory = dir.path().join("hosts.ini");
        std::fs::write(&inventory, text + "\n").unwrap();
        let run = events(fleet.cfg(&["apply", playbook.to_str().unwrap(), "-i", inventory.to_str().unwrap()]));
        assert_eq!(run.status, 0, "{user}: {}", run.text);
        assert!(!run.text.contains("devpass"), "the password is shown");
        assert_eq!(fleet.inside("e1", "stat -c '%U %a' /root/become-test").trim(), "root 600");
        let again = events(fleet.cfg(&["apply", playbook.to_str().unwrap(), "-i", inventory.to_str().unwrap()]));
        assert!(!again.changed().iter().any(|(_, task)| task == "a file of root"), "{}", again.text);
    }
    let wrong = format!(
        "e1 ansible_host={} ansible_user=dev ansible_ssh_private_key_file={} expected_me=dev ansible_become_password=wrongpass\n",
        address.trim(),
        fleet.key().display()
    );
    let inventory = dir.path().join("hosts.ini");
    std::fs::write(&inventory, wrong).unwrap();
    let run = events(fleet.cfg(&["apply", playbook.to_str().unwrap(), "-i", inventory.to_str().unwrap()]));
    assert_eq!(run.status, 2, "{}", run.text);
    assert!(run.text.contains("cannot become root with sudo"), "{}", run.text);
    assert!(!run.text.contains("wrongpass"), "the password is shown");
}
