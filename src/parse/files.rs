//! The files of a project, each read and parsed at most once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::meta::Meta;
use super::role::Role;
use super::task::{Item, parse_items};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::source::{FileId, SourceMap, Span};
use crate::yaml::{Entry, Node, load};

/// A file of variables.
#[derive(Debug, Default)]
pub struct VarsFile {
    /// Where it is; empty where there is none.
    pub path: PathBuf,
    /// What it defines.
    pub entries: Vec<Entry>,
}

/// Reads and keeps files. Shared by all hosts of a run.
pub struct Files {
    /// The text of everything read.
    pub sources: SourceMap,
    /// Where roles are looked for beside the playbook, in order.
    pub roles_path: Vec<PathBuf>,
    /// Decrypts whole files that are vaults.
    pub vault: Arc<crate::secret::Vault>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    diagnostics: Diagnostics,
    /// Warnings that were taken out: what is compiled twice does not say them twice.
    told: Diagnostics,
    documents: HashMap<PathBuf, Option<Arc<Vec<Node>>>>,
    tasks: HashMap<PathBuf, Arc<Vec<Item>>>,
    vars: HashMap<PathBuf, Arc<VarsFile>>,
    roles: HashMap<(PathBuf, String), Arc<Role>>,
    texts: HashMap<PathBuf, (FileId, Arc<str>)>,
}

/// Names a directory's main file may have.
const MAIN: &[&str] = &["main.yml", "main.yaml", "main.json", "main"];

impl Files {
    /// Starts with nothing read.
    pub fn new(sources: SourceMap, roles_path: Vec<PathBuf>, vault: Arc<crate::secret::Vault>) -> Self {
        Self { sources, roles_path, vault, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What is wrong so far; it is taken out.
    pub fn take_diagnostics(&self) -> Diagnostics {
        let mut state = self.state();
        let taken = std::mem::take(&mut state.diagnostics);
        state.told.extend(taken.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning).cloned());
        taken
    }

    /// Reports something.
    pub fn report(&self, diagnostic: Diagnostic) {
        let mut state = self.state();
        if !state.told.contains(&diagnostic) {
            state.diagnostics.push(diagnostic);
        }
    }

    /// Says whether an error was reported.
    pub fn has_errors(&self) -> bool {
        self.state().diagnostics.has_errors()
    }

    /// Reads the documents of a YAML file. What is wrong is reported; an unreadable file gives `None`.
    pub fn documents(&self, path: &Path, wanted_at: Option<Span>) -> Option<Arc<Vec<Node>>> {
        if let Some(known) = self.state().documents.get(path) {
            return known.clone();
        }
        let read = self.read(path, wanted_at).map(|(text, secret)| {
            let file = self.add(path, &Arc::from(text), secret);
            let mut diagnostics = Diagnostics::default();
            let nodes = load(&self.sources, file, &mut diagnostics);
            if secret {
                nodes.iter().for_each(|node| self.vault.redactor().add_value(&node.to_value()));
            }
            self.state().diagnostics.extend(diagnostics);
            Arc::new(nodes)
        });
        self.state().documents.insert(path.to_path_buf(), read.clone());
        read
    }

    /// Reads a text file, such as a template.
    pub fn text(&self, path: &Path, wanted_at: Option<Span>) -> Option<(FileId, Arc<str>)> {
        if let Some(known) = self.state().texts.get(path) {
            return Some(known.clone());
        }
        let (text, secret) = self.read(path, wanted_at)?;
        let text: Arc<str> = Arc::from(text);
        let file = self.add(path, &text, secret);
        self.state().texts.insert(path.to_path_buf(), (file, text.clone()));
        Some((file, text))
    }

    fn add(&self, path: &Path, text: &Arc<str>, secret: bool) -> FileId {
        if secret { self.sources.add_secret(path, text.clone()) } else { self.sources.add(path, text.clone()) }
    }

    /// Reads text; says whether it was encrypted.
    fn read(&self, path: &Path, wanted_at: Option<Span>) -> Option<(String, bool)> {
        let placed = |report: Diagnostic| match wanted_at {
            Some(span) => report.at(span, "asked for here"),
            None => report,
        };
        let report = |message: String| self.report(placed(Diagnostic::error(Code::FileUnreadable, message)));
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let text = error.to_string();
                let reason = text.split(" (os error").next().unwrap_or(&text).to_owned();
                report(format!("cannot read {}: {reason}", crate::source::display_path(path)));
                return None;
            }
        };
        if crate::secret::is_vault(&bytes) {
            return match self.vault.decrypt(&String::from_utf8_lossy(&bytes)) {
                Ok(text) => Some((text, true)),
                Err(error) => {
                    let report = Diagnostic::error(
                        Code::Vault,
                        format!("cannot decrypt {}: {error}", crate::source::display_path(path)),
                    );
                    self.report(placed(report).help(error.help()));
                    None
                }
            };
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some((text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text), false)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                report(format!("{} is not UTF-8 text (byte {at})", crate::source::display_path(path)));
                None
            }
        }
    }

    /// Reads a file of tasks.
    pub fn tasks(&self, path: &Path, wanted_at: Option<Span>) -> Option<Arc<Vec<Item>>> {
        if let Some(known) = self.state().tasks.get(path) {
            return Some(known.clone());
        }
        let documents = self.documents(path, wanted_at)?;
        let mut diagnostics = Diagnostics::default();
        let items: Vec<Item> = documents.iter().flat_map(|node| parse_items(node, &mut diagnostics)).collect();
        let items = Arc::new(items);
        let mut state = self.state();
        state.diagnostics.extend(diagnostics);
        state.tasks.insert(path.to_path_buf(), items.clone());
        Some(items)
    }

    /// Forgets what files of variables and inventories say: they are read again when they are asked for.
    pub fn forget_variables(&self) {
        let mut state = self.state();
        state.documents.clear();
        state.vars.clear();
        state.texts.clear();
    }

    /// Reads a file of `vars_files`, which may also hold a list of mappings.
    pub fn vars_of_play(&self, path: &Path, wanted_at: Option<Span>) -> Option<Arc<VarsFile>> {
        let documents = self.documents(path, wanted_at)?;
        let items = |node: &Node| node.as_list().map(<[Node]>::to_vec);
        let Some(items) = documents.iter().map(items).collect::<Option<Vec<_>>>().filter(|lists| !lists.is_empty())
        else {
            return self.vars(path, wanted_at);
        };
        let entries = items.iter().flatten().flat_map(|item| self.variables_of(item)).collect();
        Some(Arc::new(VarsFile { path: path.to_path_buf(), entries }))
    }

    fn variables_of(&self, node: &Node) -> Vec<crate::yaml::Entry> {
        if node.as_map().is_none() && !node.is_null() {
            let message = format!("a file of variables is a mapping; found {}", node.type_name());
            self.report(Diagnostic::error(Code::WrongShape, message).at(node.span, ""));
        }
        node.as_map().unwrap_or_default().to_vec()
    }

    /// Reads a file of variables.
    pub fn vars(&self, path: &Path, wanted_at: Option<Span>) -> Option<Arc<VarsFile>> {
        if let Some(known) = self.state().vars.get(path) {
            return Some(known.clone());
        }
        let documents = self.documents(path, wanted_at)?;
        let entries = documents.iter().flat_map(|node| self.variables_of(node)).collect();
        let file = Arc::new(VarsFile { path: path.to_path_buf(), entries });
        self.state().vars.insert(path.to_path_buf(), file.clone());
        Some(file)
    }

    /// The files of variables of a name: every file of a directory of that name, or else the file. There is one or the other, as
    /// in Ansible: the first that is found counts.
    pub fn variable_files(dir: &Path, name: &str) -> Vec<PathBuf> {
        for end in ["", ".yml", ".yaml", ".json"] {
            let path = dir.join(format!("{name}{end}"));
            if path.is_dir() {
                let mut found = Vec::new();
                collect(&path, &mut found);
                return found;
            }
            if path.is_file() {
                return vec![path];
            }
        }
        Vec::new()
    }

    /// The main file of a directory, or the named one.
    pub fn main_file(dir: &Path, name: Option<&str>) -> Option<PathBuf> {
        let names: Vec<String> = match name {
            None => MAIN.iter().map(|n| (*n).to_owned()).collect(),
            Some(name) => vec![name.to_owned(), format!("{name}.yml"), format!("{name}.yaml"), format!("{name}.json")],
        };
        names.iter().map(|name| dir.join(name)).find(|path| path.is_file())
    }

    /// Finds the directory of a role.
    pub fn find_role(&self, name: &str, play_dir: &Path, from_role: Option<&Path>) -> Result<PathBuf, Vec<PathBuf>> {
        let short = name.rsplit('.').next().unwrap_or(name);
        let mut places: Vec<PathBuf> = vec![play_dir.join("roles")];
        places.extend(from_role.and_then(Path::parent).map(Path::to_path_buf));
        places.extend(self.roles_path.iter().cloned());
        places.push(play_dir.to_path_buf());
        // A playbook in `playbooks/` of a project finds the roles beside that directory.
        places.extend(play_dir.parent().filter(|_| play_dir.ends_with("playbooks")).map(|p| p.join("roles")));
        let mut seen = Vec::new();
        for place in places {
            for name in [name, short] {
                let path = place.join(name);
                if path.is_dir() {
                    return Ok(path.canonicalize().unwrap_or(path));
                }
            }
            if !seen.contains(&place) {
                seen.push(place);
            }
        }
        Err(seen)
    }

    /// Reads a role.
    pub fn role(&self, name: &str, path: &Path) -> Arc<Role> {
        let key = (path.to_path_buf(), name.to_owned());
        if let Some(known) = self.state().roles.get(&key) {
            return known.clone();
        }
        let vars = |dir: &str| {
            let paths = Self::variable_files(&path.join(dir), "main");
            let mut files = paths.iter().filter_map(|file| self.vars(file, None));
            let first = files.next().unwrap_or_default();
            // Several are read as one; what a later one says again counts.
            files.fold(first, |all, file| {
                let entries = all.entries.iter().chain(&file.entries).cloned().collect();
                Arc::new(VarsFile { path: all.path.clone(), entries })
            })
        };
        let tasks = |dir: &str| {
            let file = Self::main_file(&path.join(dir), None);
            file.and_then(|file| self.tasks(&file, None)).unwrap_or_default()
        };
        let meta_file = |name| {
            let file = Self::main_file(&path.join("meta"), name)?;
            self.documents(&file, None)?.first().cloned()
        };
        let mut diagnostics = Diagnostics::default();
        let (main, specs) = (meta_file(None), meta_file(Some("argument_specs")));
        let role = Arc::new(Role {
            name: Arc::from(name),
            path: path.to_path_buf(),
            defaults: vars("defaults"),
            vars: vars("vars"),
            tasks: tasks("tasks"),
            handlers: tasks("handlers"),
            meta: Meta::parse(main.as_ref(), specs.as_ref(), &mut diagnostics),
        });
        let mut state = self.state();
        state.diagnostics.extend(diagnostics);
        state.roles.insert(key, role.clone());
        role
    }
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(|e| e.ok());
    let mut paths: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fits = path.extension().is_none_or(|e| e == "yml" || e == "yaml" || e == "json");
        if path.is_dir() {
            collect(&path, found);
        } else if fits && !name.starts_with('.') && !name.ends_with('~') {
            found.push(path);
        }
    }
}
