//! The files of the overlay.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::Stat;

/// A file, directory or link of the overlay.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub stat: Stat,
    /// What it holds.
    pub data: Data,
}

/// What a file of the overlay holds.
#[derive(Clone, Debug)]
pub enum Data {
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// The content of a file under the overlay.
    Under(PathBuf),
    /// Something that is known after apply.
    Unknown,
    /// A directory made in the overlay: nothing of what lies under it is seen.
    Dir,
    /// A directory a program is yet to fill: nobody knows with what.
    Filled,
    /// A directory of the machine with other attributes.
    DirUnder,
    /// A link.
    Link(PathBuf),
}

/// Paths that differ from the machine under the overlay.
#[derive(Default)]
pub struct Overlay {
    /// What is there then; `None` is a removed one.
    nodes: BTreeMap<PathBuf, Option<Node>>,
    /// What a program is yet to make: nobody knows what it is, and what is below it.
    open: BTreeSet<PathBuf>,
}

impl Overlay {
    /// Says whether every path is as on the machine.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.open.is_empty()
    }

    /// What the overlay says of a path: nothing, that it is gone, or what is there.
    pub fn find(&self, path: &Path) -> Option<Option<&Node>> {
        if let Some(entry) = self.nodes.get(path) {
            return Some(entry.as_ref());
        }
        // Under a removed directory, or one that was made here, nothing of the machine is left.
        let hidden = path.ancestors().skip(1).any(|above| match self.nodes.get(above) {
            Some(None) => true,
            Some(Some(node)) => matches!(node.data, Data::Dir),
            None => false,
        });
        hidden.then_some(None)
    }

    /// Says whether a path is yet to be made by a program, or in what that makes or fills, and is not known for another
    /// reason.
    pub fn is_open(&self, path: &Path) -> bool {
        if self.nodes.contains_key(path) {
            return false;
        }
        let filled = |node: &Option<Node>| matches!(node, Some(Node { data: Data::Filled, .. }));
        let nearest = path.ancestors().find_map(|above| match self.open.contains(above) {
            true => Some(true),
            false => self.nodes.get(above).map(filled),
        });
        nearest == Some(true)
    }

    /// Leaves open what is at a path.
    pub fn open(&mut self, path: PathBuf) {
        self.nodes.retain(|other, _| !other.starts_with(&path));
        self.open.insert(path);
    }

    /// Puts something at a path.
    pub fn put(&mut self, path: PathBuf, stat: Stat, data: Data) {
        self.open.remove(&path);
        self.nodes.insert(path, Some(Node { stat, data }));
    }

    /// Changes the time of modification of something the overlay has.
    pub fn touch(&mut self, path: &Path, modified: f64) {
        if let Some(Some(node)) = self.nodes.get_mut(path) {
            node.stat.mtime = modified;
        }
    }

    /// Removes a path with all below it.
    pub fn remove(&mut self, path: PathBuf) {
        self.nodes.retain(|other, _| !other.starts_with(&path));
        self.open.retain(|other| !other.starts_with(&path));
        self.nodes.insert(path, None);
    }

    /// The names in a directory: those of the machine, less what was removed, plus what was made.
    pub fn names_in(&self, dir: &Path, under: Vec<String>) -> Vec<String> {
        let mut names: BTreeSet<String> = under.into_iter().collect();
        for (path, entry) in self.nodes.iter().filter(|(path, _)| path.parent() == Some(dir)) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if entry.is_some() {
                names.insert(name);
            } else {
                names.remove(&name);
            }
        }
        names.into_iter().collect()
    }
}
