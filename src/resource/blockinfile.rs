//! `blockinfile`: a block of lines between two markers.

use std::path::PathBuf;

use fancy_regex::Regex;

use super::edit::{Edit, bare, end_last, line_end, lines, wanted};
use super::lineinfile::State;
use super::params::params;
use super::{Context, Failure, Footprint, Mode, Outcome, ParamError, Resource, python};
use crate::machine::Machine;
use crate::value::Value;

params! {
    /// Sees to it that a block of lines between two marker lines is in a text file, or is not.
    ///
    /// # Example
    /// ```yaml
    /// - blockinfile:
    ///     path: /etc/hosts
    ///     block: |
    ///       10.0.0.1 db
    ///       10.0.0.2 web
    /// ```
    pub struct Blockinfile {
        /// The file.
        path: PathBuf, required, alias "dest" "destfile" "name";
        /// The lines. Without any, the block is removed.
        block: String = "", alias "content";
        /// Whether the block is wanted.
        state: State = State::Present;
        /// The marker lines; `{mark}` in it stands for `marker_begin` or `marker_end`.
        marker: String = "# {mark} ANSIBLE MANAGED BLOCK";
        /// What stands in the first marker.
        marker_begin: String = "BEGIN";
        /// What stands in the second marker.
        marker_end: String = "END";
        /// Add a new block after the last line this regular expression matches; `EOF` is the end of the file.
        insertafter: Option<String>;
        /// Add a new block before the last line this regular expression matches; `BOF` is the beginning of the file.
        insertbefore: Option<String>;
        /// Make the file, and directories above it, where it is not there.
        create: bool = false;
        /// Keep an empty line after the block.
        append_newline: bool = false;
        /// Keep an empty line before the block.
        prepend_newline: bool = false;
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

impl Blockinfile {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together or a regular expression is none.
    pub fn check(&self) -> Result<(), ParamError> {
        self.anchor()?;
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            return Err(ParamError::conflict("parameters are mutually exclusive: `insertafter`, `insertbefore`"));
        }
        // Equal markers would add another block each time.
        if self.mark(&self.marker_begin) == self.mark(&self.marker_end) {
            return Err(ParamError::bad("marker", "the two marker lines must differ: write `{mark}` in it"));
        }
        Ok(())
    }

    fn mark(&self, word: &str) -> String {
        self.marker.replace("{mark}", word)
    }

    fn anchor(&self) -> Result<Option<Regex>, ParamError> {
        let pattern = match (&self.insertafter, &self.insertbefore) {
            (Some(after), _) if after != "EOF" => Some(("insertafter", after)),
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

    /// The marked block; empty where none is wanted.
    fn wanted_lines(&self, end: &str) -> Vec<String> {
        if self.state == State::Absent || self.block.is_empty() {
            return Vec::new();
        }
        let mut block = vec![self.mark(&self.marker_begin)];
        // A line of the block that says how it ends keeps that.
        block.extend(self.block.split_inclusive('\n').map(|line| line.trim_end_matches('\n').to_owned()));
        block.push(self.mark(&self.marker_end));
        block.into_iter().map(|line| if line.ends_with('\r') { line + "\n" } else { line + end }).collect()
    }

    /// Takes the block out, if it is there, and says where it goes.
    fn place(&self, all: &mut Vec<String>) -> Result<usize, Failure> {
        let find = |marker: String| all.iter().rposition(|line| bare(line) == bare(&marker));
        if let (Some(a), Some(b)) = (find(self.mark(&self.marker_begin)), find(self.mark(&self.marker_end))) {
            let (first, last) = (a.min(b), a.max(b));
            all.drain(first..=last);
            return Ok(first);
        }
        if self.insertbefore.as_deref() == Some("BOF") {
            return Ok(0);
        }
        let Some(regex) = self.anchor().map_err(|e| Failure::new(e.message))? else { return Ok(all.len()) };
        if regex.as_str().starts_with("(?") && regex.as_str().split(')').next().is_some_and(|flags| flags.contains('m'))
        {
            return multi_line(&regex, &all.concat(), self.insertafter.is_some(), all.len());
        }
        let mut place = all.len();
        for (i, line) in all.iter().enumerate() {
            if python::found(&regex, bare(line))? {
                place = i + usize::from(self.insertafter.is_some());
            }
        }
        Ok(place)
    }

    /// The new text.
    fn edited(&self, text: &str) -> Result<String, Failure> {
        let mut all = lines(text);
        let end = line_end(&all);
        let block = self.wanted_lines(end);
        let mut place = self.place(&mut all)?;
        if let Some(before) = all.get_mut(..place) {
            end_last(before, end);
        }
        let present = self.state == State::Present;
        let is_empty = |line: Option<&String>| line.is_none_or(|line| bare(line).is_empty());
        if self.prepend_newline && present && !is_empty(place.checked_sub(1).and_then(|i| all.get(i))) {
            all.insert(place, end.to_owned());
            place += 1;
        }
        if self.append_newline && present && !is_empty(all.get(place)) {
            all.insert(place, end.to_owned());
        }
        let rest = all.split_off(place);
        Ok(all.into_iter().chain(block).chain(rest).collect())
    }
}

/// Where a pattern with the flag `m` matches the whole text: after the line it ends in, or before the one it starts in.
fn multi_line(regex: &Regex, text: &str, after: bool, end: usize) -> Result<usize, Failure> {
    let found = regex.find(text).map_err(|e| Failure::new(format!("the regular expression: {e}")))?;
    let line = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count();
    Ok(found.map_or(end, |found| if after { line(found.end()) + 1 } else { line(found.start()) }))
}

impl Resource for Blockinfile {
    fn footprint(&self) -> Footprint {
        self.edit().footprint()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let edit = self.edit();
        let opened = edit.open(machine)?;
        let text = match &opened.text {
            Some(text) => self.edited(text)?,
            None if self.state == State::Absent => {
                let message = format!("File {} not present", self.path.display());
                return Ok(Outcome::of([("msg", Value::from(message))]));
            }
            None if !self.create => return Err(edit.missing("Path")),
            None => self.edited("")?,
        };
        let message = match (&opened.text, self.wanted_lines("").is_empty()) {
            (None, _) => "File created",
            (_, true) => "Block removed",
            (_, false) => "Block inserted",
        };
        edit.save(machine, context, &opened, text, message)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn blocks_of_a_file() {
        const B: &str = "# BEGIN ANSIBLE MANAGED BLOCK\n";
        const E: &str = "# END ANSIBLE MANAGED BLOCK\n";
        let table = [
            ("a\n".to_owned(), "block: x", format!("a\n{B}x\n{E}")),
            ("a".to_owned(), "block: x", format!("a\n{B}x\n{E}")),
            (format!("a\n{B}y\nz\n{E}b\n"), "block: \"x\\n\"", format!("a\n{B}x\n{E}b\n")),
            (format!("a\n{B}y\n{E}b\n"), "state: absent", "a\nb\n".to_owned()),
            (format!("a\n{B}y\n{E}b\n"), "block: ''", "a\nb\n".to_owned()),
            ("a\nb\n".to_owned(), "insertafter: '^a', block: x", format!("a\n{B}x\n{E}b\n")),
            ("a\nb\n".to_owned(), "insertbefore: '^b', block: x", format!("a\n{B}x\n{E}b\n")),
            ("a\nb\n".to_owned(), "insertbefore: BOF, block: x", format!("{B}x\n{E}a\nb\n")),
            ("a\nb\nc\n".to_owned(), r"insertafter: '(?m)a\nb', block: x", format!("a\nb\n{B}x\n{E}c\n")),
            ("a\nb\nc\n".to_owned(), r"insertbefore: '(?m)b\nc', block: x", format!("a\n{B}x\n{E}b\nc\n")),
            ("a\nb\n".to_owned(), r"insertafter: 'a\nb', block: x", format!("a\nb\n{B}x\n{E}")),
            ("a\nb\n".to_owned(), "block: \"x\\r\\ny\"", format!("a\nb\n{B}x\r\ny\n{E}")),
            ("a\nb\n".to_owned(), "insertafter: nothing, block: x", format!("a\nb\n{B}x\n{E}")),
            (
                "a\nb\n".to_owned(),
                "insertafter: ^a, block: x, prepend_newline: true, append_newline: true",
                format!("a\n\n{B}x\n{E}\nb\n"),
            ),
            (
                "a\r\n".to_owned(),
                "marker: '; {mark}', block: \"x\\ny\"",
                "a\r\n; BEGIN\r\nx\r\ny\r\n; END\r\n".to_owned(),
            ),
            ("".to_owned(), "marker: '<{mark}>', marker_begin: b, marker_end: e, block: x", "<b>\nx\n<e>\n".to_owned()),
        ];
        for (before, params, after) in table {
            let bench = Bench::with(&[("/etc/f", &before)]);
            let text = format!("{{path: /etc/f, {params}}}");
            assert_eq!(bench.settle("blockinfile", &text).1, usize::from(before != after), "{text}");
            assert_eq!(bench.read("/etc/f"), after, "{text} on {before:?}");
        }
        let bench = Bench::with(&[]);
        bench.settle("blockinfile", "{path: /etc/a/f, block: x, create: true}");
        assert_eq!(bench.settle("blockinfile", "{path: /etc/g, state: absent}").1, 0);
        assert!(bench.fails("blockinfile", "{path: /etc/g, block: x}").contains("does not exist"));
        assert!(bench.fails("blockinfile", "{path: /etc/g, block: x, marker: x}").contains("must differ"));
    }
}
