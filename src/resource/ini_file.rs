//! `ini_file`: an option of a section in an INI file.

use std::path::PathBuf;

use super::edit::{Edit, bare, end_last, lines, wanted};
use super::params::params;
use super::types::choices;
use super::{Context, Failure, Footprint, Mode, Outcome, ParamError, Resource};
use crate::machine::Machine;
use crate::value::Value;

choices! {
    /// Whether it is there.
    pub enum State {
        /// It is there.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

params! {
    /// Manages options in an INI file, line by line: what it does not name stays as it is, comments too.
    ///
    /// # Example
    /// ```yaml
    /// - ini_file: { path: /etc/app.ini, section: database, option: port, value: "5432", mode: "0644" }
    /// ```
    pub struct IniFile {
        /// The file.
        path: PathBuf, required, alias "dest";
        /// The section; without one, the part of the file before the first one.
        section: Option<String>;
        /// The option; without one, the section as a whole.
        option: Option<String>;
        /// The value.
        value: Option<String>;
        /// Values of an option that may be there several times.
        values: Vec<String>;
        /// Whether it is there.
        state: State = State::Present;
        /// Take away other lines of the option.
        exclusive: bool = true;
        /// Write `option=value` rather than `option = value`.
        no_extra_spaces: bool = false;
        /// Leave a line alone that differs in white space only.
        ignore_spaces: bool = false;
        /// The option may be there without a value.
        allow_no_value: bool = false;
        /// Use a line that is commented out for the option.
        modify_inactive_option: bool = true;
        /// Make the file where it is not there.
        create: bool = true;
        /// Follow a link. cfg always does, so that only `true` can be asked for.
        follow: bool = true;
        /// Keep a copy of the old file beside it.
        backup: bool = false;
        /// Mode, octal in quotes or symbolic.
        mode: Option<Mode>;
        /// Owner.
        owner: Option<String>;
        /// Group.
        group: Option<String>;
    }
}

/// A line of the option.
struct Setting<'a> {
    active: bool,
    value: Option<&'a str>,
}

impl IniFile {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        let one_line = |text: &&String| !text.contains('\n');
        let texts = self.section.iter().chain(&self.option).chain(&self.value).chain(&self.values);
        match () {
            () if self.value.is_some() && !self.values.is_empty() => {
                Err(ParamError::conflict("parameters are mutually exclusive: `value`, `values`"))
            }
            () if !self.follow => Err(ParamError::bad("follow", "cfg always follows a link to the file")),
            () if self.section.is_none() && self.option.is_none() => {
                Err(ParamError::conflict("one of `section` and `option` is needed"))
            }
            () if self.option.is_some()
                && self.state == State::Present
                && self.wanted_values().is_empty()
                && !self.allow_no_value =>
            {
                Err(ParamError::conflict("an option that is to be there needs `value`, `values` or `allow_no_value`"))
            }
            () if !texts.into_iter().all(|text| one_line(&text)) => {
                Err(ParamError::conflict("a section, option or value is one line"))
            }
            () => Ok(()),
        }
    }

    fn wanted_values(&self) -> Vec<&str> {
        self.value.iter().chain(&self.values).map(String::as_str).collect()
    }

    fn edit(&self) -> Edit<'_> {
        Edit {
            path: &self.path,
            backup: self.backup,
            validate: None,
            wanted: wanted(self.mode.as_ref(), self.owner.as_ref(), self.group.as_ref()),
        }
    }

    fn line(&self, value: Option<&str>) -> String {
        let option = self.option.as_deref().unwrap_or_default();
        match value {
            None => format!("{option}\n"),
            Some(value) if self.no_extra_spaces => format!("{option}={value}\n"),
            // An empty value leaves no space at the end of the line.
            Some("") => format!("{option} =\n"),
            Some(value) => format!("{option} = {value}\n"),
        }
    }

    /// Reads a line as one of the option.
    fn setting<'l>(&self, line: &'l str) -> Option<Setting<'l>> {
        let option = self.option.as_deref()?;
        let text = bare(line).trim_start();
        let (active, text) = match text.strip_prefix(['#', ';']) {
            Some(rest) => (false, rest.trim_start()),
            None => (true, text),
        };
        let rest = text.strip_prefix(option)?.trim_start_matches([' ', '\t']);
        match rest.strip_prefix('=') {
            Some(value) => Some(Setting { active, value: Some(value.trim()) }),
            None if rest.is_empty() => Some(Setting { active, value: None }),
            None => None,
        }
    }

    /// The lines of the file as they are wanted, and what was done.
    fn edited(&self, text: &str) -> (String, &'static str) {
        let mut all = lines(text);
        end_last(&mut all, "\n");
        let message = match (self.bounds(&all), self.state) {
            (None, State::Absent) => "OK",
            (None, State::Present) => {
                all.extend(self.section.as_ref().map(|section| format!("[{section}]\n")));
                self.append(&mut all)
            }
            (Some((start, end)), State::Absent) if self.option.is_none() => {
                all.drain(start..end);
                "section removed"
            }
            (Some(_), State::Present) if self.option.is_none() => "OK",
            (Some((start, end)), _) => {
                let section: Vec<String> = all.drain(start..end).collect();
                let (after, message) = match self.state {
                    State::Present => self.with_option(section.clone()),
                    State::Absent => self.without_option(&section),
                };
                all.splice(start..start, after);
                message
            }
        };
        (all.concat(), message)
    }

    /// Where the section begins (with its header) and ends.
    fn bounds(&self, all: &[String]) -> Option<(usize, usize)> {
        let header = |line: &String| {
            let text = bare(line).trim();
            text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name.to_owned())
        };
        let start = match &self.section {
            None => 0,
            Some(section) => all.iter().position(|line| header(line).as_ref() == Some(section))?,
        };
        let first = start + usize::from(self.section.is_some());
        let length = all.iter().skip(first).position(|line| header(line).is_some());
        Some((start, length.map_or(all.len(), |length| first + length)))
    }

    fn append(&self, all: &mut Vec<String>) -> &'static str {
        if self.option.is_none() {
            return "only section added";
        }
        let values = self.wanted_values();
        if values.is_empty() {
            all.push(self.line(None));
        }
        all.extend(values.into_iter().map(|value| self.line(Some(value))));
        "section and option added"
    }

    fn with_option(&self, mut section: Vec<String>) -> (Vec<String>, &'static str) {
        let mut pending: Vec<Option<&str>> = self.wanted_values().into_iter().map(Some).collect();
        if pending.is_empty() {
            pending.push(None);
        }
        let before = section.clone();
        let mut done = vec![false; section.len()];
        // Lines that have the value already, then other lines of the option, then those that are commented out.
        self.pass(&mut section, &mut done, &mut pending, true, true);
        if self.exclusive {
            self.pass(&mut section, &mut done, &mut pending, true, false);
        }
        if self.modify_inactive_option {
            self.pass(&mut section, &mut done, &mut pending, false, true);
            self.pass(&mut section, &mut done, &mut pending, false, false);
        }
        let surplus = |(line, done): &(String, bool)| {
            self.exclusive && !done && self.setting(line).is_some_and(|setting| setting.active)
        };
        let mut after: Vec<String> =
            section.into_iter().zip(done).filter(|pair| !surplus(pair)).map(|(line, _)| line).collect();
        let added = !pending.is_empty();
        let blank = |line: &String| {
            let text = line.trim();
            text.is_empty() || text.starts_with(['#', ';'])
        };
        let at = after.iter().rposition(|line| !blank(line)).map_or(0, |last| last + 1);
        after.splice(at..at, pending.into_iter().map(|value| self.line(value)));
        let message = match () {
            () if added => "option added",
            () if after != before => "option changed",
            () => "OK",
        };
        (after, message)
    }

    /// Uses lines for values that are wanted: with `exact` those that have the value, else any.
    fn pass(
        &self,
        section: &mut [String],
        done: &mut [bool],
        pending: &mut Vec<Option<&str>>,
        active: bool,
        exact: bool,
    ) {
        for (line, done) in section.iter_mut().zip(done.iter_mut()).filter(|(_, done)| !**done) {
            let Some(setting) = self.setting(line).filter(|setting| setting.active == active) else { continue };
            let found = match exact {
                true => pending.iter().position(|value| *value == setting.value),
                false => (!pending.is_empty()).then_some(0),
            };
            let Some(at) = found else { continue };
            let value = pending.remove(at);
            *done = true;
            if !(exact && active && self.ignore_spaces) {
                *line = self.line(value);
            }
        }
    }

    fn without_option(&self, section: &[String]) -> (Vec<String>, &'static str) {
        let values = self.wanted_values();
        let goes = |line: &String| {
            self.setting(line).is_some_and(|setting| {
                let named = setting.value.is_some_and(|value| values.contains(&value));
                setting.active && (self.exclusive || values.is_empty() || named)
            })
        };
        let after: Vec<String> = section.iter().filter(|line| !goes(line)).cloned().collect();
        let message = if after.len() == section.len() { "OK" } else { "option removed" };
        (after, message)
    }
}

impl Resource for IniFile {
    fn footprint(&self) -> Footprint {
        self.edit().footprint()
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let edit = self.edit();
        let opened = edit.open(machine)?;
        let path = ("path", Value::str(self.path.to_string_lossy()));
        let Some(text) = opened.text.clone() else {
            if self.state == State::Absent {
                return Ok(Outcome::of([path, ("msg", Value::str("OK"))]));
            }
            if !self.create {
                return Err(edit.missing("Destination"));
            }
            let (after, message) = self.edited("");
            let mut outcome = edit.save(machine, context, &opened, after, message)?;
            outcome.result.insert(path.0.into(), path.1);
            return Ok(outcome);
        };
        let (after, message) = self.edited(&text);
        // A last line without an end is not a change of its own.
        let after = if message == "OK" { text } else { after };
        let mut outcome = edit.save(machine, context, &opened, after, message)?;
        outcome.result.insert("msg".into(), Value::str(message));
        outcome.result.insert(path.0.into(), path.1);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn options() {
        let table = [
            ("", "section: a, option: x, value: 1", "[a]\nx = 1\n", "section and option added"),
            ("[a]\nx=1\n\n[b]\n", "section: a, option: y, value: 2", "[a]\nx=1\ny = 2\n\n[b]\n", "option added"),
            ("[a]\nx=1\n", "section: a, option: x, value: 1, ignore_spaces: true", "[a]\nx=1\n", "OK"),
            ("[a]\nx=1\n", "section: a, option: x, value: 1", "[a]\nx = 1\n", "option changed"),
            ("[a]\nx=1\n", "section: a, option: x, value: 2, no_extra_spaces: true", "[a]\nx=2\n", "option changed"),
            ("[a]\n#x = 1\ny=1\n", "section: a, option: x, value: 2", "[a]\nx = 2\ny=1\n", "option changed"),
            (
                "[a]\n#x = 1\ny=1\n",
                "section: a, option: x, value: 2, modify_inactive_option: false",
                "[a]\n#x = 1\ny=1\nx = 2\n",
                "option added",
            ),
            ("[a]\nx = 1\nx = 2\n", "section: a, option: x, value: 2", "[a]\nx = 2\n", "option changed"),
            ("[a]\nx = 1\n", "section: a, option: x, values: [1, 2]", "[a]\nx = 1\nx = 2\n", "option added"),
            (
                "[a]\nx = 0\n",
                "section: a, option: x, values: [1], exclusive: false",
                "[a]\nx = 0\nx = 1\n",
                "option added",
            ),
            ("[a]\n", "section: a, option: flag, allow_no_value: true", "[a]\nflag\n", "option added"),
            ("[a]\nx=1\n[b]\nx=1\n", "section: b, option: x, state: absent", "[a]\nx=1\n[b]\n", "option removed"),
            ("[a]\nx=1\n[b]\nx=1\n", "section: a, state: absent", "[b]\nx=1\n", "section removed"),
            ("[a]\nx=1", "section: b, state: absent", "[a]\nx=1", "OK"),
            ("k=1\n[a]\n", "option: k, value: 2", "k = 2\n[a]\n", "option changed"),
            ("[a]\n", "option: k, value: 2", "k = 2\n[a]\n", "option added"),
            ("[a]\nxy=1\n", "section: a, option: x, value: 1", "[a]\nxy=1\nx = 1\n", "option added"),
            ("[a]\n", "section: b", "[a]\n[b]\n", "only section added"),
        ];
        for (before, params, after, message) in table {
            let bench = Bench::with(&[("/etc/f", before)]);
            let (outcome, changes) = bench.settle("ini_file", &format!("{{path: /etc/f, {params}}}"));
            assert_eq!(bench.read("/etc/f"), after, "{params}");
            assert_eq!(outcome.result.get("msg").unwrap().to_string(), message, "{params}");
            assert_eq!(changes, usize::from(before != after), "{params}");
        }
    }

    #[test]
    fn files_that_are_not_there() {
        let bench = Bench::with(&[]);
        assert!(
            bench.fails("ini_file", "{path: /etc/g, section: a, option: x, value: 1, create: false}").contains("exist")
        );
        assert_eq!(bench.settle("ini_file", "{path: /etc/g, section: a, state: absent}").1, 0);
        assert_eq!(bench.settle("community.general.ini_file", "{path: /etc/g, section: a, option: x, value: 1}").1, 1);
        assert!(bench.fails("ini_file", "{path: /etc/g, section: a, option: x}").contains("`value`"));
        assert!(
            bench.fails("ini_file", "{path: /etc/g, section: a, option: x, value: \"1\\ny = 2\"}").contains("one line")
        );
    }
}
