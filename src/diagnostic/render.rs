//! Diagnostics as text with excerpts, drawn by annotate-snippets as rustc and cargo do.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Label, Severity};
use crate::source::{FileId, SourceMap};

/// Renders one diagnostic, with a final newline.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let id = diagnostic.code.to_string();
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(id.as_str()));
    let files = files_in_order(&diagnostic.labels);
    let opened: Vec<_> = files.iter().map(|id| (*id, sources.file(*id))).collect();
    let shown: Vec<_> = opened.iter().map(|(_, file)| file.shown()).collect();
    for ((id, file), text) in opened.iter().zip(&shown) {
        let labels = diagnostic.labels.iter().enumerate().filter(|(_, label)| label.span.file == *id);
        let annotations = labels.map(|(i, label)| {
            let kind = if i == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let range = visible_range(&file.text, label);
            let text = (!label.text.is_empty()).then_some(label.text.as_str());
            kind.span(range).label(text)
        });
        group =
            group.element(Snippet::source(text.as_ref()).path(file.name.as_ref()).fold(true).annotations(annotations));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.decor_style(DecorStyle::Ascii).term_width(120).render(&[group]).to_string();
    text.push('\n');
    text
}

/// When mistakes were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Before anything happened.
    BeforeTheRun,
    /// With what hosts have said: those the mistakes are about stopped before them.
    WithTheHosts,
}

/// The last line of a failed load: how many mistakes, and what that meant.
pub fn summary(diagnostics: &[Diagnostic], sources: &SourceMap, found: Found) -> String {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let files = sources.len();
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let meant = match found {
        Found::BeforeTheRun => "no host was contacted",
        Found::WithTheHosts => "found during the run; the hosts it is about stopped there",
    };
    format!("error: {errors} mistake{} in {files} file{}; {meant}.", plural(errors), plural(files))
}

fn files_in_order(labels: &[Label]) -> Vec<FileId> {
    let mut files = Vec::new();
    for label in labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    files
}

/// Clamps a span into its text and keeps a long one to its first line, so that an excerpt never shows a whole file.
fn visible_range(text: &str, label: &Label) -> std::ops::Range<usize> {
    let boundary = |mut i: usize| {
        i = i.min(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let start = boundary(label.span.start as usize);
    let end = boundary(label.span.end as usize).max(start);
    let line_end = text.get(start..end).and_then(|part| part.find('\n')).map_or(end, |i| start + i);
    start..line_end
}
