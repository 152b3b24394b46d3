//! Options written into the text of a term: `fruit file=tabs.csv col=1`.

use super::{Ask, fail};
use crate::template::EvalError;
use crate::value::{Map, Value};

/// The key that is looked up, and the options of one term: those of the text win over those of the call.
pub struct Options {
    /// The text before the first option.
    pub key: String,
    map: Map,
}

impl Options {
    /// Reads a term of a lookup that knows these options.
    pub fn of(term: &Value, ask: &Ask<'_>, known: &[&str]) -> Result<Self, EvalError> {
        let mut map = ask.call.options.clone();
        let (mut key, mut last): (Vec<String>, Option<String>) = (Vec::new(), None);
        for word in words(&term.to_string()) {
            match (word.split_once('='), &last) {
                (Some((name, value)), _) if is_name(name) => {
                    if !known.contains(&name) {
                        return fail(format!("`{name}` is not a valid option of the lookup `{}`", ask.call.name));
                    }
                    map.insert(name.into(), Value::from(unquoted(value)));
                    last = Some(name.to_owned());
                }
                // A word after an option goes on with its value, as in Ansible.
                (_, Some(name)) => {
                    let before = map.get(name.as_str()).map(Value::to_string).unwrap_or_default();
                    map.insert(name.as_str().into(), Value::from(format!("{before} {word}")));
                }
                (_, None) => key.push(word),
            }
        }
        Ok(Self { key: key.join(" "), map })
    }

    /// An option.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| **value != Value::Null)
    }

    /// An option as text.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.get(name).map_or_else(|| default.to_owned(), Value::to_string)
    }

    /// An option as a flag.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, crate::apply_truth)
    }

    /// An option as a whole number.
    pub fn number(&self, name: &str, default: usize) -> Result<usize, EvalError> {
        let Some(value) = self.get(name) else { return Ok(default) };
        match value.to_string().trim().parse() {
            Ok(number) => Ok(number),
            Err(_) => fail(format!("the option `{name}` has an invalid value: `{value}` is not a whole number")),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Words between spaces; quotes keep a word together and stay in it.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            // Only a space parts words: a tab may be what is looked for.
            None if matches!(c, ' ' | '\n') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn unquoted(text: &str) -> &str {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote.and_then(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inner.unwrap_or(text)
}
