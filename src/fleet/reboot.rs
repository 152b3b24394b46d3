//! Leading a host through a reboot: what the play has come to is kept here while its agent is gone.

use std::time::{Duration, Instant};

use super::driver::HostDriver;
use super::link::Link;
use crate::agent::{FromAgent, ToAgent};
use crate::apply::Handover;
use crate::compile::{Away, Driver as _, Reboot, Stop};
use crate::event::{Status, Unreachable};
use crate::resource::{GOES_DOWN, Patience};
use crate::value::{Map, Value};

impl HostDriver<'_> {
    /// Reboots the host, waits for it, and has a new agent go on with the play.
    pub(super) fn lead_through(&mut self, reboot: Reboot) -> Result<Option<Away>, Stop> {
        let Reboot { mut announce, go, after, patience } = reboot;
        let host = self.host.clone();
        if self.shared.is_local(&host) {
            announce = crate::compile::in_phase(&announce, "local");
        }
        let handover = self.handed_over()?;
        let Some(mut away) = self.run_on(&host, announce)? else { return Ok(None) };
        if !marks(&mut away, &mut |map| map.shift_remove(GOES_DOWN).is_some()) {
            return Ok(Some(away));
        }
        let begun = Instant::now();
        // Where it goes down at once, nobody is left to say so.
        if let Ok(Some(gone)) = self.run_on(&host, go)
            && gone.outcome.as_ref().is_some_and(|outcome| outcome.status == Status::Failed)
        {
            return Ok(Some(gone));
        }
        self.lost = None;
        let turn = self.turn.clone();
        turn.lent(|| self.come_back(handover, patience))?;
        if let Some(unwell) = self.well(after, begun, patience)? {
            return Ok(Some(unwell));
        }
        let elapsed = Value::from(begun.elapsed().as_secs());
        marks(&mut away, &mut |map| map.insert("elapsed".into(), elapsed.clone()).is_some());
        Ok(Some(away))
    }

    /// What the play has come to.
    fn handed_over(&mut self) -> Result<Handover, Stop> {
        self.send(&ToAgent::HandOver)?;
        match self.link.receive() {
            Some(FromAgent::HandedOver(handover)) => Ok(*handover),
            _ => Err(self.lose("the agent did not say what the play has come to".to_owned())),
        }
    }

    fn lose(&mut self, message: String) -> Stop {
        let help = Some("run it again: what was done stays, what is left will be done".to_owned());
        self.lost = Some(Unreachable { message, help });
        Stop::Lost
    }

    /// Waits for another start of the machine, and hands the play to an agent there.
    fn come_back(&mut self, handover: Handover, patience: Patience) -> Result<(), Stop> {
        let before = self.link.hello.boot.clone();
        let until = Instant::now() + patience.timeout;
        let link = loop {
            std::thread::sleep(patience.sleep);
            match self.shared.open_anew(&self.host, patience.connect) {
                Some(link) if link.hello.boot != before => break link,
                _ if self.shared.is_cancelled() => {
                    return Err(self.lose("cancelled while the host rebooted".to_owned()));
                }
                _ if Instant::now() > until => {
                    let seconds = patience.timeout.as_secs();
                    return Err(self.lose(format!("it was to reboot, and was not there again after {seconds} s")));
                }
                _ => {}
            }
        };
        std::thread::sleep(patience.delay);
        self.take(link);
        self.send(&ToAgent::TakeOver(Box::new(handover)))
    }

    fn take(&mut self, link: Link) {
        self.shared.cancels(&self.host, link.canceller());
        *self.link = link;
    }

    /// Asks the host whether it is well, until it says so or the time is up: then gives what it said last.
    fn well(&mut self, after: crate::compile::Guest, begun: Instant, patience: Patience) -> Result<Option<Away>, Stop> {
        let host = self.host.clone();
        loop {
            let away = self.run_on(&host, after.clone())?;
            let failed = away.filter(|away| away.outcome.as_ref().is_some_and(|o| o.status == Status::Failed));
            match failed {
                None => return Ok(None),
                Some(unwell) if begun.elapsed() > patience.timeout => return Ok(Some(unwell)),
                Some(_) => std::thread::sleep(Duration::from_secs(1)),
            }
        }
    }
}

/// Changes the result of the task wherever it is: in its outcome and in what it registered. Says whether it did.
fn marks(away: &mut Away, change: &mut dyn FnMut(&mut Map) -> bool) -> bool {
    let mut did = false;
    for item in away.outcome.iter_mut().flat_map(|outcome| &mut outcome.items) {
        did |= changed(&mut item.result, change);
    }
    for value in away.variables.values_mut() {
        did |= changed(value, change);
    }
    did
}

fn changed(value: &mut Value, change: &mut dyn FnMut(&mut Map) -> bool) -> bool {
    let Value::Map(map) = value else { return false };
    change(std::sync::Arc::make_mut(map))
}
