//! Inventories in Ansible's INI form: `[group]`, `[group:children]`, `[group:vars]`, `host key=value …`.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Inventory, literal, load, range, words};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::Files;
use crate::source::{FileId, Origin, Span};
use crate::template::{Layout, Term};
use crate::value::Value;
use crate::variables::Definition;

enum Section {
    Hosts(Arc<str>),
    Children(Arc<str>),
    Vars(Arc<str>),
}

/// Names that were used before, or without, a section of their own.
#[derive(Default)]
struct Pending {
    /// A child: where it was named, and the groups it belongs to.
    children: IndexMap<Arc<str>, (Span, Vec<Arc<str>>)>,
    /// A group with a section of variables.
    vars: IndexMap<Arc<str>, Span>,
}

struct Reader<'a> {
    files: &'a Files,
    inventory: &'a mut Inventory,
    pending: Pending,
}

/// A line without what is around it.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    span: Span,
}

impl Line<'_> {
    /// The span of a part of it.
    fn part(&self, start: usize, end: usize) -> Span {
        Span { start: self.span.start + start as u32, end: self.span.start + end as u32, ..self.span }
    }
}

/// Reads a file.
pub fn read(file: FileId, text: &str, files: &Files, inventory: &mut Inventory) {
    let mut reader = Reader { files, inventory, pending: Pending::default() };
    let mut section = Section::Hosts(Arc::from("ungrouped"));
    let mut offset = 0u32;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len() as u32;
        let trimmed = line.trim();
        let lead = (line.len() - line.trim_start().len()) as u32;
        let span = Span { file, start: start + lead, end: start + lead + trimmed.len() as u32 };
        let line = Line { text: trimmed, span };
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if trimmed.starts_with('[') && !is_host_range(trimmed) {
            if let Some(new) = reader.header(line) {
                section = new;
            }
            continue;
        }
        match &section {
            Section::Vars(group) => reader.variable(group, line),
            Section::Children(group) => reader.child(group, line),
            Section::Hosts(group) => reader.hosts(group, line),
        }
    }
    reader.undefined();
}

/// `[::1]:22` starts as a section does, and is a host.
fn is_host_range(text: &str) -> bool {
    text.strip_prefix('[').and_then(|t| t.split_once(']')).is_some_and(|(t, _)| t.parse::<std::net::Ipv6Addr>().is_ok())
}

impl Reader<'_> {
    fn report(&self, message: impl Into<String>, span: Span, help: Option<String>) {
        self.files.report(Diagnostic::error(Code::BadInventory, message).at(span, "").help_opt(help));
    }

    fn header(&mut self, line: Line<'_>) -> Option<Section> {
        let Some((name, kind)) = split_header(line.text) else {
            let help = "write [group], [group:children] or [group:vars]".to_owned();
            self.report("not a section header", line.span, Some(help));
            return None;
        };
        let name: Arc<str> = Arc::from(name);
        match kind {
            "vars" => {
                if !self.inventory.has_group(&name) {
                    self.pending.vars.entry(name.clone()).or_insert(line.span);
                }
                Some(Section::Vars(name))
            }
            "" | "hosts" | "children" => {
                self.declare(&name, line.span);
                Some(if kind == "children" { Section::Children(name) } else { Section::Hosts(name) })
            }
            other => {
                let known = did_you_mean(other, ["hosts", "children", "vars"]);
                let help = known.unwrap_or_else(|| "a group has `[NAME]`, `[NAME:children]` and `[NAME:vars]`".into());
                self.report(format!("`{other}` is not a kind of section"), line.span, Some(help));
                None
            }
        }
    }

    /// A section makes its group, and puts it where it was named before.
    fn declare(&mut self, name: &Arc<str>, span: Span) {
        let group = self.inventory.groups.entry(name.clone()).or_default();
        group.span = group.span.or(Some(span));
        self.pending.vars.shift_remove(name);
        let Some((_, parents)) = self.pending.children.shift_remove(name) else { return };
        for parent in parents {
            self.inventory.add_child(&parent, name);
        }
    }

    fn child(&mut self, group: &Arc<str>, line: Line<'_>) {
        let name = line.text.split_once('#').map_or(line.text, |(name, _)| name).trim_end();
        if name.contains(char::is_whitespace) || name.contains([':', ']']) {
            let help = "this section lists groups, one a line; their variables stand in [NAME:vars]".to_owned();
            return self.report(format!("`{}` is not the name of a group", line.text), line.span, Some(help));
        }
        let name: Arc<str> = Arc::from(name);
        if self.inventory.has_group(&name) {
            return self.inventory.add_child(group, &name);
        }
        let (_, parents) = self.pending.children.entry(name).or_insert_with(|| (line.span, Vec::new()));
        parents.push(group.clone());
    }

    fn variable(&mut self, group: &Arc<str>, line: Line<'_>) {
        let Some((key, value)) = line.text.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
            return self.report("a variable is written key=value", line.span, None);
        };
        let lead = value.len() - value.trim_start().len();
        let at = line.part(key.len() + 1 + lead, line.text.len());
        let definition = self.definition(value.trim(), line.part(0, key.trim_end().len()), at);
        self.inventory.groups.entry(group.clone()).or_default().vars.insert(Arc::from(key.trim()), definition);
    }

    fn hosts(&mut self, group: &Arc<str>, line: Line<'_>) {
        let (words, glued) = match words::split(line.text) {
            Ok(split) => split,
            Err(at) => {
                return self.report("the quote is not closed", line.part(at, line.text.len()), None);
            }
        };
        if let Some(at) = glued {
            let report = Diagnostic::warning(Code::BadInventory, "`#` starts a comment here, also inside of a word");
            let report = report.at(line.part(at, line.text.len()), "all of this is left out");
            self.files.report(report.help("put the value into quotes where the `#` belongs to it"));
        }
        let Some((name, pairs)) = words.split_first() else { return };
        let mut vars = IndexMap::new();
        for word in pairs {
            let at = line.part(word.start, word.end);
            let Some((key, value)) = word.text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                let help = "behind the name of a host stand its variables; a list of hosts has one a line".to_owned();
                return self.report(format!("`{}` is not key=value", word.text), at, Some(help));
            };
            let definition = self.definition(value, at, line.part(word.start + key.len() + 1, word.end));
            vars.insert(Arc::from(key), definition);
        }
        let span = line.part(name.start, name.end);
        let added = range::hosts(&name.text)
            .and_then(|(names, port)| load::hosts(self.inventory, group, &names, port, &vars, span));
        if let Err(message) = added {
            self.report(message, span, None);
        }
    }

    fn definition(&self, text: &str, key: Span, value: Span) -> Definition {
        let quoted = self
            .files
            .sources
            .file(value.file)
            .text
            .get(value.start as usize..)
            .is_some_and(|t| t.starts_with(['"', '\'']));
        let origin = self.files.sources.origin(Span { start: value.start + u32::from(quoted), ..value });
        let value = literal::parse(text).unwrap_or_else(|| Value::str(text));
        Definition { term: term(&value, &origin), origin: Some(self.files.sources.origin(key)) }
    }

    /// What was named and never got a section.
    fn undefined(self) {
        let names: Vec<&str> = self.inventory.groups.keys().map(AsRef::as_ref).collect();
        for (name, (span, parents)) in &self.pending.children {
            let parents = parents.join("`, `");
            let help = did_you_mean(name, names.iter().copied());
            let help = help.unwrap_or_else(|| format!("add a section [{name}], even if it is empty"));
            self.report(format!("`{parents}` has a child `{name}`, which is no group"), *span, Some(help));
        }
        for (name, span) in &self.pending.vars {
            let help = did_you_mean(name, names.iter().copied().filter(|other| *other != name.as_ref()));
            let help = help.unwrap_or_else(|| format!("add a section [{name}], even if it is empty"));
            self.report(format!("variables of `{name}`, which is no group"), *span, Some(help));
        }
    }
}

/// Splits `[name:kind]`; a comment may follow.
fn split_header(text: &str) -> Option<(&str, &str)> {
    let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
    if !rest.trim().is_empty() && !rest.trim_start().starts_with('#') {
        return None;
    }
    let (name, kind) = inner.split_once(':').unwrap_or((inner, ""));
    (!name.is_empty() && !name.contains(char::is_whitespace)).then_some((name, kind))
}

/// Texts inside of a literal may be templates.
fn term(value: &Value, origin: &Origin) -> Term {
    match value {
        Value::Str(text) => Term::from_text(text, origin.clone(), Layout::default()),
        Value::List(items) => Term::list(items.iter().map(|item| term(item, origin)).collect()),
        Value::Map(map) => Term::map(
            map.iter().map(|(key, value)| (Term::Value(Value::Str(key.clone())), term(value, origin))).collect(),
        ),
        other => Term::Value(other.clone()),
    }
}
