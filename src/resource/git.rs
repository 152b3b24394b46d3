//! `git`: a checkout of a repository.
//!
//! What is there is looked at with commands that only read, what the server has with `git ls-remote`; so a plan knows
//! whether there is something to do, and mostly to which commit.

use std::path::{Path, PathBuf};

use super::git_remote::{Remote, Target};
use super::params::params;
use super::paths::Place;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource, edit};
use crate::machine::{Attrs, Command, Effect, FileKind, Inspect, Machine, Output, Stdio};
use crate::value::{Map, Value};

/// Sets the mask for new files and becomes the program; the words come behind, as they are.
const WITH_UMASK: &str = "umask \"$1\" && shift && exec \"$@\"";

params! {
    /// Keeps a checkout of a git repository.
    ///
    /// Host keys that are not known are refused, unless `accept_hostkey` or `accept_newhostkey` takes them in; one that has
    /// changed is always refused. git never asks for a password.
    ///
    /// # Example
    /// ```yaml
    /// - git: { repo: "https://example.com/app.git", dest: /srv/app, version: v1.2.0 }
    /// ```
    pub struct Git {
        /// Where from: `https://…`, `ssh://…`, `user@host:path`, or a path on the target.
        repo: String, required, alias "name";
        /// The directory.
        dest: Place, required;
        /// The branch, tag or commit; `HEAD` is the server's own branch.
        version: String = "HEAD";
        /// What the server is called in the checkout.
        remote: String = "origin";
        /// What to fetch besides branches and tags, such as `refs/pull/7/head`.
        refspec: Option<String>;
        /// Throw local changes away.
        force: bool = false;
        /// How many commits of the history to fetch; all of them without it.
        depth: Option<i64>;
        /// Make the checkout where it is not there.
        clone: bool = true;
        /// Fetch what is new. Without it, a checkout that is there stays as it is.
        update: bool = true;
        /// A repository without files.
        bare: bool = false;
        /// Fetch only the branch that is asked for.
        single_branch: bool = false;
        /// Check submodules out too.
        recursive: bool = true;
        /// Take in the key of a host that has none yet. As `accept_newhostkey`: cfg takes no changed key.
        accept_hostkey: bool = false;
        /// Take in the key of a host that has none yet.
        accept_newhostkey: bool = false;
        /// The private key to log in with.
        key_file: Option<String>;
        /// More options for ssh, in words without quotes.
        ssh_opts: Option<String>;
        /// The git to run.
        executable: String = "git";
        /// The mask for new files, octal in quotes.
        umask: Option<String>;
    }
}

impl Git {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where something would be an option to git, or more than a word to ssh.
    pub fn check(&self) -> Result<(), ParamError> {
        let words = [
            ("repo", Some(&self.repo)),
            ("version", Some(&self.version)),
            ("remote", Some(&self.remote)),
            ("refspec", self.refspec.as_ref()),
            ("executable", Some(&self.executable)),
            ("key_file", self.key_file.as_ref()),
        ];
        for (param, text) in words.into_iter().filter_map(|(param, text)| text.map(|text| (param, text))) {
            if text.is_empty() || text.starts_with('-') || text.contains(char::is_control) {
                return Err(ParamError::bad(
                    param,
                    format!("`{text}` would be read as an option, or is no word at all"),
                ));
            }
        }
        if !is_repository(&self.repo) {
            return Err(ParamError::bad(
                "repo",
                "expected https://…, http://…, ssh://…, git://…, file://…, host:path or an absolute path",
            ));
        }
        if self.remote.contains(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))) {
            return Err(ParamError::bad("remote", "expected a name"));
        }
        if self.depth.is_some_and(|depth| depth < 1) {
            return Err(ParamError::bad("depth", "expected 1 or more"));
        }
        if self.umask.as_ref().is_some_and(|mask| u32::from_str_radix(mask, 8).map_or(true, |bits| bits > 0o777)) {
            return Err(ParamError::bad("umask", "expected an octal mask in quotes, such as \"0022\""));
        }
        // git hands these to a shell.
        for (param, text) in [("key_file", &self.key_file), ("ssh_opts", &self.ssh_opts)] {
            let plain =
                |c: char| c.is_ascii_alphanumeric() || "_./=:@%+,-".contains(c) || (c == ' ' && param == "ssh_opts");
            if text.as_ref().is_some_and(|text| !text.chars().all(plain)) {
                return Err(ParamError::bad(param, "cfg takes letters, digits and _./=:@%+,- here"));
            }
        }
        Ok(())
    }

    /// The repository as git is told it. A path is a URL, so that `depth` works with it.
    fn url(&self) -> String {
        if self.repo.starts_with('/') { format!("file://{}", self.repo) } else { self.repo.clone() }
    }

    fn command(&self, words: &[&str], dir: Option<&Path>, context: &Context) -> Command {
        let mut argv: Vec<String> = Vec::new();
        if let Some(mask) = &self.umask {
            argv.extend(["sh", "-c", WITH_UMASK, "sh", mask].map(str::to_owned));
        }
        argv.push(self.executable.clone());
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        let mut command = Command { chdir: dir.map(Path::to_path_buf), ..Command::new(argv) };
        command.env = vec![("GIT_TERMINAL_PROMPT".into(), "0".into())];
        command.env.extend(self.ssh().map(|ssh| ("GIT_SSH_COMMAND".to_owned(), ssh)));
        command.env.extend(context.environment.iter().cloned());
        command
    }

    fn ssh(&self) -> Option<String> {
        let mut words = vec!["ssh".to_owned(), "-o BatchMode=yes".to_owned()];
        if self.accept_hostkey || self.accept_newhostkey {
            words.push("-o StrictHostKeyChecking=accept-new".into());
        }
        if let Some(key) = &self.key_file {
            words.push(format!("-i {key} -o IdentitiesOnly=yes"));
        }
        words.extend(self.ssh_opts.clone());
        (words.len() > 2).then(|| words.join(" "))
    }

    fn look(
        &self,
        machine: &dyn Inspect,
        context: &Context,
        words: &[&str],
        dir: Option<&Path>,
    ) -> Result<Stdio, Failure> {
        match machine.probe(&self.command(words, dir, context))? {
            Output::Known(stdio) => Ok(stdio),
            Output::Unknown => Ok(Stdio::default()),
        }
    }

    /// Runs a command that changes something. `None`: this is a dry run.
    fn run(
        &self,
        machine: &dyn Machine,
        context: &Context,
        words: &[&str],
        dir: Option<&Path>,
    ) -> Result<Option<Stdio>, Failure> {
        match machine.run(&self.command(words, dir, context))? {
            Output::Unknown => Ok(None),
            Output::Known(stdio) if stdio.ok() => Ok(Some(stdio)),
            Output::Known(stdio) => Err(failed(words, &stdio)),
        }
    }

    /// Says whether there is a repository of ours at the destination.
    fn is_there(&self, machine: &dyn Inspect, dest: &Path) -> Result<bool, Failure> {
        let mark = if self.bare { dest.join("HEAD") } else { dest.join(".git") };
        if machine.stat(&mark)?.is_some() {
            return Ok(true);
        }
        match machine.stat(dest)? {
            Some(stat) if stat.kind != FileKind::Dir => {
                Err(Failure::new(format!("{} is there and is not a directory", dest.display())))
            }
            Some(_) if !machine.list(dest)?.is_empty() => {
                Err(Failure::new(format!("{} is there, is no git repository and is not empty", dest.display())))
            }
            _ => Ok(false),
        }
    }

    fn head(&self, machine: &dyn Inspect, context: &Context, dest: &Path) -> Result<Option<String>, Failure> {
        let stdio = self.look(machine, context, &["rev-parse", "--verify", "--quiet", "HEAD"], Some(dest))?;
        let text = stdio.out().trim().to_owned();
        Ok((stdio.ok() && !text.is_empty()).then_some(text))
    }

    fn remote(&self, machine: &dyn Inspect, context: &Context) -> Result<Remote, Failure> {
        let words = ["ls-remote", "--symref", "--", &self.url()];
        let stdio = self.look(machine, context, &words, None)?;
        if stdio.ok() { Ok(Remote::read(&stdio.out())) } else { Err(failed(&words, &stdio)) }
    }

    fn clone_it(&self, machine: &dyn Machine, context: &Context, dest: &Path) -> Result<Outcome, Failure> {
        let none = ("before", Value::Null);
        if !self.clone {
            let target = self.remote(machine, context)?.target(&self.version);
            let after = target.commit().map_or(Value::Unknown, Value::str);
            return Ok(Outcome::of([none, ("after", after)]).changed(true));
        }
        let shown = dest.to_string_lossy().into_owned();
        let (url, depth) = (self.url(), self.depth.map(|depth| format!("--depth={depth}")));
        let origin = format!("--origin={}", self.remote);
        let branch = format!("--branch={}", self.version);
        // What may be a commit, or comes with the refspec, is looked for after the clone.
        let late = self.refspec.is_some() || may_be_commit(&self.version);
        let named = self.version != "HEAD" && !late;
        let mut words = vec!["clone"];
        words.extend([self.bare.then_some("--bare"), (!self.bare).then_some(&origin)].into_iter().flatten());
        words.extend(depth.as_deref().filter(|_| !late));
        words.extend(self.single_branch.then_some("--single-branch"));
        words.extend(named.then_some(branch.as_str()));
        words.extend(["--", &url, &shown]);
        edit::make_parents(machine, dest)?;
        if machine.stat(dest)?.is_none() {
            // Known to a plan, for the states after it.
            machine.make_dir(dest, &Attrs::default())?;
        }
        let effect = Effect::Fills(dest.to_path_buf());
        let command = Command { effect, ..self.command(&words, None, context) };
        match machine.run(&command)? {
            Output::Known(stdio) if !stdio.ok() => return Err(failed(&words, &stdio)),
            Output::Known(_) => {}
            Output::Unknown => return Ok(Outcome::of([none, ("after", Value::Unknown)]).changed(true)),
        }
        if late && !self.bare {
            self.fetch(machine, context, dest)?;
            self.run(machine, context, &["checkout", "--force", &self.version, "--"], Some(dest))?;
        }
        self.submodules(machine, context, dest)?;
        let after = self.head(machine, context, dest).ok().flatten();
        Ok(Outcome::of([none, ("after", after.map_or(Value::Unknown, Value::from))]).changed(true))
    }

    fn fetch(&self, machine: &dyn Machine, context: &Context, dest: &Path) -> Result<(), Failure> {
        let depth = self.depth.map(|depth| format!("--depth={depth}"));
        let mut words = vec!["fetch", "--force", "--tags"];
        words.extend(depth.as_deref());
        let specs = format!("+refs/heads/*:refs/remotes/{}/*", self.remote);
        let url = self.url();
        // A bare repository has the branches of the server as its own.
        words.extend(if self.bare { ["--", &url, "+refs/heads/*:refs/heads/*"] } else { ["--", &self.remote, &specs] });
        words.extend(self.refspec.as_deref());
        self.run(machine, context, &words, Some(dest)).map(drop)
    }

    /// Brings a checkout that is there to the version.
    fn bring(&self, machine: &dyn Machine, context: &Context, dest: &Path) -> Result<Outcome, Failure> {
        let before = self.head(machine, context, dest)?;
        let said = before.clone().map_or(Value::Null, Value::from);
        if !self.update {
            return Ok(Outcome::of([("before", said.clone()), ("after", said)]).changed(false));
        }
        let dirty = self.local_changes(machine, context, dest, &said)?;
        let moved = self.set_url(machine, context, dest)?;
        let target = self.remote(machine, context)?.target(&self.version);
        let stands = before.is_some() && before.as_deref() == target.commit();
        if !stands || dirty {
            self.fetch(machine, context, dest)?;
            self.switch(machine, context, dest, &target)?;
        }
        let nested = self.submodules(machine, context, dest)?;
        let after = match target.commit() {
            Some(commit) => Value::str(commit),
            None => self.resolved(machine, context, dest)?,
        };
        let changed = match &after {
            Value::Unknown => Value::Unknown,
            after => Value::Bool(*after != said || dirty || moved || nested),
        };
        let mut result = Map::new();
        result.insert("before".into(), said);
        result.insert("after".into(), after);
        result.insert("remote_url_changed".into(), Value::Bool(moved));
        if dirty {
            let message = format!("Local modifications exist in the destination: {}", dest.display());
            result.insert("msg".into(), Value::from(message));
        }
        Ok(Outcome { result, ..Outcome::default() }.changed(changed))
    }

    /// The commit of a version only the fetch has brought. In a dry run it was not fetched: unknown, unless it was there.
    fn resolved(&self, machine: &dyn Inspect, context: &Context, dest: &Path) -> Result<Value, Failure> {
        let name = format!("{}^{{commit}}", self.version);
        let stdio = self.look(machine, context, &["rev-parse", "--verify", "--quiet", &name], Some(dest))?;
        Ok(if stdio.ok() { Value::str(stdio.out().trim()) } else { Value::Unknown })
    }

    fn local_changes(
        &self,
        machine: &dyn Inspect,
        context: &Context,
        dest: &Path,
        before: &Value,
    ) -> Result<bool, Failure> {
        if self.bare {
            return Ok(false);
        }
        let words = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules"];
        let stdio = self.look(machine, context, &words, Some(dest))?;
        if !stdio.ok() {
            return Err(failed(&words, &stdio));
        }
        if stdio.stdout.is_empty() || self.force {
            return Ok(!stdio.stdout.is_empty());
        }
        let message = format!("Local modifications exist in the destination: {} (force=no).", dest.display());
        let mut failure = Failure::new(message);
        failure.result.insert("before".into(), before.clone());
        failure.help = Some("`force: true` throws them away".into());
        Err(failure)
    }

    /// Has the checkout know the server under the address that is asked for.
    fn set_url(&self, machine: &dyn Machine, context: &Context, dest: &Path) -> Result<bool, Failure> {
        let name = format!("remote.{}.url", self.remote);
        let now = self.look(machine, context, &["config", "--get", &name], Some(dest))?.out().trim().to_owned();
        let wanted = self.url();
        if now == wanted || now == self.repo {
            return Ok(false);
        }
        let verb = if now.is_empty() { "add" } else { "set-url" };
        self.run(machine, context, &["remote", verb, "--", &self.remote, &wanted], Some(dest))?;
        Ok(!now.is_empty())
    }

    fn switch(&self, machine: &dyn Machine, context: &Context, dest: &Path, target: &Target) -> Result<(), Failure> {
        if self.bare {
            return Ok(());
        }
        let words = match target {
            Target::Branch(name, _) => {
                let tracked = format!("refs/remotes/{}/{name}", self.remote);
                ["checkout", "--force", "--track", "-B", name, &tracked, "--"].map(str::to_owned).to_vec()
            }
            Target::Tag(name, _) => {
                ["checkout", "--force", "--detach", &format!("refs/tags/{name}"), "--"].map(str::to_owned).to_vec()
            }
            Target::Commit(name) | Target::Unknown(name) => {
                ["checkout", "--force", "--detach", name, "--"].map(str::to_owned).to_vec()
            }
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.run(machine, context, &words, Some(dest)).map(drop)
    }

    /// Brings submodules to what the checkout names, and says whether there was something to do.
    fn submodules(&self, machine: &dyn Machine, context: &Context, dest: &Path) -> Result<bool, Failure> {
        if !self.recursive || self.bare || machine.stat(&dest.join(".gitmodules"))?.is_none() {
            return Ok(false);
        }
        let stdio = self.look(machine, context, &["submodule", "status", "--recursive"], Some(dest))?;
        if !stdio.out().lines().any(|line| line.starts_with(['-', '+'])) {
            return Ok(false);
        }
        self.run(machine, context, &["submodule", "sync", "--recursive"], Some(dest))?;
        self.run(machine, context, &["submodule", "update", "--init", "--recursive", "--force"], Some(dest))?;
        Ok(true)
    }

    /// A bare repository is as it should be where it has the branches and tags of the server.
    fn mirrors(&self, machine: &dyn Machine, context: &Context, dest: &Path) -> Result<Outcome, Failure> {
        let before = self.head(machine, context, dest)?.map_or(Value::Null, Value::from);
        let remote = self.remote(machine, context)?;
        let local = Remote::read(&self.look(machine, context, &["show-ref"], Some(dest))?.out().replace(' ', "\t"));
        let same = !self.update || remote.refs_are_in(&local);
        if !same {
            self.fetch(machine, context, dest)?;
        }
        let after = remote.target("HEAD").commit().map_or(before.clone(), Value::str);
        Ok(Outcome::of([("before", before), ("after", after)]).changed(!same))
    }
}

/// Schemes git reads itself, a host with a path, or a path. Helpers (`ext::…`) could run anything.
fn is_repository(text: &str) -> bool {
    if text.contains("::") {
        return false;
    }
    let schemes = ["https://", "http://", "ssh://", "git://", "file://", "git+ssh://"];
    match text.split_once("://") {
        // A host that is an option to ssh was a hole in git once.
        Some((_, rest)) => schemes.iter().any(|scheme| text.starts_with(scheme)) && !rest.starts_with('-'),
        None => {
            text.starts_with('/')
                || text.split_once(':').is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'))
        }
    }
}

fn may_be_commit(version: &str) -> bool {
    (7..=64).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_hexdigit())
}

fn failed(words: &[&str], stdio: &Stdio) -> Failure {
    let verb = words.first().copied().unwrap_or_default();
    let mut failure = Failure::new(format!("git {verb}: {}", stdio.tail()));
    failure.result.insert("rc".into(), Value::from(stdio.status));
    failure.result.insert("stdout".into(), Value::from(stdio.out()));
    failure.result.insert("stderr".into(), Value::from(stdio.err()));
    failure
}

impl Resource for Git {
    fn footprint(&self) -> Footprint {
        // Keys, configuration and the repository may be anywhere on the machine.
        Footprint::observer().write(Claim::Tree(PathBuf::from(&*self.dest)))
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let dest = PathBuf::from(&*self.dest);
        match (self.is_there(machine, &dest)?, self.bare) {
            (false, _) => self.clone_it(machine, context, &dest),
            (true, true) => self.mirrors(machine, context, &dest),
            (true, false) => self.bring(machine, context, &dest),
        }
    }
}

#[cfg(test)]
#[path = "git_tests.rs"]
mod tests;
