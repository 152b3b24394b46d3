//! `cfg doc`.

use clap::Args;

use super::error::{CliError, Exit};
use crate::diagnostic::did_you_mean;
use crate::resource::{self, KINDS, Kind};

/// Options of doc.
#[derive(Debug, Args)]
pub struct DocArgs {
    /// The module; all of them are listed if not given
    pub name: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no such module.
pub fn run(args: DocArgs) -> Result<Exit, CliError> {
    let Some(name) = args.name else {
        let list: String =
            KINDS.iter().map(|k| format!("{:<20} {}\n", k.name, k.doc.trim().lines().next().unwrap_or(""))).collect();
        super::print(&list);
        return Ok(Exit::Converged);
    };
    match resource::find(&name) {
        Some(kind) => {
            super::print(&page(kind));
            Ok(Exit::Converged)
        }
        None if crate::template::filter_names().contains(&name) => {
            super::print(&format!("`{name}` is a filter or test, with the meaning it has in ansible-core 2.19.\n"));
            Ok(Exit::Converged)
        }
        None => {
            let help = did_you_mean(&name, resource::names()).unwrap_or_else(|| "`cfg doc` lists them".into());
            Err(CliError::new(format!("cfg has no module `{name}`"), help))
        }
    }
}

/// The page of a module, in Markdown.
pub fn page(kind: &Kind) -> String {
    let mut out = format!("# {}\n\n", kind.name);
    let unindent = |doc: &str| doc.lines().map(|l| l.strip_prefix(' ').unwrap_or(l)).collect::<Vec<_>>().join("\n");
    out.push_str(&unindent(kind.doc.trim_end()));
    out.push_str("\n\n");
    if !kind.aliases.is_empty() {
        out.push_str(&format!(
            "Also known as: {}.\n\n",
            kind.aliases.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", ")
        ));
    }
    let visible: Vec<_> = kind.params.iter().filter(|p| !p.name.starts_with('_')).collect();
    if visible.is_empty() {
        return out;
    }
    out.push_str("## Parameters\n\n");
    for spec in visible {
        let mut facts = vec![spec.type_name.to_owned()];
        if spec.required {
            facts.push("required".into());
        }
        if !spec.default.is_empty() {
            facts.push(format!("default `{}`", spec.shown_default()));
        }
        if spec.secret {
            facts.push("never shown".into());
        }
        if let Some((param, word)) = spec.secret_where {
            facts.push(format!("never shown where `{param}` is `{word}`"));
        }
        out.push_str(&format!("- **{}** ({})", spec.name, facts.join(", ")));
        if !spec.aliases.is_empty() {
            out.push_str(&format!(
                "; also {}",
                spec.aliases.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", ")
            ));
        }
        out.push('\n');
        for line in unindent(spec.doc.trim_end()).lines() {
            out.push_str(&format!("  {line}\n"));
        }
        if !spec.choices.is_empty() {
            out.push_str(&format!(
                "  One of {}.\n",
                spec.choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ")
            ));
        }
    }
    out
}
