//! `reboot`: a task whose host goes down and comes back in the middle of its play. The controller leads it through.

use std::sync::Arc;

use super::content::with_arg;
use super::frame::Frame;
use super::host::HostCompiler;
use super::{Guest, Reboot, Stop, modules};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Work;
use crate::parse::Task;
use crate::resource::{self, Args};
use crate::value::{Map, Value};

/// The local variable that says that a reboot is led already.
const LED: &str = "__cfg_reboots";

/// Where a task runs that does not run here and now.
pub(super) enum Where {
    /// On these hosts.
    On(Vec<String>),
    /// On this one, which goes down and comes back.
    AfterReboot,
}

impl HostCompiler<'_> {
    /// A reboot of this host, which its agent does not outlive. Says whether it was dealt with.
    pub(super) fn reboots(&mut self, task: &Arc<Task>, frame: &Frame) -> Result<bool, Stop> {
        let led = frame.locals.iter().any(|(name, _)| name == LED);
        if modules::short(&task.module) != "reboot" || led {
            return Ok(false);
        }
        if task.is_looped() {
            let report = Diagnostic::error(Code::Unsupported, "cfg does not reboot in a loop");
            self.mistake(report.at(task.module_span, "").help("write a task for each reboot"));
            return Err(Stop::Mistakes);
        }
        if self.project.plan || self.is_rehearsal() {
            return Ok(false);
        }
        let mut frame = frame.clone();
        frame.locals.push((LED.to_owned(), Value::Bool(true)));
        self.away(task, &frame, &Where::AfterReboot).map(|()| true)
    }

    /// A host is rebooted by its own play only.
    pub(super) fn no_reboot(&mut self, task: &Task, hosts: &[String]) -> Result<(), Stop> {
        let message = format!("cfg does not reboot another host ({}) from the play of this one", hosts.join(", "));
        let report = Diagnostic::error(Code::Unsupported, message).at(task.module_span, "");
        self.mistake(report.help("put the task into a play of that host"));
        Err(Stop::Mistakes)
    }
}

/// The phases of a reboot, out of its task.
pub(super) fn phases(announce: Guest) -> Reboot {
    let args = announce.segment.nodes.first().and_then(|node| match &node.work {
        Work::Once(iteration) => iteration.args.as_value()?.as_map().cloned(),
        _ => None,
    });
    // What cannot be read is refused on the host, before anything happens there.
    let read = |args| resource::Reboot::from_args(Args::new(args));
    let reboot = read(args.unwrap_or_default()).or_else(|_| read(Map::new()));
    let patience = reboot.map(|reboot| reboot.patience()).unwrap_or_default();
    let [announce, go, after] = ["announce", "go", "after"].map(|phase| in_phase(&announce, phase));
    Reboot { announce, go, after, patience }
}

/// The task, for one of its phases.
pub fn in_phase(guest: &Guest, phase: &str) -> Guest {
    let mut guest = guest.clone();
    for node in &mut guest.segment.nodes {
        if let Work::Once(iteration) = &node.work {
            node.work = Work::Once(with_arg(iteration.clone(), "_phase", Value::str(phase)));
        }
    }
    guest
}
