//! `a['b']` as `a.b`: only attribute access can name what is missing, and go on through it, as in
//! `a['b']['c'] | default(1)`.

use std::borrow::Cow;
use std::ops::Range;

use super::lexer::{Kind, Place, Token, regions, tokens};

/// Rewrites subscripts in the expressions of a text. It stays as long as it was, so that places in it stay what they were.
pub fn chainable<'t>(text: &'t str, place: &Place<'_>) -> Cow<'t, str> {
    if !text.contains("['") && !text.contains("[\"") {
        return Cow::Borrowed(text);
    }
    let mut out = Cow::Borrowed(text);
    for region in regions(text, place) {
        let tokens = tokens(text, region);
        for window in tokens.windows(4) {
            let [value, open, key, close] = window else { continue };
            if let Some(name) = subscript(text, value, open, key, close) {
                let range = open.at.start..close.at.end;
                let attribute = format!(".{name:width$}", width = range.len() - 1);
                out.to_mut().replace_range(range, &attribute);
            }
        }
    }
    out
}

/// The name in a subscript that is one, written without spaces.
fn subscript<'t>(text: &'t str, value: &Token, open: &Token, key: &Token, close: &Token) -> Option<&'t str> {
    let written = |at: &Range<usize>| text.get(at.clone()).unwrap_or("");
    let is_value = match value.kind {
        Kind::Operand => written(&value.at).starts_with(|c: char| c.is_alphabetic() || c == '_'),
        Kind::Close => true,
        _ => false,
    };
    let joined = value.at.end == open.at.start && open.at.end == key.at.start && key.at.end == close.at.start;
    if !is_value || !joined || written(&open.at) != "[" || written(&close.at) != "]" {
        return None;
    }
    let quoted = written(&key.at);
    let quote = quoted.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let name = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_word && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscripts_become_attributes_and_lists_stay() {
        let table = [
            ("a['b']['c'] | d", "a.b   .c    | d"),
            ("a[\"b\"]", "a.b   "),
            ("x in ['a', 'b']", "x in ['a', 'b']"),
            ("x in['a']", "x in['a']"),
            ("f(['a'])", "f(['a'])"),
            ("a['b-c']", "a['b-c']"),
            ("a['b'", "a['b'"),
            ("h[i]['k']", "h[i].k   "),
            ("f()['k']", "f().k   "),
            ("x if y else ['a']", "x if y else ['a']"),
            ("\"x['b']\" ~ 1", "\"x['b']\" ~ 1"),
            ("s | regex_replace('\\[\"k\"\\]', '')", "s | regex_replace('\\[\"k\"\\]', '')"),
        ];
        for (text, expected) in table {
            assert_eq!(chainable(text, &Place::Everywhere), expected);
        }
    }

    #[test]
    fn text_outside_of_expressions_stays() {
        let table = [
            ("q['version'] {{ a['b'] }} os.environ[\"PATH\"]", "q['version'] {{ a.b    }} os.environ[\"PATH\"]"),
            ("{% if a['b'] %}m[\"k\"]{% endif %}", "{% if a.b    %}m[\"k\"]{% endif %}"),
            ("{# a['b'] #}${m[\"k\"]}", "{# a['b'] #}${m[\"k\"]}"),
            ("{% raw %}{{ a['b'] }}{% endraw %}", "{% raw %}{{ a['b'] }}{% endraw %}"),
        ];
        for (text, expected) in table {
            assert_eq!(chainable(text, &Place::JINJA), expected);
        }
    }
}
