//! `slurp`: the content of a file, for the tasks after it.

use std::path::PathBuf;

use base64::Engine as _;

use super::params::params;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{FaultKind, FileKind, Machine};
use crate::value::Value;

/// A result this large would not fit into a message.
const MAX_SLURP: u64 = 16 * 1024 * 1024;

params! {
    /// Reads a file on the target. It changes nothing, so that a plan reads it too.
    ///
    /// # Example
    /// ```yaml
    /// - slurp: { src: /etc/machine-id }
    ///   register: machine_id
    /// ```
    pub struct Slurp {
        /// The file.
        src: PathBuf, required, alias "path";
    }
}

impl Slurp {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), ParamError> {
        Ok(())
    }
}

impl Resource for Slurp {
    fn footprint(&self) -> Footprint {
        Footprint::nothing().read(Claim::Path(self.src.clone()))
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let shown = self.src.display();
        match machine.stat(&self.src)? {
            None => return Err(Failure::new(format!("File not found: {shown}"))),
            Some(stat) if stat.kind == FileKind::Dir => {
                return Err(Failure::new(format!("Source is a directory and must be a file: {shown}")));
            }
            Some(_) => {}
        }
        let bytes = machine.read(&self.src, MAX_SLURP).map_err(|fault| match fault.kind {
            FaultKind::Denied => Failure::new(format!("File is not readable: {shown}")),
            _ => fault.into(),
        })?;
        Ok(Outcome::of([
            ("content", Value::from(base64::engine::general_purpose::STANDARD.encode(bytes))),
            ("source", Value::from(shown.to_string())),
            ("encoding", Value::str("base64")),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use crate::value::Value;

    #[test]
    fn reads() {
        let bench = Bench::with(&[("/etc/f", "hello\n")]);
        let (outcome, changes) = bench.settle("slurp", "{src: /etc/f}");
        assert_eq!((outcome.result.get("content"), changes), (Some(&Value::str("aGVsbG8K")), 0));
        assert!(bench.fails("slurp", "{src: /etc/g}").contains("not found"));
        assert!(bench.fails("slurp", "{src: /etc}").contains("directory"));
    }
}
