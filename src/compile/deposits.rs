//! Where on the controller the files go that `fetch` brings.
//!
//! Invariant: a path is made here, of what the playbook and the inventory say, before the host is asked for the file. The
//! host only ever hears a token that stands for it. What a host has said itself (facts, results) can name a directory
//! below one that is written down, and never leads out of it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::Stop;
use super::content::with_arg;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{CheckMode, Iteration};
use crate::parse::Task;
use crate::source::expanded;
use crate::template::{Term, TermScope};
use crate::value::Value;
use crate::variables::LayerKind;

/// A file a host may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// The host.
    pub host: Arc<str>,
    /// The directory the playbook names. Links on the way to it are followed.
    pub root: PathBuf,
    /// The way from there to the file, name by name. Links are not followed.
    pub below: Vec<String>,
    /// It is written in a plan too (`check_mode: false`).
    pub really: bool,
}

impl Deposit {
    /// The path of the file.
    pub fn path(&self) -> PathBuf {
        self.below.iter().fold(self.root.clone(), |path, name| path.join(name))
    }
}

/// The files hosts may send, by token.
#[derive(Default)]
pub struct Deposits {
    known: Mutex<HashMap<String, Deposit>>,
    /// Nobody can guess a token without it.
    key: RandomState,
}

impl Deposits {
    /// Adds one and gives its token.
    pub fn add(&self, deposit: Deposit) -> String {
        let hash = |n: u8| self.key.hash_one((n, &deposit.host, &deposit.root, &deposit.below, deposit.really));
        let token = format!("{:016x}{:016x}", hash(0), hash(1));
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(token.clone(), deposit);
        token
    }

    /// What a token stands for, where it was given to this host.
    pub fn find(&self, token: &str, host: &str) -> Option<Deposit> {
        let known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get(token).filter(|deposit| deposit.host.as_ref() == host).cloned()
    }
}

impl HostCompiler<'_> {
    /// Gives a `fetch` its token.
    pub(super) fn deposit(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        iteration: Iteration,
        certain: bool,
    ) -> Result<Iteration, Stop> {
        let get = |name: &str| text_of(&iteration.args, name).filter(|value| !value.has_unknown());
        let (Some(src), Some(dest)) = (get("src"), get("dest")) else {
            // What is missing, the parser says; what is known late, the task.
            return Ok(iteration);
        };
        let node = task.args.get("dest");
        let written = node.and_then(|node| node.text()).unwrap_or_default().to_owned();
        let term = node.map(|node| self.term(node));
        let fixed = if term.is_some_and(|term| self.is_our_own(&term, frame, &dest)) {
            None
        } else {
            Some(fixed_part(&written))
        };
        let text = |path: &str| expanded(path).to_string_lossy().into_owned();
        let fixed = fixed.map(text);
        let flat = get("flat").is_some_and(|flat| crate::apply_truth(&flat));
        let base = std::path::absolute(self.project.cwd.join(&self.play.dir)).unwrap_or_else(|_| self.play.dir.clone());
        let wish = Wish {
            src: &src.to_string(),
            dest: &text(&dest.to_string()),
            fixed: fixed.as_deref(),
            flat,
            host: &self.host,
            base: &base,
        };
        let (root, below) = match wish.place() {
            Ok(place) => place,
            Err(_) if !certain => return Ok(iteration),
            Err(wrong) => {
                let span = task.args.get(wrong.param).map_or(task.module_span, |node| node.span);
                let report = Diagnostic::error(Code::Unsupported, wrong.message).at(span, "");
                self.mistake(report.help_opt(wrong.help.map(str::to_owned)));
                return Err(Stop::Mistakes);
            }
        };
        let really = match &iteration.execution {
            Some(execution) => execution.check_mode == CheckMode::Off,
            None => self.flag(frame, &task.keywords, crate::parse::Keyword::CheckMode) == Some(false),
        };
        let deposit = Deposit { host: self.host.clone(), root, below, really };
        let shown = Value::str(deposit.path().to_string_lossy());
        let iteration = with_arg(iteration, "_path", shown);
        Ok(with_arg(iteration, "_token", Value::from(self.project.deposits.add(deposit))))
    }

    /// Says whether a value comes from the playbook and the inventory alone: whether it is the same where nothing is known
    /// of what hosts have said.
    fn is_our_own(&self, term: &Term, frame: &Frame, value: &Value) -> bool {
        let mut names = self.names(frame, Vec::new());
        let unknown = |name: &String| (name.clone(), Value::Unknown);
        names.layers.retain(|layer| layer.kind != LayerKind::Facts);
        names.facts_unknown = true;
        names.runtime = Arc::new(names.runtime.keys().map(unknown).collect::<BTreeMap<_, _>>());
        names.locals = names.locals.iter().map(|(name, _)| unknown(name)).collect();
        let magic = names.magic.clone();
        names.magic = Arc::new(move |name| if name == "hostvars" { Some(Value::Unknown) } else { magic(name) });
        let scope = TermScope::new(self.project.engine.clone(), Arc::new(names));
        scope.evaluate(term).is_ok_and(|own| own == *value)
    }
}

fn text_of(args: &Term, name: &str) -> Option<Value> {
    match args {
        Term::Value(Value::Map(map)) => map.get(name).cloned(),
        Term::Map(entries) => {
            let found = entries.iter().find(|(key, _)| key.as_value().and_then(Value::as_str) == Some(name));
            found.and_then(|(_, term)| term.as_value().cloned())
        }
        _ => None,
    }
}

/// What stands before the first expression.
fn fixed_part(written: &str) -> &str {
    written.split(['{']).next().unwrap_or_default()
}

/// Why there is no place for a file.
#[derive(Debug)]
struct Misplaced {
    param: &'static str,
    message: String,
    help: Option<&'static str>,
}

impl Misplaced {
    fn new(param: &'static str, message: impl Into<String>) -> Self {
        Self { param, message: message.into(), help: None }
    }
}

/// What is asked for, and what is known of where it comes from.
struct Wish<'a> {
    src: &'a str,
    dest: &'a str,
    /// Where a host has a say in `dest`: the start of it that is written in the playbook.
    fixed: Option<&'a str>,
    flat: bool,
    host: &'a str,
    base: &'a Path,
}

impl Wish<'_> {
    /// The directory that is trusted, and the names below it.
    fn place(&self) -> Result<(PathBuf, Vec<String>), Misplaced> {
        // Whose home it is, the host knows: in the path on the controller `~` stays as it is written.
        if !self.src.starts_with(['/', '~']) {
            return Err(Misplaced::new(
                "src",
                "`src` of `fetch` is an absolute path on the target, or starts with `~`",
            ));
        }
        let source = names(self.src, "src")?;
        let last = source.last().cloned().ok_or_else(|| Misplaced::new("src", "`src` names no file"))?;
        let (root, mut below) = self.trusted()?;
        match (self.flat, self.dest.ends_with('/')) {
            (false, _) => {
                let host = names(self.host, "dest")?;
                if host.len() != 1 {
                    let message = format!("the name of the host, `{}`, is no name of a directory", self.host);
                    return Err(Misplaced::new("dest", message));
                }
                below.extend(host);
                below.extend(source);
            }
            (true, true) => below.push(last),
            (true, false) => {}
        }
        if !below.is_empty() {
            return Ok((root, below));
        }
        // A file that is named as a whole: its directory is trusted.
        let name = root.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        match (root.parent(), name) {
            (Some(parent), Some(name)) => Ok((parent.to_path_buf(), vec![name])),
            _ => Err(Misplaced::new("dest", format!("`dest`, {}, names no file", self.dest))),
        }
    }

    fn trusted(&self) -> Result<(PathBuf, Vec<String>), Misplaced> {
        let Some(fixed) = self.fixed else { return Ok((self.base.join(self.dest), Vec::new())) };
        let rest = self.dest.strip_prefix(fixed).filter(|_| !fixed.is_empty()).ok_or_else(|| Misplaced {
            param: "dest",
            message: "`dest` starts with what a host has said, which may lead anywhere on the controller".to_owned(),
            help: Some("start it with a directory that is written down; facts, results and items may come behind that"),
        })?;
        let (dir, start) =
            fixed.rsplit_once('/').map_or(("", fixed), |(dir, start)| (if dir.is_empty() { "/" } else { dir }, start));
        Ok((self.base.join(dir), names(&format!("{start}{rest}"), "dest")?))
    }
}

/// The names of a path, none of which leads anywhere else.
fn names(path: &str, param: &'static str) -> Result<Vec<String>, Misplaced> {
    let mut found = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => found.push(name.to_string_lossy().into_owned()),
            Component::RootDir | Component::CurDir => {}
            _ => {
                let message = format!("`{param}` of `fetch`, {path}, leads out of the directory it belongs to");
                return Err(Misplaced::new(param, message));
            }
        }
    }
    if path.contains('\0') {
        return Err(Misplaced::new(param, format!("`{param}` has a NUL byte in it")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let table = [
            ("/etc/motd", "out", None, false, Ok("/play/out|web/etc/motd")),
            ("/etc/motd", "/abs/", None, false, Ok("/abs/|web/etc/motd")),
            ("/etc/motd", "../out", None, false, Ok("/play/../out|web/etc/motd")),
            ("/etc/motd", "out/", None, true, Ok("/play/out/|motd")),
            ("/etc/motd", "out/m", None, true, Ok("/play/out|m")),
            ("/etc/../../x", "out", None, false, Err("leads out")),
            ("~redis/x", "out", None, false, Ok("/play/out|web/~redis/x")),
            ("~/x", "out/", None, true, Ok("/play/out/|x")),
            ("~/../x", "out", None, false, Err("leads out")),
            ("etc/x", "out", None, false, Err("absolute")),
            ("/", "out", None, false, Err("names no file")),
            ("/etc/x", "out/a.b", Some("out/"), false, Ok("/play/out|a.b/web/etc/x")),
            ("/etc/x", "out/a.b", Some("out/"), true, Ok("/play/out|a.b")),
            ("/etc/x", "out-a", Some("out-"), false, Ok("/play/|out-a/web/etc/x")),
            ("/etc/x", "/o/a", Some("/"), true, Ok("/|o/a")),
            ("/etc/x", "out/../../y", Some("out/"), false, Err("leads out")),
            ("/etc/x", "out/..", Some("out/"), true, Err("leads out")),
            ("/etc/x", "/etc/cron.d/", Some(""), true, Err("may lead anywhere")),
        ];
        for (src, dest, fixed, flat, expected) in table {
            let wish = Wish { src, dest, fixed, flat, host: "web", base: Path::new("/play") };
            match (wish.place(), expected) {
                (Ok((root, below)), Ok(expected)) => {
                    assert_eq!(format!("{}|{}", root.display(), below.join("/")), expected, "{src} {dest}");
                }
                (Err(wrong), Err(expected)) => assert!(wrong.message.contains(expected), "{src} {dest}: {wrong:?}"),
                (found, expected) => panic!("{src} {dest}: {found:?}, not {expected:?}"),
            }
        }
        let wish = Wish { src: "/x", dest: "out", fixed: None, flat: false, host: "../web", base: Path::new("/play") };
        assert!(wish.place().is_err());
    }

    #[test]
    fn tokens_are_for_one_host() {
        let deposits = Deposits::default();
        let deposit = Deposit { host: "a".into(), root: "/r".into(), below: vec!["f".into()], really: false };
        let token = deposits.add(deposit.clone());
        assert_eq!(deposits.add(deposit.clone()), token);
        assert_eq!(deposits.find(&token, "a"), Some(deposit));
        assert_eq!(deposits.find(&token, "b"), None);
        assert_eq!(deposits.find("x", "a"), None);
    }
}
