//! What the engine's own formatting of text does not check: `'{:>9}'.format(…)` and `'%(name)s' | format(…)`.

use minijinja::{Error, State};

use super::filters::call::fail;

/// The most a field may be padded to. The formatting of numbers that the engine uses ends the program above that.
const WIDEST: u64 = 65_535;

/// Checks the fields of `.format()`: their widths are paid for before anything is padded.
pub fn check_braces(state: &State<'_, '_>, text: &str) -> Result<(), Error> {
    let mut rest = text;
    while let Some((_, field)) = rest.split_once('{') {
        rest = field.strip_prefix('{').unwrap_or(field);
        if rest.len() < field.len() {
            continue;
        }
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
            let Some(key) = rest.strip_prefix('[') else { break };
            rest = skip_key(key, ']', "{0[key]}")?;
        }
        if let Some(spec) = rest.strip_prefix(':') {
            state.consume_fuel(width(spec)? / 64)?;
        }
    }
    Ok(())
}

/// Checks the names and the widths in `%(name)20s`.
pub fn check_percents(text: &str) -> Result<(), Error> {
    let mut rest = text;
    while let Some((_, field)) = rest.split_once('%') {
        let field = match field.strip_prefix('(') {
            Some(key) => skip_key(key, ')', "%(name)s")?,
            None => field,
        };
        let end = field.find(|c: char| !c.is_ascii_digit() && !" #+-.*".contains(c)).unwrap_or(field.len());
        let (spec, behind) = field.split_at(end);
        if spec.contains('*') {
            return Err(fail("a width of `*` is not supported: write the number".to_owned()));
        }
        widths(spec, "%")?;
        rest = behind.strip_prefix('%').unwrap_or(behind);
    }
    Ok(())
}

/// What is behind a key. The engine goes through one byte by byte, and stops in the middle of a character.
fn skip_key<'t>(text: &'t str, end: char, shown: &str) -> Result<&'t str, Error> {
    let (key, rest) = text.split_once(end).unwrap_or((text, ""));
    if key.is_ascii() { Ok(rest) } else { Err(fail(format!("the key in `{shown}` is made of ASCII characters only"))) }
}

/// The width and the precision in `*>20.3f`.
fn width(spec: &str) -> Result<u64, Error> {
    let mut fill = spec.chars();
    let spec = match (fill.next(), fill.next()) {
        (Some(_), Some('<' | '>' | '^')) => fill.as_str(),
        _ => spec,
    };
    widths(spec.split_once('}').map_or(spec, |(spec, _)| spec), ".format()")
}

/// The sum of the numbers in a field.
fn widths(spec: &str, what: &str) -> Result<u64, Error> {
    let numbers = spec.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    numbers.map(|digits| digits.parse().unwrap_or(u64::MAX)).try_fold(0, |all, number: u64| {
        if number > WIDEST {
            return Err(fail(format!("`{what}` pads to {WIDEST} characters at most")));
        }
        Ok(all + number)
    })
}
