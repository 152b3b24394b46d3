//! `authorized_key`: the keys a user may log in with by ssh(1).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::edit::{bare, end_last, lines};
use super::get_url::is_web;
use super::params::params;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource, attrs, file};
use crate::machine::{Attrs, Content, Fetch, FileKind, Inspect, Key, Machine, User, Written};
use crate::value::Value;

/// A file of keys is no larger than this.
const MAX_KEYS: u64 = 4 * 1024 * 1024;

choices! {
    /// Whether it is there.
    pub enum State {
        /// It is there.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

params! {
    /// Adds or removes keys in the `authorized_keys` of a user.
    ///
    /// # Example
    /// ```yaml
    /// - authorized_key: { user: deploy, key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== anna", state: present }
    /// ```
    pub struct AuthorizedKey {
        /// Whose file.
        user: String, required;
        /// The keys, one a line, or the URL of a file of them.
        key: String, required;
        /// The file; `~/.ssh/authorized_keys` of the user without one.
        path: Option<PathBuf>;
        /// Make the directory of the file, and see to its owner and mode.
        manage_dir: bool = true;
        /// Whether they are there.
        state: State = State::Present;
        /// Options to be written before the keys.
        key_options: Option<String>;
        /// Remove all other keys.
        exclusive: bool = false;
        /// The comment to be written behind the keys.
        comment: Option<String>;
        /// Write through a link at the path.
        follow: bool = false;
        /// Check the server's certificate where the keys are fetched.
        validate_certs: bool = true;
    }
}

/// A key with what stands around it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    options: String,
    kind: String,
    key: String,
    comment: String,
}

impl Entry {
    /// Reads a line; comments and what is no key give nothing.
    fn read(line: &str) -> Option<Self> {
        let line = bare(line).trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (options, rest) = if starts_with_kind(line) { ("", line) } else { split_options(line)? };
        if !starts_with_kind(rest) {
            return None;
        }
        let mut words = rest.splitn(3, char::is_whitespace);
        let (kind, key, comment) = (words.next()?, words.next()?, words.next().unwrap_or_default());
        let owned = |text: &str| text.trim().to_owned();
        Some(Self { options: owned(options), kind: owned(kind), key: owned(key), comment: owned(comment) })
    }

    fn line(&self) -> String {
        let words = [&self.options, &self.kind, &self.key, &self.comment];
        let words: Vec<&str> = words.into_iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        format!("{}\n", words.join(" "))
    }
}

fn starts_with_kind(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

/// Options end at the first white space outside of quotes.
fn split_options(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    let end = line.find(|c: char| {
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        c.is_whitespace() && !quoted
    })?;
    Some((line.get(..end)?, line.get(end..)?.trim_start()))
}

impl AuthorizedKey {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where a key is none.
    pub fn check(&self) -> Result<(), ParamError> {
        let one_line = |param: &str, text: &Option<String>| match text {
            Some(text) if text.contains('\n') => Err(ParamError::bad(param, "expected one line")),
            _ => Ok(()),
        };
        one_line("key_options", &self.key_options)?;
        one_line("comment", &self.comment)?;
        if is_web(&self.key) {
            return Ok(());
        }
        self.entries(&self.key).map(drop).map_err(|message| ParamError::bad("key", message))
    }

    /// The keys that are asked for, with the options and the comment the task gives them.
    fn entries(&self, text: &str) -> Result<Vec<Entry>, String> {
        let mut found = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
            let mut entry = Entry::read(line).ok_or_else(|| format!("`{}` is no key", shortened(line)))?;
            if let Some(options) = &self.key_options {
                options.clone_into(&mut entry.options);
            }
            if let Some(comment) = &self.comment {
                comment.clone_into(&mut entry.comment);
            }
            found.push(entry);
        }
        if found.is_empty() && self.exclusive {
            return Err("no key is given: with `exclusive` nobody could log in any more".to_owned());
        }
        Ok(found)
    }

    fn keys(&self, machine: &dyn Inspect, context: &Context) -> Result<Vec<Entry>, Failure> {
        if !is_web(&self.key) {
            return self.entries(&self.key).map_err(Failure::new);
        }
        let fetch = Fetch {
            url: self.key.clone(),
            timeout: Duration::from_secs(10),
            insecure: !self.validate_certs,
            env: context.environment.clone(),
            ..Fetch::default()
        };
        let bytes = machine.download(&fetch, MAX_KEYS)?;
        self.entries(&String::from_utf8_lossy(&bytes)).map_err(|why| Failure::new(format!("{}: {why}", self.key)))
    }

    /// The file as it is wanted.
    fn edited(&self, text: &str, keys: &[Entry]) -> String {
        let mut left: Vec<&Entry> = keys.iter().collect();
        let mut all = Vec::new();
        for line in lines(text) {
            let Some(old) = Entry::read(&line) else {
                all.push(line);
                continue;
            };
            let same = |new: &&Entry| (&new.kind, &new.key) == (&old.kind, &old.key);
            match (keys.iter().find(same), self.state) {
                (Some(_), State::Absent) => {}
                (Some(new), State::Present) => {
                    // A second line with the same key goes.
                    if left.iter().any(same) {
                        all.push(if *new == old { line } else { new.line() });
                        left.retain(|other| !same(other));
                    }
                }
                (None, State::Present) if self.exclusive => {}
                (None, _) => all.push(line),
            }
        }
        if self.state == State::Present {
            if !left.is_empty() {
                end_last(&mut all, "\n");
            }
            all.extend(left.into_iter().map(Entry::line));
        }
        all.concat()
    }

    fn user(&self, machine: &dyn Inspect) -> Result<User, Failure> {
        let user = machine.user(&Key::Name(self.user.clone()))?;
        user.ok_or_else(|| Failure::new(format!("there is no user `{}`", self.user)))
    }

    /// Makes the directory, and sees to its owner and mode.
    fn manage(&self, machine: &dyn Machine, path: &Path, user: &User) -> Result<(), Failure> {
        let Some(dir) = path.parent().filter(|_| self.manage_dir && self.state == State::Present) else {
            return Ok(());
        };
        let wanted = Attrs { mode: Some(0o700), uid: Some(user.uid), gid: Some(user.gid) };
        match machine.stat(dir)? {
            None => Ok(machine.make_dir(dir, &wanted)?),
            Some(stat) if stat.kind != FileKind::Dir => {
                Err(Failure::new(format!("{} is there and is not a directory", dir.display())))
            }
            Some(stat) => match attrs::differing(&wanted, &stat) {
                differing if differing == Attrs::default() => Ok(()),
                differing => Ok(machine.set_attrs(dir, &differing)?),
            },
        }
    }
}

fn shortened(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

impl Resource for AuthorizedKey {
    fn footprint(&self) -> Footprint {
        let footprint = Footprint::nothing().read(Claim::User(self.user.clone()));
        match &self.path {
            Some(path) if self.manage_dir => {
                footprint.write(Claim::Path(path.clone())).write(Claim::Path(path.parent().unwrap_or(path).into()))
            }
            Some(path) => footprint.write(Claim::Path(path.clone())),
            // Where the home directory is, is not known before.
            None => footprint.and(Footprint::world()),
        }
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let user = self.user(machine)?;
        let path = self.path.clone().unwrap_or_else(|| Path::new(&user.home).join(".ssh/authorized_keys"));
        let path = if self.follow { machine.resolve(&path)?.unwrap_or(path) } else { path };
        let keys = self.keys(machine, context)?;
        let old = machine.stat(&path)?;
        let text = match &old {
            Some(_) => String::from_utf8_lossy(&machine.read(&path, MAX_KEYS)?).into_owned(),
            None => String::new(),
        };
        self.manage(machine, &path, &user)?;
        let after = self.edited(&text, &keys);
        if after != text {
            let mode = old.as_ref().map_or(0o600, |stat| stat.mode);
            let attrs = Attrs { mode: Some(mode), uid: Some(user.uid), gid: Some(user.gid) };
            let how = Written { validate: None, backup: None, secret: context.no_log };
            machine.write(&path, &Content::bytes(after.into_bytes()), &attrs, &how)?;
        }
        let mut outcome = file::result(machine, &path)?;
        let entries = [("user", &self.user), ("key", &self.key)];
        outcome.result.extend(entries.map(|(name, text)| (name.into(), Value::str(text))));
        outcome.result.insert("keyfile".into(), Value::str(path.to_string_lossy()));
        outcome.result.insert("exclusive".into(), Value::Bool(self.exclusive));
        outcome.result.insert("key_options".into(), Value::from(self.key_options.clone()));
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn keys() {
        let table = [
            ("", "key: ssh-rsa AAAA anna", "ssh-rsa AAAA anna\n"),
            ("#c\nssh-rsa AAAA anna\n", "key: ssh-rsa AAAA anna", "#c\nssh-rsa AAAA anna\n"),
            ("ssh-rsa AAAA anna", "key: ssh-rsa BBBB bob", "ssh-rsa AAAA anna\nssh-rsa BBBB bob\n"),
            ("ssh-rsa AAAA anna\n", "key: ssh-rsa AAAA, comment: b c", "ssh-rsa AAAA b c\n"),
            (
                "ssh-rsa AAAA a\n",
                "key: ssh-rsa AAAA a, key_options: 'no-pty,command=\"a b\"'",
                "no-pty,command=\"a b\" ssh-rsa AAAA a\n",
            ),
            ("no-pty,command=\"a b\" ssh-rsa AAAA a\n", "key: ssh-rsa AAAA, state: absent", ""),
            ("#c\nssh-rsa AAAA a\n", "key: ssh-ed25519 BBBB, exclusive: true", "#c\nssh-ed25519 BBBB\n"),
            ("", "key: \"ssh-rsa AAAA a\\n\\nssh-rsa BBBB b\\n\"", "ssh-rsa AAAA a\nssh-rsa BBBB b\n"),
            ("ssh-rsa AAAA a\nssh-rsa AAAA a\n", "key: ssh-rsa AAAA a", "ssh-rsa AAAA a\n"),
        ];
        for (before, params, after) in table {
            let bench = Bench::with(&[("/root/keys", before)]);
            let text = format!("{{user: root, path: /root/keys, manage_dir: false, {params}}}");
            assert_eq!(bench.settle("authorized_key", &text).1, usize::from(before != after), "{params}");
            assert_eq!(bench.read("/root/keys"), after, "{params}");
        }
    }

    #[test]
    fn directories_and_refusals() {
        let bench = Bench::with(&[]);
        assert_eq!(bench.settle("ansible.posix.authorized_key", "{user: root, key: ssh-rsa AAAA}").1, 2);
        let mode = |path: &str| bench.0.lstat(std::path::Path::new(path)).unwrap().unwrap().mode;
        assert_eq!((mode("/root/.ssh"), mode("/root/.ssh/authorized_keys")), (0o700, 0o600));
        assert!(bench.fails("authorized_key", "{user: none, key: ssh-rsa AAAA}").contains("no user"));
        assert!(bench.fails("authorized_key", "{user: root, key: AAAA}").contains("is no key"));
        assert!(
            bench
                .fails("authorized_key", "{user: root, key: 'ssh-rsa A', comment: \"a\\nssh-rsa B\"}")
                .contains("one line")
        );
        assert!(bench.fails("authorized_key", "{user: root, key: '', exclusive: true}").contains("no key"));
    }
}
