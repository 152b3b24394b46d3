//! Vault passwords: which there are, and where each is read.
//!
//! The order of [`Given`] is the order in which passwords are tried: those of the configuration, then `--vault-id`, then
//! password files, then what is typed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::error::CliError;
use super::project::ask;
use crate::secret::{DEFAULT_ID, Password};
use crate::source::expanded;

/// Options about vault passwords.
#[derive(Debug, Clone, Default, Args)]
pub struct VaultArgs {
    /// A vault password with a label: `ID@FILE`, `ID@SCRIPT` or `ID@prompt`; may be repeated
    #[arg(long, value_name = "ID@SOURCE")]
    pub vault_id: Vec<String>,
    /// Read a vault password from this file (or the output of this executable); may be repeated
    #[arg(long, value_name = "FILE", visible_alias = "vault-pass-file")]
    pub vault_password_file: Vec<PathBuf>,
    /// Ask for the vault password
    #[arg(short = 'J', long, visible_alias = "ask-vault-password")]
    pub ask_vault_pass: bool,
    /// What the configuration adds: `ID@SOURCE`.
    #[arg(skip)]
    pub configured: Vec<String>,
    /// Only passwords of the label a text names are tried.
    #[arg(skip)]
    pub match_ids: bool,
    /// What is encrypted gets this salt.
    #[arg(skip)]
    pub salt: Option<String>,
}

/// What a password is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It has to fit what is there.
    Open,
    /// Something new is made with it: what is typed is asked for twice.
    Make,
}

impl VaultArgs {
    /// Says whether any password was given.
    pub fn is_empty(&self) -> bool {
        self.vault_id.is_empty()
            && self.vault_password_file.is_empty()
            && self.configured.is_empty()
            && !self.ask_vault_pass
    }

    /// Reads every password.
    ///
    /// # Errors
    /// Where a source cannot be read, or there is nobody to ask.
    pub fn read(&self, purpose: Purpose) -> Result<Vec<Password>, CliError> {
        let mut passwords = Vec::new();
        let mut unread = None;
        for given in &self.configured {
            match Source::parse(given).read(purpose) {
                Ok(password) => passwords.push(password),
                Err(error) => unread = unread.or(warned(given, error)?),
            }
        }
        for given in &self.vault_id {
            passwords.push(Source::parse(given).read(purpose)?);
        }
        for file in &self.vault_password_file {
            passwords.push(Source::of_file(file).read(purpose)?);
        }
        if self.ask_vault_pass {
            passwords.push(Source { id: Arc::from(DEFAULT_ID), from: From::Prompt }.read(purpose)?);
        }
        match unread {
            // Nobody has to have every password of a project; with none at all, that is what is wrong.
            Some(error) if passwords.is_empty() => Err(error),
            _ => Ok(passwords),
        }
    }
}

/// A password the configuration names may be missing on this machine: that is said, and goes on.
fn warned(given: &str, error: CliError) -> Result<Option<CliError>, CliError> {
    match error {
        CliError::Message(message, help) => {
            super::note(&format!("warning: {message} (`{given}` of the configuration)"));
            Ok(Some(CliError::Message(message, help)))
        }
        other => Err(other),
    }
}

struct Source {
    id: Arc<str>,
    from: From,
}

enum From {
    Prompt,
    File(PathBuf),
}

impl Source {
    /// `ID@SOURCE`, or a source alone.
    fn parse(text: &str) -> Self {
        let (id, source) = match text.split_once('@') {
            Some((id, source)) => (if id.is_empty() { DEFAULT_ID } else { id }, source),
            None => (DEFAULT_ID, text),
        };
        let from = match source {
            "prompt" | "prompt_ask_vault_pass" => From::Prompt,
            path => From::File(expanded(path)),
        };
        Self { id: Arc::from(id), from }
    }

    /// A file whose name may have a label in front, as `--vault-password-file` of older versions of cfg took it.
    fn of_file(path: &Path) -> Self {
        let text = path.to_string_lossy();
        if text.contains('@') && !path.exists() {
            return Self::parse(&text);
        }
        Self { id: Arc::from(DEFAULT_ID), from: From::File(expanded(&text)) }
    }

    fn read(&self, purpose: Purpose) -> Result<Password, CliError> {
        let bytes = match &self.from {
            From::Prompt => self.typed(purpose)?,
            From::File(path) => self.read_file(path)?,
        };
        if bytes.is_empty() {
            let from = match &self.from {
                From::Prompt => "what was typed".to_owned(),
                From::File(path) => path.display().to_string(),
            };
            return Err(CliError::new(
                format!("the vault password of `{}` is empty ({from})", self.id),
                "an empty password protects nothing",
            ));
        }
        Ok(Password { id: self.id.clone(), bytes })
    }

    fn typed(&self, purpose: Purpose) -> Result<Vec<u8>, CliError> {
        let label = if self.id.as_ref() == DEFAULT_ID { String::new() } else { format!(" ({})", self.id) };
        if purpose == Purpose::Open {
            return Ok(ask(&format!("Vault password{label}: "))?.into_bytes());
        }
        let first = ask(&format!("New vault password{label}: "))?;
        if first != ask(&format!("Confirm new vault password{label}: "))? {
            return Err(CliError::new("the two passwords differ", "nothing was changed; try again"));
        }
        Ok(first.into_bytes())
    }

    fn read_file(&self, path: &Path) -> Result<Vec<u8>, CliError> {
        use std::os::unix::fs::PermissionsExt as _;
        let failed = |e: std::io::Error| {
            let text = e.to_string();
            let reason = text.split(" (os error").next().unwrap_or(&text).to_owned();
            CliError::new(
                format!("cannot read the vault password file {}: {reason}", path.display()),
                "check --vault-id and --vault-password-file, and what `cfg config` shows",
            )
        };
        let meta = path.metadata().map_err(failed)?;
        if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
            return self.run_script(path, failed);
        }
        Ok(trimmed(&std::fs::read(path).map_err(failed)?, |b| b.is_ascii_whitespace()))
    }

    /// Runs a script; one that is called `NAME-client` or `NAME-client.EXT` is told which password is wanted.
    fn run_script(&self, path: &Path, failed: impl Fn(std::io::Error) -> CliError) -> Result<Vec<u8>, CliError> {
        let mut command = std::process::Command::new(path.canonicalize().map_err(&failed)?);
        if path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-client")) {
            command.arg("--vault-id").arg(self.id.as_ref());
        }
        // What it says on standard error goes to the person; it may have to ask something.
        let output = command.stderr(std::process::Stdio::inherit()).output().map_err(&failed)?;
        if !output.status.success() {
            let message = format!("the vault password script {} ended with {}", path.display(), output.status);
            let help = match output.status.code() {
                Some(2) => format!("it knows no vault id `{}`", self.id),
                _ => "run it by hand to see why".to_owned(),
            };
            return Err(CliError::new(message, help));
        }
        Ok(trimmed(&output.stdout, |b| matches!(b, b'\r' | b'\n')))
    }
}

fn trimmed(bytes: &[u8], drop: impl Fn(u8) -> bool) -> Vec<u8> {
    let start = bytes.iter().position(|b| !drop(*b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !drop(*b)).map_or(start, |i| i + 1);
    bytes.get(start..end).unwrap_or_default().to_vec()
}

/// The password to encrypt with.
///
/// # Errors
/// Where there is none, or it is not clear which one.
pub fn to_encrypt_with<'a>(passwords: &'a [Password], wanted: Option<&str>) -> Result<&'a Password, CliError> {
    let mut ids: Vec<&str> = passwords.iter().map(|p| p.id.as_ref()).collect();
    ids.dedup();
    if let Some(wanted) = wanted {
        return passwords.iter().find(|p| p.id.as_ref() == wanted).ok_or_else(|| {
            let help = crate::diagnostic::did_you_mean(wanted, ids.iter().copied());
            let help = help.unwrap_or_else(|| format!("give it with --vault-id {wanted}@FILE"));
            CliError::new(format!("--encrypt-vault-id: no password has the vault id `{wanted}`"), help)
        });
    }
    // Of two with the same label, too, only one can be meant.
    let differ = |a: &Password| passwords.iter().any(|b| (&a.id, &a.bytes) != (&b.id, &b.bytes));
    let several = passwords.first().is_some_and(differ);
    match (passwords.first(), several) {
        (None, _) => Err(CliError::new(
            "there is no vault password to encrypt with",
            "give one with --vault-id ID@FILE, --vault-password-file FILE or --ask-vault-pass",
        )),
        (Some(only), false) => Ok(only),
        (Some(_), true) if ids.len() == 1 => Err(CliError::new(
            format!("there are several passwords of the vault id {}", ids.join(", ")),
            "give them labels: --vault-id ID@FILE, and say which one encrypts: --encrypt-vault-id ID",
        )),
        (Some(_), true) => Err(CliError::new(
            format!("there are passwords of several vault ids: {}", ids.join(", ")),
            "say which one encrypts: --encrypt-vault-id ID",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_labels() {
        let table = [
            ("prod@pw.txt", "prod", Some("pw.txt")),
            ("pw.txt", "default", Some("pw.txt")),
            ("@pw.txt", "default", Some("pw.txt")),
            ("prod@prompt", "prod", None),
            ("prompt", "default", None),
            ("a@b@c", "a", Some("b@c")),
        ];
        for (text, id, file) in table {
            let source = Source::parse(text);
            let path = match &source.from {
                From::Prompt => None,
                From::File(path) => path.to_str(),
            };
            assert_eq!((source.id.as_ref(), path), (id, file), "{text}");
        }
    }

    #[test]
    fn client_scripts_are_told_the_label() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        for (name, expected) in [("pw-client.sh", "got --vault-id prod"), ("pw.sh", "got ")] {
            // Another program writes the file: open in this process, a child of another test could keep it from being run.
            let (path, draft) = (dir.path().join(name), dir.path().join("draft"));
            std::fs::write(&draft, "#!/bin/sh\necho \"got $*\"\n").unwrap();
            std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
            assert!(std::process::Command::new("cp").arg("-p").args([&draft, &path]).status().unwrap().success());
            let source = Source::parse(&format!("prod@{}", path.display()));
            let password = source.read(Purpose::Open).map_err(|_| "failed").unwrap();
            assert_eq!(String::from_utf8(password.bytes).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn configured_passwords_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        std::fs::write(&path, "x").unwrap();
        let args = |given: &[&str]| VaultArgs {
            configured: given.iter().map(|text| text.replace("pw", path.to_str().unwrap())).collect(),
            ..VaultArgs::default()
        };
        assert!(args(&["a@nosuch"]).read(Purpose::Open).is_err());
        assert!(args(&["a@nosuch", "b@pw"]).read(Purpose::Open).is_ok_and(|found| found.len() == 1));
        let given = VaultArgs { vault_id: vec!["a@nosuch".into()], ..args(&["b@pw"]) };
        assert!(given.read(Purpose::Open).is_err(), "what was given by hand has to be there");
    }

    #[test]
    fn what_encrypts_has_to_be_clear() {
        let password = |id: &str| Password { id: Arc::from(id), bytes: b"x".to_vec() };
        let (a, b) = (password("a"), password("b"));
        assert!(to_encrypt_with(&[], None).is_err());
        assert!(to_encrypt_with(std::slice::from_ref(&a), None).is_ok());
        let other = Password { bytes: b"y".to_vec(), ..a.clone() };
        assert!(to_encrypt_with(&[a.clone(), a.clone()], None).is_ok(), "the same one twice");
        assert!(to_encrypt_with(&[a.clone(), other.clone()], None).is_err());
        assert!(to_encrypt_with(&[a.clone(), other], Some("a")).is_ok());
        let both = [a, b];
        assert!(to_encrypt_with(&both, None).is_err());
        assert!(to_encrypt_with(&both, Some("b")).is_ok_and(|p| p.id.as_ref() == "b"));
        assert!(to_encrypt_with(&both, Some("c")).is_err());
    }
}
