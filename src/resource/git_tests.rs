//! `git` against repositories in a temporary directory, with the git of this machine.

use std::path::Path;
use std::sync::Arc;

use super::super::testing::{Bench, args};
use super::super::{Context, Failure, Outcome, Resource as _};
use super::Git;
use crate::machine::{Cancel, Live, Machine, Preview, Tracked};
use crate::value::Value;

fn sh(dir: &Path, words: &str) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "user.email=a@b", "-c", "user.name=a"])
        .args(words.split(' '))
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit(dir: &Path, text: &str) -> String {
    std::fs::write(dir.join("f"), text).unwrap();
    sh(dir, "add f");
    sh(dir, &format!("commit -q -m {text}"));
    sh(dir, "rev-parse HEAD")
}

struct Place {
    dir: tempfile::TempDir,
    first: String,
    second: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        std::fs::create_dir(&source).unwrap();
        sh(&source, "init -q -b main");
        let first = commit(&source, "1");
        sh(&source, "tag v1");
        let second = commit(&source, "2");
        Self { dir, first, second }
    }

    fn source(&self) -> std::path::PathBuf {
        self.dir.path().join("source")
    }

    fn run(&self, machine: Arc<dyn Machine>, params: &str) -> Result<(Outcome, usize), Failure> {
        let (source, dest) = (self.source(), self.dir.path().join("a/dest"));
        let text = format!("{{repo: {}, dest: {}, {params}}}", source.display(), dest.display());
        let git = Git::from_args(args("git", &text)).unwrap();
        git.check().unwrap();
        let tracked = Tracked::new(machine, false);
        let outcome = git.converge(&tracked, &Context::default())?;
        Ok((outcome, tracked.changes().len()))
    }

    fn live(&self, params: &str) -> Result<Outcome, Failure> {
        self.run(Arc::new(Live::new(None, Cancel::default())), params).map(|(outcome, _)| outcome)
    }

    fn plan(&self, params: &str) -> Result<Outcome, Failure> {
        let under = Arc::new(Live::new(None, Cancel::default()));
        self.run(Arc::new(Preview::new(under)), params).map(|(outcome, _)| outcome)
    }
}

fn said(outcome: &Outcome) -> (Value, Value, Value) {
    let get = |name: &str| outcome.result.get(name).cloned().unwrap_or_default();
    (outcome.changed.clone().unwrap(), get("before"), get("after"))
}

#[test]
fn versions_come_and_go() {
    let place = Place::new();
    let (first, second) = (Value::str(&place.first), Value::str(&place.second));
    let (yes, no) = (Value::Bool(true), Value::Bool(false));
    assert_eq!(said(&place.plan("").unwrap()), (yes.clone(), Value::Null, Value::Unknown));
    assert_eq!(said(&place.live("").unwrap()), (yes.clone(), Value::Null, second.clone()));
    assert_eq!(said(&place.live("").unwrap()), (no.clone(), second.clone(), second.clone()));
    assert_eq!(said(&place.plan("version: v1").unwrap()), (yes.clone(), second.clone(), first.clone()));
    assert_eq!(said(&place.live("version: v1").unwrap()), (yes.clone(), second.clone(), first.clone()));
    assert_eq!(said(&place.live("update: false").unwrap()), (no.clone(), first.clone(), first.clone()));
    assert_eq!(said(&place.live("version: main").unwrap()), (yes.clone(), first.clone(), second.clone()));
    let third = Value::from(commit(&place.source(), "3"));
    assert_eq!(said(&place.live("version: main").unwrap()), (yes.clone(), second.clone(), third.clone()));
    let short = place.first.get(..8).unwrap();
    assert_eq!(said(&place.live(&format!("version: '{short}'")).unwrap()), (yes, third, first.clone()));
    assert_eq!(said(&place.live(&format!("version: '{}'", place.first)).unwrap()), (no, first.clone(), first));
    assert!(place.live("version: nope").unwrap_err().message.contains("nope"));
}

#[test]
fn what_a_clone_brings_is_open_in_a_plan() {
    use crate::machine::{FaultKind, Inspect as _};
    let place = Place::new();
    let plan = Arc::new(Preview::new(Arc::new(Live::new(None, Cancel::default()))));
    place.run(plan.clone(), "").unwrap();
    let dest = place.dir.path().join("a/dest");
    assert!(plan.stat(&dest).unwrap().is_some());
    for fault in [plan.stat(&dest.join("sub/x")).err(), plan.list(&dest).err()] {
        assert_eq!(fault.unwrap().kind, FaultKind::Unknown);
    }
    assert!(!dest.exists());
}

#[test]
fn local_changes() {
    let place = Place::new();
    place.live("").unwrap();
    let file = place.dir.path().join("a/dest/f");
    std::fs::write(&file, "mine").unwrap();
    let failure = place.live("").unwrap_err();
    assert!(failure.message.contains("Local modifications"));
    assert_eq!(failure.result.get("before"), Some(&Value::str(&place.second)));
    assert_eq!(place.live("force: true").unwrap().changed, Some(Value::Bool(true)));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "2");
}

#[test]
fn other_kinds_of_clones() {
    let place = Place::new();
    assert_eq!(said(&place.live("clone: false").unwrap()).2, Value::str(&place.second));
    assert!(!place.dir.path().join("a").exists());
    place.live("depth: 1, version: v1, umask: '0077', single_branch: true, remote: up").unwrap();
    let dest = place.dir.path().join("a/dest");
    assert_eq!(sh(&dest, "rev-list --count HEAD"), "1");
    assert_eq!(sh(&dest, "remote"), "up");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(dest.join("f").metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let place = Place::new();
    place.live("bare: true").unwrap();
    assert_eq!(place.live("bare: true").unwrap().changed, Some(Value::Bool(false)));
    commit(&place.source(), "3");
    assert_eq!(place.live("bare: true").unwrap().changed, Some(Value::Bool(true)));
    assert_eq!(place.live("bare: true").unwrap().changed, Some(Value::Bool(false)));

    let place = Place::new();
    sh(&place.source(), "update-ref refs/pull/7/head v1");
    let pull = "refspec: 'refs/pull/7/head:refs/remotes/origin/pull7', version: origin/pull7";
    assert_eq!(said(&place.live(pull).unwrap()).2, Value::str(&place.first));
    assert_eq!(place.live(pull).unwrap().changed, Some(Value::Bool(false)));
}

#[test]
fn what_would_be_an_option_is_refused() {
    let bench = Bench::with(&[]);
    let table = [
        ("repo: '--upload-pack=x', dest: /srv/x", "option"),
        ("repo: 'ext::sh -c x', dest: /srv/x", "https://"),
        ("repo: 'ssh://-oProxyCommand=x/y', dest: /srv/x", "https://"),
        ("repo: 'https://x/y', dest: /srv/x, version: '--orphan'", "option"),
        ("repo: 'https://x/y', dest: /srv/x, remote: 'a b'", "name"),
        ("repo: 'https://x/y', dest: /srv/x, refspec: '-f'", "option"),
        ("repo: 'https://x/y', dest: /srv/x, key_file: '/k;reboot'", "letters"),
        ("repo: 'https://x/y', dest: /srv/x, ssh_opts: '$(reboot)'", "letters"),
        ("repo: 'https://x/y', dest: /srv/x, umask: '9'", "octal"),
        ("repo: 'https://x/y', dest: /srv/x, depth: 0", "1 or more"),
        ("repo: 'https://x/y', dest: /srv/x, archive: /x.zip", "archive"),
    ];
    for (params, expected) in table {
        let message = bench.fails("git", &format!("{{{params}}}"));
        assert!(message.contains(expected), "{params}: {message}");
    }
    let git = Git::from_args(args("git", "{repo: 'git@x:y', dest: /d, key_file: /k, accept_hostkey: true}")).unwrap();
    let expected = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -i /k -o IdentitiesOnly=yes";
    assert_eq!(git.ssh().unwrap(), expected);
}
