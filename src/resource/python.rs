//! Python's regular expressions on top of `fancy_regex`: the syntax that differs, and replacement templates.

use fancy_regex::{Captures, Regex};

use super::ParamError;

/// Compiles a pattern of Python's `re`; `flags` are letters as in `(?m)`.
pub(super) fn compile(param: &str, pattern: &str, flags: &str) -> Result<Regex, ParamError> {
    let translated = translate(pattern, flags.contains('m'));
    let prefix = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
    Regex::new(&format!("{prefix}{translated}"))
        .map_err(|error| ParamError::bad(param, format!("`{pattern}` is not a regular expression: {error}")))
}

/// Compiles a pattern of Python's `re` that was given for a parameter.
///
/// # Errors
/// Where it is none.
#[cfg(feature = "controller")]
pub fn regex(param: &str, pattern: &str) -> Result<Regex, ParamError> {
    compile(param, pattern, "")
}

/// Says whether a pattern is found in a text.
pub(super) fn found(regex: &Regex, text: &str) -> Result<bool, super::Failure> {
    regex.is_match(text).map_err(|error| super::Failure::new(format!("the regular expression: {error}")))
}

/// Rewrites what Python and `fancy_regex` read differently.
fn translate(pattern: &str, multi_line: bool) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    // Where in a bracket expression: `None` outside, else the number of characters of it so far.
    let mut class: Option<usize> = None;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match (c, class) {
            ('\\', _) => escape(after, class.is_some(), &mut out),
            (']', Some(n)) if n > 0 => {
                class = None;
                out.push(']');
                after
            }
            // Within brackets these mean sets of sets to `fancy_regex`, and themselves to Python.
            ('[' | '&' | '~', Some(_)) => {
                out.extend(['\\', c]);
                after
            }
            (_, Some(_)) => {
                out.push(c);
                after
            }
            ('[', None) => {
                class = Some(0);
                out.push('[');
                match after.strip_prefix('^') {
                    Some(more) => {
                        out.push('^');
                        more
                    }
                    None => after,
                }
            }
            ('{', None) => brace(after, &mut out),
            // Python's `$` also matches before a newline at the very end.
            ('$', None) if !multi_line => {
                out.push_str("(?=\\n?\\z)");
                after
            }
            (c, None) => {
                out.push(c);
                after
            }
        };
        // The opening bracket itself does not count: a `]` right behind it stands for itself.
        class = class
            .map(|n| if c == '[' && n == 0 && out.ends_with(['[', '^']) && !out.ends_with("\\[") { 0 } else { n + 1 });
    }
    out
}

fn escape<'a>(after: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    match c {
        'Z' if !in_class => out.push_str("\\z"),
        '<' | '>' => out.push(c),
        c => out.extend(['\\', c]),
    }
    after.get(c.len_utf8()..).unwrap_or_default()
}

/// `{,n}` starts at 0; a brace that is no repetition stands for itself.
fn brace<'a>(after: &'a str, out: &mut String) -> &'a str {
    let inner = after.split_once('}').map(|(inner, _)| inner);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match inner.map(|inner| (inner, inner.split_once(','))) {
        Some((inner, None)) if !inner.is_empty() && digits(inner) => out.push('{'),
        Some((_, Some(("", max)))) if digits(max) && !max.is_empty() => out.push_str("{0"),
        Some((_, Some((min, max)))) if !min.is_empty() && digits(min) && digits(max) => out.push('{'),
        _ => out.push_str("\\{"),
    }
    after
}

/// Fills in a replacement template: `\1`, `\g<1>`, `\g<name>`, `\n`, …
pub(super) fn expand(template: &str, captures: &Captures<'_, str>) -> Result<String, super::Failure> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = one_escape(after, captures, &mut out).map_err(super::Failure::new)?;
    }
    out.push_str(rest);
    Ok(out)
}

/// What is wrong with a replacement template, whatever it is filled with.
pub(super) fn bad_escape(template: &str) -> Option<String> {
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('\\') {
        let c = after.chars().next()?;
        if c.is_ascii_alphabetic() && !"abfgnrtv".contains(c) {
            return Some(format!("bad escape \\{c}"));
        }
        rest = after.get(c.len_utf8()..).unwrap_or_default();
    }
    None
}

fn one_escape<'a>(text: &'a str, captures: &Captures<'_, str>, out: &mut String) -> Result<&'a str, String> {
    let group = |name: &str| -> Result<String, String> {
        let found = match name.parse::<usize>() {
            Ok(number) if number < captures.len() => captures.get(number),
            Ok(_) => return Err(format!("the replacement refers to group {name}, which the pattern does not have")),
            Err(_) => captures.name(name),
        };
        Ok(found.map(|m| m.as_str().to_owned()).unwrap_or_default())
    };
    if let Some((name, after)) = text.strip_prefix("g<").and_then(|inner| inner.split_once('>')) {
        out.push_str(&group(name)?);
        return Ok(after);
    }
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        let (number, after) = text.split_at(digits);
        out.push_str(&group(number)?);
        return Ok(after);
    }
    let Some(c) = text.chars().next() else {
        return Err("the replacement ends in a backslash".to_owned());
    };
    match c {
        'n' => out.push('\n'),
        't' => out.push('\t'),
        'r' => out.push('\r'),
        'f' => out.push('\x0c'),
        'v' => out.push('\x0b'),
        'a' => out.push('\x07'),
        '\\' => out.push('\\'),
        c if c.is_ascii_alphabetic() => return Err(format!("`\\{c}` means nothing in a replacement")),
        c => out.extend(['\\', c]),
    }
    Ok(text.get(c.len_utf8()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_syntax() {
        let table = [
            ("^a$", "a\n", true),
            (r"a\Z", "a\n", false),
            ("[[]x[]]", "[x]", true),
            ("[^]]", "]", false),
            ("[]a]", "]", true),
            ("a{,2}b", "b", true),
            ("{x}", "{x}", true),
            (r"\<a\>", "<a>", true),
            ("(?i)ABC", "abc", true),
            (r"(?P<n>a)(?P=n)", "aa", true),
            (r"^(?!#)\s*x", "# x", false),
            (r"[&&~]", "&", true),
            (r"^\s*#?\s*Port\b", "#Port 22", true),
            ("é{2}", "éé", true),
        ];
        for (pattern, text, expected) in table {
            let regex = compile("regexp", pattern, "").unwrap();
            assert_eq!(regex.is_match(text).unwrap(), expected, "{pattern} on {text}");
        }
        assert!(compile("regexp", "(", "").is_err());
    }

    #[test]
    fn templates() {
        let regex = compile("regexp", "(?P<k>[a-z]+)=(.*)", "").unwrap();
        let captures = regex.captures("a=1").unwrap().unwrap();
        let table = [(r"\1: \2", "a: 1"), (r"\g<k>\n", "a\n"), (r"\g<2>0", "10"), (r"\\1", r"\1"), (r"\.", r"\.")];
        for (template, expected) in table {
            assert_eq!(expand(template, &captures).unwrap(), expected);
        }
        assert!(expand(r"\3", &captures).is_err());
        assert!(expand(r"\q", &captures).is_err());
    }
}
