//! Where expressions are in a text, and what they are made of: as much as is needed to rewrite one.

use std::ops::Range;

use super::mutable;

/// Where expressions are in a text.
pub enum Place<'d> {
    /// All of it is one.
    Everywhere,
    /// Between these pairs, and not in comments.
    Between { pairs: [(&'d str, &'d str); 2], comment: (&'d str, &'d str) },
}

impl Place<'static> {
    /// Jinja's own delimiters.
    pub const JINJA: Self = Self::Between { pairs: [("{{", "}}"), ("{%", "%}")], comment: ("{#", "#}") };
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, a number, or a name.
    Operand,
    Open,
    Close,
    /// `*`, `/`, `//`
    Product,
    /// `**`
    Power,
    /// `+`, `-`
    Sign,
    Percent,
    /// `.` and `|`: what follows belongs to what is before.
    Link,
    Comma,
    /// Any other operator, after which a new operand begins.
    Other,
}

pub struct Token {
    pub kind: Kind,
    pub at: Range<usize>,
}

/// The expressions of a text.
pub fn regions(text: &str, place: &Place<'_>) -> Vec<Range<usize>> {
    let Place::Between { pairs, comment } = place else { return std::iter::once(0..text.len()).collect() };
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(rest) = text.get(at..) {
        let next = |open: &str| rest.find(open).map(|i| (i, open.len()));
        let opens = [next(pairs[0].0), next(pairs[1].0), next(comment.0)];
        let first =
            opens.iter().enumerate().filter_map(|(which, open)| open.map(|(i, length)| (i, which, length))).min();
        let Some((offset, which, length)) = first else { break };
        let start = at + offset + length;
        let close = pairs.get(which).map_or(comment.1, |(_, close)| close);
        let behind = text.get(start..).unwrap_or("");
        // In a comment quotes are only letters.
        let end = if which == 2 { behind.find(close) } else { mutable::end_of(behind, close) };
        let Some(end) = end.map(|end| start + end) else { break };
        at = end + close.len();
        let body = text.get(start..end).unwrap_or("");
        if which == 1 && body.trim_matches(['-', '+', ' ']) == "raw" {
            at = text.get(at..).and_then(|rest| rest.find("endraw")).map_or(text.len(), |end| at + end);
        } else if which < 2 {
            found.push(start..end);
        }
    }
    found
}

/// The length of the quoted text at the start.
fn string(text: &str) -> usize {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, c)| c);
    while let Some((i, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if Some(c) == quote {
            return i + c.len_utf8();
        }
    }
    text.len()
}

/// What an expression is made of.
pub fn tokens(text: &str, region: Range<usize>) -> Vec<Token> {
    let (mut found, mut at) = (Vec::new(), region.start);
    while let Some(rest) = text.get(at..region.end) {
        let Some(c) = rest.chars().next() else { break };
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let (kind, length) = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '\'' | '"' => (Kind::Operand, string(rest)),
            c if word(c) => {
                let length = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
                match rest.get(..length) {
                    Some("and" | "or" | "not" | "in" | "is" | "if" | "else" | "elif" | "for" | "set" | "do") => {
                        (Kind::Other, length)
                    }
                    _ => (Kind::Operand, length),
                }
            }
            '(' | '[' | '{' => (Kind::Open, 1),
            ')' | ']' | '}' => (Kind::Close, 1),
            '*' if rest.starts_with("**") => (Kind::Power, 2),
            '/' if rest.starts_with("//") => (Kind::Product, 2),
            '*' | '/' => (Kind::Product, 1),
            '+' | '-' => (Kind::Sign, 1),
            '%' => (Kind::Percent, 1),
            '.' | '|' => (Kind::Link, 1),
            ',' => (Kind::Comma, 1),
            c => (Kind::Other, c.len_utf8()),
        };
        found.push(Token { kind, at: at..at + length });
        at += length;
    }
    found
}
