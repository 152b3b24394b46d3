//! Files of the controller that tasks put on targets: `copy`, `template`, `script`, `unarchive`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Stop;
use super::frame::Frame;
use super::host::HostCompiler;
use super::lookups;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Action, Iteration, TemplateFile};
use crate::parse::Task;
use crate::resource::Assembly;
use crate::source::{Origin, Span, expanded};
use crate::template::{EvalError, FileOptions, Layout, Shape, Template, Term, TermScope};
use crate::value::{Map, Value, text_of};

/// Content up to this size travels with the task; larger content is sent when the target lacks it.
const INLINE: u64 = 32 * 1024;

impl HostCompiler<'_> {
    /// Adds the content a task needs from the controller.
    pub(super) fn content(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        action: &Action,
        iteration: Iteration,
        scope: &Arc<TermScope>,
        certain: bool,
    ) -> Result<Iteration, Stop> {
        let Action::Resource(kind) = action else { return Ok(iteration) };
        if kind == "fetch" {
            return self.deposit(task, frame, iteration, certain);
        }
        let folder = match kind.as_str() {
            "template" => "templates",
            "copy" | "script" | "unarchive" | "assemble" => "files",
            _ => return Ok(iteration),
        };
        let get = |name: &str| match &iteration.args {
            Term::Value(Value::Map(map)) => map.get(name).cloned().map(Term::Value),
            Term::Map(entries) => {
                entries.iter().find(|(k, _)| k.as_value().and_then(Value::as_str) == Some(name)).map(|(_, v)| v.clone())
            }
            _ => None,
        };
        let flag = |name, default| get(name).and_then(|t| t.as_value().map(crate::apply_truth)).unwrap_or(default);
        let is_on_target = match kind.as_str() {
            "copy" if get("content").is_some() => true,
            "unarchive" if !flag("copy", true) => true,
            _ => flag("remote_src", kind == "assemble"),
        };
        if is_on_target {
            return Ok(iteration);
        }
        let (name, span) = match kind.as_str() {
            "script" => {
                let given = task.args.get("cmd").or(task.args.free.as_ref());
                (get("cmd"), given.map_or(task.module_span, |node| node.span))
            }
            _ => (get("src"), task.args.get("src").map_or(task.module_span, |node| node.span)),
        };
        let Some(text) = name.and_then(|term| source_text(&term, kind)) else { return Ok(iteration) };
        // The parser of the arguments says that it is missing.
        if text.is_empty() {
            return Ok(iteration);
        }
        let file = if kind == "script" { crate::resource::script_of(&text).to_owned() } else { text.clone() };
        let Some(path) = self.find_file(frame, folder, &file) else {
            let absolute = expanded(&file).is_absolute();
            let pending = absolute && self.here && !self.is_rehearsal() && !self.nodes.is_empty();
            if pending {
                // An earlier task may make it: what was compiled so far runs, and this is asked again.
                self.lookups.want_file();
            }
            if !certain || pending || (absolute && self.may_be_made()) {
                return Ok(iteration);
            }
            return Err(self.file_not_found(frame, folder, &file, span));
        };
        if kind == "template" {
            return self.template(task, frame, iteration, scope, &path, span, certain);
        }
        if kind == "assemble" {
            return self.fragments(iteration, &path, span);
        }
        let broken = Self::unreadable(&iteration, &self.project.files.vault, &path);
        if let (Some(message), false) = (broken, certain) {
            // The failure may be meant: the task has it.
            let args = Term::Failed(Arc::new(crate::template::EvalError::failed(message)));
            return Ok(Iteration { args, ..iteration });
        }
        self.file(iteration, &path, span, kind)
    }

    /// Why a file in a vault cannot be decrypted, if so.
    fn unreadable(iteration: &Iteration, vault: &crate::secret::Vault, path: &Path) -> Option<String> {
        if !decrypts(iteration) {
            return None;
        }
        if path.is_file() {
            return super::tree::decrypted(vault, path).err();
        }
        let blobs = super::BlobStore::default();
        super::tree::Tree::new(&blobs, true, Some(vault)).walk(path).err()
    }

    /// The fragments in a directory of the controller, put together.
    fn fragments(&mut self, iteration: Iteration, dir: &Path, span: Span) -> Result<Iteration, Stop> {
        let args = known_args(&iteration.args);
        let choosing = ["regexp", "delimiter", "ignore_hidden", "decrypt"];
        let open = |(key, value): &(Term, Term)| {
            value.as_value().is_none_or(Value::has_unknown)
                && key.as_value().and_then(Value::as_str).is_none_or(|key| choosing.contains(&key))
        };
        let is_open = match &iteration.args {
            Term::Value(Value::Map(_)) => false,
            Term::Map(entries) => entries.iter().any(open),
            _ => true,
        };
        if is_open {
            let report = Diagnostic::error(
                Code::Unsupported,
                "the fragments are on the controller, and which ones they are is known only on the target",
            );
            self.mistake(
                report
                    .at(span, "")
                    .help("set `remote_src: true`, or give every parameter a value that is known before"),
            );
            return Err(Stop::Mistakes);
        }
        let assembly = match Assembly::of(&args) {
            Ok(assembly) => assembly,
            // The parser of the arguments says what is wrong with them.
            Err(_) => return Ok(iteration),
        };
        let mut names: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().flatten().collect();
        names.sort_by_key(std::fs::DirEntry::file_name);
        names.retain(|entry| entry.path().is_file() && assembly.takes(&entry.file_name().to_string_lossy()));
        let decrypt = decrypts(&iteration);
        let fragment = |entry: &std::fs::DirEntry| -> Result<Vec<u8>, String> {
            if decrypt && let Some(text) = super::tree::decrypted(&self.project.files.vault, &entry.path())? {
                return Ok(text.into_bytes());
            }
            let failed = |error| format!("cannot read {}: {error}", crate::source::display_path(&entry.path()));
            std::fs::read(entry.path()).map_err(failed)
        };
        let read = names.iter().map(fragment).collect::<Result<Vec<_>, String>>();
        match read {
            Ok(fragments) => {
                let content = assembly.join(fragments);
                Ok(match String::from_utf8(content) {
                    Ok(text) if text.len() as u64 <= INLINE => with_arg(iteration, "_content", Value::from(text)),
                    Ok(text) => {
                        let digest = self.project.blobs.add_bytes(text.into_bytes());
                        with_arg(iteration, "_content_sha256", Value::from(digest))
                    }
                    Err(error) => {
                        let digest = self.project.blobs.add_bytes(error.into_bytes());
                        with_arg(iteration, "_content_sha256", Value::from(digest))
                    }
                })
            }
            Err(message) => {
                self.mistake(Diagnostic::error(Code::FileUnreadable, message).at(span, ""));
                Err(Stop::Mistakes)
            }
        }
    }

    /// For loops whose items are known late: a file that is the same for all items can be sent along.
    pub(super) fn late_content(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        action: &Action,
        iteration: Iteration,
    ) -> Result<Iteration, Stop> {
        let scope = self.scope(frame, Vec::new());
        self.content(task, frame, action, iteration, &scope, false)
    }

    /// Looks for a file in the role, beside the tasks and beside the playbook.
    pub(super) fn find_file(&self, frame: &Frame, folder: &str, name: &str) -> Option<PathBuf> {
        let path = expanded(name);
        if path.is_absolute() {
            return path.exists().then_some(path);
        }
        self.places(frame, folder).into_iter().map(|dir| dir.join(name)).find(|path| path.exists())
    }

    fn places(&self, frame: &Frame, folder: &str) -> Vec<PathBuf> {
        let mut places = Vec::new();
        for dir in self.search_path(frame) {
            places.push(dir.join(folder));
            places.push(dir);
        }
        places
    }

    pub(super) fn file_not_found(&mut self, frame: &Frame, folder: &str, name: &str, span: Span) -> Stop {
        let places = self.places(frame, folder);
        let candidates = names_in(&places);
        let help = crate::diagnostic::did_you_mean(name, candidates.iter().map(String::as_str));
        let report = Diagnostic::error(Code::FileNotFound, format!("there is no file `{name}`"));
        self.mistake(
            report.at(span, "").help_opt(help).note(format!("looked in {}", crate::source::display_places(&places))),
        );
        Stop::Mistakes
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; they belong together")]
    fn template(
        &mut self,
        task: &Arc<Task>,
        frame: &Frame,
        iteration: Iteration,
        scope: &Arc<TermScope>,
        path: &Path,
        span: Span,
        certain: bool,
    ) -> Result<Iteration, Stop> {
        let Some((file, text)) = self.project.files.text(path, Some(span)) else { return Err(Stop::Mistakes) };
        let (options, body, line) = match template_options(&iteration.args, &text) {
            Ok(found) => found,
            Err(message) if certain => {
                let report = if template_options(&iteration.args, "").is_ok() {
                    let end = text.lines().next().map_or(0, str::len) as u32;
                    Diagnostic::error(Code::TemplateSyntax, message).at(Span { file, start: 0, end }, "")
                } else {
                    let given = task.args.named.iter().find(|entry| message.contains(entry.key.as_ref()));
                    Diagnostic::error(Code::BadParameter, message).at(given.map_or(span, |entry| entry.value.span), "")
                };
                self.mistake(report);
                return Err(Stop::Mistakes);
            }
            Err(message) => {
                let args = Term::Failed(Arc::new(EvalError::failed(message)));
                return Ok(Iteration { args, ..iteration });
            }
        };
        let origin = Origin { file: crate::source::display_path(path), line, col: 1 };
        let template = Template { text: Arc::from(body), shape: Shape::Text, origin, layout: Layout::default() };
        let dest = match &iteration.args {
            Term::Value(args) => args.get("dest").map(ToString::to_string),
            _ => None,
        };
        let mut locals = lookups::template_variables(path, dest.as_deref());
        if let Some(item) = &iteration.item {
            locals.push((self.loop_control(task, frame).var, item.clone()));
        }
        let scope = if locals.is_empty() { scope.clone() } else { self.scope(frame, locals) };
        let (loader, included) = lookups::loader(path, &self.search_path(frame));
        let rendered = self.project.engine.render_file(
            &template,
            &options,
            loader.clone(),
            &(scope.clone() as Arc<dyn crate::template::Scope>),
        );
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let named = with_arg(iteration, "_original_basename", Value::from(name));
        match rendered {
            Ok(Value::Str(text)) => Ok(with_arg(named, "content", Value::Str(text))),
            Err(error) if certain => {
                let error = lookups::located(error, path, &self.search_path(frame), &self.project.files);
                let mut report =
                    super::diagnose::expression(&error, &scope.bindings().names(), &self.project.files, span);
                let task_name =
                    task.keywords.get(crate::parse::Keyword::Name).and_then(|n| n.text()).unwrap_or("template");
                report = report.note(format!(
                    "rendered by the task \"{task_name}\" at {}",
                    self.project.files.sources.origin(task.span)
                ));
                self.mistake(report);
                Err(Stop::Mistakes)
            }
            Ok(_) | Err(_) => {
                // What is known of the rest is in the text; what it includes has to travel, whether it was reached or not.
                lookups::load_all(&template.text, &loader);
                if super::binding::looks_up(&template.text) {
                    // With results there, all of it can be known here.
                    self.lookups.want_file();
                }
                let included = included.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
                let term = Term::Template(Arc::new(template));
                Ok(Iteration { template: Some(TemplateFile { term, options, included }), ..named })
            }
        }
    }

    /// A directory: what is in it, its files by their digests.
    fn directory(&mut self, iteration: Iteration, path: &Path, span: Span) -> Result<Iteration, Stop> {
        let vault = decrypts(&iteration).then(|| self.project.files.vault.clone());
        let vault = vault.as_deref();
        let follow = match &iteration.args {
            Term::Value(Value::Map(map)) => map.get("local_follow").is_none_or(crate::apply_truth),
            _ => true,
        };
        let mut tree = super::tree::Tree::new(&self.project.blobs, follow, vault);
        match tree.walk(path) {
            Ok(()) => {
                let secret = tree.secret;
                let iteration = with_arg(iteration, "_tree", Value::from(tree.entries));
                Ok(if secret { with_arg(iteration, "sensitive", Value::Bool(true)) } else { iteration })
            }
            Err(message) => {
                self.mistake(Diagnostic::error(unreadable(&message), message).at(span, "this is a directory"));
                Err(Stop::Mistakes)
            }
        }
    }

    /// How large a file is, its digest, and whether it was in a vault; it is decrypted then.
    fn source(&self, iteration: &Iteration, path: &Path) -> Result<(u64, String, bool), String> {
        if decrypts(iteration)
            && let Some(text) = super::tree::decrypted(&self.project.files.vault, path)?
        {
            let size = text.len() as u64;
            return Ok((size, self.project.blobs.add_bytes(text.into_bytes()), true));
        }
        let found = self.project.blobs.add_file(path);
        let (size, digest) =
            found.map_err(|error| format!("cannot read {}: {error}", crate::source::display_path(path)))?;
        Ok((size, digest, false))
    }

    /// A file as it is: its text with the task where it is short, its digest otherwise.
    fn file(&mut self, iteration: Iteration, path: &Path, span: Span, kind: &str) -> Result<Iteration, Stop> {
        if path.is_dir() && kind == "copy" {
            return self.directory(iteration, path, span);
        }
        if path.is_dir() {
            let report = Diagnostic::error(Code::Unsupported, format!("`{kind}` needs a file"));
            self.mistake(report.at(span, "this is a directory"));
            return Err(Stop::Mistakes);
        }
        let (size, digest, secret) = match self.source(&iteration, path) {
            Ok(found) => found,
            Err(message) => {
                self.mistake(Diagnostic::error(unreadable(&message), message).at(span, ""));
                return Err(Stop::Mistakes);
            }
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut iteration = with_arg(iteration, "_original_basename", Value::from(name));
        if secret && kind == "copy" {
            iteration = with_arg(iteration, "sensitive", Value::Bool(true));
        }
        if kind == "copy" {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = path.metadata().map_or(0o644, |meta| meta.permissions().mode() & 0o7777);
            iteration = with_arg(iteration, "_source_mode", Value::from(mode));
        }
        let bytes = (size <= INLINE).then(|| self.project.blobs.get(&digest)).flatten();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(match (kind, text) {
            ("copy", Some(text)) => with_arg(iteration, "content", Value::from(text_of(text.as_bytes()))),
            ("script", Some(text)) => with_arg(iteration, "_content", Value::from(text)),
            _ => with_arg(iteration, "_content_sha256", Value::from(digest)),
        })
    }
}

/// What names the source. Of a command line whose arguments are not known yet, its first word may be.
fn source_text(term: &Term, kind: &str) -> Option<String> {
    match term {
        Term::Template(template) if kind == "script" => {
            let first = crate::resource::script_of(&template.text);
            (!first.is_empty() && !first.contains('{')).then(|| first.to_owned())
        }
        term => term.as_value().map(ToString::to_string),
    }
}

/// Says whether files in a vault are decrypted: unless the task says `decrypt: false`.
fn decrypts(iteration: &Iteration) -> bool {
    known_args(&iteration.args).get("decrypt").is_none_or(crate::apply_truth)
}

/// What a file that cannot be had is called: one in a vault could be read, and no more.
fn unreadable(message: &str) -> Code {
    if message.starts_with("cannot decrypt") { Code::Vault } else { Code::FileUnreadable }
}

/// The arguments that are known.
fn known_args(args: &Term) -> Map {
    match args {
        Term::Value(Value::Map(map)) => map.as_ref().clone(),
        Term::Map(entries) => {
            let known =
                |(key, value): &(Term, Term)| Some((Arc::from(key.as_value()?.as_str()?), value.as_value()?.clone()));
            entries.iter().filter_map(known).collect()
        }
        _ => Map::new(),
    }
}

/// The parameters of the module, then the `#jinja2:` header of the file, which wins. Gives the rest of the file too, and
/// the line it begins at.
fn template_options<'t>(args: &Term, text: &'t str) -> Result<(FileOptions, &'t str, u32), String> {
    let mut options = FileOptions::default();
    if let Term::Value(Value::Map(map)) = args {
        let own = |name: &str| name.ends_with("_string") || name.ends_with("_blocks") || name == "newline_sequence";
        for (name, value) in map.iter().filter(|(name, value)| own(name) && !value.has_unknown()) {
            lookups::set_option(&mut options, name, &value.to_string())?;
        }
    }
    let (body, line) = lookups::header(text, &mut options)?;
    Ok((options, body, line))
}

/// Adds an argument.
pub(super) fn with_arg(iteration: Iteration, name: &str, value: Value) -> Iteration {
    let args = match iteration.args {
        Term::Value(Value::Map(map)) => {
            let mut map: Map = map.as_ref().clone();
            map.insert(Arc::from(name), value);
            Term::Value(Value::from(map))
        }
        Term::Map(entries) => {
            let mut entries = entries.as_ref().clone();
            entries.push((Term::Value(Value::str(name)), Term::Value(value)));
            Term::Map(Arc::new(entries))
        }
        other => other,
    };
    Iteration { args, ..iteration }
}

/// Every name in these directories, for suggestions.
pub(super) fn names_in(places: &[PathBuf]) -> Vec<String> {
    places
        .iter()
        .flat_map(|place| std::fs::read_dir(place).into_iter().flatten().filter_map(|e| e.ok()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
