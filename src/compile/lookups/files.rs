//! Lookups of files of the controller.

use std::path::{Path, PathBuf};

use super::{Ask, Outcome, Reach, fail};
use crate::source::expanded;
use crate::template::{EvalError, Lookup};
use crate::value::{Value, text_of};

impl Reach {
    /// Where a file is: in `folder` of the directories that are searched, or in them.
    pub fn find(&self, name: &str, folder: &str) -> Option<PathBuf> {
        let path = expanded(name);
        if path.is_absolute() {
            return path.exists().then_some(path);
        }
        let places = self.search.iter().flat_map(|dir| [dir.join(folder).join(&path), dir.join(&path)]);
        places.filter(|path| path.exists()).map(absolute).next()
    }

    /// The content of a file, decrypted where it is a vault.
    pub fn read(&self, name: &str, folder: &str) -> Result<Vec<u8>, EvalError> {
        let Some(path) = self.find(name, folder) else {
            return fail(format!("there is no file `{name}`"));
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => return fail(format!("cannot read `{name}`: {error}")),
        };
        if !crate::secret::is_vault(&bytes) {
            return Ok(bytes);
        }
        match self.project.files.vault.decrypt(&String::from_utf8_lossy(&bytes)) {
            Ok(text) => Ok(text.into_bytes()),
            Err(error) => fail(format!("cannot decrypt `{name}`: {error}; {}", error.help())),
        }
    }

    /// The text of a file.
    pub fn read_text(&self, name: &str, folder: &str) -> Result<String, EvalError> {
        Ok(text_of(&self.read(name, folder)?))
    }
}

pub(super) fn file(ask: &Ask<'_>) -> Outcome {
    let (right, left) =
        (ask.option("rstrip").is_none_or(crate::apply_truth), ask.option("lstrip").is_some_and(crate::apply_truth));
    let read = |name: String| {
        let text = ask.reach.read_text(&name, "files")?;
        let text = if right { text.trim_end() } else { &text };
        Ok(Value::str(if left { text.trim_start() } else { text }))
    };
    Ok(Lookup::Results(ask.texts().map(read).collect::<Result<_, EvalError>>()?))
}

pub(super) fn unvault(ask: &Ask<'_>) -> Outcome {
    let read = |name: String| ask.reach.read_text(&name, "files").map(Value::from);
    Ok(Lookup::Results(ask.texts().map(read).collect::<Result<_, EvalError>>()?))
}

/// `is file` and its kin.
pub(super) fn path_test(ask: &Ask<'_>) -> Outcome {
    use std::os::unix::fs::MetadataExt as _;
    let texts: Vec<String> = ask.texts().collect();
    let path = expanded(texts.first().map_or("", String::as_str));
    let device = |path: &Path| path.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
    let holds = match ask.call.name.trim_start_matches(crate::template::PATH_TEST) {
        "directory" => path.is_dir(),
        "exists" => path.exists(),
        "file" => path.is_file(),
        "link" => path.is_symlink(),
        "link_exists" => path.symlink_metadata().is_ok(),
        "mount" => {
            let above = device(&path.join(".."));
            device(&path).is_some_and(|own| above.is_none_or(|above| own.0 != above.0 || own.1 == above.1))
        }
        "same_file" => {
            device(&path).is_some() && device(&path) == texts.get(1).and_then(|other| device(&expanded(other)))
        }
        "vaulted_file" => crate::secret::is_vault(&std::fs::read(&path).unwrap_or_default()),
        other => return fail(format!("cfg has no test `{other}`")),
    };
    // What is not there yet may be made by an earlier task.
    if !holds && ask.reach.early {
        ask.reach.log.want(ask.call);
        return Ok(Lookup::Unknown);
    }
    Ok(Lookup::Results(vec![Value::Bool(holds)]))
}

pub(super) fn fileglob(ask: &Ask<'_>) -> Outcome {
    Ok(Lookup::Results(ask.texts().flat_map(|pattern| glob(&pattern, &ask.reach.search)).collect()))
}

/// The files of the first directory in which any file fits; only the last part of a path is a pattern.
fn glob(pattern: &str, search: &[PathBuf]) -> Vec<Value> {
    let path = expanded(pattern);
    let (dir, name) =
        (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let dirs: Vec<PathBuf> = if path.is_absolute() {
        vec![dir.to_path_buf()]
    } else {
        search.iter().flat_map(|base| [base.join("files").join(dir), base.join(dir)]).collect()
    };
    for dir in dirs {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().filter_map(|entry| entry.ok());
        let fits = |entry: &std::fs::DirEntry| {
            let file = entry.file_name().to_string_lossy().into_owned();
            // As in a shell, a name that begins with a dot has to be asked for.
            (!file.starts_with('.') || name.starts_with('.'))
                && crate::inventory::glob(&name, &file)
                && entry.path().is_file()
        };
        let mut found: Vec<PathBuf> = entries.filter(fits).map(|entry| entry.path()).collect();
        if !found.is_empty() {
            found.sort();
            return found.into_iter().map(|path| Value::str(absolute(path).to_string_lossy())).collect();
        }
    }
    Vec::new()
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The first of several files that exists; terms are names, or mappings of `files` and `paths`.
pub(super) fn first_found(ask: &Ask<'_>) -> Outcome {
    let mut wanted = Wanted { skip: ask.option("skip").is_some_and(crate::apply_truth), names: Vec::new() };
    let (files, paths) = (texts(ask.option("files")), texts(ask.option("paths")));
    if ask.call.terms.is_empty() {
        wanted.add(&files, &paths);
    }
    for term in &ask.call.terms {
        wanted.term(term, &paths)?;
    }
    for name in &wanted.names {
        let folders = [ask.reach.log.folder(), ""];
        if let Some(found) = folders.iter().find_map(|folder| ask.reach.find(name, folder)) {
            return Ok(Lookup::Results(vec![Value::str(absolute(found).to_string_lossy())]));
        }
    }
    if wanted.skip {
        return Ok(Lookup::Results(Vec::new()));
    }
    fail(format!("No file was found when using first_found; looked for: {}", wanted.names.join(", ")))
}

/// What `first_found` looks for.
struct Wanted {
    skip: bool,
    names: Vec<String>,
}

impl Wanted {
    fn add(&mut self, files: &[String], paths: &[String]) {
        let join = |path: &String, file: &String| Path::new(path).join(file).to_string_lossy().into_owned();
        match paths {
            [] => self.names.extend_from_slice(files),
            paths => self.names.extend(paths.iter().flat_map(|path| files.iter().map(move |file| join(path, file)))),
        }
    }

    fn term(&mut self, term: &Value, paths: &[String]) -> Result<(), EvalError> {
        match term {
            Value::Map(map) => {
                let own = map.get("paths").map(|own| texts(Some(own)));
                self.skip |= map.get("skip").is_some_and(crate::apply_truth);
                self.add(&texts(map.get("files")), own.as_deref().unwrap_or(paths));
                Ok(())
            }
            Value::List(items) => items.iter().try_for_each(|item| self.term(item, paths)),
            Value::Str(_) => {
                self.add(&texts(Some(term)), paths);
                Ok(())
            }
            // What was not defined was left out before.
            Value::Null | Value::Omit => Ok(()),
            other => fail(format!(
                "the lookup `first_found` takes names and mappings, not '{}'",
                crate::template::python_type(other)
            )),
        }
    }
}

/// Names, one by one or in one text between commas, semicolons or, for paths, colons.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::List(items)) => items
            .iter()
            .filter(|item| !matches!(item, Value::Null | Value::Omit))
            .flat_map(|item| texts(Some(item)))
            .collect(),
        Some(Value::Str(text)) => {
            text.split([',', ';', ':']).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        }
        _ => Vec::new(),
    }
}
