//! Regular expressions in Python's words.

use fancy_regex::{Captures, Regex};
use minijinja::{Environment, Error};

use super::call::{Args, Outcome, add, fail};
use crate::value::Value;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["regex_replace"], replace);
    add(env, &["regex_search"], search);
    add(env, &["regex_findall"], find_all);
    add(env, &["regex_escape"], escape);
}

/// Compiles a Python pattern.
pub fn compile(pattern: &str, args: &Args, ignore_case: bool, multiline: bool) -> Result<Regex, Error> {
    args.spend(cost(pattern))?;
    let flags = match (ignore_case, multiline) {
        (true, true) => "(?im)",
        (true, false) => "(?i)",
        (false, true) => "(?m)",
        (false, false) => "",
    };
    Regex::new(&format!("{flags}{}", translate(pattern, multiline)))
        .map_err(|e| fail(format!("`{pattern}` is not a valid regular expression: {e}")))
}

/// What compiling a pattern may cost: repetitions are written out, those inside of others many times.
fn cost(pattern: &str) -> u64 {
    let counts = pattern.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let most = |inner: &str| inner.split(',').filter_map(|n| n.trim().parse::<u64>().ok()).max();
    let repeated = counts.filter_map(|(inner, _)| most(inner)).fold(1, |all: u64, n| all.saturating_mul(n.max(1)));
    (pattern.len() as u64).saturating_mul(repeated)
}

/// Rewrites what means something else in Rust: braces and brackets that stand for themselves, `\Z`, and `$`, which in
/// Python matches before a last newline too.
fn translate(pattern: &str, multiline: bool) -> String {
    let multiline = multiline || pattern.starts_with("(?m)") || pattern.starts_with("(?im)");
    let mut out = String::with_capacity(pattern.len() + 8);
    let (mut in_class, mut class_start) = (false, 0);
    let mut chars = pattern.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, 'Z')) => out.push_str("\\z"),
                Some((_, next)) => out.extend(['\\', next]),
                None => out.push_str("\\\\"),
            },
            '[' if !in_class => {
                (in_class, class_start) = (true, at + 1);
                out.push('[');
                if chars.next_if(|(_, c)| *c == '^').is_some() {
                    class_start += 1;
                    out.push('^');
                }
            }
            ']' if in_class && at > class_start => {
                in_class = false;
                out.push(']');
            }
            '[' | ']' | '&' | '~' if in_class => out.extend(['\\', c]),
            '{' if !in_class && !is_repetition(pattern.get(at..).unwrap_or_default()) => out.push_str("\\{"),
            '$' if !in_class && !multiline => out.push_str("(?=\\n?\\z)"),
            c => out.push(c),
        }
    }
    out
}

fn is_repetition(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inner, _)| inner);
    inner
        .is_some_and(|inner| !inner.is_empty() && inner != "," && inner.chars().all(|c| c.is_ascii_digit() || c == ','))
}

fn flags(args: &Args, [ignore_case, multiline]: [usize; 2]) -> (bool, bool) {
    (args.flag(ignore_case, "ignorecase"), args.flag(multiline, "multiline"))
}

fn wrong(error: fancy_regex::Error) -> Error {
    fail(format!("the regular expression is too costly: {error}"))
}

fn replace(value: &Value, args: &Args) -> Outcome {
    let text = value.to_string();
    let (ignore, multi) = flags(args, [2, 3]);
    let regex = compile(&args.text(0, "pattern").unwrap_or_default(), args, ignore, multi)?;
    let with = args.text(1, "replacement").unwrap_or_default();
    let count = args.int(4, "count")?.unwrap_or(0);
    let mandatory = args.int(5, "mandatory_count")?.unwrap_or(0);
    let (mut out, mut copied, mut done) = (String::new(), 0, 0);
    let matches = all(&regex, &text, args)?;
    for captures in &matches {
        if count > 0 && done >= count {
            break;
        }
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(text.get(copied..whole.start()).unwrap_or_default());
        let before = out.len();
        expand(&with, captures, &mut out)?;
        args.spend_text(out.len() - before, 1)?;
        copied = whole.end();
        done += 1;
    }
    if mandatory > 0 && mandatory != done {
        return Err(fail(format!("the pattern should match {mandatory} times, but matches {done} times")));
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(out.into())
}

/// Every match, as Python counts them: an empty one may follow a match directly.
fn all<'t>(regex: &Regex, text: &'t str, args: &Args) -> Result<Vec<Captures<'t, str>>, Error> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at <= text.len() {
        args.spend(8)?;
        let Some(captures) = regex.captures_from_pos(text, at).map_err(wrong)? else { break };
        let Some(whole) = captures.get(0) else { break };
        at = whole.end();
        if whole.start() == whole.end() {
            at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        }
        found.push(captures);
    }
    Ok(found)
}

/// Fills in a Python replacement: `\1`, `\g<1>`, `\g<name>`.
fn expand(with: &str, captures: &Captures<'_, str>, out: &mut String) -> Result<(), Error> {
    let mut rest = with;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if let Some(group) = after.get(..digits.min(2)).filter(|g| !g.is_empty()) {
            out.push_str(&group_text(captures, group)?);
            rest = after.get(digits.min(2)..).unwrap_or_default();
        } else if let Some((name, tail)) = after.strip_prefix("g<").and_then(|r| r.split_once('>')) {
            out.push_str(&group_text(captures, name)?);
            rest = tail;
        } else {
            let mut chars = after.chars();
            match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('\\') | None => out.push('\\'),
                Some(c) if c.is_ascii_alphabetic() => return Err(fail(format!("bad escape \\{c} in a replacement"))),
                Some(c) => out.extend(['\\', c]),
            }
            rest = chars.as_str();
        }
    }
    out.push_str(rest);
    Ok(())
}

/// The text of a group; one that took no part in the match is empty.
fn group_text(captures: &Captures<'_, str>, name: &str) -> Result<String, Error> {
    let group = match name.parse::<usize>() {
        Ok(number) if number < captures.len() => captures.get(number),
        Ok(_) => return Err(fail(format!("invalid group reference {name}"))),
        Err(_) => captures.name(name),
    };
    Ok(group.map_or_else(String::new, |m| m.as_str().to_owned()))
}

fn search(value: &Value, args: &Args) -> Outcome {
    let text = value.to_string();
    let (ignore, multi) = flags(args, [usize::MAX, usize::MAX]);
    let regex = compile(&args.need(0, "regex")?.to_string(), args, ignore, multi)?;
    let wanted = args.placed().get(1..).unwrap_or_default();
    let Some(captures) = regex.captures(&text).map_err(wrong)? else { return Ok(Value::Null) };
    if wanted.is_empty() {
        return Ok(Value::from(captures.get(0).map(|m| m.as_str().to_owned())));
    }
    let group = |name: &Value| {
        let name = name.to_string();
        let short = name.strip_prefix("\\g<").and_then(|n| n.strip_suffix('>')).or(name.strip_prefix('\\'));
        let short = short.ok_or_else(|| fail("`regex_search` takes groups as '\\1' or '\\g<name>'"))?;
        let found = short.parse::<usize>().map_or_else(|_| captures.name(short), |n| captures.get(n));
        Ok(Value::from(found.map(|m| m.as_str().to_owned())))
    };
    Ok(Value::from(wanted.iter().map(group).collect::<Result<Vec<_>, Error>>()?))
}

fn find_all(value: &Value, args: &Args) -> Outcome {
    let text = value.to_string();
    let (ignore, multi) = flags(args, [2, 1]);
    let regex = compile(&args.need(0, "regex")?.to_string(), args, ignore, multi)?;
    let one = |captures: Captures<'_, str>| {
        let group = |n: usize| Value::str(captures.get(n).map_or("", |m| m.as_str()));
        match captures.len() {
            0 | 1 => group(0),
            2 => group(1),
            groups => Value::list((1..groups).map(group)),
        }
    };
    Ok(Value::list(all(&regex, &text, args)?.into_iter().map(one)))
}

fn escape(value: &Value, args: &Args) -> Outcome {
    let special = match args.text(0, "re_type").as_deref() {
        None | Some("python") => "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}",
        Some("posix_basic") => "[].^$*\\",
        Some(other) => return Err(fail(format!("`regex_escape` knows python and posix_basic, not `{other}`"))),
    };
    let mut out = String::new();
    for c in value.to_string().chars() {
        if special.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(out.into())
}
