//! The evaluator: minijinja set up to mean what Ansible's Jinja2 means.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Value as Jinja};
use minijinja::{Environment, Error, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::blame::{self, Loaded, LoadedText, Texts};
use super::convert::{from_jinja, placed, to_jinja};
use super::error::EvalError;
use super::lexer::{self, Place};
use super::open::Open;
use super::percent;
use super::scope::Scope;
use super::subscripts::chainable;
use super::term::{Shape, Template, Term};
use super::{filters, globals, lookup, methods, mutable, native, tests, trace, weight};
use crate::value::Value;

/// Bounds the work and memory one evaluation may take: about 20 million steps, 1.2 GB at the very most.
const FUEL: u64 = 20_000_000;

thread_local! {
    static SCOPES: RefCell<Vec<Arc<dyn Scope>>> = const { RefCell::new(Vec::new()) };
}

/// The scope of the evaluation that is running on this thread.
pub(super) fn current_scope() -> Option<Arc<dyn Scope>> {
    SCOPES.with_borrow(|scopes| scopes.last().cloned())
}

/// How a template file wants to be read: the `#jinja2:` header and the parameters of the `template` module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOptions {
    /// Remove the newline after a block tag.
    pub trim_blocks: bool,
    /// Remove white space before a block tag.
    pub lstrip_blocks: bool,
    /// `{{`, `}}`
    pub variable: (String, String),
    /// `{%`, `%}`
    pub block: (String, String),
    /// `{#`, `#}`
    pub comment: (String, String),
    /// The newline at the very end of the file stays.
    pub keep_trailing_newline: bool,
    /// What lines end with.
    pub newline: String,
    /// What makes a line a statement.
    pub line_statement: Option<String>,
    /// What makes the rest of a line a comment.
    pub line_comment: Option<String>,
}

impl FileOptions {
    /// Where expressions are in a file.
    fn place(&self) -> Place<'_> {
        fn pair(pair: &(String, String)) -> (&str, &str) {
            (&pair.0, &pair.1)
        }
        Place::Between { pairs: [pair(&self.variable), pair(&self.block)], comment: pair(&self.comment) }
    }
}

impl Default for FileOptions {
    fn default() -> Self {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        Self {
            trim_blocks: true,
            lstrip_blocks: false,
            variable: pair("{{", "}}"),
            block: pair("{%", "%}"),
            comment: pair("{#", "#}"),
            keep_trailing_newline: true,
            newline: "\n".to_owned(),
            line_statement: None,
            line_comment: None,
        }
    }
}

/// Finds the text of a template that another one includes or imports.
pub type Loader = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Evaluates terms and renders template files. One for a process; it holds no variables.
pub struct Engine {
    env: Environment<'static>,
    globals: BTreeSet<String>,
}

impl Default for Engine {
    fn default() -> Self {
        Self::with_fuel(FUEL)
    }
}

impl Engine {
    /// An engine whose evaluations may do so much. For fuzzing: what fuel does not bound shows itself sooner with less.
    #[doc(hidden)]
    pub fn with_fuel(fuel: u64) -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_debug(false);
        env.set_fuel(Some(fuel));
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build() {
            env.set_syntax(syntax);
        }
        env.set_unknown_method_callback(methods::call);
        env.set_formatter(native::format);
        filters::register(&mut env);
        tests::register(&mut env);
        lookup::register(&mut env);
        globals::register(&mut env);
        percent::register(&mut env);
        filters::register_prefixed(&mut env);
        let globals = env.globals().map(|(name, _)| name.to_owned()).collect();
        Self { env, globals }
    }

    /// Evaluates a term. The result holds [`Value::Unknown`] where it depends on something unknown.
    ///
    /// # Errors
    /// Where an expression is not valid, uses something undefined, or fails.
    pub fn evaluate(&self, term: &Term, scope: &Arc<dyn Scope>) -> Result<Value, EvalError> {
        match term {
            Term::Value(value) => Ok(value.clone()),
            Term::Failed(error) => Err(error.as_ref().clone()),
            Term::Template(template) => self.evaluate_template(template, scope),
            Term::List(items) => {
                let values: Result<Vec<_>, _> = items.iter().map(|item| self.evaluate(item, scope)).collect();
                // An omitted item is not there, as in Ansible.
                Ok(Value::list(values?.into_iter().filter(|value| *value != Value::Omit)))
            }
            Term::Map(entries) => {
                let mut map = crate::value::Map::new();
                for (key, value) in entries.iter() {
                    let key = self.evaluate(key, scope)?;
                    if key.has_unknown() {
                        return Ok(Value::Unknown);
                    }
                    let (key, value) = (key.to_string(), self.evaluate(value, scope)?);
                    if value != Value::Omit {
                        map.insert(Arc::from(key), value);
                    }
                }
                Ok(Value::from(map))
            }
        }
    }

    /// Evaluates one template.
    ///
    /// # Errors
    /// As [`Engine::evaluate`].
    pub fn evaluate_template(&self, template: &Template, scope: &Arc<dyn Scope>) -> Result<Value, EvalError> {
        let place = place_of(template);
        let text = chainable(&template.text, &place);
        let (text, insertions) = rewritten(&text, &place, ("{%", "%}"));
        let texts = Texts::of(template, &insertions);
        self.run(template, &texts, scope, || match template.shape {
            Shape::Expression | Shape::Line | Shape::Condition => {
                self.env.compile_expression(&text)?.eval(self.context(scope, OwnNames::default()))
            }
            Shape::Text => native::render(|| {
                self.env.render_named_str(
                    &template.origin.file,
                    &text,
                    self.context(scope, OwnNames::of(&template.text, &place)),
                )
            }),
        })
        .and_then(|value| match (value, template.shape) {
            (Value::Str(text), Shape::Line) => Ok(Value::from(format!("{text}\n"))),
            (Value::Str(text), Shape::Text) => Ok(Value::Str(with_last_newlines(text, &template.text))),
            (Value::Str(text), Shape::Condition) => {
                self.evaluate(&condition_of(template, &text, scope.as_ref())?, scope)
            }
            (other, _) => Ok(other),
        })
    }

    /// Renders the text of a template file.
    ///
    /// # Errors
    /// As [`Engine::evaluate`].
    pub fn render_file(
        &self,
        template: &Template,
        options: &FileOptions,
        loader: Loader,
        scope: &Arc<dyn Scope>,
    ) -> Result<Value, EvalError> {
        let mut env = self.env.clone();
        let pair = |p: &(String, String)| (p.0.clone(), p.1.clone());
        let (vo, vc) = pair(&options.variable);
        let (bo, bc) = pair(&options.block);
        let (co, cc) = pair(&options.comment);
        let mut builder = SyntaxConfig::builder();
        builder
            .variable_delimiters(vo, vc)
            .block_delimiters(bo, bc)
            .comment_delimiters(co, cc)
            .trim_blocks(options.trim_blocks)
            .lstrip_blocks(options.lstrip_blocks)
            .keep_trailing_newline(options.keep_trailing_newline);
        if let Some(prefix) = &options.line_statement {
            builder.line_statement_prefix(prefix.clone());
        }
        if let Some(prefix) = &options.line_comment {
            builder.line_comment_prefix(prefix.clone());
        }
        env.set_syntax(builder.build().map_err(|e| EvalError::failed(e.to_string()))?);
        let (newline, included) = (options.newline.clone(), options.clone());
        let loaded = Loaded::default();
        let seen = loaded.clone();
        let own = OwnNames::with_included(&template.text, &options.place());
        let of_all = own.clone();
        env.set_loader(move |name| {
            // An included template loses the newline at its end, as in Jinja.
            let cut = |text: String| {
                text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t).to_owned()).unwrap_or(text)
            };
            let Some(text) = loader(name) else { return Ok(None) };
            let whole = cut(text);
            of_all.add(&whole, &included.place());
            let whole = chainable(&whole, &included.place());
            let whole = with_newlines(&whole, &newline);
            let (replaced, insertions) = percent::replaced(&whole, &included.place());
            let replaced = replaced.into_owned();
            let known = LoadedText { name: name.to_owned(), text: whole.into_owned(), insertions };
            seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(known);
            Ok(Some(replaced))
        });
        // As Ansible does: the last newline of the file is not part of the template, and the result ends in as many as
        // the file at least.
        let text = chainable(template.text.strip_suffix('\n').unwrap_or(&template.text), &options.place());
        let text = with_newlines(&text, &options.newline);
        let (text, insertions) = rewritten(&text, &options.place(), (&options.block.0, &options.block.1));
        let texts =
            Texts { insertions: &insertions, marks: vec![pair(&options.variable), pair(&options.block)], loaded };
        let value = self.run(template, &texts, scope, || {
            env.render_named_str(&template.origin.file, &text, self.context(scope, own)).map(Jinja::from)
        })?;
        Ok(match value {
            // What writes nothing at all, like a lone comment, has no last line to end either.
            Value::Str(text) if text.is_empty() && !template.text.contains(&options.variable.0) => Value::Str(text),
            Value::Str(text) => Value::Str(with_last_newlines(text, &template.text)),
            other => other,
        })
    }

    /// Says whether a name is a function of the engine itself.
    pub fn is_global(&self, name: &str) -> bool {
        self.globals.contains(name)
    }

    /// The names a template uses that it does not set itself.
    pub fn names_in(&self, template: &Template) -> BTreeSet<String> {
        let text = chainable(&template.text, &place_of(template));
        let names = match template.shape {
            Shape::Expression | Shape::Line | Shape::Condition => {
                self.env.compile_expression(&text).map(|e| e.undeclared_variables(false))
            }
            Shape::Text => self.env.template_from_str(&text).map(|t| t.undeclared_variables(false)),
        };
        names.unwrap_or_default().into_iter().filter(|name| !self.globals.contains(name)).collect()
    }

    /// Checks that a template is valid Jinja, without evaluating it.
    ///
    /// # Errors
    /// Where it is not.
    pub fn check(&self, template: &Template) -> Result<(), EvalError> {
        let text = chainable(&template.text, &place_of(template));
        let result = match template.shape {
            Shape::Expression | Shape::Line | Shape::Condition => self.env.compile_expression(&text).map(drop),
            Shape::Text => self.env.template_from_str(&text).map(drop),
        };
        result.map_err(|error| blame::error(template, &Texts::of(template, &Vec::new()), &error))
    }

    fn context(&self, scope: &Arc<dyn Scope>, own: OwnNames) -> Jinja {
        Jinja::from_object(Context { scope: scope.clone(), globals: self.globals.clone(), own })
    }

    fn run(
        &self,
        template: &Template,
        texts: &Texts<'_>,
        scope: &Arc<dyn Scope>,
        work: impl FnOnce() -> Result<Jinja, Error>,
    ) -> Result<Value, EvalError> {
        SCOPES.with_borrow_mut(|scopes| scopes.push(scope.clone()));
        // A value that is too large is refused before anybody goes through it.
        let weighed = |value: Value| weight::of(&value).map(|_| value);
        let work = || work().map(|value| (value.is_undefined(), weighed(from_jinja(&value))));
        let (result, outcome) = trace::traced(|| weight::limited(self.env.fuel().unwrap_or(FUEL), work));
        SCOPES.with_borrow_mut(Vec::pop);
        if outcome.unknown {
            return Ok(Value::Unknown);
        }
        if let Some((path, error)) = outcome.missing {
            return Err(blame::missing(template, texts, &path, error, scope.as_ref()));
        }
        if let Some(failure) = outcome.failure {
            return Err(blame::lookup(template, texts, failure, result.as_ref().err()));
        }
        match result {
            Ok((false, Some(value))) => Ok(value),
            Ok((false, None)) => Err(EvalError::failed(weight::REFUSED).in_template(template, None)),
            Ok((true, _)) => {
                let path = template.text.trim();
                Err(EvalError::undefined(path).in_template(template, None))
            }
            Err(error) => Err(blame::error(template, texts, &error)),
        }
    }
}

/// The names of every filter and test, for suggestions and documentation.
pub fn filter_names() -> Vec<String> {
    let mut names: Vec<String> = filters::NAMES.iter().chain(filters::TESTS).map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

/// The root of an evaluation: asks the scope for each name.
struct Context {
    scope: Arc<dyn Scope>,
    globals: BTreeSet<String>,
    own: OwnNames,
}

/// The names templates with macros define. A macro asks for all it names where it stands; what is defined further down, or the
/// macro itself, is not missing then. Nothing for an expression, and for a text without macros.
#[derive(Clone, Default)]
struct OwnNames(Option<Arc<Mutex<BTreeSet<String>>>>);

impl OwnNames {
    /// Those of a text alone.
    fn of(text: &str, place: &Place<'_>) -> Self {
        let own = if text.contains("macro") { Self(Some(Arc::default())) } else { Self(None) };
        own.add(text, place);
        own
    }

    /// Those of a text, and of the ones it includes.
    fn with_included(text: &str, place: &Place<'_>) -> Self {
        let own = Self(Some(Arc::default()));
        own.add(text, place);
        own
    }

    fn add(&self, text: &str, place: &Place<'_>) {
        let Some(names) = self.0.as_ref().filter(|_| text.contains("macro")) else { return };
        let mut names = names.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for region in lexer::regions(text, place) {
            let tokens = lexer::tokens(text, region);
            let written = |token: &lexer::Token| text.get(token.at.clone()).unwrap_or("");
            let named = tokens.windows(2).filter_map(|pair| match pair {
                [word, name] if matches!(written(word), "macro" | "set") => Some(written(name).to_owned()),
                _ => None,
            });
            names.extend(named);
        }
    }

    fn contains(&self, name: &str) -> bool {
        let has = |names: &Arc<Mutex<BTreeSet<String>>>| {
            names.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).contains(name)
        };
        self.0.as_ref().is_some_and(has)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("variables")
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        if let Some(term) = self.scope.open(name) {
            let (scope, path) = (self.scope.clone(), Arc::from(name));
            return Some(Jinja::from_object(Open { scope, path, term }));
        }
        match self.scope.get(name) {
            Ok(Some(value)) => Some(placed(&value, || Some(Arc::from(name)))),
            Ok(None) if name == "vars" => Some(Jinja::from_object(globals::AllVariables(self.scope.clone()))),
            Ok(None) if name == "omit" => Some(to_jinja(&Value::Omit)),
            Ok(None) if self.globals.contains(name) || self.own.contains(name) => None,
            Ok(None) => Some(trace::missing(name.to_owned(), None)),
            Err(error) => Some(trace::unavailable(name, error)),
        }
    }
}

/// What a text says that a condition in markers came to. Only what the project holds is an expression.
pub(super) fn condition_of(template: &Template, text: &str, scope: &dyn Scope) -> Result<Term, EvalError> {
    match text.trim() {
        "true" | "True" => return Ok(Term::Value(Value::Bool(true))),
        "false" | "False" => return Ok(Term::Value(Value::Bool(false))),
        _ => {}
    }
    scope.condition(text).ok_or_else(|| {
        let help =
            "only what is written in the project can be a condition: compare it, or use `| bool` or `| length > 0`";
        let error = EvalError::failed(format!("this condition comes to the text `{}`, which is data", beginning(text)));
        EvalError { help: Some(help.to_owned()), ..error.in_template(template, None) }
    })
}

/// The beginning of a text that is shown in a message.
fn beginning(text: &str) -> String {
    const MOST: usize = 60;
    let line = text.trim().lines().next().unwrap_or("");
    let shown: String = line.chars().take(MOST).collect();
    if shown.len() < text.trim().len() { format!("{shown}…") } else { shown }
}

/// Where expressions are in a template that is no file.
fn place_of(template: &Template) -> Place<'static> {
    if template.shape == Shape::Text { Place::JINJA } else { Place::Everywhere }
}

/// The result of a template with as many newlines at its end as that has, at least.
fn with_last_newlines(text: Arc<str>, template: &str) -> Arc<str> {
    let newlines = |text: &str| text.len() - text.trim_end_matches('\n').len();
    match newlines(template).saturating_sub(newlines(&text)) {
        0 => text,
        missing => Arc::from(format!("{text}{}", "\n".repeat(missing))),
    }
}

/// A template as the engine is to read it, and what was put into it for that.
fn rewritten(text: &str, place: &Place<'_>, block: (&str, &str)) -> (String, mutable::Insertions) {
    let (text, first) = mutable::wrapped(text, block.0, block.1);
    let (text, second) = percent::replaced(&text, place);
    (text.into_owned(), percent::both(first, &second))
}

/// Text with its lines ended as wanted, whatever they ended with.
fn with_newlines<'t>(text: &'t str, newline: &str) -> std::borrow::Cow<'t, str> {
    if newline == "\n" && !text.contains('\r') {
        return std::borrow::Cow::Borrowed(text);
    }
    let plain = text.replace("\r\n", "\n").replace('\r', "\n");
    std::borrow::Cow::Owned(if newline == "\n" { plain } else { plain.replace('\n', newline) })
}
