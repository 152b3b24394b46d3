//! `cfg inventory`: what `ansible-inventory` prints, from the same sources.
//!
//! Values are shown as they are written: `{{ port }}` stays what it is, for another program may read the output. `--rendered`
//! shows what they come to on each host. Secrets are hidden in both.

mod formats;
mod view;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::Value as Json;

use super::error::{CliError, Exit};
use super::project::{self, LoadOptions, ProjectArgs};
use super::select::{Limit, limited};
use super::settings::Settings;
use view::View;

/// Options of inventory.
#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// The group to start with (--graph)
    #[arg(value_name = "GROUP", conflicts_with_all = ["list", "host"])]
    pub group: Option<String>,
    /// Everything, as `ansible-inventory --list` prints it
    #[arg(long, conflicts_with_all = ["graph", "host"])]
    pub list: bool,
    /// Groups and hosts as a tree: what is shown where nothing else is asked for
    #[arg(long, conflicts_with = "host")]
    pub graph: bool,
    /// The variables of one host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Show variables too (--graph)
    #[arg(long, conflicts_with_all = ["list", "host"])]
    pub vars: bool,
    /// As YAML
    #[arg(short, long, conflicts_with_all = ["graph", "vars", "toml"])]
    pub yaml: bool,
    /// As TOML
    #[arg(long, conflicts_with_all = ["graph", "vars"])]
    pub toml: bool,
    /// Variables where they are defined, with their groups, instead of all of them at each host (--list)
    #[arg(long, conflicts_with_all = ["graph", "vars", "host"])]
    pub export: bool,
    /// What expressions come to, instead of how they are written
    #[arg(long, conflicts_with = "export")]
    pub rendered: bool,
    /// Look for `group_vars` and `host_vars` in this directory too, as a playbook there would
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub playbook_dir: PathBuf,
    /// Write to this file instead
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub project: ProjectArgs,
}

/// Runs the command.
///
/// # Errors
/// Where the inventory cannot be read.
pub fn run(mut args: InventoryArgs) -> Result<Exit, CliError> {
    Settings::load()?.fill_project(&mut args.project, false);
    let loaded = project::load(&args.project, &[], LoadOptions::default())?;
    let list = args.list || args.yaml || args.toml || args.export;
    if args.project.limit.is_some() && (args.host.is_some() || !list) {
        super::note("--limit has no effect on --host and --graph: they show what was asked for");
    }
    let limit = match args.project.limit.as_deref().map(|limit| limited(&loaded.project, limit)).transpose()? {
        None | Some(Limit::Open) => None,
        Some(Limit::Nothing) => Some(Vec::new()),
        Some(Limit::Hosts(hosts)) => Some(hosts),
    };
    let view = View::new(&loaded.project, &args, limit);
    let text = if let Some(host) = &args.host {
        formatted(&view.host(host)?, &args)?
    } else if !list {
        view.graph(args.group.as_deref().unwrap_or("all"), args.vars)?
    } else if args.yaml {
        formats::yaml(&view.yaml())
    } else if args.toml {
        formats::toml(&view.toml())?
    } else {
        formats::json(&view.json())
    };
    // Files of variables are read while they are shown.
    project::check(&loaded.project)?;
    match &args.output {
        None => super::print(&text),
        Some(path) => std::fs::write(path, &text)
            .map_err(|e| CliError::Message(format!("cannot write {}: {e}", path.display()), None))?,
    }
    Ok(Exit::Converged)
}

fn formatted(json: &Json, args: &InventoryArgs) -> Result<String, CliError> {
    if args.yaml {
        Ok(formats::yaml(json))
    } else if args.toml {
        formats::toml(json)
    } else {
        Ok(formats::json(json))
    }
}

/// Somebody asked for a name that is not there.
fn unknown<'a>(kind: &str, name: &str, names: impl Iterator<Item = &'a Arc<str>>) -> CliError {
    let help = crate::diagnostic::did_you_mean(name, names.map(AsRef::as_ref));
    let help = help.unwrap_or_else(|| "see `cfg inventory --graph`".into());
    CliError::new(format!("there is no {kind} `{name}` in the inventory"), help)
}
