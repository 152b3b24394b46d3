//! Methods of Python's text, lists and mappings that templates call and the engine's own set lacks.

use minijinja::value::{Value as Jinja, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::filters::call::fail;
use super::{formats, mutable};

/// Called for a method the value itself does not have.
pub fn call(state: &mut State<'_, '_>, value: &Jinja, method: &str, args: &[Jinja]) -> Result<Jinja, Error> {
    let found = match value.kind() {
        ValueKind::String => text_method(state, value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Seq | ValueKind::Iterable => list_method(value, method, args)?,
        ValueKind::Map if method == "copy" => Some(value.clone()),
        ValueKind::Number if method == "total_seconds" => Some(value.clone()),
        _ => None,
    };
    if let Some(found) = found {
        return Ok(found);
    }
    match minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args) {
        Err(error) if error.kind() == ErrorKind::UnknownMethod => {
            let is_collection = matches!(value.kind(), ValueKind::Seq | ValueKind::Map);
            Err(mutable::refusal(method).filter(|_| is_collection && !has_entry(value, method)).unwrap_or(error))
        }
        other => other,
    }
}

/// A mapping may hold something under the name of a method.
fn has_entry(value: &Jinja, name: &str) -> bool {
    value.kind() == ValueKind::Map && value.get_item(&Jinja::from(name)).is_ok_and(|found| !found.is_undefined())
}

fn list_method(value: &Jinja, method: &str, args: &[Jinja]) -> Result<Option<Jinja>, Error> {
    Ok(match (method, args.first()) {
        ("copy", _) => Some(value.clone()),
        ("index", Some(item)) => {
            let at = value.try_iter()?.position(|known| known == *item);
            Some(Jinja::from(at.ok_or_else(|| fail(format!("{item} is not in list")))?))
        }
        _ => None,
    })
}

/// The most a method pads a text to.
const WIDEST: usize = 1_000_000;

fn text_method(state: &State<'_, '_>, text: &str, method: &str, args: &[Jinja]) -> Result<Option<Jinja>, Error> {
    let arg = |n: usize| args.get(n).map(ToString::to_string);
    let width = || args.first().and_then(Jinja::as_usize).unwrap_or(0).min(WIDEST);
    let missing = text.chars().count();
    let pad = |n: usize| -> Result<String, Error> {
        state.consume_fuel((n / 64) as u64)?;
        Ok(arg(1).unwrap_or_else(|| " ".into()).chars().next().unwrap_or(' ').to_string().repeat(n))
    };
    let free = width().saturating_sub(missing);
    Ok(Some(match method {
        "partition" | "rpartition" => {
            let separator = arg(0).unwrap_or_default();
            if separator.is_empty() {
                return Err(fail("empty separator"));
            }
            let found = if method == "partition" { text.split_once(&separator) } else { text.rsplit_once(&separator) };
            let parts = match found {
                Some((head, tail)) => [head, separator.as_str(), tail],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Jinja::from(parts.map(Jinja::from).to_vec())
        }
        "rsplit" => rsplit(text, arg(0).filter(|_| args.first().is_some_and(|a| !a.is_none())), args.get(1))?,
        // The engine's own, once it may.
        "format" => {
            formats::check_braces(state, text)?;
            return Ok(None);
        }
        "zfill" => {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            Jinja::from(format!("{sign}{}{digits}", "0".repeat(free)))
        }
        "ljust" => Jinja::from(format!("{text}{}", pad(free)?)),
        "rjust" => Jinja::from(format!("{}{text}", pad(free)?)),
        "center" => {
            let left = free / 2 + (free & width() & 1);
            Jinja::from(format!("{}{text}{}", pad(left)?, pad(free - left)?))
        }
        "swapcase" => {
            let swap = |c: char| -> String {
                if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
            };
            Jinja::from(text.chars().map(swap).collect::<String>())
        }
        "casefold" => Jinja::from(text.to_lowercase().replace('ß', "ss")),
        "removeprefix" => Jinja::from(text.strip_prefix(&arg(0).unwrap_or_default()).unwrap_or(text)),
        "removesuffix" => Jinja::from(text.strip_suffix(&arg(0).unwrap_or_default()).unwrap_or(text)),
        "isspace" => Jinja::from(!text.is_empty() && text.chars().all(char::is_whitespace)),
        "isdecimal" => Jinja::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        "istitle" => {
            Jinja::from(!text.is_empty() && super::filters::title(text) == text && text != text.to_lowercase())
        }
        "isidentifier" => Jinja::from(
            !text.is_empty()
                && !text.starts_with(|c: char| c.is_numeric())
                && text.chars().all(|c| c.is_alphanumeric() || c == '_'),
        ),
        "index" | "rindex" => {
            let wanted = arg(0).unwrap_or_default();
            let at = if method == "index" { text.find(&wanted) } else { text.rfind(&wanted) };
            let at = at.and_then(|at| text.get(..at)).ok_or_else(|| fail("substring not found"))?;
            Jinja::from(at.chars().count())
        }
        "expandtabs" => {
            Jinja::from(text.replace('\t', &" ".repeat(args.first().and_then(Jinja::as_usize).unwrap_or(8).min(64))))
        }
        // Text is UTF-8 already; what follows is a digest or a filter for bytes.
        "encode" | "decode" => match arg(0).map(|name| name.to_lowercase().replace(['-', '_'], "")).as_deref() {
            None | Some("utf8" | "ascii") => Jinja::from(text),
            Some(other) => return Err(fail(format!("`.{method}()` knows utf-8 only, not `{other}`"))),
        },
        _ => return Ok(None),
    }))
}

fn rsplit(text: &str, separator: Option<String>, most: Option<&Jinja>) -> Result<Jinja, Error> {
    let most = most.and_then(Jinja::as_i64).filter(|n| *n >= 0).and_then(|n| usize::try_from(n).ok());
    let mut parts: Vec<String> = match (&separator, most) {
        (Some(separator), _) if separator.is_empty() => return Err(fail("empty separator")),
        (Some(separator), Some(n)) => text.rsplitn(n + 1, separator.as_str()).map(str::to_owned).collect(),
        (Some(separator), None) => text.rsplit(separator.as_str()).map(str::to_owned).collect(),
        (None, None) => text.split_whitespace().rev().map(str::to_owned).collect(),
        (None, Some(n)) => {
            let (mut parts, mut rest) = (Vec::new(), text.trim_end());
            while parts.len() < n && !rest.is_empty() {
                let at = rest
                    .rfind(char::is_whitespace)
                    .map_or(0, |at| at + rest.get(at..).and_then(|r| r.chars().next()).map_or(1, char::len_utf8));
                parts.push(rest.get(at..).unwrap_or("").to_owned());
                rest = rest.get(..at).unwrap_or("").trim_end();
            }
            let rest = if parts.len() < n { rest.trim() } else { rest };
            parts.extend((!rest.is_empty()).then(|| rest.to_owned()));
            parts
        }
    };
    parts.reverse();
    Ok(Jinja::from(parts))
}
