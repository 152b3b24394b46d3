//! A run: its plays one after the other, the batches of each, the hosts of a batch at once.

use super::driver::{DryDriver, HostDriver};
use super::link::Link;
use super::meeting::{Meeting, Turn};
use super::reach::Reached;
use super::step::{Person, Steps};
use super::target::Connections;
use crate::compile::{Facts, HostCompiler, Login as TaskLogin, PlayHosts, PlaySettings, Project, Stop};
use crate::event::{Counts, Event, Unreachable};
use crate::graph::{Mode, Node, Prologue};
use crate::inventory::LOCAL;
use crate::parse::Play;
use crate::template::TermScope;
use crate::value::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// How a run is made.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Its id.
    pub run: String,
    /// Apply or plan.
    pub mode: Mode,
    /// Hosts at once.
    pub forks: usize,
    /// Run notified handlers on failed hosts.
    pub force_handlers: bool,
    /// Who is asked about every task.
    pub steps: Option<Arc<Steps>>,
    /// Who answers what playbooks ask.
    pub person: Option<Arc<Person>>,
}

/// How a run came out.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Counts by host, in the order in which they were met.
    pub hosts: Vec<(String, Counts)>,
    /// Mistakes were found; no host was changed by the part they are in.
    pub mistakes: bool,
    /// It was cancelled.
    pub cancelled: bool,
    /// A host failed, and that was not forgiven.
    pub failed: bool,
}

/// Finds the hosts of a play.
pub type SelectHosts = dyn Fn(&Play) -> Vec<Arc<str>> + Send + Sync;

/// Takes events.
pub type EventSink = Box<dyn Fn(&Event) + Send + Sync>;

/// What all hosts of a run share.
pub struct Shared {
    /// The project.
    pub project: Arc<Project>,
    options: RunOptions,
    pub(super) connections: Connections,
    sink: EventSink,
    state: Mutex<State>,
    cancelled: AtomicBool,
    runtime: tokio::runtime::Handle,
}

#[derive(Default)]
struct State {
    counts: Vec<(String, Counts)>,
    facts: HashMap<String, Map>,
    carried: HashMap<Arc<str>, BTreeMap<String, Value>>,
    /// What tasks of each host have set, as of the last time it met others or ended a play.
    results: HashMap<Arc<str>, Arc<BTreeMap<String, Value>>>,
    gone: BTreeSet<Arc<str>>,
    failed: BTreeSet<Arc<str>>,
    cancellers: HashMap<Arc<str>, Arc<dyn Fn() + Send + Sync>>,
    mistakes: bool,
    /// The play ends with its batch (`meta: end_play`).
    play_ended: bool,
}

/// Runs plays.
pub struct Runner {
    shared: Arc<Shared>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Gives an event to the reports, and counts.
    pub fn emit(&self, event: Event) {
        match &event {
            Event::TaskFinished { host, outcome } => self.count(host, |counts| counts.add(outcome)),
            Event::Unreachable { host, .. } => self.count(host, |counts| counts.unreachable = 1),
            _ => {}
        }
        (self.sink)(&event);
    }

    fn count(&self, host: &str, change: impl FnOnce(&mut Counts)) {
        let mut state = self.state();
        let at = state.counts.iter().position(|(name, _)| name == host);
        let at = at.unwrap_or_else(|| {
            state.counts.push((host.to_owned(), Counts::default()));
            state.counts.len() - 1
        });
        if let Some((_, counts)) = state.counts.get_mut(at) {
            change(counts);
        }
    }

    /// Notes that a host failed.
    pub fn host_failed(&self, host: &Arc<str>) {
        self.state().failed.insert(host.clone());
    }

    /// The facts of a host that was met before.
    pub fn known_facts(&self, host: &str) -> Option<Map> {
        self.state().facts.get(host).cloned()
    }

    /// Hosts that have failed or were lost.
    pub fn gone(&self) -> BTreeSet<Arc<str>> {
        let state = self.state();
        state.gone.union(&state.failed).cloned().collect()
    }

    /// What tasks of a host have set, for others to see.
    pub fn results_of(&self, host: &str) -> Arc<BTreeMap<String, Value>> {
        self.state().results.get(host).cloned().unwrap_or_default()
    }

    /// Makes known what tasks of a host have set.
    pub fn keep_results(&self, host: &Arc<str>, results: Arc<BTreeMap<String, Value>>) {
        self.state().results.insert(host.clone(), results);
    }

    /// Batches that have not begun are not run.
    pub fn end_play(&self) {
        self.state().play_ended = true;
    }

    /// Sets variables of a host from outside of its own tasks.
    pub fn give(&self, host: &str, variables: Vec<(String, Value)>) {
        let host: Arc<str> = Arc::from(host);
        let mut state = self.state();
        let results = state.results.entry(host.clone()).or_default();
        Arc::make_mut(results).extend(variables.iter().cloned());
        state.carried.entry(host).or_default().extend(variables);
    }

    /// What an agent is told when a play begins.
    pub fn prologue(&self, play: &str) -> Prologue {
        Prologue {
            run: self.options.run.clone(),
            mode: self.options.mode,
            play: play.to_owned(),
            variables: Vec::new(),
            guest: false,
            force_handlers: self.options.force_handlers,
            strict: self.project.strict,
            state_as: None,
            secrets: Vec::new(),
            absent: None,
        }
    }

    /// An agent on the host a task is delegated to.
    ///
    /// # Errors
    /// Where it cannot be reached.
    pub fn open_for_delegation(&self, host: &str, login: &TaskLogin) -> Result<Link, Unreachable> {
        let name = delegated(host, login);
        let host: Arc<str> = Arc::from(host);
        let scope = self.scope_of(&host, None, login);
        self.runtime.block_on(self.connections.open_as(&name, &host, &scope)).map_err(|error| error.unreachable())
    }

    /// An agent of this machine that says of a host that it is not there.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn stand_in(&self) -> Result<Link, Unreachable> {
        self.runtime.block_on(self.connections.stand_in()).map_err(|error| error.unreachable())
    }

    /// An agent on a host over a connection of its own, if one can be had in that time.
    pub fn open_anew(&self, host: &Arc<str>, time: std::time::Duration) -> Option<Link> {
        let scope = self.host_scope(host, None);
        let open = async {
            self.connections.forget(&format!("delegated {host}").into()).await;
            tokio::time::timeout(time, self.connections.open_as(&format!("anew {host}").into(), host, &scope)).await
        };
        self.runtime.block_on(open).ok()?.ok()
    }

    /// Says whether a host is worked on without a connection.
    pub fn is_local(&self, host: &Arc<str>) -> bool {
        self.connections.is_local(&self.host_scope(host, None))
    }

    /// Who is asked about every task.
    pub fn steps(&self) -> Option<&Steps> {
        self.options.steps.as_deref()
    }

    /// Who answers what playbooks ask.
    pub fn person(&self) -> Option<&Person> {
        self.options.person.as_deref()
    }

    /// Says whether the run is being cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// How to cancel what a host is doing.
    pub fn cancels(&self, host: &Arc<str>, cancel: Arc<dyn Fn() + Send + Sync>) {
        self.state().cancellers.insert(host.clone(), cancel);
    }

    /// Keeps facts of a host for runs to come, where that is configured.
    fn keep_facts(&self, host: &Arc<str>, cacheable: Map) {
        let Some(cache) = self.project.fact_cache.as_ref().filter(|_| !self.project.plan) else { return };
        let facts = self.state().facts.get(host.as_ref()).cloned().unwrap_or_default();
        let named = |(name, value): (Arc<str>, Value)| (crate::facts::variable_name(&name).into(), value);
        let all = facts.into_iter().map(named).chain(cacheable).collect();
        if let Err(error) = cache.keep(host, all) {
            let text = format!("the facts are not kept in {}: {error}", cache.dir.display());
            self.emit(Event::HostMessage { host: host.to_string(), level: "warning".into(), text });
        }
    }

    /// Keeps that agent.
    pub fn keep_after_delegation(&self, host: &str, login: &TaskLogin, link: Link) {
        self.runtime.block_on(self.connections.keep(&delegated(host, login), link));
    }

    /// The variables that say how a host is reached.
    fn host_scope(&self, host: &Arc<str>, play: Option<&Play>) -> Arc<TermScope> {
        self.scope_of(host, play, &TaskLogin::default())
    }

    fn scope_of(&self, host: &Arc<str>, play: Option<&Play>, login: &TaskLogin) -> Arc<TermScope> {
        let local =
            LOCAL.contains(&host.as_ref()) && self.project.inventory.get().hosts.get(host).is_none_or(|h| h.implicit);
        connection_scope(&self.project, host, play, local, login)
    }
}

/// What the agents of a host are kept under that work for tasks of another one, or for tasks that reach it in another way.
fn delegated(host: &str, login: &TaskLogin) -> Arc<str> {
    if login.is_empty() { format!("delegated {host}").into() } else { format!("delegated {host} {login:?}").into() }
}

impl Runner {
    /// Prepares a run. Must be called inside a tokio runtime.
    pub fn new(project: Arc<Project>, options: RunOptions, connections: Connections, sink: EventSink) -> Self {
        let shared = Shared {
            project,
            options,
            connections,
            sink,
            state: Mutex::default(),
            cancelled: AtomicBool::new(false),
            runtime: tokio::runtime::Handle::current(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Lets every host finish what it is writing and start nothing new.
    pub fn canceller(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || {
            shared.cancelled.store(true, Ordering::SeqCst);
            let cancellers: Vec<_> = shared.state().cancellers.values().cloned().collect();
            for cancel in cancellers {
                cancel();
            }
        }
    }

    /// Runs plays on their hosts. Where tasks have changed the inventory, `select` says which hosts a play has by then.
    pub async fn run(&self, plays: &[(Arc<Play>, Vec<Arc<str>>)], select: &SelectHosts) -> Outcome {
        let before = self.shared.project.inventory.version();
        for (i, (play, hosts)) in plays.iter().enumerate() {
            if self.shared.cancelled.load(Ordering::SeqCst) || self.shared.state().mistakes {
                break;
            }
            let now = (self.shared.project.inventory.version() != before).then(|| select(play));
            self.play(play, now.as_ref().unwrap_or(hosts), i > 0, i + 1 < plays.len()).await;
        }
        let state = self.shared.state();
        Outcome {
            hosts: state.counts.clone(),
            failed: state.counts.iter().any(|(host, counts)| counts.failed > 0 && state.failed.contains(host.as_str())),
            mistakes: state.mistakes,
            cancelled: self.shared.cancelled.load(Ordering::SeqCst),
        }
    }

    async fn play(&self, play: &Arc<Play>, hosts: &[Arc<str>], earlier_plays: bool, more_plays: bool) {
        let project = &self.shared.project;
        let settings = PlaySettings::of(project, play, &|diagnostic| project.files.report(diagnostic));
        let alive: Vec<Arc<str>> = {
            let state = self.shared.state();
            hosts.iter().filter(|host| !state.gone.contains(*host)).cloned().collect()
        };
        let batches = settings.batches(&alive);
        let count = batches.len() as u32;
        for (i, batch) in batches.into_iter().enumerate() {
            if self.shared.cancelled.load(Ordering::SeqCst) {
                break;
            }
            let names: Vec<String> = batch.iter().map(ToString::to_string).collect();
            for name in &names {
                self.shared.count(name, |_| {});
            }
            self.shared.emit(Event::PlayStarted { play: play.title(), hosts: names, batch: (i as u32 + 1, count) });
            let mut hosts = PlayHosts::new(alive.clone(), batch);
            (hosts.more_plays, hosts.earlier_plays) = (more_plays, earlier_plays);
            hosts.changed = self.shared.state().counts.iter().any(|(_, counts)| counts.changed > 0);
            self.batch(play, &hosts, &settings).await;
            self.shared.emit(Event::PlayFinished { play: play.title() });
            if std::mem::take(&mut self.shared.state().play_ended) {
                break;
            }
            if self.must_stop(&hosts, &settings) {
                self.shared.cancelled.store(false, Ordering::SeqCst);
                let mut state = self.shared.state();
                state.gone.extend(alive.iter().cloned());
                break;
            }
        }
    }

    /// Gates between batches. Hosts that were lost count as failed.
    fn must_stop(&self, hosts: &PlayHosts, settings: &PlaySettings) -> bool {
        let state = self.shared.state();
        let failed =
            hosts.batch.iter().filter(|host| state.failed.contains(*host) || state.gone.contains(*host)).count();
        if state.mistakes || (failed > 0 && settings.any_errors_fatal) {
            return true;
        }
        match settings.max_fail_percentage {
            Some(limit) => failed as f64 * 100.0 / hosts.batch.len().max(1) as f64 > limit,
            None => failed == hosts.batch.len() && failed > 0,
        }
    }

    async fn batch(&self, play: &Arc<Play>, hosts: &PlayHosts, settings: &PlaySettings) {
        let meeting = Arc::new(Meeting::new(hosts.batch.clone()));
        let turns = Arc::new(tokio::sync::Semaphore::new(self.shared.options.forks.max(1)));
        let mut tasks = tokio::task::JoinSet::new();
        for host in hosts.batch.iter() {
            let (shared, play, host, hosts) = (self.shared.clone(), play.clone(), host.clone(), hosts.clone());
            let (meeting, turns, settings) = (meeting.clone(), turns.clone(), settings.clone());
            // In the order of the play: with one fork at a time, one host after the other.
            let turn = Arc::new(Turn::take(turns).await);
            tasks.spawn(async move {
                shared.host(play, host, hosts, meeting, turn, settings).await;
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}

impl Shared {
    async fn host(
        self: Arc<Self>,
        play: Arc<Play>,
        host: Arc<str>,
        mut hosts: PlayHosts,
        meeting: Arc<Meeting>,
        turn: Arc<Turn>,
        settings: PlaySettings,
    ) {
        let scope = self.host_scope(&host, Some(&play));
        if let Some(arguments) = self.connections.unsupported_arguments(&scope) {
            let text = format!("these arguments of ssh in the inventory have no effect: {arguments}");
            self.emit(Event::HostMessage { host: host.to_string(), level: "warning".into(), text });
        }
        // Of a host that is met now the facts are new.
        hosts.changed &= self.known_facts(&host).is_some();
        let reached = match self.reach(&play, &host, &scope).await {
            Ok(reached) => reached,
            Err(why) => {
                meeting.put_facts(&host, None);
                self.lost(&host, why);
                return meeting.leave(&host, true, settings.max_fail_percentage);
            }
        };
        self.emit(Event::HostReady { host: host.to_string() });
        let stands_in = reached.absent.is_some();
        meeting.put_facts(&host, Some(reached.facts.clone()));
        {
            let mut state = self.state();
            if !stands_in {
                state.facts.insert(host.to_string(), reached.facts.clone());
            }
            state.cancellers.insert(host.clone(), reached.link.canceller());
        }
        let shared = self.clone();
        let (name, batch) = (host.clone(), meeting.clone());
        let (fatal, limit) = (settings.any_errors_fatal, settings.max_fail_percentage);
        let done = tokio::task::spawn_blocking(move || {
            shared.compile_and_run(&play, &name, &hosts, batch, turn, reached, &settings)
        })
        .await;
        let failed = self.state().gone.contains(&host);
        if fatal && matches!(done, Ok(None)) {
            // It was lost: that is a failure of all, wherever they are.
            meeting.fail_all(&[]);
        }
        meeting.leave(&host, failed, limit);
        if let Ok(Some(link)) = done
            && !stands_in
        {
            self.connections.keep(&host, link).await;
        }
        self.state().cancellers.remove(&host);
    }

    #[expect(clippy::too_many_arguments, reason = "the hand-over to a thread: everything it needs, once")]
    fn compile_and_run(
        self: Arc<Self>,
        play: &Play,
        host: &Arc<str>,
        hosts: &PlayHosts,
        meeting: Arc<Meeting>,
        turn: Arc<Turn>,
        reached: Reached,
        settings: &PlaySettings,
    ) -> Option<Link> {
        let Reached { mut link, facts, absent } = reached;
        let carried = self.state().carried.get(host).cloned().unwrap_or_default();
        let mut driver = HostDriver {
            shared: self.clone(),
            host: host.clone(),
            link: &mut link,
            meeting,
            turn,
            collected: None,
            lost: None,
            failed: false,
        };
        // Two hosts of an inventory may be one machine: what is pending is kept for each.
        // So it is for plays of other playbooks that have the same name.
        let file = self.project.files.sources.origin(play.span).file;
        let playbook = file.rsplit('/').next().unwrap_or_default();
        let mut prologue = self.prologue(&format!("{playbook}\n{}\n{host}", play.title()));
        prologue.force_handlers = settings.force_handlers.unwrap_or(prologue.force_handlers);
        prologue.absent = absent;
        prologue.variables = carried.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let facts = Facts::Known(Arc::new(facts));
        let (result, carried, failed) = {
            let mut compiler =
                HostCompiler::new(&self.project, play, host.clone(), hosts.clone(), facts, &mut driver, carried);
            prologue.state_as = compiler.play_become();
            let result = compiler.begin(prologue).and_then(|()| compiler.play());
            self.keep_facts(host, compiler.cacheable());
            (result, compiler.carried(), compiler.host_failed())
        };
        // What was forgiven (`meta: clear_host_errors`) does not count.
        let (lost, failed) = (driver.lost.take(), driver.failed && failed);
        if !failed {
            self.state().failed.remove(host);
        }
        self.keep_results(host, Arc::new(carried.clone()));
        self.state().carried.insert(host.clone(), carried);
        match result {
            Err(Stop::Mistakes) => {
                let mut state = self.state();
                state.mistakes = true;
                state.gone.insert(host.clone());
                None
            }
            Err(Stop::Lost) => {
                let why = lost.unwrap_or(Unreachable { message: "the connection was lost".into(), help: None });
                self.lost(host, why);
                None
            }
            _ => {
                if failed {
                    self.failed(host);
                }
                Some(link)
            }
        }
    }

    fn lost(&self, host: &Arc<str>, why: Unreachable) {
        self.emit(Event::Unreachable { host: host.to_string(), why });
        self.failed(host);
    }

    fn failed(&self, host: &Arc<str>) {
        let mut state = self.state();
        state.failed.insert(host.clone());
        state.gone.insert(host.clone());
    }
}

/// Finds mistakes before any host is contacted: compiles every host with nothing known of its facts or results. `visit`
/// gets the nodes of each in turn; what it does not keep is not kept.
pub fn rehearse(
    project: &Arc<Project>,
    plays: &[(Arc<Play>, Vec<Arc<str>>)],
    facts: &BTreeMap<String, Map>,
    visit: &mut dyn FnMut(Arc<str>, Vec<Node>),
) {
    let given = Arc::new(facts.clone());
    let mut carried: BTreeMap<Arc<str>, BTreeMap<String, Value>> = BTreeMap::new();
    for (i, (play, hosts)) in plays.iter().enumerate() {
        let settings = PlaySettings::of(project, play, &|diagnostic| project.files.report(diagnostic));
        for batch in settings.batches(hosts) {
            let mut play_hosts = PlayHosts::new(hosts.clone(), batch.clone());
            (play_hosts.more_plays, play_hosts.earlier_plays, play_hosts.rehearsal) = (true, i > 0, true);
            for host in batch {
                let leads = play_hosts.batch.first() == Some(&host);
                let mut driver = DryDriver { nodes: Vec::new(), facts: given.clone(), leads };
                let known =
                    facts.get(host.as_ref()).map_or(Facts::Unknown, |facts| Facts::Known(Arc::new(facts.clone())));
                let mut compiler = HostCompiler::new(
                    project,
                    play,
                    host.clone(),
                    play_hosts.clone(),
                    known,
                    &mut driver,
                    carried.remove(&host).unwrap_or_default(),
                );
                let _ = compiler.play();
                carried.insert(host.clone(), compiler.carried());
                visit(host, driver.nodes);
            }
        }
    }
}

/// The variables that say how a host is reached, within a play or outside of any. `local` makes it this machine itself.
pub fn connection_scope(
    project: &Arc<Project>,
    host: &Arc<str>,
    play: Option<&Play>,
    local: bool,
    login: &TaskLogin,
) -> Arc<TermScope> {
    let empty;
    let play = match play {
        Some(play) => play,
        None => {
            empty = blank_play();
            &empty
        }
    };
    let mut driver = DryDriver::default();
    let (hosts, carried) = (PlayHosts::default(), BTreeMap::new());
    HostCompiler::new(project, play, host.clone(), hosts, Facts::Unknown, &mut driver, carried)
        .connection_scope(local, login)
}

/// A play that says nothing, for looking at hosts outside of any.
pub fn blank_play() -> Play {
    let hosts = crate::yaml::Node::empty();
    Play {
        span: hosts.span,
        dir: std::path::PathBuf::from("."),
        keywords: crate::parse::Keywords::default(),
        imported: Vec::new(),
        prompted: std::sync::OnceLock::new(),
        hosts,
        pre_tasks: Vec::new(),
        roles: Vec::new(),
        tasks: Vec::new(),
        post_tasks: Vec::new(),
        handlers: Vec::new(),
    }
}
