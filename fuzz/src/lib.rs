//! What the fuzzers feed, one function a target. `tests/fuzz_corpus.rs` includes this file, so that a plain `cargo test`
//! feeds the corpus to the same functions.
//!
//! Of every input must hold: it ends, in seconds and in a bounded amount of memory, as a value or as a mistake that can be
//! shown. What more has to hold stands at the functions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use cfg::agent::{FromAgent, Hello, ToAgent, decode, encode, read_frame};
use cfg::diagnostic::{Diagnostics, render};
use cfg::inventory::Pattern;
use cfg::machine::{Call, Reply};
use cfg::parse::{Files, Playbook, parse_items};
use cfg::secret::{Redactor, Vault};
use cfg::source::{Origin, SourceMap};
use cfg::template::{Bindings, Engine, FileOptions, Layout, Scope, Template, Term, TermScope};
use cfg::value::{Value, python_repr, to_json};
use cfg::yaml::{Node, load};

/// Mistakes can be shown: each has its place inside of the text.
fn show(diagnostics: &Diagnostics, sources: &SourceMap) {
    for diagnostic in diagnostics.iter().take(20) {
        assert!(!render(diagnostic, sources, false).is_empty());
    }
}

/// Spans of nodes lie inside of the text, on the boundaries of characters.
fn spans(node: &Node, text: &str) {
    let part = text.get(node.span.start as usize..node.span.end as usize);
    assert!(part.is_some(), "the span {:?} of a node is no part of the text", node.span);
}

/// A YAML file: read, then taken for a playbook and for a file of tasks.
pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sources = SourceMap::default();
    let file = sources.add(Path::new("fuzz.yml"), text);
    let mut diagnostics = Diagnostics::default();
    let nodes = load(&sources, file, &mut diagnostics);
    for node in &nodes {
        spans(node, text);
        let value = node.to_value();
        assert!(!value.has_unknown(), "text is known");
    }
    Playbook::parse(&nodes, PathBuf::from("."), &mut diagnostics);
    for node in &nodes {
        parse_items(node, &mut diagnostics);
    }
    show(&diagnostics, &sources);
}

/// Much less than a run allows: what is not bounded by fuel shows itself sooner.
const FUEL: u64 = 100_000;

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| Arc::new(Engine::with_fuel(FUEL)));

/// A few variables of every type.
struct Variables;

impl Bindings for Variables {
    fn binding(&self, name: &str) -> Option<Term> {
        let value = match name {
            "text" => Value::str("Some text, 3 words: äöü"),
            "number" => Value::Int(42),
            "real" => Value::Float(1.5),
            "yes" => Value::Bool(true),
            "none" => Value::Null,
            "list" => Value::list([Value::Int(3), Value::str("b"), Value::list([Value::Int(1)])]),
            "map" => Value::map([("a", Value::Int(1)), ("b", Value::list([Value::str("x")]))]),
            "hosts" => Value::list([
                Value::map([("name", Value::str("web1")), ("ip", Value::str("192.0.2.1/24"))]),
                Value::map([("name", Value::str("db1")), ("ip", Value::str("2001:db8::1/64"))]),
            ]),
            "later" => Value::Unknown,
            "alias" => return Some(Term::expression(&Arc::from("text | upper"), origin(), Layout::default())),
            _ => return None,
        };
        Some(Term::Value(value))
    }

    fn names(&self) -> BTreeSet<String> {
        let names = ["text", "number", "real", "yes", "none", "list", "map", "hosts", "later", "alias"];
        names.into_iter().map(str::to_owned).collect()
    }

    fn condition(&self, text: &str) -> Option<Term> {
        (text != "later").then(|| Term::expression(&Arc::from(text), origin(), Layout::default()))
    }
}

fn origin() -> Origin {
    Origin { file: Arc::from("fuzz.yml"), line: 1, col: 1 }
}

/// A template: as the value of a variable, as a condition, and as a template file.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text: Arc<str> = Arc::from(text);
    let scope = TermScope::new(ENGINE.clone(), Arc::new(Variables));
    let terms =
        [Term::from_text(&text, origin(), Layout::default()), Term::expression(&text, origin(), Layout::default())];
    for term in &terms {
        if let Ok(value) = scope.evaluate(term) {
            python_repr(&value);
            to_json(&value);
        }
        term.written();
        term.for_each_template(&mut |template| drop(ENGINE.names_in(template)));
    }
    let file = Template { text, ..file_template() };
    let scope: Arc<dyn Scope> = scope;
    let _ = ENGINE.render_file(&file, &FileOptions::default(), Arc::new(|_| None), &scope);
}

fn file_template() -> Template {
    Template { text: Arc::from(""), shape: cfg::template::Shape::Text, origin: origin(), layout: Layout::default() }
}

/// An inventory: the first byte says which reader it is for, the rest is what it reads.
pub fn inventory(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files = Files::new(SourceMap::default(), Vec::new(), Arc::default());
    let inventory = match kind {
        b'i' => cfg::inventory::fuzzing::read("fuzz.ini", text, &files),
        b'y' => cfg::inventory::fuzzing::read("fuzz.yml", text, &files),
        b't' => cfg::inventory::fuzzing::read("fuzz.toml", text, &files),
        b'j' => cfg::inventory::fuzzing::read("fuzz.json", text, &files),
        b'l' => cfg::inventory::fuzzing::read("-i", text, &files),
        b'p' => {
            // A pattern, against an inventory of a few hosts.
            let hosts = "web[1:3]\ndb1\n[web]\nweb[1:3]\n[db]\ndb1\n[all:children]\nweb\ndb\n";
            let inventory = cfg::inventory::fuzzing::read("fuzz.ini", hosts, &files);
            let _ = Pattern::parse(text).hosts(&inventory);
            return;
        }
        _ => return,
    };
    for host in inventory.hosts.keys().take(20) {
        inventory.group_names(host);
    }
    for group in inventory.groups.keys().take(20) {
        let _ = Pattern::parse(group).hosts(&inventory);
    }
    show(&files.take_diagnostics(), &files.sources);
}

/// A vault: whatever the text, it is opened or refused; what was encrypted comes out as it was.
///
/// The keys are fixed, for deriving them takes ten thousand rounds by design.
pub fn vault(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Without a password the text is read and nothing is derived.
    let _ = Vault::new(Vec::new(), Redactor::default()).open(&text);
    let _ = cfg::secret::fuzzing::opened(&text);
    // The bytes as what was encrypted, padding and all, under a MAC that fits.
    let sealed = cfg::secret::fuzzing::sealed(data);
    if let Some(plain) = cfg::secret::fuzzing::opened(&sealed) {
        assert!(data.starts_with(&plain), "what comes out is what went in, without its padding");
    }
}

/// A frame: refused, or a message that is written again as the same message.
pub fn frame(data: &[u8]) {
    fn message<T: serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug>(data: &[u8]) {
        let Ok(message) = decode::<T>(data) else { return };
        // Numbers and lengths may be written in more than one way, and NaN is not itself: the texts are compared.
        let Ok(bytes) = encode(&message) else { return };
        let again = read_frame::<T>(&mut bytes.as_slice()).expect("what was written can be read");
        assert_eq!(format!("{message:?}"), format!("{again:?}"));
    }
    let _ = read_frame::<FromAgent>(&mut &data[..]);
    message::<FromAgent>(data);
    message::<Hello>(data);
    message::<ToAgent>(data);
    message::<Call>(data);
    message::<Reply>(data);
    message::<Value>(data);
}
