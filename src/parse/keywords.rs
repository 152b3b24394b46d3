//! The keywords of plays, roles, blocks and tasks: one table, from which parsing, "did you mean" and the editor schema
//! are derived.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, did_you_mean};
use crate::source::Span;
use crate::value::is_variable_name;
use crate::yaml::{Entry, Node};

/// Where a keyword may stand.
pub type Level = u8;

/// The levels, as bits of a [`Level`].
pub mod levels {
    /// A play.
    pub const PLAY: u8 = 1;
    /// An entry of `roles`.
    pub const ROLE: u8 = 2;
    /// A block.
    pub const BLOCK: u8 = 4;
    /// A task.
    pub const TASK: u8 = 8;
    /// Everywhere.
    pub const ALL: u8 = 15;
}
use levels::{ALL, BLOCK, PLAY, ROLE, TASK};

macro_rules! keywords {
    ($($variant:ident = $name:literal, $levels:expr, $doc:literal;)+) => {
        /// A keyword.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Keyword { $(#[doc = $doc] $variant),+ }

        impl Keyword {
            /// Every keyword: its name, where it may stand, what it does.
            pub const ALL: &'static [(Self, &'static str, Level, &'static str)] =
                &[$((Self::$variant, $name, $levels, $doc)),+];
        }
    };
}

keywords! {
    Name = "name", ALL, "What a person calls it.";
    Hosts = "hosts", PLAY, "The hosts of the play: a pattern.";
    Vars = "vars", ALL, "Variables.";
    VarsFiles = "vars_files", PLAY, "Files of variables; of a list the first that exists is taken.";
    VarsPrompt = "vars_prompt", PLAY, "Variables that are asked for.";
    GatherFacts = "gather_facts", PLAY, "Whether facts are those the play would find; cfg always has those of the first answer.";
    GatherSubset = "gather_subset", PLAY, "Which facts; cfg always has all of them.";
    GatherTimeout = "gather_timeout", PLAY, "Seconds facts may take.";
    FactPath = "fact_path", PLAY, "Where local facts are.";
    PreTasks = "pre_tasks", PLAY, "Tasks before the roles.";
    Roles = "roles", PLAY, "Roles.";
    Tasks = "tasks", PLAY, "Tasks.";
    PostTasks = "post_tasks", PLAY, "Tasks after everything else.";
    Handlers = "handlers", PLAY, "Tasks that run when notified.";
    ForceHandlers = "force_handlers", PLAY, "Run notified handlers on hosts that failed too.";
    Serial = "serial", PLAY, "How many hosts at a time: a number, a percentage, or a list of them.";
    Strategy = "strategy", PLAY, "`linear`, `free` or `host_pinned`.";
    MaxFailPercentage = "max_fail_percentage", PLAY, "Stop when more hosts than this failed.";
    Order = "order", PLAY, "The order of hosts; or `explicit`: only requisites and data flow order the states of a host.";
    Become = "become", ALL, "Work with the rights of another user.";
    BecomeUser = "become_user", ALL, "That user; root if not said.";
    BecomeMethod = "become_method", ALL, "`sudo`, `su` or `doas`.";
    BecomeFlags = "become_flags", ALL, "Options for that program.";
    BecomeExe = "become_exe", ALL, "That program.";
    RemoteUser = "remote_user", ALL, "Who logs in.";
    Port = "port", ALL, "The port of sshd.";
    Connection = "connection", ALL, "How hosts are reached: `ssh` or `local`.";
    Environment = "environment", ALL, "Environment of the programs tasks run.";
    Tags = "tags", ALL, "Names to select tasks by.";
    When = "when", ROLE | BLOCK | TASK, "Conditions; all must hold.";
    IgnoreErrors = "ignore_errors", ALL, "Failures do not count.";
    IgnoreUnreachable = "ignore_unreachable", ALL, "A lost host does not count.";
    AnyErrorsFatal = "any_errors_fatal", ALL, "A failure on one host stops all.";
    NoLog = "no_log", ALL, "Nothing of it may be shown.";
    CheckMode = "check_mode", ALL, "`false`: runs in a plan too; `true`: never changes anything.";
    Diff = "diff", ALL, "Whether differences are shown.";
    RunOnce = "run_once", ALL, "Run on the first host only; the result is everybody's.";
    Throttle = "throttle", ALL, "How many hosts run it at once.";
    Timeout = "timeout", ALL, "Seconds it may take.";
    Debugger = "debugger", ALL, "The interactive debugger.";
    ModuleDefaults = "module_defaults", ALL, "Default arguments of modules.";
    Collections = "collections", ALL, "Where short names of modules are looked for; cfg finds its own.";
    Action = "action", TASK, "The module and its arguments, in the old form.";
    LocalAction = "local_action", TASK, "As action, on the controller.";
    Args = "args", TASK, "More arguments.";
    DelegateTo = "delegate_to", ROLE | BLOCK | TASK, "Run it on another host.";
    DelegateFacts = "delegate_facts", ROLE | BLOCK | TASK, "Facts it finds belong to that host.";
    Loop = "loop", TASK | BLOCK, "Do it for each item of a list.";
    LoopControl = "loop_control", TASK | BLOCK, "How the loop names things.";
    Register = "register", TASK, "Keep the result in this variable.";
    Notify = "notify", BLOCK | TASK | ROLE, "Handlers to run if something changed.";
    Listen = "listen", TASK, "Topics a handler is notified by; on a task: states to refresh after.";
    ChangedWhen = "changed_when", TASK, "What counts as changed.";
    FailedWhen = "failed_when", TASK, "What counts as failed.";
    Until = "until", TASK, "Repeat until this holds.";
    Retries = "retries", TASK, "How often it is tried again.";
    Delay = "delay", TASK, "Seconds between tries.";
    Async = "async", TASK, "Seconds it may run in the background.";
    Poll = "poll", TASK, "Seconds between looks at it.";
    Block = "block", BLOCK, "Tasks.";
    Rescue = "rescue", BLOCK, "Tasks to run when one of the block failed.";
    Always = "always", BLOCK, "Tasks to run in any case.";
    Role = "role", ROLE, "The role.";
    // What cfg adds.
    Id = "id", TASK | BLOCK, "Names the state for requisites.";
    Require = "require", TASK, "States that must have succeeded.";
    RequireAny = "require_any", TASK, "States of which one must have succeeded.";
    RequireIn = "require_in", TASK, "States that require this one.";
    Watch = "watch", TASK, "As require; refresh if one changed.";
    WatchAny = "watch_any", TASK, "As require_any; refresh if one changed.";
    WatchIn = "watch_in", TASK, "States that watch this one.";
    OnChanges = "onchanges", TASK, "Run only if one of these changed.";
    OnChangesAny = "onchanges_any", TASK, "Run only if one of these changed, though others failed.";
    OnChangesIn = "onchanges_in", TASK, "States that run only if this one changed.";
    OnFail = "onfail", TASK, "Run only if one of these failed.";
    OnFailAny = "onfail_any", TASK, "Run only if one of these failed.";
    OnFailIn = "onfail_in", TASK, "States that run only if this one failed.";
    Prereq = "prereq", TASK, "Run before these, if they would change.";
    PrereqAny = "prereq_any", TASK, "Run before these, if one would change.";
    PrereqIn = "prereq_in", TASK, "States that run before this one, if it would change.";
    ListenIn = "listen_in", TASK, "States that refresh after this one changed.";
    Unless = "unless", TASK, "Run only if this command fails.";
    OnlyIf = "onlyif", TASK, "Run only if this command succeeds.";
    Creates = "creates", TASK, "Run only if this path is not there.";
}

/// Keywords of Ansible that cfg refuses so far, with the reason.
const REFUSED: &[(Keyword, &str)] = &[(Keyword::Debugger, "cfg has no interactive debugger; use `-vvv` and `debug`")];

/// Keywords that say nothing where nothing stands behind them.
const EMPTY: &[Keyword] = &[Keyword::When, Keyword::Loop, Keyword::Until, Keyword::Notify, Keyword::Order];

impl Keyword {
    /// The keyword of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n, ..)| *n == name).map(|(keyword, ..)| *keyword)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(keyword, ..)| *keyword == self).map_or("", |(_, name, ..)| name)
    }

    /// Where it may stand.
    pub fn levels(self) -> Level {
        Self::ALL.iter().find(|(keyword, ..)| *keyword == self).map_or(0, |(_, _, levels, _)| *levels)
    }
}

/// The keywords that were given.
#[derive(Clone, Debug, Default)]
pub struct Keywords(BTreeMap<Keyword, (Span, Node)>);

impl Keywords {
    /// What was given for a keyword.
    pub fn get(&self, keyword: Keyword) -> Option<&Node> {
        self.0.get(&keyword).map(|(_, node)| node)
    }

    /// Where a keyword stands.
    pub fn span(&self, keyword: Keyword) -> Option<Span> {
        self.0.get(&keyword).map(|(span, _)| *span)
    }

    /// The keywords that are given.
    pub fn iter(&self) -> impl Iterator<Item = (Keyword, &Node)> {
        self.0.iter().map(|(keyword, (_, node))| (*keyword, node))
    }

    /// The same without some of them.
    #[must_use]
    pub fn without(&self, keywords: &[Keyword]) -> Self {
        let mut map = self.0.clone();
        map.retain(|keyword, _| !keywords.contains(keyword));
        Self(map)
    }

    /// The same with another value for one of them.
    #[must_use]
    pub fn with(&self, keyword: Keyword, node: Node) -> Self {
        let mut map = self.0.clone();
        map.insert(keyword, (node.span, node));
        Self(map)
    }

    /// Names what cfg itself adds.
    pub fn set_name(&mut self, name: &str, span: Span) {
        use crate::yaml::{Kind, Scalar, Style, Tag};
        let scalar = Scalar::new(name, Style::Quoted, Tag::Unsafe);
        self.0.insert(Keyword::Name, (span, Node { span, kind: Kind::Scalar(scalar) }));
    }

    /// Takes an entry in if its key is a keyword of this level.
    pub fn take(&mut self, entry: &Entry, level: Level, diagnostics: &mut Diagnostics) -> bool {
        let Some(keyword) = Keyword::find(&entry.key).filter(|keyword| keyword.levels() & level != 0) else {
            return false;
        };
        let harmless = keyword == Keyword::Debugger && (entry.value.text() == Some("never") || entry.value.is_null());
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == keyword && !harmless) {
            let report = Diagnostic::error(Code::Unsupported, format!("`{}` is not supported", entry.key));
            diagnostics.push(report.at(entry.key_span, "").help(*reason));
        }
        if entry.value.is_null() && EMPTY.contains(&keyword) {
            return true;
        }
        check_shape(keyword, &entry.value, diagnostics);
        self.0.insert(keyword, (entry.key_span, entry.value.clone()));
        true
    }
}

/// Reports a value that no task can do anything with, whatever its expressions come to.
fn check_shape(keyword: Keyword, node: &Node, diagnostics: &mut Diagnostics) {
    if !keyword.shape().fits(node) {
        diagnostics.push(keyword.shape().report(keyword.name(), node.type_name(), node.span));
    }
    if keyword == Keyword::Vars {
        node.as_map().unwrap_or_default().iter().for_each(|entry| check_variable(entry, diagnostics));
    }
}

/// Reports what cannot be the name of a variable. A key that is no text was reported before, and is `?`.
fn check_variable(entry: &Entry, diagnostics: &mut Diagnostics) {
    if entry.key.as_ref() != "?" && !is_variable_name(&entry.key) {
        let report = Diagnostic::error(Code::WrongShape, format!("`{}` is not the name of a variable", entry.key));
        let help = "names have letters, digits and `_` in them, and begin with no digit";
        diagnostics.push(report.at(entry.key_span, "").help(help));
    }
}

/// Reports a key that is no keyword of a task.
pub fn unknown_keyword(entry: &Entry, diagnostics: &mut Diagnostics) {
    unknown(entry, TASK, "a task", &[], diagnostics);
}

/// Reports a key that is no keyword of `level`.
pub fn unknown(entry: &Entry, level: Level, what: &str, also: &[&str], diagnostics: &mut Diagnostics) {
    let known = Keyword::ALL.iter().filter(|(_, _, levels, _)| levels & level != 0).map(|(_, name, ..)| *name);
    let help = did_you_mean(&entry.key, known.chain(also.iter().copied())).or_else(|| elsewhere(&entry.key));
    let report = Diagnostic::error(Code::UnknownKeyword, format!("`{}` is not a keyword of {what}", entry.key));
    diagnostics.push(report.at(entry.key_span, "").help_opt(help));
}

fn elsewhere(name: &str) -> Option<String> {
    let keyword = Keyword::find(name)?;
    let places = [(PLAY, "a play"), (ROLE, "an entry of `roles`"), (BLOCK, "a block"), (TASK, "a task")];
    let fits: Vec<&str> = places.iter().filter(|(level, _)| keyword.levels() & level != 0).map(|(_, n)| *n).collect();
    Some(format!("`{name}` is a keyword of {}", fits.join(", ")))
}
