//! Conditions as they are written: expressions without markers. Markers are taken where they mean one, as in Ansible.
//!
//! Invariant: markers never make text of values and read that as an expression. What a condition says is written in it; what a
//! variable holds is an expression only where [`Shape::Condition`] finds it written in the project itself.

use std::ops::Range;
use std::sync::Arc;

use super::layout::Layout;
use super::term::{Shape, Template, Term, has_markers, single_expression};
use crate::source::Origin;
use crate::value::Value;

/// Something the new text is made of: a part of the old one, or a word in between.
enum Piece {
    Part(Range<usize>),
    Word(&'static str),
}

/// The term of a condition.
///
/// # Errors
/// What to do about a condition that is no boolean.
pub const NOT_A_BOOLEAN_HELP: &str = "compare it, or use a filter such as `| bool` or `| length > 0`";

/// What is wrong with a condition that came to a value other than a boolean.
pub fn not_a_boolean(value: &Value, counts_as: bool) -> String {
    format!("this condition is {}, not a boolean; it counts as {counts_as}", value.type_name())
}

/// Where there are markers that mean nothing in an expression: where they stand.
pub fn condition(text: &Arc<str>, origin: Origin, layout: Layout) -> Result<Term, Range<usize>> {
    if !has_markers(text) {
        return Ok(Term::expression(text, origin, layout));
    }
    let trimmed = text.trim_end();
    let start = trimmed.len() - trimmed.trim_start().len();
    if let Some(inner) = single_expression(&trimmed[start..]) {
        let at = layout.place(&origin, text, start + inner.start);
        let expression = Arc::from(&trimmed[start..][inner.clone()]);
        let layout = layout.from(start + inner.start);
        return Ok(Term::Template(Arc::new(Template {
            text: expression,
            shape: Shape::Condition,
            origin: at,
            layout,
        })));
    }
    let mut pieces = Vec::new();
    let mut done = 0;
    while let Some(literal) = next_literal(text, done)? {
        pieces.push(Piece::Part(done..literal.start));
        done = literal.end;
        of_literal(text, literal, &mut pieces)?;
    }
    pieces.push(Piece::Part(done..text.len()));
    let (mut made, mut parts) = (String::new(), Vec::new());
    for piece in &pieces {
        match piece {
            Piece::Word(word) => made.push_str(word),
            Piece::Part(range) => {
                parts.push((made.len(), range.clone()));
                made.push_str(&text[range.clone()]);
            }
        }
    }
    let layout = layout.spliced(&origin, text, &parts);
    Ok(Term::expression(&Arc::from(made), origin, layout))
}

/// Says whether an expression certainly comes to a boolean, and not to a text that is a condition: markers around it are needless.
pub fn is_comparison(expression: &str) -> bool {
    const SIGNS: &[&str] = &["==", "!=", "<", ">"];
    const WORDS: &[&str] = &["not", "in", "is"];
    let bytes = expression.as_bytes();
    let (mut outside, mut at) = (String::new(), 0);
    while let Some(c) = expression[at..].chars().next() {
        let literal = c == '\'' || c == '"';
        outside.push(if literal { ' ' } else { c });
        at = if literal { end_of_literal(bytes, at).min(bytes.len()) } else { at + c.len_utf8() };
    }
    let words: Vec<&str> = outside.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    // Of several values the first or the last one may be taken, whatever it is.
    let chosen = ["if", "or", "and"].iter().any(|word| words.contains(word)) || outside.contains('|');
    !chosen && (SIGNS.iter().any(|sign| outside.contains(sign)) || WORDS.iter().any(|word| words.contains(word)))
}

/// The next string literal that holds markers, from a byte on.
///
/// # Errors
/// Where markers stand outside of one.
fn next_literal(text: &str, from: usize) -> Result<Option<Range<usize>>, Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => {
                let end = end_of_literal(bytes, at);
                if has_markers(&text[at..end]) {
                    return Ok(Some(at..end));
                }
                at = end;
            }
            b'{' if has_markers(&text[at..(at + 2).min(text.len())]) => return Err(at..at + 2),
            // A mapping in a mapping ends so too: nothing to stumble over.
            _ => at += text[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    Ok(None)
}

fn end_of_literal(bytes: &[u8], start: usize) -> usize {
    let quote = bytes.get(start).copied();
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            byte if byte.copied() == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A literal with templates in it: what they come to, as it is where there is nothing else, and otherwise put together.
fn of_literal(text: &str, literal: Range<usize>, pieces: &mut Vec<Piece>) -> Result<(), Range<usize>> {
    let quote = if text[literal.start..].starts_with('"') { "\"" } else { "'" };
    let (mut at, end) = (literal.start + 1, literal.end - 1);
    let mut words = Vec::new();
    while at < end {
        let rest = &text[at..end];
        let Some(open) = rest.find("{{") else {
            words.push((true, at..end));
            break;
        };
        let close = rest[open..].find("}}").map(|close| open + close);
        let Some(close) = close.filter(|close| !rest[open..*close].contains('\\')) else {
            return Err(at + open..at + open + 2);
        };
        if open > 0 {
            words.push((true, at..at + open));
        }
        words.push((false, at + open + 2..at + close));
        at += close + 2;
    }
    let plain = |range: &Range<usize>| ["{%", "{#"].iter().find_map(|mark| text[range.clone()].find(mark));
    if let Some((range, mark)) = words.iter().find_map(|(_, range)| Some((range, plain(range)?))) {
        return Err(range.start + mark..range.start + mark + 2);
    }
    pieces.push(Piece::Word("("));
    for (i, (is_text, range)) in words.into_iter().enumerate() {
        if i > 0 {
            pieces.push(Piece::Word(" ~ "));
        }
        let (open, close) = if is_text { (quote, quote) } else { ("(", ")") };
        pieces.extend([Piece::Word(open), Piece::Part(range), Piece::Word(close)]);
    }
    pieces.push(Piece::Word(")"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin { file: Arc::from("a.yml"), line: 3, col: 7 }
    }

    #[test]
    fn markers_are_taken_where_they_mean_an_expression() {
        let cases = [
            ("a == 1", "a == 1", Shape::Expression),
            ("{{ a == 1 }}", " a == 1 ", Shape::Condition),
            (" {{ a }}\n", " a ", Shape::Condition),
            ("a == '{{ b }}'", "a == (( b ))", Shape::Expression),
            ("a == \"x{{ b }}y\" | upper", "a == (\"x\" ~ ( b ) ~ \"y\") | upper", Shape::Expression),
            ("'{{ a }}{{ b }}' in c", "(( a ) ~ ( b )) in c", Shape::Expression),
            ("\"du{{'de'}}\" == 'x'", "(\"du\" ~ ('de')) == 'x'", Shape::Expression),
            ("{'a': {'b': '{{ c }}'}}", "{'a': {'b': (( c ))}}", Shape::Expression),
        ];
        for (written, meant, shape) in cases {
            let term = condition(&Arc::from(written), origin(), Layout::default()).unwrap();
            let Term::Template(template) = term else { panic!("{written}") };
            assert_eq!((template.text.as_ref(), template.shape), (meant, shape), "{written}");
        }
    }

    #[test]
    fn a_comparison_needs_no_markers() {
        for text in ["a == 1", "not a", "a in b", "'x' != y", "a is defined"] {
            assert!(is_comparison(text), "{text}");
        }
        for text in
            ["a", "a.b[0]", "a | default('x == 1')", "'a == b'", "a if b == 1 else c", "a and b", "\"ä\\\" == \""]
        {
            assert!(!is_comparison(text), "{text}");
        }
    }

    #[test]
    fn other_markers_are_refused_where_they_stand() {
        let cases = [
            ("{{ a }} and b", 0),
            ("a == {{ b }}", 5),
            ("{{ a }} == {{ b }}", 0),
            ("a == 'x{% if b %}'", 7),
            ("{% if a %}true{% endif %}", 0),
            ("a == '{{ \\'b\\' }}'", 6),
            ("a == 'ä' and {{ b }}", 14),
            ("a == '{{ b'", 6),
        ];
        for (written, at) in cases {
            let refused = condition(&Arc::from(written), origin(), Layout::default()).unwrap_err();
            assert_eq!(refused, at..at + 2, "{written}");
        }
    }

    #[test]
    fn what_follows_stands_where_it_was_written() {
        let written = "a == 'x{{ b }}'\n  and other";
        let term = condition(&Arc::from(written), origin(), Layout::default()).unwrap();
        let Term::Template(template) = term else { panic!() };
        for (word, line, col) in [("b ", 3, 17), ("a ==", 3, 7), ("other", 4, 7)] {
            let place = template.place(template.text.find(word).unwrap());
            assert_eq!((place.line, place.col), (line, col), "{word} in {}", template.text);
        }
    }
}
