//! Unified diffs of text, as diff(1) and patch(1) write them.

use std::fmt;

use imara_diff::{Algorithm, Diff, UnifiedDiffConfig, UnifiedDiffPrinter};
use imara_diff::{InternedInput, Interner, Token};

/// The unified diff between two texts, with three lines of context.
pub fn unified(name: &str, before: &str, after: &str) -> String {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let printer = Lines(&input.interner);
    let hunks = diff.unified_diff(&printer, UnifiedDiffConfig::default(), &input);
    format!("--- before: {name}\n+++ after: {name}\n{hunks}")
}

/// Writes lines with their marks. The crate's own printer neither counts empty ranges as POSIX does nor says where a
/// text does not end in a newline.
struct Lines<'a>(&'a Interner<&'a str>);

impl Lines<'_> {
    fn line(&self, mut f: impl fmt::Write, mark: char, token: Token) -> fmt::Result {
        let text = self.0[token];
        match text.strip_suffix('\n') {
            Some(line) => writeln!(f, "{mark}{line}"),
            None => writeln!(f, "{mark}{text}\n\\ No newline at end of file"),
        }
    }
}

/// A range of a hunk's header: an empty one names the line before it.
fn range(start: u32, length: u32) -> String {
    match length {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{length}", start + 1),
    }
}

impl UnifiedDiffPrinter for Lines<'_> {
    fn display_header(
        &self,
        mut f: impl fmt::Write,
        start_before: u32,
        start_after: u32,
        len_before: u32,
        len_after: u32,
    ) -> fmt::Result {
        writeln!(f, "@@ -{} +{} @@", range(start_before, len_before), range(start_after, len_after))
    }

    fn display_context_token(&self, f: impl fmt::Write, token: Token) -> fmt::Result {
        self.line(f, ' ', token)
    }

    fn display_hunk(&self, mut f: impl fmt::Write, before: &[Token], after: &[Token]) -> fmt::Result {
        before.iter().try_for_each(|token| self.line(&mut f, '-', *token))?;
        after.iter().try_for_each(|token| self.line(&mut f, '+', *token))
    }
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn as_diff_u_writes_it() {
        let hunks = |before: &str, after: &str| unified("x", before, after).splitn(3, '\n').nth(2).unwrap().to_owned();
        let table = [
            ("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"),
            ("a\n", "", "@@ -1 +0,0 @@\n-a\n"),
            ("a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"),
            ("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
        ];
        for (before, after, expected) in table {
            assert_eq!(hunks(before, after), expected, "{before:?} {after:?}");
        }
    }
}
