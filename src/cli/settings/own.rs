//! `cfg.toml`: our own file of settings.

use std::path::PathBuf;

use super::{KNOWN, Kind, Known, Reading, beside};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, did_you_mean};
use crate::value::Value;
use crate::yaml::{Entry, Node, load_toml};

/// The file that `$CFG_CONFIG` names, or `cfg.toml` in the working directory.
pub fn path(reports: &mut Diagnostics) -> Option<PathBuf> {
    let named = std::env::var_os("CFG_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| beside("cfg.toml", reports))
}

/// Reads it.
pub fn read(text: &str, reading: &mut Reading<'_>) {
    let reports = std::cell::RefCell::new(Vec::new());
    let node = load_toml(reading.file, text, &|report| reports.borrow_mut().push(report));
    let reports = reports.into_inner();
    // What is left of a broken text says nothing about what was meant.
    if !reports.is_empty() {
        return reading.reports.extend(reports);
    }
    for entry in node.as_map().unwrap_or_default() {
        match KNOWN.iter().find(|known| known.name == entry.key.as_ref()) {
            Some(known) => setting(known, entry, reading),
            None => unknown(entry, reading),
        }
    }
}

fn setting(known: &'static Known, entry: &Entry, reading: &mut Reading<'_>) {
    match values(known, &entry.value) {
        Ok(values) => reading.put(known, values, entry.value.span),
        Err(wanted) => {
            let message = format!("`{}` is {}; expected {wanted}", known.name, entry.value.type_name());
            reading.reports.push(Diagnostic::error(Code::Usage, message).at(entry.value.span, "").help(known.about));
        }
    }
}

/// The values of a setting; a list may be written as one value.
fn values(known: &Known, node: &Node) -> Result<Vec<String>, &'static str> {
    let text = |node: &Node| match node.to_value() {
        Value::Str(text) => Some(text.to_string()),
        _ => None,
    };
    match known.kind {
        Kind::Count | Kind::Number => match node.to_value() {
            Value::Int(n) => Ok(vec![n.to_string()]),
            _ => Err("a whole number"),
        },
        Kind::Flag => match node.to_value() {
            Value::Bool(b) => Ok(vec![b.to_string()]),
            _ => Err("true or false"),
        },
        Kind::Text | Kind::Path | Kind::Word(_) => text(node).map(|text| vec![text]).ok_or("a text"),
        Kind::Paths | Kind::Inventories | Kind::VaultIds => match node.as_list() {
            Some(items) => items.iter().map(text).collect::<Option<_>>().ok_or("a list of texts"),
            None => text(node).map(|text| vec![text]).ok_or("a text or a list of texts"),
        },
    }
}

fn unknown(entry: &Entry, reading: &mut Reading<'_>) {
    let ansible = KNOWN.iter().find(|known| known.ansible.1 == entry.key.as_ref());
    let help = match ansible {
        Some(known) => format!("it is called `{}` here", known.name),
        None => did_you_mean(&entry.key, KNOWN.iter().map(|known| known.name)).unwrap_or_else(|| {
            let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
            format!("there are {}", names.join(", "))
        }),
    };
    let report = Diagnostic::error(Code::Usage, format!("cfg has no setting `{}`", entry.key));
    reading.reports.push(report.at(entry.key_span, "").help(help));
}
