//! Logging in with a password, and with one of two factors.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use cfg::transport::{ConnectError, Secret, Ssh, Target};

use crate::auth::works;
use crate::sshd::{Person, Sshd};

/// Passwords need a user whose password we may set; a user of our own, gone at the end.
struct User(String);

impl User {
    fn create(password: &str) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("cfgtest{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("useradd").args(["-M", "-d", "/", "-s", "/bin/sh", &name]).output().ok()?;
        if !made.status.success() {
            return None;
        }
        let user = Self(name);
        let mut child = Command::new("chpasswd").stdin(std::process::Stdio::piped()).spawn().ok()?;
        use std::io::Write as _;
        writeln!(child.stdin.take()?, "{}:{password}", user.0).ok()?;
        child.wait().ok()?.success().then_some(user)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg("-f").arg(&self.0).output();
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
    let target = Target { user: Some(user.0.clone()), ..sshd.bare_target() };
    let with = |word: &str| Target { password: Some(Secret::new(word)), ..target.clone() };
    works(&sshd.ssh(), &with("correct horse")).await;
    let error = sshd.ssh().connect(&with("wrong")).await.err().unwrap();
    assert!(error.to_string().contains("tried password (refused)"), "{error}");
    let person = Person::saying("correct horse");
    let ssh = Ssh::new(sshd.options(), Some(person.clone())).unwrap();
    works(&ssh, &target).await;
    works(&ssh, &target).await;
    assert_eq!(person.times_asked(), 1, "a password that worked is kept");
}

/// Two factors: the key is accepted, but the password is wanted as well.
#[tokio::test]
async fn both_a_key_and_a_password() {
    let config = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let Some(sshd) = Sshd::start(config) else {
        return;
    };
    let target = Target { password: Some(Secret::new("not it")), ..sshd.target() };
    let error = sshd.ssh().connect(&target).await.err().unwrap();
    let ConnectError::Auth { tried, .. } = &error else { panic!("{error}") };
    let outcomes: Vec<_> = tried.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["accepted, but not enough", "refused"], "{error}");
}

#[tokio::test]
async fn keyboard_interactive() {
    let Some(sshd) = Sshd::start("UsePAM yes\nKbdInteractiveAuthentication yes") else {
        return;
    };
    let Some(user) = User::create("correct horse") else {
        return eprintln!("skipped: cannot make a user");
    };
    let target = Target { user: Some(user.0.clone()), ..sshd.bare_target() };
    let given = Target { password: Some(Secret::new("correct horse")), ..target.clone() };
    works(&sshd.ssh(), &given).await;
    let person = Person::saying("correct horse");
    works(&Ssh::new(sshd.options(), Some(person.clone())).unwrap(), &target).await;
    assert_eq!(person.times_asked(), 1);
    let nobody = sshd.ssh().connect(&target).await.err().unwrap();
    assert!(matches!(&nobody, ConnectError::Auth { tried, .. } if tried.is_empty()), "{nobody}");
}
