//! The fact cache: what hosts were found to be, and what `set_fact` with `cacheable` says, from one run to the next.
//!
//! A file for each host: a mapping of variables, as JSON.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

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
    /// What was read, and from which state of its file: hosts ask for each other's variables again and again.
    known: Arc<Mutex<HashMap<String, (Written, Arc<Layer>)>>>,
}

/// A state of a file: every time it is another one, put in place of that before.
type Written = (SystemTime, u64);

impl FactCache {
    /// A cache in a directory.
    pub fn new(dir: PathBuf, prefix: String, timeout: Option<Duration>) -> Self {
        Self { dir, prefix, timeout, known: Arc::default() }
    }

    /// The file of a host; `None` where its name is none for a file.
    fn path(&self, host: &str) -> Option<PathBuf> {
        let name = format!("{}{host}", self.prefix);
        (!name.contains('/') && !name.starts_with('.')).then(|| self.dir.join(name))
    }

    /// The file of a host, where it still counts.
    fn fresh(&self, host: &str) -> Option<(PathBuf, Written)> {
        let path = self.path(host)?;
        let meta = path.metadata().ok()?;
        let time = meta.modified().ok()?;
        let age = time.elapsed().unwrap_or_default();
        self.timeout.is_none_or(|timeout| age <= timeout).then_some((path, (time, meta.ino())))
    }

    fn read(path: &Path) -> Option<Map> {
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        from_json(json).as_map().cloned()
    }

    /// Adds what was found of a host to what is kept of it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep(&self, host: &str, variables: Map) -> std::io::Result<()> {
        let Some(path) = self.path(host) else { return Ok(()) };
        let mut all = self.fresh(host).and_then(|(path, _)| Self::read(&path)).unwrap_or_default();
        all.extend(variables);
        std::fs::create_dir_all(&self.dir)?;
        // In place as a whole, for runs at the same time. Facts are not for everybody.
        let new = self.dir.join(format!(".{}{host}.{}", self.prefix, std::process::id()));
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(to_json(&Value::from(all)).to_string().as_bytes())?;
        std::fs::rename(&new, &path)
    }

    fn layer(&self, host: &str) -> Option<Arc<Layer>> {
        let (path, written) = self.fresh(host)?;
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, layer)) = known.get(host).filter(|(then, _)| *then == written) {
            return Some(layer.clone());
        }
        let layer = Arc::new(layer_of(Self::read(&path)?, &path));
        known.insert(host.to_owned(), (written, layer.clone()));
        Some(layer)
    }
}

fn layer_of(variables: Map, path: &Path) -> Layer {
    let file = crate::source::display_path(path);
    let define = |(name, value): (Arc<str>, Value)| {
        let origin = Some(Origin { file: file.clone(), line: 1, col: 1 });
        (name, Definition { term: Term::Value(value), origin })
    };
    // As one mapping too, for a host that nobody asks in this run.
    let facts =
        variables.iter().map(|(name, value)| (Arc::from(name.strip_prefix("ansible_").unwrap_or(name)), value.clone()));
    let facts: (Arc<str>, Value) = ("ansible_facts".into(), Value::from(facts.collect::<Map>()));
    let entries = variables.into_iter().chain([facts]).map(define).collect();
    Layer { kind: LayerKind::Facts, entries }
}

impl Project {
    /// The layers of a host from the inventory and the cache, from the weakest to the strongest.
    pub(super) fn host_layers(&self, host: &str, play_dir: &Path) -> HostLayers {
        let mut layers = self.inventory.get().layers(host, Some(play_dir), &self.files);
        layers.extend(self.fact_cache.as_ref().and_then(|cache| cache.layer(host)));
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_until_it_is_too_old() {
        let dir = tempfile::tempdir().unwrap();
        let cache = |timeout| FactCache::new(dir.path().join("facts"), "x-".into(), timeout);
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
