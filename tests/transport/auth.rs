//! Logging in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use cfg::transport::{ConnectError, Prompt, Ssh, Target};

use crate::sshd::{Person, Sshd, keygen};

pub async fn works(ssh: &Ssh, target: &Target) {
    let connection = ssh.connect(target).await.unwrap_or_else(|error| panic!("{error}: {target:?}"));
    assert!(connection.exec("true").await.unwrap().wait().await.unwrap().success());
    connection.close().await;
}

/// Pitfall 4 is the RSA key: SHA-1 signatures are refused by any recent sshd.
#[tokio::test]
async fn keys_of_every_kind() {
    let Some(sshd) = Sshd::start("") else { return };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = sshd.keygen(kind, kind, "");
        sshd.authorize(&format!("{kind}.pub"));
        works(&sshd.ssh(), &Target { identity_files: vec![key], ..sshd.bare_target() }).await;
    }
}

#[tokio::test]
async fn old_pem_keys() {
    let Some(sshd) = Sshd::start("") else { return };
    let key = sshd.path("pem");
    let status = Command::new("ssh-keygen").args(["-q", "-m", "PEM", "-t", "rsa", "-N", "", "-f"]).arg(&key).status();
    assert!(status.unwrap().success());
    sshd.authorize("pem.pub");
    works(&sshd.ssh(), &Target { identity_files: vec![key], ..sshd.bare_target() }).await;
}

#[tokio::test]
async fn an_encrypted_key_is_asked_for_once() {
    let Some(sshd) = Sshd::start("") else { return };
    let key = sshd.keygen("locked", "ed25519", "open sesame");
    sshd.authorize("locked.pub");
    let target = Target { identity_files: vec![key.clone()], ..sshd.bare_target() };
    let person = Person::saying("open sesame");
    let ssh = Ssh::new(sshd.options(), Some(person.clone())).unwrap();
    let (a, b, c) = (works(&ssh, &target), works(&ssh, &target), works(&ssh, &target));
    tokio::join!(a, b, c);
    works(&ssh, &target).await;
    assert_eq!(person.times_asked(), 1);

    let error = sshd.ssh().connect(&target).await.err().unwrap();
    assert!(matches!(&error, ConnectError::Passphrase { path } if *path == key), "{error}");
    let wrong = Person::saying("guess");
    let error = Ssh::new(sshd.options(), Some(wrong.clone())).unwrap().connect(&target).await.err().unwrap();
    assert!(matches!(&error, ConnectError::Key { why, .. } if why == "wrong passphrase"), "{error}");
    assert_eq!(wrong.times_asked(), 3);
}

/// A passphrase is only wanted for a key the server wants, and only after the limits have been told to wait.
#[tokio::test]
async fn nobody_is_asked_for_a_key_the_server_does_not_want() {
    let Some(sshd) = Sshd::start("") else { return };
    let locked = sshd.keygen("locked", "ed25519", "secret");
    let person = Person::saying("secret");
    let ssh = Ssh::new(sshd.options(), Some(person.clone())).unwrap();
    works(&ssh, &Target { identity_files: vec![locked, sshd.path("key")], ..sshd.bare_target() }).await;
    assert_eq!(person.times_asked(), 0);
}

struct Slow;

impl Prompt for Slow {
    fn passphrase(&self, _: &std::path::Path) -> Option<String> {
        std::thread::sleep(Duration::from_millis(1500));
        Some("slow".into())
    }
    fn password(&self, _: &str, _: &str, _: bool) -> Option<String> {
        None
    }
}

#[tokio::test]
async fn a_slow_answer_is_no_timeout() {
    let Some(sshd) = Sshd::start("") else { return };
    let key = sshd.keygen("locked", "ed25519", "slow");
    sshd.authorize("locked.pub");
    let mut options = sshd.options();
    options.auth_timeout = Duration::from_millis(700);
    let ssh = Ssh::new(options, Some(std::sync::Arc::new(Slow))).unwrap();
    works(&ssh, &Target { identity_files: vec![key], ..sshd.bare_target() }).await;
}

#[tokio::test]
async fn a_failure_lists_what_was_tried() {
    let Some(sshd) = Sshd::start("") else { return };
    let wrong = sshd.keygen("wrong", "ed25519", "");
    let missing = sshd.path("missing");
    let open = sshd.keygen("open", "ed25519", "");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let target = Target { identity_files: vec![wrong.clone(), missing, open], ..sshd.bare_target() };
    let error = sshd.ssh().connect(&target).await.err().unwrap();
    let ConnectError::Auth { user, tried, offered, .. } = &error else { panic!("{error}") };
    assert_eq!(user, "root");
    assert_eq!(offered, &["publickey"]);
    let outcome = |name: &str| {
        let found = tried.iter().find(|attempt| attempt.what.ends_with(name));
        found.map_or_else(|| panic!("{name} not in {tried:?}"), |attempt| attempt.outcome.as_str())
    };
    assert_eq!(outcome("/wrong"), "refused");
    assert_eq!(outcome("/missing"), "no such file");
    assert_eq!(outcome("/open"), "its mode 0644 lets others read it");
    assert!(error.help().is_some());

    let error = sshd.ssh().connect(&sshd.bare_target()).await.err().unwrap();
    assert!(
        matches!(&error, ConnectError::Auth { tried, offered, .. } if tried.is_empty() && offered == &["publickey"]),
        "{error}"
    );
}

#[tokio::test]
async fn too_many_keys_are_told_apart_from_wrong_ones() {
    let Some(sshd) = Sshd::start("MaxAuthTries 3") else {
        return;
    };
    let mut keys: Vec<_> = (0..5).map(|n| sshd.keygen(&format!("k{n}"), "ed25519", "")).collect();
    keys.push(sshd.path("key"));
    let target = Target { identity_files: keys, ..sshd.bare_target() };
    let error = sshd.ssh().connect(&target).await.err().unwrap();
    let ConnectError::Auth { message, tried, .. } = &error else { panic!("{error}") };
    assert!(message.as_deref().unwrap_or_default().contains("Too many authentication failures"), "{error:?}");
    assert!(error.help().unwrap().contains("IdentitiesOnly"), "{tried:?}");
}

fn certify(sshd: &Sshd, key: &str) {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(sshd.path("ca"))
        .args(["-I", "me", "-n", "root"])
        .arg(sshd.path(key).with_extension("pub"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn certificates() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    keygen(&ca, "ed25519", "");
    let Some(sshd) = Sshd::start(&format!("TrustedUserCAKeys {}.pub", ca.display())) else {
        return;
    };
    fs::copy(&ca, sshd.path("ca")).unwrap();
    for kind in ["ed25519", "rsa"] {
        let key = sshd.keygen(kind, kind, "");
        certify(&sshd, kind);
        let target = Target { identity_files: vec![key], ..sshd.bare_target() };
        works(&sshd.ssh(), &target).await;
        let beside = sshd.path(&format!("{kind}-cert.pub"));
        let elsewhere = sshd.path(&format!("elsewhere-{kind}.pub"));
        fs::rename(&beside, &elsewhere).unwrap();
        assert!(matches!(sshd.ssh().connect(&target).await, Err(ConnectError::Auth { .. })), "{kind}");
        let config = format!("IdentityAgent none\nIdentityFile none\nCertificateFile {}\n", elsewhere.display());
        works(&sshd.ssh_with_config(&config), &target).await;
    }
}

/// An agent that ends with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_agent(sshd: &Sshd, keys: &[&str]) -> Agent {
    let socket = sshd.path("agent");
    let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(std::process::Stdio::null()).spawn();
    let agent = Agent(child.unwrap());
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    for key in keys {
        let add = Command::new("ssh-add").arg("-q").arg(sshd.path(key)).env("SSH_AUTH_SOCK", &socket).output().unwrap();
        assert!(add.status.success(), "{add:?}");
    }
    agent
}

#[tokio::test]
async fn agent_keys() {
    let Some(sshd) = Sshd::start("MaxAuthTries 3") else {
        return;
    };
    for n in 0..6 {
        sshd.keygen(&format!("k{n}"), "ed25519", "");
    }
    sshd.keygen("mine", "rsa", "");
    sshd.authorize("mine.pub");
    let _agent = start_agent(&sshd, &["k0", "k1", "k2", "k3", "k4", "k5", "mine"]);
    let config = |more: &str| format!("IdentityAgent {}\n{more}", sshd.path("agent").display());
    // Pitfall 8: the key that was named goes first, even if only its public half is here.
    fs::remove_file(sshd.path("mine")).unwrap();
    let ssh = sshd.ssh_with_config(&config(&format!("IdentityFile {}\n", sshd.path("mine").display())));
    works(&ssh, &sshd.bare_target()).await;
    let ssh = sshd
        .ssh_with_config(&config(&format!("IdentityFile {}\nIdentitiesOnly yes\n", sshd.path("mine.pub").display())));
    works(&ssh, &sshd.bare_target()).await;
    // Without a hint the agent's keys run into the server's limit, and the message says how to avoid that.
    let ssh = sshd.ssh_with_config(&config("IdentityFile none\n"));
    let error = ssh.connect(&sshd.bare_target()).await.err().unwrap();
    assert!(
        matches!(&error, ConnectError::Auth { tried, .. } if tried.iter().any(|a| a.what.starts_with("agent key"))),
        "{error}"
    );
}
