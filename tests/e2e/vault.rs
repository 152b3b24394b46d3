//! `cfg vault` from beginning to end, and what it leaves behind: nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fleet::cfg;

const CANARY: &str = "c4nary \"of\" a: #vault";

/// A folder with two passwords, and a tmpfs of its own for the editor's file: the runtime directory of a person.
struct Place {
    dir: tempfile::TempDir,
    memory: tempfile::TempDir,
}

impl Place {
    fn new() -> Option<Self> {
        let memory = tempfile::tempdir_in("/dev/shm").ok()?;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("one"), "first\n").unwrap();
        std::fs::write(dir.path().join("two"), "second\n").unwrap();
        Some(Self { dir, memory })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, arguments: &[&str], editor: &str) -> Command {
        let mut command = cfg(arguments);
        command.current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.memory.path()).env("VISUAL", editor);
        command
    }

    /// Runs a command that has to work; gives what it printed.
    fn run(&self, arguments: &[&str], editor: &str) -> String {
        let output = self.command(arguments, editor).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The editor's file is gone.
    fn is_clean(&self) -> bool {
        std::fs::read_dir(self.memory.path()).unwrap().next().is_none()
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_goes_through_every_command() {
    let Some(place) = Place::new() else { return println!("skipped: no /dev/shm") };
    let file = place.path("secret.yml");
    std::fs::write(&file, "a: old\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    place.run(&["vault", "encrypt", "--vault-id", "dev@one", "secret.yml"], "");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("$ANSIBLE_VAULT;1.2;AES256;dev\n"));
    // An editor that renames on save works too.
    place.run(&["vault", "edit", "--vault-id", "dev@one", "secret.yml"], "sed -i s/old/new/");
    assert_eq!(place.run(&["vault", "view", "--vault-id", "dev@one", "secret.yml"], ""), "a: new\n");
    let sealed = std::fs::read(&file).unwrap();
    place.run(&["vault", "edit", "--vault-id", "dev@one", "secret.yml"], "true");
    assert_eq!(std::fs::read(&file).unwrap(), sealed, "nothing was changed, so nothing is written");
    place.run(&["vault", "rekey", "--vault-id", "dev@one", "--new-vault-id", "prod@two", "secret.yml"], "");
    let both = ["--vault-id", "dev@one", "--vault-id", "prod@two"];
    place.run(&[&["vault", "decrypt", "secret.yml"], both.as_slice()].concat(), "");
    assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), mode(&file)), ("a: new\n", 0o640));
    place.run(&["vault", "create", "--vault-id", "dev@one", "new.yml"], "cp secret.yml");
    assert_eq!(mode(&place.path("new.yml")), 0o600);
    assert!(place.is_clean());
}

#[test]
fn plain_text_is_gone_whatever_happens_to_the_editor() {
    let Some(place) = Place::new() else { return println!("skipped: no /dev/shm") };
    std::fs::write(place.path("secret.yml"), "a: 1\n").unwrap();
    place.run(&["vault", "encrypt", "--vault-id", "dev@one", "secret.yml"], "");
    let edit = ["vault", "edit", "--vault-id", "dev@one", "secret.yml"];
    for editor in ["false", "no-such-editor"] {
        assert_eq!(place.command(&edit, editor).output().unwrap().status.code(), Some(1));
        assert!(place.is_clean(), "{editor}");
    }
    let mut child = place.command(&edit, "sh -c 'sleep 60'").stderr(std::process::Stdio::null()).spawn().unwrap();
    for _ in 0..200 {
        if !place.is_clean() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // The handlers are there once the editor runs; it is started right after the file was made.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let terminated = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(terminated.success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(place.is_clean());
}

#[test]
fn an_inventory_shows_no_secret_in_any_format() {
    let Some(place) = Place::new() else { return println!("skipped: no /dev/shm") };
    std::fs::create_dir_all(place.path("group_vars/web")).unwrap();
    std::fs::write(place.path("hosts"), "[web]\nweb-1 derived=\"<{{ whole }}|{{ inline }}>\"\n").unwrap();
    let whole = serde_json::json!({ "whole": CANARY, "deep": { "list": [CANARY] } }).to_string();
    std::fs::write(place.path("group_vars/web/whole.yml"), whole).unwrap();
    place.run(&["vault", "encrypt", "--vault-id", "dev@one", "group_vars/web/whole.yml"], "");
    let inline = place.run(&["vault", "encrypt-string", "--vault-id", "prod@two", "-n", "inline", CANARY], "");
    std::fs::write(place.path("group_vars/web/inline.yml"), inline).unwrap();
    let views: [&[&str]; 9] = [
        &["--list"],
        &["--list", "--export"],
        &["--list", "--yaml"],
        &["--list", "--toml"],
        &["--list", "--rendered"],
        &["--graph", "--vars"],
        &["--host", "web-1"],
        &["--host", "web-1", "--rendered"],
        &["--host", "web-1", "--yaml", "--rendered"],
    ];
    for view in views {
        let vault = ["--vault-id", "dev@one", "--vault-id", "prod@two"];
        let text = place.run(&[&["inventory", "-i", "hosts"], view, vault.as_slice()].concat(), "");
        assert!(text.contains("inline") && !text.contains("c4nary"), "{view:?}:\n{text}");
    }
}
