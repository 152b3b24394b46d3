//! The target side: reads messages, runs segments, answers.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::sync::{Arc, Condvar, Mutex};

use super::frame::{FrameError, read_frame, write_frame};
use super::machines::LocalMachines;
use super::protocol::{FromAgent, Hello, MAGIC, PROTOCOL, Shelved, ToAgent};
use crate::apply::{Machines, Session, Sink, Surroundings};
use crate::event::TaskOutcome;
use crate::graph::NodeId;
use crate::machine::{Algorithm, Cancel, Inspect as _, Live, Machine, Preview, open_files, serve};
use crate::resource::{Blobs, PartOf};
use crate::template::Engine;

/// The channel to the controller.
struct Out(Mutex<BufWriter<std::io::Stdout>>);

impl Out {
    /// Sends a message. A channel that is closed ends the agent through its reading side.
    fn send(&self, message: &FromAgent) {
        let mut out = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _ = write_frame(&mut *out, message);
    }
}

impl Sink for Out {
    fn started(&self, node: NodeId, name: &str) {
        self.send(&FromAgent::Started { node, name: name.to_owned() });
    }

    fn retried(&self, node: NodeId, name: &str, left: u32) {
        self.send(&FromAgent::Retried { node, name: name.to_owned(), left });
    }

    fn finished(&self, outcome: TaskOutcome) {
        self.send(&FromAgent::Finished(Box::new(outcome)));
    }
}

/// Content asked of the controller, kept until it is used.
struct Fetcher {
    out: Arc<Out>,
    arrived: Mutex<HashMap<String, Option<Arc<[u8]>>>>,
    wake: Condvar,
    shelved: Mutex<HashMap<String, Shelved>>,
    wake_shelf: Condvar,
}

impl Fetcher {
    fn shelved(&self, token: String, answer: Shelved) {
        self.shelved.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(token, answer);
        self.wake_shelf.notify_all();
    }

    /// Waits for what the controller says of a file.
    fn answer(&self, token: &str) -> Shelved {
        let mut shelved = self.shelved.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        loop {
            if let Some(answer) = shelved.remove(token) {
                return answer;
            }
            shelved = self.wake_shelf.wait(shelved).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn put(&self, sha256: String, bytes: Option<Vec<u8>>) {
        let mut arrived = self.arrived.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        arrived.insert(sha256, bytes.map(Arc::from));
        self.wake.notify_all();
    }
}

impl Blobs for Fetcher {
    fn get(&self, sha256: &str) -> Result<Arc<[u8]>, String> {
        self.out.send(&FromAgent::NeedBlob { sha256: sha256.to_owned() });
        let mut arrived = self.arrived.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        loop {
            if let Some(found) = arrived.remove(sha256) {
                let bytes = found.ok_or_else(|| "the controller does not have the content any more".to_owned())?;
                let fits = Algorithm::Sha256.of(&bytes) == sha256;
                return if fits { Ok(bytes) } else { Err("the content arrived damaged".into()) };
            }
            arrived = self.wake.wait(arrived).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn offer(&self, token: &str, sha256: &str, size: u64) -> Result<bool, String> {
        self.out.send(&FromAgent::Offer { token: token.to_owned(), sha256: sha256.to_owned(), size });
        match self.answer(token) {
            Shelved::Same => Ok(false),
            Shelved::Wanted => Ok(true),
            Shelved::Stored => Err("the controller answered something else".to_owned()),
            Shelved::Refused(why) => Err(why),
        }
    }

    fn send(&self, token: &str, size: u64, part: PartOf<'_>) -> Result<(), String> {
        let mut sent = 0;
        loop {
            let mut bytes = part(sent)?;
            bytes.truncate(usize::try_from(size - sent).unwrap_or(usize::MAX));
            sent += bytes.len() as u64;
            // A file that has become shorter ends here; the controller sees that something is missing.
            let last = sent >= size || bytes.is_empty();
            self.out.send(&FromAgent::Part { token: token.to_owned(), bytes, last });
            if last {
                break;
            }
        }
        match self.answer(token) {
            Shelved::Stored => Ok(()),
            Shelved::Refused(why) => Err(why),
            Shelved::Same | Shelved::Wanted => Err("the controller answered something else".to_owned()),
        }
    }
}

/// The agent's main: serves the controller on standard input and output. Gives the exit status.
pub fn main(arguments: &[String]) -> i32 {
    match arguments.first().map(String::as_str) {
        Some("--version") => {
            let _ = writeln!(std::io::stdout(), "cfg-agent {} protocol {PROTOCOL}", env!("CARGO_PKG_VERSION"));
            0
        }
        Some("--job") => crate::apply::background::detach(arguments.get(1).map_or("", String::as_str)),
        Some("--run-job") => crate::apply::background::run(arguments.get(1).map_or("", String::as_str)),
        Some(open_files::OPTION) => open_files::become_limited(arguments.get(1..).unwrap_or_default()),
        Some("--machine") => match serve_machine(arguments.get(1).map_or("", String::as_str)) {
            Ok(()) => 0,
            Err(_) => 1,
        },
        _ => match serve_controller() {
            Ok(()) => 0,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "cfg-agent: {error}");
                1
            }
        },
    }
}

/// Which start of the machine this is; empty where the kernel does not say.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn serve_controller() -> Result<(), FrameError> {
    let out = Arc::new(Out(Mutex::new(BufWriter::new(std::io::stdout()))));
    let cancel = Cancel::default();
    let looking = Live::new(None, cancel.clone());
    let identity = looking.identity().map_err(|e| FrameError::Malformed(e.to_string()))?;
    let facts = crate::facts::gather(&looking);
    let hello = Hello { magic: MAGIC.into(), protocol: PROTOCOL, identity, boot: boot_id(), facts: facts.clone() };
    out.send(&FromAgent::Hello(Box::new(hello)));
    let fetcher = Arc::new(Fetcher {
        out: out.clone(),
        arrived: Mutex::default(),
        wake: Condvar::new(),
        shelved: Mutex::default(),
        wake_shelf: Condvar::new(),
    });
    let (work, queue) = std::sync::mpsc::channel();
    let worker = {
        let (out, cancel, fetcher) = (out.clone(), cancel.clone(), fetcher.clone());
        std::thread::spawn(move || Worker::new(out, cancel, fetcher, facts).run(&queue))
    };
    let mut input = std::io::stdin().lock();
    let end = loop {
        match read_frame::<ToAgent>(&mut input) {
            Ok(ToAgent::Blob { sha256, bytes }) => fetcher.put(sha256, bytes),
            Ok(ToAgent::Shelved { token, answer }) => fetcher.shelved(token, answer),
            Ok(ToAgent::Cancel) => cancel.cancel(),
            Ok(message) => drop(work.send(message)),
            Err(FrameError::Closed) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // The controller is gone: end what runs, give a write that is under way half a second, and leave.
    cancel.cancel();
    drop(work);
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(700);
    while !worker.is_finished() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    end
}

/// The machine of a host that nobody is connected to.
struct Absent(String);

impl Machines for Absent {
    fn get(&self, _become: Option<&crate::graph::Become>) -> Result<Arc<dyn Machine>, crate::resource::Failure> {
        Err(crate::apply::unreachable(&self.0))
    }

    fn facts(&self, _machine: &dyn Machine) -> crate::value::Map {
        crate::value::Map::new()
    }
}

struct Worker {
    out: Arc<Out>,
    cancel: Cancel,
    fetcher: Arc<Fetcher>,
    engine: Arc<Engine>,
    machines: Option<(String, Arc<LocalMachines>)>,
    facts: crate::value::Map,
}

impl Worker {
    fn new(out: Arc<Out>, cancel: Cancel, fetcher: Arc<Fetcher>, facts: crate::value::Map) -> Self {
        Self { out, cancel, fetcher, engine: Arc::new(Engine::default()), machines: None, facts }
    }

    fn run(mut self, queue: &std::sync::mpsc::Receiver<ToAgent>) {
        let mut session: Option<Session> = None;
        while let Ok(message) = queue.recv() {
            match message {
                ToAgent::Begin(mut prologue) => {
                    // The facts need not travel back: they came from here.
                    let mut machines: Arc<dyn Machines> = self.machines(&prologue.run);
                    if let Some(why) = &prologue.absent {
                        machines = Arc::new(Absent(why.clone()));
                    } else {
                        let mut variables = crate::facts::as_variables(&self.facts);
                        variables.append(&mut prologue.variables);
                        prologue.variables = variables;
                    }
                    let preview = session.as_ref().and_then(|before| before.foreseen(&prologue.run));
                    session = Some(Session::new(*prologue, self.around(machines, preview)));
                }
                ToAgent::HandOver => match &session {
                    Some(session) => self.out.send(&FromAgent::HandedOver(Box::new(session.hand_over()))),
                    None => self.out.send(&FromAgent::Fatal { message: "there is no play to hand over".into() }),
                },
                ToAgent::TakeOver(handover) => {
                    let machines = self.machines(&handover.prologue.run);
                    session = Some(Session::taken_over(*handover, self.around(machines, None)));
                }
                ToAgent::Run(segment) => match &session {
                    Some(session) => {
                        let report = session.run(&segment);
                        self.out.send(&FromAgent::Report(Box::new(report)));
                    }
                    None => self.out.send(&FromAgent::Fatal { message: "a segment came before its play".into() }),
                },
                ToAgent::Adopt(adopted) => match &session {
                    Some(session) => {
                        let report = session.adopt(*adopted);
                        self.out.send(&FromAgent::Report(Box::new(report)));
                    }
                    None => self.out.send(&FromAgent::Fatal { message: "an outcome came before its play".into() }),
                },
                ToAgent::Blob { .. } | ToAgent::Shelved { .. } | ToAgent::Cancel => {}
            }
        }
    }

    fn around(&self, machines: Arc<dyn Machines>, preview: Option<Preview>) -> Surroundings {
        Surroundings {
            engine: self.engine.clone(),
            machines,
            blobs: self.fetcher.clone(),
            sink: self.out.clone(),
            cancel: self.cancel.clone(),
            preview,
        }
    }

    /// The machines of a run; agents of other users stay until the run ends.
    fn machines(&mut self, run: &str) -> Arc<LocalMachines> {
        match &self.machines {
            Some((name, machines)) if name == run => machines.clone(),
            _ => {
                let machines = Arc::new(LocalMachines::new(run, self.cancel.clone()));
                self.machines = Some((run.to_owned(), machines.clone()));
                machines
            }
        }
    }
}

/// Answers calls of the machine traits on standard input and output: the other end of `become`.
///
/// # Errors
/// Where the channel fails.
pub fn serve_machine(run: &str) -> Result<(), FrameError> {
    let cancel = Cancel::default();
    let machines = LocalMachines::new(run, cancel.clone());
    let machine: Arc<dyn Machine> = machines.get(None).map_err(|failure| FrameError::Malformed(failure.message))?;
    let out = Arc::new(Mutex::new(BufWriter::new(std::io::stdout())));
    let send = |reply: &super::machines::Answer| {
        let mut out = out.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _ = write_frame(&mut *out, reply);
    };
    send(&super::machines::Answer::Ready);
    let mut input = std::io::stdin().lock();
    std::thread::scope(|scope| {
        let result = loop {
            match read_frame::<super::machines::Question>(&mut input) {
                Ok(question) => {
                    let (machine, send) = (&machine, &send);
                    scope.spawn(move || {
                        send(&super::machines::Answer::Reply(question.0, serve(&**machine, question.1)))
                    });
                }
                Err(FrameError::Closed) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        cancel.cancel();
        result
    })
}
