//! What happened on a host, as lines: the same story told once for all hosts that share it.

use crate::event::{ItemOutcome, Status, TaskOutcome};
use crate::machine::{Action, Change};

use super::Style;

/// The lines of a task's changes. Equal lines mean that hosts have the same story.
pub fn task_lines(outcome: &TaskOutcome, diff: bool, verbose: u8, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for item in &outcome.items {
        let shown = matches!(item.status, Status::Changed | Status::Unknown | Status::Failed) || verbose >= 1;
        if shown {
            lines.extend(item_lines(outcome, item, diff, verbose, style));
        }
    }
    lines
}

fn item_lines(outcome: &TaskOutcome, item: &ItemOutcome, diff: bool, verbose: u8, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (i, change) in item.changes.iter().enumerate() {
        lines.extend(change_lines(change, diff, style, (i == 0).then_some(outcome)));
    }
    if item.changes.is_empty() {
        lines.push(plain_line(outcome, item, style));
    }
    if verbose >= 2 && item.result != crate::value::Value::Null {
        let json = serde_json::to_string(&crate::value::to_json(&item.result)).unwrap_or_default();
        lines.push(style.grey(&format!("      {json}")));
    }
    lines
}

/// A task without recorded changes: a program that ran, a message, something unknown.
fn plain_line(outcome: &TaskOutcome, item: &ItemOutcome, style: Style) -> String {
    let label = item.label.as_ref().map(|l| format!(" ({})", shorten(l, 60))).unwrap_or_default();
    let name = format!("{}{label}", outcome.name);
    let place = style.grey(&outcome.origin.to_string());
    let (sign, text) = match item.status {
        Status::Changed => {
            let what = item.message.as_ref().map(|text| format!("  {}", shorten(text, 120))).unwrap_or_default();
            (style.yellow("!"), format!("{:<9} {name}{what}", kind_of(outcome)))
        }
        Status::Unknown => {
            let why = item.message.as_deref().unwrap_or("its result is known after apply");
            (style.cyan("?"), format!("{:<9} {name}  {}", kind_of(outcome), style.cyan(why)))
        }
        Status::Skipped => (style.grey("-"), style.grey(&format!("skipped   {name}"))),
        Status::Failed => (style.red("✗"), name),
        Status::Ok => (style.green("="), format!("{:<9} {name}", kind_of(outcome))),
    };
    format!("  {sign} {text}  {place}{}", because(outcome))
}

fn because(outcome: &TaskOutcome) -> String {
    match outcome.because.as_slice() {
        [] => String::new(),
        tasks => format!("  because of {}", tasks.iter().map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join(" and ")),
    }
}

fn kind_of(outcome: &TaskOutcome) -> &str {
    let module: &str = &outcome.module;
    module.rsplit('.').next().unwrap_or(module)
}

fn change_lines(change: &Change, diff: bool, style: Style, first_of: Option<&TaskOutcome>) -> Vec<String> {
    let sign = match change.action {
        Action::Add => style.green("+"),
        Action::Remove => style.red("-"),
        Action::Modify => style.yellow("~"),
        Action::Run => style.yellow("!"),
    };
    let place = first_of.map(|outcome| format!("  {}{}", style.grey(&outcome.origin.to_string()), because(outcome)));
    let summary = summary(change);
    let head = match change.action {
        Action::Run => {
            let verb = change.properties.first().map_or("", |(_, _, after)| after.as_str());
            format!("{verb:<9} {}", change.subject)
        }
        _ => format!("{:<9} {}{summary}", change.kind, change.subject),
    };
    let mut lines = vec![format!("  {sign} {head}{}", place.unwrap_or_default())];
    if let Some(text) = change.diff.as_ref().filter(|_| diff) {
        lines.extend(diff_lines(text, style));
    }
    lines
}

/// Properties in one line: new ones by their value, changed ones as before → after.
fn summary(change: &Change) -> String {
    let parts: Vec<String> = change
        .properties
        .iter()
        .map(|(name, before, after)| match (change.action, before.is_empty()) {
            (Action::Add, _) if name == "version" || name == "mode" || name == "owner" || name == "group" => {
                after.clone()
            }
            (_, true) => format!("{name} {after}"),
            _ => format!("{name} {before} → {after}"),
        })
        .filter(|part| !part.trim().is_empty())
        .collect();
    if parts.is_empty() { String::new() } else { format!("  {}", parts.join(" ")) }
}

/// The hunks of a unified diff, without the names of its sides.
fn diff_lines(text: &str, style: Style) -> Vec<String> {
    const MOST: usize = 400;
    let body: Vec<&str> =
        text.lines().filter(|l| !l.starts_with("--- before") && !l.starts_with("+++ after")).collect();
    let paint = |line: &&str| match line.as_bytes().first() {
        Some(b'+') => style.green(line),
        Some(b'-') => style.red(line),
        Some(b'@') => style.cyan(line),
        _ => (*line).to_owned(),
    };
    let mut lines: Vec<String> = body.iter().take(MOST).map(|line| format!("        {}", paint(line))).collect();
    if body.len() > MOST {
        lines.push(style.grey(&format!("        … {} more lines (--output json has all)", body.len() - MOST)));
    }
    lines
}

/// Cuts a text to so many characters.
pub fn shorten(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= most {
        line.to_owned()
    } else {
        format!("{}…", line.chars().take(most).collect::<String>())
    }
}
