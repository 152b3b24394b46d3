//! Secrets appear in no output.

use std::process::Stdio;

use crate::fleet::{cfg, root, turn};

const CANARY: &str = "s3cret canary";

#[test]
fn canaries_are_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let sample = std::fs::read_to_string(root().join("tests/data/vault-sample.txt")).unwrap();
    let vault: String = sample.lines().map(|line| format!("        {line}\n")).collect();
    let out = dir.path().join("out");
    let play = format!(
        "- name: Secrets\n  hosts: all\n  vars:\n    from_vault: !vault |\n{vault}    hidden: canary-of-no-log\n  tasks:\n\
         \x20   - debug: {{ msg: \"{{{{ from_vault }}}}\" }}\n\
         \x20   - debug: {{ var: from_vault }}\n\
         \x20   - set_fact: {{ copied: \"x{{{{ from_vault }}}}y\" }}\n\
         \x20   - copy: {{ dest: {out}, content: \"pw={{{{ copied }}}}\\n\", mode: \"0600\" }}\n\
         \x20   - command: \"echo {{{{ hidden }}}}\"\n      no_log: true\n      register: r\n\
         \x20   - command: \"sh -c 'echo {{{{ hidden }}}}; exit 3'\"\n      no_log: true\n      ignore_errors: true\n\
         \x20   - fail: {{ msg: \"because of {{{{ from_vault }}}}\" }}\n      ignore_errors: true\n",
        out = out.display()
    );
    let playbook = dir.path().join("secrets.yml");
    std::fs::write(&playbook, play).unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "test\n").unwrap();
    let playbook = playbook.to_str().unwrap();
    let vault = ["--vault-password-file", password.to_str().unwrap()];
    let commands: [&[&str]; 8] = [
        &["plan", playbook, "--local"],
        &["plan", playbook, "--local", "-vvv"],
        &["apply", playbook, "--local", "-vvv", "--diff"],
        &["apply", playbook, "--local"],
        &["apply", playbook, "--local", "--output", "json"],
        &["plan", playbook, "--local", "--output", "json"],
        &["graph", playbook, "--local", "--offline"],
        &["graph", playbook, "--local", "--offline", "--output", "dot"],
    ];
    for command in commands {
        let output = cfg(command).args(vault).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {text}");
        for canary in [CANARY, "canary-of-no-log"] {
            assert!(!text.contains(canary), "{command:?} shows {canary}:\n{text}");
        }
    }
    assert_eq!(std::fs::read_to_string(&out).unwrap(), format!("pw=x{CANARY}y\n"), "the secret reached the file");
    let wrong = cfg(&["plan", playbook, "--local"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("no vault password was given"));
}

/// The command lines of every process of this machine; those of the test hosts are among them, as they share its kernel.
fn command_lines(seen: &mut std::collections::BTreeSet<String>) {
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Ok(bytes) = std::fs::read(entry.path().join("cmdline"))
            && !bytes.is_empty()
        {
            seen.insert(String::from_utf8_lossy(&bytes).replace('\0', " "));
        }
    }
}

#[test]
fn secrets_are_in_no_process_list() {
    let Some(fleet) = turn("process list") else { return };
    let dir = tempfile::tempdir().unwrap();
    let sample = std::fs::read_to_string(root().join("tests/data/vault-sample.txt")).unwrap();
    let vault: String = sample.lines().map(|line| format!("        {line}\n")).collect();
    // `dev` has to give its password to sudo, so that password is on its way too.
    let play = format!(
        "- hosts: all\n  become: true\n  vars:\n    from_vault: !vault |\n{vault}    hash: '$6$canaryhash$GFxa5UOwqvWcxpE4VsHGYvQ.EEwjl4zwZBXKn1X5RV3n0LhT1ZpYtcFYQ2qVbXBHQqO8zH0SV2Ge1uCQkF3lY1'\n  tasks:\n\
         \x20   - user: {{ name: canary, password: \"{{{{ hash }}}}\" }}\n\
         \x20   - copy: {{ dest: /root/secret, content: \"{{{{ from_vault }}}}\", mode: '0600' }}\n\
         \x20   - blockinfile: {{ path: /root/secret, block: \"pw={{{{ from_vault }}}}\" }}\n\
         \x20   - command: {{ cmd: cat, stdin: \"canary-of-no-log\" }}\n      no_log: true\n\
         \x20   - command: sleep 1\n      no_log: true\n      environment: {{ SECRET: \"{{{{ from_vault }}}}\" }}\n\
         \x20   - user: {{ name: canary, state: absent }}\n"
    );
    let playbook = dir.path().join("secrets.yml");
    std::fs::write(&playbook, play).unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "test\n").unwrap();
    let inventory = dir.path().join("hosts.ini");
    let address = fleet.fleet(&["ip", "e1"]);
    let line = format!(
        "e1 ansible_host={} ansible_user=dev ansible_ssh_private_key_file={} ansible_become_password=devpass\n",
        address.trim(),
        fleet.key().display()
    );
    std::fs::write(&inventory, line).unwrap();
    let mut run = fleet.cfg(&["apply", playbook.to_str().unwrap(), "-i", inventory.to_str().unwrap()]);
    run.arg("--vault-password-file").arg(&password);
    let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    while child.try_wait().unwrap().is_none() {
        command_lines(&mut seen);
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(seen.iter().any(|line| line.starts_with("sleep 1")), "the processes of the host are seen: {seen:?}");
    for canary in [CANARY, "canary-of-no-log", "canaryhash", "devpass"] {
        let shown: Vec<_> = seen.iter().filter(|line| line.contains(canary)).collect();
        assert!(shown.is_empty(), "{canary} is in the process list: {shown:?}");
        assert!(!text.contains(canary), "{canary} is in the output: {text}");
    }
    assert!(fleet.inside("e1", "cat /root/secret").contains(CANARY), "the secret reached the file");
}
