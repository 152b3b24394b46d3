//! Parameter types of their own.

use super::params::FromValue;
use crate::value::Value;

/// Declares an enum of words a parameter may have.
macro_rules! choices {
    ($(#[doc = $doc:literal])* pub enum $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident = $($word:literal)|+),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $vdoc])* $variant),+ }

        impl $crate::resource::FromValue for $name {
            const TYPE: &'static str = "choice";
            const CHOICES: &'static [&'static str] = &[$($($word),+),+];
            fn from_value(value: &$crate::value::Value) -> Result<Self, String> {
                let word = match value {
                    // `state: absent` is text, but `state: yes` was read as a boolean.
                    $crate::value::Value::Bool(true) => "yes".to_owned(),
                    $crate::value::Value::Bool(false) => "no".to_owned(),
                    other => other.to_string(),
                };
                match word.as_str() {
                    $($($word)|+ => Ok(Self::$variant),)+
                    other => {
                        let hint = $crate::diagnostic::did_you_mean(other, Self::CHOICES.iter().copied());
                        let hint = hint.map(|h| format!("; {h}")).unwrap_or_default();
                        Err(format!("expected one of {}, found `{other}`{hint}", Self::CHOICES.join(", ")))
                    }
                }
            }
        }
    };
}
pub(crate) use choices;

/// A file mode: octal (`"0644"`, `0644`, `0o644`) or symbolic (`u=rwX,g=rX`), or `preserve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Bits.
    Bits(u32),
    /// Clauses, applied to the mode that is there.
    Symbolic(Vec<Clause>),
    /// The mode of the source.
    Preserve,
}

/// One clause of a symbolic mode: who, operator, permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    who: String,
    operator: char,
    permissions: String,
}

impl FromValue for Mode {
    const TYPE: &'static str = "file mode";

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(i) => Self::from_int(*i),
            Value::Str(text) => Self::from_text(text),
            other => Err(format!("expected a file mode such as \"0644\", found {}", other.type_name())),
        }
    }
}

impl Mode {
    /// YAML reads `0644` as octal, so the number is right; but it reads `644` as decimal, which nobody means. A number
    /// whose bits deny the owner what any sensible mode grants can only be such a slip.
    fn from_int(i: i64) -> Result<Self, String> {
        let slip = || {
            format!("`{i}` is a decimal number, mode {i:o} in octal; write \"0{i}\" with quotes, or 0{i} with the zero")
        };
        let bits = u32::try_from(i).ok().filter(|bits| *bits <= 0o7777).ok_or_else(slip)?;
        let decimal_looks_octal = i >= 100 && i.to_string().bytes().all(|b| b < b'8');
        let odd = bits & 0o400 == 0 || (bits & 0o7000 != 0 && bits & 0o700 != 0o700);
        if decimal_looks_octal && odd { Err(slip()) } else { Ok(Self::Bits(bits)) }
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "preserve" {
            return Ok(Self::Preserve);
        }
        let digits = text.strip_prefix("0o").unwrap_or(text);
        if digits.starts_with(|c: char| c.is_ascii_digit()) {
            let bits = u32::from_str_radix(digits, 8).ok().filter(|bits| *bits <= 0o7777);
            return bits.map(Self::Bits).ok_or_else(|| format!("`{text}` is not an octal mode"));
        }
        let clauses: Option<Vec<Vec<Clause>>> = text.split(',').map(parse_clauses).collect();
        let clauses: Vec<Clause> = clauses.unwrap_or_default().into_iter().flatten().collect();
        if clauses.is_empty() {
            return Err(format!("`{text}` is not a file mode; write \"0644\" or u=rw,go=r"));
        }
        Ok(Self::Symbolic(clauses))
    }

    /// The bits this mode gives to something that has `current` bits.
    pub fn bits(&self, current: u32, is_dir: bool) -> Option<u32> {
        match self {
            Self::Bits(bits) => Some(*bits),
            Self::Symbolic(clauses) => Some(clauses.iter().fold(current, |mode, clause| clause.apply(mode, is_dir))),
            Self::Preserve => None,
        }
    }
}

fn parse_clauses(text: &str) -> Option<Vec<Clause>> {
    let start = text.find(['+', '-', '='])?;
    let (who, mut rest) = text.split_at(start);
    if !who.chars().all(|c| "ugoa".contains(c)) {
        return None;
    }
    let mut clauses = Vec::new();
    while let Some(operator) = rest.chars().next() {
        let after = rest.get(1..)?;
        let end = after.find(['+', '-', '=']).unwrap_or(after.len());
        let permissions = after.get(..end)?;
        if !permissions.chars().all(|c| "rwxXstugo".contains(c)) {
            return None;
        }
        clauses.push(Clause { who: who.to_owned(), operator, permissions: permissions.to_owned() });
        rest = after.get(end..)?;
    }
    Some(clauses)
}

impl Clause {
    fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let who = if self.who.is_empty() || self.who.contains('a') { "ugo" } else { &self.who };
        let mut mode = mode;
        for class in who.chars() {
            let shift = match class {
                'u' => 6,
                'g' => 3,
                _ => 0,
            };
            let bits = self.bits(mode, shift, is_dir);
            let special = self.special(class);
            let mask = 0o7 << shift;
            mode = match self.operator {
                '+' => mode | (bits << shift) | special,
                '-' => mode & !((bits << shift) | special),
                _ => {
                    let own_special = match class {
                        'u' => 0o4000,
                        'g' => 0o2000,
                        _ => 0o1000,
                    };
                    // chmod(1) keeps the set-id bits of a directory unless they are named.
                    let cleared = if is_dir { 0 } else { own_special };
                    (mode & !mask & !cleared) | (bits << shift) | special
                }
            };
        }
        mode
    }

    fn bits(&self, mode: u32, _shift: u32, is_dir: bool) -> u32 {
        self.permissions.chars().fold(0, |bits, c| {
            bits | match c {
                'r' => 4,
                'w' => 2,
                'x' => 1,
                'X' if is_dir || mode & 0o111 != 0 => 1,
                'u' => (mode >> 6) & 7,
                'g' => (mode >> 3) & 7,
                'o' => mode & 7,
                _ => 0,
            }
        })
    }

    fn special(&self, class: char) -> u32 {
        let s = self.permissions.contains('s');
        let t = self.permissions.contains('t');
        match class {
            'u' if s => 0o4000,
            'g' if s => 0o2000,
            'o' if t => 0o1000,
            _ => 0,
        }
    }
}

/// Words of a command line: a list, or text split as a shell would split it (without expanding anything).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl FromValue for Words {
    const TYPE: &'static str = "command line";
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items.iter().map(String::from_value).collect::<Result<_, _>>().map(Self),
            other => split(&String::from_value(other)?).map(Self),
        }
    }
}

/// Splits text into words by the quoting rules of the POSIX shell.
///
/// # Errors
/// Where a quote is not closed.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let part = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => part.push(c),
                        None => return Err("a single quote is not closed".into()),
                    }
                }
            }
            '"' => {
                let part = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => part.push(c),
                            Some(c) => part.extend(['\\', c]),
                            None => return Err("a double quote is not closed".into()),
                        },
                        Some(c) => part.push(c),
                        None => return Err("a double quote is not closed".into()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => word.get_or_insert_default().push('\\'),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A time in days since the epoch, given in seconds since the epoch as Ansible's `expires` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(pub i64);

impl FromValue for Days {
    const TYPE: &'static str = "seconds since the epoch; -1 for never";
    fn from_value(value: &Value) -> Result<Self, String> {
        f64::from_value(value).map(|seconds| Self(if seconds < 0.0 { -1 } else { (seconds / 86_400.0) as i64 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        let bits = |v: Value, current, dir| Mode::from_value(&v).map(|m| m.bits(current, dir).unwrap());
        assert_eq!(bits(Value::str("0644"), 0, false), Ok(0o644));
        assert_eq!(bits(Value::str("644"), 0, false), Ok(0o644));
        assert_eq!(bits(Value::str("0o2755"), 0, false), Ok(0o2755));
        assert_eq!(bits(Value::Int(0o644), 0, false), Ok(0o644));
        assert_eq!(bits(Value::Int(0o1777), 0, false), Ok(0o1777));
        for slip in [644, 755, 600, 750, 775, 777, 2775, 640] {
            assert!(Mode::from_value(&Value::Int(slip)).is_err(), "{slip}");
        }
        for octal in [0o644, 0o755, 0o600, 0o700, 0o640, 0o750, 0o440, 0o444, 0o400, 0o2770, 0o775, 0o777, 0o664] {
            assert!(Mode::from_value(&Value::Int(octal)).is_ok(), "{octal:o}");
        }
        assert_eq!(bits(Value::str("u=rwX,g=rX,o="), 0o644, true), Ok(0o750));
        assert_eq!(bits(Value::str("u=rwX,g=rX,o="), 0o644, false), Ok(0o640));
        assert_eq!(bits(Value::str("a+x"), 0o644, false), Ok(0o755));
        assert_eq!(bits(Value::str("g-w,o=u"), 0o664, false), Ok(0o646));
        assert_eq!(bits(Value::str("u+s,+t"), 0o755, false), Ok(0o5755));
        assert!(Mode::from_value(&Value::str("rw")).is_err());
    }

    #[test]
    fn words_split_as_in_a_shell() {
        let table = [
            (r#"a 'b c' "d \" e" f\ g"#, vec!["a", "b c", "d \" e", "f g"]),
            ("  ", vec![]),
            ("a ''", vec!["a", ""]),
            (r#"x="1 2""#, vec!["x=1 2"]),
        ];
        for (text, expected) in table {
            assert_eq!(split(text).unwrap(), expected);
        }
        assert!(split("'a").is_err());
    }
}
