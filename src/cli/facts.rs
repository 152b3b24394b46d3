//! `cfg facts`.

use std::sync::Arc;

use clap::Args;

use super::apply::{SshArgs, login, ssh};
use super::error::{CliError, Exit};
use super::project::{self, LoadOptions, ProjectArgs};
use super::settings::Settings;
use crate::fleet::{Connections, connection_scope};
use crate::inventory::Pattern;
use crate::value::{Map, Value, to_json};

/// Options of facts.
#[derive(Debug, Args)]
pub struct FactsArgs {
    /// The hosts: a pattern
    #[arg(default_value = "all", value_name = "HOSTS")]
    pub hosts: String,
    /// Only facts whose names contain this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub ssh: SshArgs,
}

/// Runs the command.
///
/// # Errors
/// Where the inventory cannot be read.
pub fn run(mut args: FactsArgs) -> Result<Exit, CliError> {
    let settings = Settings::load()?;
    settings.fill_project(&mut args.project, args.ssh.local);
    settings.fill_ssh(&mut args.ssh);
    let loaded = project::load(&args.project, &[], LoadOptions { local: args.ssh.local, ..LoadOptions::default() })?;
    let project = loaded.project;
    let hosts = Pattern::parse(&args.hosts).hosts(&project.inventory.get());
    let mut hosts = hosts.map_err(|e| CliError::new(e.to_string(), "see `cfg inventory --graph`"))?;
    if args.ssh.local && args.project.inventory.is_empty() {
        hosts = project.inventory.get().hosts.keys().cloned().collect();
    }
    let runtime = super::runtime()?;
    let connections = Arc::new(Connections::new(ssh(&args.ssh)?, login(&args.ssh)));
    let mut all = Map::new();
    let mut exit = Exit::Converged;
    for host in hosts {
        let scope = connection_scope(&project, &host, None, false, &crate::compile::Login::default());
        match runtime.block_on(connections.open(&host, &scope)) {
            Ok(link) => {
                let wanted = |name: &str| args.filter.as_ref().is_none_or(|f| name.contains(f.as_str()));
                let facts: Map = link
                    .hello
                    .facts
                    .iter()
                    .filter(|(name, _)| wanted(name))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect();
                all.insert(host.clone(), Value::from(facts));
            }
            Err(error) => {
                let why = error.unreachable();
                CliError::Message(format!("{host}: unreachable: {}", why.message), why.help).print();
                exit = Exit::Unreachable;
            }
        }
    }
    let text = serde_json::to_string_pretty(&to_json(&Value::from(all))).unwrap_or_default();
    super::print(&format!("{text}\n"));
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    Ok(exit)
}
