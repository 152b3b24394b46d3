//! `password`: a password that is made once and kept in a file of the controller.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::options::Options;
use super::{Ask, Outcome, fail};
use crate::template::{EvalError, Lookup, password_hash, random_text};
use crate::value::Value;

pub const OPTIONS: &[&str] = &["length", "chars", "encrypt", "seed", "ident"];

pub(super) fn password(ask: &Ask<'_>) -> Outcome {
    let mut results = Vec::new();
    for term in &ask.call.terms {
        let options = Options::of(term, ask, OPTIONS)?;
        if options.key.is_empty() {
            return fail("the lookup `password` needs the path of a file");
        }
        // Two hosts must not make the same password twice.
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(password) = one(ask, &options)? else {
            ask.reach.log.want(ask.call);
            return Ok(Lookup::Unknown);
        };
        ask.reach.project.redactor.add(&password);
        results.push(Value::from(password));
    }
    Ok(Lookup::Results(results))
}

/// The password of one file; `None` where it would have to be written in a plan.
fn one(ask: &Ask<'_>, options: &Options) -> Result<Option<String>, EvalError> {
    let path = place(ask, &options.key);
    let kept = path != Path::new("/dev/null");
    let known = if kept { std::fs::read_to_string(&path).ok() } else { None };
    let changed = known.is_none();
    let mut entry = known.as_deref().map(Entry::read).unwrap_or_default();
    if changed {
        entry.password = made(options)?;
    }
    let Some(encrypt) = options.get("encrypt").map(Value::to_string).filter(|name| !name.is_empty()) else {
        return settle(ask, &path, &entry, kept && changed).map(|kept| kept.then_some(entry.password));
    };
    let mut unsalted = entry.salt.is_none();
    let salt = entry.salt.clone().unwrap_or_else(|| random_text(16, SALT, options.get("seed")));
    entry.salt = Some(salt.clone());
    let ident = options.get("ident").map(Value::to_string).or_else(|| entry.ident.clone());
    unsalted |= ident != entry.ident;
    entry.ident = ident;
    if !settle(ask, &path, &entry, kept && (changed || unsalted))? {
        return Ok(None);
    }
    ask.reach.project.redactor.add(&entry.password);
    password_hash(&entry.password, &encrypt, &salt).map(Some).map_err(EvalError::failed)
}

/// Writes the file where it has to be; says whether that may be done.
fn settle(ask: &Ask<'_>, path: &Path, entry: &Entry, write: bool) -> Result<bool, EvalError> {
    if write && ask.reach.project.plan {
        return Ok(false);
    }
    if write {
        let written = entry.write(path);
        written.map_err(|error| EvalError::failed(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(true)
}

fn place(ask: &Ask<'_>, name: &str) -> PathBuf {
    let path = crate::source::expanded(name);
    // The directory of the playbook comes last in the search.
    match ask.reach.search.last() {
        Some(base) if path.is_relative() => base.join(path),
        _ => path,
    }
}

const SALT: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./";

fn made(options: &Options) -> Result<String, EvalError> {
    let chars = match options.get("chars") {
        Some(Value::List(items)) => items.iter().map(ToString::to_string).collect(),
        Some(other) => classes(&other.to_string()),
        None => ["ascii_letters", "digits", ".,:-_"].map(str::to_owned).to_vec(),
    };
    let mut letters = String::new();
    for class in chars {
        letters.push_str(&class_of(&class));
    }
    if letters.is_empty() {
        return fail("the option `chars` names no character");
    }
    Ok(random_text(options.number("length", 20)?.min(10_000), &letters, options.get("seed")))
}

/// `ascii_letters,digits`; `,,` stands for a comma.
fn classes(text: &str) -> Vec<String> {
    let comma = text.contains(",,").then(|| ",".to_owned());
    let text = text.replace(",,", ",");
    text.split(',').filter(|class| !class.is_empty()).map(str::to_owned).chain(comma).collect()
}

/// The characters of a class of Python's `string`; any other text stands for itself.
fn class_of(name: &str) -> String {
    let (lower, upper, digits) = ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789");
    match name {
        "ascii_letters" => format!("{lower}{upper}"),
        "ascii_lowercase" => lower.to_owned(),
        "ascii_uppercase" => upper.to_owned(),
        "digits" => digits.to_owned(),
        "hexdigits" => format!("{digits}abcdefABCDEF"),
        "octdigits" => "01234567".to_owned(),
        "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_owned(),
        other => other.replace(['"', '\''], ""),
    }
}

/// What a file of a password holds: `password salt=… ident=…`.
#[derive(Debug, Default)]
struct Entry {
    password: String,
    salt: Option<String>,
    ident: Option<String>,
}

impl Entry {
    fn read(text: &str) -> Self {
        let text = text.trim_end_matches(['\n', '\r']);
        let (text, ident) = text.rsplit_once(" ident=").map_or((text, None), |(text, ident)| (text, Some(ident)));
        let (password, salt) = text.rsplit_once(" salt=").map_or((text, None), |(text, salt)| (text, Some(salt)));
        Self { password: password.to_owned(), salt: salt.map(str::to_owned), ident: ident.map(str::to_owned) }
    }

    /// Writes the file beside its place and moves it there; nobody else may read it.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(dir) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let part = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(" {name}={value}")).unwrap_or_default()
        };
        let text = format!("{}{}{}\n", self.password, part("salt", &self.salt), part("ident", &self.ident));
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".cfg-{}", std::process::id()));
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    }
}
