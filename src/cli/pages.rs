//! Pages made from the code: the reference of the commands, manual pages.

use clap::CommandFactory as _;

use super::error::{CliError, Exit};

/// The reference of every command, in Markdown.
pub fn reference() -> String {
    let mut out = String::from("# Commands\n\nMade from the code by `UPDATE=1 cargo test --test generated`.\n\n");
    let mut command = super::Cli::command().term_width(100);
    command.build();
    section(&mut command, "cfg", &mut out);
    out
}

fn section(command: &mut clap::Command, path: &str, out: &mut String) {
    if path != "cfg help" {
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        out.push_str(&format!("## `{path}`\n\n```text\n{}\n```\n\n", help.join("\n").trim()));
    }
    let names: Vec<String> =
        command.get_subcommands().map(|c| c.get_name().to_owned()).filter(|n| n != "help").collect();
    for name in names {
        if let Some(sub) = command.find_subcommand_mut(&name) {
            let mut sub = sub.clone();
            section(&mut sub, &format!("{path} {name}"), out);
        }
    }
}

/// Writes manual pages.
///
/// # Errors
/// Where the directory cannot be written.
pub fn man(dir: &std::path::Path) -> Result<Exit, CliError> {
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(super::Cli::command(), dir))
        .map_err(|e| CliError::Message(format!("cannot write manual pages into {}: {e}", dir.display()), None))?;
    Ok(Exit::Converged)
}
