//! Records what a state changed, the same way for a real run and a dry one: before and after are read through the
//! machine itself, around each write. "Changed" means that something was recorded; nothing else decides it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::difference::{self, Difference, Side};
use super::{
    Algorithm, Attrs, Command, Content, Effect, Fault, FaultKind, Fetch, Fetched, FileKind, FileTime, Group,
    GroupChange, HttpAnswer, HttpRequest, Inspect, Key, Machine, Output, Result, Stat, Transaction, TransactionReport,
    UnitAction, User, UserChange, Written,
};

/// Files larger than this are not diffed.
const MAX_DIFF: u64 = 1024 * 1024;

/// One change of one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of thing: `file`, `directory`, `link`, `package`, `service`, `user`, `group`, `command`, …
    pub kind: String,
    /// Which one.
    pub subject: String,
    /// What happens to it.
    pub action: Action,
    /// Properties: name, before, after. An empty text stands for nothing.
    pub properties: Vec<(String, String, String)>,
    /// Unified diff of text content.
    pub diff: Option<String>,
}

/// What happens to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Add,
    /// It is made different.
    Modify,
    /// It is taken away.
    Remove,
    /// A service is started, stopped, restarted, …; a program is run.
    Run,
}

/// A machine that records what is changed through it.
pub struct Tracked<'a> {
    machine: Arc<dyn Machine>,
    changes: Mutex<Vec<Change>>,
    secret: bool,
    first: Mutex<Option<FirstChange<'a>>>,
    deadline: Option<Instant>,
    open_files: Option<u64>,
    differences: Option<Mutex<Vec<Difference>>>,
    /// A dry run has not run a program that may do anything.
    left_out: AtomicBool,
}

/// What is done before the first change, until it succeeds.
pub type FirstChange<'a> = Box<dyn FnMut() -> Result<()> + Send + 'a>;

impl<'a> Tracked<'a> {
    /// Records the changes of one state. With `secret`, no content is recorded.
    pub fn new(machine: Arc<dyn Machine>, secret: bool) -> Self {
        Self {
            machine,
            changes: Mutex::default(),
            secret,
            first: Mutex::default(),
            deadline: None,
            open_files: None,
            differences: None,
            left_out: AtomicBool::new(false),
        }
    }

    /// Has something done before the first change is made; as long as that fails, no change is made.
    #[must_use]
    pub fn before_first_change(self, work: FirstChange<'a>) -> Self {
        Self { first: Mutex::new(Some(work)), ..self }
    }

    /// Keeps how paths differ in full where somebody wants to see it.
    #[must_use]
    pub fn keeping(self, wanted: bool) -> Self {
        Self { differences: wanted.then(Mutex::default), ..self }
    }

    /// How paths differ, where that was kept.
    pub fn differences(&self) -> Option<Vec<Difference>> {
        let kept = self.differences.as_ref()?;
        Some(kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone())
    }

    /// Ends programs and waiting after this time.
    #[must_use]
    pub fn within(self, limit: Option<Duration>) -> Self {
        Self { deadline: limit.map(|limit| Instant::now() + limit), ..self }
    }

    /// Gives programs no more than so many open files.
    #[must_use]
    pub fn with_open_files(self, open_files: Option<u64>) -> Self {
        Self { open_files, ..self }
    }

    /// The time that is left; an error where there is none.
    fn left(&self) -> Result<Option<Duration>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Fault { kind: FaultKind::Timeout, ..Fault::new("go on", "the task took too long") });
        }
        Ok(Some(left))
    }

    /// The command, with no more time than is left and no more open files than the task has.
    fn limited(&self, command: &Command) -> Result<Command> {
        let left = self.left()?;
        let timeout = [command.timeout, left].into_iter().flatten().min();
        Ok(Command { timeout, open_files: self.open_files, ..command.clone() })
    }

    /// Says whether a change was made or begun.
    pub fn touched(&self) -> bool {
        !self.lock().is_empty()
    }

    fn begin(&self) -> Result<()> {
        let mut first = self.first.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(work) = first.as_mut() {
            work()?;
            *first = None;
        }
        Ok(())
    }

    /// Says whether a program was not run, in a dry run, that may do anything.
    pub fn left_something_out(&self) -> bool {
        self.left_out.load(Ordering::Relaxed)
    }

    /// What was changed so far.
    pub fn changes(&self) -> Vec<Change> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds a change; a second one to the same thing joins the first.
    fn push(&self, change: Change) {
        let mut changes = self.lock();
        let same = changes
            .iter_mut()
            .find(|c| c.kind == change.kind && c.subject == change.subject && c.action != Action::Run);
        match same {
            Some(first) if change.action == Action::Modify => {
                for (name, before, after) in change.properties {
                    match first.properties.iter_mut().find(|(n, ..)| *n == name) {
                        Some(property) => property.2 = after,
                        None => first.properties.push((name, before, after)),
                    }
                }
                first.diff = change.diff.or(first.diff.take());
            }
            _ => changes.push(change),
        }
    }

    fn run_change(&self, kind: &str, subject: &str, action: &str) {
        let properties = vec![("action".to_owned(), String::new(), action.to_owned())];
        self.push(Change { kind: kind.into(), subject: subject.into(), action: Action::Run, properties, diff: None });
    }

    /// Makes a change and records how the path differs after it.
    fn around(&self, path: &Path, secret: bool, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.begin()?;
        let before = Image::of(&*self.machine, path, self.secret || secret);
        work()?;
        let after = Image::of(&*self.machine, path, self.secret || secret);
        if let Some(kept) = &self.differences {
            let path = path.to_string_lossy().into_owned();
            let new = Difference { path, before: before.side(), after: after.side() };
            difference::join(&mut kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner()), new);
        }
        if let Some(change) = Image::difference(path, &before, &after, &*self.machine) {
            self.push(change);
        }
        Ok(())
    }
}

/// How a path looks at one moment.
struct Image {
    stat: Option<Stat>,
    text: Text,
    target: Option<PathBuf>,
}

enum Text {
    Known(String),
    Binary(String),
    Hidden(String),
    None,
}

impl Image {
    fn of(machine: &dyn Machine, path: &Path, secret: bool) -> Self {
        let stat = machine.lstat(path).ok().flatten();
        let target = stat.as_ref().filter(|s| s.kind == FileKind::Link).and_then(|_| machine.read_link(path).ok());
        let text = match &stat {
            Some(stat) if stat.kind == FileKind::File => Self::text(machine, path, stat, secret),
            _ => Text::None,
        };
        Self { stat, text, target }
    }

    fn side(&self) -> Side {
        let text = match &self.text {
            Text::Known(text) => Some(text.clone()),
            Text::None => Some(String::new()),
            Text::Binary(_) | Text::Hidden(_) => None,
        };
        let stat = self.stat.as_ref();
        Side { text, mode: stat.map(|s| s.mode), uid: stat.map(|s| s.uid), gid: stat.map(|s| s.gid) }
    }

    fn text(machine: &dyn Machine, path: &Path, stat: &Stat, secret: bool) -> Text {
        if secret || stat.size > MAX_DIFF {
            return Text::Hidden(machine.digest(path, Algorithm::Sha256).unwrap_or_default());
        }
        match machine.read(path, MAX_DIFF).map(String::from_utf8) {
            Ok(Ok(text)) if !text.contains('\0') => Text::Known(text),
            Ok(Ok(text)) => Text::Binary(Algorithm::Sha256.of(text.as_bytes())),
            Ok(Err(error)) => Text::Binary(Algorithm::Sha256.of(error.as_bytes())),
            Err(_) => Text::Hidden(String::new()),
        }
    }

    fn difference(path: &Path, before: &Self, after: &Self, machine: &dyn Machine) -> Option<Change> {
        let action = match (&before.stat, &after.stat) {
            (None, None) => return None,
            (None, Some(_)) => Action::Add,
            (Some(_), None) => Action::Remove,
            (Some(_), Some(_)) => Action::Modify,
        };
        let shown = after.stat.as_ref().or(before.stat.as_ref())?;
        let kind = match shown.kind {
            FileKind::Dir => "directory",
            FileKind::Link => "link",
            _ => "file",
        };
        let properties = before.properties(after, action, machine);
        let diff = before.diff(after, path);
        if action == Action::Modify && properties.is_empty() && diff.is_none() {
            return None;
        }
        Some(Change { kind: kind.into(), subject: path.to_string_lossy().into_owned(), action, properties, diff })
    }

    fn properties(&self, after: &Self, action: Action, machine: &dyn Machine) -> Vec<(String, String, String)> {
        let name = |stat: &Stat| {
            let user = machine.user(&Key::Id(stat.uid)).ok().flatten();
            user.map_or_else(|| stat.uid.to_string(), |u| u.name)
        };
        let group = |stat: &Stat| {
            let group = machine.group(&Key::Id(stat.gid)).ok().flatten();
            group.map_or_else(|| stat.gid.to_string(), |g| g.name)
        };
        let mode = |stat: &Stat| format!("{:04o}", stat.mode);
        let side = |stat: &Option<Stat>, show: &dyn Fn(&Stat) -> String| stat.as_ref().map(show).unwrap_or_default();
        let mut found = Vec::new();
        let mut add = |label: &str, before: String, after: String| {
            if before != after && action != Action::Remove {
                found.push((label.to_owned(), before, after));
            }
        };
        let is_link = after.stat.as_ref().is_some_and(|s| s.kind == FileKind::Link);
        let same_kind = self.stat.as_ref().map(|s| s.kind) == after.stat.as_ref().map(|s| s.kind);
        if !same_kind && self.stat.is_some() {
            add(
                "kind",
                side(&self.stat, &|s| format!("{:?}", s.kind)),
                side(&after.stat, &|s| format!("{:?}", s.kind)),
            );
        }
        if !is_link {
            add("mode", side(&self.stat, &mode), side(&after.stat, &mode));
        }
        add("owner", side(&self.stat, &name), side(&after.stat, &name));
        add("group", side(&self.stat, &group), side(&after.stat, &group));
        let target = |t: &Option<PathBuf>| t.as_ref().map(|t| t.to_string_lossy().into_owned()).unwrap_or_default();
        add("target", target(&self.target), target(&after.target));
        if let (Text::Hidden(a) | Text::Binary(a), Text::Hidden(b) | Text::Binary(b)) = (&self.text, &after.text) {
            let short = |digest: &String| digest.chars().take(12).collect::<String>();
            add("content", short(a), short(b));
        }
        found
    }

    fn diff(&self, after: &Self, path: &Path) -> Option<String> {
        let text = |text: &Text| match text {
            Text::Known(text) => Some(text.clone()),
            Text::None => Some(String::new()),
            Text::Binary(_) | Text::Hidden(_) => None,
        };
        let (before, after) = (text(&self.text)?, text(&after.text)?);
        if before == after {
            return None;
        }
        Some(super::diff::unified(&path.to_string_lossy(), &before, &after))
    }
}

impl Inspect for Tracked<'_> {
    super::hand_on!(machine);

    fn probe(&self, command: &Command) -> Result<Output> {
        self.machine.probe(&self.limited(command)?)
    }

    fn pause(&self, time: Duration) -> Result<bool> {
        match self.left()? {
            Some(left) if left < time => {
                self.machine.pause(left)?;
                self.left().map(|_| true)
            }
            _ => self.machine.pause(time),
        }
    }
}

impl Machine for Tracked<'_> {
    fn write(&self, path: &Path, content: &Content, attrs: &Attrs, how: &Written) -> Result<()> {
        self.around(path, how.secret, || self.machine.write(path, content, attrs, how))
    }

    fn poke(&self, path: &Path, text: &str) -> Result<()> {
        self.around(path, false, || self.machine.poke(path, text))
    }

    fn make_dir(&self, path: &Path, attrs: &Attrs) -> Result<()> {
        self.around(path, false, || self.machine.make_dir(path, attrs))
    }

    fn symlink(&self, target: &Path, link: &Path) -> Result<()> {
        self.around(link, false, || self.machine.symlink(target, link))
    }

    fn hard_link(&self, target: &Path, link: &Path) -> Result<()> {
        self.begin()?;
        self.machine.hard_link(target, link)?;
        let properties = vec![("target".to_owned(), String::new(), target.to_string_lossy().into_owned())];
        let subject = link.to_string_lossy().into_owned();
        self.push(Change { kind: "hard link".into(), subject, action: Action::Add, properties, diff: None });
        Ok(())
    }

    fn set_attrs(&self, path: &Path, attrs: &Attrs) -> Result<()> {
        self.around(path, false, || self.machine.set_attrs(path, attrs))
    }

    fn set_times(&self, path: &Path, accessed: Option<FileTime>, modified: Option<FileTime>) -> Result<()> {
        self.begin()?;
        self.machine.set_times(path, accessed, modified)?;
        let subject = path.to_string_lossy().into_owned();
        let properties = vec![("times".to_owned(), String::new(), "set".to_owned())];
        self.push(Change { kind: "file".into(), subject, action: Action::Modify, properties, diff: None });
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.around(path, false, || self.machine.remove(path))
    }

    fn packages(&self, transaction: &Transaction) -> Result<TransactionReport> {
        self.begin()?;
        let report = self.machine.packages(transaction)?;
        let asked = |name: &str| transaction.requests.iter().any(|r| r.name.split([':', '=']).next() == Some(name));
        let (wanted, needed): (Vec<_>, Vec<_>) = report.changes.iter().partition(|(name, ..)| asked(name));
        let more = needed.len();
        for (i, (name, before, after)) in wanted.into_iter().chain(needed).enumerate() {
            let action = match (before, after) {
                (None, _) => Action::Add,
                (_, None) => Action::Remove,
                _ => Action::Modify,
            };
            let text = |version: &Option<String>| version.clone().unwrap_or_default();
            let mut properties = vec![("version".to_owned(), text(before), text(after))];
            if i == 0 && more > 0 && asked(name) {
                properties.push(("needs".to_owned(), String::new(), format!("{more} more")));
            }
            self.push(Change { kind: "package".into(), subject: name.clone(), action, properties, diff: None });
        }
        Ok(report)
    }

    fn unit_action(&self, name: &str, action: UnitAction) -> Result<()> {
        self.begin()?;
        self.machine.unit_action(name, action)?;
        // Reading definitions again changes no service; as in Ansible it is not a change.
        if matches!(action, UnitAction::DaemonReload | UnitAction::DaemonReexec) {
            return Ok(());
        }
        self.run_change("service", name, action.verb().trim_end_matches("-or-restart"));
        Ok(())
    }

    fn put_user(&self, change: &UserChange) -> Result<()> {
        let key = Key::Name(change.name.clone());
        let before = self.machine.user(&key)?;
        self.begin()?;
        self.machine.put_user(change)?;
        let after = self.machine.user(&key)?;
        let properties = user_properties(before.as_ref(), after.as_ref());
        let action = if before.is_some() { Action::Modify } else { Action::Add };
        self.push(Change { kind: "user".into(), subject: change.name.clone(), action, properties, diff: None });
        Ok(())
    }

    fn remove_user(&self, name: &str, files: bool, force: bool) -> Result<()> {
        self.begin()?;
        self.machine.remove_user(name, files, force)?;
        self.push(removed("user", name));
        Ok(())
    }

    fn put_group(&self, change: &GroupChange) -> Result<()> {
        let key = Key::Name(change.name.clone());
        let before = self.machine.group(&key)?;
        self.begin()?;
        self.machine.put_group(change)?;
        let after = self.machine.group(&key)?;
        let gid = |group: &Option<Group>| group.as_ref().map(|g| g.gid.to_string()).unwrap_or_default();
        let properties = vec![("gid".to_owned(), gid(&before), gid(&after))];
        let action = if before.is_some() { Action::Modify } else { Action::Add };
        self.push(Change { kind: "group".into(), subject: change.name.clone(), action, properties, diff: None });
        Ok(())
    }

    fn remove_group(&self, name: &str, force: bool) -> Result<()> {
        self.begin()?;
        self.machine.remove_group(name, force)?;
        self.push(removed("group", name));
        Ok(())
    }

    fn fetch(&self, fetch: &Fetch, path: &Path, attrs: &Attrs, how: &Written) -> Result<Fetched> {
        let mut fetched = Fetched::default();
        self.around(path, how.secret, || {
            fetched = self.machine.fetch(fetch, path, attrs, how)?;
            Ok(())
        })?;
        Ok(fetched)
    }

    fn request(&self, request: &HttpRequest, limit: u64) -> Result<Option<HttpAnswer>> {
        // As with a program: only the task can say what it changed there.
        self.begin()?;
        self.machine.request(request, limit)
    }

    fn run(&self, command: &Command) -> Result<Output> {
        // Whether a program changed anything, only its task can say; so nothing is recorded here.
        let command = self.limited(command)?;
        self.begin()?;
        let output = self.machine.run(&command)?;
        if output == Output::Unknown && matches!(command.effect, Effect::Anything(_)) {
            self.left_out.store(true, Ordering::Relaxed);
        }
        Ok(output)
    }
}

fn removed(kind: &str, name: &str) -> Change {
    Change { kind: kind.into(), subject: name.into(), action: Action::Remove, properties: Vec::new(), diff: None }
}

/// The password hash is compared, never shown.
fn user_properties(before: Option<&User>, after: Option<&User>) -> Vec<(String, String, String)> {
    type Show = fn(&User) -> String;
    let table: [(&str, Show); 6] = [
        ("uid", |u| u.uid.to_string()),
        ("gid", |u| u.gid.to_string()),
        ("groups", |u| u.groups.join(",")),
        ("comment", |u| u.comment.clone()),
        ("home", |u| u.home.clone()),
        ("shell", |u| u.shell.clone()),
    ];
    let mut found = Vec::new();
    for (label, show) in table {
        let (old, new) = (before.map(show).unwrap_or_default(), after.map(show).unwrap_or_default());
        if old != new {
            found.push((label.to_owned(), old, new));
        }
    }
    let password = |user: Option<&User>| user.and_then(|u| u.password.clone());
    if before.is_some() && password(before) != password(after) {
        found.push(("password".to_owned(), "(hidden)".to_owned(), "(hidden, changed)".to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{Blank, Preview};
    use super::*;

    #[test]
    fn writes_to_a_preview_are_seen_and_recorded() {
        let tracked = Tracked::new(Arc::new(Preview::new(Arc::new(Blank))), false);
        let path = Path::new("/etc/motd");
        let attrs = Attrs { mode: Some(0o600), ..Attrs::default() };
        tracked.write(path, &Content::bytes(*b"hello\n"), &attrs, &Written::default()).unwrap();
        tracked.write(path, &Content::bytes(*b"hello\nyou\n"), &Attrs::default(), &Written::default()).unwrap();
        assert_eq!(tracked.read(path, 100).unwrap(), b"hello\nyou\n");
        let changes = tracked.changes();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].action, Action::Add);
        assert!(changes[0].diff.as_ref().unwrap().contains("+you"));
        assert_eq!(tracked.lstat(path).unwrap().unwrap().mode, 0o600);
        assert!(tracked.write(Path::new("/nowhere/x"), &Content::bytes(*b""), &attrs, &Written::default()).is_err());
    }

    #[test]
    fn the_same_content_again_is_no_change() {
        let machine: Arc<dyn Machine> = Arc::new(Preview::new(Arc::new(Blank)));
        let write = |tracked: &Tracked| {
            tracked.write(Path::new("/etc/a"), &Content::bytes(*b"x"), &Attrs::default(), &Written::default()).unwrap();
        };
        write(&Tracked::new(machine.clone(), false));
        let again = Tracked::new(machine, false);
        write(&again);
        assert_eq!(again.changes(), []);
    }
}
