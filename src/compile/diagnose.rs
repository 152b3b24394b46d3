//! From failures of expressions and parameters to diagnostics with a place.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::Files;
use crate::resource::{ParamError, ParamErrorKind};
use crate::source::Span;
use crate::template::{EvalError, Reason};

/// What a failed expression is called in a diagnostic.
pub fn expression(error: &EvalError, names: &BTreeSet<String>, files: &Files, fallback: Span) -> Diagnostic {
    let code = crate::inventory::code_of(&error.reason);
    let span =
        error.place.as_ref().and_then(|(origin, length)| files.sources.span_at(origin, *length)).unwrap_or(fallback);
    let mut report = Diagnostic::error(code, error.message.clone()).at(span, "");
    if let Reason::Undefined(path) = &error.reason {
        let root = path.split(['.', '[']).next().unwrap_or(path);
        report = report.help_opt(did_you_mean(root, names.iter().map(String::as_str)));
    }
    if let Reason::UnknownName(name) = &error.reason {
        let known = crate::template::filter_names();
        report = report.help_opt(did_you_mean(name, known.iter().map(String::as_str)));
    }
    report = report.help_opt(error.help.clone());
    // Where the value itself is what is wrong, the mark is there already.
    let place = error.place.as_ref().map(|(origin, _)| origin);
    for via in error.via.iter().filter(|via| via.origin.as_ref() != place) {
        if let Some(span) = via.origin.as_ref().and_then(|origin| files.sources.span_at(origin, 1)) {
            report = report.at(span, format!("in the value of `{}`", via.name));
        }
    }
    report
}

/// What a wrong argument is called in a diagnostic. `find` gives the spans of an argument's name and value.
pub fn parameter(
    error: &ParamError,
    module: &str,
    task: Span,
    find: impl Fn(&str) -> Option<(Span, Span)>,
) -> Diagnostic {
    let (code, at_value) = match error.kind {
        ParamErrorKind::Missing => (Code::MissingParameter, false),
        ParamErrorKind::Unknown => (Code::UnknownParameter, false),
        ParamErrorKind::Bad => (Code::BadParameter, true),
        ParamErrorKind::Conflict => (Code::ConflictingParameters, false),
    };
    let spans = error.param.as_deref().and_then(&find);
    let span = spans.map_or(task, |(key, value)| if at_value { value } else { key });
    let (message, help) = error.message.split_once("; did you mean").map_or_else(
        || (error.message.clone(), None),
        |(head, tail)| (head.to_owned(), Some(format!("did you mean{tail}"))),
    );
    let message = match error.kind {
        ParamErrorKind::Bad => format!("`{}` of `{module}`: {message}", error.param.as_deref().unwrap_or("")),
        _ => format!("`{module}`: {message}"),
    };
    let help = help
        .or_else(|| matches!(code, Code::UnknownParameter | Code::MissingParameter).then(|| shows_parameters(module)));
    Diagnostic::error(code, message).at(span, "").help_opt(help)
}

/// Where one learns what a module takes.
pub fn shows_parameters(module: &str) -> String {
    match crate::resource::actions::find(super::modules::short(module)) {
        Some(action) if !action.params.is_empty() => {
            let names: Vec<&str> = action.params.iter().map(|parameter| parameter.name).collect();
            let more = if action.is_open { ", and variables by their names" } else { "" };
            format!("it takes {}{more}", names.join(", "))
        }
        _ => format!("`cfg doc {module}` shows the parameters"),
    }
}
