//! What every command that looks at a project shares: inventory, playbooks, variables, vault, limits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::error::CliError;
use super::passwords::{Purpose, VaultArgs};
use super::select::{Limit, evaluate_early, limited, select};
use crate::compile::{BlobStore, Deposits, Literals, Project, TagFilter};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::inventory::{Inventory, Loader, Rules, default_places};
use crate::parse::{Files, Play, Playbook, PlaybookEntry};
use crate::secret::{Redactor, Vault};
use crate::source::SourceMap;
use crate::template::Engine;
use crate::value::Value;
use crate::variables::Layer;

/// Options about the project.
#[derive(Debug, Clone, Default, Args)]
pub struct ProjectArgs {
    /// Inventory: a file, a directory, a script, or `host1,host2,`; may be repeated
    #[arg(short, long = "inventory", value_name = "PATH")]
    pub inventory: Vec<String>,
    /// Only these hosts: a pattern, `@FILE`, or `@RUN:failed` for what a run left
    #[arg(short, long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Set variables: `name=value`, JSON, YAML, or `@FILE`; may be repeated
    #[arg(short, long = "extra-vars", value_name = "VARS")]
    pub extra_vars: Vec<String>,
    #[command(flatten)]
    pub vault: VaultArgs,
    /// Only tasks with these tags
    #[arg(short, long, value_delimiter = ',', value_name = "TAGS")]
    pub tags: Vec<String>,
    /// No tasks with these tags
    #[arg(long, value_delimiter = ',', value_name = "TAGS")]
    pub skip_tags: Vec<String>,
    /// What the configuration adds.
    #[arg(skip)]
    pub configured: Configured,
    /// Refuse conditions that are not booleans, as ansible-core 2.19 does
    #[arg(long)]
    pub strict: bool,
}

/// What the configuration adds to the options.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// What holds for inventories.
    pub inventory: Rules,
    /// Settings that were made, as `lookup('config')` gives them.
    pub settings: BTreeMap<&'static str, (Value, String)>,
    /// Where roles are looked for.
    pub roles_path: Vec<PathBuf>,
    /// Where facts are kept from one run to the next.
    pub fact_cache: Option<crate::compile::FactCache>,
    /// Becoming another user, by the names of the variables.
    pub defaults: BTreeMap<&'static str, Value>,
}

/// A project that was loaded.
pub struct Loaded {
    /// What hosts share.
    pub project: Arc<Project>,
    /// The plays with their hosts.
    pub plays: Vec<(Arc<Play>, Vec<Arc<str>>)>,
    /// Plays whose hosts are not in the inventory: mistakes, unless tasks of the run add them.
    pub unmatched: Vec<Diagnostic>,
    /// There is no inventory, and plays without hosts that would need one.
    pub missing: Option<CliError>,
}

/// How a project is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `--start-at-task`
    pub start_at: Option<String>,
    /// Everything is done on this machine.
    pub local: bool,
    /// It is a plan.
    pub plan: bool,
    /// Differences are shown.
    pub diff: bool,
}

/// Loads the inventory and playbooks.
///
/// # Errors
/// Where something is wrong with them; all of it together.
pub fn load(args: &ProjectArgs, playbooks: &[PathBuf], options: LoadOptions) -> Result<Loaded, CliError> {
    let redactor = Redactor::default();
    let vault = Vault::new(args.vault.read(Purpose::Open)?, redactor.clone()).only_labelled(args.vault.match_ids);
    let sources = SourceMap::default();
    let files = Files::new(sources, roles_path(&args.configured.roles_path), Arc::new(vault));
    let extra = Arc::new(super::extra::read(&args.extra_vars, &files)?);
    let (inventory, missing) = load_inventory(args, &files, &extra, options.local);
    let missing = match missing {
        Some(missing) if playbooks.is_empty() => return Err(missing),
        missing => missing,
    };
    let set =
        |items: &[String]| items.iter().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect::<BTreeSet<_>>();
    let project = Project {
        literals: Literals::default(),
        fact_cache: args.configured.fact_cache.clone(),
        hostvars: crate::compile::HostVars::default(),
        engine: Arc::new(Engine::default()),
        inventory: crate::inventory::LiveInventory::new(inventory).read_by(rereading(args, &extra, options.local)),
        extra,
        tags: TagFilter { only: set(&args.tags), skip: set(&args.skip_tags) },
        plan: options.plan,
        diff: options.diff,
        strict: args.strict,
        redactor,
        blobs: BlobStore::default(),
        deposits: Deposits::default(),
        start_at: options.start_at.clone(),
        cwd: std::env::current_dir().unwrap_or_default(),
        defaults: args.configured.defaults.clone(),
        settings: args.configured.settings.clone(),
        files,
    };
    let mut plays = Vec::new();
    for playbook in playbooks {
        read_playbook(&project, playbook, None, &[], &mut plays);
    }
    check(&project)?;
    if plays.is_empty() && !playbooks.is_empty() {
        let names: Vec<String> = playbooks.iter().map(|p| p.display().to_string()).collect();
        return Err(CliError::new(
            format!("there is no play in {}", names.join(", ")),
            "start each play with `- hosts: …`",
        ));
    }
    let mut selected = Vec::new();
    let mut unmatched = Vec::new();
    for play in plays {
        let hosts = select(&project, &play, args, options.local)?.unwrap_or_else(|diagnostic| {
            unmatched.push(diagnostic);
            Vec::new()
        });
        selected.push((play, hosts));
    }
    check(&project)?;
    let without_hosts = |(_, hosts): &(_, Vec<_>)| hosts.is_empty();
    let missing = match missing {
        Some(missing) if selected.iter().all(without_hosts) => return Err(missing),
        missing => missing.filter(|_| selected.iter().any(without_hosts)),
    };
    if selected.iter().all(|(_, hosts)| hosts.is_empty()) && !unmatched.is_empty() {
        unmatched.drain(..).for_each(|diagnostic| project.files.report(diagnostic));
        check(&project)?;
    }
    let limit = args.limit.as_deref().map(|limit| limited(&project, limit)).transpose()?;
    if matches!(limit, Some(Limit::Nothing)) {
        super::note("warning: --limit names no host: nothing is left to do");
    } else if !playbooks.is_empty() && selected.iter().all(|(_, hosts)| hosts.is_empty()) {
        return Err(CliError::new(
            "no play matches a host",
            "see `cfg inventory --graph` for the hosts and groups there are",
        ));
    }
    Ok(Loaded { project: Arc::new(project), plays: selected, unmatched, missing })
}

/// Turns reported mistakes into an error; warnings are shown and forgotten.
///
/// # Errors
/// Where there are mistakes.
pub fn check(project: &Project) -> Result<(), CliError> {
    let diagnostics = project.files.take_diagnostics();
    let has_errors = diagnostics.has_errors();
    let sorted = diagnostics.sorted();
    if has_errors {
        return Err(CliError::Mistakes(redacted(sorted, &project.redactor), project.files.sources.clone()));
    }
    for warning in sorted.iter().filter(|d| d.severity == Severity::Warning) {
        eprint_diagnostic(warning, &project.files.sources);
    }
    Ok(())
}

/// Secrets do not belong into messages either.
pub fn redacted(diagnostics: Vec<Diagnostic>, redactor: &Redactor) -> Vec<Diagnostic> {
    let clean = |text: &str| redactor.redact(text).into_owned();
    diagnostics
        .into_iter()
        .map(|d| Diagnostic { message: clean(&d.message), help: d.help.as_deref().map(clean), ..d })
        .collect()
}

/// Shows one diagnostic on standard error.
pub fn eprint_diagnostic(diagnostic: &Diagnostic, sources: &SourceMap) {
    use std::io::{IsTerminal as _, Write as _};
    let mut err = std::io::stderr().lock();
    let colour = err.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let _ = err.write_all(crate::diagnostic::render(diagnostic, sources, colour).as_bytes());
}

fn roles_path(configured: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths = configured.to_vec();
    paths.push(PathBuf::from("roles"));
    if let Ok(home) = std::env::var("HOME") {
        paths.push(PathBuf::from(home).join(".ansible/roles"));
    }
    paths.push(PathBuf::from("/etc/ansible/roles"));
    paths
}

/// Asks a person for a secret. Where there is no terminal, it is a line of standard input.
///
/// # Errors
/// Where there is nobody to ask, and no such line.
pub fn ask(prompt: &str) -> Result<String, CliError> {
    use std::io::IsTerminal as _;
    let failed = |e: std::io::Error| CliError::Message(format!("cannot read a password: {e}"), None);
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map_err(failed);
    }
    line_of_stdin().map_err(failed)?.ok_or_else(|| {
        CliError::new(
            "a password is to be asked for, but there is no terminal, and no line left on standard input",
            "give it in a file instead",
        )
    })
}

/// Reads the same inventory again, while a run goes on.
fn rereading(args: &ProjectArgs, extra: &Arc<Layer>, local: bool) -> crate::inventory::Reader {
    let (args, extra) = (args.clone(), extra.clone());
    Box::new(move |files| {
        let (inventory, missing) = load_inventory(&args, files, &extra, local);
        missing.is_none().then_some(inventory)
    })
}

/// The next line of standard input; `None` at its end.
pub fn line_of_stdin() -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Loads the inventory that was given, or the one that is found. Where none is, what is said to who needs one comes with
/// the empty one: this machine does not.
fn load_inventory(args: &ProjectArgs, files: &Files, extra: &Arc<Layer>, local: bool) -> (Inventory, Option<CliError>) {
    let loader = Loader { files, rules: Rules { extra: Some(extra.clone()), ..args.configured.inventory.clone() } };
    if !args.inventory.is_empty() {
        return (loader.load(&args.inventory), None);
    }
    if local {
        return (Inventory::local(), None);
    }
    let places = default_places();
    if let Some(place) = places.iter().find(|place| place.exists()) {
        return (loader.load(&[place.to_string_lossy().into_owned()]), None);
    }
    let shown: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
    let missing = CliError::new(
        format!("no inventory: none was given and none was found; looked at {}", shown.join(", ")),
        "give one with -i inventory.yml (see inventory.example.yml), or work on this machine with --local",
    );
    let mut inventory = Inventory::default();
    inventory.finish();
    (inventory, Some(missing))
}

/// Reads a playbook and those it imports. `imports` is what the imports say that led here, and where they stand.
fn read_playbook(
    project: &Project,
    path: &Path,
    at: Option<crate::source::Span>,
    imports: &[crate::parse::Keywords],
    plays: &mut Vec<Arc<Play>>,
) {
    if imports.len() > 20 {
        let mut report = Diagnostic::error(Code::IncludeLoop, format!("{} imports itself", path.display()));
        if let Some(span) = at {
            report = report.at(span, "");
        }
        return project.files.report(report);
    }
    let Some(documents) = project.files.documents(path, at) else { return };
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    let mut diagnostics = crate::diagnostic::Diagnostics::default();
    let playbook = Playbook::parse(&documents, dir.clone(), &mut diagnostics);
    for diagnostic in diagnostics {
        project.files.report(diagnostic);
    }
    for entry in playbook.entries {
        match entry {
            PlaybookEntry::Play(mut play) => {
                if let Some(play) = Arc::get_mut(&mut play) {
                    play.imported = imports.to_vec();
                }
                plays.push(play);
            }
            PlaybookEntry::Import(node, keywords) => {
                let Some(name) = evaluate_early(project, &node, "import_playbook") else { continue };
                let imports = [imports, &[keywords]].concat();
                read_playbook(project, &dir.join(name.to_string()), Some(node.span), &imports, plays);
            }
        }
    }
}
