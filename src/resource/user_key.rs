//! `generate_ssh_key` of `user`: a key pair for an account.
//!
//! The pair is made in a directory nobody else can enter, and then put in place, since a link in a home directory may
//! lead anywhere.

use std::path::{Path, PathBuf};

use super::Failure;
use super::user::User;
use crate::machine::{Attrs, Command, Content, Machine, Output, Stdio, Written};
use crate::value::{Map, Value};

/// A key is no larger.
const MAX_KEY: u64 = 64 * 1024;

impl User {
    /// Makes the key pair where there is none. Gives the return values, and whether it was made.
    pub(super) fn ssh_key(&self, machine: &dyn Machine, user: &crate::machine::User) -> Result<(Map, bool), Failure> {
        let key = Path::new(&user.home).join(&self.ssh_key_file);
        let public = PathBuf::from(format!("{}.pub", key.display()));
        let mut result = Map::from_iter([("ssh_key_file".into(), Value::str(key.to_string_lossy()))]);
        let there = machine.lstat(&key)?.is_some();
        if !there && !self.force && machine.lstat(&public)?.is_some() {
            let message = format!("{} is there without its private key", public.display());
            return Err(Failure { help: Some("`force: true` replaces it".into()), ..Failure::new(message) });
        }
        let made = !there || self.force;
        if made && !self.make_pair(machine, user, &key, &public)? {
            result.insert("ssh_fingerprint".into(), Value::Unknown);
            result.insert("ssh_public_key".into(), Value::Unknown);
            return Ok((result, true));
        }
        let shown = key.to_string_lossy().into_owned();
        if let Output::Known(stdio) = machine.probe(&Command::new(["ssh-keygen", "-l", "-f", &shown]))? {
            result.insert("ssh_fingerprint".into(), Value::str(stdio.out().trim_end()));
        }
        if machine.stat(&public)?.is_some() {
            let text = machine.read(&public, MAX_KEY)?;
            result.insert("ssh_public_key".into(), Value::str(String::from_utf8_lossy(&text).trim_end()));
        }
        Ok((result, made))
    }

    /// Makes the pair and puts it in place; `false` in a dry run, which makes none.
    fn make_pair(
        &self,
        machine: &dyn Machine,
        user: &crate::machine::User,
        key: &Path,
        public: &Path,
    ) -> Result<bool, Failure> {
        let Some(scratch) = run(machine, &Command::new(["mktemp", "--directory"]))? else { return Ok(false) };
        let dir = PathBuf::from(scratch.out().trim_end_matches('\n'));
        let made = self.keygen(machine, &dir.join("key")).and_then(|()| {
            let owner = Attrs { uid: Some(user.uid), gid: Some(user.gid), mode: None };
            self.key_directory(machine, key, &Attrs { mode: Some(0o700), ..owner })?;
            let how = Written { secret: true, ..Written::default() };
            for (from, to, mode) in [("key", key, 0o600), ("key.pub", public, 0o644)] {
                let content = Content::bytes(machine.read(&dir.join(from), MAX_KEY)?);
                machine.write(to, &content, &Attrs { mode: Some(mode), ..owner }, &how)?;
            }
            Ok(())
        });
        run(machine, &Command::new(["rm", "-r", "--", &dir.to_string_lossy()]))?;
        made.map(|()| true)
    }

    fn key_directory(&self, machine: &dyn Machine, key: &Path, attrs: &Attrs) -> Result<(), Failure> {
        let Some(dir) = key.parent() else { return Ok(()) };
        if machine.stat(dir)?.is_some() {
            return Ok(());
        }
        super::edit::make_parents(machine, dir)?;
        Ok(machine.make_dir(dir, attrs)?)
    }

    fn keygen(&self, machine: &dyn Machine, file: &Path) -> Result<(), Failure> {
        let file = file.to_string_lossy().into_owned();
        let mut argv = vec!["ssh-keygen".to_owned(), "-q".into(), "-t".into(), self.ssh_key_type.clone()];
        if let Some(bits) = self.ssh_key_bits.filter(|bits| *bits > 0) {
            argv.extend(["-b".to_owned(), bits.to_string()]);
        }
        let comment = match &self.ssh_key_comment {
            Some(comment) => comment.clone(),
            None => format!("ansible-generated on {}", hostname(machine)),
        };
        argv.extend(["-C".to_owned(), comment, "-f".into(), file]);
        let command = match &self.ssh_key_passphrase {
            None => {
                argv.extend(["-N".to_owned(), String::new()]);
                Command::new(argv)
            }
            // Without a terminal it reads the passphrase from its input, and nobody sees it among the processes.
            Some(passphrase) => {
                let mut command = Command::new(["setsid".to_owned(), "--wait".into()].into_iter().chain(argv));
                command.stdin = Some(format!("{passphrase}\n{passphrase}\n").into_bytes());
                command.env = vec![("SSH_ASKPASS_REQUIRE".into(), "never".into())];
                command
            }
        };
        run(machine, &command).map(drop)
    }
}

fn hostname(machine: &dyn Machine) -> String {
    let text = machine.read(Path::new("/proc/sys/kernel/hostname"), 256).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// Runs a program that has to succeed; `None` in a dry run.
fn run(machine: &dyn Machine, command: &Command) -> Result<Option<Stdio>, Failure> {
    match machine.run(command)? {
        Output::Known(stdio) if stdio.ok() => Ok(Some(stdio)),
        Output::Known(stdio) => Err(Failure::new(format!("no SSH key can be made: {}", stdio.tail()))),
        Output::Unknown => Ok(None),
    }
}
