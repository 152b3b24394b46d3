//! Which node runs when: a node starts to look once all it waits for has ended, several at a time. Where states keep the
//! order they are written in, each changes, notifies and ends only when all before it have ended well: what looked ahead
//! of a failure leaves no trace.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::Session;
use super::run::{Runner, Turns};
use crate::graph::{Action, Node, NodeId, Order, RequisiteKind, Segment, TargetOutcome, Verdict};

/// More threads than this on one host help nobody: what can run at once is mostly waiting for the network.
const WORKERS: usize = 8;

struct Queue {
    /// How many nodes each node still waits for.
    waiting: HashMap<NodeId, usize>,
    /// Nodes that can start, in written order.
    ready: BTreeSet<NodeId>,
    /// Nodes that have not ended.
    open: BTreeSet<NodeId>,
    running: usize,
    left: usize,
}

struct Plan<'a> {
    session: &'a Session,
    segment: &'a Segment,
    nodes: HashMap<NodeId, &'a Node>,
    dependents: HashMap<NodeId, Vec<NodeId>>,
    queue: Mutex<Queue>,
    wake: Condvar,
}

/// Runs the nodes of a segment.
pub fn run(session: &Session, segment: &Segment) {
    session.state().blocks.know(&segment.rescues);
    let plan = Plan::new(session, segment);
    let independent = plan.queue().ready.len();
    let workers = independent.clamp(1, WORKERS).max(if plan.is_chain() { 1 } else { 2 });
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| plan.work());
        }
        plan.work();
    });
}

impl<'a> Plan<'a> {
    fn new(session: &'a Session, segment: &'a Segment) -> Self {
        let nodes: HashMap<NodeId, &Node> = segment.nodes.iter().map(|node| (node.id, node)).collect();
        let mut dependents: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        let mut waiting = HashMap::new();
        let mut ready = BTreeSet::new();
        for node in &segment.nodes {
            // What an earlier segment had has ended.
            let on: HashSet<NodeId> = node.after.iter().map(|e| e.on).filter(|on| nodes.contains_key(on)).collect();
            if on.is_empty() {
                ready.insert(node.id);
            }
            waiting.insert(node.id, on.len());
            for id in on {
                dependents.entry(id).or_default().push(node.id);
            }
        }
        let open = nodes.keys().copied().collect();
        let queue = Queue { waiting, ready, open, running: 0, left: segment.nodes.len() };
        Self { session, segment, nodes, dependents, queue: Mutex::new(queue), wake: Condvar::new() }
    }

    /// Says whether each node waits for the one before, so that one thread is enough.
    fn is_chain(&self) -> bool {
        let after_previous = |pair: &[Node]| matches!(pair, [a, b] if b.after.iter().any(|edge| edge.on == a.id));
        self.segment.nodes.windows(2).all(after_previous)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn work(&self) {
        while let Some(node) = self.next() {
            self.run(node);
            self.done(node.id);
        }
    }

    fn next(&self) -> Option<&'a Node> {
        let mut queue = self.queue();
        loop {
            if queue.left == 0 {
                return None;
            }
            if let Some(id) = queue.ready.pop_first() {
                queue.running += 1;
                queue.left -= 1;
                return self.nodes.get(&id).copied();
            }
            // Requisites could only keep a node waiting for ever if the graph had a circle, which it has not.
            if queue.running == 0 {
                queue.left = 0;
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn done(&self, id: NodeId) {
        let mut queue = self.queue();
        queue.running -= 1;
        queue.open.remove(&id);
        for dependent in self.dependents.get(&id).into_iter().flatten() {
            if let Some(count) = queue.waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    queue.ready.insert(*dependent);
                }
            }
        }
        self.wake.notify_all();
    }

    fn run(&self, node: &Node) {
        if !self.admitted(node) {
            return;
        }
        let runner = Runner::new(self.session, self.segment, node, self);
        let Some(mut outcome) = runner.run(self.verdict(node)) else { return };
        runner.notify(&mut outcome);
        self.session.ended(&node.blocks, &mut outcome);
        self.session.sink.finished(outcome);
    }

    fn admitted(&self, node: &Node) -> bool {
        if self.session.cancel.is_cancelled() {
            return false;
        }
        let state = self.session.state();
        let is_onfail = node.requisites.iter().any(|r| r.kind == RequisiteKind::OnFail);
        let forced = (node.handler.is_some() || node.in_handler) && self.session.prologue.force_handlers;
        let clears = node.action == Action::ClearErrors;
        let host_failed = state.failed && !is_onfail && !forced && !clears;
        !state.ended && state.blocks.admit(&node.blocks, host_failed)
    }

    /// What the requisites say; the strictest counts.
    fn verdict(&self, node: &Node) -> Verdict {
        let mut verdict = Verdict::Run;
        for requisite in &node.requisites {
            let targets: Vec<TargetOutcome> = if requisite.kind == RequisiteKind::Prereq {
                requisite.targets.iter().map(|id| self.foreseen(*id)).collect()
            } else {
                let state = self.session.state();
                requisite
                    .targets
                    .iter()
                    .filter_map(|id| state.outcomes.get(id))
                    .map(|ended| ended.for_requisites())
                    .collect()
            };
            verdict = match (verdict, requisite.judge(&targets)) {
                (Verdict::Fail, _) | (_, Verdict::Fail) => Verdict::Fail,
                (Verdict::Nothing, _) | (_, Verdict::Nothing) => Verdict::Nothing,
                (Verdict::Refresh, _) | (_, Verdict::Refresh) => Verdict::Refresh,
                _ => Verdict::Run,
            };
        }
        verdict
    }

    /// How a state that has yet to run would come out: `prereq` runs before it, and only if it would change.
    fn foreseen(&self, id: NodeId) -> TargetOutcome {
        let changed =
            self.nodes.get(&id).is_some_and(|node| Runner::new(self.session, self.segment, node, self).would_change());
        TargetOutcome { failed: false, changed }
    }
}

impl Turns for Plan<'_> {
    /// The first node that has not ended is always running or next to start, so that all turns come.
    fn await_turn(&self, node: &Node) -> bool {
        if self.segment.order == Order::Explicit {
            return true;
        }
        let mut queue = self.queue();
        while queue.open.first().is_some_and(|first| *first < node.id) {
            queue = self.wake.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        drop(queue);
        self.admitted(node)
    }
}
