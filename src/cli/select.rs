//! Which hosts a play is for: its patterns, `--limit`, and the order it asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::CliError;
use super::project::ProjectArgs;
use crate::compile::Project;
use crate::diagnostic::{Code, Diagnostic};
use crate::fleet::History;
use crate::inventory::{Pattern, PatternError};
use crate::parse::Play;
use crate::source::Span;
use crate::value::Value;
use crate::variables::Layer;
use crate::yaml::Node;

/// The hosts of a play, within the limit.
///
/// # Errors
/// Where the limit is wrong; a pattern that matches nothing is given back as what it is.
pub fn select(
    project: &Project,
    play: &Play,
    args: &ProjectArgs,
    local: bool,
) -> Result<Result<Vec<Arc<str>>, Diagnostic>, CliError> {
    let Some(pattern) = patterns(project, &play.hosts) else { return Ok(Ok(Vec::new())) };
    if local && args.inventory.is_empty() {
        return Ok(Ok(project.inventory.get().hosts.keys().cloned().collect()));
    }
    let mut hosts = match pattern.map_or(Ok(Vec::new()), |pattern| pattern.hosts(&project.inventory.get())) {
        Ok(hosts) => hosts,
        Err(error) => {
            let help = match &error {
                PatternError::Unknown { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
                PatternError::BadRegex(_) => None,
                _ => Some("see `cfg inventory --graph` for the hosts and groups there are".to_owned()),
            };
            let at = place_of(&play.hosts, error.part()).unwrap_or(play.hosts.span);
            let report = Diagnostic::error(Code::NoHostsMatched, error.to_string()).at(at, "");
            return Ok(Err(report.help_opt(help)));
        }
    };
    if let Some(limit) = &args.limit {
        let limit = limited(project, limit)?;
        hosts.retain(|host| limit.allows(host));
    }
    let order = play.keywords.get(crate::parse::Keyword::Order);
    let order = order.and_then(|node| evaluate_early(project, node, "order")).map(|order| order.to_string());
    match order.as_deref() {
        Some("reverse_inventory") => hosts.reverse(),
        Some("sorted") => hosts.sort(),
        Some("reverse_sorted") => {
            hosts.sort();
            hosts.reverse();
        }
        Some("shuffle") => crate::template::shuffled(&mut hosts),
        _ => {}
    }
    Ok(Ok(hosts))
}

/// Where a part of a pattern stands in `hosts`.
fn place_of(hosts: &Node, part: &str) -> Option<Span> {
    let items = hosts.as_list().unwrap_or(std::slice::from_ref(hosts));
    let separates = |c: char| matches!(c, ',' | ':' | '!' | '&' | '[' | '~') || c.is_whitespace();
    items.iter().find_map(|item| {
        let scalar = item.as_scalar()?;
        let is_whole = |at: &usize| {
            let (before, after) =
                (scalar.text.get(..*at).unwrap_or(""), scalar.text.get(at + part.len()..).unwrap_or(""));
            (before.is_empty() || before.ends_with(separates)) && (after.is_empty() || after.starts_with(separates))
        };
        let at = scalar.text.match_indices(part).map(|(at, _)| at).find(is_whole)?;
        let start = scalar.place(at, item.span.start);
        Some(Span { start, end: start + part.len() as u32, ..item.span })
    })
}

/// What `hosts` comes to: nothing where a mistake was reported, and no pattern where an expression gives an empty list.
fn patterns(project: &Project, node: &Node) -> Option<Option<Pattern>> {
    let mistake = |message: String, at: &Node| {
        let report = Diagnostic::error(Code::WrongShape, message).at(at.span, "");
        project.files.report(report.help("`hosts` is a pattern such as `web:!old`, or a list of patterns"));
        None
    };
    let mut texts = Vec::new();
    for item in node.as_list().unwrap_or(std::slice::from_ref(node)) {
        let values = match evaluate_early(project, item, "hosts")? {
            // Only an expression that is all of `hosts` may come to a list.
            Value::List(items) if node.as_list().is_none() => items.to_vec(),
            value => vec![value],
        };
        for value in values {
            match value {
                Value::Str(text) if !text.trim().is_empty() => texts.push(text.to_string()),
                Value::Str(_) | Value::Null => return mistake("`hosts` is empty".to_owned(), item),
                Value::Int(number) => texts.push(number.to_string()),
                other => return mistake(format!("a pattern of `hosts` is a text, not {}", other.type_name()), item),
            }
        }
    }
    if texts.is_empty() && node.as_list().is_some() {
        return mistake("`hosts` is empty".to_owned(), node);
    }
    Some((!texts.is_empty()).then(|| Pattern::parse(&texts.join(","))))
}

/// What has to be known before any host is: it may name extra variables.
pub fn evaluate_early(project: &Project, node: &Node, what: &str) -> Option<Value> {
    if !node.text().is_some_and(|text| text.contains("{{")) {
        return Some(node.to_value());
    }
    struct Extra(Arc<Layer>);
    impl crate::template::Bindings for Extra {
        fn binding(&self, name: &str) -> Option<crate::template::Term> {
            self.0.get(name).map(|d| d.term.clone())
        }
        fn names(&self) -> BTreeSet<String> {
            self.0.entries.keys().map(ToString::to_string).collect()
        }

        fn condition(&self, _text: &str) -> Option<crate::template::Term> {
            None
        }
    }
    let ignore = |_| {};
    let files = &project.files;
    let term = crate::variables::Terms { sources: &files.sources, vault: &files.vault, report: &ignore }.term(node);
    let scope = crate::template::TermScope::new(project.engine.clone(), Arc::new(Extra(project.extra.clone())));
    match scope.evaluate(&term) {
        Ok(value) => Some(value),
        Err(error) => {
            let names = project.extra.entries.keys().map(ToString::to_string).collect();
            let report = crate::compile::mistake_of(&error, &names, files, node.span);
            files.report(report.note(format!("`{what}` can use variables given with -e only")));
            None
        }
    }
}

/// What `--limit` comes to.
pub enum Limit {
    /// It says nothing, as `--limit ,` does.
    Open,
    /// The files it names are empty: nothing is left to do.
    Nothing,
    /// The hosts it allows.
    Hosts(Vec<Arc<str>>),
}

impl Limit {
    fn allows(&self, host: &Arc<str>) -> bool {
        match self {
            Self::Open => true,
            Self::Nothing => false,
            Self::Hosts(hosts) => hosts.contains(host),
        }
    }
}

/// The hosts a limit allows.
///
/// # Errors
/// Where it names nothing of the inventory.
pub fn limited(project: &Project, limit: &str) -> Result<Limit, CliError> {
    let parts: Vec<&str> = limit.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let texts = parts.iter().map(|part| part.strip_prefix('@').map_or_else(|| Ok((*part).to_owned()), referred));
    let text = texts.collect::<Result<Vec<_>, _>>()?.join(",");
    if text.trim_matches(',').is_empty() {
        return Ok(if parts.is_empty() { Limit::Open } else { Limit::Nothing });
    }
    Pattern::parse(&text).hosts(&project.inventory.get()).map(Limit::Hosts).map_err(|error| {
        let help = match &error {
            PatternError::Unknown { nearest: Some(name), .. } => format!("did you mean `{name}`?"),
            _ => "see `cfg inventory --graph` for the hosts and groups there are".to_owned(),
        };
        CliError::new(format!("--limit: {error}"), help)
    })
}

/// What `@FILE` or `@RUN` stands for: the lines of a file, or hosts of an earlier run.
fn referred(reference: &str) -> Result<String, CliError> {
    let path = crate::source::expanded(reference);
    if path.is_file() {
        let text = std::fs::read_to_string(&path)
            .map_err(|e| CliError::Message(format!("--limit: cannot read {}: {e}", path.display()), None))?;
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
        return Ok(lines.join(","));
    }
    if path.is_dir() {
        return Err(CliError::new(
            format!("--limit: {} must be a file, and is a directory", path.display()),
            "name a file with a host, group or pattern on each line",
        ));
    }
    let hosts = History::default().hosts(reference);
    let hosts = hosts.ok_or_else(|| {
        CliError::new(format!("there is no run or file `{reference}`"), "a run says its id at its end")
    })?;
    if hosts.is_empty() {
        return Err(CliError::new(
            format!("the run `{reference}` left no such hosts"),
            "there is nothing to go on with",
        ));
    }
    Ok(hosts.join(","))
}
