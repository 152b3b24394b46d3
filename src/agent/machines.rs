//! The machine with the rights of a user: this process for the one who logged in, a second agent for `become`.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::frame::{read_frame, write_frame};
use super::questions::{PROMPT, Questions};
use crate::apply::{Machines, unreachable};
use crate::graph::{Become, BecomeMethod};
use crate::machine::{Call, Cancel, Inspect as _, Journal, Live, Machine, Remote, Reply};
use crate::resource::Failure;
use crate::value::Map;

/// A call with its number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question(pub u64, pub Call);

/// What the second agent says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It runs.
    Ready,
    /// The reply to the call with this number.
    Reply(u64, Reply),
}

/// How long a second agent may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The machines of this host.
pub struct LocalMachines {
    run: String,
    cancel: Cancel,
    own: Mutex<Option<Arc<dyn Machine>>>,
    others: Mutex<HashMap<Become, Result<Arc<dyn Machine>, Failure>>>,
}

impl LocalMachines {
    /// The machines of a run.
    pub fn new(run: &str, cancel: Cancel) -> Self {
        Self { run: run.to_owned(), cancel, own: Mutex::default(), others: Mutex::default() }
    }

    fn own(&self) -> Result<Arc<dyn Machine>, Failure> {
        let mut own = self.own.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(machine) = &*own {
            return Ok(machine.clone());
        }
        let identity = Live::new(None, self.cancel.clone()).identity()?;
        let journal = Journal::new(&identity, &self.run);
        let machine: Arc<dyn Machine> = Arc::new(Live::new(Some(journal), self.cancel.clone()));
        *own = Some(machine.clone());
        Ok(machine)
    }
}

impl Machines for LocalMachines {
    fn get(&self, r#become: Option<&Become>) -> Result<Arc<dyn Machine>, Failure> {
        let own = self.own()?;
        let Some(wanted) = r#become else { return Ok(own) };
        if own.identity()?.user == wanted.user {
            return Ok(own);
        }
        let mut others = self.others.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        others.entry(wanted.clone()).or_insert_with(|| start(wanted, &self.run)).clone()
    }

    fn facts(&self, machine: &dyn Machine) -> Map {
        crate::facts::gather(machine)
    }
}

/// Starts an agent as another user.
fn start(wanted: &Become, run: &str) -> Result<Arc<dyn Machine>, Failure> {
    let failed = |reason: String| {
        let wrong = wanted.password.is_some()
            && ["password", "Authentication failure"].iter().any(|word| reason.contains(word));
        let words = if wrong { format!("Incorrect {} password: ", wanted.method) } else { String::new() };
        let reason = words + &reason;
        let message = format!("cannot become {} with {}: {reason}", wanted.user, wanted.method);
        Failure { help: Some(hint(wanted, &reason)), ..Failure::new(message) }
    };
    let program = Program::for_user(&wanted.user).map_err(|e| failed(e.to_string()))?;
    let argv = command_line(wanted, &program.path, run);
    let (first, rest) = argv.split_first().ok_or_else(|| failed("no program".into()))?;
    let mut command = std::process::Command::new(first);
    command.args(rest).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(dir) = &wanted.chdir {
        // Said here, for a program that cannot be started for that looks as if it were not there.
        std::fs::read_dir(dir).map_err(|e| failed(format!("cd {dir}: {e}")))?;
        command.current_dir(dir);
    }
    let mut child = command.spawn().map_err(|e| failed(format!("{first}: {e}")))?;
    let (Some(stdin), Some(mut stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed("no pipes".into()));
    };
    let stdin = Arc::new(Mutex::new(stdin));
    let complaints = watch(stderr, stdin.clone(), Questions::of(wanted));
    let waiting: Arc<Mutex<HashMap<u64, Sender<Reply>>>> = Arc::default();
    let (ready, is_ready) = channel();
    let answers = waiting.clone();
    std::thread::spawn(move || {
        while let Ok(answer) = read_frame::<Answer>(&mut stdout) {
            match answer {
                Answer::Ready => drop(ready.send(())),
                Answer::Reply(number, reply) => {
                    let waiter = answers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&number);
                    drop(waiter.map(|waiter| waiter.send(reply)));
                }
            }
        }
        // Whoever still waits learns that there is nobody to answer.
        answers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
    });
    if is_ready.recv_timeout(START_LIMIT).is_err() {
        let still_runs = child.try_wait().is_ok_and(|ended| ended.is_none());
        let _ = child.kill();
        let _ = child.wait();
        std::thread::sleep(Duration::from_millis(20));
        let said = complaints.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        return Err(if wanted.password.is_some() && !said.answered && still_runs {
            unasked(wanted, &said.text)
        } else {
            failed(if said.text.is_empty() { "it did not start".into() } else { said.text })
        });
    }
    drop(program);
    Ok(Arc::new(Remote::new(exchange(child, stdin, waiting))))
}

type Waiting = Arc<Mutex<HashMap<u64, Sender<Reply>>>>;

/// Sends calls and waits for their replies; several may be under way.
fn exchange(child: Child, stdin: Arc<Mutex<ChildStdin>>, waiting: Waiting) -> crate::machine::Exchange {
    let counter = std::sync::atomic::AtomicU64::new(0);
    // Kept so that the child is not waited for by nobody; it ends when its input closes.
    let child = Mutex::new(child);
    Box::new(move |call| {
        let _keep = &child;
        let number = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (reply, answer) = channel();
        waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(number, reply);
        {
            let mut stdin = stdin.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            write_frame(&mut *stdin, &Question(number, call)).map_err(|e| e.to_string())?;
        }
        answer.recv().map_err(|_| "it ended".to_owned())
    })
}

fn hint(wanted: &Become, reason: &str) -> String {
    if reason.contains("password") {
        return match wanted.password {
            Some(_) => "the password was not accepted".into(),
            None => "give the password with --ask-become-pass, or set `ansible_become_password` in a vault".into(),
        };
    }
    format!("check that {} lets this user become {}", wanted.method, wanted.user)
}

fn command_line(wanted: &Become, agent: &Path, run: &str) -> Vec<String> {
    let agent = agent.to_string_lossy().into_owned();
    let program = wanted.exe.clone().unwrap_or_else(|| wanted.method.to_string());
    let mut argv = vec![program];
    if let Some(flags) = &wanted.flags {
        // With a password sudo has to ask for it.
        let unasked = |flag: &&str| wanted.password.is_some() && matches!(*flag, "-n" | "--non-interactive");
        argv.extend(flags.split_whitespace().filter(|flag| !unasked(flag)).map(str::to_owned));
    }
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    match wanted.method {
        BecomeMethod::Sudo => {
            argv.extend(if wanted.password.is_some() { words(&["-S", "-p", PROMPT]) } else { words(&["-n"]) });
            argv.extend(words(&["-H", "-u", &wanted.user, "--", &agent, "--machine", run]));
        }
        BecomeMethod::Doas => {
            argv.extend(if wanted.password.is_some() { Vec::new() } else { words(&["-n"]) });
            argv.extend(words(&["-u", &wanted.user, "--", &agent, "--machine", run]));
        }
        // su knows shell lines only. The path and the run id are our own and hold nothing a shell would see.
        BecomeMethod::Su => {
            let line = format!("exec '{agent}' --machine '{run}'");
            argv.extend(words(&["-s", "/bin/sh", &wanted.user, "-c", &line]));
        }
    }
    argv
}

/// It waits for a password under a name that nobody knows. As in Ansible, such a host counts as unreachable.
fn unasked(wanted: &Become, said: &str) -> Failure {
    let said = said.trim();
    let message = format!(
        "cannot become {} with {}: Timed out waiting for become success or become password prompt (it was still waiting for \
         privilege escalation prompt); it said: {said}",
        wanted.user, wanted.method
    );
    let help = "if that asks for a password, name its word in `ansible_su_prompt_l10n`";
    Failure { help: Some(help.into()), ..unreachable(&message) }
}

/// What a become program has said.
#[derive(Clone, Default)]
struct Said {
    text: String,
    /// The password was asked for, and given.
    answered: bool,
}

/// Collects what a become program complains about, and answers its password prompt once.
fn watch(mut stderr: ChildStderr, stdin: Arc<Mutex<ChildStdin>>, mut questions: Questions) -> Arc<Mutex<Said>> {
    let said = Arc::new(Mutex::new(Said::default()));
    let collected = said.clone();
    std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        while let Ok(n) = stderr.read(&mut buffer) {
            if n == 0 {
                break;
            }
            let text = String::from_utf8_lossy(buffer.get(..n).unwrap_or_default()).into_owned();
            if let Some(password) = questions.answer(&text) {
                let mut stdin = stdin.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let _ = stdin.write_all(format!("{password}\n").as_bytes()).and_then(|()| stdin.flush());
                collected.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).answered = true;
                continue;
            }
            let mut said = collected.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if said.text.len() < 4096 {
                said.text.push_str(&text.replace(PROMPT, "a password is asked for"));
            }
        }
    });
    said
}

/// The agent's own program where the other user can run it, removed again once it runs.
struct Program {
    path: PathBuf,
    scratch: Option<PathBuf>,
}

impl Program {
    fn for_user(user: &str) -> std::io::Result<Self> {
        let own = std::env::current_exe()?;
        if user == "root" {
            return Ok(Self { path: own, scratch: None });
        }
        let dir = (0..100).find_map(|i| {
            let path = Path::new("/tmp").join(format!("cfg-{}-{i}", std::process::id()));
            // A directory that we make ourselves: nobody else can have put anything there.
            std::fs::DirBuilder::new().mode(0o711).create(&path).is_ok().then_some(path)
        });
        let dir = dir.ok_or(std::io::ErrorKind::AlreadyExists)?;
        let path = dir.join("agent");
        std::fs::copy(own, &path)?;
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o711))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self { path, scratch: Some(dir) })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(dir) = &self.scratch {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}
