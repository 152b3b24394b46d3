//! `cfg vault encrypt-string`: a value to put into a file of variables.

use std::path::PathBuf;

use clap::Args;

use super::{Place, With};
use crate::cli::error::CliError;
use crate::cli::project::{ask, line_of_stdin};

/// How far the lines of a value are indented: as Ansible does it.
const INDENT: &str = "          ";

#[derive(Debug, Args)]
pub struct EncryptString {
    /// The texts to encrypt; `-`: standard input
    ///
    /// They stay in the history of the shell and are seen in the list of processes; standard input and --prompt are safer.
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    #[command(flatten)]
    pub(super) with: With,
    /// The name of the variable; may be repeated, one for each text
    #[arg(short, long, value_name = "NAME")]
    name: Vec<String>,
    /// The name of the variable whose text is read from standard input
    #[arg(long, value_name = "NAME")]
    stdin_name: Option<String>,
    /// Ask for the text
    #[arg(short, long)]
    prompt: bool,
    /// Show what is typed
    #[arg(long, requires = "prompt")]
    show_input: bool,
    /// Write to this file instead
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &EncryptString) -> Result<(), CliError> {
    let texts = texts(args)?;
    let password = args.with.password()?;
    let mut out = String::new();
    for (name, text) in texts {
        let sealed = args.with.sealed(text.as_bytes(), &password, &password.id)?;
        out.push_str(&name.map(|name| format!("{name}: ")).unwrap_or_default());
        out.push_str("!vault |\n");
        for line in sealed.lines() {
            out.push_str(&format!("{INDENT}{line}\n"));
        }
    }
    args.output.as_deref().map_or(Place::Standard, Place::of).write(out.as_bytes())
}

/// The texts with their names: what was asked for, standard input, the arguments.
fn texts(args: &EncryptString) -> Result<Vec<(Option<String>, String)>, CliError> {
    let mut names = args.name.iter().cloned();
    let mut texts = Vec::new();
    let from_stdin = args.stdin_name.is_some() || args.texts.iter().any(|t| t == "-");
    if args.prompt {
        let name = names.next();
        let prompt = format!("Text to encrypt{}: ", name.as_ref().map(|n| format!(" ({n})")).unwrap_or_default());
        texts.push((name, typed(&prompt, args.show_input)?));
    }
    if from_stdin || (args.texts.is_empty() && !args.prompt) {
        let bytes = Place::Standard.read()?;
        let text = String::from_utf8(bytes).map_err(|_| {
            CliError::new("standard input is not UTF-8 text", "encrypt it as a file: `cfg vault encrypt -`")
        })?;
        if text.ends_with('\n') {
            super::super::note("the text ends with a newline, which is part of it now; `printf` writes none");
        }
        texts.push((args.stdin_name.clone().or_else(|| names.next()), text));
    }
    texts.extend(args.texts.iter().filter(|t| *t != "-").map(|text| (names.next(), text.clone())));
    match names.next() {
        Some(left) => Err(CliError::new(
            format!("there are more names than texts: nothing is left for `{left}`"),
            "give one --name for each text",
        )),
        None => Ok(texts),
    }
}

fn typed(prompt: &str, show: bool) -> Result<String, CliError> {
    if !show {
        return ask(prompt);
    }
    super::super::note(prompt.trim_end());
    let line = line_of_stdin().map_err(|e| CliError::Message(format!("cannot read: {e}"), None))?;
    line.ok_or_else(|| CliError::new("standard input is empty", "give the text as a line of it, or as an argument"))
}
