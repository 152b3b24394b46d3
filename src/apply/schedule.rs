//! Which node runs when: a node starts to look once all it waits for has ended, several at a time. Where states keep the
//! order they are written in, each changes, notifies and ends only when all before it have ended well: what looked ahead
//! of a failure leaves no trace.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::Session;
use super::run::{Runner, Turns};
use crate::graph::{Action, Node, NodeId, Order, RequisiteKind, Segment, TargetOutcome, Verdict};

/// More threads than this on one host help nobody: what can run at once is mostly waiting for the network.
const WORKERS: usize = 8;

/// A node's place in the order of turns.
type Turn = usize;

struct Queue {
    /// How many nodes each node still waits for.
    waiting: Vec<usize>,
    /// Nodes that can start.
    ready: BTreeSet<Turn>,
    /// Nodes that have not ended.
    open: BTreeSet<Turn>,
    /// Nodes that look ahead of their turn, by the names they are to be announced with.
    ahead: HashMap<Turn, String>,
    running: usize,
}

struct Plan<'a> {
    session: &'a Session,
    segment: &'a Segment,
    /// In the order of turns: as written, but for requisites that want it otherwise (`prereq`, `require_in`).
    nodes: Vec<&'a Node>,
    turns: HashMap<NodeId, Turn>,
    dependents: Vec<Vec<Turn>>,
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

/// For each node, as places in `nodes`, those it waits for. What an earlier segment had has ended.
fn edges(nodes: &[&Node]) -> Vec<BTreeSet<usize>> {
    let places: HashMap<NodeId, usize> = nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect();
    let before = |node: &&Node| node.after.iter().filter_map(|edge| places.get(&edge.on).copied()).collect();
    nodes.iter().map(before).collect()
}

/// The other direction: for each place those that wait for it.
fn reversed(edges: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); edges.len()];
    for (at, before) in edges.iter().enumerate() {
        for on in before {
            if let Some(list) = dependents.get_mut(*on) {
                list.push(at);
            }
        }
    }
    dependents
}

/// Nodes in written order, each after all it waits for.
fn in_turn(nodes: &[Node]) -> Vec<&Node> {
    let written: Vec<&Node> = nodes.iter().collect();
    let edges = edges(&written);
    let dependents = reversed(&edges);
    let mut waiting: Vec<usize> = edges.iter().map(BTreeSet::len).collect();
    let mut ready: BTreeSet<usize> = waiting.iter().enumerate().filter(|(_, n)| **n == 0).map(|(at, _)| at).collect();
    let mut order = Vec::new();
    while let Some(at) = ready.pop_first() {
        order.extend(written.get(at));
        ready.extend(released(&mut waiting, dependents.get(at)));
    }
    order
}

/// Takes note that a node has ended; gives those that wait for nothing any more.
fn released(waiting: &mut [usize], dependents: Option<&Vec<usize>>) -> Vec<usize> {
    let mut free = Vec::new();
    for dependent in dependents.into_iter().flatten() {
        if let Some(count) = waiting.get_mut(*dependent) {
            *count -= 1;
            if *count == 0 {
                free.push(*dependent);
            }
        }
    }
    free
}

impl<'a> Plan<'a> {
    fn new(session: &'a Session, segment: &'a Segment) -> Self {
        let nodes = in_turn(&segment.nodes);
        let turns = nodes.iter().enumerate().map(|(turn, node)| (node.id, turn)).collect();
        let edges = edges(&nodes);
        let waiting: Vec<usize> = edges.iter().map(BTreeSet::len).collect();
        let ready = waiting.iter().enumerate().filter(|(_, n)| **n == 0).map(|(turn, _)| turn).collect();
        let queue = Queue { waiting, ready, open: (0..nodes.len()).collect(), ahead: HashMap::new(), running: 0 };
        let dependents = reversed(&edges);
        Self { session, segment, nodes, turns, dependents, queue: Mutex::new(queue), wake: Condvar::new() }
    }

    /// Says whether each node waits for the one before, so that one thread is enough.
    fn is_chain(&self) -> bool {
        let after_previous = |pair: &[&Node]| matches!(pair, [a, b] if b.after.iter().any(|edge| edge.on == a.id));
        self.nodes.windows(2).all(after_previous)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn work(&self) {
        while let Some((turn, node)) = self.next() {
            self.run(node);
            self.done(turn);
        }
    }

    /// The next node that can start, when there is one; none when all have started.
    fn next(&self) -> Option<(Turn, &'a Node)> {
        let mut queue = self.queue();
        loop {
            if let Some(turn) = queue.ready.pop_first() {
                queue.running += 1;
                return self.nodes.get(turn).map(|node| (turn, *node));
            }
            if queue.running == 0 {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn done(&self, turn: Turn) {
        let mut queue = self.queue();
        queue.running -= 1;
        queue.open.remove(&turn);
        let free = released(&mut queue.waiting, self.dependents.get(turn));
        queue.ready.extend(free);
        self.announce_next(&mut queue);
        self.wake.notify_all();
    }

    /// Announces the node whose turn has come, if it looks already. Nobody sees its end before that: it waits for the queue.
    fn announce_next(&self, queue: &mut Queue) {
        let Some(turn) = queue.open.first().copied() else { return };
        let Some(node) = self.nodes.get(turn) else { return };
        if let Some(name) = queue.ahead.remove(&turn).filter(|_| self.admitted(node)) {
            self.session.sink.started(node.id, &name);
        }
    }

    fn turn(&self, node: &Node) -> Turn {
        self.turns.get(&node.id).copied().unwrap_or_default()
    }

    fn run(&self, node: &Node) {
        if !self.admitted(node) {
            return;
        }
        let runner = Runner::new(self.session, self.segment, node, self);
        let Some((mut outcome, result)) = runner.run(self.verdict(node)) else { return };
        runner.notify(&mut outcome);
        self.session.ended(&node.blocks, &mut outcome, |_| result);
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
        let changed = self
            .turns
            .get(&id)
            .and_then(|turn| self.nodes.get(*turn))
            .is_some_and(|node| Runner::new(self.session, self.segment, node, self).would_change());
        TargetOutcome { failed: false, changed }
    }
}

impl Turns for Plan<'_> {
    fn announce(&self, node: &Node, name: &str) {
        if self.segment.order == Order::Explicit {
            return self.session.sink.started(node.id, name);
        }
        let mut queue = self.queue();
        queue.ahead.insert(self.turn(node), name.to_owned());
        self.announce_next(&mut queue);
    }

    /// The first node that has not ended is always running or next to start, so that all turns come.
    fn await_turn(&self, node: &Node) -> bool {
        if self.segment.order == Order::Explicit {
            return true;
        }
        let (turn, mut queue) = (self.turn(node), self.queue());
        while queue.open.first().is_some_and(|first| *first < turn) {
            queue = self.wake.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        drop(queue);
        self.admitted(node)
    }
}
