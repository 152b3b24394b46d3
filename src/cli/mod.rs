//! The command line: one file a sub-command, no logic of its own.

mod apply;
mod config;
mod doc;
mod error;
mod explain;
mod extra;
mod facts;
mod graph;
mod inventory;
mod list;
mod pages;
mod passwords;
mod project;
mod prompts;
mod schema;
mod select;
mod settings;
mod vault;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use doc::page as module_page;
pub use error::{CliError, Exit};
pub use pages::reference;
pub use schema::schema;
pub use settings::page as settings_page;

/// Makes fleets of machines be what a playbook says.
///
/// cfg compiles YAML playbooks into one dependency graph of idempotent states per host, shows exactly what would change,
/// and applies it over SSH. Playbooks, roles and inventories are Ansible's.
#[derive(Debug, Parser)]
#[command(name = "cfg", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make hosts be what playbooks say
    Apply(apply::ApplyArgs),
    /// Show what `apply` would change, and change nothing
    Plan(apply::ApplyArgs),
    /// Show the facts of hosts
    Facts(facts::FactsArgs),
    /// Show the inventory: hosts, groups and variables
    Inventory(inventory::InventoryArgs),
    /// Show the compiled graph of a host, with the reason of every edge
    Graph(graph::GraphArgs),
    /// Show the configuration in force, and where each setting comes from
    Config(config::ConfigArgs),
    /// Encrypt and decrypt files and values, in Ansible's vault format
    Vault(vault::VaultCommand),
    /// Show the documentation of a module
    Doc(doc::DocArgs),
    /// Print the JSON schema of playbooks, for editors
    Schema,
    /// Explain a variable on a host, or an error code
    Explain(explain::ExplainArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a directory
    Man {
        /// The directory
        dir: std::path::PathBuf,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Converged.into() };
        }
    };
    match run(cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            error.print();
            Exit::Usage.into()
        }
    }
}

fn run(command: Command) -> Result<Exit, CliError> {
    match command {
        Command::Apply(args) => apply::run(args, false),
        Command::Plan(args) => apply::run(args, true),
        Command::Facts(args) => facts::run(args),
        Command::Inventory(args) => inventory::run(args),
        Command::Graph(args) => graph::run(args),
        Command::Config(args) => config::run(args),
        Command::Vault(args) => vault::run(args),
        Command::Doc(args) => doc::run(args),
        Command::Schema => schema::run(),
        Command::Explain(args) => explain::run(args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "cfg", &mut std::io::stdout());
            Ok(Exit::Converged)
        }
        Command::Man { dir } => pages::man(&dir),
    }
}

/// Prints what a command was asked for; a closed pipe is nobody's mistake.
/// What drives connections. A host that is compiled or waits for others has a thread of its own, however many there are.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).max_blocking_threads(20_000).enable_all().build();
    runtime.map_err(|e| CliError::Message(format!("cannot start: {e}"), None))
}

pub(crate) fn print(text: &str) {
    use std::io::Write as _;
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says something beside the output.
pub(crate) fn note(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A number of things, in words.
pub(crate) fn count(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
