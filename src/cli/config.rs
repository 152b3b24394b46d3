//! `cfg config`.

use clap::Args;

use super::error::{CliError, Exit};
use super::settings::{KNOWN, Settings};

/// Options of config.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Only what was set somewhere
    #[arg(long)]
    pub only_changed: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the configuration has mistakes.
pub fn run(args: ConfigArgs) -> Result<Exit, CliError> {
    let settings = Settings::load()?;
    let mut lines: Vec<(&str, String, String)> = Vec::new();
    for known in KNOWN {
        match settings.get(known.name) {
            Some(setting) => lines.push((known.name, setting.values.join(", "), setting.from.clone())),
            None if args.only_changed => {}
            None => {
                let value = if known.default.is_empty() { "-" } else { known.default };
                lines.push((known.name, value.to_owned(), "(default)".to_owned()));
            }
        }
    }
    let names = lines.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let values = lines.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0).min(50);
    let mut out = String::new();
    for (name, value, from) in lines {
        out.push_str(&format!("{name:<names$}  {value:<values$}  {from}\n"));
    }
    let files: Vec<String> = settings.files.iter().map(|path| path.display().to_string()).collect();
    out.push_str(&match files.as_slice() {
        [] => "\nno cfg.toml and no ansible.cfg was found\n".to_owned(),
        files => format!("\nread: {}\n", files.join(", ")),
    });
    super::print(&out);
    Ok(Exit::Converged)
}
