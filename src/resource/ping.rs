//! `ping`: says that the host can be worked on.

use super::params::params;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::Machine;
use crate::value::Value;

params! {
    /// Answers. That it does shows that cfg runs on the host with the rights of the task.
    ///
    /// # Example
    /// ```yaml
    /// - ping: { data: pong }
    /// ```
    pub struct Ping {
        /// The answer; with `crash` the task fails.
        data: String = "pong";
    }
}

impl Ping {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), ParamError> {
        Ok(())
    }
}

impl Resource for Ping {
    fn footprint(&self) -> Footprint {
        Footprint::nothing()
    }

    fn converge(&self, _machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        if self.data == "crash" {
            let mut failure = Failure::new("boom");
            failure.result.insert("msg".into(), Value::str("Task failed: Module failed: boom"));
            return Err(failure);
        }
        Ok(Outcome::of([("ping", Value::str(&self.data))]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use crate::value::Value;

    #[test]
    fn answers() {
        let bench = Bench::with(&[]);
        assert_eq!(bench.settle("ping", "{}").0.result.get("ping"), Some(&Value::str("pong")));
        assert_eq!(bench.fails("ping", "{data: crash}"), "boom");
    }
}
