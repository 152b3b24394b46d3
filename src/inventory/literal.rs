//! Python literals: what values of INI inventories are where they look like one.

use std::sync::Arc;

use crate::value::{Map, Value};

/// Deeper nesting is no literal, so that no input can exhaust the stack.
const DEPTH: usize = 50;

/// The letters before the quote of a string: `r`, `u`, and `b` of bytes, which become text as in Ansible. `None` where no string
/// starts.
fn prefix(text: &str) -> Option<&str> {
    const PREFIXES: &[&str] = &["", "r", "u", "b", "rb", "br"];
    let (prefix, _) = text.split_at_checked(text.find(['"', '\''])?)?;
    PREFIXES.iter().any(|known| known.eq_ignore_ascii_case(prefix)).then_some(prefix)
}

/// Reads a literal; `None` where the text is none.
pub fn parse(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    // What follows may be a comment of Python's: `5 # five` is 5.
    (reader.rest.is_empty() || (reader.rest.starts_with('#') && !reader.rest.contains('\n'))).then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        match self.rest.chars().next()? {
            '[' => self.sequence("[", "]", depth).map(|(items, _)| Value::from(items)),
            '(' => self.sequence("(", ")", depth).map(|(items, comma)| match (items.as_slice(), comma) {
                ([only], false) => only.clone(),
                _ => Value::from(items),
            }),
            '{' => self.braces(depth),
            '"' | '\'' => self.strings(),
            c if c.is_ascii_alphabetic() && prefix(self.rest).is_some_and(|prefix| !prefix.is_empty()) => {
                self.strings()
            }
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            c if c.is_alphabetic() => self.word(),
            _ => None,
        }
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            "None" => Some(Value::Null),
            // The one way to write a set without items.
            "set" if self.take("()") => Some(Value::from(Vec::new())),
            _ => None,
        }
    }

    /// The items between brackets, and whether a comma stands behind the last.
    fn sequence(&mut self, open: &str, close: &str, depth: usize) -> Option<(Vec<Value>, bool)> {
        self.take(open).then_some(())?;
        self.items(Vec::new(), close, depth)
    }

    /// The items behind those that were read already.
    fn items(&mut self, mut items: Vec<Value>, close: &str, depth: usize) -> Option<(Vec<Value>, bool)> {
        let mut comma = items.is_empty() || self.take(",");
        loop {
            self.space();
            if self.take(close) {
                // Without a comma there is at most one item; an empty pair of brackets has none.
                return Some((items, comma));
            }
            comma.then_some(())?;
            items.push(self.value(depth + 1)?);
            self.space();
            comma = self.take(",");
        }
    }

    /// A mapping, or a set; a set is a list here, as it is in what Ansible prints. Which of them it is shows behind the first
    /// value, which is not read twice: sets in sets would be read over and over.
    fn braces(&mut self, depth: usize) -> Option<Value> {
        self.take("{");
        self.space();
        let mut map = Map::new();
        if self.take("}") {
            return Some(Value::from(map));
        }
        let mut key = self.value(depth + 1)?;
        self.space();
        if !self.rest.starts_with(':') {
            return self.items(vec![key], "}", depth).map(|(items, _)| Value::from(items));
        }
        loop {
            self.take(":").then_some(())?;
            self.space();
            let value = self.value(depth + 1)?;
            map.insert(key.as_str().map_or_else(|| Arc::from(key.to_string()), Arc::from), value);
            self.space();
            let comma = self.take(",");
            self.space();
            if self.take("}") {
                return Some(Value::from(map));
            }
            comma.then_some(())?;
            key = self.value(depth + 1)?;
            self.space();
        }
    }

    /// One string, or several beside each other, which are one.
    fn strings(&mut self) -> Option<Value> {
        let mut text = String::new();
        loop {
            text.push_str(&self.string()?);
            self.space();
            if prefix(self.rest).is_none() {
                return Some(Value::from(text));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let prefix = prefix(self.rest)?;
        let has = |letter: char| prefix.chars().any(|c| c.eq_ignore_ascii_case(&letter));
        let (raw, bytes) = (has('r'), has('b'));
        self.rest = self.rest.get(prefix.len()..)?;
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| self.rest.starts_with(quote))?;
        self.take(quote);
        let mut text = String::new();
        loop {
            if self.take(quote) {
                return Some(text);
            }
            let c = self.rest.chars().next()?;
            self.rest = self.rest.get(c.len_utf8()..)?;
            match c {
                '\n' if quote.len() == 1 => return None,
                '\\' if raw => {
                    text.push('\\');
                    let next = self.rest.chars().next()?;
                    self.rest = self.rest.get(next.len_utf8()..)?;
                    text.push(next);
                }
                '\\' => self.escape(&mut text)?,
                c if bytes && !c.is_ascii() => return None,
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Option<()> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        let simple = match c {
            '\n' => return Some(()),
            '\\' | '\'' | '"' => c,
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            other => {
                text.push('\\');
                other
            }
        };
        text.push(simple);
        Some(())
    }

    fn code(&mut self, digits: usize) -> Option<char> {
        let number = u32::from_str_radix(self.rest.get(..digits)?, 16).ok()?;
        self.rest = self.rest.get(digits..)?;
        char::from_u32(number)
    }

    fn number(&mut self) -> Option<Value> {
        let negative = self.take("-");
        if !negative {
            self.take("+");
        }
        self.space();
        let mut end = 0;
        let mut previous = ' ';
        for c in self.rest.chars() {
            let sign = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E') && !self.rest.starts_with("0x");
            if !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || sign) {
                break;
            }
            previous = c;
            end += c.len_utf8();
        }
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        number(digits, negative)
    }
}

fn number(text: &str, negative: bool) -> Option<Value> {
    // An underscore stands between digits only.
    let odd = text.starts_with('_')
        || text.ends_with('_')
        || text.contains("__")
        || text.contains("_.")
        || text.contains("._");
    if odd || !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits = text.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let signed = |n: i64| Some(Value::Int(if negative { -n } else { n }));
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            return signed(i64::from_str_radix(rest, radix).ok()?);
        }
    }
    if lower.chars().all(|c| c.is_ascii_digit()) {
        // `08` is no number in Python, `00` is.
        let octal_of_old = lower.len() > 1 && lower.starts_with('0') && lower.chars().any(|c| c != '0');
        return if octal_of_old { None } else { signed(lower.parse().ok()?) };
    }
    let float = lower.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-'));
    let value: f64 = if float { lower.parse().ok()? } else { return None };
    Some(Value::Float(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::value::{Value, to_json};

    #[test]
    fn literals_are_pythons() {
        let table = [
            ("5", "5"),
            ("- 5", "-5"),
            ("0x1F", "31"),
            ("0b11", "3"),
            ("1_000", "1000"),
            ("1e3", "1000.0"),
            (".5", "0.5"),
            ("1_0.5e3", "10500.0"),
            ("True", "true"),
            ("None", "null"),
            ("set()", "[]"),
            ("'it''s'", "\"its\""),
            ("\"a\" \"b\"", "\"ab\""),
            (r#""a\tb""#, r#""a\tb""#),
            (r#"r"a\tb""#, r#""a\\tb""#),
            ("\"\"\"x\"\"\"", "\"x\""),
            ("b'x'", "\"x\""),
            (r#"[rb"\d", B'\x41']"#, r#"["\\d","A"]"#),
            ("5 # five", "5"),
            ("[\"a\", 'b',]", "[\"a\",\"b\"]"),
            ("(1, 'a',)", "[1,\"a\"]"),
            ("(1)", "1"),
            ("()", "[]"),
            ("{1, 2}", "[1,2]"),
            ("{1,}", "[1]"),
            ("{ 'a' : 1 , }", "{\"a\":1}"),
            ("{'a': [1, None, (1,2)]}", "{\"a\":[1,null,[1,2]]}"),
        ];
        for (text, json) in table {
            assert_eq!(parse(text).map(|v| to_json(&v).to_string()).as_deref(), Some(json), "{text}");
        }
    }

    #[test]
    fn everything_else_is_text() {
        let deep = "[".repeat(1000);
        let sets = format!("{}1{}", "{".repeat(45), "}".repeat(45));
        assert!(parse(&sets).is_some() && parse(&sets.replace('1', "1:")).is_none());
        let text = [
            "true",
            "007",
            "08",
            "1+1",
            "abc",
            "a b",
            "",
            "[a]",
            "{'a': True}['a']",
            "'x",
            "b'é'",
            "ub'x'",
            "1.2.3.4",
            "1 2",
            "5x",
            "{}x",
        ];
        for text in text.into_iter().chain([deep.as_str()]) {
            assert_eq!(parse(text), None::<Value>, "{text}");
        }
    }
}
