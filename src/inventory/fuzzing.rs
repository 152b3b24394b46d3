//! The readers of inventories over text, for fuzzing: nothing is read from a disk and no program is run.

use std::path::Path;

use super::yaml::Flavour;
use super::{Inventory, Loader, ini, script};
use crate::diagnostic::Diagnostics;
use crate::parse::Files;

/// Reads a text as a file of that name would be read; `-i` is a list of hosts, `.json` what a script prints.
pub fn read(name: &str, text: &str, files: &Files) -> Inventory {
    let (loader, mut inventory) = (Loader { files, rules: super::Rules::default() }, Inventory::default());
    let file = files.sources.add(Path::new(name), text);
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("yml") => {
            let mut diagnostics = Diagnostics::default();
            let documents = crate::yaml::load(&files.sources, file, &mut diagnostics);
            diagnostics.iter().for_each(|diagnostic| files.report(diagnostic.clone()));
            documents.iter().for_each(|node| loader.document(node, &mut inventory, Flavour::Yaml));
        }
        Some("toml") => {
            let node = crate::yaml::load_toml(file, text, &|diagnostic| files.report(diagnostic));
            loader.document(&node, &mut inventory, Flavour::Toml);
        }
        Some("json") => script::add(text.as_bytes(), files, &mut inventory),
        Some(_) => ini::read(file, text, files, &mut inventory),
        None => loader.list(text, &mut inventory),
    }
    loader.finish(&mut inventory);
    inventory
}
