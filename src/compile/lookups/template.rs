//! The lookup `template`, and how a template file says it wants to be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Ask, Outcome, fail};
use crate::parse::Files;
use crate::source::{Origin, display_path};
use crate::template::{EvalError, FileOptions, Layout, Loader, Lookup, Shape, Template, TermScope};
use crate::value::{Value, parse_bool};

pub const OPTIONS: &[&str] = &[
    "convert_data",
    "jinja2_native",
    "template_vars",
    "variable_start_string",
    "variable_end_string",
    "block_start_string",
    "block_end_string",
    "comment_start_string",
    "comment_end_string",
    "trim_blocks",
    "lstrip_blocks",
    "newline_sequence",
    "keep_trailing_newline",
];

/// Templates that render templates; deeper than this they do so for ever.
const DEEP: usize = 12;

thread_local! {
    static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

pub(super) fn template(ask: &Ask<'_>) -> Outcome {
    if DEPTH.get() >= DEEP {
        return fail("templates that are looked up look each other up without end");
    }
    DEPTH.set(DEPTH.get() + 1);
    let result = all(ask);
    DEPTH.set(DEPTH.get() - 1);
    result
}

fn all(ask: &Ask<'_>) -> Outcome {
    let mut results = Vec::new();
    for name in ask.texts() {
        let Some(path) = ask.reach.find(&name, "templates") else {
            return fail(format!("the template file {name} could not be found for the lookup"));
        };
        let text = ask.reach.read_text(&path.to_string_lossy(), "templates")?;
        let rendered = render(ask, &path, &text)?;
        if rendered.has_unknown() {
            ask.reach.log.want(ask.call);
            return Ok(Lookup::Unknown);
        }
        // A template that renders to nothing gives nothing.
        results.push(if rendered.as_str() == Some("") { Value::Null } else { rendered });
    }
    Ok(Lookup::Results(results))
}

fn render(ask: &Ask<'_>, path: &Path, text: &str) -> Result<Value, EvalError> {
    let mut options = FileOptions::default();
    for (name, value) in &ask.call.options {
        if !matches!(name.as_ref(), "convert_data" | "jinja2_native" | "template_vars" | "wantlist" | "errors") {
            set_option(&mut options, name, &value.to_string()).map_err(EvalError::failed)?;
        }
    }
    let (body, line) = header(text, &mut options).map_err(EvalError::failed)?;
    let origin = Origin { file: display_path(path), line, col: 1 };
    let template = Template { text: Arc::from(body), shape: Shape::Text, origin, layout: Layout::default() };
    let mut names = ask.names.clone();
    names.locals.extend(template_variables(path, None));
    if let Some(own) = ask.option("template_vars").and_then(Value::as_map) {
        names.locals.extend(own.iter().map(|(name, value)| (name.to_string(), value.clone())));
    }
    let (loader, _) = loader(path, &ask.reach.search);
    let engine = ask.reach.project.engine.clone();
    let scope: Arc<dyn crate::template::Scope> = TermScope::new(engine.clone(), Arc::new(names));
    let rendered = engine.render_file(&template, &options, loader, &scope);
    rendered.map_err(|error| located(error, path, &ask.reach.search, &ask.reach.project.files))
}

/// A failure in a template, or in one it includes, at a place in a file that can be shown.
pub fn located(error: EvalError, path: &Path, search: &[PathBuf], files: &Files) -> EvalError {
    let Some((origin, length)) = &error.place else { return error };
    if origin.file == display_path(path) {
        files.text(path, None);
        return error;
    }
    let named = |dir: &PathBuf| dir.join(origin.file.as_ref());
    let Some(found) = places(path, search).iter().map(named).find(|path| path.is_file()) else { return error };
    files.text(&found, None);
    let origin = Origin { file: display_path(&found), ..origin.clone() };
    EvalError { place: Some((origin, *length)), ..error }
}

fn places(path: &Path, search: &[PathBuf]) -> Vec<PathBuf> {
    let beside = path.parent().map(Path::to_path_buf).into_iter();
    beside.chain(search.iter().flat_map(|dir| [dir.join("templates"), dir.clone()])).collect()
}

/// What a loader has handed out, by name.
pub type Included = Arc<Mutex<BTreeMap<String, String>>>;

/// What a template includes or imports: beside it, and wherever templates are looked for.
pub fn loader(path: &Path, search: &[PathBuf]) -> (Loader, Included) {
    let places = places(path, search);
    let included = Included::default();
    let seen = included.clone();
    let load = move |name: &str| {
        let text = places.iter().find_map(|dir| std::fs::read_to_string(dir.join(name)).ok())?;
        seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(name.to_owned(), text.clone());
        Some(text)
    };
    (Arc::new(load), included)
}

/// Loads what a text includes, imports or extends by a literal name, and what those do.
pub fn load_all(text: &str, loader: &Loader) {
    let mut open = literal_names(text);
    let mut seen: Vec<String> = Vec::new();
    while let Some(name) = open.pop() {
        if !seen.contains(&name) {
            open.extend(loader(&name).map(|text| literal_names(&text)).unwrap_or_default());
            seen.push(name);
        }
    }
}

fn literal_names(text: &str) -> Vec<String> {
    let words = ["include", "import", "extends", "from"];
    let name = |(at, word): (usize, &str)| {
        let rest = text.get(at + word.len()..)?.trim_start().trim_start_matches(['[', '(']);
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        Some(rest.get(1..)?.split(quote).next()?.to_owned())
    };
    words.iter().flat_map(|word| text.match_indices(word)).filter_map(name).collect()
}

/// Reads the `#jinja2:` header of a template, which wins over what was asked for. Gives the rest, and its first line.
///
/// # Errors
/// Where the header says something that does not exist.
pub fn header<'t>(text: &'t str, options: &mut FileOptions) -> Result<(&'t str, u32), String> {
    let Some(rest) = text.strip_prefix("#jinja2:") else { return Ok((text, 1)) };
    let (header, body) = rest.split_once('\n').unwrap_or((rest, ""));
    for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once(':') else {
            return Err(format!("Missing key-value separator `:` in the #jinja2: header: `{pair}`"));
        };
        set_option(options, name.trim(), literal(value.trim()))?;
    }
    Ok((body, 2))
}

/// A literal of Python: quotes do not belong to a text.
fn literal(text: &str) -> &str {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    quote.and_then(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}

/// Sets one option of a template by its name in Jinja.
///
/// # Errors
/// Where there is no such option, or it does not take the value.
pub fn set_option(options: &mut FileOptions, name: &str, value: &str) -> Result<(), String> {
    let flag = || parse_bool(value).ok_or_else(|| format!("`{name}` of a template is a boolean, not `{value}`"));
    let marker =
        || if value.is_empty() { Err(format!("`{name}` of a template cannot be empty")) } else { Ok(value.to_owned()) };
    match name {
        "trim_blocks" => options.trim_blocks = flag()?,
        "lstrip_blocks" => options.lstrip_blocks = flag()?,
        "keep_trailing_newline" => options.keep_trailing_newline = flag()?,
        "newline_sequence" => {
            options.newline = match value {
                "\n" | "\\n" => "\n",
                "\r" | "\\r" => "\r",
                "\r\n" | "\\r\\n" => "\r\n",
                _ => return Err("newline_sequence needs to be one of: \\n, \\r or \\r\\n".to_owned()),
            }
            .to_owned();
        }
        "variable_start_string" => options.variable.0 = marker()?,
        "variable_end_string" => options.variable.1 = marker()?,
        "block_start_string" => options.block.0 = marker()?,
        "block_end_string" => options.block.1 = marker()?,
        "comment_start_string" => options.comment.0 = marker()?,
        "comment_end_string" => options.comment.1 = marker()?,
        "line_statement_prefix" => options.line_statement = Some(marker()?),
        "line_comment_prefix" => options.line_comment = Some(marker()?),
        _ => return Err(format!("`{name}` is not an option of a template that cfg has")),
    }
    Ok(())
}

/// `template_path` and its kin.
pub fn template_variables(path: &Path, dest: Option<&str>) -> Vec<(String, Value)> {
    use std::os::unix::fs::MetadataExt as _;
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let text = |p: &Path| Value::str(p.to_string_lossy());
    let meta = full.metadata().ok();
    let date = |moment: jiff::Timestamp| {
        let zoned = moment.to_zoned_datetime(jiff::tz::TimeZone::system());
        Value::from(zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
    };
    let changed = meta.as_ref().and_then(|meta| jiff::Timestamp::new(meta.mtime(), 0).ok());
    let owner = meta.as_ref().map(|meta| owner_name(meta.uid()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut variables: Vec<(String, Value)> = vec![
        ("template_path".into(), text(path)),
        ("template_fullpath".into(), text(&full)),
        ("template_host".into(), Value::str(host.trim())),
        ("template_run_date".into(), date(jiff::Timestamp::now())),
    ];
    variables.extend(owner.map(|owner| ("template_uid".into(), owner)));
    variables.extend(changed.map(|changed| ("template_mtime".into(), date(changed))));
    variables.extend(dest.map(|dest| ("template_destpath".into(), Value::str(dest))));
    variables
}

/// The name of an account of the controller, or its number.
fn owner_name(uid: u32) -> Value {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let id = uid.to_string();
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| Value::str(name))
    });
    found.unwrap_or_else(|| Value::from(uid))
}
