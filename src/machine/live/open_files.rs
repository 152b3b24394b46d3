//! Programs that may have only so many files open.
//!
//! A limit is that of a whole process, and what would set it between `fork` and `exec` is `unsafe`, which is forbidden in this
//! crate. So the agent's own program is started in the place of the one that is meant: it limits itself and becomes that one.

use std::io::{Error, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The agent's option for this: the number of files, what the program sees as its name, and the program follow.
pub const OPTION: &str = "--open-files";

/// The status of a shell for a program that cannot be started.
const NOT_STARTED: i32 = 127;

/// What starts `program` under the name `name`; its arguments are yet to be added.
pub fn limited(most: u64, program: &str, name: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args([OPTION, &most.to_string(), name, program]);
    command
}

/// Limits this process and becomes the program of the arguments behind [`OPTION`]. Returns, with an exit status, only where that fails.
pub fn become_limited(arguments: &[String]) -> i32 {
    let [most, name, program, rest @ ..] = arguments else { return NOT_STARTED };
    let error = match most.parse() {
        Ok(most) => limit(most).map_or_else(|error| error, |()| Command::new(program).arg0(name).args(rest).exec()),
        Err(_) => Error::from(std::io::ErrorKind::InvalidInput),
    };
    let _ = writeln!(std::io::stderr(), "{program}: {error}");
    NOT_STARTED
}

/// As many files as that, where the machine's administrator allows as many.
fn limit(most: u64) -> std::io::Result<()> {
    let now = getrlimit(Resource::Nofile);
    let current = Some(now.maximum.map_or(most, |hard| hard.min(most)));
    Ok(setrlimit(Resource::Nofile, Rlimit { current, ..now })?)
}
