//! Which sections of blocks may still run after a failure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::graph::{BlockId, BlockRef, Section};

/// How the blocks of a play came out on a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blocks {
    states: BTreeMap<BlockId, BlockState>,
    rescues: BTreeSet<BlockId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct BlockState {
    body_failed: bool,
    rescue_failed: bool,
    always_failed: bool,
}

impl Blocks {
    /// Makes known which blocks have a rescue section.
    pub fn know(&mut self, rescues: &[BlockId]) {
        self.rescues.extend(rescues);
    }

    /// Records a failure inside `blocks` (outermost first). Says whether a rescue section takes over.
    pub fn fail(&mut self, blocks: &[BlockRef]) -> bool {
        for block in blocks.iter().rev() {
            let state = self.states.entry(block.id).or_default();
            match block.section {
                Section::Body => {
                    state.body_failed = true;
                    if self.rescues.contains(&block.id) {
                        return true;
                    }
                }
                Section::Rescue => state.rescue_failed = true,
                Section::Always => state.always_failed = true,
            }
        }
        false
    }

    /// Says whether a node inside `blocks` may start.
    pub fn admit(&self, blocks: &[BlockRef], host_failed: bool) -> bool {
        let state = |block: &BlockRef| self.states.get(&block.id).copied().unwrap_or_default();
        // A failing block inside cleans up before the failure counts for what is around it.
        let cleaning = blocks.iter().rposition(|block| {
            block.section == Section::Always && (state(block).body_failed || state(block).rescue_failed)
        });
        let inside = blocks.get(cleaning.unwrap_or(0)..).unwrap_or_default();
        let open = inside.iter().all(|block| match block.section {
            Section::Body => !state(block).body_failed,
            Section::Rescue => state(block).body_failed && !state(block).rescue_failed,
            Section::Always => !state(block).always_failed,
        });
        open && (cleaning.is_some() || !host_failed)
    }

    /// Blocks whose body failed.
    pub fn failed(&self) -> Vec<BlockId> {
        self.states.iter().filter(|(_, state)| state.body_failed).map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: BlockId, section: Section) -> BlockRef {
        BlockRef { id, section }
    }

    #[test]
    fn rescue_and_always() {
        let mut blocks = Blocks::default();
        blocks.know(&[1]);
        let inner = [at(1, Section::Body), at(2, Section::Body)];
        assert!(blocks.fail(&inner), "the outer block rescues");
        assert!(!blocks.admit(&inner, false));
        assert!(
            blocks.admit(&[at(1, Section::Body), at(2, Section::Always)], false),
            "the inner block cleans up first"
        );
        assert!(!blocks.admit(&[at(1, Section::Body), at(4, Section::Always)], false), "this one was never entered");
        assert!(blocks.admit(&[at(1, Section::Rescue)], false));
        assert!(blocks.admit(&[at(1, Section::Always)], false));
        assert!(!blocks.fail(&[at(1, Section::Rescue)]));
        assert!(blocks.admit(&[at(1, Section::Always)], true), "always runs though the host failed");
        assert!(!blocks.admit(&[], true));
        assert!(!blocks.admit(&[at(3, Section::Always)], true), "a block that was never entered");
    }
}
