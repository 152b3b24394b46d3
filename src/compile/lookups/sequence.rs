//! `sequence`: numbers, as text.

use super::{Ask, Outcome, fail};
use crate::template::{EvalError, Lookup};
use crate::value::{Map, Value};

/// The most numbers a sequence has.
const MOST: i64 = 1_000_000;

pub(super) fn sequence(ask: &Ask<'_>) -> Outcome {
    let mut results = Vec::new();
    for term in &ask.call.terms {
        results.extend(one(&term.to_string(), &ask.call.options)?);
    }
    let asked = ask.call.options.keys().any(|name| !matches!(name.as_ref(), "wantlist" | "errors"));
    if ask.call.terms.is_empty() && asked {
        results.extend(one("", &ask.call.options)?);
    }
    Ok(Lookup::Results(results))
}

/// `start=1 end=5 stride=2 format=%02d`, `count=5`, or the short form `[start-]end[/stride][:format]`.
pub(super) fn one(text: &str, options: &Map) -> Result<Vec<Value>, EvalError> {
    let mut given = options.clone();
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [word] = words.as_slice()
        && !word.contains('=')
    {
        short(word, &mut given)?;
    } else {
        for word in words {
            let known = ["start", "end", "stride", "count", "format"];
            match word.split_once('=').filter(|(key, _)| known.contains(key)) {
                Some((key, value)) => drop(given.insert(key.into(), Value::str(value))),
                None => return fail(format!("unrecognized arguments to with_sequence: `{word}`")),
            }
        }
    }
    numbers(&given)
}

fn short(word: &str, given: &mut Map) -> Result<(), EvalError> {
    let (rest, format) = word.split_once(':').map_or((word, None), |(rest, format)| (rest, Some(format)));
    let (rest, stride) = rest.split_once('/').map_or((rest, None), |(rest, stride)| (rest, Some(stride)));
    // A sign stands at the front of a number; the bar between two numbers follows a digit.
    let bar = rest.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at);
    let (start, end) = bar.map_or((None, rest), |at| (rest.get(..at), rest.get(at + 1..).unwrap_or("")));
    for (name, value) in [("start", start), ("end", Some(end)), ("stride", stride)] {
        if let Some(value) = value {
            if number(value).is_none() {
                return fail(format!("`{name}` of `{word}` has an invalid value: can't parse '{value}' as integer"));
            }
            given.insert(name.into(), Value::str(value));
        }
    }
    if let Some(format) = format {
        given.insert("format".into(), Value::str(format));
    }
    Ok(())
}

/// A number as Python reads one with a prefix: `0x1f`, `017`, `-3`.
fn number(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let magnitude = match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(hex), _) => i64::from_str_radix(hex, 16),
        (None, Some(octal)) if !octal.is_empty() => i64::from_str_radix(octal.trim_start_matches('o'), 8),
        _ => digits.parse(),
    };
    magnitude.ok().map(|magnitude| sign * magnitude)
}

fn numbers(given: &Map) -> Result<Vec<Value>, EvalError> {
    let get = |name: &str| -> Result<Option<i64>, EvalError> {
        let Some(value) = given.get(name).filter(|value| **value != Value::Null) else { return Ok(None) };
        match number(&value.to_string()) {
            Some(number) => Ok(Some(number)),
            None => fail(format!("`{name}` has an invalid value: can't parse '{value}' as integer")),
        }
    };
    let (start, stride, count) = (get("start")?.unwrap_or(1), get("stride")?, get("count")?);
    let (end, stride) = match (get("end")?, count) {
        (Some(_), Some(_)) => return fail("can't specify both count and end in with_sequence"),
        (None, None) => return fail("must specify count or end in with_sequence"),
        (None, Some(0)) => return Ok(Vec::new()),
        (None, Some(count)) => {
            let stride = stride.unwrap_or(1);
            // As in Ansible, which counts one too many each way where it counts backwards.
            (start.saturating_add(count.saturating_mul(stride)).saturating_sub(1), stride)
        }
        (Some(end), None) => (end, stride.unwrap_or(1)),
    };
    if stride == 0 {
        return Ok(Vec::new());
    }
    if stride > 0 && end < start {
        return fail("to count backwards make stride negative");
    }
    if stride < 0 && end > start {
        return fail("to count forward don't make stride negative");
    }
    if end.saturating_sub(start).saturating_abs() / stride.saturating_abs() > MOST {
        return fail(format!("this sequence has more than {MOST} numbers"));
    }
    let format = given.get("format").map_or_else(|| "%d".to_owned(), ToString::to_string);
    let mut items = Vec::new();
    let mut i = start;
    while (stride > 0 && i <= end) || (stride < 0 && i >= end) {
        items.push(Value::from(shown(&format, i)?));
        i = i.saturating_add(stride);
    }
    Ok(items)
}

/// The number formats sequences use: `%d`, `%02d`, `%x`, `0x%04x`.
fn shown(format: &str, number: i64) -> Result<String, EvalError> {
    let bad = || format!("bad formatting string: {format}");
    let Some((before, rest)) = format.split_once('%') else { return fail(bad()) };
    let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) else { return fail(bad()) };
    let (spec, after) = rest.split_at(end);
    let left = spec.starts_with('-');
    let digits = spec.trim_start_matches(['-', '+', '0']);
    let width: usize = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| EvalError::failed(bad()))? };
    let text = match after.chars().next() {
        Some('x') => format!("{number:x}"),
        Some('X') => format!("{number:X}"),
        Some('o') => format!("{number:o}"),
        Some('d' | 'i' | 'u' | 's') => number.to_string(),
        _ => return fail(bad()),
    };
    let width = width.min(1000);
    let padded = match (left, spec.starts_with('0')) {
        (true, _) => format!("{text:<width$}"),
        (false, true) => format!("{text:0>width$}"),
        (false, false) => format!("{text:>width$}"),
    };
    Ok(format!("{before}{padded}{}", after.get(1..).unwrap_or("")))
}
