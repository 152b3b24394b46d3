//! Reading YAML that an expression made: with the loader of the project's files, on the controller only.

use std::path::Path;

use crate::diagnostic::Diagnostics;
use crate::source::SourceMap;
use crate::value::Value;
use crate::yaml::{Node, load};

/// Every document of a text.
pub fn all(text: &str) -> Result<Vec<Value>, String> {
    let sources = SourceMap::default();
    let file = sources.add(Path::new("from_yaml"), text);
    let mut diagnostics = Diagnostics::default();
    let nodes = load(&sources, file, &mut diagnostics);
    if diagnostics.has_errors() {
        let message = diagnostics.iter().next().map(|d| d.message.clone()).unwrap_or_default();
        return Err(format!("not valid YAML: {}", message.trim_start_matches("not valid YAML: ")));
    }
    Ok(nodes.iter().map(Node::to_value).collect())
}

/// The only document of a text.
pub fn one(text: &str) -> Result<Value, String> {
    let mut documents = all(text)?;
    match documents.len() {
        0 => Ok(Value::Null),
        1 => Ok(documents.pop().unwrap_or_default()),
        _ => Err("expected one YAML document, found several; `from_yaml_all` reads them".to_owned()),
    }
}
