//! `cfg apply` and `cfg plan`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::error::{CliError, Exit};
use super::project::{self, LoadOptions, ProjectArgs, ask};
use super::settings::Settings;
use crate::event::{Event, Stats};
use crate::fleet::{Connections, History, Login, Outcome, RunOptions, RunRecord, Runner, Steps, rehearse};
use crate::graph::Mode;
use crate::report::{Human, HumanOptions, Json, Report, Style, can_draw};
use crate::transport::{ConfigSource, Options, Prompt, Ssh};
use crate::value::Value;
use crate::variables::{Definition, Layer};

/// How hosts are reached.
#[derive(Debug, Clone, Default, Args)]
pub struct SshArgs {
    /// Work on this machine, without SSH
    #[arg(long)]
    pub local: bool,
    /// Who logs in, where neither a play nor a variable says it
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// How hosts are reached, where neither a play nor a variable says it: `ssh` or `local`
    #[arg(short, long, value_name = "TYPE", value_parser = ["ssh", "local"])]
    pub connection: Option<String>,
    /// The private key to log in with
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// Ask for the login password
    #[arg(short = 'k', long)]
    pub ask_pass: bool,
    /// Record keys of hosts never seen before instead of refusing them
    #[arg(long)]
    pub accept_new_host_keys: bool,
    /// Read this ssh configuration instead of the user's and the system's
    #[arg(long, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,
    /// Seconds to wait for a connection
    #[arg(long, value_name = "SECONDS")]
    pub connect_timeout: Option<u64>,
    /// How often to try again to connect
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub connect_retries: u32,
    /// How many hosts to work on at once [default: 50]
    #[arg(short, long, value_name = "N")]
    pub forks: Option<usize>,
    /// What the configuration says, where nothing else does.
    #[arg(skip)]
    pub default_private_key: Option<PathBuf>,
    /// The same, of jump hosts.
    #[arg(skip)]
    pub default_proxy_jump: Option<String>,
}

/// How many hosts are worked on at once where nobody says it.
pub const FORKS: usize = 50;

/// Options of apply and plan.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The playbooks
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Change nothing: the same as `cfg plan`
    #[arg(long, alias = "check", visible_short_alias = 'C')]
    pub dry_run: bool,
    /// Show differences of file content (a plan does anyway)
    #[arg(short = 'D', long)]
    pub diff: bool,
    /// Work with the rights of another user
    #[arg(short, long)]
    pub r#become: bool,
    /// That user
    #[arg(long, value_name = "USER")]
    pub become_user: Option<String>,
    /// `sudo`, `su` or `doas`
    #[arg(long, value_name = "METHOD")]
    pub become_method: Option<String>,
    /// Ask for the password of become
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
    /// Run notified handlers on hosts that failed too, where a play does not say otherwise
    #[arg(long)]
    pub force_handlers: bool,
    /// Exit with 6 where changes were made or are pending
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Start at the task of this name; `*` stands for any text
    #[arg(long, value_name = "NAME")]
    pub start_at_task: Option<String>,
    /// Ask about every task whether it runs
    #[arg(long)]
    pub step: bool,
    /// Only list the hosts of each play
    #[arg(long)]
    pub list_hosts: bool,
    /// Only list the tasks that would be run, as far as they are known without the hosts
    #[arg(long)]
    pub list_tasks: bool,
    /// Only list the tags there are
    #[arg(long)]
    pub list_tags: bool,
    /// Only check the playbooks for mistakes
    #[arg(long)]
    pub syntax_check: bool,
    /// Show every host for itself
    #[arg(long)]
    pub expand: bool,
    /// `human`, or `json` for a line an event
    #[arg(short, long, value_name = "FORMAT", default_value = "human", value_parser = ["human", "json"])]
    pub output: String,
    /// What tasks report with `set_stats` is shown at the end.
    #[arg(skip)]
    pub custom_stats: bool,
    /// Show more: what was in place, then results
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Runs the command.
///
/// # Errors
/// Where a mistake is found before any host is contacted.
pub fn run(mut args: ApplyArgs, plan: bool) -> Result<Exit, CliError> {
    let plan = plan || args.dry_run;
    let settings = Settings::load()?;
    settings.fill_project(&mut args.project, args.ssh.local);
    if let Some(how) = &args.ssh.connection {
        let setting = (Value::str(how), "--connection".to_owned());
        args.project.configured.settings.insert("DEFAULT_TRANSPORT", setting);
    }
    settings.fill_ssh(&mut args.ssh);
    args.ask_become_pass |= settings.flag("ask_become_pass");
    args.force_handlers |= settings.flag("force_handlers");
    args.custom_stats = settings.flag("show_custom_stats");
    become_variables(&mut args)?;
    let options =
        LoadOptions { local: args.ssh.local, plan, diff: args.diff || plan, start_at: args.start_at_task.clone() };
    let mut loaded = project::load(&args.project, &args.playbooks, options)?;
    with_login_variables(&mut loaded.project, &args)?;
    let plays = loaded.plays;
    if args.syntax_check || worth_rehearsing(&plays) {
        rehearse(&loaded.project, &plays, &std::collections::BTreeMap::new(), &mut |_, _| {});
        project::check(&loaded.project)?;
    }
    if !loaded.project.inventory.may_grow() {
        if let Some(missing) = loaded.missing {
            return Err(missing);
        }
        loaded.unmatched.drain(..).for_each(|diagnostic| loaded.project.files.report(diagnostic));
        project::check(&loaded.project)?;
    }
    if args.list_hosts || args.list_tasks || args.list_tags {
        super::list::list(&loaded.project, &plays, args.list_hosts, args.list_tasks, args.list_tags);
        return Ok(Exit::Converged);
    }
    if args.syntax_check {
        super::print("no mistakes found\n");
        return Ok(Exit::Converged);
    }
    super::prompts::ask_all(&loaded.project, &plays)?;
    project::check(&loaded.project)?;
    let runtime = super::runtime()?;
    let project = loaded.project.clone();
    let exit = runtime.block_on(run_async(args, plan, loaded.project, plays));
    // Mistakes that only a host's facts brought to light.
    let diagnostics = project::redacted(project.files.take_diagnostics().sorted(), &project.redactor);
    runtime.shutdown_timeout(Duration::from_millis(100));
    if diagnostics.iter().any(|d| d.severity == crate::diagnostic::Severity::Error) {
        return Err(CliError::LateMistakes(diagnostics, project.files.sources.clone()));
    }
    for warning in &diagnostics {
        project::eprint_diagnostic(warning, &project.files.sources);
    }
    exit
}

/// Every host is compiled without its facts first, unless that would take longer than it is worth.
fn worth_rehearsing(plays: &[(Arc<crate::parse::Play>, Vec<Arc<str>>)]) -> bool {
    plays.iter().map(|(_, hosts)| hosts.len()).sum::<usize>() <= 200
}

/// `--become` and its kin are variables that stand above all others.
fn become_variables(args: &mut ApplyArgs) -> Result<(), CliError> {
    if args.r#become {
        args.project.extra_vars.push("{\"ansible_become\": true}".into());
    }
    if let Some(user) = &args.become_user {
        args.project.extra_vars.push(serde_json::json!({ "ansible_become_user": user }).to_string());
    }
    if let Some(method) = &args.become_method {
        args.project.extra_vars.push(serde_json::json!({ "ansible_become_method": method }).to_string());
    }
    Ok(())
}

/// Passwords that were typed are secrets and data.
fn with_login_variables(project: &mut Arc<crate::compile::Project>, args: &ApplyArgs) -> Result<(), CliError> {
    let mut typed = Vec::new();
    if args.ssh.ask_pass {
        typed.push(("ansible_password", ask("SSH password: ")?));
    }
    if args.ask_become_pass {
        typed.push(("ansible_become_password", become_password(&typed)?));
    }
    let Some(project) = Arc::get_mut(project) else { return Ok(()) };
    let mut layer: Layer = project.extra.as_ref().clone();
    for (name, secret) in typed {
        project.redactor.add(&secret);
        layer.entries.insert(Arc::from(name), Definition { term: Value::from(secret).into(), origin: None });
    }
    project.extra = Arc::new(layer);
    Ok(())
}

/// An empty answer means the login password, where that was asked for.
fn become_password(typed: &[(&'static str, String)]) -> Result<String, CliError> {
    let Some((_, login)) = typed.first() else { return ask("BECOME password: ") };
    let answer = ask("BECOME password [that of SSH]: ")?;
    Ok(if answer.is_empty() { login.clone() } else { answer })
}

/// Asks at the terminal, one question at a time.
struct Terminal(Mutex<()>);

impl Prompt for Terminal {
    fn passphrase(&self, key: &std::path::Path) -> Option<String> {
        let _turn = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        ask(&format!("Passphrase of {}: ", key.display())).ok()
    }

    fn password(&self, user_host: &str, prompt: &str, _echo: bool) -> Option<String> {
        let _turn = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        ask(&format!("{user_host}: {prompt}")).ok()
    }
}

/// The SSH context the options describe.
///
/// # Errors
/// Where the ssh configuration is wrong.
pub fn ssh(args: &SshArgs) -> Result<Ssh, CliError> {
    use std::io::IsTerminal as _;
    let options = Options {
        connect_timeout: args.connect_timeout.map(Duration::from_secs),
        retries: args.connect_retries,
        accept_new_host_keys: args.accept_new_host_keys,
        ssh_config: args.ssh_config.clone().map_or(ConfigSource::Default, ConfigSource::File),
        ..Options::default()
    };
    let prompt = std::io::stdin().is_terminal().then(|| Arc::new(Terminal(Mutex::new(()))) as Arc<dyn Prompt>);
    Ssh::new(options, prompt).map_err(|e| CliError::Message(e.to_string(), e.help()))
}

/// Who logs in.
pub fn login(args: &SshArgs) -> Login {
    Login {
        user: args.user.clone(),
        private_key: args.private_key.clone(),
        local: args.local,
        local_by_default: args.connection.as_deref() == Some("local"),
        default_private_key: args.default_private_key.clone(),
        default_proxy_jump: args.default_proxy_jump.clone(),
    }
}

async fn run_async(
    args: ApplyArgs,
    plan: bool,
    project: Arc<crate::compile::Project>,
    plays: Vec<(Arc<crate::parse::Play>, Vec<Arc<str>>)>,
) -> Result<Exit, CliError> {
    let history = History::default();
    let run = history.new_id();
    let mode = if plan { Mode::Plan } else { Mode::Apply };
    let names: Vec<String> = args.playbooks.iter().map(|p| p.display().to_string()).collect();
    let report = Arc::new(Mutex::new(reporter(&args, plan, &project)));
    let (shared, stats) = (report.clone(), Arc::new(Mutex::new(Stats::new())));
    let collected = stats.clone();
    let emit = move |event: &Event| {
        crate::event::collect(&mut collected.lock().unwrap_or_else(|poisoned| poisoned.into_inner()), event);
        shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).event(event);
    };
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    let mode_name = if plan { "plan" } else { "apply" };
    emit(&Event::RunStarted { run: run.clone(), mode: mode_name.into(), playbooks: names.clone(), time });
    let started = Instant::now();
    let options = RunOptions {
        run: run.clone(),
        mode,
        forks: args.ssh.forks.unwrap_or(FORKS),
        force_handlers: args.force_handlers,
        person: super::prompts::person(),
        steps: args.step.then(|| Arc::new(Steps::new(Box::new(super::prompts::wants)))),
    };
    let connections = Connections::new(ssh(&args.ssh)?, login(&args.ssh));
    let runner = Runner::new(project.clone(), options, connections, Box::new(emit.clone()));
    tokio::spawn(watch_signals(runner.canceller()));
    let (project_args, local, late) = (args.project.clone(), args.ssh.local, project.clone());
    let select = move |play: &crate::parse::Play| match super::select::select(&late, play, &project_args, local) {
        Ok(Ok(hosts)) => hosts,
        // That no host matched is a mistake when the run starts; by now it is what came of the tasks.
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    let outcome = runner.run(&plays, &select).await;
    let seconds = started.elapsed().as_secs_f64();
    if !outcome.mistakes || !outcome.hosts.is_empty() {
        let stats = stats.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        emit(&Event::RunFinished {
            run: run.clone(),
            hosts: outcome.hosts.clone(),
            seconds,
            cancelled: outcome.cancelled,
            stats,
        });
    }
    if !plan {
        history.keep(&RunRecord { run, mode: mode_name.into(), playbooks: names, hosts: outcome.hosts.clone() });
    }
    Ok(exit_code(&args, &outcome))
}

fn reporter(args: &ApplyArgs, plan: bool, project: &Arc<crate::compile::Project>) -> Box<dyn Report> {
    use std::io::IsTerminal as _;
    if args.output == "json" {
        return Box::new(Json { redactor: project.redactor.clone() });
    }
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let colour = colour || std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0");
    let options = HumanOptions {
        plan,
        diff: args.diff || plan,
        verbose: args.verbose,
        expand: args.expand,
        style: Style { colour },
        // Between a question and its answer nothing is drawn.
        live: can_draw() && !args.step,
        again: again(args),
        stats: args.custom_stats,
    };
    Box::new(Human::new(options, project.redactor.clone(), project.files.sources.clone()))
}

/// The call that goes on with a run.
fn again(args: &ApplyArgs) -> String {
    let mut words = vec!["cfg apply".to_owned()];
    words.extend(args.playbooks.iter().map(|p| p.display().to_string()));
    words.extend(args.project.inventory.iter().map(|i| format!("-i {i}")));
    if args.ssh.local {
        words.push("--local".into());
    }
    words.join(" ")
}

fn exit_code(args: &ApplyArgs, outcome: &Outcome) -> Exit {
    let any = |test: fn(&crate::event::Counts) -> bool| outcome.hosts.iter().any(|(_, counts)| test(counts));
    if outcome.failed || outcome.cancelled {
        Exit::Failed
    } else if any(|c| c.unreachable > 0) {
        Exit::Unreachable
    } else if args.detailed_exitcode && any(|c| c.changed > 0) {
        Exit::Changes
    } else {
        Exit::Converged
    }
}

/// The first Ctrl-C lets hosts finish what they are writing; the second ends cfg at once.
async fn watch_signals(cancel: impl Fn() + Send + Sync + 'static) {
    use std::io::Write as _;
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    let mut asked = false;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if asked {
            std::process::exit(130);
        }
        asked = true;
        let _ = writeln!(std::io::stderr(), "\nfinishing what is being written; press Ctrl-C again to stop at once");
        cancel();
    }
}
