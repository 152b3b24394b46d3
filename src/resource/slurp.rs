//! `slurp`: the content of a file, for the tasks after it.

use std::path::PathBuf;

use base64::Engine as _;

use super::params::params;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Fault, FaultKind, FileKind, Machine};
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
        let readable = |fault: Fault| match fault.kind {
            FaultKind::Denied => Failure::new(format!("File is not readable: {shown}")),
            _ => fault.into(),
        };
        match machine.stat(&self.src).map_err(readable)? {
            None => {
                let above = self.src.parent().map(|dir| machine.stat(dir)).transpose().map_err(readable)?.flatten();
                let is_file = above.is_some_and(|stat| stat.kind != FileKind::Dir);
                let message = if is_file { "Unable to slurp file: not a directory" } else { "File not found" };
                return Err(Failure::new(format!("{message}: {shown}")));
            }
            Some(stat) if stat.kind == FileKind::Dir => {
                machine.list(&self.src).map_err(readable)?;
                return Err(Failure::new(format!("Source is a directory and must be a file: {shown}")));
            }
            Some(_) => {}
        }
        let bytes = machine.read(&self.src, MAX_SLURP).map_err(readable)?;
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
