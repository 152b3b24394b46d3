//! `lineinfile`: one line in a text file.

use std::path::PathBuf;

use fancy_regex::Regex;

use super::edit::{Edit, Opened, bare, end_last, line_end, lines, wanted};
use super::params::params;
use super::types::choices;
use super::{Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, python};
use crate::machine::Machine;
use crate::value::Value;

choices! {
    /// Whether the line is wanted.
    pub enum State {
        /// It is there.
        Present = "present",
        /// It is not there.
        Absent = "absent",
    }
}

params! {
    /// Sees to it that a line is in a text file, or is not.
    ///
    /// Where `regexp` or `search_string` match, the last such line is replaced. Where they do not and the line is not
    /// there, it is added after the last match of `insertafter`, before that of `insertbefore`, or at the end. A line
    /// gets the ending (LF or CRLF) of the file.
    ///
    /// # Example
    /// ```yaml
    /// - lineinfile: { path: /etc/ssh/sshd_config, regexp: "^#?PermitRootLogin", line: PermitRootLogin no }
    /// ```
    pub struct Lineinfile {
        /// The file.
        path: PathBuf, required, alias "dest" "destfile" "name";
        /// The line.
        line: Option<String>, alias "value";
        /// Whether it is wanted.
        state: State = State::Present;
        /// The lines it stands for, as a regular expression of Python.
        regexp: Option<String>, alias "regex";
        /// The lines it stands for: those that hold this text.
        search_string: Option<String>;
        /// Fill what `regexp` matched in groups into the line (`\1`, `\g<name>`); nothing is added where it does not match.
        backrefs: bool = false;
        /// Add a new line after the last line this regular expression matches; `EOF` is the end of the file.
        insertafter: Option<String>;
        /// Add a new line before the last line this regular expression matches; `BOF` is the beginning of the file.
        insertbefore: Option<String>;
        /// Take the first match rather than the last.
        firstmatch: bool = false;
        /// Make the file, and directories above it, where it is not there.
        create: bool = false;
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

/// Which lines the wanted one stands for.
enum Pattern {
    Regex(Regex),
    Text(String),
}

impl Pattern {
    fn fits(&self, line: &str) -> Result<bool, Failure> {
        match self {
            Self::Regex(regex) => python::found(regex, bare(line)),
            Self::Text(text) => Ok(line.contains(text.as_str())),
        }
    }
}

impl Lineinfile {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together or a regular expression is none.
    pub fn check(&self) -> Result<(), ParamError> {
        self.pattern()?;
        self.anchor()?;
        let conflict = |message: &str| Err(ParamError::conflict(message));
        match self.state {
            _ if self.regexp.is_some() && self.search_string.is_some() => {
                conflict("parameters are mutually exclusive: `regexp`, `search_string`")
            }
            _ if self.insertafter.is_some() && self.insertbefore.is_some() => {
                conflict("parameters are mutually exclusive: `insertafter`, `insertbefore`")
            }
            State::Present if self.line.is_none() => conflict("`state: present` needs `line`"),
            State::Present if self.backrefs && self.regexp.is_none() => conflict("`backrefs` needs `regexp`"),
            State::Absent if self.line.is_none() && self.regexp.is_none() && self.search_string.is_none() => {
                conflict("`state: absent` needs one of `line`, `regexp` and `search_string`")
            }
            _ => Ok(()),
        }
    }

    fn pattern(&self) -> Result<Option<Pattern>, ParamError> {
        Ok(match (&self.regexp, &self.search_string) {
            (Some(regexp), _) => Some(Pattern::Regex(python::compile("regexp", regexp, "")?)),
            (None, Some(text)) => Some(Pattern::Text(text.clone())),
            (None, None) => None,
        })
    }

    /// The line near which a new one goes, where a pattern says so.
    fn anchor(&self) -> Result<Option<Regex>, ParamError> {
        let pattern = match (&self.insertafter, &self.insertbefore) {
            (Some(after), _) if after != "EOF" && after != "BOF" => Some(("insertafter", after)),
            (None, Some(before)) if before != "BOF" => Some(("insertbefore", before)),
            _ => None,
        };
        pattern.map(|(param, text)| python::compile(param, text, "")).transpose()
    }

    fn edit(&self) -> Edit<'_> {
        Edit {
            path: &self.path,
            backup: self.backup,
            validate: self.validate.as_deref(),
            wanted: wanted(self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref()),
        }
    }

    /// The index of the first or last line for which `fits` holds.
    fn find(&self, lines: &[String], fits: impl Fn(&str) -> Result<bool, Failure>) -> Result<Option<usize>, Failure> {
        let mut found = None;
        for (i, line) in lines.iter().enumerate() {
            if fits(line)? {
                found = Some(i);
                if self.firstmatch {
                    break;
                }
            }
        }
        Ok(found)
    }

    fn present(&self, machine: &dyn Machine, context: &Context, opened: &Opened) -> Result<Outcome, Failure> {
        let edit = self.edit();
        if opened.text.is_none() && !self.create {
            return Err(edit.missing("Destination"));
        }
        let line = self.line.as_deref().unwrap_or_default();
        let mut all = lines(opened.text.as_deref().unwrap_or_default());
        let end = line_end(&all);
        let bad = |error: ParamError| Failure::new(error.message);
        let pattern = self.pattern().map_err(bad)?;
        let matched = match &pattern {
            Some(pattern) => self.find(&all, |candidate| pattern.fits(candidate))?,
            None => None,
        };
        // The line as it stands somewhere else counts too, and always the last such one, as in Ansible.
        let there = matched.or_else(|| all.iter().rposition(|other| bare(other) == line));
        let mut message = "line replaced";
        match there.and_then(|i| all.get_mut(i)) {
            Some(slot) => {
                let expanded = match &pattern {
                    Some(Pattern::Regex(regex)) if self.backrefs && matched.is_some() => {
                        expand(regex, bare(slot), line)?
                    }
                    _ => line.to_owned(),
                };
                // LF and CRLF are the same line; one without an end gets it, as in Ansible.
                if bare(slot) != bare(&expanded) || !slot.ends_with('\n') {
                    *slot = ended(&expanded, end);
                }
            }
            None if self.backrefs => {}
            None => {
                message = "line added";
                self.add(&mut all, line, end)?;
            }
        }
        edit.save(machine, context, opened, all.concat(), message)
    }

    /// Adds the line where `insertafter` and `insertbefore` want it.
    fn add(&self, all: &mut Vec<String>, line: &str, end: &str) -> Result<(), Failure> {
        let new = ended(line, end);
        if self.insertbefore.as_deref() == Some("BOF") || self.insertafter.as_deref() == Some("BOF") {
            all.insert(0, new);
            return Ok(());
        }
        let anchor = self.anchor().map_err(|e| Failure::new(e.message))?;
        let at = match &anchor {
            Some(regex) => self.find(all, |other| python::found(regex, bare(other)))?,
            None => None,
        };
        let after = usize::from(self.insertafter.is_some());
        match at.map(|i| i + after).filter(|i| *i < all.len()) {
            Some(i) => all.insert(i, new),
            None => {
                end_last(all, end);
                all.push(new);
            }
        }
        Ok(())
    }

    fn absent(&self, machine: &dyn Machine, context: &Context, opened: &Opened) -> Result<Outcome, Failure> {
        let Some(text) = &opened.text else {
            return Ok(Outcome::of([("msg", Value::str("file not present"))]));
        };
        let all = lines(text);
        let pattern = self.pattern().map_err(|e| Failure::new(e.message))?;
        let mut kept = String::new();
        let mut removed = 0;
        for line in &all {
            let gone = match &pattern {
                Some(pattern) => pattern.fits(line)?,
                None => self.line.as_deref() == Some(bare(line)),
            };
            if gone {
                removed += 1;
            } else {
                kept.push_str(line);
            }
        }
        let mut outcome = self.edit().save(machine, context, opened, kept, &format!("{removed} line(s) removed"))?;
        outcome.result.insert("found".into(), Value::Int(removed));
        Ok(outcome)
    }
}

fn ended(line: &str, end: &str) -> String {
    if line.ends_with('\n') { line.to_owned() } else { format!("{line}{end}") }
}

fn expand(regex: &Regex, text: &str, template: &str) -> Result<String, Failure> {
    let captures = regex.captures(text).map_err(|e| Failure::new(format!("the regular expression: {e}")))?;
    captures.map_or_else(|| Ok(template.to_owned()), |captures| python::expand(template, &captures))
}

impl Resource for Lineinfile {
    fn footprint(&self) -> Footprint {
        self.edit().footprint()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let opened = self.edit().open(machine)?;
        let mut outcome = match self.state {
            State::Present => self.present(machine, context, &opened),
            State::Absent => self.absent(machine, context, &opened),
        }?;
        let empty = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
        if empty(&self.regexp) || empty(&self.search_string) {
            let pattern = if empty(&self.regexp) { "regular expression" } else { "search string" };
            let warning = format!(
                "The {pattern} is an empty string, which will match every line in the file. This may have unintended \
                 consequences, such as replacing the last line in the file rather than appending."
            );
            let hint = " If this is desired, use '^' to match every line in the file and avoid this warning.";
            let warning = if empty(&self.regexp) { warning + hint } else { warning };
            outcome.result.insert("warnings".into(), Value::list([Value::from(warning)]));
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn lines_of_a_file() {
        // Before, parameters, after.
        let table = [
            ("a\nb\n", "line: c", "a\nb\nc\n"),
            ("a\nb", "line: c", "a\nb\nc\n"),
            ("", "line: c", "c\n"),
            ("a\nb\n", "line: b", "a\nb\n"),
            ("a\nb", "line: b", "a\nb\n"),
            ("a\r\nb\r\n", "line: b", "a\r\nb\r\n"),
            ("a=1\nb=1\na=2\n", "{regexp: '^a=', line: a=3}", "a=1\nb=1\na=3\n"),
            ("a=1\nb=1\na=2\n", "{regexp: '^a=', line: a=3, firstmatch: true}", "a=3\nb=1\na=2\n"),
            ("x\n", "{regexp: '^a=', line: a=3}", "x\na=3\n"),
            ("x\na=3\ny\n", "{regexp: '^nothing', line: a=3}", "x\na=3\ny\n"),
            ("a\nb\nc\n", "{insertafter: '^a', line: x}", "a\nx\nb\nc\n"),
            ("a\nb\na\n", "{insertafter: '^a', line: x}", "a\nb\na\nx\n"),
            ("a\nb\na\n", "{insertafter: '^a', line: x, firstmatch: true}", "a\nx\nb\na\n"),
            ("a\nb\nc\n", "{insertbefore: '^c', line: x}", "a\nb\nx\nc\n"),
            ("a\nb\n", "{insertbefore: '^z', line: x}", "a\nb\nx\n"),
            ("a\nb\n", "{insertbefore: BOF, line: x}", "x\na\nb\n"),
            ("a\nb\n", "{insertafter: EOF, line: x}", "a\nb\nx\n"),
            ("Port 22\n", r"{regexp: '^(Port) (\d+)$', line: '\1 2\2', backrefs: true}", "Port 222\n"),
            ("x\n", r"{regexp: '^(Port)', line: '\1 1', backrefs: true}", "x\n"),
            ("a\r\nb\r\n", "{regexp: '^b$', line: c}", "a\r\nc\r\n"),
            ("a\r\nb\r\n", "{line: c}", "a\r\nb\r\nc\r\n"),
            ("say hi\nno\n", "{search_string: hi, line: bye}", "bye\nno\n"),
            ("a\nb\na\n", "{state: absent, line: a}", "b\n"),
            ("a1\nb\na2\n", "{state: absent, regexp: '^a'}", "b\n"),
            ("a1\nb\n", "{state: absent, search_string: '1'}", "b\n"),
        ];
        for (before, params, after) in table {
            let bench = Bench::with(&[("/etc/f", before)]);
            let params = params.trim_start_matches('{').trim_end_matches('}');
            let text = format!("{{path: /etc/f, {params}}}");
            // Group references make a line that differs from the one it stands for each time.
            if text.contains(r"2\2") {
                bench.run("lineinfile", &text).unwrap();
            } else {
                assert_eq!(bench.settle("lineinfile", &text).1, usize::from(before != after), "{text}");
            }
            assert_eq!(bench.read("/etc/f"), after, "{text} on {before:?}");
        }
    }

    #[test]
    fn files() {
        let bench = Bench::with(&[("/etc/f", "a\n")]);
        bench.settle("lineinfile", "{path: /srv/x/y/f, line: a, create: true, mode: '0600'}");
        assert_eq!(bench.read("/srv/x/y/f"), "a\n");
        assert_eq!(bench.settle("lineinfile", "{path: /etc/f, line: a, mode: '0600'}").1, 1);
        assert_eq!(bench.settle("lineinfile", "{path: /etc/none, line: a, state: absent}").1, 0);
        bench.run("file", "{path: /etc/l, src: f, state: link}").unwrap();
        bench.settle("lineinfile", "{path: /etc/l, line: b}");
        assert_eq!(bench.read("/etc/f"), "a\nb\n");
        let table = [
            ("{path: /etc/none, line: a}", "does not exist"),
            ("{path: /etc, line: a}", "is a directory"),
            ("{path: /etc/f}", "needs `line`"),
            ("{path: /etc/f, state: absent}", "needs one of"),
            ("{path: /etc/f, line: a, regexp: '('}", "not a regular expression"),
            ("{path: /etc/f, line: a, backrefs: true}", "needs `regexp`"),
            ("{path: /etc/f, line: a, insertafter: x, insertbefore: y}", "mutually exclusive"),
        ];
        for (text, expected) in table {
            let message = bench.fails("lineinfile", text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
