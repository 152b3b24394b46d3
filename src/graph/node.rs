//! Nodes and edges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::requisite::Requisite;
use crate::source::Origin;
use crate::template::Term;
use crate::value::Value;

/// Names a node of a host's program: its place in written order.
pub type NodeId = u32;

/// Names a block of a host's program.
pub type BlockId = u32;

/// The variable that says how many files the programs of a task may have open.
pub const OPEN_FILES: &str = "ansible_python_module_rlimit_nofile";

/// One task on one host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its place in written order.
    pub id: NodeId,
    /// What a person calls it.
    pub name: Term,
    /// The role it belongs to.
    pub role: Option<Arc<str>>,
    /// The module, as it was written.
    pub module: Arc<str>,
    /// Where it was written.
    pub origin: Origin,
    /// What it does.
    pub action: Action,
    /// How often, and with what.
    pub work: Work,
    /// Conditions the task starts with that do not depend on the loop's item: how the blocks around it were entered.
    pub gates: Vec<Term>,
    /// Indices into the segment's bindings: the variables it names.
    pub scope: Vec<u32>,
    /// The variable its result is kept in.
    pub register: Option<String>,
    /// Handlers to notify when it changed something.
    pub notify: Vec<Term>,
    /// The names that something answers to, where those it notifies are not all known before it runs.
    pub answered: Option<Vec<String>>,
    /// What counts as changed.
    pub changed_when: Vec<Term>,
    /// What counts as failed.
    pub failed_when: Vec<Term>,
    /// Repeat until this holds.
    pub until: Option<Until>,
    /// A failure does not count.
    pub ignore_errors: Term,
    /// That the host cannot be reached does not stop it.
    pub ignore_unreachable: Term,
    /// Nothing of it may be shown.
    pub no_log: Term,
    /// As whom it works, and whether it does; an iteration may have an answer of its own.
    pub execution: Execution,
    /// Environment of the programs it runs.
    pub environment: Term,
    /// Seconds it may take.
    pub timeout: Option<Term>,
    /// How many files each of its programs may have open (`ansible_python_module_rlimit_nofile`); 0: as the machine has it.
    pub open_files: Option<Term>,
    /// It may run in the background.
    pub background: Option<Background>,
    /// What becomes of its differences.
    pub diff: Diff,
    /// The blocks around it, outermost first.
    pub blocks: Vec<BlockRef>,
    /// The nodes it waits for.
    pub after: Vec<Edge>,
    /// Its requisites.
    pub requisites: Vec<Requisite>,
    /// It is a handler, run when notified.
    pub handler: Option<Handler>,
    /// It is one of several tasks of a handler.
    pub in_handler: bool,
    /// `unless`, `onlyif`, `creates` on any task.
    pub guards: Vec<(String, Term)>,
    /// Its tags with those around it: for lists of tasks, no business of the agent's.
    #[serde(skip)]
    pub tags: Arc<BTreeSet<String>>,
}

impl Node {
    /// As whom it works at that time, and whether it does.
    pub fn execution_of<'a>(&'a self, iteration: &'a Iteration) -> &'a Execution {
        iteration.execution.as_deref().unwrap_or(&self.execution)
    }

    /// The users it becomes.
    pub fn users(&self) -> BTreeSet<&str> {
        let iterations: &[Iteration] = if let Work::Items(_, iterations) = &self.work { iterations } else { &[] };
        let own = iterations.iter().filter_map(|iteration| iteration.execution.as_deref());
        own.chain([&self.execution]).filter_map(|execution| Some(execution.r#become.as_ref()?.user.as_str())).collect()
    }
}

/// As whom a task works, and whether it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// As whom, if not as who logged in.
    pub r#become: Option<Become>,
    /// Whether it does.
    pub check_mode: CheckMode,
}

/// Whether a task works or only looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckMode {
    /// As the run has it: it looks in a plan, and works in an apply.
    #[default]
    OfTheRun,
    /// It works in a plan too (`check_mode: false`).
    Off,
    /// It only ever looks (`check_mode: true`).
    On,
}

/// What becomes of the differences a node makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Diff {
    /// They are not shown (`diff: false`).
    Hidden,
    /// They are shown.
    Shown,
    /// They are shown, and part of the result that is registered.
    Wanted,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Converges a resource of this type.
    Resource(String),
    /// Sets variables.
    SetFact,
    /// Shows a message or a variable.
    Debug,
    /// Checks conditions.
    Assert,
    /// Checks arguments against a specification.
    Validate,
    /// Fails.
    Fail,
    /// Gathers facts again.
    Setup,
    /// Waits for a time.
    Pause,
    /// Reports what was done elsewhere: its arguments are the result.
    Report,
    /// Does nothing, as `meta: noop`; its conditions are shown.
    Noop,
    /// Remembers once whether conditions hold, for the tasks of an include; under this hidden name.
    Gate(String),
    /// Ends the play for this host.
    EndHost,
    /// Forgets that the host failed.
    ClearErrors,
    /// Forgets the facts.
    ClearFacts,
    /// Notes that the tasks of a handler have run.
    HandlerDone(Handler),
}

/// How often a node works, and with what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Work {
    /// Once.
    Once(Iteration),
    /// For each of these items.
    Items(Loop, Vec<Iteration>),
    /// For items that are known only on the target: the expression, and what is done for each.
    Late(Loop, Term, Iteration),
}

/// One time of a node's work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Iteration {
    /// The item.
    pub item: Option<Value>,
    /// Conditions.
    pub when: Vec<Term>,
    /// Arguments: a mapping.
    pub args: Term,
    /// A template file to render into the argument `content`.
    pub template: Option<TemplateFile>,
    /// As whom and whether, where the item has a say in it.
    pub execution: Option<Box<Execution>>,
}

impl Iteration {
    /// Work without an item.
    pub fn of(when: Vec<Term>, args: Term) -> Self {
        Self { item: None, when, args, template: None, execution: None }
    }
}

/// A template file that has to be rendered on the target, because it depends on results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateFile {
    /// The text.
    pub term: Term,
    /// The settings of the `template` module and of the `#jinja2:` header.
    pub options: crate::template::FileOptions,
    /// The templates it includes, by name.
    pub included: BTreeMap<String, String>,
}

/// How a loop names things.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loop {
    /// The variable of the item.
    pub var: String,
    /// The variable of the index.
    pub index_var: Option<String>,
    /// What to show for an item.
    pub label: Option<Term>,
    /// Seconds between items.
    pub pause: f64,
    /// Give `ansible_loop`.
    pub extended: bool,
    /// With all items in it.
    pub extended_items: bool,
    /// No more items once this holds; empty: never.
    pub break_when: Vec<Term>,
}

impl Loop {
    /// Its variables as long as there is no item.
    pub fn unknown_variables(&self) -> Vec<(String, Value)> {
        let info = self.extended.then(|| "ansible_loop".to_owned());
        let names = [self.var.clone()].into_iter().chain(self.index_var.clone()).chain(info);
        names.map(|name| (name, Value::Unknown)).collect()
    }
}

/// Repetition until a condition holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Until {
    /// The condition; empty: until it does not fail.
    pub condition: Vec<Term>,
    /// How often it is tried again.
    pub retries: Term,
    /// Seconds between tries.
    pub delay: Term,
}

/// How a task runs in the background.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Background {
    /// Seconds it may take.
    pub limit: Term,
    /// Seconds between looks at it; 0: nobody waits for it.
    pub poll: Term,
}

/// As whom a node works.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Become {
    /// The user.
    pub user: String,
    /// With which program.
    pub method: BecomeMethod,
    /// The password that is asked for.
    pub password: Option<String>,
    /// Options for the program.
    pub flags: Option<String>,
    /// The program, where it is not called as the method.
    pub exe: Option<String>,
    /// The directory sudo is started in.
    pub chdir: Option<String>,
    /// What su calls a password where it asks for one; empty for the words cfg knows.
    pub prompts: Vec<String>,
}

/// A program that makes a node work as somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BecomeMethod {
    /// `sudo`
    Sudo,
    /// `su`
    Su,
    /// `doas`
    Doas,
}

impl BecomeMethod {
    /// The one of this name, with a collection in front of it or without.
    pub fn named(name: &str) -> Option<Self> {
        let short = name.rsplit('.').next();
        [Self::Sudo, Self::Su, Self::Doas].into_iter().find(|method| short == Some(method.name()))
    }

    /// What the program is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Su => "su",
            Self::Doas => "doas",
        }
    }
}

impl std::fmt::Display for BecomeMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A section of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Section {
    /// `block`
    Body,
    /// `rescue`
    Rescue,
    /// `always`
    Always,
}

/// A block around a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockRef {
    /// Which block.
    pub id: BlockId,
    /// Which section of it.
    pub section: Section,
}

/// A handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// The same in every flush: its place among the play's handlers.
    pub id: u32,
    /// The names it can be notified by: its name, `role : name`, and its topics.
    pub names: Vec<String>,
}

/// A node to wait for, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The node.
    pub on: NodeId,
    /// Why.
    pub why: Why,
}

/// Why a node waits for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// They touch the same thing.
    Touches(String),
    /// It uses a variable the other sets.
    Uses(String),
    /// A requisite says so.
    Requisite(RequisiteName),
    /// It is a handler the other may notify, or comes after a flush of handlers.
    Notifies,
    /// The sections of a block run one after the other.
    Block,
}

/// The name of a requisite, for the reason of an edge.
pub type RequisiteName = String;

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Touches(what) => write!(f, "{what} (automatic)"),
            Self::Uses(name) => write!(f, "uses the variable `{name}`"),
            Self::Requisite(name) => write!(f, "{name}"),
            Self::Notifies => f.write_str("handlers run after the tasks that may notify them"),
            Self::Block => f.write_str("sections of a block run in order"),
        }
    }
}
