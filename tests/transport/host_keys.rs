//! Host keys, seen from a connection.

use std::fs;
use std::process::Command;

use cfg::transport::{ConnectError, Options, Ssh, Target};

use crate::sshd::Sshd;

fn accepting(sshd: &Sshd) -> Ssh {
    Ssh::new(Options { accept_new_host_keys: true, ..sshd.options() }, None).unwrap()
}

#[tokio::test]
async fn unknown_keys_are_refused_and_shown() {
    let Some(sshd) = Sshd::start("") else { return };
    fs::remove_file(sshd.path("known_hosts")).unwrap();
    let error = sshd.ssh().connect(&sshd.target()).await.err().unwrap();
    let ConnectError::HostKeyUnknown { key, files } = &error else { panic!("{error}") };
    let printed = Command::new("ssh-keygen").arg("-lf").arg(sshd.path("host_key.pub")).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains(&key.fingerprint), "{printed} {key}");
    assert_eq!((key.key_type.as_str(), key.port), ("ED25519", sshd.port));
    assert_eq!(key.addr, format!("127.0.0.1:{}", sshd.port));
    assert_eq!(files, &[sshd.path("known_hosts")]);
    assert!(error.help().unwrap().contains("--accept-new-host-keys"));
    assert!(!sshd.path("known_hosts").exists());
}

#[tokio::test]
async fn new_keys_are_recorded_if_asked_for() {
    let Some(sshd) = Sshd::start("") else { return };
    fs::remove_file(sshd.path("known_hosts")).unwrap();
    let (ssh, target) = (accepting(&sshd), sshd.target());
    let (a, b, c) = tokio::join!(ssh.connect(&target), ssh.connect(&target), ssh.connect(&target));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let text = fs::read_to_string(sshd.path("known_hosts")).unwrap();
    assert_eq!(text.lines().count(), 1, "recorded once: {text}");
    // OpenSSH understands what was written.
    let found = Command::new("ssh-keygen")
        .arg("-F")
        .arg(format!("[127.0.0.1]:{}", sshd.port))
        .arg("-f")
        .arg(sshd.path("known_hosts"))
        .output();
    assert!(found.unwrap().status.success(), "{text}");
    assert!(sshd.ssh().connect(&target).await.is_ok(), "known from now on");
}

#[tokio::test]
async fn changed_keys_are_refused_whatever_was_asked_for() {
    let Some(sshd) = Sshd::start("") else { return };
    sshd.keygen("other", "ed25519", "");
    sshd.keygen("other_rsa", "rsa", "");
    for other in ["other.pub", "other_rsa.pub"] {
        sshd.write_known_hosts(&fs::read_to_string(sshd.path(other)).unwrap());
        for ssh in [sshd.ssh(), accepting(&sshd), sshd.ssh_with_config("StrictHostKeyChecking no\n")] {
            let error = ssh.connect(&sshd.target()).await.err().unwrap();
            let ConnectError::HostKeyChanged { location, .. } = &error else { panic!("{other}: {error}") };
            assert_eq!(location, &format!("{}:1", sshd.path("known_hosts").display()));
        }
    }
}

#[tokio::test]
async fn revoked_and_pinned_keys() {
    let Some(sshd) = Sshd::start("") else { return };
    let key = fs::read_to_string(sshd.path("host_key.pub")).unwrap();
    let pinned = Target { known_host_keys: vec![key.clone()], ..sshd.target() };
    fs::remove_file(sshd.path("known_hosts")).unwrap();
    assert!(sshd.ssh().connect(&pinned).await.is_ok());
    sshd.keygen("other", "ed25519", "");
    let other = fs::read_to_string(sshd.path("other.pub")).unwrap();
    let wrong = Target { known_host_keys: vec![other], ..sshd.target() };
    assert!(matches!(accepting(&sshd).connect(&wrong).await, Err(ConnectError::HostKeyChanged { .. })));
    fs::write(sshd.path("known_hosts"), format!("@revoked * {key}")).unwrap();
    assert!(matches!(accepting(&sshd).connect(&sshd.target()).await, Err(ConnectError::HostKeyRevoked { .. })));
}

/// Pitfall 3: sshd has several keys and only one that is not its favourite is on record.
#[tokio::test]
async fn the_kind_of_key_on_record_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let rsa = dir.path().join("rsa");
    crate::sshd::keygen(&rsa, "rsa", "");
    let Some(sshd) = Sshd::start(&format!("HostKey {}", rsa.display())) else {
        return;
    };
    sshd.write_known_hosts(&fs::read_to_string(rsa.with_extension("pub")).unwrap());
    let connected = sshd.ssh().connect(&sshd.target()).await;
    assert!(connected.is_ok(), "{}", connected.err().unwrap());
}

#[tokio::test]
async fn host_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, host) = (dir.path().join("ca"), dir.path().join("host"));
    crate::sshd::keygen(&ca, "ed25519", "");
    crate::sshd::keygen(&host, "ed25519", "");
    let sign = |name: &str| {
        let mut command = Command::new("ssh-keygen");
        command.arg("-q").arg("-s").arg(&ca).args(["-I", "host", "-h", "-n", name]).arg(host.with_extension("pub"));
        assert!(command.status().unwrap().success());
    };
    let config = format!("HostKey {0}\nHostCertificate {0}-cert.pub", host.display());
    let authority = fs::read_to_string(ca.with_extension("pub")).unwrap();
    for (name, good) in [("127.0.0.1", true), ("elsewhere", false)] {
        sign(name);
        let Some(sshd) = Sshd::start(&config) else {
            return;
        };
        fs::write(sshd.path("known_hosts"), format!("@cert-authority [127.0.0.1]:* {authority}")).unwrap();
        let connected = sshd.ssh().connect(&sshd.target()).await;
        match (connected, good) {
            (Ok(_), true) => {}
            (Err(ConnectError::HostKeyUnknown { .. }), false) => {}
            (result, _) => panic!("{name}: {:?}", result.err()),
        }
    }
}
