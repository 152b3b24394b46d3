//! Which nodes have touched what: finds those a new node may have to wait for without asking every one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::node::NodeId;
use crate::resource::{Claim, Footprint};

/// What open nodes touch, by path and by name.
#[derive(Default)]
pub struct Touched {
    paths: BTreeMap<PathBuf, Vec<NodeId>>,
    /// Of those, whole trees.
    trees: BTreeMap<PathBuf, Vec<NodeId>>,
    names: HashMap<Claim, Vec<NodeId>>,
    /// All of them.
    all: Vec<NodeId>,
    /// Nodes that write something.
    writers: Vec<NodeId>,
    /// Nodes that look at anything.
    observers: Vec<NodeId>,
    /// Nodes that may write anything.
    worlds: Vec<NodeId>,
}

impl Touched {
    /// Takes note of a node.
    pub fn add(&mut self, id: NodeId, footprint: &Footprint) {
        self.all.push(id);
        if !footprint.writes.is_empty() {
            self.writers.push(id);
        }
        if footprint.writes.contains(&Claim::World) {
            self.worlds.push(id);
        }
        for claim in footprint.reads.iter().chain(&footprint.writes) {
            match claim {
                Claim::Path(path) => self.paths.entry(path.clone()).or_default().push(id),
                Claim::Tree(path) => {
                    self.paths.entry(path.clone()).or_default().push(id);
                    self.trees.entry(path.clone()).or_default().push(id);
                }
                Claim::World => self.observers.push(id),
                name => self.names.entry(name.clone()).or_default().push(id),
            }
        }
    }

    /// Nodes that may touch the same things, the last first. Some of them may turn out not to; none is left out.
    pub fn near(&self, footprint: &Footprint) -> Vec<NodeId> {
        let mut found: BTreeSet<NodeId> = self.worlds.iter().copied().collect();
        if !footprint.writes.is_empty() {
            found.extend(&self.observers);
        }
        for (claim, written) in
            footprint.reads.iter().map(|c| (c, false)).chain(footprint.writes.iter().map(|c| (c, true)))
        {
            match claim {
                Claim::World => found.extend(if written { &self.all } else { &self.writers }),
                Claim::Path(path) => self.around(path, written, &mut found),
                Claim::Tree(path) => self.around(path, true, &mut found),
                name => found.extend(self.names.get(name).into_iter().flatten()),
            }
        }
        found.into_iter().rev().collect()
    }

    /// Nodes at a path, above it, and with `below` those below it; of trees below it in any case.
    fn around(&self, path: &Path, below: bool, found: &mut BTreeSet<NodeId>) {
        for above in path.ancestors() {
            found.extend(self.paths.get(above).into_iter().flatten());
        }
        let below = if below { &self.paths } else { &self.trees };
        let from = below.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
        found.extend(from.take_while(|(other, _)| other.starts_with(path)).flat_map(|(_, ids)| ids));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim() -> impl Strategy<Value = Claim> {
        let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..4)
            .prop_map(|parts| PathBuf::from(format!("/{}", parts.join("/"))));
        prop_oneof![
            4 => path.clone().prop_map(Claim::Path),
            2 => path.prop_map(Claim::Tree),
            1 => prop::sample::select(vec!["x", "y"]).prop_map(|name| Claim::User(name.to_owned())),
            1 => Just(Claim::World),
        ]
    }

    fn footprint() -> impl Strategy<Value = Footprint> {
        let claims = || prop::collection::vec(claim(), 0..3);
        (claims(), claims()).prop_map(|(reads, writes)| Footprint { reads, writes })
    }

    proptest! {
        #[test]
        fn none_that_conflicts_is_left_out(others in prop::collection::vec(footprint(), 0..12), new in footprint()) {
            let mut touched = Touched::default();
            for (id, other) in others.iter().enumerate() {
                touched.add(id as NodeId, other);
            }
            let near = touched.near(&new);
            for (id, other) in others.iter().enumerate() {
                prop_assert!(new.conflict(other).is_none() || near.contains(&(id as NodeId)), "{new:?} {other:?}");
            }
        }
    }
}
