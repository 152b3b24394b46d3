//! Running programs: own process group, collected output, time limit, cancellation.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Stdio as Pipe};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::super::{Command, Fault, FaultKind, Result, Stdio};
use super::{Cancel, Live};

/// What one stream of a program may write; the rest is read and dropped.
const MAX_OUTPUT: usize = 64 * 1024 * 1024;

/// Runs a program to its end.
///
/// # Errors
/// Where it cannot be started, takes too long, or the run is cancelled. An exit status other than 0 is not an error.
pub fn run(command: &Command, cancel: &Cancel) -> Result<Stdio> {
    let operation = || format!("run {}", command.argv.first().map_or("", String::as_str));
    if cancel.is_cancelled() {
        return Err(Fault { kind: FaultKind::Cancelled, ..Fault::new(operation(), "the run was cancelled") });
    }
    let mut child = spawn(command).map_err(|e| Fault::io(operation(), &e))?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let writer = child.stdin.take().zip(command.stdin.clone()).map(|(mut pipe, bytes)| {
        // A program that does not read its input closes the pipe; that is its business.
        std::thread::spawn(move || drop(pipe.write_all(&bytes)))
    });
    let status = wait(&mut child, command.timeout, cancel).map_err(|kind| {
        let reason =
            if kind == FaultKind::Timeout { "it took too long and was ended" } else { "the run was cancelled" };
        Fault { kind, ..Fault::new(operation(), reason) }
    })?;
    drop(writer.map(JoinHandle::join));
    let take = |reader: Option<JoinHandle<Vec<u8>>>| reader.and_then(|r| r.join().ok()).unwrap_or_default();
    let status = status.code().unwrap_or_else(|| -status.signal().unwrap_or(1));
    Ok(Stdio { status, stdout: take(stdout), stderr: take(stderr) })
}

fn spawn(command: &Command) -> std::io::Result<Child> {
    let (first, rest) = command.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let program = command.program.as_ref().unwrap_or(first);
    let mut process = match command.open_files {
        Some(most) => super::open_files::limited(most, program, first),
        None => std::process::Command::new(program),
    };
    process.arg0(first).args(rest).envs(command.env.iter().map(|(k, v)| (k, v))).process_group(0);
    if let Some(dir) = &command.chdir {
        process.current_dir(dir);
    }
    let stdin = if command.stdin.is_some() { Pipe::piped() } else { Pipe::null() };
    process.stdin(stdin).stdout(Pipe::piped()).stderr(Pipe::piped()).spawn()
}

fn collect(mut pipe: impl std::io::Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut buffer = [0u8; 16 * 1024];
        while let Ok(n) = pipe.read(&mut buffer) {
            if n == 0 {
                break;
            }
            if bytes.len() < MAX_OUTPUT {
                bytes.extend_from_slice(buffer.get(..n).unwrap_or_default());
            }
        }
        bytes
    })
}

/// Waits for the end, ending the whole process group on time-out or cancellation.
fn wait(
    child: &mut Child,
    timeout: Option<Duration>,
    cancel: &Cancel,
) -> std::result::Result<std::process::ExitStatus, FaultKind> {
    let started = Instant::now();
    let mut nap = Duration::from_micros(200);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(_) => return Err(FaultKind::Other),
        }
        let late = timeout.is_some_and(|limit| started.elapsed() >= limit);
        if late || cancel.is_cancelled() {
            end(child);
            return Err(if late { FaultKind::Timeout } else { FaultKind::Cancelled });
        }
        std::thread::sleep(nap);
        nap = (nap * 3 / 2).min(Duration::from_millis(20));
    }
}

/// Asks the process group to end, and makes it end after two seconds.
fn end(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let Some(group) = Pid::from_raw(child.id() as i32) else { return };
    let _ = kill_process_group(group, Signal::TERM);
    for _ in 0..100 {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// Runs a program that must succeed.
///
/// # Errors
/// As [`run`], and where the exit status is not 0, with the last lines it wrote.
pub fn checked(live: &Live, command: &Command) -> Result<()> {
    output(live, command).map(drop)
}

/// Runs a program that must succeed and gives what it wrote.
///
/// # Errors
/// As [`checked`].
pub fn output(live: &Live, command: &Command) -> Result<Stdio> {
    let stdio = run(command, &live.cancel)?;
    if stdio.ok() {
        return Ok(stdio);
    }
    let reason = format!("exit status {}: {}", stdio.status, stdio.tail());
    Err(Fault::new(format!("run {}", command.shown()), reason))
}
