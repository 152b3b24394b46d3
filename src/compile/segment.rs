//! What was compiled goes to the host, and what came of it comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::Stop;
use super::host::HostCompiler;
use crate::apply::SegmentReport;
use crate::graph::Segment;
use crate::value::Value;

impl HostCompiler<'_> {
    /// Notes that a task is to set a variable, if it runs.
    pub(super) fn expect_runtime(&mut self, name: &str, value: Value) {
        let before = self.runtime.get(name).cloned();
        self.expected.entry(name.to_owned()).or_insert(before);
        self.set_runtime(name, value);
    }

    /// Notes that a variable is set by tasks from now on.
    pub(super) fn set_runtime(&mut self, name: &str, value: Value) {
        Arc::make_mut(&mut self.runtime).insert(name.to_owned(), value);
        self.hostvars.take();
    }

    /// Runs what was compiled so far where something could not be looked up before. Says whether it did: then what was
    /// evaluated has to be evaluated again.
    pub(super) fn settle_lookups(&mut self) -> Result<bool, Stop> {
        if !self.lookups.take_wanted() || self.is_rehearsal() || self.nodes.is_empty() {
            return Ok(false);
        }
        self.flush()?;
        Ok(true)
    }

    /// Runs what was compiled so far; its results are known from then on.
    pub(super) fn flush(&mut self) -> Result<SegmentReport, Stop> {
        self.send(Stage::Midway)
    }

    /// Runs what was compiled so far, and ends the play.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        self.send(if self.hosts.more_plays { Stage::End } else { Stage::EndOfRun }).map(drop)
    }

    fn send(&mut self, stage: Stage) -> Result<SegmentReport, Stop> {
        let last = stage != Stage::Midway;
        if self.mistakes {
            return Err(Stop::Mistakes);
        }
        self.resolve_requisites(last)?;
        if self.mistakes {
            return Err(Stop::Mistakes);
        }
        if self.nodes.is_empty() && !last {
            return Ok(self.so_far.clone());
        }
        let nodes = std::mem::take(&mut self.nodes);
        self.driver.compiled(&nodes, self.started.elapsed().as_micros() as u64);
        let segment = Segment {
            nodes,
            order: self.builder.order(),
            bindings: std::mem::take(&mut self.bindings),
            rescues: std::mem::take(&mut self.rescues),
            return_variables: stage != Stage::EndOfRun,
            last,
        };
        self.binding_index.clear();
        let report = self.driver.run(segment)?;
        self.started = Instant::now();
        self.failed_blocks.extend(report.failed_blocks.iter().copied());
        if stage != Stage::EndOfRun {
            self.learn(&report.variables);
        }
        self.fail_all_after(&report);
        self.so_far = SegmentReport { variables: BTreeMap::new(), ..report.clone() };
        // Handlers still run for a host that failed, if they are forced; the agent decides.
        if report.ended && !last && report.failed_blocks.is_empty() { Err(Stop::Ended) } else { Ok(report) }
    }

    /// Takes in what tasks have set. What one was to set and has not means what it meant before.
    fn learn(&mut self, set: &BTreeMap<String, Value>) {
        // In a rehearsal no task has run, and each may.
        let rehearsal = self.is_rehearsal();
        let expected = std::mem::take(&mut self.expected);
        let runtime = Arc::make_mut(&mut self.runtime);
        runtime.extend(set.clone());
        for (name, before) in expected.into_iter().filter(|(name, _)| !rehearsal && !set.contains_key(name)) {
            match before {
                Some(before) => drop(runtime.insert(name, before)),
                None => drop(runtime.remove(&name)),
            }
        }
        self.hostvars.take();
    }
}

/// How far the play is when something is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// More of it follows, and needs results.
    Midway,
    /// It ends here; another one follows, and needs results.
    End,
    /// It ends here, and nobody needs results.
    EndOfRun,
}
