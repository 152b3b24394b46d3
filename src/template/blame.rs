//! From failures of the engine to ours: what failed, where it was written, and what to do.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use minijinja::{Error, ErrorKind};

use super::error::{EvalError, Reason};
use super::mutable::{self, Insertions};
use super::scope::Scope;
use super::term::{Shape, Template};
use crate::source::Origin;

/// The templates a template has included.
pub type Loaded = Arc<Mutex<Vec<LoadedText>>>;

/// A template that was included.
pub struct LoadedText {
    /// The name it was asked for by.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What was put into it for the engine.
    pub insertions: Insertions,
}

/// The texts of an evaluation.
pub struct Texts<'a> {
    /// What was put into the text of the template itself.
    pub insertions: &'a Insertions,
    /// What expressions stand in; nothing where the whole text is one.
    pub marks: Vec<(String, String)>,
    /// What was included.
    pub loaded: Loaded,
}

impl<'a> Texts<'a> {
    /// The texts of a template that includes nothing.
    pub fn of(template: &Template, insertions: &'a Insertions) -> Self {
        let pair = |open: &str, close: &str| (open.to_owned(), close.to_owned());
        let marks = match template.shape {
            Shape::Expression | Shape::Line | Shape::Condition => Vec::new(),
            Shape::Text => vec![pair("{{", "}}"), pair("{%", "%}")],
        };
        Self { insertions, marks, loaded: Loaded::default() }
    }
}

/// Something undefined was used: here, or in something that is included.
pub fn missing(
    template: &Template,
    texts: &Texts<'_>,
    path: &str,
    mut error: EvalError,
    scope: &dyn Scope,
) -> EvalError {
    if let Reason::Undefined(path) = &error.reason
        && error.place.is_none()
        && error.help.is_none()
    {
        let root = path.split(['.', '[']).next().unwrap_or(path);
        error.help = advice(&error.message)
            .or_else(|| crate::diagnostic::did_you_mean(root, scope.names().iter().map(String::as_str)));
    }
    let own = find_path(&template.text, path, &texts.marks);
    if own.is_none() && error.place.is_none() {
        let loaded = texts.loaded.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let used = loaded.iter().find_map(|known| Some((known, find_path(&known.text, path, &texts.marks)?)));
        error.place = used.map(|(known, range)| place_in(&known.name, &known.text, range));
    }
    error.in_template(template, own)
}

/// What the engine says, in our words.
pub fn error(template: &Template, texts: &Texts<'_>, error: &Error) -> EvalError {
    let error = innermost(error);
    let range = range(template, texts, error);
    let foreign = foreign(template, texts, error);
    let (source, at) = match (&range, &foreign) {
        (Some(range), _) => (template.text.as_ref(), range.clone()),
        (None, Some((_, source, range))) => (source.as_str(), range.clone()),
        (None, None) => ("", 0..0),
    };
    let failing = source.get(at.clone()).unwrap_or("");
    let (reason, message) = words(error, failing);
    let help = advice(&message).or_else(|| grammar(&message, source.get(at.start..).unwrap_or("")));
    let narrow = |range: Range<usize>| narrowed(source, range, &reason);
    let place = match (&range, &foreign) {
        (None, Some((name, source, range))) => Some(place_in(name, source, narrow(range.clone()))),
        _ => None,
    };
    let range = range.map(narrow);
    EvalError { reason, message, place, via: Vec::new(), help }.in_template(template, range)
}

/// What a lookup says of itself, where it was called.
pub fn lookup(template: &Template, texts: &Texts<'_>, mut failure: EvalError, error: Option<&Error>) -> EvalError {
    let error = error.map(innermost);
    let range = error.and_then(|error| range(template, texts, error));
    let range = range.map(|range| narrowed(&template.text, range, &failure.reason));
    let foreign = error.filter(|_| failure.place.is_none()).and_then(|error| foreign(template, texts, error));
    if let (None, Some((name, source, range))) = (&range, foreign) {
        failure.place = Some(place_in(&name, &source, narrowed(&source, range, &failure.reason)));
    }
    failure.in_template(template, range)
}

/// Of a whole chain of filters, the one that does not exist.
fn narrowed(text: &str, range: Range<usize>, reason: &Reason) -> Range<usize> {
    let Reason::UnknownName(name) = reason else { return range };
    let inside = text.get(range.clone()).and_then(|part| part.rfind(name.as_str()));
    // Of an expression of several lines, the engine knows the first one only.
    let behind = || text.get(range.start..).and_then(|rest| rest.find(name.as_str()));
    let found = inside.or_else(behind).filter(|_| !name.is_empty());
    found.map_or(range.clone(), |at| range.start + at..range.start + at + name.len())
}

/// Where in the text of the template itself the engine has failed.
fn range(template: &Template, texts: &Texts<'_>, error: &Error) -> Option<Range<usize>> {
    let range = error.range().filter(|_| is_own(template, texts, error))?;
    Some(original(range, texts.insertions)).filter(|range| range.end <= template.text.len())
}

fn original(range: Range<usize>, insertions: &Insertions) -> Range<usize> {
    mutable::original(range.start, insertions)..mutable::original(range.end, insertions)
}

fn is_own(template: &Template, texts: &Texts<'_>, error: &Error) -> bool {
    let loaded = texts.loaded.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let foreign = error.name().is_some_and(|name| loaded.iter().any(|known| known.name == name));
    let added: usize = texts.insertions.iter().map(|(_, length)| length).sum();
    !foreign && error.template_source().is_none_or(|source| source.len().abs_diff(template.text.len() + added) <= 1)
}

/// The failure itself, of one that only says in which included template it was.
fn innermost(mut error: &Error) -> &Error {
    while error.kind() == ErrorKind::BadInclude
        && let Some(inner) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>())
    {
        error = inner;
    }
    error
}

/// Where it failed in something that was included: its name, its text, and the place in it.
fn foreign(template: &Template, texts: &Texts<'_>, error: &Error) -> Option<(String, String, Range<usize>)> {
    let name = error.name().filter(|name| *name != template.origin.file.as_ref())?;
    let range = error.range().filter(|_| !is_own(template, texts, error))?;
    // The engine has the text of what it could not read, not of what it could not run.
    let loaded = texts.loaded.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match loaded.iter().find(|known| known.name == name) {
        Some(known) => Some((name.to_owned(), known.text.clone(), original(range, &known.insertions))),
        None => Some((name.to_owned(), error.template_source()?.to_owned(), range)),
    }
}

/// A place in a text that is known by its name.
fn place_in(name: &str, text: &str, range: Range<usize>) -> (Origin, u32) {
    let before = text.get(..range.start).unwrap_or("");
    let line = before.matches('\n').count() as u32 + 1;
    let col = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    let length = text.get(range).and_then(|part| part.split('\n').next()).unwrap_or("").chars().count() as u32;
    (Origin { file: Arc::from(name), line, col }, length)
}

fn words(error: &Error, failing: &str) -> (Reason, String) {
    let detail = error.detail().unwrap_or_default();
    let unknown = |kind: &str| {
        let name = unknown_name(detail, failing);
        let message = format!("cfg has no {kind} `{name}`");
        (Reason::UnknownName(name), message)
    };
    match error.kind() {
        ErrorKind::UndefinedError => {
            let said = detail.strip_suffix(" is undefined").unwrap_or(detail).trim_matches('`');
            // What something is asked of, which the engine does not name.
            let asked = failing.rsplit_once('.').map_or("", |(root, _)| root).trim();
            let is_name = asked.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
            let path = if said.is_empty() && is_name { asked } else { said }.to_owned();
            let shown = if path.is_empty() { "a value".to_owned() } else { format!("`{path}`") };
            (Reason::Undefined(path), format!("{shown} is not defined"))
        }
        ErrorKind::SyntaxError => (Reason::Syntax, format!("not a valid template: {detail}")),
        ErrorKind::UnknownFilter => unknown("filter"),
        ErrorKind::UnknownTest => unknown("test"),
        ErrorKind::UnknownFunction => unknown("function"),
        ErrorKind::OutOfFuel => (Reason::Failed, "the template takes too long or makes too much text".to_owned()),
        _ if is_division_by_zero(detail) => {
            (Reason::Failed, format!("division by zero: {}", detail.trim_start_matches("unable to calculate ")))
        }
        kind if detail.is_empty() => (Reason::Failed, kind.to_string()),
        _ => (Reason::Failed, detail.to_owned()),
    }
}

fn is_division_by_zero(detail: &str) -> bool {
    detail
        .strip_prefix("unable to calculate ")
        .is_some_and(|rest| ["/ 0", "// 0", "% 0"].iter().any(|end| rest.ends_with(end)))
}

/// The name in messages such as "filter foo is unknown"; `map` and its like do not say it, but were given it as a text.
fn unknown_name(detail: &str, failing: &str) -> String {
    let said = detail.split_whitespace().nth(1).unwrap_or(detail);
    let name = said.trim_matches(['`', '\'', '"']);
    let given = || failing.split(['\'', '"']).nth(1).unwrap_or(failing);
    if name.is_empty() { given() } else { name }.to_owned()
}

/// What to do about a failure of the engine that has a way round.
fn advice(message: &str) -> Option<String> {
    let table = [
        ("operator on unsupported types map and map", "merge mappings with the filter `combine`"),
        ("operator on unsupported types plain object", "cfg cannot calculate with dates: use `.timestamp()` of both"),
        ("`varargs` is not defined", "macros of cfg take the arguments they name: give it a list"),
        ("`kwargs` is not defined", "macros of cfg take the arguments they name: give it a mapping"),
        ("unexpected `+`", "leave the sign `+` away"),
    ];
    table.iter().find(|(part, _)| message.contains(part)).map(|(_, help)| (*help).to_owned())
}

/// What may have been meant where a template cannot be read: words of other languages.
fn grammar(message: &str, rest: &str) -> Option<String> {
    if !message.starts_with("not a valid template: unexpected") {
        return None;
    }
    let table = [
        ("&&", "write `and`"),
        ("||", "write `or`"),
        ("?", "write `a if condition else b`"),
        ("!", "write `not`, or `!=`"),
        ("$", "variables are written without `$`"),
    ];
    if rest.starts_with('=') && !rest.starts_with("==") {
        return Some("two values are compared with `==`".to_owned());
    }
    table.iter().find(|(start, _)| rest.starts_with(start)).map(|(_, help)| (*help).to_owned())
}

/// So many uses are looked at: each is a walk through what is before it.
const MOST_USES: usize = 200;

/// Finds where a dotted path is used, for the caret: outside of texts, and first where nothing stands in for it.
fn find_path(text: &str, path: &str, marks: &[(String, String)]) -> Option<Range<usize>> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_use = |at: &usize| {
        let before = text.get(..*at).unwrap_or("");
        let after = text.get(at + path.len()..).unwrap_or("");
        let named = after.trim_start().starts_with('=') && !after.trim_start().starts_with("==");
        !before.ends_with(|c: char| word(c) || c == '.') && !after.starts_with(word) && !named
    };
    let uses: Vec<usize> = text
        .match_indices(path)
        .map(|(at, _)| at)
        .filter(is_use)
        .take(MOST_USES)
        .filter(|at| stands_in_code(text, *at, marks))
        .collect();
    let open = uses.iter().find(|at| !is_excused(text.get(**at + path.len()..).unwrap_or("")));
    open.or(uses.first()).map(|at| *at..*at + path.len())
}

/// Says whether a place is inside of `{{ }}` or `{% %}`, and in no text there.
fn stands_in_code(text: &str, at: usize, marks: &[(String, String)]) -> bool {
    let before = text.get(..at).unwrap_or("");
    let opened = marks.iter().filter_map(|(open, _)| Some(before.rfind(open.as_str())? + open.len())).max();
    let closed = marks.iter().filter_map(|(_, close)| before.rfind(close.as_str())).max();
    let start = if marks.is_empty() { Some(0) } else { opened.filter(|opened| closed.is_none_or(|at| at < *opened)) };
    start.is_some_and(|start| {
        let mut quote = None;
        for c in before.get(start..).unwrap_or("").chars() {
            match quote {
                Some(open) if c == open => quote = None,
                None if matches!(c, '\'' | '"') => quote = Some(c),
                _ => {}
            }
        }
        quote.is_none()
    })
}

/// Says whether what follows a name makes it no matter that it is not defined.
fn is_excused(after: &str) -> bool {
    let after = after.trim_start();
    let filter = after.strip_prefix('|').map(str::trim_start);
    let test = after.strip_prefix("is ").map(|test| test.trim_start().trim_start_matches("not ").trim_start());
    filter.is_some_and(|name| name.starts_with("default") || name.starts_with("d("))
        || test.is_some_and(|name| name.starts_with("defined") || name.starts_with("undefined"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_that_fails_is_found() {
        let marks = |open: &str, close: &str| vec![(open.to_owned(), close.to_owned())];
        let table = [
            ("web.port ~ port", "port", 11),
            ("f(port=port)", "port", 7),
            ("'port' ~ port", "port", 9),
            ("ports ~ port", "port", 8),
            ("port | default(1) ~ port", "port", 20),
            ("port is not defined or port == 1", "port", 23),
            ("port | default(1)", "port", 0),
            ("port == 1", "port", 0),
        ];
        for (text, path, at) in table {
            assert_eq!(find_path(text, path, &[]).map(|r| r.start), Some(at), "{text}");
        }
        assert_eq!(find_path("port {{ port }}", "port", &marks("{{", "}}")).map(|r| r.start), Some(8));
        assert_eq!(find_path("{{ port }} [[ port ]]", "port", &marks("[[", "]]")).map(|r| r.start), Some(14));
        assert_eq!(find_path("port", "port", &marks("{{", "}}")), None);
    }
}
