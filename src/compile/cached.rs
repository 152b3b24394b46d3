//! The fact cache: what hosts were found to be, and what `set_fact` with `cacheable` says, from one run to the next.
//!
//! A file for each host: a mapping of variables, as JSON.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Project;
use crate::inventory::HostLayers;
use crate::source::Origin;
use crate::template::Term;
use crate::value::{Map, Value, from_json, to_json};
use crate::variables::{Definition, Layer, LayerKind};

/// Where facts are kept.
#[derive(Clone, Debug)]
pub struct FactCache {
    /// The directory.
    pub dir: PathBuf,
    /// What the names of its files begin with.
    pub prefix: String,
    /// After which time they do not count any more; `None`: never.
    pub timeout: Option<Duration>,
}

impl FactCache {
    /// The file of a host; `None` where its name is none for a file.
    fn path(&self, host: &str) -> Option<PathBuf> {
        let name = format!("{}{host}", self.prefix);
        (!name.contains('/') && !name.starts_with('.')).then(|| self.dir.join(name))
    }

    /// What is kept of a host and still counts.
    fn read(&self, host: &str) -> Option<(Map, PathBuf)> {
        let path = self.path(host)?;
        let age = path.metadata().ok()?.modified().ok()?.elapsed().unwrap_or_default();
        if self.timeout.is_some_and(|timeout| age > timeout) {
            return None;
        }
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        Some((from_json(json).as_map()?.clone(), path))
    }

    /// Adds what was found of a host to what is kept of it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep(&self, host: &str, variables: Map) -> std::io::Result<()> {
        let Some(path) = self.path(host) else { return Ok(()) };
        let mut all = self.read(host).map(|(map, _)| map).unwrap_or_default();
        all.extend(variables);
        std::fs::create_dir_all(&self.dir)?;
        // In place as a whole, for runs at the same time. Facts are not for everybody.
        let new = self.dir.join(format!(".{}{host}.{}", self.prefix, std::process::id()));
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(to_json(&Value::from(all)).to_string().as_bytes())?;
        std::fs::rename(&new, &path)
    }

    fn layer(&self, host: &str) -> Option<Layer> {
        let (variables, path) = self.read(host)?;
        let file = crate::source::display_path(&path);
        let define = |(name, value): (Arc<str>, Value)| {
            let origin = Some(Origin { file: Arc::from(&*file), line: 1, col: 1 });
            (name, Definition { term: Term::Value(value), origin })
        };
        // As one mapping too, for a host that nobody asks in this run.
        let facts = variables
            .iter()
            .map(|(name, value)| (Arc::from(name.strip_prefix("ansible_").unwrap_or(name)), value.clone()));
        let facts: (Arc<str>, Value) = ("ansible_facts".into(), Value::from(facts.collect::<Map>()));
        let entries = variables.into_iter().chain([facts]).map(define).collect();
        Some(Layer { kind: LayerKind::Facts, entries })
    }
}

impl Project {
    /// The layers of a host from the inventory and the cache, from the weakest to the strongest.
    pub(super) fn host_layers(&self, host: &str, play_dir: &Path) -> HostLayers {
        let mut layers = self.inventory.get().layers(host, Some(play_dir), &self.files);
        layers.extend(self.fact_cache.as_ref().and_then(|cache| cache.layer(host)).map(Arc::new));
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_until_it_is_too_old() {
        let dir = tempfile::tempdir().unwrap();
        let cache = |timeout| FactCache { dir: dir.path().join("facts"), prefix: "x-".into(), timeout };
        let fresh = cache(Some(Duration::from_secs(60)));
        let map = |name: &str, value: i64| Map::from_iter([(Arc::from(name), Value::Int(value))]);
        fresh.keep("web", map("ansible_processor_count", 2)).unwrap();
        fresh.keep("web", map("release", 7)).unwrap();
        assert!(dir.path().join("facts/x-web").exists());
        let layer = fresh.layer("web").unwrap();
        let shown = |name: &str| layer.get(name).unwrap().term.as_value().unwrap().to_string();
        assert_eq!((shown("ansible_processor_count"), shown("release")), ("2".into(), "7".into()));
        assert_eq!(shown("ansible_facts"), "{'processor_count': 2, 'release': 7}");
        assert!(cache(Some(Duration::ZERO)).layer("web").is_none());
        assert!(cache(None).layer("web").is_some());
        assert!(fresh.layer("other").is_none());
        fresh.keep("../out", map("a", 1)).unwrap();
        assert!(!dir.path().join("out").exists());
    }
}
