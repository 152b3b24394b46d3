//! Exit codes, and mistakes in how cfg was called.

use std::process::ExitCode;

use crate::diagnostic::{Diagnostic, Found, render, summary};
use crate::source::SourceMap;

/// How cfg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: hosts are as they should be.
    Converged,
    /// 1: a mistake in the call, a playbook or an inventory.
    Usage,
    /// 2: something failed on a host.
    Failed,
    /// 4: a host could not be reached.
    Unreachable,
    /// 6: changes were made or are pending (`--detailed-exitcode`).
    Changes,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Converged => 0,
            Exit::Usage => 1,
            Exit::Failed => 2,
            Exit::Unreachable => 4,
            Exit::Changes => 6,
        })
    }
}

/// A mistake that ends cfg before a run.
#[derive(Debug)]
pub enum CliError {
    /// In words, with what to do.
    Message(String, Option<String>),
    /// Mistakes in files.
    Mistakes(Vec<Diagnostic>, SourceMap),
    /// Mistakes in files that only the hosts brought to light.
    LateMistakes(Vec<Diagnostic>, SourceMap),
}

impl CliError {
    /// A mistake in words.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Message(message.into(), Some(help.into()))
    }

    /// Shows it.
    pub fn print(&self) {
        use std::io::{IsTerminal as _, Write as _};
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let mut err = std::io::stderr().lock();
        let text = match self {
            Self::Message(message, help) => {
                let help = help.as_ref().map(|h| format!("  help: {h}\n")).unwrap_or_default();
                format!("error: {message}\n{help}")
            }
            Self::Mistakes(diagnostics, sources) => shown(diagnostics, sources, colour, Found::BeforeTheRun),
            Self::LateMistakes(diagnostics, sources) => shown(diagnostics, sources, colour, Found::WithTheHosts),
        };
        let _ = err.write_all(text.as_bytes());
    }
}

fn shown(diagnostics: &[Diagnostic], sources: &SourceMap, colour: bool, found: Found) -> String {
    let each: String = diagnostics.iter().map(|d| render(d, sources, colour) + "\n").collect();
    format!("{each}{}\n", summary(diagnostics, sources, found))
}
