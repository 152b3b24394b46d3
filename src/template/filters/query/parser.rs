//! JMESPath's grammar: words, then a tree by binding powers.

use super::Tree;
use crate::value::{Value, from_json};

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Name(String),
    /// `"name"`: a name that is never a function.
    Quoted(String),
    Literal(Value),
    Number(i64),
    Sign(&'static str),
}

impl Word {
    fn shown(&self) -> String {
        match self {
            Self::Name(text) | Self::Quoted(text) => text.clone(),
            Self::Literal(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Sign(sign) => (*sign).to_owned(),
        }
    }
}

const SIGNS: &[&str] = &[
    "[?", "[]", "||", "&&", "==", "!=", "<=", ">=", ".", "*", "[", "]", "(", ")", "{", "}", ",", ":", "|", "!", "&",
    "<", ">", "@",
];

/// How deep expressions go: a text of a playbook must not use up the stack.
const DEEPEST: usize = 60;

/// Reads an expression.
pub fn parse(text: &str) -> Result<Tree, String> {
    let mut parser = Parser { words: words(text)?, at: 0, depth: 0 };
    let tree = parser.expression(0)?;
    match parser.peek() {
        None => Ok(tree),
        Some(word) => Err(format!("`{}` is not expected here", word.shown())),
    }
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let (mut words, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let (word, length) = match first {
            '\'' => quoted(rest, '\'').map(|(inner, n)| (Word::Literal(Value::from(inner.replace("\\'", "'"))), n))?,
            '"' => {
                let (_, n) = quoted(rest, '"')?;
                let inner: String = serde_json::from_str(rest.get(..n).unwrap_or("")).map_err(|e| e.to_string())?;
                (Word::Quoted(inner), n)
            }
            '`' => {
                let (inner, n) = quoted(rest, '`')?;
                let inner = inner.replace("\\`", "`");
                // Old expressions leave the quotes of a text away.
                let value = serde_json::from_str(inner.trim()).map_or_else(|_| Value::str(inner.trim()), from_json);
                (Word::Literal(value), n)
            }
            c if c.is_ascii_digit() || c == '-' => {
                let n = rest.len() - rest.get(1..).unwrap_or("").trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let number = rest.get(..n).unwrap_or("").parse().map_err(|_| "not a number".to_owned())?;
                (Word::Number(number), n)
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let n = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
                (Word::Name(rest.get(..n).unwrap_or("").to_owned()), n)
            }
            c => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Word::Sign(sign), sign.len()),
                None => return Err(format!("`{c}` has no meaning")),
            },
        };
        words.push(word);
        rest = rest.get(length..).unwrap_or("").trim_start();
    }
    Ok(words)
}

/// The text between quotes, and the length of it all.
fn quoted(text: &str, quote: char) -> Result<(&str, usize), String> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Ok((text.get(1..at).unwrap_or(""), at + 1)),
            _ => {}
        }
    }
    Err(format!("a {quote} is not closed"))
}

struct Parser {
    words: Vec<Word>,
    at: usize,
    depth: usize,
}

fn boxed(tree: Tree) -> Box<Tree> {
    Box::new(tree)
}

impl Parser {
    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    fn next(&mut self) -> Option<Word> {
        let word = self.peek().cloned();
        self.at += 1;
        word
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Word::Sign(known)) if *known == sign);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(format!("`{sign}` is missing")) }
    }

    /// How tightly the word at hand binds what stands before it.
    fn power(&self) -> u8 {
        match self.peek() {
            Some(Word::Sign(sign)) => match *sign {
                "|" => 1,
                "||" => 2,
                "&&" => 3,
                "==" | "!=" | "<" | "<=" | ">" | ">=" => 5,
                "[]" => 9,
                "*" => 20,
                "[?" => 21,
                "." => 40,
                "{" => 50,
                "[" => 55,
                _ => 0,
            },
            _ => 0,
        }
    }

    fn expression(&mut self, power: u8) -> Result<Tree, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is too deep".into());
        }
        let mut left = self.first()?;
        while power < self.power() {
            left = self.more(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// What can stand at the beginning.
    fn first(&mut self) -> Result<Tree, String> {
        match self.next() {
            Some(Word::Literal(value)) => Ok(Tree::Literal(value)),
            Some(Word::Quoted(name)) => Ok(Tree::Field(name)),
            Some(Word::Name(name)) if self.take("(") => {
                let arguments = self.list(")")?;
                Ok(Tree::Call(name, arguments))
            }
            Some(Word::Name(name)) => Ok(Tree::Field(name)),
            Some(Word::Sign("@")) => Ok(Tree::Current),
            Some(Word::Sign("&")) => Ok(Tree::Reference(boxed(self.expression(0)?))),
            Some(Word::Sign("!")) => Ok(Tree::Not(boxed(self.expression(45)?))),
            Some(Word::Sign("(")) => {
                let inner = self.expression(0)?;
                self.need(")")?;
                Ok(inner)
            }
            Some(Word::Sign("*")) => Ok(Tree::Values(boxed(Tree::Current), boxed(self.projected(20)?))),
            Some(Word::Sign("{")) => self.hash(),
            Some(Word::Sign("[]")) => {
                Ok(Tree::Each(boxed(Tree::Flatten(boxed(Tree::Current))), boxed(self.projected(9)?)))
            }
            Some(Word::Sign("[?")) => self.filter(Tree::Current),
            Some(Word::Sign("[")) => match self.peek() {
                Some(Word::Number(_) | Word::Sign(":")) => self.bracket(Tree::Current),
                Some(Word::Sign("*")) if self.words.get(self.at + 1) == Some(&Word::Sign("]")) => {
                    self.bracket(Tree::Current)
                }
                _ => Ok(Tree::List(self.list("]")?)),
            },
            Some(word) => Err(format!("`{}` is not expected here", word.shown())),
            None => Err("it ends too early".into()),
        }
    }

    /// What can follow something.
    fn more(&mut self, left: Tree) -> Result<Tree, String> {
        let Some(Word::Sign(sign)) = self.next() else { return Err("an operator is missing".into()) };
        match sign {
            "." if self.take("*") => Ok(Tree::Values(boxed(left), boxed(self.projected(20)?))),
            "." => Ok(Tree::Then(boxed(left), boxed(self.after_dot(40)?))),
            "|" => Ok(Tree::Then(boxed(left), boxed(self.expression(1)?))),
            "||" => Ok(Tree::Or(boxed(left), boxed(self.expression(2)?))),
            "&&" => Ok(Tree::And(boxed(left), boxed(self.expression(3)?))),
            "[]" => Ok(Tree::Each(boxed(Tree::Flatten(boxed(left))), boxed(self.projected(9)?))),
            "[?" => self.filter(left),
            "[" => self.bracket(left),
            "==" | "!=" | "<" | "<=" | ">" | ">=" => Ok(Tree::Compare(boxed(left), sign, boxed(self.expression(5)?))),
            other => Err(format!("`{other}` is not expected here")),
        }
    }

    fn after_dot(&mut self, power: u8) -> Result<Tree, String> {
        if self.take("[") {
            return Ok(Tree::List(self.list("]")?));
        }
        match self.peek() {
            Some(Word::Name(_) | Word::Quoted(_) | Word::Sign("{" | "*")) => self.expression(power),
            _ => Err("after `.` comes a name".into()),
        }
    }

    /// What is made of each item of a projection.
    fn projected(&mut self, power: u8) -> Result<Tree, String> {
        match self.peek() {
            Some(Word::Sign("[" | "[?")) => {
                let mut right = Tree::Current;
                while power < self.power() {
                    right = self.more(right)?;
                }
                Ok(right)
            }
            Some(Word::Sign(".")) => {
                let mut right = Tree::Current;
                while power < self.power() {
                    right = self.more(right)?;
                }
                Ok(right)
            }
            _ => Ok(Tree::Current),
        }
    }

    fn filter(&mut self, left: Tree) -> Result<Tree, String> {
        let condition = self.expression(0)?;
        self.need("]")?;
        Ok(Tree::Filter(boxed(left), boxed(condition), boxed(self.projected(21)?)))
    }

    /// An index, a slice or `[*]`.
    fn bracket(&mut self, left: Tree) -> Result<Tree, String> {
        if self.take("*") {
            self.need("]")?;
            return Ok(Tree::Each(boxed(left), boxed(self.projected(20)?)));
        }
        let (mut parts, mut colons) = ([None, None, None], 0usize);
        loop {
            match self.next() {
                Some(Word::Number(number)) => {
                    if let Some(part) = parts.get_mut(colons) {
                        *part = Some(number);
                    }
                }
                Some(Word::Sign(":")) if colons < 2 => colons += 1,
                Some(Word::Sign("]")) => break,
                _ => return Err("`[` takes a number, a slice, `*`, `?` or expressions".into()),
            }
        }
        let [first, second, third] = parts;
        match (colons, first) {
            (0, Some(index)) => Ok(Tree::Then(boxed(left), boxed(Tree::Index(index)))),
            (0, None) => Err("a number is missing".into()),
            _ => {
                let slice = Tree::Then(boxed(left), boxed(Tree::Slice(first, second, third.unwrap_or(1))));
                Ok(Tree::Each(boxed(slice), boxed(self.projected(20)?)))
            }
        }
    }

    fn list(&mut self, close: &str) -> Result<Vec<Tree>, String> {
        let mut parts = Vec::new();
        if self.take(close) {
            return Ok(parts);
        }
        loop {
            parts.push(self.expression(0)?);
            if self.take(close) {
                return Ok(parts);
            }
            self.need(",")?;
        }
    }

    fn hash(&mut self) -> Result<Tree, String> {
        let mut parts = Vec::new();
        loop {
            let Some(Word::Name(name) | Word::Quoted(name)) = self.next() else {
                return Err("a key is missing".into());
            };
            self.need(":")?;
            parts.push((name, self.expression(0)?));
            if self.take("}") {
                return Ok(Tree::Hash(parts));
            }
            self.need(",")?;
        }
    }
}
