//! `cfg vault`: encrypted files and strings in Ansible's format.

mod edit;
mod files;
mod strings;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::error::{CliError, Exit};
use super::passwords::{Purpose, VaultArgs, to_encrypt_with};
use super::settings::Settings;
use crate::secret::{Password, Redactor, Vault, VaultError, encrypt, is_vault};
use files::Place;

/// Options of vault.
#[derive(Debug, Args)]
pub struct VaultCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Encrypt files
    Encrypt(Encrypt),
    /// Decrypt files
    Decrypt(Decrypt),
    /// Show what is in encrypted files
    View(View),
    /// Edit an encrypted file with $VISUAL, $EDITOR or vi
    Edit(Edit),
    /// Write a new encrypted file with $VISUAL, $EDITOR or vi
    Create(Edit),
    /// Encrypt files again, with another password
    Rekey(Rekey),
    /// Encrypt texts, as values to put into a file of variables
    #[command(alias = "encrypt_string")]
    EncryptString(strings::EncryptString),
}

#[derive(Debug, Args)]
struct Encrypt {
    /// The files; `-` or none: standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    with: With,
    /// Write to this file instead; `-` is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Decrypt {
    /// The files; `-` or none: standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    vault: VaultArgs,
    /// Write to this file instead; `-` is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct View {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    vault: VaultArgs,
}

#[derive(Debug, Args)]
struct Edit {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    with: With,
}

#[derive(Debug, Args)]
struct Rekey {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    with: With,
    /// The new password, with a label: `ID@FILE`, `ID@SCRIPT` or `ID@prompt`
    #[arg(long, value_name = "ID@SOURCE", conflicts_with = "new_vault_password_file")]
    new_vault_id: Option<String>,
    /// Read the new password from this file (or the output of this executable)
    #[arg(long, value_name = "FILE")]
    new_vault_password_file: Option<PathBuf>,
}

/// What is encrypted with.
#[derive(Debug, Clone, Args)]
struct With {
    #[command(flatten)]
    vault: VaultArgs,
    /// The vault id to encrypt with, where there are several
    #[arg(long, value_name = "ID")]
    encrypt_vault_id: Option<String>,
}

impl With {
    /// The password that encrypts; asks where none was given.
    fn password(&self) -> Result<Password, CliError> {
        let passwords = or_ask(&self.vault).read(Purpose::Make)?;
        to_encrypt_with(&passwords, self.encrypt_vault_id.as_deref()).cloned()
    }

    fn sealed(&self, plain: &[u8], password: &Password, id: &str) -> Result<String, CliError> {
        if id.contains(|c: char| c == ';' || c.is_control()) {
            return Err(CliError::new(format!("`{}` cannot be a vault id", id.escape_default()), "leave out `;`"));
        }
        let salt = self.vault.salt.as_deref();
        encrypt(plain, &password.bytes, id, salt).map_err(|e| CliError::new(e.to_string(), e.help()))
    }
}

impl VaultCommand {
    /// The options of passwords, for what the configuration adds.
    pub fn passwords(&mut self) -> (&mut VaultArgs, Option<&mut Option<String>>) {
        match &mut self.what {
            What::Encrypt(a) => (&mut a.with.vault, Some(&mut a.with.encrypt_vault_id)),
            What::Decrypt(a) => (&mut a.vault, None),
            What::View(a) => (&mut a.vault, None),
            What::Edit(a) | What::Create(a) => (&mut a.with.vault, Some(&mut a.with.encrypt_vault_id)),
            What::Rekey(a) => (&mut a.with.vault, Some(&mut a.with.encrypt_vault_id)),
            What::EncryptString(a) => (&mut a.with.vault, Some(&mut a.with.encrypt_vault_id)),
        }
    }
}

/// Where no password was given, it is asked for.
fn or_ask(vault: &VaultArgs) -> VaultArgs {
    let mut vault = vault.clone();
    vault.ask_vault_pass |= vault.is_empty();
    vault
}

fn vault_of(args: &VaultArgs) -> Result<Vault, CliError> {
    Ok(Vault::new(or_ask(args).read(Purpose::Open)?, Redactor::default()).only_labelled(args.match_ids))
}

/// Runs the command.
///
/// # Errors
/// Where a password does not fit, or a file is not what it should be.
pub fn run(mut command: VaultCommand) -> Result<Exit, CliError> {
    let settings = Settings::load()?;
    let (passwords, encrypt) = command.passwords();
    settings.fill_vault(passwords);
    if let Some(encrypt) = encrypt {
        *encrypt = encrypt.take().or_else(|| settings.text("encrypt_vault_id"));
    }
    match command.what {
        What::Encrypt(args) => encrypt_files(&args)?,
        What::Decrypt(args) => decrypt_files(&args)?,
        What::View(args) => view(&args)?,
        What::Edit(args) => edit_file(&args)?,
        What::Create(args) => create(&args)?,
        What::Rekey(args) => rekey(&args)?,
        What::EncryptString(args) => strings::run(&args)?,
    }
    Ok(Exit::Converged)
}

/// What files to work on, and where each result goes.
fn places(files: &[PathBuf], output: Option<&Path>) -> Result<Vec<(Place, Place)>, CliError> {
    let inputs: Vec<Place> = match files {
        [] => vec![Place::Standard],
        files => files.iter().map(|file| Place::of(file)).collect(),
    };
    if output.is_some() && inputs.len() > 1 {
        return Err(CliError::new("--output takes one file to work on", "leave it away, or give one file"));
    }
    let target = |input: &Place| output.map_or_else(|| input.clone(), Place::of);
    Ok(inputs.into_iter().map(|input| (input.clone(), target(&input))).collect())
}

fn encrypt_files(args: &Encrypt) -> Result<(), CliError> {
    let places = places(&args.files, args.output.as_deref())?;
    let mut plain = Vec::new();
    // Everything is read before a password is asked for, and nothing is written where one file is wrong.
    for (from, to) in places {
        let bytes = from.read()?;
        if is_vault(&bytes) {
            return Err(CliError::new(
                format!("{from} is encrypted already"),
                "`cfg vault rekey` gives it another password",
            ));
        }
        plain.push((bytes, to));
    }
    let password = args.with.password()?;
    for (bytes, to) in plain {
        to.write(args.with.sealed(&bytes, &password, &password.id)?.as_bytes())?;
    }
    Ok(())
}

fn decrypt_files(args: &Decrypt) -> Result<(), CliError> {
    let mut texts = Vec::new();
    for (from, to) in places(&args.files, args.output.as_deref())? {
        texts.push((from.read_vault()?, from, to));
    }
    let vault = vault_of(&args.vault)?;
    let mut opened = Vec::new();
    for (text, from, to) in texts {
        opened.push((vault.open(&text).map_err(|e| failed(&from, &e))?.plain, to));
    }
    opened.into_iter().try_for_each(|(plain, to)| to.write(&plain))
}

fn view(args: &View) -> Result<(), CliError> {
    let places: Vec<Place> = args.files.iter().map(|file| Place::of(file)).collect();
    let texts = places.iter().map(Place::read_vault).collect::<Result<Vec<_>, _>>()?;
    let vault = vault_of(&args.vault)?;
    for (text, place) in texts.iter().zip(&places) {
        Place::Standard.write(&vault.open(text).map_err(|e| failed(place, &e))?.plain)?;
    }
    Ok(())
}

fn edit_file(args: &Edit) -> Result<(), CliError> {
    let place = Place::of(&args.file);
    let text = place.read_vault()?;
    let opened = vault_of(&args.with.vault)?.open(&text).map_err(|e| failed(&place, &e))?;
    let new = edit::edit(&args.file, &opened.plain)?;
    // Another vault id is a wish of its own: the file is written anew even where its content is the same.
    let other = args.with.encrypt_vault_id.as_deref().filter(|id| *id != opened.id.as_ref());
    if new == opened.plain && other.is_none() {
        super::note(&format!("{place}: nothing has changed"));
        return Ok(());
    }
    let sealed = match other {
        None => args.with.sealed(&new, &opened.password, &opened.id)?,
        Some(id) => {
            let passwords = args.with.vault.read(Purpose::Open)?;
            let password = to_encrypt_with(&passwords, Some(id))?;
            args.with.sealed(&new, password, &password.id)?
        }
    };
    place.write(sealed.as_bytes())
}

fn create(args: &Edit) -> Result<(), CliError> {
    let place = Place::of(&args.file);
    if args.file.exists() {
        return Err(CliError::new(
            format!("{place} exists already"),
            "`cfg vault edit` changes an encrypted file, `cfg vault encrypt` encrypts one",
        ));
    }
    files::check_parent(&args.file)?;
    let password = args.with.password()?;
    let plain = edit::edit(&args.file, b"")?;
    place.write(args.with.sealed(&plain, &password, &password.id)?.as_bytes())
}

fn rekey(args: &Rekey) -> Result<(), CliError> {
    let places: Vec<Place> = args.files.iter().map(|file| Place::of(file)).collect();
    let texts = places.iter().map(Place::read_vault).collect::<Result<Vec<_>, _>>()?;
    let vault = vault_of(&args.with.vault)?;
    // All of them are opened before the first is written: a wrong password leaves every file as it was.
    let mut plain = Vec::new();
    for (text, place) in texts.iter().zip(&places) {
        plain.push(vault.open(text).map_err(|e| failed(place, &e))?.plain);
    }
    let new = VaultArgs {
        vault_id: args.new_vault_id.clone().into_iter().collect(),
        vault_password_file: args.new_vault_password_file.clone().into_iter().collect(),
        ..VaultArgs::default()
    };
    let passwords = or_ask(&new).read(Purpose::Make)?;
    let password = to_encrypt_with(&passwords, None)?;
    // `--encrypt-vault-id` names a label; beside one of --new-vault-id there is nothing left to choose.
    let id = args.with.encrypt_vault_id.as_deref().filter(|_| args.new_vault_id.is_none());
    for (plain, place) in plain.iter().zip(&places) {
        place.write(args.with.sealed(plain, password, id.unwrap_or(&password.id))?.as_bytes())?;
    }
    super::note(&format!("{} encrypted with the new password", super::count(places.len(), "file")));
    Ok(())
}

fn failed(place: &Place, error: &VaultError) -> CliError {
    CliError::new(format!("cannot decrypt {place}: {error}"), error.help())
}
