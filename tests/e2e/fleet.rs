//! The fleet, and cfg run against it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// How many hosts the tests use.
const HOSTS: &str = "3";

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The one fleet of this test run; tests take turns with it.
pub struct Fleet {
    state: PathBuf,
}

/// A turn with the fleet.
pub struct Turn {
    fleet: &'static Fleet,
    _guard: MutexGuard<'static, ()>,
}

/// Takes a turn with the fleet; `None`, with a line that says why, where there can be none.
pub fn turn(test: &str) -> Option<Turn> {
    static FLEET: OnceLock<Result<Fleet, String>> = OnceLock::new();
    static LOCK: Mutex<()> = Mutex::new(());
    let guard = LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match FLEET.get_or_init(start) {
        Ok(fleet) => Some(Turn { fleet, _guard: guard }),
        Err(reason) => {
            println!("skipped: {test}: {reason}");
            None
        }
    }
}

fn start() -> Result<Fleet, String> {
    let state =
        std::env::var_os("CFG_FLEET_STATE").map_or_else(|| std::env::temp_dir().join("cfg-e2e-fleet"), PathBuf::from);
    let fleet = Fleet { state };
    for arguments in [vec!["setup"], vec!["up", HOSTS, "e"]] {
        let output = fleet.script(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(0) => {}
            Some(3) => return Err(said.trim().to_owned()),
            _ => panic!("tests/fleet/fleet {arguments:?} failed:\n{said}"),
        }
    }
    Ok(fleet)
}

impl Fleet {
    fn script(&self, arguments: &[&str]) -> Output {
        Command::new(root().join("tests/fleet/fleet"))
            .args(arguments)
            .env("CFG_FLEET_STATE", &self.state)
            .env("CFG_FLEET_NET", "10.97.0")
            .output()
            .expect("tests/fleet/fleet runs")
    }
}

impl Turn {
    /// Runs a command of the fleet script that must succeed.
    pub fn fleet(&self, arguments: &[&str]) -> String {
        let output = self.fleet.script(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "fleet {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Brings all hosts back as blank.
    pub fn blank(&self) {
        self.fleet(&["reset", "--all"]);
    }

    /// Runs a command inside a host.
    pub fn inside(&self, host: &str, command: &str) -> String {
        let output = Command::new("ssh")
            .arg("-F")
            .arg(self.fleet.state.join("ssh_config"))
            .args([host, command])
            .output()
            .expect("ssh runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// An inventory of the Redis fleet, with more lines for the group's variables.
    pub fn redis_inventory(&self, dir: &Path, vars: &str) -> PathBuf {
        let text = format!(
            "all:\n  vars:\n    ansible_user: root\n    ansible_ssh_private_key_file: {key}\n  children:\n    redis:\n      children:\n        \
             redis_primary: {{ hosts: {{ e1: {{ ansible_host: {a} }} }} }}\n        \
             redis_replicas: {{ hosts: {{ e2: {{ ansible_host: {b} }}, e3: {{ ansible_host: {c} }} }} }}\n      vars:\n        \
             redis_bind: \"{{{{ ansible_host }}}} 127.0.0.1\"\n        redis_protected_mode: false\n{vars}",
            key = self.fleet.state.join("keys/id_ed25519").display(),
            a = self.fleet(&["ip", "e1"]).trim(),
            b = self.fleet(&["ip", "e2"]).trim(),
            c = self.fleet(&["ip", "e3"]).trim(),
        );
        let path = dir.join("inventory.yml");
        std::fs::write(&path, text).expect("the temporary directory can be written");
        path
    }

    /// The private key of the fleet.
    pub fn key(&self) -> PathBuf {
        self.fleet.state.join("keys/id_ed25519")
    }

    /// cfg, set up to reach the fleet.
    pub fn cfg(&self, arguments: &[&str]) -> Command {
        let mut command = cfg(arguments);
        command.arg("--ssh-config").arg(self.fleet.state.join("ssh_config"));
        command
    }
}

/// cfg in the repository, with a state directory of its own.
pub fn cfg(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cfg"));
    command
        .args(arguments)
        .current_dir(root())
        .env("XDG_STATE_HOME", std::env::temp_dir().join("cfg-e2e-state"))
        .env("NO_COLOR", "1");
    command
}

/// The events of a run with `--output json`.
pub struct Run {
    pub events: Vec<serde_json::Value>,
    pub status: i32,
    pub text: String,
}

/// Runs cfg with `--output json`.
pub fn events(mut command: Command) -> Run {
    let output = command.args(["--output", "json"]).output().expect("cfg runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let events = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let text = text + &String::from_utf8_lossy(&output.stderr);
    Run { events, status: output.status.code().unwrap_or(-1), text }
}

impl Run {
    /// What changed: host and task.
    pub fn changed(&self) -> BTreeSet<(String, String)> {
        self.tasks("changed")
    }

    /// The tasks with this status.
    pub fn tasks(&self, status: &str) -> BTreeSet<(String, String)> {
        let finished = self.events.iter().filter(|e| e["event"] == "task_finished" && e["outcome"]["status"] == status);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        finished.map(|e| (text(&e["host"]), text(&e["outcome"]["name"]))).collect()
    }

    /// Fails with what was said unless the run converged.
    pub fn converged(&self) -> &Self {
        let bad =
            |line: &&str| line.contains("\"failed\":true") || line.contains("unreachable\",") || !line.starts_with('{');
        let why: Vec<&str> = self.text.lines().filter(bad).collect();
        assert_eq!(self.status, 0, "{}", why.join("\n"));
        self
    }
}
