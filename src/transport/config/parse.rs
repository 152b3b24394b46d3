//! From text to lines with meaning: keywords, quoting, `Host`, `Match` and `Include`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::ConnectError;
use super::super::pattern;
use super::tokens::{self, Local};

/// OpenSSH's own limit on includes within includes.
const MAX_DEPTH: usize = 16;

/// A parsed file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) entries: Vec<Entry>,
}

/// One line.
#[derive(Debug)]
pub(super) enum Entry {
    Host(Vec<String>),
    Match(Vec<Criterion>, String),
    Include(Vec<File>),
    /// A lower-case keyword, its arguments, the raw rest of the line, and `file:line`.
    Set {
        keyword: String,
        args: Vec<String>,
        raw: String,
        location: String,
    },
}

/// One condition of a `Match` line.
#[derive(Debug)]
pub(super) struct Criterion {
    pub(super) negated: bool,
    pub(super) test: Test,
}

/// What a criterion looks at.
#[derive(Debug)]
pub(super) enum Test {
    All,
    Canonical,
    Final,
    Host(String),
    OriginalHost(String),
    User(String),
    LocalUser(String),
    Exec(String),
}

impl File {
    /// Reads a file and what it includes; `Ok(None)` if there is no such file.
    pub(super) fn read(path: &Path, base: &Path, local: &Local) -> Result<Option<Self>, ConnectError> {
        Self::read_at(path, base, local, 0)
    }

    fn read_at(path: &Path, base: &Path, local: &Local, depth: usize) -> Result<Option<Self>, ConnectError> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => {
                return Err(wrong(&path.display().to_string(), format!("cannot read it: {error}")));
            }
        };
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let location = format!("{}:{}", path.display(), index + 1);
            let Some((keyword, raw)) = split_keyword(line) else {
                continue;
            };
            let args = split_args(raw).map_err(|what| wrong(&location, what))?;
            entries.push(match keyword.as_str() {
                "host" => Entry::Host(args),
                "match" => Entry::Match(criteria(&args).map_err(|what| wrong(&location, what))?, location),
                "include" if depth == MAX_DEPTH => {
                    return Err(wrong(&location, "too many nested includes"));
                }
                "include" => {
                    let mut files = Vec::new();
                    for path in args.iter().flat_map(|arg| glob(&base.join(tokens::tilde(arg, local)))) {
                        files.extend(Self::read_at(&path, base, local, depth + 1)?);
                    }
                    Entry::Include(files)
                }
                _ => Entry::Set { keyword, args, raw: raw.to_owned(), location },
            });
        }
        Ok(Some(Self { entries }))
    }

    /// Lines that were given for one host; `from` says where.
    pub(super) fn of_options(lines: &[String], from: &str) -> Result<Self, ConnectError> {
        let mut entries = Vec::new();
        for line in lines {
            let Some((keyword, raw)) = split_keyword(line) else { continue };
            let args = split_args(raw).map_err(|what| wrong(from, what))?;
            entries.push(Entry::Set { keyword, args, raw: raw.to_owned(), location: from.to_owned() });
        }
        Ok(Self { entries })
    }

    /// Whether a `Match exec` is anywhere in it.
    pub(super) fn has_exec(&self) -> bool {
        self.entries.iter().any(|entry| match entry {
            Entry::Match(criteria, _) => criteria.iter().any(|c| matches!(c.test, Test::Exec(_))),
            Entry::Include(files) => files.iter().any(Self::has_exec),
            _ => false,
        })
    }
}

pub(super) fn wrong(location: &str, what: impl Into<String>) -> ConnectError {
    ConnectError::Config { location: location.to_owned(), what: what.into() }
}

/// Splits `Keyword value`, `Keyword=value` and `Keyword = value`; `None` for blank lines and comments.
pub(super) fn split_keyword(line: &str) -> Option<(String, &str)> {
    let line = line.trim_matches([' ', '\t', '\r', '\u{c}']);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
    let (keyword, rest) = line.split_at_checked(end)?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start_matches([' ', '\t']);
    Some((keyword.to_ascii_lowercase(), rest))
}

/// Splits arguments at blanks, honouring quotes, backslashes and a comment at the end.
pub(in super::super) fn split_args(text: &str) -> Result<Vec<String>, &'static str> {
    let mut args = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match rest.peek() {
            None | Some('#') => return Ok(args),
            Some(_) => args.push(split_one(&mut rest)?),
        }
    }
}

fn split_one(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, &'static str> {
    let mut word = String::new();
    let mut quote = None;
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next_if(|next| matches!(next, '\'' | '"' | '\\') || (quote.is_none() && *next == ' ')) {
                Some(escaped) => word.push(escaped),
                None => word.push('\\'),
            },
            ' ' | '\t' if quote.is_none() => return Ok(word),
            '"' | '\'' if quote.is_none() => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            _ => word.push(c),
        }
    }
    if quote.is_some() { Err("a quote is not closed") } else { Ok(word) }
}

fn criteria(args: &[String]) -> Result<Vec<Criterion>, String> {
    let mut found = Vec::new();
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        let (negated, name) = word.strip_prefix('!').map_or((false, word.as_str()), |name| (true, name));
        let (name, given) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
        let mut value = || {
            given.clone().or_else(|| rest.next().cloned()).ok_or_else(|| format!("`Match {name}` needs an argument"))
        };
        let test = match name.to_ascii_lowercase().as_str() {
            "all" => Test::All,
            "canonical" => Test::Canonical,
            "final" => Test::Final,
            "host" => Test::Host(value()?),
            "originalhost" => Test::OriginalHost(value()?),
            "user" => Test::User(value()?),
            "localuser" => Test::LocalUser(value()?),
            "exec" => Test::Exec(value()?),
            other => return Err(format!("`Match {other}` is not supported")),
        };
        found.push(Criterion { negated, test });
    }
    if found.is_empty() { Err("`Match` needs a condition".to_owned()) } else { Ok(found) }
}

/// The files a path with wildcards stands for, sorted.
fn glob(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let name = part.as_os_str().to_string_lossy();
        if name.contains(['*', '?']) {
            found = found.iter().flat_map(|dir| matching(dir, &name)).collect();
        } else {
            found.iter_mut().for_each(|dir| dir.push(part));
        }
    }
    found
}

fn matching(dir: &Path, name: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut found: Vec<_> = names
        .filter_map(|found| found.into_string().ok())
        .filter(|found| pattern::matches(name, found) && (name.starts_with('.') || !found.starts_with('.')))
        .map(|found| dir.join(found))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_arguments() {
        type Case = (&'static str, Option<(&'static str, &'static [&'static str])>);
        let table: [Case; 9] = [
            ("", None),
            ("  # note", None),
            ("User me", Some(("user", &["me"]))),
            ("\tPort=22 ", Some(("port", &["22"]))),
            ("Port = 22 # why", Some(("port", &["22"]))),
            ("IdentityFile \"a b\" 'c d' e\\ f", Some(("identityfile", &["a b", "c d", "e f"]))),
            ("X a\"b c\"d", Some(("x", &["ab cd"]))),
            ("X \"a\\\"b\" \\n", Some(("x", &["a\"b", "\\n"]))),
            ("X a#b #c", Some(("x", &["a#b"]))),
        ];
        for (line, expected) in table {
            let found = split_keyword(line).map(|(keyword, rest)| (keyword, split_args(rest).unwrap()));
            let expected = expected.map(|(k, args)| (k.to_owned(), args.iter().map(|a| (*a).to_owned()).collect()));
            assert_eq!(found, expected, "{line:?}");
        }
        assert!(split_args("\"open").is_err());
    }
}
