//! Where the letters of a scalar stand: escapes, folded lines and indentation make a text that is not what its file holds, and a
//! mistake inside of it is shown where it was written.

use std::ops::Range;
use std::sync::Arc;

/// Places where a text does not go on in its file as it did before: the offset in the text, and that in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(Arc<Vec<(u32, u32)>>);

/// What a backslash and a quote mean in a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// Nothing.
    None,
    /// Two single quotes are one.
    Single,
    /// A backslash starts an escape.
    Double,
}

impl Places {
    /// The places of `text`, which was read from `raw` behind its first `lead` bytes. `start` is where `raw` begins, and `expected`
    /// where its first letter would be looked for.
    ///
    /// What is white is passed over on both sides: only its amount differs.
    pub fn of(raw: &str, text: &str, lead: usize, escapes: Escapes, (start, expected): (u32, u32)) -> Self {
        let mut at = lead;
        if start + lead as u32 == expected && raw.get(lead..).is_some_and(|raw| raw.starts_with(text)) {
            return Self::default();
        }
        let mut turns: Vec<(u32, u32)> = Vec::new();
        for (offset, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            let Some((found, next)) = letter(raw, at, c, escapes) else { break };
            let (offset, place) = (offset as u32, start + found as u32);
            let (base, from) = turns.last().copied().unwrap_or((0, expected));
            if from + (offset - base) != place {
                turns.push((offset, place));
            }
            at = next;
        }
        Self(Arc::new(turns))
    }

    /// Where the letter at an offset stands. The first letter is at `start` where nothing else is said.
    pub fn at(&self, offset: u32, start: u32) -> u32 {
        let last = self.0.partition_point(|(at, _)| *at <= offset).checked_sub(1).and_then(|last| self.0.get(last));
        let (base, from) = last.copied().unwrap_or((0, start));
        from + (offset - base)
    }

    /// The places of a part of the text.
    #[must_use]
    pub fn part(&self, range: &Range<usize>) -> Self {
        let index = |offset: usize| self.0.partition_point(|(at, _)| (*at as usize) < offset);
        let inside = self.0.get(index(range.start)..index(range.end)).unwrap_or_default();
        Self(Arc::new(inside.iter().map(|(at, place)| (at - range.start as u32, *place)).collect()))
    }

    /// Every offset at which a text does not go on as before, and its place.
    pub fn turns(&self) -> &[(u32, u32)] {
        &self.0
    }
}

/// Where the letter `c` of a text is in `raw`, from `at` on, and where the next one is looked for. Nothing where the two do not
/// agree.
fn letter(raw: &str, mut at: usize, c: char, escapes: Escapes) -> Option<(usize, usize)> {
    loop {
        let rest = raw.get(at..)?;
        let found = rest.chars().next()?;
        if found == '\\' && escapes == Escapes::Double {
            let (meant, length) = escape(rest)?;
            if meant == Some(c) {
                return Some((at, at + length));
            }
            if meant.is_some_and(|meant| !meant.is_whitespace()) {
                return None;
            }
            at += length;
        } else if found.is_whitespace() {
            at += found.len_utf8();
        } else if found == c {
            let doubled = escapes == Escapes::Single && rest.starts_with("''");
            return Some((at, at + found.len_utf8() + usize::from(doubled)));
        } else {
            return None;
        }
    }
}

/// The letter an escape stands for, where it is no blank, and the length of the escape.
fn escape(rest: &str) -> Option<(Option<char>, usize)> {
    let sign = rest.chars().nth(1)?;
    let digits = match sign {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let code = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        return Some((char::from_u32(code), 2 + digits));
    }
    let meant = match sign {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'e' => '\u{1b}',
        't' | 'n' | 'v' | 'f' | 'r' | 'N' | '_' | 'L' | 'P' => ' ',
        other => other,
    };
    Some((Some(meant), 1 + sign.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_found_where_they_were_written() {
        let found = |raw: &str, text: &str, lead: usize, escapes, letter: char| {
            let places = Places::of(raw, text, lead, escapes, (0, lead.min(1) as u32));
            places.at(text.find(letter).unwrap() as u32, lead.min(1) as u32) as usize
        };
        let table = [
            ("one\n  two x", "one two x", 0, Escapes::None),
            ("\n\n   one\n   x\n", "\n\none\nx\n", 0, Escapes::None),
            ("'it''s x'", "it's x", 1, Escapes::Single),
            (r#""a\tb \"c\" \u00e4 x""#, "a\tb \"c\" ä x", 1, Escapes::Double),
            ("\"one \\\n   two x\"", "one two x", 1, Escapes::Double),
            (r#""a\nb x""#, "a\nb x", 1, Escapes::Double),
            ("\"\"\"\none\nx\"\"\"", "one\nx", 3, Escapes::Double),
        ];
        for (raw, text, lead, escapes) in table {
            assert_eq!(found(raw, text, lead, escapes, 'x'), raw.rfind('x').unwrap(), "{raw}");
        }
        let places = Places::of("a\n  b\n  c", "a b c", 0, Escapes::None, (10, 10));
        assert_eq!(places.part(&(2..5)).at(2, 14), 18);
        assert_eq!(Places::of("abc", "abc", 0, Escapes::None, (10, 10)), Places::default());
    }
}
