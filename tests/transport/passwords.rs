//! Logging in with a password, and with one of two factors.

use std::process::Command;

use cfg::transport::{ConnectError, Secret, Ssh, Target};

use crate::auth::works;
use crate::exec::start_when_there_is_room;
use crate::sshd::{Person, Sshd};

/// Passwords need a user whose password we may set; a user of our own, gone at the end.
struct User(String);

impl User {
    fn create(password: &str) -> Option<Self> {
        let name = format!("cfgtest{}", std::process::id());
        let made = Command::new("useradd")
            .args(["-M", "-d", "/", "-s", "/bin/sh", &name])
            .output()
            .ok()?;
        if !made.status.success() {
            return None;
        }
        let user = Self(name);
        let mut child = Command::new("chpasswd")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .ok()?;
        use std::io::Write as _;
        writeln!(child.stdin.take()?, "{}:{password}", user.0).ok()?;
        child.wait().ok()?.success().then_some(user)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).output();
    }
}

#[tokio::test]
async fn passwords() {
    // Neither is on by default in the tests' sshd, and the first value wins.
    let Some(sshd) = Sshd::start("PasswordAuthentication yes") else {
        return;
    };
    let Some(user) = User::create("correct horse") else {
        return eprintln!("skipped: cannot make a user");
    };
    let target = Target {
        user: Some(user.0.clone()),
        ..sshd.bare_target()
    };
    let with = |word: &str| Target {
        password: Some(Secret::new(word)),
        ..target.clone()
    };
    works(&sshd.ssh(), &with("correct horse")).await;
    commands_end_when_dropped(&sshd.ssh(), &with("correct horse")).await;
    let error = sshd.ssh().connect(&with("wrong")).await.err().unwrap();
    assert!(
        error.to_string().contains("tried password (refused)"),
        "{error}"
    );
    let person = Person::saying("correct horse");
    let ssh = Ssh::new(sshd.options(), Some(person.clone())).unwrap();
    works(&ssh, &target).await;
    works(&ssh, &target).await;
    assert_eq!(person.times_asked(), 1, "a password that worked is kept");
}

/// Commands that do not care for their stdin are terminated; sshd does that for all users but root.
async fn commands_end_when_dropped(ssh: &Ssh, target: &Target) {
    let connection = ssh.connect(target).await.unwrap();
    for _ in 0..15 {
        drop(start_when_there_is_room(&connection, "exec sleep 100").await);
    }
}

/// Two factors: the key is accepted, but the password is wanted as well.
#[tokio::test]
async fn both_a_key_and_a_password() {
    let config = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let Some(sshd) = Sshd::start(config) else {
        return;
    };
    let target = Target {
        password: Some(Secret::new("not it")),
        ..sshd.target()
    };
    let error = sshd.ssh().connect(&target).await.err().unwrap();
    let ConnectError::Auth { tried, .. } = &error else {
        panic!("{error}")
    };
    let outcomes: Vec<_> = tried
        .iter()
        .map(|attempt| attempt.outcome.as_str())
        .collect();
    assert_eq!(outcomes, ["accepted, but not enough", "refused"], "{error}");
}
