//! The words of a line of an INI inventory, by the rules of a POSIX shell, as Ansible splits them.

/// A word and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Offset of its first byte in the line.
    pub start: usize,
    /// Offset behind its last byte.
    pub end: usize,
    /// Its text without quotes.
    pub text: String,
}

/// The words of a line, and whether a comment started in the middle of a word.
///
/// # Errors
/// Where a quote is not closed: its offset.
pub fn split(line: &str) -> Result<(Vec<Word>, Option<usize>), usize> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        if c == '#' {
            let glued = word.is_some().then_some(at);
            words.extend(word);
            return Ok((words, glued));
        }
        let current = word.get_or_insert(Word { start: at, end: at, text: String::new() });
        match c {
            '\'' | '"' => quoted(c, &mut chars, current).ok_or(at)?,
            '\\' => current.text.extend(chars.next().map(|(_, escaped)| escaped)),
            c => current.text.push(c),
        }
        current.end = chars.offset();
    }
    words.extend(word);
    Ok((words, None))
}

/// Reads up to the closing quote. A backslash escapes inside of double quotes only, and only what is special there.
fn quoted(quote: char, chars: &mut std::str::CharIndices<'_>, word: &mut Word) -> Option<()> {
    loop {
        let (_, c) = chars.next()?;
        if c == quote {
            return Some(());
        }
        if c == '\\' && quote == '"' {
            let (_, escaped) = chars.next()?;
            if !matches!(escaped, '"' | '\\') {
                word.text.push('\\');
            }
            word.text.push(escaped);
        } else {
            word.text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        let words = |line: &str| {
            split(line)
                .map(|(words, _)| words.into_iter().map(|w| w.text).collect::<Vec<_>>())
                .map_err(|at| at.to_string())
        };
        assert_eq!(words(r#"h a="x y" b='c "d' e=f\ g # no"#).unwrap(), ["h", "a=x y", "b=c \"d", "e=f g"]);
        assert_eq!(words(r#"h a="b\"c\d""#).unwrap(), ["h", "a=b\"c\\d"]);
        assert_eq!(words("h a='x").unwrap_err(), "4");
        assert_eq!(split("h p=abc#def x=1").unwrap().1, Some(7));
        let (found, _) = split("h  key='v'").unwrap();
        assert_eq!(found.get(1).map(|w| (w.start, w.end)), Some((3, 10)));
    }
}
