//! Lookups: what the controller can look up for a playbook, one file a subject.
//!
//! Invariants: a lookup that does something (runs a program, writes, goes to the network) is never made for the rehearsal,
//! nor while it is not certain that its task runs. What cannot be looked up yet is [`Lookup::Unknown`], and it is noted
//! that somebody wanted it ([`Log`]): then what was compiled so far is run first, and the task is compiled again.

mod config;
mod files;
mod lists;
mod log;
mod names;
mod options;
mod password;
mod programs;
mod sequence;
mod tables;
mod template;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

pub use log::Log;
pub use template::{header, load_all, loader, located, set_option, template_variables};

use super::Project;
use super::scope::Names;
use crate::template::{EvalError, Lookup, LookupCall, NOW, PATH_TEST, Reason, Scope};
use crate::value::{Map, Value};

/// What a lookup can see, and what it may do now.
#[derive(Clone)]
pub struct Reach {
    /// The project.
    pub project: Arc<Project>,
    /// Directories relative paths are looked for in.
    pub search: Vec<PathBuf>,
    /// No host has been asked yet: this is for mistakes only.
    pub rehearsal: bool,
    /// Tasks work on the controller itself: they may make what is looked up.
    pub here: bool,
    /// Tasks that may make files were compiled and have not run yet.
    pub pending: bool,
    /// Tasks were compiled that run before what is looked up is used.
    pub ahead: bool,
    /// What is not there may be made before it is asked for in earnest: this is a rehearsal or a plan.
    pub early: bool,
    /// What was looked up for the task.
    pub log: Arc<Log>,
}

impl Reach {
    /// What can be seen where no task of a host asks: files of a directory, as they are.
    pub fn outside(project: &Arc<Project>, dir: &std::path::Path, rehearsal: bool) -> Self {
        Self {
            project: project.clone(),
            search: vec![dir.to_path_buf()],
            rehearsal,
            here: false,
            pending: false,
            ahead: false,
            early: false,
            log: Arc::default(),
        }
    }
}

/// A lookup that is being made.
pub struct Ask<'a> {
    /// The call.
    pub call: &'a LookupCall,
    /// The variables.
    pub scope: &'a dyn Scope,
    /// Where they come from.
    pub names: &'a Names,
    /// What it can see.
    pub reach: &'a Reach,
}

/// What a lookup has to do with the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Nothing: it is a function of variables and of the project.
    None,
    /// It reads files of the controller.
    Reads,
    /// It runs a program, writes a file or goes to the network.
    Acts,
    /// It reads the clock.
    Clock,
}

type Outcome = Result<Lookup, EvalError>;

/// A lookup plugin.
struct Plugin {
    name: &'static str,
    effect: Effect,
    options: &'static [&'static str],
    run: fn(&Ask<'_>) -> Outcome,
}

const fn plugin(
    name: &'static str,
    effect: Effect,
    options: &'static [&'static str],
    run: fn(&Ask<'_>) -> Outcome,
) -> Plugin {
    Plugin { name, effect, options, run }
}

const PLUGINS: &[Plugin] = &[
    plugin("config", Effect::None, &["on_missing", "plugin_type", "plugin_name", "show_origin"], config::config),
    plugin("csvfile", Effect::Reads, tables::CSV_OPTIONS, tables::csvfile),
    plugin("dict", Effect::None, &[], lists::dict),
    plugin("env", Effect::None, &["default"], names::env),
    plugin("file", Effect::Reads, &["rstrip", "lstrip"], files::file),
    plugin("fileglob", Effect::Reads, &[], files::fileglob),
    plugin("first_found", Effect::Reads, &["files", "paths", "skip"], files::first_found),
    plugin("flattened", Effect::None, &[], lists::flattened),
    plugin("indexed_items", Effect::None, &[], lists::indexed_items),
    plugin("ini", Effect::Reads, tables::INI_OPTIONS, tables::ini),
    plugin("inventory_hostnames", Effect::None, &[], names::inventory_hostnames),
    plugin("items", Effect::None, &[], lists::items),
    plugin("lines", Effect::Acts, &[], programs::lines),
    plugin("list", Effect::None, &[], lists::list),
    plugin("nested", Effect::None, &[], lists::nested),
    plugin("password", Effect::Acts, password::OPTIONS, password::password),
    plugin("pipe", Effect::Acts, &[], programs::pipe),
    plugin("random_choice", Effect::None, &[], lists::random_choice),
    plugin("sequence", Effect::None, &["start", "end", "stride", "count", "format"], sequence::sequence),
    plugin("subelements", Effect::None, &["skip_missing"], lists::subelements),
    plugin("template", Effect::Reads, template::OPTIONS, template::template),
    plugin("together", Effect::None, &[], lists::together),
    plugin("unvault", Effect::Reads, &[], files::unvault),
    plugin("url", Effect::Acts, programs::URL_OPTIONS, programs::url),
    plugin(NOW, Effect::Clock, &[], names::time_of_day),
    plugin("varnames", Effect::None, &[], names::varnames),
    plugin("vars", Effect::None, &["default"], names::vars),
];

/// A failure of a lookup.
fn fail<T>(message: impl Into<String>) -> Result<T, EvalError> {
    Err(EvalError::failed(message))
}

impl Ask<'_> {
    /// An option that was given.
    fn option(&self, name: &str) -> Option<&Value> {
        self.call.options.get(name)
    }

    fn texts(&self) -> impl Iterator<Item = String> {
        self.call.terms.iter().map(ToString::to_string)
    }
}

/// Runs a lookup, or says that it cannot be made yet.
///
/// # Errors
/// Where it fails or cfg does not have it.
pub fn run(call: &LookupCall, scope: &dyn Scope, names: &Names) -> Outcome {
    let reach = &names.reach;
    let path_test = plugin(PATH_TEST, Effect::Reads, &[], files::path_test);
    let known = PLUGINS.iter().find(|plugin| plugin.name == call.name);
    let Some(plugin) = known.or_else(|| call.name.starts_with(PATH_TEST).then_some(&path_test)) else {
        let near = crate::diagnostic::did_you_mean(&call.name, PLUGINS.iter().map(|plugin| plugin.name));
        let unknown = EvalError::misuse(format!("cfg has no lookup `{}`", call.name));
        return Err(EvalError { reason: Reason::UnknownName(call.name.clone()), help: near, ..unknown });
    };
    for name in call.options.keys().map(AsRef::as_ref) {
        if !plugin.options.contains(&name) && !matches!(name, "wantlist" | "errors") {
            let message = format!("`{name}` is not a valid option of the lookup `{}`", call.name);
            return Err(EvalError::misuse(message));
        }
    }
    // Each item of a loop that waits has a time of its own, which only the target sees.
    if plugin.effect == Effect::Clock && reach.log.is_paused() {
        return Ok(Lookup::Unknown);
    }
    let is_open = call.terms.iter().chain(call.options.values()).any(Value::has_unknown);
    if is_open || !may_be_made(plugin.effect, call, reach) {
        reach.log.want(call);
        return Ok(Lookup::Unknown);
    }
    // Chance answers anew each time it is asked.
    let by_chance = matches!(plugin.name, "password" | "random_choice");
    if let Some(known) = reach.log.known(call).filter(|_| !by_chance) {
        return known;
    }
    let answer = (plugin.run)(&Ask { call, scope, names, reach });
    // What is not there may be made by a task that has not run, or was asked for only because something is not known.
    if answer.is_err() && plugin.effect == Effect::Reads && (call.guessing || reach.early) {
        reach.log.want(call);
        return Ok(Lookup::Unknown);
    }
    reach.log.keep(call, &answer);
    answer
}

fn may_be_made(effect: Effect, call: &LookupCall, reach: &Reach) -> bool {
    match effect {
        Effect::None => true,
        Effect::Reads => !(reach.here && reach.pending),
        Effect::Clock => !reach.ahead,
        Effect::Acts => {
            !(reach.rehearsal || call.guessing || reach.log.is_uncertain() || (reach.here && reach.pending))
        }
    }
}

/// The items of `with_NAME`.
///
/// # Errors
/// As [`run`].
pub fn with_items(name: &str, terms: &Value, scope: &dyn Scope, names: &Names) -> Outcome {
    let short = name.rsplit('.').next().unwrap_or(name);
    let list = match (short, terms) {
        // Mappings are what this works on, in a list or not; the others get one term for each item.
        ("dict", other) => vec![other.clone()],
        (_, Value::List(items)) => items.to_vec(),
        (_, other) => vec![other.clone()],
    };
    let call = LookupCall { name: short.to_owned(), terms: list, options: Map::new(), guessing: false };
    run(&call, scope, names)
}
