//! Secrets appear in no output.

use crate::fleet::{cfg, root};

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
