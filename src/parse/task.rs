//! Tasks and blocks.

use std::sync::Arc;

use super::args::{self, TaskArgs};
use super::keywords::{Keyword, Keywords, levels, unknown};
use super::shapes::Shape;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, did_you_mean};
use crate::source::Span;
use crate::yaml::{Entry, Kind, Node, Scalar, Style, Tag};

/// An entry of a list of tasks.
#[derive(Clone, Debug)]
pub enum Item {
    /// A task.
    Task(Arc<Task>),
    /// A block.
    Block(Arc<Block>),
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The whole of it.
    pub span: Span,
    /// The module, as it was written.
    pub module: Arc<str>,
    /// Where the module's name stands.
    pub module_span: Span,
    /// Its arguments.
    pub args: TaskArgs,
    /// Its keywords.
    pub keywords: Keywords,
    /// `with_*`: the lookup's name, where it stands, its terms.
    pub with: Option<(Arc<str>, Span, Node)>,
}

impl Task {
    /// Says whether it has a loop.
    pub fn is_looped(&self) -> bool {
        self.keywords.get(Keyword::Loop).is_some() || self.with.is_some()
    }
}

/// A block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The whole of it.
    pub span: Span,
    /// Its keywords.
    pub keywords: Keywords,
    /// `with_*`: the lookup's name, where it stands, its terms.
    pub with: Option<(Arc<str>, Span, Node)>,
    /// The tasks.
    pub body: Vec<Item>,
    /// Run when one of the body failed.
    pub rescue: Vec<Item>,
    /// Run in any case.
    pub always: Vec<Item>,
}

/// Modules whose text is a command line or a name, not pairs.
pub fn is_free_form(module: &str) -> bool {
    let short = module.rsplit('.').next().unwrap_or(module);
    matches!(short, "command" | "shell" | "raw" | "script" | "meta" | "win_command" | "win_shell")
}

/// Reads a list of tasks and blocks.
pub fn parse_items(node: &Node, diagnostics: &mut Diagnostics) -> Vec<Item> {
    match &node.kind {
        Kind::List(items) => items.iter().filter_map(|item| parse_item(item, diagnostics)).collect(),
        _ if node.is_null() => Vec::new(),
        _ => {
            let message = format!("expected a list of tasks, found {}", node.type_name());
            diagnostics.push(Diagnostic::error(Code::WrongShape, message).at(node.span, "each task starts with `- `"));
            Vec::new()
        }
    }
}

fn parse_item(node: &Node, diagnostics: &mut Diagnostics) -> Option<Item> {
    let Some(entries) = node.as_map() else {
        if !node.is_null() {
            let message = format!("expected a task, found {}", node.type_name());
            diagnostics.push(Diagnostic::error(Code::WrongShape, message).at(node.span, "a task is a mapping"));
        }
        return None;
    };
    if node.get("block").is_some() {
        Some(Item::Block(Arc::new(parse_block(node, entries, diagnostics))))
    } else {
        parse_task(node, entries, diagnostics).map(|task| Item::Task(Arc::new(task)))
    }
}

fn parse_block(node: &Node, entries: &[Entry], diagnostics: &mut Diagnostics) -> Block {
    let mut block = Block {
        span: node.span,
        keywords: Keywords::default(),
        with: None,
        body: Vec::new(),
        rescue: Vec::new(),
        always: Vec::new(),
    };
    for entry in entries {
        match entry.key.as_ref() {
            "block" => block.body = parse_items(&entry.value, diagnostics),
            "rescue" => block.rescue = parse_items(&entry.value, diagnostics),
            "always" => block.always = parse_items(&entry.value, diagnostics),
            _ if block.keywords.take(entry, levels::BLOCK, diagnostics) => {}
            key if key.starts_with("with_") => {
                let lookup = key.trim_start_matches("with_");
                block.with = Some((Arc::from(lookup), entry.key_span, entry.value.clone()));
            }
            _ => unknown(entry, levels::BLOCK, "a block", &[], diagnostics),
        }
    }
    check_loop(&block.keywords, block.with.as_ref().map(|(_, span, _)| *span), diagnostics);
    block
}

fn parse_task(node: &Node, entries: &[Entry], diagnostics: &mut Diagnostics) -> Option<Task> {
    let mut keywords = Keywords::default();
    let mut with = None;
    let mut modules: Vec<&Entry> = Vec::new();
    for entry in entries {
        if keywords.take(entry, levels::TASK, diagnostics) {
            continue;
        }
        if let Some(lookup) = entry.key.strip_prefix("with_") {
            if let Some((_, first, _)) = &with {
                two_loops(entry.key_span, *first, diagnostics);
            }
            with = Some((Arc::from(lookup), entry.key_span, entry.value.clone()));
            continue;
        }
        modules.push(entry);
    }
    check_loop(&keywords, with.as_ref().map(|(_, span, _): &(Arc<str>, Span, Node)| *span), diagnostics);
    if let Some(action) = keywords.get(Keyword::Action).or_else(|| keywords.get(Keyword::LocalAction)).cloned() {
        let twice = keywords.span(Keyword::Action).zip(keywords.span(Keyword::LocalAction));
        if let Some((action, local)) = twice {
            two_modules((local, action), diagnostics);
        }
        check_beside(&keywords, &modules, diagnostics);
        return old_form(node, &action, keywords, with, diagnostics);
    }
    let module = pick_module(node, &modules, diagnostics)?;
    let free_form = is_free_form(&module.key);
    if !free_form {
        check_arguments(&module.value, diagnostics);
    }
    if let Some(more) = keywords.get(Keyword::Args) {
        check_arguments(more, diagnostics);
    }
    let args = with_more(TaskArgs::parse(&module.value, free_form), &keywords);
    Some(Task { span: node.span, module: module.key.clone(), module_span: module.key_span, args, keywords, with })
}

/// Beside `action` stand keywords only.
fn check_beside(keywords: &Keywords, others: &[&Entry], diagnostics: &mut Diagnostics) {
    let action = keywords.span(Keyword::Action).or_else(|| keywords.span(Keyword::LocalAction));
    for entry in others {
        match action.filter(|_| crate::compile::is_module(&entry.key)) {
            Some(action) => two_modules((entry.key_span, action), diagnostics),
            None => unknown(entry, levels::TASK, "a task", &[], diagnostics),
        }
    }
}

fn two_modules((second, first): (Span, Span), diagnostics: &mut Diagnostics) {
    let report = Diagnostic::error(Code::TwoModules, "this task names two modules");
    let report = report.at(second, "this is one").at(first, "and this is one");
    diagnostics.push(report.help("make two tasks of it; check the indentation"));
}

/// The arguments of a task are a mapping, or text.
fn check_arguments(node: &Node, diagnostics: &mut Diagnostics) {
    if node.as_list().is_some() {
        let message = "the arguments of a task are a mapping; found a list";
        diagnostics
            .push(Diagnostic::error(Code::WrongShape, message).at(node.span, "").help("write each as `name: value`"));
    }
}

fn no_module(at: Span, diagnostics: &mut Diagnostics) {
    let report = Diagnostic::error(Code::NoModule, "this task names no module");
    diagnostics.push(report.at(at, "a task says what to do: `copy:`, `service:`, …"));
}

/// The arguments with those of the keyword `args`.
fn with_more(mut args: TaskArgs, keywords: &Keywords) -> TaskArgs {
    match keywords.get(Keyword::Args) {
        Some(more) if more.as_map().is_some() => {
            let new: Vec<Entry> =
                more.as_map().into_iter().flatten().filter(|e| args.get(&e.key).is_none()).cloned().collect();
            args.named.extend(new);
        }
        // A mapping that comes out of an expression.
        Some(more) if args.free.is_none() && more.text().is_some() => args.free = Some(more.clone()),
        _ => {}
    }
    args
}

/// Two loops on one task, and words `loop_control` does not know.
fn check_loop(keywords: &Keywords, with: Option<Span>, diagnostics: &mut Diagnostics) {
    if let (Some(first), Some(second)) = (keywords.span(Keyword::Loop), with) {
        two_loops(second, first, diagnostics);
    }
    let known = ["loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"];
    for entry in keywords.get(Keyword::LoopControl).and_then(Node::as_map).unwrap_or_default() {
        if !known.contains(&entry.key.as_ref()) {
            let report = Diagnostic::error(Code::UnknownKeyword, format!("`loop_control` has no `{}`", entry.key));
            let help = did_you_mean(&entry.key, known).unwrap_or_else(|| format!("it has {}", known.join(", ")));
            diagnostics.push(report.at(entry.key_span, "").help(help));
        }
        let shape = match entry.key.as_ref() {
            "pause" => Shape::Number,
            "extended" | "extended_allitems" => Shape::Flag,
            "loop_var" | "index_var" if entry.value.text().is_none_or(|text| !text.contains("{{")) => Shape::Variable,
            "label" => Shape::Text,
            _ => Shape::Other,
        };
        if !shape.fits(&entry.value) {
            diagnostics.push(shape.report(&entry.key, entry.value.type_name(), entry.value.span));
        }
    }
}

fn two_loops(second: Span, first: Span, diagnostics: &mut Diagnostics) {
    let report = Diagnostic::error(Code::ConflictingParameters, "this task has two loops");
    diagnostics.push(report.at(second, "this is one").at(first, "and this is one"));
}

/// Of the keys that are no keywords, the one that is a module.
fn pick_module<'a>(node: &Node, modules: &[&'a Entry], diagnostics: &mut Diagnostics) -> Option<&'a Entry> {
    let known = |entry: &&&Entry| crate::compile::is_module(&entry.key);
    match modules {
        [] => {
            let start = Span { end: node.span.start + 1, ..node.span };
            no_module(start, diagnostics);
            None
        }
        [one] => Some(one),
        many => {
            let real: Vec<&&Entry> = many.iter().filter(known).collect();
            match real.as_slice() {
                [one] => {
                    for entry in many.iter().filter(|e| !std::ptr::eq(**e, **one)) {
                        unknown(entry, levels::TASK, "a task", &[], diagnostics);
                    }
                    Some(one)
                }
                [first, second, ..] => {
                    two_modules((second.key_span, first.key_span), diagnostics);
                    None
                }
                [] => {
                    let (first, rest) = many.split_first()?;
                    for entry in rest {
                        unknown(entry, levels::TASK, "a task", &[], diagnostics);
                    }
                    Some(first)
                }
            }
        }
    }
}

/// `action: module k=v` and `action: { module: …, … }`; `local_action` delegates to the controller.
fn old_form(
    node: &Node,
    action: &Node,
    mut keywords: Keywords,
    with: Option<(Arc<str>, Span, Node)>,
    diagnostics: &mut Diagnostics,
) -> Option<Task> {
    if let Some(span) = keywords.span(Keyword::LocalAction) {
        let entry = Entry { key: Arc::from("delegate_to"), key_span: span, value: word("localhost", span) };
        keywords.take(&entry, levels::TASK, diagnostics);
    }
    let module_span;
    let (module, args): (Arc<str>, TaskArgs) = match &action.kind {
        Kind::Map(entries) => {
            let named = entries.iter().find(|e| e.key.as_ref() == "module").map(|e| &e.value);
            let Some((module, span)) = named.and_then(|name| Some((name.text()?, name.span))) else {
                no_module(Span { end: action.span.start + 1, ..action.span }, diagnostics);
                return None;
            };
            module_span = span;
            // The arguments stand beside the name, or below `args`.
            let own = |e: &&Entry| !matches!(e.key.as_ref(), "module" | "args");
            let below = action.get("args").and_then(Node::as_map).unwrap_or_default();
            let named = entries.iter().filter(own).chain(below).cloned().collect();
            (Arc::from(module), TaskArgs { named, free: None })
        }
        Kind::Scalar(scalar) => {
            let text = scalar.text.trim();
            // The name may be an expression with spaces in it.
            let name = if text.starts_with("{{") { text.find("}}").map_or(0, |end| end + 2) } else { 0 };
            let end =
                text.get(name..).and_then(|rest| rest.find(char::is_whitespace)).map_or(text.len(), |at| name + at);
            let (module, rest) = (text.get(..end).unwrap_or(text), text.get(end..).unwrap_or_default().trim_start());
            let lead = scalar.text.len() - scalar.text.trim_start().len();
            let behind = lead + text.len() - rest.len();
            let rest = args::part(action, scalar, behind..behind + rest.len(), rest, Tag::None);
            module_span = args::part(action, scalar, lead..lead + module.len(), module, Tag::None).span;
            (Arc::from(module), TaskArgs::parse(&rest, is_free_form(module)))
        }
        Kind::List(_) => {
            let message = "an action is a mapping with `module`, or text; found a list";
            diagnostics.push(Diagnostic::error(Code::WrongShape, message).at(action.span, ""));
            return None;
        }
    };
    if module.is_empty() {
        no_module(keywords.span(Keyword::Action).unwrap_or(action.span), diagnostics);
        return None;
    }
    let args = with_more(args, &keywords);
    Some(Task { span: node.span, module, module_span, args, keywords, with })
}

fn word(text: &str, span: Span) -> Node {
    Node { span, kind: Kind::Scalar(Scalar::new(text, Style::Plain, Tag::None)) }
}
