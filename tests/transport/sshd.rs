//! An sshd of our own in a temporary directory, and clients that talk to it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cfg::transport::{ConfigSource, Options, Prompt, Ssh, Target};

const SSHD: &str = "/usr/sbin/sshd";

pub struct Sshd {
    pub dir: tempfile::TempDir,
    pub port: u16,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// Starts an sshd with `extra` lines of configuration; `None`, with a word, where there is none.
    pub fn start(extra: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            eprintln!("skipped: no {SSHD}");
            return None;
        }
        let _ = fs::create_dir_all("/run/sshd");
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        keygen(&path("host_key"), "ed25519", "");
        keygen(&path("key"), "ed25519", "");
        fs::copy(path("key.pub"), path("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // A shell of the second level reads no startup files: those of this machine may write.
        let config = format!(
            "{extra}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nSetEnv SHLVL=1\nPermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 100\n\
             KbdInteractiveAuthentication no\nLogLevel ERROR\n",
            path("host_key").display(),
            path("authorized").display(),
        );
        fs::write(path("sshd_config"), config).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let sshd = Self { dir, port, child };
        sshd.write_known_hosts(&fs::read_to_string(sshd.path("host_key.pub")).unwrap());
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(sshd);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("sshd does not listen: {}", fs::read_to_string(sshd.path("log")).unwrap());
    }

    /// How many connections it serves now: each is a child process.
    pub fn connections(&self) -> usize {
        let listed = Command::new("ps").args(["-o", "pid=", "--ppid", &self.child.id().to_string()]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().lines().count()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write_known_hosts(&self, key: &str) {
        fs::write(self.path("known_hosts"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }

    /// Lets a key in.
    pub fn authorize(&self, name: &str) {
        let line = fs::read_to_string(self.path(name)).unwrap();
        let mut all = fs::read_to_string(self.path("authorized")).unwrap();
        all.push_str(&line);
        fs::write(self.path("authorized"), all).unwrap();
    }

    /// Makes a key pair.
    pub fn keygen(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        keygen(&self.path(name), kind, passphrase);
        self.path(name)
    }

    /// A target that logs in with the key let in from the start.
    pub fn target(&self) -> Target {
        Target { identity_files: vec![self.path("key")], ..self.bare_target() }
    }

    pub fn bare_target(&self) -> Target {
        Target { port: Some(self.port), user: Some("root".into()), ..Target::named("127.0.0.1") }
    }

    pub fn options(&self) -> Options {
        // No agent and no keys but those a test names.
        let config = self.path("ssh_config");
        if !config.exists() {
            fs::write(&config, "IdentityAgent none\nIdentityFile none\n").unwrap();
        }
        Options {
            known_hosts_files: Some(vec![self.path("known_hosts")]),
            ssh_config: ConfigSource::File(config),
            connect_timeout: Some(Duration::from_secs(10)),
            retries: 0,
            ..Options::default()
        }
    }

    pub fn ssh(&self) -> Ssh {
        Ssh::new(self.options(), None).unwrap()
    }

    pub fn ssh_with_config(&self, text: &str) -> Ssh {
        fs::write(self.path("ssh_config"), text).unwrap();
        self.ssh()
    }
}

pub fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-C", "a comment", "-N", passphrase, "-f"]).arg(path);
    assert!(command.status().unwrap().success());
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Answers every question with one word, and counts them.
#[derive(Default)]
pub struct Person {
    pub answer: Option<String>,
    pub asked: AtomicUsize,
}

impl Person {
    pub fn saying(answer: &str) -> Arc<Self> {
        Arc::new(Self { answer: Some(answer.to_owned()), asked: AtomicUsize::new(0) })
    }

    pub fn times_asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Prompt for Person {
    fn passphrase(&self, _key: &Path) -> Option<String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer.clone()
    }

    fn password(&self, _user_host: &str, _prompt: &str, _echo: bool) -> Option<String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer.clone()
    }
}
