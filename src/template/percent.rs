//! `'%s-%s' % (a, b)`: the operator, which fills in text in Python and in the engine knows numbers only.
//!
//! In the source, `a % b` becomes `a |__cfg_percent(b)` where that means the same: a filter binds more tightly than the
//! operator, so what is to the left of it must be one operand, not a product or something with a sign.

use std::borrow::Cow;

use minijinja::value::{ArgType as _, Rest, Value as Jinja, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::convert::{from_jinja, to_jinja};
use super::filters::call::{fail, is_undefined};
use super::lexer::{Kind, Place, Token, regions, tokens};
use super::mutable::Insertions;
use super::{formats, trace};
use crate::value::Value;

/// The filter in place of the operator.
pub const ONE: &str = "__cfg_percent";

/// The same where several values stand in parentheses to the right.
pub const SEVERAL: &str = "__cfg_percents";

/// Registers the filters.
pub fn register(env: &mut Environment<'static>) {
    env.add_filter(ONE, |state: &mut State<'_, '_>, left: &Jinja, right: Jinja| percent(state, left, &[right]));
    env.add_filter(SEVERAL, |state: &mut State<'_, '_>, left: &Jinja, right: Jinja| {
        percent(state, left, &right.try_iter()?.collect::<Vec<_>>())
    });
}

fn percent(state: &mut State<'_, '_>, left: &Jinja, right: &[Jinja]) -> Result<Jinja, Error> {
    if is_undefined(left) {
        return Ok(left.clone());
    }
    let (value, with) = (from_jinja(left), right.iter().map(from_jinja).collect::<Vec<_>>());
    trace::check()?;
    if value.has_unknown() || with.iter().any(Value::has_unknown) {
        return Ok(trace::unknown());
    }
    match (&value, with.as_slice()) {
        (Value::Str(text), _) => {
            formats::check_percents(text)?;
            let right = right.iter().map(|item| ValueOrKwargs::from_value(Some(item))).collect::<Result<_, _>>()?;
            minijinja::filters::format(state, left, Rest(right))
        }
        (left, [right]) => remainder(left, right).map(|value| to_jinja(&value)),
        (left, _) => Err(unsupported(left, "tuple")),
    }
}

/// As Python has it: with the sign of what is divided by.
fn remainder(left: &Value, right: &Value) -> Result<Value, Error> {
    let whole = |value: &Value| match value {
        Value::Int(n) => Some(*n),
        Value::Bool(yes) => Some(i64::from(*yes)),
        _ => None,
    };
    let real = |value: &Value| match value {
        Value::Float(x) => Some(*x),
        other => whole(other).map(|n| n as f64),
    };
    let by_zero = || fail(format!("unable to calculate {left} % 0"));
    match (whole(left), whole(right), real(left), real(right)) {
        (Some(_), Some(0), ..) => Err(by_zero()),
        (Some(a), Some(b), ..) => {
            let rest = a.wrapping_rem(b);
            Ok(Value::Int(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }))
        }
        (.., Some(_), Some(0.0)) => Err(by_zero()),
        (.., Some(a), Some(b)) => Ok(Value::Float(a - b * (a / b).floor())),
        _ => Err(unsupported(left, right.type_name())),
    }
}

fn unsupported(left: &Value, right: &str) -> Error {
    fail(format!("tried to use % operator on unsupported types {} and {right}", left.type_name()))
}

/// Replaces the operator in the expressions of a text, and says what was put in.
pub fn replaced<'t>(text: &'t str, place: &Place<'_>) -> (Cow<'t, str>, Insertions) {
    let mut edits: Vec<(usize, String)> = Vec::new();
    if text.contains('%') {
        for region in regions(text, place) {
            edit(text, &tokens(text, region), &mut edits);
        }
    }
    if edits.is_empty() {
        return (Cow::Borrowed(text), Vec::new());
    }
    edits.sort_by_key(|(at, _)| *at);
    let (mut out, mut insertions, mut done) = (String::with_capacity(text.len() + 64), Vec::new(), 0);
    for (at, new) in edits {
        out.push_str(text.get(done..at).unwrap_or(""));
        // The operator itself becomes the bar of the filter: of that, only the name is new.
        let instead = usize::from(new.starts_with('|'));
        insertions.push((out.len() + instead, new.len() - instead));
        out.push_str(&new);
        done = at + instead;
    }
    out.push_str(text.get(done..).unwrap_or(""));
    (Cow::Owned(out), insertions)
}

/// The insertions of two passes over a text, as those of one.
pub fn both(first: Insertions, second: &Insertions) -> Insertions {
    let moved = |at: usize| second.iter().fold(at, |at, (place, length)| if *place <= at { at + length } else { at });
    let first: Insertions = first.into_iter().map(|(at, length)| (moved(at), length)).collect();
    first.into_iter().chain(second.iter().copied()).collect()
}

fn edit(text: &str, tokens: &[Token], edits: &mut Vec<(usize, String)>) {
    // For each open bracket: may what comes next be the left side of the operator?
    let mut fresh = vec![true];
    let mut before = None;
    for (i, token) in tokens.iter().enumerate() {
        let after_operand = matches!(before, Some(Kind::Operand | Kind::Close));
        let depth = fresh.len();
        let Some(now) = fresh.last_mut() else { return };
        match token.kind {
            Kind::Open => fresh.push(true),
            Kind::Close if depth > 1 => drop(fresh.pop()),
            Kind::Product | Kind::Power => *now = false,
            Kind::Sign => *now = after_operand,
            Kind::Comma | Kind::Other => *now = true,
            Kind::Percent if after_operand && *now => match right(text, tokens, i) {
                Some((end, filter)) => {
                    edits.push((token.at.start, format!("|{filter}(")));
                    edits.push((end, ")".to_owned()));
                }
                None => *now = false,
            },
            Kind::Percent => *now = false,
            Kind::Operand | Kind::Link | Kind::Close => {}
        }
        before = Some(token.kind);
    }
}

/// Where the right side of an operator ends, and the filter for it; `None` where it is a number
/// that does not go into a text: the engine takes that.
fn right(text: &str, tokens: &[Token], operator: usize) -> Option<(usize, &'static str)> {
    let kind = |i: usize| tokens.get(i).map(|token| token.kind);
    let mut i = operator + 1;
    while kind(i) == Some(Kind::Sign) {
        i += 1;
    }
    let first = tokens.get(i)?;
    let starts =
        |token: &Token, with: fn(char) -> bool| text.get(token.at.clone()).is_some_and(|t| t.starts_with(with));
    let of_text = tokens.get(operator.wrapping_sub(1)).is_some_and(|left| starts(left, |c| c == '\'' || c == '"'));
    if !of_text && starts(first, |c| c.is_ascii_digit()) {
        return None;
    }
    let parentheses = first.kind == Kind::Open && text.get(first.at.clone()) == Some("(");
    let mut last = operand(tokens, i)?;
    let several = parentheses && has_comma(tokens.get(i + 1..last)?);
    let mut links = false;
    loop {
        let next = match kind(last + 1) {
            Some(Kind::Link) => operand(tokens, last + 2),
            Some(Kind::Power) => operand(tokens, last + 2),
            Some(Kind::Open) => operand(tokens, last + 1),
            // Two texts beside each other are one.
            Some(Kind::Operand) => Some(last + 1),
            _ => None,
        };
        match next {
            Some(next) => (last, links) = (next, true),
            None => break,
        }
    }
    Some((tokens.get(last)?.at.end, if several && !links { SEVERAL } else { ONE }))
}

/// The last token of the operand that begins there: itself, or the bracket that closes it.
fn operand(tokens: &[Token], start: usize) -> Option<usize> {
    match tokens.get(start)?.kind {
        Kind::Operand => Some(start),
        Kind::Open => {
            let mut depth = 0usize;
            for (i, token) in tokens.iter().enumerate().skip(start) {
                match token.kind {
                    Kind::Open => depth += 1,
                    Kind::Close => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 {
                    return Some(i);
                }
            }
            None
        }
        _ => None,
    }
}

fn has_comma(tokens: &[Token]) -> bool {
    let mut depth = 0usize;
    tokens.iter().any(|token| {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.kind == Kind::Comma
    })
}

#[cfg(test)]
mod tests {
    use super::super::mutable::original;
    use super::*;

    #[test]
    fn the_operator_becomes_a_filter_where_that_means_the_same() {
        let table = [
            ("'%s' % a.b", "'%s' |P( a.b)"),
            ("'%.2f' % 1.5 ~ 'x'", "'%.2f' |P( 1.5) ~ 'x'"),
            ("'%s%s' % (a, b[1]) ~ 'x'", "'%s%s' |S( (a, b[1])) ~ 'x'"),
            ("'%s' % (a) | upper + c", "'%s' |P( (a) | upper) + c"),
            ("('%s' % ('%s' % a)) % b", "('%s' |P( ('%s' |P( a)))) |P( b)"),
            ("f('%d' % a, b % c)", "f('%d' |P( a), b |P( c))"),
            ("x if '%s' % y == 'z' else w", "x if '%s' |P( y) == 'z' else w"),
            ("'%(a)s' % {'a': 1}", "'%(a)s' |P( {'a': 1})"),
            ("n % 2 == 0", "n % 2 == 0"),
            ("a * b % c", "a * b % c"),
            ("-a % b", "-a % b"),
            ("a - b % c", "a - b |P( c)"),
            ("'a % b'", "'a % b'"),
            ("'%s' %", "'%s' %"),
        ];
        let short = |text: &str| text.replace(SEVERAL, "S").replace(ONE, "P");
        for (text, expected) in table {
            let (new, insertions) = replaced(text, &Place::Everywhere);
            assert_eq!(short(&new), expected, "{text}");
            for word in ["b", "c", "x"] {
                if let (Some(at), Some(new_at)) = (text.rfind(word), new.rfind(word)) {
                    assert_eq!(original(new_at, &insertions), at, "{text}");
                }
            }
        }
        let text = "{# '%s' % a #}{% raw %}{{ '%s' % a }}{% endraw %}{% if '%s' % a %}%{{ '%}}' % b }}{% endif %}";
        let expected =
            "{# '%s' % a #}{% raw %}{{ '%s' % a }}{% endraw %}{% if '%s' |P( a) %}%{{ '%}}' |P( b) }}{% endif %}";
        assert_eq!(short(&replaced(text, &Place::JINJA).0), expected);
    }

    #[test]
    fn places_of_two_passes_add_up() {
        // `abc` became `a<bc` and that `[a<bc`.
        let all = both(vec![(1, 1)], &vec![(0, 1)]);
        assert_eq!(["[", "a", "<", "b"].map(|c| original("[a<bc".find(c).unwrap(), &all)), [0, 0, 1, 1]);
    }
}
