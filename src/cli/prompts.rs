//! What a person is asked: `vars_prompt` before anything runs, `--step` before every task, `pause`.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use super::error::CliError;
use super::project::line_of_stdin;
use crate::compile::Project;
use crate::diagnostic::{Code, Diagnostic};
use crate::fleet::{Answer, Person};
use crate::parse::{Keyword, Play};
use crate::source::Origin;
use crate::template::TermScope;
use crate::value::Value;
use crate::yaml::Node;

/// What is asked.
struct Question {
    name: String,
    text: String,
    default: Option<Value>,
    private: bool,
    confirm: bool,
    encrypt: Option<String>,
    salt: Option<String>,
}

/// Asks what the plays ask for. A variable that was given with `-e` is not asked for.
///
/// # Errors
/// Where there is no terminal, no default and no line of standard input, or an answer cannot be read.
pub fn ask_all(project: &Project, plays: &[(Arc<Play>, Vec<Arc<str>>)]) -> Result<(), CliError> {
    for (play, hosts) in plays {
        if hosts.is_empty() || play.prompted.get().is_some() {
            continue;
        }
        let Some(node) = play.keywords.get(Keyword::VarsPrompt).filter(|node| !node.is_null()) else { continue };
        let mut answers = Vec::new();
        for item in node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec) {
            let Some(question) = question(project, &item) else { continue };
            if project.extra.get(&question.name).is_some() {
                continue;
            }
            let answer = ask(&question)?;
            if question.private {
                project.redactor.add(&answer.to_string());
            }
            answers.push((question.name.clone(), encrypted(project, &question, answer)?));
        }
        let _ = play.prompted.set(answers);
    }
    Ok(())
}

fn question(project: &Project, node: &Node) -> Option<Question> {
    const KNOWN: &[&str] =
        &["name", "prompt", "default", "private", "confirm", "encrypt", "salt_size", "salt", "unsafe"];
    let report = |message: String, span, help: Option<String>| {
        project.files.report(Diagnostic::error(Code::WrongShape, message).at(span, "").help_opt(help));
    };
    let Some(entries) = node.as_map() else {
        report(format!("expected a mapping with `name`, found {}", node.type_name()), node.span, None);
        return None;
    };
    for entry in entries.iter().filter(|entry| !KNOWN.contains(&entry.key.as_ref())) {
        let help = crate::diagnostic::did_you_mean(&entry.key, KNOWN.iter().copied());
        report(format!("`vars_prompt` has no `{}`", entry.key), entry.key_span, help);
    }
    let Some(name) = node.get("name").and_then(Node::text) else {
        report("an entry of `vars_prompt` needs a `name`".to_owned(), node.span, None);
        return None;
    };
    let flag = |key: &str, otherwise: bool| node.get(key).map_or(otherwise, |n| crate::apply_truth(&n.to_value()));
    let text = |key: &str| node.get(key).map(|n| n.to_value().to_string());
    Some(Question {
        name: name.to_owned(),
        text: text("prompt").unwrap_or_else(|| name.to_owned()),
        default: node.get("default").map(Node::to_value),
        private: flag("private", true),
        confirm: flag("confirm", false),
        encrypt: text("encrypt"),
        salt: text("salt"),
    })
}

fn ask(question: &Question) -> Result<Value, CliError> {
    if !std::io::stdin().is_terminal() {
        return unattended(question);
    }
    loop {
        let answer = read(question, &question.text)?;
        if !question.confirm || read(question, &format!("confirm {}", question.text))? == answer {
            return Ok(match (&question.default, answer.is_empty()) {
                (Some(default), true) => default.clone(),
                _ => Value::from(answer),
            });
        }
        eprint("the two do not match; once more\n");
    }
}

/// Without a terminal the default counts, as in Ansible, and standard input is left alone; what has none is a line of it.
fn unattended(question: &Question) -> Result<Value, CliError> {
    if let Some(default) = &question.default {
        return Ok(default.clone());
    }
    line_of_stdin().map_err(unreadable)?.map(Value::from).ok_or_else(|| {
        let message = format!("the play asks for `{}`, and there is no terminal", question.name);
        CliError::Message(message, Some(format!("give it: -e {}=…, or as a line of standard input", question.name)))
    })
}

fn unreadable(error: std::io::Error) -> CliError {
    CliError::Message(format!("cannot read the answer: {error}"), None)
}

fn read(question: &Question, text: &str) -> Result<String, CliError> {
    let shown = match &question.default {
        Some(default) if !question.private => format!("{text} [{default}]: "),
        _ => format!("{text}: "),
    };
    if question.private {
        return rpassword::prompt_password(shown).map_err(unreadable);
    }
    eprint(&shown);
    let _ = std::io::stderr().flush();
    Ok(line_of_stdin().map_err(unreadable)?.unwrap_or_default())
}

/// `encrypt`: the hash of the answer, as the filter `password_hash` makes it.
fn encrypted(project: &Project, question: &Question, answer: Value) -> Result<Value, CliError> {
    let Some(scheme) = &question.encrypt else { return Ok(answer) };
    struct Given(Value, Value, Option<Value>);
    impl crate::template::Bindings for Given {
        fn binding(&self, name: &str) -> Option<crate::template::Term> {
            let value = match name {
                "answer" => Some(self.0.clone()),
                "scheme" => Some(self.1.clone()),
                "salt" => self.2.clone(),
                _ => None,
            };
            value.map(crate::template::Term::Value)
        }

        fn names(&self) -> std::collections::BTreeSet<String> {
            ["answer", "scheme", "salt"].map(str::to_owned).into()
        }

        fn condition(&self, _text: &str) -> Option<crate::template::Term> {
            None
        }
    }
    // The filter's names are those of passlib without `_crypt`.
    let scheme = scheme.trim_end_matches("_crypt");
    let given = Given(answer, Value::str(scheme), question.salt.clone().map(Value::from));
    let text =
        if given.2.is_some() { "answer | password_hash(scheme, salt)" } else { "answer | password_hash(scheme)" };
    let origin = crate::source::Origin { file: "vars_prompt".into(), line: 1, col: 1 };
    let term = crate::template::Term::expression(&Arc::from(text), origin, crate::template::Layout::default());
    let scope = TermScope::new(project.engine.clone(), Arc::new(given));
    scope.evaluate(&term).map_err(|error| CliError::Message(format!("`encrypt`: {}", error.message), None))
}

/// Who answers a `pause`, if anybody is there.
pub fn person() -> Option<Arc<Person>> {
    let ask = |prompt: &str, echo: bool| {
        let shown = format!("{}: ", prompt.trim_end().trim_end_matches(':'));
        if !echo {
            return rpassword::prompt_password(shown).ok();
        }
        eprint(&shown);
        let _ = std::io::stderr().flush();
        line_of_stdin().ok().flatten()
    };
    std::io::stdin().is_terminal().then(|| Arc::new(Person::new(Box::new(ask))))
}

/// `--step`: asks whether a task runs. No answer at all is no.
pub fn wants(name: &str, origin: &Origin) -> Answer {
    loop {
        eprint(&format!("Perform task: {name}  {origin}  (N)o/(y)es/(c)ontinue: "));
        let _ = std::io::stderr().flush();
        let answer = line_of_stdin().ok().flatten().unwrap_or_default();
        match answer.trim().to_lowercase().as_str() {
            "" | "n" | "no" => return Answer::No,
            "y" | "yes" => return Answer::Yes,
            "c" | "continue" => return Answer::Rest,
            _ => {}
        }
    }
}

fn eprint(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
