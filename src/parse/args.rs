//! The arguments of a task: a mapping, or text with `k=v` pairs.

use std::ops::Range;
use std::sync::Arc;

use crate::source::Span;
use crate::yaml::{Entry, Kind, Node, Scalar, Style, Tag};

/// Arguments as they were written.
#[derive(Clone, Debug, Default)]
pub struct TaskArgs {
    /// Named arguments.
    pub named: Vec<Entry>,
    /// Text without a name, as in `command: uptime`.
    pub free: Option<Node>,
}

impl TaskArgs {
    /// The argument of this name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.named.iter().find(|entry| entry.key.as_ref() == name).map(|entry| &entry.value)
    }

    /// Reads what stands behind a module's name. For modules that run a command line, only the options they share are
    /// taken out of text; for others every `k=v`.
    pub fn parse(value: &Node, free_form: bool) -> Self {
        match &value.kind {
            Kind::Map(entries) => Self { named: entries.to_vec(), free: None },
            Kind::Scalar(scalar) if !value.is_null() => Self::from_text(value, scalar, free_form),
            Kind::List(_) if free_form => Self { named: Vec::new(), free: Some(value.clone()) },
            _ => Self::default(),
        }
    }

    fn from_text(node: &Node, scalar: &Scalar, free_form: bool) -> Self {
        const COMMAND_OPTIONS: &[&str] = &[
            "creates",
            "removes",
            "chdir",
            "executable",
            "warn",
            "stdin",
            "stdin_add_newline",
            "strip_empty_ends",
            "argv",
        ];
        let mut named = Vec::new();
        let mut free: Vec<(usize, &str)> = Vec::new();
        for (at, word) in split_pairs(&scalar.text) {
            let pair = word.split_once('=').filter(|(key, _)| is_name(key) || is_templated_name(key));
            match pair {
                Some((key, value)) if !free_form || COMMAND_OPTIONS.contains(&key) => {
                    let value_at = at + key.len() + 1;
                    named.push(Entry {
                        key: Arc::from(key),
                        key_span: span_of(node, scalar, at..at + key.len()),
                        value: value_node(node, scalar, value_at..value_at + value.len()),
                    });
                }
                _ => free.push((at, word)),
            }
        }
        let free = match (free.first(), free.last()) {
            (Some((start, _)), Some((last, word))) => {
                // Without options between the words the text is kept as it was written.
                // A command line ends as it was written.
                let end = if free_form { scalar.text.len() } else { last + word.len() };
                let whole = scalar.text.get(*start..end).unwrap_or("");
                let joined = match named.is_empty() || !free_form {
                    true => whole.to_owned(),
                    false if scalar.text.ends_with('\n') => without_pairs(&free) + "\n",
                    false => without_pairs(&free),
                };
                Some(match named.is_empty() && *start == 0 && end == scalar.text.len() {
                    true => node.clone(),
                    // Where words were taken out, only those before the first of them stand where they would be looked for.
                    false => part(
                        node,
                        scalar,
                        *start..end,
                        &joined,
                        if scalar.tag == Tag::None { Tag::Str } else { scalar.tag },
                    ),
                })
            }
            _ => None,
        };
        Self { named, free }
    }
}

fn without_pairs(words: &[(usize, &str)]) -> String {
    words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// Decodes what Ansible decodes in `k=v`: `\n`, `\t`, `\\`, `\x41`, `\u00e9` and the like. Others stay as they are.
fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (c, taken) = escape(after).unwrap_or(('\\', 0));
        out.push(c);
        rest = after.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character an escape stands for, and how long it is.
fn escape(after: &str) -> Option<(char, usize)> {
    let hex = |digits: usize| {
        let code = after.get(1..=digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        Some((char::from_u32(u32::from_str_radix(code, 16).ok()?)?, digits + 1))
    };
    let single = |c: char| Some((c, 1));
    match after.chars().next()? {
        c @ ('\\' | '\'' | '"') => single(c),
        'a' => single('\u{7}'),
        'b' => single('\u{8}'),
        'f' => single('\u{c}'),
        'n' => single('\n'),
        'r' => single('\r'),
        't' => single('\t'),
        'v' => single('\u{b}'),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        _ => None,
    }
}

/// A name with expressions in it, as in `set_fact: "{{ item }}_done=true"`.
fn is_templated_name(text: &str) -> bool {
    let marks = text.matches("{{").count();
    marks > 0 && marks == text.matches("}}").count()
}

/// Where a part of the text of a scalar stands.
fn span_of(node: &Node, scalar: &Scalar, range: Range<usize>) -> Span {
    let place = |offset: usize| scalar.place(offset, node.span.start);
    let last = range.end.saturating_sub(1).max(range.start);
    Span { file: node.span.file, start: place(range.start), end: place(last) + (range.end - last) as u32 }
}

/// A part of a scalar, which is read as this text.
pub fn part(node: &Node, scalar: &Scalar, range: Range<usize>, text: &str, tag: Tag) -> Node {
    let places = scalar.places.part(&range);
    let span = span_of(node, scalar, range);
    Node { span, kind: Kind::Scalar(Scalar { places, ..Scalar::new(text, Style::Plain, tag) }) }
}

/// Values of pairs are text, whatever they look like.
fn value_node(node: &Node, scalar: &Scalar, range: Range<usize>) -> Node {
    let raw = scalar.text.get(range.clone()).unwrap_or("");
    let text = unquoted(&decoded(raw));
    let quotes = usize::from(is_quoted(raw));
    part(node, scalar, range.start + quotes..range.end - quotes, &text, Tag::Str)
}

fn is_quoted(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 && matches!(bytes.first(), Some(b'\'' | b'"')) && bytes.first() == bytes.last()
}

fn unquoted(text: &str) -> String {
    match is_quoted(text) {
        true => text.get(1..text.len() - 1).unwrap_or("").replace("\\\"", "\""),
        false => text.to_owned(),
    }
}

/// Splits at white space outside of quotes and template markers; gives each word with its byte offset.
pub fn split_pairs(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start: Option<usize> = None;
    let mut quote: Option<char> = None;
    let mut depth = 0usize;
    let mut previous = ' ';
    for (i, c) in text.char_indices() {
        let rest = text.get(i..).unwrap_or("");
        if quote.is_none() && (rest.starts_with("{{") || rest.starts_with("{%")) {
            depth += 1;
        }
        if quote.is_none() && depth > 0 && (rest.starts_with("}}") || rest.starts_with("%}")) {
            depth -= 1;
        }
        match quote {
            Some(open) if c == open && previous != '\\' => quote = None,
            Some(_) => {}
            None if depth == 0 && (c == '\'' || c == '"') => {
                quote = Some(c);
                start = start.or(Some(i));
            }
            None if depth == 0 && c.is_whitespace() => {
                if let Some(from) = start.take() {
                    words.extend(text.get(from..i).map(|word| (from, word)));
                }
            }
            None => start = start.or(Some(i)),
        }
        previous = c;
    }
    words.extend(start.and_then(|from| text.get(from..).map(|word| (from, word))));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_quotes_and_templates_whole() {
        let words = |text| split_pairs(text).into_iter().map(|(_, w)| w).collect::<Vec<_>>();
        assert_eq!(words("src=a dest='b c' x={{ y | d('z w') }}"), ["src=a", "dest='b c'", "x={{ y | d('z w') }}"]);
        assert_eq!(words("echo \"a b\"  creates=/x"), ["echo", "\"a b\"", "creates=/x"]);
        assert_eq!(words("  "), Vec::<&str>::new());
    }
}
