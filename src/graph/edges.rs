//! Building the edges: from what states touch, from the variables they use, from blocks, handlers and requisites.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Order;
use super::node::{BlockRef, Edge, Node, NodeId, Section, Why};
use super::touched::Touched;
use crate::resource::{Claim, Footprint};

/// Adds edges to nodes as they come, in written order.
#[derive(Default)]
pub struct Builder {
    /// Nodes since the last one that every later node waits for.
    open: BTreeMap<NodeId, Footprint>,
    /// What they touch.
    touched: Touched,
    /// The last node that touches everything.
    barrier: Option<NodeId>,
    /// Who set a variable last.
    writers: HashMap<String, Vec<NodeId>>,
    /// Who has used a variable since it was set.
    readers: HashMap<String, Vec<NodeId>>,
    /// The nodes of each section of a block.
    sections: HashMap<BlockRef, Vec<NodeId>>,
    order: Order,
}

/// Requisites that go in a circle: the nodes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle(pub Vec<NodeId>);

impl Builder {
    /// A builder for a play.
    pub fn new(order: Order) -> Self {
        Self { order, ..Self::default() }
    }

    /// What orders the nodes beside requisites and data flow.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Gives a node its edges and takes note of it for those that follow.
    pub fn add(&mut self, node: &mut Node, footprint: Footprint, uses: &BTreeSet<String>, sets: &[String]) {
        let mut after: Vec<Edge> = Vec::new();
        let mut seen: BTreeSet<NodeId> = BTreeSet::new();
        let mut wait = |on: NodeId, why: Why| {
            if on != node.id && seen.insert(on) {
                after.push(Edge { on, why });
            }
        };
        for name in uses {
            for writer in self.writers.get(name).into_iter().flatten() {
                wait(*writer, Why::Uses(name.clone()));
            }
        }
        // Who sets a variable again comes after those that set it before, and after those that want its old value.
        for name in sets {
            for other in [&self.writers, &self.readers].into_iter().filter_map(|known| known.get(name)).flatten() {
                wait(*other, Why::Touches(format!("the variable `{name}`")));
            }
        }
        self.wait_for_sections(node, &mut wait);
        if self.order == Order::Written {
            self.wait_for_touches(&footprint, &mut wait);
        }
        node.after.extend(after);
        for block in &node.blocks {
            self.sections.entry(*block).or_default().push(node.id);
        }
        for name in uses {
            self.readers.entry(name.clone()).or_default().push(node.id);
        }
        for name in sets {
            self.writers.insert(name.clone(), vec![node.id]);
            self.readers.remove(name);
        }
        if footprint.writes.contains(&Claim::World) {
            self.barrier = Some(node.id);
            self.open.clear();
            self.touched = Touched::default();
        }
        // What every later node waits for anyway need not be found by what it touches.
        if self.barrier != Some(node.id) {
            self.touched.add(node.id, &footprint);
        }
        self.open.insert(node.id, footprint);
    }

    fn wait_for_touches(&self, footprint: &Footprint, wait: &mut impl FnMut(NodeId, Why)) {
        for id in self.touched.near(footprint) {
            if let Some(reason) = self.open.get(&id).and_then(|other| footprint.conflict(other)) {
                wait(id, Why::Touches(reason));
            }
        }
        // What touches everything keeps its place: all later nodes wait for it, whatever they touch.
        if let Some(barrier) = self.barrier {
            wait(barrier, Why::Touches("it may touch anything".into()));
        }
        if footprint.writes.contains(&Claim::World) {
            for id in self.open.keys() {
                wait(*id, Why::Touches("it may touch anything".into()));
            }
        }
    }

    /// `rescue` waits for the body, `always` for both.
    fn wait_for_sections(&self, node: &Node, wait: &mut impl FnMut(NodeId, Why)) {
        for block in &node.blocks {
            let earlier: &[Section] = match block.section {
                Section::Body => &[],
                Section::Rescue => &[Section::Body],
                Section::Always => &[Section::Body, Section::Rescue],
            };
            for section in earlier {
                let key = BlockRef { id: block.id, section: *section };
                for id in self.sections.get(&key).into_iter().flatten() {
                    wait(*id, Why::Block);
                }
            }
        }
    }

    /// All nodes that no other node waits for yet: what a flush of handlers comes after.
    pub fn everything_open(&self) -> Vec<NodeId> {
        self.open.keys().copied().collect()
    }
}
