//! YAML as PyYAML 6 with libyaml writes it, down to where it folds long lines. What is there twice is written twice, without
//! anchors.

use std::sync::OnceLock;

use fancy_regex::Regex;
use minijinja::Environment;

use super::call::{Args, Outcome, add, fail};
use crate::value::Value;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["to_yaml"], |v, a| dump(v, a, 2, Brackets::Leaves));
    add(env, &["to_nice_yaml"], |v, a| dump(v, a, 4, Brackets::Never));
    add(env, &["from_yaml"], |v, _| parse(v));
    add(env, &["from_yaml_all"], |v, _| parse_all(v));
}

#[cfg(not(feature = "controller"))]
fn parse(_value: &Value) -> Outcome {
    Err(fail("`from_yaml` is evaluated on the controller only: it cannot wait for a result of the host"))
}

#[cfg(not(feature = "controller"))]
fn parse_all(value: &Value) -> Outcome {
    parse(value)
}

#[cfg(feature = "controller")]
fn parse(value: &Value) -> Outcome {
    match value {
        Value::Str(text) => super::yaml_read::one(text).map_err(fail),
        other => Ok(other.clone()),
    }
}

#[cfg(feature = "controller")]
fn parse_all(value: &Value) -> Outcome {
    match value {
        Value::Str(text) => super::yaml_read::all(text).map(Value::from).map_err(fail),
        Value::Null => Ok(Value::list([])),
        other => Ok(other.clone()),
    }
}

struct Style {
    indent: usize,
    /// The column after which lines are folded.
    width: usize,
    sorted: bool,
    brackets: Brackets,
}

/// What is written between brackets: `default_flow_style`. What is empty always is.
#[derive(Clone, Copy, PartialEq)]
enum Brackets {
    Never,
    /// What holds no lists and mappings.
    Leaves,
    Always,
}

fn dump(value: &Value, args: &Args, indent: usize, brackets: Brackets) -> Outcome {
    const KNOWN: &[&str] = &["indent", "default_flow_style", "sort_keys", "width", "explicit_start", "explicit_end"];
    // These say what is so anyway.
    const GIVEN: &[&str] = &["allow_unicode", "encoding"];
    if let Some(name) = args.named().keys().find(|name| !KNOWN.iter().chain(GIVEN).any(|known| known == &name.as_ref()))
    {
        return Err(fail(format!("`{name}` is not supported here; there are {}", KNOWN.join(", "))));
    }
    let place = if indent == 4 { 0 } else { usize::MAX };
    let given = args.int(place, "indent")?.and_then(|n| usize::try_from(n).ok());
    let indent = given.filter(|n| (2..10).contains(n)).unwrap_or(indent);
    let given = args.int(usize::MAX, "width")?.and_then(|n| usize::try_from(n).ok());
    let width = given.filter(|width| *width > 2 * indent).unwrap_or(80);
    let sorted = args.named().get("sort_keys").is_none_or(Value::is_true);
    let brackets = match args.named().get("default_flow_style") {
        None => brackets,
        Some(Value::Null) => Brackets::Leaves,
        Some(wanted) if wanted.is_true() => Brackets::Always,
        Some(_) => Brackets::Never,
    };
    let style = Style { indent, width, sorted, brackets };
    let mut emitter = Emitter { style: &style, out: String::new(), column: 0 };
    if args.flag(usize::MAX, "explicit_start") {
        emitter.push(if is_flow(value, &style) { "--- " } else { "---\n" });
    }
    emitter.root(value);
    if args.flag(usize::MAX, "explicit_end") {
        emitter.push("\n...");
    }
    emitter.push("\n");
    Ok(emitter.out.into())
}

fn is_flow(value: &Value, style: &Style) -> bool {
    let scalar = |value: &Value| !matches!(value, Value::List(_) | Value::Map(_));
    match value {
        _ if style.brackets == Brackets::Always => true,
        Value::List(items) => items.is_empty() || (style.brackets == Brackets::Leaves && items.iter().all(scalar)),
        Value::Map(map) => map.is_empty() || (style.brackets == Brackets::Leaves && map.values().all(scalar)),
        _ => true,
    }
}

fn entries<'v>(map: &'v crate::value::Map, style: &Style) -> Vec<(&'v str, &'v Value)> {
    let mut entries: Vec<_> = map.iter().map(|(k, v)| (k.as_ref(), v)).collect();
    if style.sorted {
        entries.sort_by(|a, b| a.0.cmp(b.0));
    }
    entries
}

/// Where text stands.
#[derive(Clone, Copy, PartialEq)]
enum Context {
    Block,
    /// Between brackets, where more of it would be syntax.
    Flow,
    /// As a key, which is one line.
    Key,
    FlowKey,
}

/// Writes a document, line by line. `at` is how far what continues a line is indented.
struct Emitter<'s> {
    style: &'s Style,
    out: String,
    /// Characters of the last line.
    column: usize,
}

impl Emitter<'_> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.column = match text.rfind('\n') {
            Some(end) => text.get(end + 1..).unwrap_or("").chars().count(),
            None => self.column + text.chars().count(),
        };
    }

    fn new_line(&mut self, at: usize) {
        self.push("\n");
        self.push(&" ".repeat(at));
    }

    fn root(&mut self, value: &Value) {
        let at = if is_flow(value, self.style) { self.style.indent } else { 0 };
        self.node(value, at);
    }

    fn node(&mut self, value: &Value, at: usize) {
        let style = self.style;
        match value {
            value if is_flow(value, style) => self.flow(value, at, Context::Block),
            Value::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        self.new_line(at);
                    }
                    let space = if is_flow(item, style) { 1 } else { style.indent - 1 };
                    self.push("-");
                    self.push(&" ".repeat(space));
                    self.node(item, at + style.indent);
                }
            }
            Value::Map(map) => {
                for (n, (key, value)) in entries(map, style).into_iter().enumerate() {
                    if n > 0 {
                        self.new_line(at);
                    }
                    self.text(key, at, Context::Key);
                    self.push(":");
                    if is_flow(value, style) {
                        self.push(" ");
                        self.node(value, at + style.indent);
                    } else {
                        // A list in a mapping is not indented.
                        let at = if matches!(value, Value::List(_)) { at } else { at + style.indent };
                        self.new_line(at);
                        self.node(value, at);
                    }
                }
            }
            _ => {}
        }
    }

    fn flow(&mut self, value: &Value, at: usize, context: Context) {
        let style = self.style;
        match value {
            Value::List(items) => {
                self.push("[");
                for (n, item) in items.iter().enumerate() {
                    self.separate(n, at);
                    self.flow(item, at + style.indent, Context::Flow);
                }
                self.push("]");
            }
            Value::Map(map) => {
                self.push("{");
                for (n, (key, item)) in entries(map, style).into_iter().enumerate() {
                    self.separate(n, at);
                    self.text(key, at, Context::FlowKey);
                    self.push(": ");
                    self.flow(item, at + style.indent, Context::Flow);
                }
                self.push("}");
            }
            Value::Str(text) => self.text(text, at, context),
            Value::Null | Value::Omit | Value::Unknown => self.push("null"),
            Value::Bool(b) => self.push(if *b { "true" } else { "false" }),
            Value::Int(n) => self.push(&n.to_string()),
            Value::Float(x) => self.push(&float(*x, value)),
        }
    }

    fn separate(&mut self, n: usize, at: usize) {
        if n > 0 {
            self.push(",");
        }
        if self.column > self.style.width {
            self.new_line(at);
        } else if n > 0 {
            self.push(" ");
        }
    }

    fn text(&mut self, text: &str, at: usize, context: Context) {
        let folds = matches!(context, Context::Block | Context::Flow);
        match quotes(text, context) {
            Quotes::Plain => self.words(text, at, folds, false),
            Quotes::Single => {
                self.push("'");
                self.words(&text.replace('\'', "''"), at, folds, true);
                self.push("'");
            }
            Quotes::Double => self.escaped(text, at, folds),
        }
    }

    /// Text of which a line ends at a single space when it is too long. A line break is written as an empty line.
    fn words(&mut self, text: &str, at: usize, folds: bool, quoted: bool) {
        for (kind, start, part) in runs(text) {
            let inside = !quoted || (start > 0 && start + part.len() < text.len());
            match kind {
                Run::Spaces if part.len() == 1 && self.column > self.style.width && folds && inside => {
                    self.new_line(at)
                }
                Run::Breaks => {
                    self.push(&"\n".repeat(part.len()));
                    self.new_line(at);
                }
                _ => self.push(part),
            }
        }
    }

    /// Text in double quotes. A line may end at the first of several spaces: what follows it is then marked as meant.
    fn escaped(&mut self, text: &str, at: usize, folds: bool) {
        self.push("\"");
        for (kind, start, part) in runs(text) {
            let inside = start > 0 && start + 1 < text.len();
            if kind == Run::Spaces && self.column > self.style.width && folds && inside {
                self.new_line(at);
                self.push(if part.len() > 1 { "\\" } else { "" });
                self.push(part.get(1..).unwrap_or(""));
                continue;
            }
            let escaped: String = part.chars().map(|c| escape(c).unwrap_or_else(|| c.to_string())).collect();
            self.push(&escaped);
        }
        self.push("\"");
    }
}

/// What a part of a text is made of.
#[derive(Clone, Copy, PartialEq)]
enum Run {
    Spaces,
    Breaks,
    Other,
}

/// A text cut where spaces and line breaks begin and end: what each part is, where it begins, and the part.
fn runs(text: &str) -> Vec<(Run, usize, &str)> {
    let kind = |c: char| match c {
        ' ' => Run::Spaces,
        '\n' => Run::Breaks,
        _ => Run::Other,
    };
    let mut runs: Vec<(Run, usize, &str)> = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let next = text.get(at..).and_then(|rest| rest.chars().nth(1));
        if next.map(kind) != Some(kind(c)) {
            let end = at + c.len_utf8();
            runs.push((kind(c), start, text.get(start..end).unwrap_or("")));
            start = end;
        }
    }
    runs
}

fn escape(c: char) -> Option<String> {
    let named = match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '\u{85}' => "\\N",
        '\u{feff}' => "\\uFEFF",
        c if c < ' ' || ('\u{7f}'..'\u{a0}').contains(&c) => return Some(format!("\\x{:02X}", u32::from(c))),
        _ => return None,
    };
    Some(named.to_owned())
}

fn float(x: f64, value: &Value) -> String {
    match x {
        x if x.is_nan() => ".nan".to_owned(),
        x if x.is_infinite() => if x > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        _ => {
            let text = value.to_string();
            if text.contains('.') { text } else { text.replacen('e', ".0e", 1) }
        }
    }
}

/// What plain text would be read as something other than a string.
fn resolves_otherwise(text: &str) -> bool {
    static RULES: OnceLock<Option<Regex>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        Regex::new(concat!(
            r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|~|null|Null|NULL|<<|=",
            r"|[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+",
            r"|[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?",
            r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
            r"|[0-9]{4}-[0-9]{2}-[0-9]{2}",
            r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?",
            r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$",
        ))
        .ok()
    });
    rules.as_ref().is_some_and(|rules| rules.is_match(text).unwrap_or(true))
}

/// How text may be written.
enum Quotes {
    Plain,
    Single,
    Double,
}

fn quotes(text: &str, context: Context) -> Quotes {
    let special =
        |c: char| (c < ' ' && c != '\n') || ('\u{7f}'..'\u{a0}').contains(&c) && c != '\u{85}' || c == '\u{feff}';
    let lines = text.contains('\n');
    let key = matches!(context, Context::Key | Context::FlowKey);
    if text.contains(special) || text.contains(" \n") || text.contains("\n ") || (key && lines) {
        return Quotes::Double;
    }
    let edges = text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']);
    let flow = matches!(context, Context::Flow | Context::FlowKey);
    if text.is_empty() || lines || edges || indicates(text, flow) || resolves_otherwise(text) {
        Quotes::Single
    } else {
        Quotes::Plain
    }
}

/// Says whether plain text would be read as the syntax of YAML.
fn indicates(text: &str, flow: bool) -> bool {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or_default();
    let alone = chars.next().is_none_or(char::is_whitespace);
    "#,[]{}&*!|>'\"%@`".contains(first)
        || (matches!(first, '?' | ':' | '-') && alone)
        || text.starts_with("---")
        || text.starts_with("...")
        || text.ends_with(':')
        || text.contains(": ")
        || text.contains(" #")
        || (flow && text.contains([',', '?', '[', ']', '{', '}', ':']))
}
