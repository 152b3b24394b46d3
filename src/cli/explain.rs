//! `cfg explain`.

use clap::{Args, Subcommand};

use super::error::{CliError, Exit};
use super::project::{self, LoadOptions, ProjectArgs};
use super::settings::Settings;
use crate::compile::{Facts, HostCompiler, PlayHosts};
use crate::diagnostic::Code;
use crate::fleet::DryDriver;

/// Options of explain.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// An error code, such as CFG0312
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Why a variable has its value on a host, layer by layer
    Var {
        /// The variable
        name: String,
        /// The host
        #[arg(long, value_name = "HOST")]
        host: String,
        /// A playbook whose plays and roles count too
        #[arg(long, value_name = "PLAYBOOK")]
        playbook: Option<std::path::PathBuf>,
        #[command(flatten)]
        project: ProjectArgs,
    },
}

/// Runs the command.
///
/// # Errors
/// Where there is no such code, or the inventory has mistakes.
pub fn run(args: ExplainArgs) -> Result<Exit, CliError> {
    match (args.what, args.code) {
        (Some(What::Var { name, host, playbook, mut project }), _) => {
            Settings::load()?.fill_project(&mut project, false);
            variable(&name, &host, playbook.as_deref(), &project)
        }
        (None, Some(code)) => {
            let Some(code) = Code::parse(&code) else {
                return Err(CliError::new(format!("there is no error code `{code}`"), "codes look like CFG0312"));
            };
            super::print(&format!(
                "{code}\n\n{}\n",
                code.explanation().lines().map(str::trim_start).collect::<Vec<_>>().join("\n").trim()
            ));
            Ok(Exit::Converged)
        }
        (None, None) => Err(CliError::new(
            "what is to be explained?",
            "`cfg explain CFG0312`, or `cfg explain var NAME --host HOST`",
        )),
    }
}

fn variable(name: &str, host: &str, playbook: Option<&std::path::Path>, args: &ProjectArgs) -> Result<Exit, CliError> {
    let playbooks: Vec<std::path::PathBuf> = playbook.map(std::path::Path::to_path_buf).into_iter().collect();
    let loaded = project::load(args, &playbooks, LoadOptions::default())?;
    let project = &loaded.project;
    if !project.inventory.get().hosts.contains_key(host) {
        return Err(CliError::new(
            format!("there is no host `{host}` in the inventory"),
            "see `cfg inventory --graph`",
        ));
    }
    let blank = std::sync::Arc::new(crate::fleet::blank_play());
    let play = loaded
        .plays
        .iter()
        .find(|(_, hosts)| hosts.iter().any(|h| h.as_ref() == host))
        .map_or(blank, |(play, _)| play.clone());
    let mut driver = DryDriver::default();
    let mut compiler = HostCompiler::new(
        project,
        &play,
        host.into(),
        PlayHosts::default(),
        Facts::Unknown,
        &mut driver,
        Default::default(),
    );
    if playbook.is_some() {
        let _ = compiler.prepare();
    }
    let found = compiler.definitions_of(name);
    if found.is_empty() {
        let names = compiler.inventory_names();
        let help = crate::diagnostic::did_you_mean(name, names.iter().map(String::as_str));
        let help = help.unwrap_or_else(|| "give --playbook to look into its plays and roles too".into());
        return Err(CliError::new(format!("`{name}` is not defined on {host}"), help));
    }
    let value = compiler
        .value_of(name)
        .map_or_else(|| "(known on the host)".to_owned(), |v| crate::value::to_json(&v).to_string());
    let mut out = format!("{name} = {value} on {host}\n");
    let width = found.iter().map(|(_, d)| place(d).len()).max().unwrap_or(0);
    for (i, (kind, definition)) in found.iter().enumerate() {
        let sign = if i == 0 { "▸" } else { " " };
        let wins = if i == 0 { "   wins" } else { "" };
        out.push_str(&format!(
            "  {sign} {:<width$}  {:<24}  {}{wins}\n",
            place(definition),
            shown(definition),
            kind.describe()
        ));
    }
    super::print(&project.redactor.redact(&out));
    Ok(Exit::Converged)
}

fn place(definition: &crate::variables::Definition) -> String {
    definition.origin.as_ref().map_or_else(|| "(command line or facts)".to_owned(), ToString::to_string)
}

fn shown(definition: &crate::variables::Definition) -> String {
    match definition.term.as_value() {
        Some(value) => crate::value::to_json(value).to_string(),
        None => "(an expression)".to_owned(),
    }
}
