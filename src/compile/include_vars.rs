//! `include_vars`: variables for everything that comes after, out of a file or of the files of a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fancy_regex::Regex;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Action, Iteration, Work};
use crate::parse::Task;
use crate::resource::Footprint;
use crate::template::{EvalError, Term, TermScope};
use crate::value::{Map, Value};
use crate::variables::{Definition, Layer, LayerKind};
use crate::yaml::Node as Yaml;

/// How deep directories are followed at all: links may lead in circles.
const DEEPEST: usize = 100;

/// Which files of a directory are meant.
struct Choice {
    /// Levels of directories; 0 are all of them.
    depth: usize,
    matching: Option<Regex>,
    ignored: Vec<Regex>,
    extensions: Vec<String>,
    ignore_unknown: bool,
}

/// What `when` comes to while the play is compiled.
enum Asked {
    Holds,
    Not,
    /// It cannot be evaluated.
    Fails(EvalError),
    /// That is known after apply.
    Open,
}

type Entries = indexmap::IndexMap<Arc<str>, Definition>;

impl HostCompiler<'_> {
    /// `include_vars`
    pub(super) fn include_vars(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<(), Stop> {
        if self.certainly_skipped(frame, &self.scope(frame, Vec::new())) {
            return self.skipped_node(task, frame);
        }
        let (mut files, mut facts, mut left) = (Vec::new(), Map::new(), false);
        for (node, is_dir) in [(task.args.get("file").or(task.args.free.as_ref()), false), (task.args.get("dir"), true)]
        {
            let Some(node) = node.cloned() else { continue };
            for round in self.rounds_at_once(task, frame)? {
                let inner = frame.in_round(&round.locals);
                let certain = match self.asked_now(task, &inner)? {
                    Asked::Holds => true,
                    Asked::Not => {
                        left = true;
                        continue;
                    }
                    Asked::Fails(error) => return self.failing_node(task, frame, error),
                    // For mistakes the files are read all the same, those that are there.
                    Asked::Open if self.is_rehearsal() => false,
                    Asked::Open => return self.known_after_apply(task, frame),
                };
                let (value, scope) = self.needed_now(&node, frame, round.locals)?;
                if value.has_unknown() {
                    return self.known_after_apply(task, frame);
                }
                let name = value.to_string();
                if !certain && self.find_file(frame, "vars", &name).is_none() {
                    return self.known_after_apply(task, frame);
                }
                let paths = match self.files_of_variables(task, frame, &name, &node, is_dir, &scope)? {
                    Found::Files(paths) => paths,
                    Found::Later => return self.known_after_apply(task, frame),
                    Found::Refused(message) => return self.not_included(task, frame, &message),
                };
                self.load_vars(task, frame, &paths, &node, &scope)?
                    .into_iter()
                    .for_each(|(k, v)| drop(facts.insert(k, v)));
                files.extend(paths);
            }
        }
        if left && files.is_empty() {
            return self.skipped_node(task, frame);
        }
        let files = Value::list(files.iter().map(|path| Value::str(path.to_string_lossy())));
        let result = [("ansible_included_var_files", files), ("ansible_facts", Value::from(facts))];
        let args = Term::Value(Value::map(result));
        let iteration = Iteration::of(Vec::new(), args);
        self.push(task, frame, Action::Report, Work::Once(iteration), Footprint::nothing())
    }

    /// Judges `when` of something that is done while the play is compiled: where it depends on results, what was compiled so
    /// far runs first.
    fn asked_now(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<Asked, Stop> {
        for again in [false, true] {
            let scope = self.scope(frame, Vec::new());
            if self.certainly_skipped(frame, &scope) {
                return Ok(Asked::Not);
            }
            let mut open = false;
            for term in &frame.when {
                match scope.evaluate(&self.settled(term, &scope)) {
                    Ok(value) => open |= value.has_unknown(),
                    // An earlier condition that is not known yet may keep this one from being asked.
                    Err(_) if open => {}
                    Err(error) if again || self.tolerates(task, frame) => return Ok(Asked::Fails(error)),
                    Err(error) => return Err(self.failed(&error, &scope, task.span)),
                }
            }
            if !open {
                return Ok(Asked::Holds);
            }
            if self.is_rehearsal() {
                break;
            }
            self.flush()?;
        }
        Ok(Asked::Open)
    }

    /// A failure that may be meant, with the result that Ansible gives.
    fn not_included(&mut self, task: &Arc<Task>, frame: &Frame, message: &str) -> Result<(), Stop> {
        let message = Value::str(message);
        let result = [("failed", Value::Bool(true)), ("msg", message.clone()), ("message", message)];
        let args = Term::Value(Value::map(result));
        let iteration = Iteration::of(frame.when.clone(), args);
        self.push(task, frame, Action::Report, Work::Once(iteration), Footprint::world())
    }

    fn files_of_variables(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        name: &str,
        node: &Yaml,
        is_dir: bool,
        scope: &Arc<TermScope>,
    ) -> Result<Found, Stop> {
        if self.here && !self.is_rehearsal() {
            // Earlier tasks may make the file.
            self.flush()?;
        }
        let name = name.trim_end_matches('\n');
        let Some(path) = self.find_file(frame, "vars", name) else {
            if Path::new(name).is_absolute() && self.may_be_made() {
                return Ok(Found::Later);
            }
            if self.tolerates(task, frame) {
                return Ok(Found::Refused(format!("Could not find file on the Ansible Controller: {name}")));
            }
            return Err(self.file_not_found(frame, "vars", name, node.span));
        };
        if !is_dir {
            return Ok(Found::Files(vec![path]));
        }
        let choice = self.choice(task, scope)?;
        // Those of the role are there already.
        let own = frame.role.as_ref().map(|role| role.role.path.join("vars/main.yml"));
        let mut files = Vec::new();
        walk(&path, 1, &mut files, &choice);
        files.retain(|file| Some(file) != own.as_ref() && choice.names(file));
        if let Some(unknown) = files.iter().find(|file| !choice.ignore_unknown && !choice.has_extension(file)) {
            let extensions = choice.extensions.join(", ");
            let message = format!("{} does not have a valid extension: {extensions}", unknown.display());
            if self.tolerates(task, frame) {
                return Ok(Found::Refused(message));
            }
            let help = "give it one, leave it out with `ignore_files`, or say `ignore_unknown_extensions: true`";
            self.mistake(Diagnostic::error(Code::Unsupported, message).at(node.span, "").help(help));
            return Err(Stop::Mistakes);
        }
        files.retain(|file| choice.has_extension(file));
        Ok(Found::Files(files))
    }

    /// What the options of a directory say.
    fn choice(&mut self, task: &Task, scope: &Arc<TermScope>) -> Result<Choice, Stop> {
        let words = |value: Value| match value {
            Value::List(items) => items.iter().map(ToString::to_string).collect(),
            Value::Null | Value::Omit => Vec::new(),
            other => vec![other.to_string()],
        };
        let given = |this: &mut Self, name: &str| -> Result<Option<(Value, crate::source::Span)>, Stop> {
            let Some(node) = task.args.get(name) else { return Ok(None) };
            let value = this.evaluate(&this.term(node), scope, node.span)?;
            Ok(Some((value, node.span)).filter(|(value, _)| *value != Value::Omit))
        };
        let depth = match given(self, "depth")? {
            Some((value, span)) => match value.to_string().parse() {
                Ok(depth) => depth,
                Err(_) => {
                    let message = format!("`depth`: expected a number of directories, found `{value}`");
                    self.mistake(Diagnostic::error(Code::BadParameter, message).at(span, ""));
                    return Err(Stop::Mistakes);
                }
            },
            None => 0,
        };
        let patterns = |this: &mut Self, name: &'static str, end: &str| -> Result<Vec<Regex>, Stop> {
            let Some((value, span)) = given(this, name)? else { return Ok(Vec::new()) };
            let compiled =
                words(value).into_iter().map(|text| crate::resource::python_regex(name, &format!("{text}{end}")));
            compiled.collect::<Result<_, _>>().map_err(|error| {
                this.mistake(Diagnostic::error(Code::BadParameter, error.to_string()).at(span, ""));
                Stop::Mistakes
            })
        };
        let matching = patterns(self, "files_matching", "")?.into_iter().next();
        let ignored = patterns(self, "ignore_files", "$")?;
        let extensions = match given(self, "extensions")? {
            Some((value, _)) => words(value),
            None => ["yaml", "yml", "json"].map(str::to_owned).to_vec(),
        };
        let ignore_unknown =
            given(self, "ignore_unknown_extensions")?.is_some_and(|(value, _)| crate::apply_truth(&value));
        Ok(Choice { depth, matching, ignored, extensions, ignore_unknown })
    }

    /// Loads files; the later ones win. Gives what is known of their variables.
    fn load_vars(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        paths: &[PathBuf],
        node: &Yaml,
        scope: &Arc<TermScope>,
    ) -> Result<Map, Stop> {
        let mut entries = Entries::new();
        for path in paths {
            let Some(file) = self.project.files.vars(path, Some(node.span)) else {
                self.mistakes = true;
                return Err(Stop::Mistakes);
            };
            entries.extend(crate::inventory::definitions(&file, &self.project.files));
        }
        if self.merges(task, scope)? {
            self.merge(&mut entries, frame);
        }
        if let Some(name) = task.args.get("name").and_then(Yaml::text) {
            let pairs = entries.iter().map(|(k, d)| (Term::Value(Value::Str(k.clone())), d.term.clone())).collect();
            let definition = Definition { term: Term::map(pairs), origin: None };
            entries = std::iter::once((Arc::from(name), definition)).collect();
        }
        let names: Vec<Arc<str>> = entries.keys().cloned().collect();
        self.included_vars.push(Arc::new(Layer { kind: LayerKind::IncludeVars, entries }));
        self.hostvars.take();
        let scope = self.scope(frame, Vec::new());
        let value = |name: &Arc<str>| crate::template::Scope::get(scope.as_ref(), name).ok().flatten();
        Ok(names
            .iter()
            .filter_map(|name| Some((name.clone(), value(name).filter(|value| !value.has_unknown())?)))
            .collect())
    }

    /// `hash_behaviour`
    fn merges(&mut self, task: &Task, scope: &Arc<TermScope>) -> Result<bool, Stop> {
        let Some(node) = task.args.get("hash_behaviour") else { return Ok(false) };
        let value = self.evaluate(&self.term(node), scope, node.span)?;
        match value.as_str() {
            Some("merge") => Ok(true),
            Some("replace") => Ok(false),
            _ if matches!(value, Value::Null | Value::Omit) => Ok(false),
            _ => {
                let message = format!("`hash_behaviour`: expected `merge` or `replace`, found `{value}`");
                self.mistake(Diagnostic::error(Code::BadParameter, message).at(node.span, ""));
                Err(Stop::Mistakes)
            }
        }
    }

    /// Mappings go into those that are there, not into each other.
    fn merge(&self, entries: &mut Entries, frame: &Frame) {
        let before = self.scope(frame, Vec::new());
        for (name, definition) in entries {
            let old = crate::template::Scope::get(before.as_ref(), name).ok().flatten();
            if let (Some(Value::Map(old)), Ok(Value::Map(new))) = (old, before.evaluate(&definition.term)) {
                definition.term = Term::Value(combined(&old, &new));
            }
        }
    }
}

/// What was found where variables are to be.
enum Found {
    Files(Vec<PathBuf>),
    /// A task may make it yet.
    Later,
    /// It is not to be loaded, which may be meant.
    Refused(String),
}

impl Choice {
    fn names(&self, file: &Path) -> bool {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let found = |pattern: &Regex| pattern.is_match(name.as_ref()).unwrap_or(false);
        self.matching.as_ref().is_none_or(found) && !self.ignored.iter().any(found)
    }

    fn has_extension(&self, file: &Path) -> bool {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        self.extensions.iter().any(|known| known.trim_start_matches('.') == extension)
    }
}

/// The files below a directory: by directory, then by name, as Ansible has them.
fn walk(dir: &Path, level: usize, files: &mut Vec<PathBuf>, choice: &Choice) {
    if level > DEEPEST || (choice.depth != 0 && level > choice.depth) {
        return;
    }
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let (mut below, mut own): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    own.sort();
    below.sort();
    files.extend(own);
    below.iter().for_each(|dir| walk(dir, level + 1, files, choice));
}

fn combined(old: &Map, new: &Map) -> Value {
    let mut all = old.clone();
    for (key, value) in new {
        let value = match (all.get(key), value) {
            (Some(Value::Map(old)), Value::Map(new)) => combined(old, new),
            _ => value.clone(),
        };
        all.insert(key.clone(), value);
    }
    Value::from(all)
}
