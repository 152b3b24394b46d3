//! What the tests of resource types share: a machine in memory, a state written as YAML, and what it changed.

use std::path::Path;
use std::sync::Arc;

use super::{Args, Context, Failure, Outcome, find};
use crate::diagnostic::Diagnostics;
use crate::machine::{Attrs, Blank, Change, Content, Machine, Preview, Tracked, Written};
use crate::source::SourceMap;
use crate::value::{Map, Value};

/// A machine in memory.
pub struct Bench(pub Arc<dyn Machine>);

/// Reads a YAML document.
pub fn yaml(text: &str) -> Value {
    let sources = SourceMap::default();
    let file = sources.add(Path::new("test.yml"), text);
    let mut diagnostics = Diagnostics::default();
    let nodes = crate::yaml::load(&sources, file, &mut diagnostics);
    nodes.first().unwrap_or_else(|| panic!("not YAML: {text}")).to_value()
}

/// Arguments as a mapping, or as text for the free form.
pub fn args(kind: &str, text: &str) -> Args {
    let value = yaml(text);
    let free = find(kind).unwrap().free_form;
    match (&value, free) {
        (Value::Map(map), _) => Args::new(map.as_ref().clone()),
        (_, Some(name)) => Args::new(Map::from_iter([(name.into(), value)])),
        _ => panic!("{kind} has no free form"),
    }
}

impl Bench {
    /// A blank machine with these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let machine: Arc<dyn Machine> = Arc::new(Preview::new(Arc::new(Blank)));
        for (path, content) in files {
            let content = Content::bytes(content.as_bytes().to_vec());
            machine.write(Path::new(path), &content, &Attrs::default(), &Written::default()).unwrap();
        }
        Self(machine)
    }

    /// Converges a state once.
    pub fn run(&self, kind: &str, text: &str) -> Result<(Outcome, Vec<Change>), Failure> {
        let parse = find(kind).unwrap_or_else(|| panic!("no {kind}")).parse;
        let mut given = args(kind, text).into_map();
        super::settle(find(kind).unwrap().params, &mut given, &*self.0, &Context::default())?;
        let resource = parse(Args::new(given)).map_err(|e| Failure::new(e.message))?;
        let _ = resource.footprint();
        let tracked = Tracked::new(self.0.clone(), false);
        let outcome = resource.converge(&tracked, &Context::default())?;
        Ok((outcome, tracked.changes()))
    }

    /// Converges a state twice: the second time must change nothing. Gives the first outcome, and how many changes.
    pub fn settle(&self, kind: &str, text: &str) -> (Outcome, usize) {
        let (outcome, changes) = self.run(kind, text).unwrap_or_else(|f| panic!("{kind} {text}: {}", f.message));
        let (again, more) = self.run(kind, text).unwrap_or_else(|f| panic!("{kind} {text} again: {}", f.message));
        assert_eq!(more, [], "{kind} {text}: the second run changes something");
        assert!(!again.changed.is_some_and(|c| c.is_true()), "{kind} {text}: the second run says it changed something");
        (outcome, changes.len())
    }

    /// The message of a failure.
    pub fn fails(&self, kind: &str, text: &str) -> String {
        match self.run(kind, text) {
            Err(failure) => failure.message,
            Ok(_) => panic!("{kind} {text} did not fail"),
        }
    }

    /// The content of a file.
    pub fn read(&self, path: &str) -> String {
        String::from_utf8(self.0.read(Path::new(path), 1 << 20).unwrap()).unwrap()
    }
}
