//! `group_vars` and `host_vars`: beside the inventory and beside the playbook.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{HostLayers, Inventory};
use crate::parse::{Files, VarsFile};
use crate::variables::{Definition, Layer, LayerKind, Terms};

/// The files of `group_vars/NAME`: every file of a directory of that name, or else the file.
pub fn vars_files(base: &Path, folder: &str, name: &str) -> Vec<PathBuf> {
    Files::variable_files(&base.join(folder), name)
}

impl Inventory {
    /// What the sources themselves say of a host, from the weakest to the strongest.
    pub(super) fn own_layers(&self, host: &str) -> HostLayers {
        let groups = self.groups_of(host);
        let groups = groups.iter().filter_map(|name| self.groups.get(name));
        let own = self.hosts.get(host).map(|host| host.vars.clone()).unwrap_or_default();
        groups
            .map(|group| Layer { kind: LayerKind::InventoryGroup, entries: group.vars.clone() })
            .chain([Layer { kind: LayerKind::InventoryHost, entries: own }])
            .map(Arc::new)
            .collect()
    }

    /// What the inventory says of a group, from the weakest to the strongest.
    pub fn group_layers(&self, group: &str, files: &Files) -> HostLayers {
        let own = self.groups.get(group).map(|group| group.vars.clone()).unwrap_or_default();
        let paths = self.dirs.iter().flat_map(|dir| vars_files(dir, "group_vars", group));
        let kind = if group == "all" { LayerKind::InventoryGroupVarsAll } else { LayerKind::InventoryGroupVars };
        vec![
            Arc::new(Layer { kind: LayerKind::InventoryGroup, entries: own }),
            Arc::new(Layer { kind, entries: read(paths, files) }),
        ]
    }

    /// The layers of a host, from the weakest to the strongest. `play_dir` is the directory of the playbook.
    pub fn layers(&self, host: &str, play_dir: Option<&Path>, files: &Files) -> HostLayers {
        let groups = self.groups_of(host);
        let mut layers: HostLayers = Vec::new();
        let mut add = |kind: LayerKind, entries: indexmap::IndexMap<Arc<str>, Definition>| {
            if !entries.is_empty() {
                layers.push(Arc::new(Layer { kind, entries }));
            }
        };
        for group in groups.iter().filter_map(|name| self.groups.get(name)) {
            add(LayerKind::InventoryGroup, group.vars.clone());
        }
        let play: Vec<&Path> = play_dir.into_iter().collect();
        let own: Vec<&Path> = self.dirs.iter().map(PathBuf::as_path).collect();
        // A playbook beside the inventory shares its directory: its files count once, as the inventory's.
        let play: Vec<&Path> = play.into_iter().filter(|dir| !own.iter().any(|own| same(own, dir))).collect();
        let from = |bases: &[&Path], folder: &str, name: &str| {
            let paths = bases.iter().flat_map(|base| vars_files(base, folder, name));
            read(paths, files)
        };
        add(LayerKind::InventoryGroupVarsAll, from(&own, "group_vars", "all"));
        add(LayerKind::PlaybookGroupVarsAll, from(&play, "group_vars", "all"));
        for (kind, bases) in [(LayerKind::InventoryGroupVars, &own), (LayerKind::PlaybookGroupVars, &play)] {
            for group in groups.iter().filter(|name| name.as_ref() != "all") {
                add(kind, from(bases, "group_vars", group));
            }
        }
        add(LayerKind::InventoryHost, self.hosts.get(host).map(|h| h.vars.clone()).unwrap_or_default());
        add(LayerKind::InventoryHostVars, from(&own, "host_vars", host));
        add(LayerKind::PlaybookHostVars, from(&play, "host_vars", host));
        layers
    }
}

fn same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.canonicalize().ok()
    };
    real(a).is_some_and(|a| real(b) == Some(a))
}

fn read(paths: impl Iterator<Item = PathBuf>, files: &Files) -> indexmap::IndexMap<Arc<str>, Definition> {
    let mut entries = indexmap::IndexMap::new();
    for path in paths {
        let Some(file) = files.vars(&path, None) else { continue };
        entries.extend(definitions(&file, files));
    }
    entries
}

/// The definitions of a file of variables.
pub fn definitions(file: &VarsFile, files: &Files) -> indexmap::IndexMap<Arc<str>, Definition> {
    let report = |diagnostic| files.report(diagnostic);
    let terms = Terms { sources: &files.sources, vault: &files.vault, report: &report };
    Layer::of(LayerKind::VarsFiles, &file.entries, &terms).entries
}
