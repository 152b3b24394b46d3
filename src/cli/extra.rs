//! `-e`: variables on the command line.
//!
//! What is typed is data: a wrapper or a CI system may put anybody's text there, and nobody's text becomes a template by that.
//! Ansible renders it; so where it looks like a template, cfg says that it is not one. A file given with `-e @FILE` is a source
//! file like others, and its texts are templates.

use std::path::Path;
use std::sync::Arc;

use super::error::CliError;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::parse::Files;
use crate::source::{FileId, Span};
use crate::value::{Map, Value};
use crate::variables::{Definition, Layer, LayerKind};
use crate::yaml::{Kind, Node, Tag};

/// Reads every `-e`; later ones win.
///
/// # Errors
/// Where one of them cannot be read; what is wrong inside of a file is reported.
pub fn read(given: &[String], files: &Files) -> Result<Layer, CliError> {
    let mut layer = Layer::new(LayerKind::Extra);
    for text in given {
        if let Some(path) = text.strip_prefix('@') {
            let path = crate::source::expanded(path);
            let file = files.vars(&path, None);
            let file = file.ok_or_else(|| CliError::new(format!("cannot read {}", path.display()), "check -e"))?;
            layer.entries.extend(crate::inventory::definitions(&file, files));
            continue;
        }
        let id = files.sources.add(Path::new("-e"), text.clone());
        let typed = Typed { text, id, files };
        let values = if text.trim_start().starts_with(['{', '[']) { typed.mapping()? } else { typed.pairs()? };
        let define = |(name, value): (Arc<str>, Value)| (name, Definition { term: value.into(), origin: None });
        layer.entries.extend(values.into_iter().map(define));
    }
    Ok(layer)
}

struct Typed<'a> {
    text: &'a str,
    id: FileId,
    files: &'a Files,
}

impl Typed<'_> {
    fn wrong(&self, what: &str) -> CliError {
        CliError::new(format!("`-e {}` {what}", self.text), "write name=value, a JSON mapping, or @FILE")
    }

    /// JSON or YAML.
    fn mapping(&self) -> Result<Map, CliError> {
        let mut diagnostics = Diagnostics::default();
        let nodes = crate::yaml::load(&self.files.sources, self.id, &mut diagnostics);
        if diagnostics.has_errors() {
            return Err(CliError::Mistakes(diagnostics.sorted(), self.files.sources.clone()));
        }
        match nodes.first().map(|node| self.value(node)) {
            Some(Value::Map(map)) => Ok(map.as_ref().clone()),
            _ => Err(self.wrong("is not a mapping")),
        }
    }

    /// `name=value` words; values are texts, as in Ansible: `-e '{"port": 80}'` gives a number.
    fn pairs(&self) -> Result<Map, CliError> {
        let mut pairs = Map::new();
        for (at, word) in crate::parse::split_pairs(self.text) {
            let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                return Err(self.wrong("is not name=value"));
            };
            self.check(value, Span { file: self.id, start: at as u32, end: (at + word.len()) as u32 });
            pairs.insert(Arc::from(name), Value::from(plain(value)));
        }
        Ok(pairs)
    }

    fn value(&self, node: &Node) -> Value {
        match &node.kind {
            Kind::List(items) => Value::list(items.iter().map(|item| self.value(item))),
            Kind::Map(entries) => {
                Value::from(entries.iter().map(|e| (e.key.clone(), self.value(&e.value))).collect::<Map>())
            }
            Kind::Scalar(scalar) if scalar.tag == Tag::Vault => match self.files.vault.decrypt(&scalar.text) {
                Ok(text) => Value::from(text),
                Err(error) => {
                    let report = Diagnostic::error(Code::Vault, format!("cannot decrypt this value: {error}"));
                    self.files.report(report.at(node.span, "").help(error.help()));
                    Value::Null
                }
            },
            Kind::Scalar(scalar) => {
                if scalar.tag != Tag::Unsafe {
                    self.check(&scalar.text, node.span);
                }
                scalar.resolve()
            }
        }
    }

    /// Says that a text is no template, where it looks like one.
    fn check(&self, text: &str, span: Span) {
        if text.contains("{{") || text.contains("{%") {
            let report = Diagnostic::warning(Code::Usage, "what is typed behind -e is data: this is no template");
            let help = "put it into a file and give -e @FILE where it is meant as one";
            self.files.report(report.at(span, "").help(help));
        }
    }
}

/// A value without its quotes, and with the escapes that stand for one character.
fn plain(text: &str) -> String {
    let quoted = ['"', '\''].into_iter().find_map(|q| text.strip_prefix(q)?.strip_suffix(q));
    let text = quoted.unwrap_or(text);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(quote @ ('"' | '\'' | '\\')) => out.push(quote),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn one_pair_of_quotes_belongs_to_the_shell() {
        let table = [
            ("\"x y\"", "x y"),
            ("'\"q\"'", "\"q\""),
            ("a=b", "a=b"),
            ("", ""),
            (r"x\ny", "x\ny"),
            (r"C:\dir", r"C:\dir"),
            ("\"", "\""),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text), expected, "{text}");
        }
    }
}
