//! From parser events to [`Node`]s. The only file that knows the parser crate.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use granit_parser::{Event, Parser, ScalarStyle};

use super::{Entry, Escapes, Kind, Node, Places, Scalar, Style, Tag};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, SourceMap, Span};
use crate::value::Value;

/// No playbook comes near this many values that are written once and meant again; an alias bomb does at once. Whoever reads the
/// tree goes through each of them.
const MAX_ALIASED: usize = 250_000;
const MAX_DEPTH: usize = 200;

/// Reads every document of a file that is already in the source map.
///
/// What can be read is returned; what cannot is reported, and reading stops there.
pub fn load(sources: &SourceMap, file: FileId, diagnostics: &mut Diagnostics) -> Vec<Node> {
    let source = sources.file(file);
    let text = source.text.clone();
    let mut loader = Loader { file, text: &text, diagnostics, frames: Vec::new(), anchors: HashMap::new(), aliased: 0 };
    let mut documents = Vec::new();
    for item in Parser::new_from_str(&text) {
        match item {
            Ok((event, span)) => {
                let span = loader.span(&span);
                if loader.event(event, span, &mut documents).is_err() {
                    break;
                }
            }
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(text.len());
                loader.syntax_error(at, &error.info());
                break;
            }
        }
    }
    documents
}

/// A collection that is being read.
struct Frame {
    /// It is `!unsafe`, or in something that is.
    is_unsafe: bool,
    span: Span,
    anchor: usize,
    size: usize,
    contents: Contents,
}

enum Contents {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, known: HashMap<Arc<str>, Span>, merges: Vec<Node>, key: Option<(Arc<str>, Span)> },
}

/// Reading cannot go on; the reason has been reported.
struct Stop;

struct Loader<'a> {
    file: FileId,
    text: &'a str,
    diagnostics: &'a mut Diagnostics,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize)>,
    aliased: usize,
}

impl Loader<'_> {
    fn span(&self, span: &granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        Span { file: self.file, start: range.start as u32, end: range.end as u32 }
    }

    fn event(&mut self, event: Event<'_>, span: Span, documents: &mut Vec<Node>) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span);
                let empty = span.start == span.end && style == ScalarStyle::Plain;
                let text = if empty { Arc::from("") } else { Arc::from(text.as_ref()) };
                let escapes = escapes(style);
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let text = if tag == Tag::Binary { self.decoded(&text, span) } else { text };
                let places = self.places(&text, span, escapes);
                let mut scalar = Scalar { text, style, tag, places };
                // What holds text that is not to be templated holds none that is.
                let within = self.frames.last().is_some_and(|frame| frame.is_unsafe);
                if within && matches!(tag, Tag::None | Tag::Str) && matches!(scalar.resolve(), Value::Str(_)) {
                    scalar.tag = Tag::Unsafe;
                }
                self.finish(Node { span, kind: Kind::Scalar(scalar) }, anchor, 1, documents)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span);
                self.open(span, anchor, tag, Contents::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), span);
                let (entries, known, merges) = (Vec::new(), HashMap::new(), Vec::new());
                self.open(span, anchor, tag, Contents::Map { entries, known, merges, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span, documents),
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some((node, size)) => {
                    self.aliased += size;
                    if self.aliased > MAX_ALIASED {
                        self.error(Code::YamlLimit, span, "too many values once aliases are expanded");
                        return Err(Stop);
                    }
                    self.finish(node, 0, size, documents)
                }
                None => {
                    self.error(Code::YamlSyntax, span, "an alias to a value that is not complete yet");
                    Err(Stop)
                }
            },
            _ => Ok(()),
        }
    }

    fn places(&self, text: &str, span: Span, escapes: Escapes) -> Places {
        let raw = self.text.get(span.start as usize..span.end as usize).unwrap_or("");
        let lead = usize::from(escapes != Escapes::None);
        Places::of(raw, text, lead, escapes, (span.start, span.start + lead as u32))
    }

    fn open(&mut self, span: Span, anchor: usize, tag: Tag, contents: Contents) -> Result<(), Stop> {
        if self.frames.len() >= MAX_DEPTH {
            self.error(Code::YamlLimit, span, "nested too deeply");
            return Err(Stop);
        }
        let is_unsafe = tag == Tag::Unsafe || self.frames.last().is_some_and(|frame| frame.is_unsafe);
        self.frames.push(Frame { span, anchor, size: 1, is_unsafe, contents });
        Ok(())
    }

    fn close(&mut self, end: Span, documents: &mut Vec<Node>) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let span = self.trimmed(frame.span.start, end.end);
        let kind = match frame.contents {
            Contents::List(items) => Kind::List(Arc::new(items)),
            Contents::Map { entries, merges, mut known, .. } => {
                Kind::Map(Arc::new(self.merge(entries, &mut known, merges)))
            }
        };
        self.finish(Node { span, kind }, frame.anchor, frame.size, documents)
    }

    /// Block collections end where the next token starts; shown spans end with their last character.
    fn trimmed(&self, start: u32, end: u32) -> Span {
        let text = self.text.get(start as usize..end as usize).unwrap_or("");
        Span { file: self.file, start, end: start + text.trim_end().len() as u32 }
    }

    fn finish(&mut self, node: Node, anchor: usize, size: usize, documents: &mut Vec<Node>) -> Result<(), Stop> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(frame) = self.frames.last_mut() else {
            documents.push(node);
            return Ok(());
        };
        frame.size += size;
        match &mut frame.contents {
            Contents::List(items) => items.push(node),
            Contents::Map { entries, known, merges, key } => match key.take() {
                None => *key = Some(Self::key(&node, self.text, self.diagnostics)),
                Some((name, _)) if name.as_ref() == "<<" => merges.push(node),
                Some((name, key_span)) => {
                    if let Some(first) = known.get(&name) {
                        let report = Diagnostic::error(Code::DuplicateKey, format!("the key `{name}` is given twice"))
                            .at(key_span, "given again here")
                            .at(*first, "first given here")
                            .help("remove one of the two");
                        self.diagnostics.push(report);
                    } else {
                        known.insert(name.clone(), key_span);
                    }
                    entries.push(Entry { key: name, key_span, value: node });
                }
            },
        }
        Ok(())
    }

    fn key(node: &Node, text: &str, diagnostics: &mut Diagnostics) -> (Arc<str>, Span) {
        match &node.kind {
            Kind::Scalar(scalar) => (scalar.text.clone(), node.span),
            _ => {
                let report = Diagnostic::error(Code::YamlSyntax, format!("{} cannot be a key", node.type_name()))
                    .at(node.span, "a key must be a scalar");
                let is_template = text.get(..node.span.start as usize).is_some_and(|before| before.ends_with('{'));
                let help = "a value that starts with `{{` wants quotes: name: \"{{ variable }}\"".to_owned();
                diagnostics.push(report.help_opt(is_template.then_some(help)));
                (Arc::from("?"), node.span)
            }
        }
    }

    /// Adds the keys of `<<` that are not given explicitly; of several merges the first wins.
    fn merge(&mut self, mut entries: Vec<Entry>, known: &mut HashMap<Arc<str>, Span>, merges: Vec<Node>) -> Vec<Entry> {
        for merge in merges {
            let sources = match &merge.kind {
                Kind::Map(_) => vec![merge.clone()],
                Kind::List(items) => items.as_ref().clone(),
                Kind::Scalar(_) => Vec::new(),
            };
            if sources.is_empty() || sources.iter().any(|s| s.as_map().is_none()) {
                self.error(Code::WrongShape, merge.span, "`<<` merges a mapping or a list of mappings");
            }
            for source in sources.iter().filter_map(Node::as_map) {
                for entry in source {
                    if !known.contains_key(&entry.key) {
                        known.insert(entry.key.clone(), entry.key_span);
                        entries.push(entry.clone());
                    }
                }
            }
        }
        entries
    }

    /// The text a `!!binary` holds in base64. Bytes that are no text cannot be a value.
    fn decoded(&mut self, text: &str, span: Span) -> Arc<str> {
        let digits: String = text.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(digits);
        let (message, help) = match bytes.map(String::from_utf8) {
            Ok(Ok(text)) => return Arc::from(text),
            Ok(Err(_)) => {
                ("what this `!!binary` holds is no text", "keep it as a text in base64, and decode it where it is used")
            }
            Err(_) => ("this is not base64, as `!!binary` wants it", "`base64 FILE` makes it"),
        };
        self.diagnostics.push(Diagnostic::error(Code::UnknownTag, message).at(span, "").help(help));
        Arc::from("")
    }

    fn tag(&mut self, tag: Option<&granit_parser::Tag>, span: Span) -> Tag {
        let Some(tag) = tag else { return Tag::None };
        let name = tag.original();
        match (tag.core_suffix(), name.as_str()) {
            (Some("str"), _) => Tag::Str,
            (Some("int" | "float" | "bool" | "null"), _) => Tag::Core,
            (Some("seq" | "map"), _) => Tag::None,
            (_, "!vault" | "!vault-encrypted") => Tag::Vault,
            (_, "!unsafe") => Tag::Unsafe,
            (_, "!!binary" | "!<tag:yaml.org,2002:binary>") => Tag::Binary,
            (_, "!") => Tag::Str,
            _ => {
                let report = Diagnostic::error(Code::UnknownTag, format!("unknown tag `{name}`"))
                    .at(self.before(span, &name).unwrap_or(span), "")
                    .help("cfg understands `!vault` and `!unsafe`");
                self.diagnostics.push(report);
                Tag::None
            }
        }
    }

    /// Where a word stands that is the last one before a place, but for blanks and an anchor.
    fn before(&self, span: Span, word: &str) -> Option<Span> {
        let start = self.text.get(..span.start as usize)?.rfind(word)? as u32;
        Some(Span { start, end: start + word.len() as u32, ..span })
    }

    /// What the shape of the line suggests: the parser itself says where it stopped, seldom why.
    fn hint(&self, at: usize, line: &str, rest: &str) -> Option<String> {
        let open = |text: &str| text.matches(['[', '{']).count() > text.matches([']', '}']).count();
        let read = self.text.get(..at - line.len()).unwrap_or("");
        let above = read.lines().next_back().unwrap_or("");
        if open(above) {
            Some("a bracket is opened on the line above and not closed".to_owned())
        } else if line.contains(": ") && rest.starts_with(": ") {
            Some("a value that contains `: ` wants quotes".to_owned())
        } else if rest.starts_with(':') && !above.trim().is_empty() {
            Some("check the indentation: keys of one mapping stand in one column".to_owned())
        } else if rest.starts_with(['%', '@', '`']) {
            let sign: String = rest.chars().take(1).collect();
            Some(format!("a value that starts with `{sign}` wants quotes"))
        } else {
            None
        }
    }

    fn error(&mut self, code: Code, span: Span, message: &str) {
        self.diagnostics.push(Diagnostic::error(code, message).at(span, ""));
    }

    fn syntax_error(&mut self, at: usize, message: &str) {
        let start = at.min(self.text.len());
        let span = Span { file: self.file, start: start as u32, end: (start + 1).min(self.text.len()) as u32 };
        let line = self.text.get(..start).map_or("", |before| before.rsplit('\n').next().unwrap_or(""));
        let rest = self.text.get(start..).map_or("", |after| after.split('\n').next().unwrap_or(""));
        let help = if line.contains('\t') || rest.starts_with('\t') || message.contains("found a tab") {
            let place = if message.contains("found a tab") { "behind it" } else { "on this line" };
            Some(format!("YAML is indented with spaces; there is a tab {place}"))
        } else if line.contains("{{") || rest.contains("{{") {
            Some("a value that starts with `{{` wants quotes: name: \"{{ variable }}\"".to_owned())
        } else {
            self.hint(start, line, rest)
        };
        let report = Diagnostic::error(Code::YamlSyntax, format!("not valid YAML: {message}"));
        self.diagnostics.push(report.at(span, "the parser stopped here").help_opt(help));
    }
}

fn escapes(style: ScalarStyle) -> Escapes {
    match style {
        ScalarStyle::SingleQuoted => Escapes::Single,
        ScalarStyle::DoubleQuoted => Escapes::Double,
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => Escapes::None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::value::{Value, python_repr};

    fn read(text: &str) -> (Vec<Node>, Vec<String>) {
        let sources = SourceMap::default();
        let file = sources.add(Path::new("t.yml"), text);
        let mut diagnostics = Diagnostics::default();
        let nodes = load(&sources, file, &mut diagnostics);
        (nodes, diagnostics.iter().map(|d| d.message.clone()).collect())
    }

    fn value(text: &str) -> Value {
        let (nodes, errors) = read(text);
        assert_eq!(errors, Vec::<String>::new());
        nodes.first().map(Node::to_value).unwrap_or_default()
    }

    #[test]
    fn merge_keys_keep_explicit_values() {
        let text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\n";
        assert_eq!(python_repr(value(text).get("c").unwrap()), "{'x': 9, 'y': 2, 'z': 4}");
    }

    #[test]
    fn duplicate_keys_and_bombs_are_errors() {
        assert_eq!(read("a: 1\na: 2\n").1, ["the key `a` is given twice"]);
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..10 {
            let list = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{list}]\n"));
        }
        assert_eq!(read(&bomb).1, ["too many values once aliases are expanded"]);
        // Many keys, merged many times.
        let keys: String = (0..1000).map(|n| format!("k{n}: 1, ")).collect();
        let merged = format!("a: &a {{{keys}}}\nb: {{<<: [{}]}}\n", "*a, ".repeat(100));
        assert_eq!(read(&merged).1, Vec::<String>::new());
    }

    #[test]
    fn spans_cover_what_was_written() {
        let (nodes, _) = read("top:\n  - one\n  - {k: 'v'}\n");
        let list = nodes[0].get("top").unwrap();
        let text = "top:\n  - one\n  - {k: 'v'}\n";
        let slice = |n: &Node| &text[n.span.start as usize..n.span.end as usize];
        assert_eq!(slice(&list.as_list().unwrap()[0]), "one");
        assert_eq!(slice(list.as_list().unwrap()[1].get("k").unwrap()), "'v'");
    }

    #[test]
    fn an_unquoted_template_gets_a_hint() {
        let (_, errors) = read("a: {{ b }}\n");
        assert_eq!(errors, ["a mapping cannot be a key"]);
    }
}
