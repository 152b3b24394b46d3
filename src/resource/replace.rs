//! `replace`: every match of a pattern in a text file.

use std::ops::Range;
use std::path::PathBuf;

use fancy_regex::Regex;

use super::edit::{Edit, wanted};
use super::params::params;
use super::{Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, python};
use crate::machine::Machine;
use crate::value::Value;

params! {
    /// Replaces every match of a regular expression in a text file.
    ///
    /// `^` and `$` match at every line. Nothing sees to it that the pattern does not match what it was replaced by.
    ///
    /// # Example
    /// ```yaml
    /// - replace: { path: /etc/hosts, regexp: '(\s+)old\.example\.com', replace: '\1new.example.com' }
    /// ```
    pub struct Replace {
        /// The file.
        path: PathBuf, required, alias "dest" "destfile" "name";
        /// What is replaced, as a regular expression of Python.
        regexp: String, required;
        /// What it is replaced by; `\1` and `\g<name>` stand for groups.
        replace: String = "";
        /// Only after the first match of this regular expression.
        after: Option<String>;
        /// Only before a match of this regular expression: the first one after `after`, else the last.
        before: Option<String>;
        /// Keep a copy of the old file beside it.
        backup: bool = false;
        /// A command that checks the new file before it takes the place; `%s` in it stands for the file.
        validate: Option<String>;
        /// Mode, octal in quotes or symbolic.
        mode: Option<Mode>;
        /// Owner.
        owner: Option<String>;
        /// Group.
        group: Option<String>;
    }
}

impl Replace {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where a regular expression is none.
    pub fn check(&self) -> Result<(), ParamError> {
        python::compile("regexp", &self.regexp, "m")?;
        if let Some(reason) = python::bad_escape(&self.replace) {
            return Err(ParamError::bad("replace", format!("Unable to process replace due to error: {reason}")));
        }
        self.section().map(drop)
    }

    /// The pattern whose group `subsection` is the part of the file to look at.
    fn section(&self) -> Result<Option<(Regex, String)>, ParamError> {
        let pattern = match (&self.after, &self.before) {
            (Some(after), Some(before)) => format!("{after}(?P<subsection>.*?){before}"),
            (Some(after), None) => format!("{after}(?P<subsection>.*)"),
            (None, Some(before)) => format!("(?P<subsection>.*){before}"),
            (None, None) => return Ok(None),
        };
        let param = if self.after.is_some() { "after" } else { "before" };
        Ok(Some((python::compile(param, &pattern, "s")?, pattern)))
    }

    fn edit(&self) -> Edit<'_> {
        Edit {
            path: &self.path,
            backup: self.backup,
            validate: self.validate.as_deref(),
            wanted: wanted(self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref()),
        }
    }

    /// Where in the text to look; `Err` says that there is no such part.
    fn range(&self, text: &str) -> Result<Result<Range<usize>, String>, Failure> {
        let Some((regex, pattern)) = self.section().map_err(|e| Failure::new(e.message))? else {
            return Ok(Ok(0..text.len()));
        };
        let captures = regex.captures(text).map_err(|e| Failure::new(format!("the regular expression: {e}")))?;
        let group = captures.and_then(|captures| captures.name("subsection").map(|m| m.range()));
        Ok(group.ok_or_else(|| format!("Pattern for before/after params did not match the given file: {pattern}")))
    }

    /// The text with every match replaced, and how many there were.
    fn replaced(&self, text: &str) -> Result<(String, usize), Failure> {
        let regex = python::compile("regexp", &self.regexp, "m").map_err(|e| Failure::new(e.message))?;
        let mut out = String::new();
        let mut last = 0;
        let mut count = 0;
        for captures in regex.captures_iter(text) {
            let captures = captures.map_err(|e| Failure::new(format!("the regular expression: {e}")))?;
            let Some(whole) = captures.get(0) else { continue };
            out.push_str(text.get(last..whole.start()).unwrap_or_default());
            out.push_str(&python::expand(&self.replace, &captures)?);
            last = whole.end();
            count += 1;
        }
        out.push_str(text.get(last..).unwrap_or_default());
        Ok((out, count))
    }
}

impl Resource for Replace {
    fn footprint(&self) -> Footprint {
        self.edit().footprint()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let edit = self.edit();
        let opened = edit.open(machine)?;
        let Some(text) = &opened.text else { return Err(edit.missing("Path")) };
        let range = match self.range(text)? {
            Ok(range) => range,
            Err(message) => {
                edit.save(machine, context, &opened, text.clone(), "")?;
                return Ok(Outcome::of([("msg", Value::from(message))]));
            }
        };
        let (middle, count) = self.replaced(text.get(range.clone()).unwrap_or_default())?;
        let before = text.get(..range.start).unwrap_or_default();
        let after = text.get(range.end..).unwrap_or_default();
        edit.save(machine, context, &opened, format!("{before}{middle}{after}"), &format!("{count} replacements made"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn matches_are_replaced() {
        let table = [
            ("a1 a2\na3\n", r"regexp: 'a(\d)', replace: 'b\1'", "b1 b2\nb3\n"),
            ("a\nb\n", "regexp: '^b$', replace: c", "a\nc\n"),
            ("a\nb\nc\n", r"regexp: '^b\n'", "a\nc\n"),
            (
                "x a\nSTART\na\nEND\na\n",
                "regexp: a, replace: b, after: 'START', before: 'END'",
                "x a\nSTART\nb\nEND\na\n",
            ),
            ("a\nSTART\na\n", "regexp: a, replace: b, after: START", "a\nSTART\nb\n"),
            ("a\nSTOP\na\n", "regexp: a, replace: b, before: STOP", "b\nSTOP\na\n"),
            ("a\n", "regexp: a, replace: b, before: nothing", "a\n"),
        ];
        for (before, params, after) in table {
            let bench = Bench::with(&[("/etc/f", before)]);
            let text = format!("{{path: /etc/f, {params}}}");
            assert_eq!(bench.settle("replace", &text).1, usize::from(before != after), "{text}");
            assert_eq!(bench.read("/etc/f"), after, "{text}");
        }
        let bench = Bench::with(&[("/etc/f", "a\n")]);
        assert!(bench.fails("replace", "{path: /etc/g, regexp: a}").contains("does not exist"));
        assert!(bench.fails("replace", "{path: /etc/f, regexp: '('}").contains("regular expression"));
        assert!(bench.fails("replace", r"{path: /etc/f, regexp: a, replace: '\2'}").contains("group 2"));
        assert!(bench.fails("replace", r"{path: /etc/f, regexp: z, replace: '\D'}").contains("bad escape"));
        assert_eq!(bench.settle("replace", "{path: /etc/f, regexp: z, mode: '0600'}").1, 1);
    }
}
