//! `wait_for_connection`: waits for a host that is not there yet.
//!
//! Where a task of a play works on a host, cfg is connected to it: what there is to wait for comes before that. The first
//! task of a play says how long connecting is tried ([`WaitForConnection::patience`]); anywhere else the host is there.

use std::time::Duration;

use super::params::params;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::Machine;
use crate::value::Value;

params! {
    /// Waits until a host can be reached. As the first task of a play without `gather_facts`, as for a machine that was made
    /// just now, it has cfg go on trying to connect. Later in a play the host is connected already: only `delay` passes.
    ///
    /// # Example
    /// ```yaml
    /// - wait_for_connection: { delay: 10, timeout: 300 }
    /// ```
    pub struct WaitForConnection {
        /// Seconds a single try may take, where that is less than what connections have anyway.
        connect_timeout: u64 = 5_u64;
        /// Seconds before the first try.
        delay: u64 = 0_u64;
        /// Seconds between tries.
        sleep: u64 = 1_u64;
        /// Seconds all tries may take.
        timeout: u64 = 600_u64;
        /// The delay is over: it was waited for before cfg connected.
        waited: bool = false, named "_waited";
    }
}

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// Before the first try.
    pub delay: Duration,
    /// Of a single try.
    pub connect: Duration,
    /// Between tries.
    pub sleep: Duration,
    /// Of all of it.
    pub timeout: Duration,
}

impl WaitForConnection {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), ParamError> {
        Ok(())
    }

    /// How long a connection is waited for.
    pub fn patience(&self) -> Patience {
        let seconds = Duration::from_secs;
        Patience {
            delay: seconds(self.delay),
            connect: seconds(self.connect_timeout.max(1)),
            sleep: seconds(self.sleep),
            timeout: seconds(self.timeout),
        }
    }
}

impl Resource for WaitForConnection {
    fn footprint(&self) -> Footprint {
        Footprint::nothing()
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let waits = !self.waited && self.delay > 0 && machine.pause(Duration::from_secs(self.delay))?;
        let elapsed = if waits || self.waited { self.delay } else { 0 };
        Ok(Outcome::of([("elapsed", Value::from(elapsed as usize))]))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{Bench, args};
    use super::*;

    #[test]
    fn a_host_that_is_there_is_not_waited_for() {
        let bench = Bench::with(&[]);
        assert_eq!(bench.settle("wait_for_connection", "{timeout: 5}").1, 0);
        let (outcome, _) = bench.settle("wait_for_connection", "{delay: 9, _waited: true}");
        assert_eq!(outcome.result["elapsed"], Value::Int(9));
        let given = WaitForConnection::from_args(args("wait_for_connection", "{delay: 2, timeout: 30}")).unwrap();
        assert_eq!(
            (given.patience().delay, given.patience().timeout),
            (Duration::from_secs(2), Duration::from_secs(30))
        );
        assert!(bench.fails("wait_for_connection", "{timeout: soon}").contains("expected"));
    }
}
