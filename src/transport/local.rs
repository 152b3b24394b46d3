//! Commands on this machine, in the same shape as remote ones.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{oneshot, watch};

use super::error::ConnectError;
use super::exec::{Ending, Exec, Exit, OnDrop, Process, Tail};

/// Starts a program by its argument vector, without a shell, in a process group of its own.
///
/// Dropping the [`Exec`]'s process kills the whole group.
///
/// # Errors
/// [`ConnectError::Local`] if the program cannot be started, or `argv` is empty.
pub fn exec(argv: &[&str]) -> Result<Exec, ConnectError> {
    let (program, args) = argv.split_first().ok_or_else(|| failed("", io::ErrorKind::InvalidInput.into()))?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| failed(program, source))?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(failed(program, io::ErrorKind::BrokenPipe.into()));
    };
    Ok(Exec { stdin: Box::new(stdin), stdout: Box::new(stdout), process: watch_over(child, stderr) })
}

fn failed(program: &str, source: io::Error) -> ConnectError {
    ConnectError::Local { program: program.to_owned(), source }
}

/// Reads stderr and waits for the child in the background; the guard kills the group if it still runs.
fn watch_over(mut child: Child, mut stderr: ChildStderr) -> Process {
    let tail = Tail::default();
    let (told, ending) = watch::channel(None);
    let (cancel, cancelled) = oneshot::channel::<()>();
    let kept = tail.clone();
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 8 * 1024];
        while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
            kept.push(buffer.get(..n).unwrap_or_default());
        }
    });
    tokio::spawn(async move {
        let group = child.id();
        let status = tokio::select! {
            status = child.wait() => status,
            _ = cancelled => {
                kill_group(group);
                child.wait().await
            }
        };
        // A grandchild may hold stderr open for ever: the end of the command does not wait for it for long.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(200), reader).await;
        told.send_replace(Some(match status {
            Ok(status) => Ending::Exit(exit(status)),
            Err(error) => Ending::Lost(Some(error.to_string())),
        }));
    });
    Process { stderr: tail, ending, _guard: Box::new(OnDrop::new(move || drop(cancel))) }
}

/// The group is killed only while its leader is not yet reaped, so the number cannot have been reused.
fn kill_group(group: Option<u32>) {
    let pid = group.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code.unsigned_abs()),
        (None, signal) => Exit::Signal(signal_name(signal.unwrap_or_default())),
    }
}

/// The signals a command plausibly dies of, by the names SSH uses.
fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        _ => return number.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn status_stdout_and_stderr() {
        let table = [("echo out; echo err >&2; exit 3", Exit::Code(3)), ("kill -TERM $$", Exit::Signal("TERM".into()))];
        for (script, expected) in table {
            let output = exec(&["sh", "-c", script]).unwrap().output().await.unwrap();
            assert_eq!(output.exit, expected, "{script}");
            if expected == Exit::Code(3) {
                assert_eq!((output.stdout.as_slice(), output.stderr.as_str()), (&b"out\n"[..], "err\n"));
            }
        }
    }

    #[tokio::test]
    async fn stdin_comes_back_through_cat() {
        let Exec { mut stdin, mut stdout, mut process } = exec(&["cat"]).unwrap();
        let data = vec![7_u8; 3_000_000];
        let sent = data.clone();
        tokio::spawn(async move { stdin.write_all(&sent).await });
        let mut back = Vec::new();
        stdout.read_to_end(&mut back).await.unwrap();
        assert_eq!(back.len(), data.len());
        assert!(process.wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn dropping_kills_the_group() {
        let Exec { mut stdout, process, stdin } = exec(&["sh", "-c", "sleep 100 & echo $!; wait"]).unwrap();
        let mut line = [0; 16];
        let n = stdout.read(&mut line).await.unwrap();
        let pid: u32 = std::str::from_utf8(&line[..n]).unwrap().trim().parse().unwrap();
        drop((process, stdin));
        let mut rest = Vec::new();
        tokio::time::timeout(std::time::Duration::from_secs(5), stdout.read_to_end(&mut rest)).await.unwrap().unwrap();
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z")
        };
        for _ in 0..100 {
            if gone() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{pid} still runs");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = exec(&["/no/such/program"]).err().unwrap();
        assert_eq!(error.to_string(), "cannot run `/no/such/program`");
        assert!(exec(&[]).is_err());
    }
}
