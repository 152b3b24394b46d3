//! `script`: runs a script from the controller.
//!
//! The compiler reads the script and gives `content`, or its digest where it is large.

use super::params::params;
use super::program::{Program, directory};
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Command, Inspect, Machine};
use crate::value::Value;

/// Puts standard input into a file of its own, runs that and removes it again, also where it is ended.
const HEAD: &str = "f=$(mktemp \"${TMPDIR:-/tmp}/cfg-script.XXXXXXXX\") || exit 127\n\
                    trap 'rm -f \"$f\"' EXIT\n\
                    trap 'exit 143' HUP INT TERM\n\
                    cat >\"$f\" && chmod 0700 \"$f\" || exit 127\n";

params! {
    /// Sends a script to the target and runs it there.
    ///
    /// It runs, and counts as changed, each time, unless `creates` or `removes` say that there is nothing to do.
    ///
    /// # Example
    /// ```yaml
    /// - script: { cmd: "setup.sh --quiet", creates: /etc/setup.done }
    /// ```
    pub struct Script {
        /// The script, in the role's or play's `files`, and its arguments as a shell on the target reads them.
        cmd: String = "", alias "_raw_params";
        /// The program that runs the script; without one the script says itself (`#!`).
        executable: Option<String>;
        /// The directory to run in.
        chdir: Option<String>;
        /// Do not run where this path, or a path that matches this pattern, exists.
        creates: Option<String>;
        /// Do not run where this path, or a path that matches this pattern, does not exist.
        removes: Option<String>;
        /// A script in a vault is decrypted.
        decrypt: bool = true;
        /// (Set by the compiler.) Its name.
        original_basename: Option<String>, named "_original_basename";
        /// (Set by the compiler.) The script itself.
        content: Option<String>, named "_content";
        /// (Set by the compiler.) The SHA-256 of a script that did not travel with the task.
        content_sha256: Option<String>, named "_content_sha256";
    }
}

impl Script {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where no script is named.
    pub fn check(&self) -> Result<(), ParamError> {
        // The compiler has looked at these.
        let _ = (self.decrypt, &self.original_basename);
        if split_first(&self.cmd).0.is_empty() {
            Err(ParamError::conflict("no script is given; one of the following is required: `cmd`"))
        } else {
            Ok(())
        }
    }

    fn program(&self, machine: &dyn Inspect, context: &Context) -> Result<Program<'_>, Failure> {
        let (_, arguments) = split_first(&self.cmd);
        let interpreter = self.executable.as_deref().unwrap_or_default();
        let mut command =
            Command::new(["/bin/sh", "-c", &format!("{HEAD}{interpreter} \"$f\" {arguments} </dev/null")]);
        command.chdir = directory(machine, self.chdir.as_deref())?;
        command.stdin = Some(self.script(context)?);
        let (creates, removes) = (self.creates.as_deref(), self.removes.as_deref());
        Ok(Program { command, shown: Value::str(&self.cmd), creates, removes, strip: false })
    }

    fn script(&self, context: &Context) -> Result<Vec<u8>, Failure> {
        match (&self.content, &self.content_sha256) {
            (Some(content), _) => Ok(content.clone().into_bytes()),
            (None, Some(digest)) => {
                let blobs = context.blobs.as_ref().ok_or_else(|| Failure::new("the script was not sent"))?;
                blobs.get(digest).map(|bytes| bytes.to_vec()).map_err(Failure::new)
            }
            (None, None) => Err(Failure::new("the script was not sent")),
        }
    }
}

/// The script a command line starts with.
pub fn script_of(text: &str) -> &str {
    split_first(text).0
}

/// Splits the first word, which may be quoted, from the rest of a command line.
fn split_first(text: &str) -> (&str, &str) {
    let text = text.trim();
    let mut quote = None;
    let end = text.find(|c: char| match (quote, c) {
        (None, '\'' | '"') => {
            quote = Some(c);
            false
        }
        (Some(q), c) if q == c => {
            quote = None;
            false
        }
        (None, c) => c.is_whitespace(),
        _ => false,
    });
    let (first, rest) = text.split_at(end.unwrap_or(text.len()));
    (first.trim_matches(['\'', '"']), rest.trim_start())
}

impl Resource for Script {
    fn footprint(&self) -> Footprint {
        Footprint::world()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        // A guarded script counts as skipped, as in Ansible; a guarded command as ok.
        let (creates, removes) = (self.creates.as_deref(), self.removes.as_deref());
        let dir = directory(machine, self.chdir.as_deref())?;
        if let Some(reason) = super::program::guard(machine, dir.as_deref(), creates, removes)? {
            let message = match (creates, removes) {
                (Some(path), _) if reason.ends_with(" exists") => format!("{path} exists, matching creates option"),
                (_, path) => format!("{} does not exist, matching removes option", path.unwrap_or_default()),
            };
            let outcome = Outcome::of([("msg", Value::from(message))]);
            return Ok(Outcome { skipped: Some(reason), ..outcome }.changed(false));
        }
        self.program(machine, context)?.converge(machine, context)
    }

    fn refresh(&self, machine: &dyn Machine, context: &Context) -> Option<Result<Outcome, Failure>> {
        Some(self.program(machine, context).and_then(|program| program.run(machine, context)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::{Bench, args};
    use super::super::{Context, find};
    use super::*;
    use crate::machine::{Cancel, Live, Tracked};

    #[test]
    fn runs_with_its_arguments() {
        let run = |text: &str| {
            let resource = (find("script").unwrap().parse)(args("script", text)).unwrap();
            let machine = Tracked::new(Arc::new(Live::new(None, Cancel::default())), false);
            resource
                .converge(&machine, &Context { environment: vec![("A".into(), "x y".into())], ..Context::default() })
        };
        let text = "{cmd: 'a.sh \"1 2\" \"$A\"', _content: \"#!/bin/sh\\nprintf '%s;' \\\"$@\\\"; echo $0 >&2\\n\"}";
        let outcome = run(text).unwrap();
        assert_eq!(outcome.result.get("stdout"), Some(&Value::str("1 2;x y;")));
        let gone = outcome.result.get("stderr").and_then(|v| v.as_str().map(str::to_owned)).unwrap();
        assert!(!std::path::Path::new(gone.trim()).exists());
        let failure = run("{cmd: a.sh, executable: /bin/sh, _content: 'exit 3'}").unwrap_err();
        assert_eq!(failure.result.get("rc"), Some(&Value::Int(3)));
    }

    #[test]
    fn plans() {
        let bench = Bench::with(&[("/etc/there", "")]);
        let (outcome, _) = bench.run("script", "{cmd: a.sh, _content: x}").unwrap();
        assert_eq!(outcome.result.get("rc"), Some(&Value::Unknown));
        assert_eq!(bench.settle("script", "{cmd: a.sh, _content: x, creates: /etc/there}").1, 0);
        assert!(bench.fails("script", "{cmd: a.sh}").contains("not sent"));
        assert_eq!(split_first("'a b' c d"), ("a b", "c d"));
    }
}
