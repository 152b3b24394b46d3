//! `debconf`: answers to the questions packages ask when they are configured.

use std::path::Path;

use super::params::{FromValue as _, params};
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Command, Effect, Fault, FaultKind, Inspect, Machine, Output, Stdio};
use crate::value::{Map, Value};

/// Where debconf keeps the answers, and a file of it.
const DATABASE: &str = "/var/cache/debconf";
const ANSWERS: &str = "/var/cache/debconf/config.dat";
/// What debconf-show says in place of a password, and so does cfg.
const OMITTED: &str = "(password omitted)";
/// The code debconf answers with where there is no such question.
const NO_QUESTION: &str = "10";

choices! {
    /// The type of an answer.
    pub enum Vtype {
        /// True or false.
        Boolean = "boolean",
        /// A message of something that went wrong.
        Error = "error",
        /// Some of several words.
        Multiselect = "multiselect",
        /// A message.
        Note = "note",
        /// A secret.
        Password = "password",
        /// Whether the question was seen, which is no answer to it.
        Seen = "seen",
        /// One of several words.
        Select = "select",
        /// A line.
        String = "string",
        /// A text to be shown.
        Text = "text",
        /// What stands above the questions.
        Title = "title",
    }
}

impl Vtype {
    fn word(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Error => "error",
            Self::Multiselect => "multiselect",
            Self::Note => "note",
            Self::Password => "password",
            Self::Seen => "seen",
            Self::Select => "select",
            Self::String => "string",
            Self::Text => "text",
            Self::Title => "title",
        }
    }
}

params! {
    /// Answers a question a package of Debian or Ubuntu asks when it is configured; without a question, tells the
    /// answers there are.
    ///
    /// It only writes into the database of debconf: what is installed already is configured anew by
    /// `dpkg-reconfigure`. A password is given to debconf on standard input and never shown. A plan asks debconf
    /// too; what a package of the same plan will ask, it does not know.
    ///
    /// # Example
    /// ```yaml
    /// - debconf: { name: tzdata, question: tzdata/Areas, vtype: select, value: Europe }
    /// - debconf: { name: tzdata }
    /// ```
    pub struct Debconf {
        /// The package.
        name: String, required, alias "pkg";
        /// The question, as `debconf-show PACKAGE` names it. It needs `vtype` and `value`.
        question: Option<String>, alias "selection" "setting";
        /// The type of the answer. `seen` says whether the question counts as seen. debconf takes no answers of the
        /// type `error`.
        vtype: Option<Vtype>;
        /// The answer; with `vtype: multiselect` it may be a list, whose order does not matter.
        value: Option<Value>, secret_where "vtype" "password", alias "answer";
        /// Do not count the question as seen when it is answered.
        unseen: bool = false;
    }
}

/// An answer as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer<'a> {
    question: &'a str,
    vtype: Vtype,
    text: String,
    /// It was given as a list.
    listed: bool,
}

impl Debconf {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where a part of an answer is missing, or would not be the part of the line it is meant to be.
    pub fn check(&self) -> Result<(), ParamError> {
        check_word("name", &self.name)?;
        self.question.iter().try_for_each(|question| check_word("question", question))?;
        if self.vtype == Some(Vtype::Error) {
            let message = "debconf-set-selections passes over answers of the type `error`";
            return Err(ParamError::bad("vtype", message));
        }
        match self.answer()? {
            None if self.unseen => Err(ParamError::conflict("`unseen` needs a `question` that is answered")),
            _ => Ok(()),
        }
    }

    /// What is wanted, where something is.
    fn answer(&self) -> Result<Option<Answer<'_>>, ParamError> {
        match (&self.question, self.vtype, &self.value) {
            (None, None, None) => Ok(None),
            (Some(question), Some(vtype), Some(value)) => {
                let text = answer_text(vtype, value).map_err(|message| ParamError::bad("value", message))?;
                Ok(Some(Answer { question, vtype, text, listed: matches!(value, Value::List(_)) }))
            }
            _ => Err(ParamError::conflict("parameters are required together: `question`, `vtype`, `value`")),
        }
    }

    /// The answers there are, by question.
    fn answers(&self, machine: &dyn Inspect, context: &Context) -> Result<Map, Failure> {
        let command = command(context, ["debconf-show", &self.name]);
        let output = machine.probe(&command).map_err(not_run)?;
        match output.known() {
            Some(stdio) if !stdio.ok() => Err(failed(&command, stdio.tail())),
            Some(stdio) => Ok(parse(&stdio.out())),
            None => Ok(Map::new()),
        }
    }

    fn set(
        &self,
        machine: &dyn Machine,
        context: &Context,
        answer: &Answer<'_>,
        text: &str,
    ) -> Result<String, Failure> {
        let line = format!("{} {} {} {text}\n", self.name, answer.question, answer.vtype.word());
        let words = std::iter::once("debconf-set-selections").chain(self.unseen.then_some("--unseen"));
        let effect = Effect::Fills(DATABASE.into());
        let command = Command { stdin: Some(line.into_bytes()), effect, ..command(context, words) };
        match machine.run(&command).map_err(not_run)? {
            Output::Unknown => Ok(String::new()),
            Output::Known(stdio) if stdio.ok() => Ok(answer.masked(stdio.out())),
            Output::Known(stdio) => Err(failed(&command, answer.masked(stdio.tail()))),
        }
    }
}

impl Answer<'_> {
    /// What this answer would replace; `None` where there is nothing of its kind.
    fn stored(&self, before: &Map, machine: &dyn Inspect, context: &Context) -> Result<Option<String>, Failure> {
        let shown = before.get(self.question).and_then(Value::as_str);
        match self.vtype {
            Vtype::Seen => ask(machine, context, &format!("FGET {} seen", self.question)),
            Vtype::Password if shown == Some(OMITTED) => ask(machine, context, &format!("GET {}", self.question)),
            // A question of another type shows its answer to everybody, so that it is to become a password first.
            Vtype::Password => Ok(None),
            Vtype::Boolean => Ok(shown.map(str::to_lowercase)),
            _ => Ok(shown.map(str::to_owned)),
        }
    }

    /// Says whether a stored answer is this one.
    fn is(&self, stored: &str) -> bool {
        if self.listed { sorted_items(&self.text) == sorted_items(stored) } else { self.text == stored }
    }

    /// The answer as it is written: Ansible sorts a list that replaces an answer.
    fn written(&self, replaces: bool) -> String {
        if self.listed && replaces { sorted_items(&self.text).join(", ") } else { self.text.clone() }
    }

    /// What a program said, without the password.
    fn masked(&self, said: String) -> String {
        if self.vtype == Vtype::Password && !self.text.is_empty() { said.replace(&self.text, OMITTED) } else { said }
    }

    /// Return values of a change.
    fn outcome(&self, before: Map, stored: Option<String>, text: &str, message: String, diff: bool) -> Outcome {
        let one = |text: &str| Map::from_iter([(self.question.into(), Value::str(text))]);
        let old = match self.vtype {
            Vtype::Seen => stored,
            Vtype::Password => before.contains_key(self.question).then(|| OMITTED.to_owned()),
            _ => before.get(self.question).map(Value::to_string),
        };
        let previous = match old {
            Some(old) => one(&old),
            None => before.into_iter().chain(one("")).collect(),
        };
        let current = one(if self.vtype == Vtype::Password { OMITTED } else { text });
        let mut after = previous.clone();
        after.extend(current.clone());
        let sides = [("before", Value::from(previous.clone())), ("after", Value::from(after))];
        Outcome::of([
            ("msg", Value::from(message)),
            ("current", Value::from(current)),
            ("previous", Value::from(previous)),
            ("diff", Value::map(sides.into_iter().filter(|_| diff))),
        ])
        .changed(true)
    }
}

/// What stands in a line between blanks has none in it, and the line is no option and no comment.
fn check_word(param: &str, text: &str) -> Result<(), ParamError> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(ParamError::bad(param, "expected one word"));
    }
    match text.starts_with(['-', '#']) {
        true => Err(ParamError::bad(param, format!("`{text}` is no name for debconf"))),
        false => Ok(()),
    }
}

/// An answer as debconf writes it. The messages do not show it: it may be a password.
fn answer_text(vtype: Vtype, value: &Value) -> Result<String, String> {
    let text = match (vtype, value) {
        (Vtype::Boolean | Vtype::Seen, value) => bool::from_value(value)?.to_string(),
        (Vtype::Multiselect, Value::List(items)) => joined(items)?,
        (_, Value::Str(text)) => text.trim_end_matches('\n').to_owned(),
        (_, Value::Int(_) | Value::Float(_)) => value.to_string(),
        (_, Value::Bool(_)) => return Err("expected text; put it in quotes, or give `vtype: boolean`".to_owned()),
        (_, other) => return Err(format!("expected text, found {}", other.type_name())),
    };
    // A second line would be an answer of its own.
    if text.contains(['\n', '\r', '\0']) { Err("expected one line".to_owned()) } else { Ok(text) }
}

fn joined(items: &[Value]) -> Result<String, String> {
    let text = |item: &Value| match item {
        Value::Str(text) => Ok(text.to_string()),
        other => Err(format!(
            "Invalid value provided for 'multiselect': expected text, found {} ({other})",
            other.type_name()
        )),
    };
    items.iter().map(text).collect::<Result<Vec<_>, _>>().map(|words| words.join(", "))
}

/// The words of a multiselect, sorted.
fn sorted_items(text: &str) -> Vec<&str> {
    let mut items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    items.sort_unstable();
    items
}

/// Reads what debconf-show says: `* NAME: ANSWER`, the star where the question was seen. An answer may have more lines.
fn parse(text: &str) -> Map {
    let mut found = Map::new();
    for line in text.lines() {
        let entry = line.strip_prefix("* ").or_else(|| line.strip_prefix("  ")).and_then(name_and_answer);
        match (entry, found.last_mut()) {
            (Some((name, answer)), _) => drop(found.insert(name.into(), Value::str(answer))),
            (None, Some((_, answer))) => *answer = Value::str(format!("{answer}\n{line}")),
            (None, None) => {}
        }
    }
    found
}

fn name_and_answer(entry: &str) -> Option<(&str, &str)> {
    let (name, answer) = entry.split_once(": ").or_else(|| entry.strip_suffix(':').map(|name| (name, "")))?;
    (!name.contains(char::is_whitespace)).then_some((name, answer))
}

/// Asks debconf in its own language; the question goes to standard input. `None`: it does not know the question.
fn ask(machine: &dyn Inspect, context: &Context, line: &str) -> Result<Option<String>, Failure> {
    let command =
        Command { stdin: Some(format!("{line}\n").into_bytes()), ..command(context, ["debconf-communicate"]) };
    let output = machine.probe(&command).map_err(not_run)?;
    let Some(stdio) = output.known() else { return Ok(None) };
    reply(stdio).map_err(|reason| failed(&command, reason))
}

/// The answer in a reply, which is `CODE ANSWER`. It is never part of a failure.
fn reply(stdio: &Stdio) -> Result<Option<String>, String> {
    let said = stdio.out();
    let line = said.strip_suffix('\n').unwrap_or(&said);
    match line.split_once(' ').unwrap_or((line, "")) {
        ("0", answer) => Ok(Some(answer.to_owned())),
        (NO_QUESTION, _) => Ok(None),
        _ => Err(stdio.err().trim_end().to_owned()),
    }
}

/// A program of debconf, which is to ask nobody.
fn command<'a>(context: &Context, argv: impl IntoIterator<Item = &'a str>) -> Command {
    Command { env: context.environment.clone(), ..Command::new(argv) }.env("DEBIAN_FRONTEND", "noninteractive")
}

/// Says what it means that a program of debconf is not there.
fn not_run(fault: Fault) -> Failure {
    if fault.kind != FaultKind::NotFound {
        return fault.into();
    }
    let help = Some("debconf belongs to Debian and what comes from it, in the package `debconf`".to_owned());
    Failure { help, ..Failure::new(format!("this host has no debconf: {fault}")) }
}

fn failed(command: &Command, reason: String) -> Failure {
    // The programs of debconf tell this by words only.
    let kind = if reason.contains("Permission denied") { FaultKind::Denied } else { FaultKind::Other };
    Fault { kind, ..Fault::new(format!("run {}", command.shown()), reason) }.into()
}

impl Resource for Debconf {
    fn footprint(&self) -> Footprint {
        let database = Claim::Tree(DATABASE.into());
        let footprint = Footprint::nothing();
        if self.question.is_some() { footprint.write(database) } else { footprint.read(database) }
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        if self.question.is_none() {
            // To a plan in which a task before this one answers something, this file is known after apply.
            machine.lstat(Path::new(ANSWERS))?;
        }
        let before = self.answers(machine, context)?;
        let wanted = self.answer().map_err(|error| Failure::new(error.message))?;
        let stored = wanted.as_ref().map(|answer| answer.stored(&before, machine, context)).transpose()?.flatten();
        match wanted.filter(|answer| stored.as_deref().is_none_or(|stored| !answer.is(stored))) {
            Some(answer) => {
                let text = answer.written(stored.is_some());
                let message = self.set(machine, context, &answer, &text)?;
                Ok(answer.outcome(before, stored, &text, message, context.diff))
            }
            None => Ok(Outcome::of([("msg", Value::str("")), ("current", Value::from(before))]).changed(false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, args, yaml};
    use super::*;

    fn debconf(params: &str) -> Debconf {
        let debconf = Debconf::from_args(args("debconf", &format!("{{{params}}}"))).unwrap();
        debconf.check().unwrap();
        debconf
    }

    #[test]
    fn what_debconf_shows() {
        let table = [
            ("", "{}"),
            ("* a/b: c\n  a/d:\n", "{a/b: c, a/d: ''}"),
            ("* a:b/c: d: e\n", "{'a:b/c': 'd: e'}"),
            ("  a/b:  c \n", "{a/b: ' c '}"),
            ("* a/b: c\n  more of it: d\n\n* e/f: g\n", "{a/b: \"c\\n  more of it: d\\n\", e/f: g}"),
            ("* a/b: (password omitted)\n", "{a/b: (password omitted)}"),
        ];
        for (text, expected) in table {
            assert_eq!(Value::from(parse(text)), yaml(expected), "{text}");
        }
    }

    /// What is written where nothing is there, and whether an answer that is there is the one wanted.
    #[test]
    fn answers() {
        let table = [
            ("vtype: boolean, value: true", "true", "true", true),
            ("vtype: boolean, value: 'FALSE'", "false", "true", false),
            ("vtype: boolean, value: 'no'", "false", "false", true),
            ("vtype: seen, value: 1", "true", "false", false),
            ("vtype: select, value: 'true'", "true", "True", false),
            ("vtype: string, value: 389", "389", "389", true),
            ("vtype: string, value: ' a  b '", " a  b ", "a  b", false),
            ("vtype: string, value: \"a\\n\"", "a", "a", true),
            ("vtype: text, value: ''", "", "", true),
            ("vtype: multiselect, value: [c, a]", "c, a", "a, c", true),
            ("vtype: multiselect, value: [c, a]", "c, a", "a", false),
            ("vtype: multiselect, value: []", "", "", true),
            ("vtype: multiselect, value: 'c, a'", "c, a", "a, c", false),
        ];
        for (params, written, stored, same) in table {
            let debconf = debconf(&format!("name: a, question: a/b, {params}"));
            let answer = debconf.answer().unwrap().unwrap();
            assert_eq!((answer.written(false).as_str(), answer.is(stored)), (written, same), "{params}");
        }
        let list = debconf("pkg: a, setting: a/b, vtype: multiselect, answer: [c, a]");
        assert_eq!(list.answer().unwrap().unwrap().written(true), "a, c");
    }

    #[test]
    fn replies() {
        let stdio = |out: &str, err: &str| Stdio { status: 0, stdout: out.into(), stderr: err.into() };
        let table = [
            ("0 a  b \n", Ok(Some("a  b ".to_owned()))),
            ("0 \n", Ok(Some(String::new()))),
            ("10 a/b doesn't exist\n", Ok(None)),
            ("20 hush\n", Err("locked".to_owned())),
            ("", Err("locked".to_owned())),
        ];
        for (out, expected) in table {
            assert_eq!(reply(&stdio(out, "locked\n")), expected, "{out}");
        }
    }

    #[test]
    fn what_a_change_tells() {
        let others = "x/y: z";
        let table = [
            ("string, value: n", "{a/b: o, x/y: z}", None, "{a/b: n}", "{a/b: o}"),
            ("string, value: n", "{x/y: z}", None, "{a/b: n}", "{x/y: z, a/b: ''}"),
            ("seen, value: true", "{a/b: o}", Some("false"), "{a/b: 'true'}", "{a/b: 'false'}"),
            ("password, value: hush", "{a/b: hush}", None, "{a/b: (password omitted)}", "{a/b: (password omitted)}"),
            ("password, value: hush", "{}", None, "{a/b: (password omitted)}", "{a/b: ''}"),
        ];
        for (params, before, stored, current, previous) in table {
            let debconf = debconf(&format!("name: a, question: a/b, vtype: {params}"));
            let answer = debconf.answer().unwrap().unwrap();
            let text = answer.written(true);
            let told = |diff| {
                let before = yaml(before).as_map().unwrap().clone();
                answer.outcome(before, stored.map(str::to_owned), &text, String::new(), diff).result
            };
            let result = told(true);
            assert_eq!((&result["current"], &result["previous"]), (&yaml(current), &yaml(previous)), "{params}");
            assert_eq!(result["diff"].get("before"), Some(&yaml(previous)), "{params}");
            let after = result["diff"].get("after").unwrap().to_string();
            assert_eq!(after.contains("x/y"), previous.contains(others), "{params}");
            assert!(!format!("{result:?}").contains("hush"), "{params}: {result:?}");
            assert_eq!(told(false)["diff"], yaml("{}"), "{params}");
        }
        let password = debconf("name: a, question: a/b, vtype: password, value: hush");
        let masked = password.answer().unwrap().unwrap().masked("error: 'a a/b password hush'".into());
        assert_eq!(masked, "error: 'a a/b password (password omitted)'");
    }

    #[test]
    fn a_plan_says_that_there_is_a_change() {
        let bench = Bench::with(&[]);
        let (outcome, _) = bench.settle("debconf", "{name: a}");
        assert_eq!((outcome.changed, outcome.result.len()), (Some(Value::Bool(false)), 2));
        for question in ["a/b", "a/c"] {
            let params = format!("{{name: a, question: {question}, vtype: string, value: c}}");
            let (outcome, changes) = bench.run("debconf", &params).unwrap();
            assert_eq!((outcome.changed, changes.len()), (Some(Value::Bool(true)), 0));
        }
        assert!(bench.run("debconf", "{name: a}").unwrap_err().unknown);
    }

    #[test]
    fn answers_come_before_the_packages_they_are_for() {
        let answer = debconf("name: a, question: a/b, vtype: string, value: c").footprint();
        let other = debconf("name: b, question: b/c, vtype: string, value: d").footprint();
        let query = debconf("name: a").footprint();
        assert!(answer.conflict(&Footprint::world()).is_some());
        assert!(answer.conflict(&other).is_some() && answer.conflict(&query).is_some());
        assert!(query.conflict(&query).is_none());
    }

    #[test]
    fn refusals() {
        let bench = Bench::with(&[]);
        let table = [
            ("question: a/b", "required together"),
            ("question: a/b, vtype: string, value: null", "required together"),
            ("vtype: string, value: x", "required together"),
            ("unseen: true", "`unseen` needs"),
            ("question: 'a b', vtype: string, value: x", "one word"),
            ("question: a/b, vtype: error, value: x", "type `error`"),
            ("question: a/b, vtype: number, value: 1", "boolean, error"),
            ("question: a/b, vtype: string, value: \"a\\nb c string d\"", "one line"),
            ("question: a/b, vtype: string, value: true", "in quotes"),
            ("question: a/b, vtype: string, value: [a]", "expected text, found"),
            ("question: a/b, vtype: boolean, value: maybe", "expected a boolean"),
            ("question: a/b, vtype: multiselect, value: [a, 1]", "Invalid value provided for 'multiselect'"),
            ("question: a/b, vtype: multiselect, value: [\"a\\nb\"]", "one line"),
        ];
        for (params, expected) in table {
            let message = bench.fails("debconf", &format!("{{name: a, {params}}}"));
            assert!(message.contains(expected), "{params}: {message}");
        }
        for name in ["''", "-u", "'#a'", "a b", "\"a\\nb\""] {
            assert!(!bench.fails("debconf", &format!("{{name: {name}}}")).is_empty(), "{name}");
        }
        let secret = bench.fails("debconf", "{name: a, question: a/b, vtype: password, value: \"hush\\nhush\"}");
        assert!(!secret.contains("hush"), "{secret}");
    }

    #[test]
    fn hosts_without_debconf() {
        let fault = Fault::io("run debconf-show", &std::io::ErrorKind::NotFound.into());
        assert!(not_run(fault).message.contains("no debconf: run debconf-show"));
        let failure = failed(&Command::new(["debconf-communicate"]), "could not write: Permission denied".into());
        assert!(failure.help.unwrap().contains("become"));
    }
}
