//! Where text came from: the files of a project and positions in them.
//!
//! Invariants: a [`Span`] always lies inside the file it names; files are added and never removed, so a span stays valid
//! for the life of its [`SourceMap`].

mod home;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use serde::{Deserialize, Serialize};

pub use home::{expanded, home_of};

/// Names a file of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A position a person can go to; what travels to a target in place of a [`Span`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Path as shown, relative to where cfg was started if it lies below.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A file that was read.
#[derive(Debug)]
pub struct SourceFile {
    /// Where it was read.
    pub path: PathBuf,
    /// Path as shown.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// It was encrypted where it was read: its text is never shown.
    pub secret: bool,
    line_starts: Vec<u32>,
}

impl SourceFile {
    fn new(path: PathBuf, name: Arc<str>, text: Arc<str>) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i as u32 + 1)).collect();
        Self { path, name, text, secret: false, line_starts }
    }

    /// The text as it may be shown. That of a secret file is masked letter by letter, so that offsets stay what they are.
    pub fn shown(&self) -> std::borrow::Cow<'_, str> {
        if !self.secret {
            return std::borrow::Cow::Borrowed(&self.text);
        }
        let mask = |c: char| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) };
        std::borrow::Cow::Owned(self.text.chars().map(mask).collect())
    }

    /// Line and column (both from 1, the column in characters) of a byte offset.
    pub fn line_col(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start as usize..offset as usize).unwrap_or("");
        (line as u32, before.chars().count() as u32 + 1)
    }
}

/// Every file that was read, shared by all who make diagnostics.
#[derive(Clone, Debug, Default)]
pub struct SourceMap(Arc<RwLock<Vec<Arc<SourceFile>>>>, Arc<RwLock<Mentions>>);

/// For words that were asked for: how many files were looked at, and whether one holds it.
type Mentions = HashMap<&'static str, (usize, bool)>;

impl SourceMap {
    /// Adds a file's text and returns its name in the map.
    pub fn add(&self, path: &Path, text: impl Into<Arc<str>>) -> FileId {
        let name = display_path(path);
        let mut files = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        files.push(Arc::new(SourceFile::new(path.to_path_buf(), name, text.into())));
        FileId(files.len() as u32 - 1)
    }

    /// Adds the text of a file that was encrypted: excerpts of it are masked.
    pub fn add_secret(&self, path: &Path, text: impl Into<Arc<str>>) -> FileId {
        let mut file = SourceFile::new(path.to_path_buf(), display_path(path), text.into());
        file.secret = true;
        let mut files = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        files.push(Arc::new(file));
        FileId(files.len() as u32 - 1)
    }

    /// Returns a file. An id of another map gives an empty file.
    pub fn file(&self, id: FileId) -> Arc<SourceFile> {
        let files = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        files
            .get(id.0 as usize)
            .cloned()
            .unwrap_or_else(|| Arc::new(SourceFile::new(PathBuf::new(), Arc::from(""), Arc::from(""))))
    }

    /// The names in any file read so far that begin with these letters.
    pub fn names_with(&self, start: &str) -> std::collections::BTreeSet<String> {
        let files = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let name =
            |text: &str| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().map(str::to_owned);
        let found =
            |text: &str| text.match_indices(start).filter_map(|(at, _)| name(text.get(at..)?)).collect::<Vec<_>>();
        files.iter().flat_map(|file| found(&file.text)).collect()
    }

    /// Says whether any file read so far holds a text.
    pub fn mentions(&self, text: &'static str) -> bool {
        let files = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = self.1.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(text).copied();
        // Asked for every task of every host; files only come, they never change.
        let (looked, found) = known.unwrap_or((0, false));
        if found || looked == files.len() {
            return found;
        }
        let found = files.iter().skip(looked).any(|file| file.text.contains(text));
        let mut known = self.1.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.insert(text, (files.len(), found));
        found
    }

    /// The files read so far, in that order.
    pub fn ids(&self) -> Vec<FileId> {
        (0..self.len() as u32).map(FileId).collect()
    }

    /// Number of files read.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).len()
    }

    /// Says whether no file was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place where a span starts.
    pub fn origin(&self, span: Span) -> Origin {
        let file = self.file(span.file);
        let (line, col) = file.line_col(span.start);
        Origin { file: file.name.clone(), line, col }
    }
}

impl SourceMap {
    /// The span of `length` characters from a place; `None` where the file is not in this map.
    pub fn span_at(&self, origin: &Origin, length: u32) -> Option<Span> {
        let files = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (index, file) = files.iter().enumerate().rev().find(|(_, file)| file.name == origin.file)?;
        let line_start = *file.line_starts.get(origin.line.checked_sub(1)? as usize)?;
        let line = file.text.get(line_start as usize..)?.split('\n').next()?;
        let offset = |chars: u32| line.char_indices().nth(chars as usize).map_or(line.len(), |(i, _)| i) as u32;
        let start = line_start + offset(origin.col.saturating_sub(1));
        let end = line_start + offset(origin.col.saturating_sub(1) + length.max(1));
        Some(Span { file: FileId(index as u32), start, end })
    }
}

/// Shows a path relative to the working directory where it lies below it.
pub fn display_path(path: &Path) -> Arc<str> {
    let shown = std::env::current_dir().ok().and_then(|cwd| path.strip_prefix(cwd).ok().map(Path::to_path_buf));
    let shown = shown.filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| path.to_path_buf());
    let text = shown.to_string_lossy();
    Arc::from(text.strip_prefix("./").unwrap_or(&text))
}

/// The places something was looked for in, each once, for a message.
pub fn display_places<'a>(places: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let mut shown: Vec<Arc<str>> = Vec::new();
    for place in places {
        let place = display_path(place);
        if !shown.contains(&place) {
            shown.push(place);
        }
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_count_characters() {
        let map = SourceMap::default();
        let id = map.add(Path::new("a.yml"), "a: ü x\nb: 1\n");
        let at = |start| {
            let o = map.origin(Span { file: id, start, end: start });
            (o.line, o.col)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(6), (1, 6));
        assert_eq!(at(8), (2, 1));
    }
}
