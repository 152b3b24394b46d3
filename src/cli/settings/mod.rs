//! The configuration: what is in force where the command line says nothing.
//!
//! From the strongest: the command line, the environment, `cfg.toml`, `ansible.cfg`. Each setting keeps the place it comes from,
//! so that `cfg config` and messages can name it. A setting of `ansible.cfg` that cfg cannot follow is said, never skipped in
//! silence: as a mistake where following it would change what a run does, as a warning otherwise.

mod ansible;
mod known;
mod own;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::apply::SshArgs;
use super::error::CliError;
use super::passwords::VaultArgs;
use super::project::{ProjectArgs, eprint_diagnostic};
use crate::compile::FactCache;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::inventory::{GroupNames, Unread};
use crate::source::{FileId, SourceMap, expanded};
use crate::value::{Value, parse_bool};

pub use known::{KNOWN, Kind, Known};

/// Settings under the names `lookup('config')` asks for: Ansible's.
const ASKED_FOR: &[(&str, &str)] = &[
    ("become", "DEFAULT_BECOME"),
    ("become_method", "DEFAULT_BECOME_METHOD"),
    ("become_user", "DEFAULT_BECOME_USER"),
    ("connection", "DEFAULT_TRANSPORT"),
    ("force_handlers", "DEFAULT_FORCE_HANDLERS"),
    ("force_valid_group_names", "TRANSFORM_INVALID_GROUP_CHARS"),
    ("forks", "DEFAULT_FORKS"),
    ("gathering", "DEFAULT_GATHERING"),
    ("inventory", "DEFAULT_HOST_LIST"),
    ("inventory_any_unparsed_is_failed", "INVENTORY_ANY_UNPARSED_IS_FAILED"),
    ("inventory_unparsed_is_failed", "INVENTORY_UNPARSED_IS_FAILED"),
    ("private_key", "DEFAULT_PRIVATE_KEY_FILE"),
    ("roles_path", "DEFAULT_ROLES_PATH"),
    ("show_custom_stats", "SHOW_CUSTOM_STATS"),
    ("timeout", "DEFAULT_TIMEOUT"),
    ("user", "DEFAULT_REMOTE_USER"),
    ("vault_id_match", "DEFAULT_VAULT_ID_MATCH"),
    ("vault_password_file", "DEFAULT_VAULT_PASSWORD_FILE"),
];

/// A setting that was made.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its values: one, or several where it is a list. Paths are resolved.
    pub values: Vec<String>,
    /// Where it was made.
    pub from: String,
}

/// The settings in force.
#[derive(Debug, Default)]
pub struct Settings {
    set: BTreeMap<&'static str, Setting>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// What reads a file of settings has at hand.
struct Reading<'a> {
    settings: &'a mut Settings,
    sources: &'a SourceMap,
    reports: &'a mut Diagnostics,
    file: FileId,
    /// The directory paths start at.
    dir: PathBuf,
}

impl Settings {
    /// Reads the configuration; warnings are shown.
    ///
    /// # Errors
    /// Where a file or a variable of the environment is wrong.
    pub fn load() -> Result<Self, CliError> {
        let sources = SourceMap::default();
        let mut reports = Diagnostics::default();
        let mut settings = Self::default();
        settings.environment()?;
        for (path, own) in [(own::path(&mut reports), true), (ansible::path(&mut reports), false)] {
            let Some(path) = path else { continue };
            let text = std::fs::read_to_string(&path).map_err(|e| {
                let text = e.to_string();
                let reason = text.split(" (os error").next().unwrap_or(&text).to_owned();
                CliError::new(
                    format!("cannot read the configuration {}: {reason}", path.display()),
                    "mend or remove it",
                )
            })?;
            let file = sources.add(&path, text.clone());
            let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
            settings.files.push(path);
            let mut reading = Reading { settings: &mut settings, sources: &sources, reports: &mut reports, file, dir };
            if own {
                own::read(&text, &mut reading);
            } else {
                ansible::read(&text, &mut reading);
            }
        }
        let failed = reports.has_errors();
        let reports = reports.sorted();
        if failed {
            return Err(CliError::Mistakes(reports, sources));
        }
        for warning in reports.iter().filter(|report| report.severity == Severity::Warning) {
            eprint_diagnostic(warning, &sources);
        }
        Ok(settings)
    }

    /// Variables of the environment: Ansible's names.
    fn environment(&mut self) -> Result<(), CliError> {
        for known in KNOWN {
            let Some(text) = std::env::var(known.environment).ok().filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            let values = known.check(known.split(&text)).map_err(|wanted| {
                CliError::new(format!("{}: `{text}` is not {wanted}", known.environment), known.about)
            })?;
            self.put(known, values, known.environment.to_owned());
        }
        for name in ["ANSIBLE_SSH_COMMON_ARGS", "ANSIBLE_SSH_ARGS"] {
            let Ok(text) = std::env::var(name) else { continue };
            let (jump, left) = ansible::ssh_arguments(&text);
            if let Some(jump) = jump {
                self.put_by_name("proxy_jump", vec![jump], name.to_owned());
            }
            for left in left {
                super::note(&format!("warning: {name}: `{left}` has no effect in cfg; put it into ~/.ssh/config"));
            }
        }
        if let Ok(text) = std::env::var("ANSIBLE_HASH_BEHAVIOUR")
            && !matches!(text.as_str(), "" | "replace")
        {
            return Err(CliError::new(format!("cfg does not follow ANSIBLE_HASH_BEHAVIOUR={text}"), ansible::HASHES));
        }
        if std::env::var("ANSIBLE_HOST_KEY_CHECKING").is_ok_and(|text| parse_bool(&text) == Some(false)) {
            super::note(&format!("warning: ANSIBLE_HOST_KEY_CHECKING has no effect: {}", ansible::HOST_KEYS));
        }
        Ok(())
    }

    /// What is stronger was read before, and stays.
    fn put(&mut self, known: &'static Known, values: Vec<String>, from: String) {
        self.set.entry(known.name).or_insert(Setting { values, from });
    }

    fn put_by_name(&mut self, name: &str, values: Vec<String>, from: String) {
        if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
            self.put(known, values, from);
        }
    }

    /// A setting, where it was made.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.set.get(name)
    }

    /// The text of a setting.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.values.first().cloned()
    }

    /// The values of a setting that is a list.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.get(name).map(|setting| setting.values.clone()).unwrap_or_default()
    }

    /// A setting that is on or off; off where it was not made.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).and_then(|text| parse_bool(&text)).unwrap_or(false)
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// Where facts are kept from one run to the next.
    fn fact_cache(&self) -> Option<FactCache> {
        let kept = self.text("fact_caching").is_some_and(|plugin| plugin == "jsonfile");
        let dir = self.text("fact_caching_connection").filter(|_| kept)?;
        let seconds = self.number("fact_caching_timeout").unwrap_or(86_400);
        let timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
        Some(FactCache::new(dir.into(), self.text("fact_caching_prefix").unwrap_or_default(), timeout))
    }

    /// Fills in what the command line did not say about the project.
    pub fn fill_project(&self, args: &mut ProjectArgs, local: bool) {
        // `--local` without `-i` is about this machine alone, whatever inventory the project has.
        if args.inventory.is_empty() && !local {
            args.inventory = self.list("inventory");
            args.configured.inventory.named_in = self.get("inventory").map(|setting| setting.from.clone());
        }
        args.configured.inventory.unread =
            match ["any_unparsed", "unparsed"].map(|name| self.flag(&format!("inventory_{name}_is_failed"))) {
                [true, _] => Unread::Mistake,
                [_, true] => Unread::MistakeIfAll,
                _ => Unread::Warning,
            };
        args.configured.inventory.group_names =
            self.text("force_valid_group_names").map(|word| GroupNames::of(&word)).unwrap_or_default();
        args.strict |= self.get("allow_broken_conditionals").is_some() && !self.flag("allow_broken_conditionals");
        args.configured.fact_cache = self.fact_cache();
        args.configured.settings = self.for_lookups();
        args.configured.roles_path = self.list("roles_path").iter().map(PathBuf::from).collect();
        for (name, variable) in [
            ("become", "ansible_become"),
            ("become_user", "ansible_become_user"),
            ("become_method", "ansible_become_method"),
        ] {
            let value = match name {
                "become" => self.get(name).map(|_| Value::Bool(self.flag(name))),
                name => self.text(name).map(Value::from),
            };
            args.configured.defaults.extend(value.map(|value| (variable, value)));
        }
        self.fill_vault(&mut args.vault);
    }

    /// The settings that were made, as `lookup('config')` gives them.
    fn for_lookups(&self) -> BTreeMap<&'static str, (Value, String)> {
        let value = |known: &Known, setting: &Setting| match known.kind {
            Kind::Flag => Value::Bool(self.flag(known.name)),
            Kind::Count | Kind::Number => self.number(known.name).map_or(Value::Null, Value::Int),
            Kind::Paths | Kind::Inventories | Kind::VaultIds => Value::list(setting.values.iter().map(Value::str)),
            Kind::Text | Kind::Path | Kind::Word(_) => self.text(known.name).map_or(Value::Null, Value::from),
        };
        let made = |(name, asked): &(&str, &'static str)| {
            let known = KNOWN.iter().find(|known| known.name == *name)?;
            let setting = self.get(name)?;
            Some((*asked, (value(known, setting), setting.from.clone())))
        };
        ASKED_FOR.iter().filter_map(made).collect()
    }

    /// Fills in what the command line did not say about vault passwords. Labelled ones are added to those that were given; a
    /// password file counts where none was.
    pub fn fill_vault(&self, args: &mut VaultArgs) {
        args.match_ids = self.flag("vault_id_match");
        args.salt = self.text("vault_encrypt_salt");
        let given = !args.vault_password_file.is_empty() || args.ask_vault_pass;
        args.configured = self.list("vault_ids");
        if !given {
            args.configured
                .extend(self.text("vault_password_file").map(|path| format!("{}@{path}", crate::secret::DEFAULT_ID)));
            args.ask_vault_pass = self.flag("ask_vault_pass");
        }
    }

    /// Fills in what the command line did not say about connections.
    pub fn fill_ssh(&self, args: &mut SshArgs) {
        args.forks = args.forks.or_else(|| self.number("forks"));
        args.connect_timeout = args.connect_timeout.or_else(|| self.number("timeout"));
        args.user = args.user.take().or_else(|| self.text("user"));
        args.connection = args.connection.take().or_else(|| self.text("connection"));
        args.ask_pass |= self.flag("ask_pass");
        args.default_private_key = self.text("private_key").map(PathBuf::from);
        args.default_proxy_jump = self.text("proxy_jump");
    }
}

/// The page about settings, in Markdown.
pub fn page() -> String {
    let mut out = String::from(
        "# Settings\n\nFrom the strongest: the command line, the environment, `cfg.toml`, `ansible.cfg`. `cfg config` shows what is in \
         force and where\nit comes from. Paths in a file start at the directory of the file.\n\n`cfg.toml` is read in the working \
         directory, or where `CFG_CONFIG` says; `ansible.cfg` where `ANSIBLE_CONFIG` says, in the\nworking directory, as \
         `~/.ansible.cfg`, or in `/etc/ansible`. Neither is taken from a working directory anybody may write into.\n\n| `cfg.toml` | takes | \
         `ansible.cfg` | environment | default | what it is for |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for known in KNOWN {
        let ansible = match known.ansible {
            ("", _) => "`ProxyJump` in `[ssh_connection]` `ssh_args`".to_owned(),
            (section, name) => format!("`[{section}]` `{name}`"),
        };
        let default = if known.default.is_empty() { String::new() } else { format!("`{}`", known.default) };
        let (name, takes, environment, about) = (known.name, known.kind.describe(), known.environment, known.about);
        out.push_str(&format!("| `{name}` | {takes} | {ansible} | `{environment}` | {default} | {about} |\n"));
    }
    out
}

impl Reading<'_> {
    /// Makes a setting of values that stand in a file.
    fn put(&mut self, known: &'static Known, values: Vec<String>, at: crate::source::Span) {
        let from = self.sources.origin(at).to_string();
        match known.check(values) {
            Ok(values) => {
                let values = values.into_iter().map(|value| self.resolved(known, value)).collect();
                self.settings.put(known, values, from);
            }
            Err(wanted) => {
                let report = Diagnostic::error(Code::Usage, format!("`{}` is not {wanted}", known.name));
                self.reports.push(report.at(at, "").help(known.about));
            }
        }
    }

    /// Paths in a file start at the directory of the file.
    fn resolved(&self, known: &Known, value: String) -> String {
        let path = |text: &str| {
            let path = expanded(text);
            let path = if path.is_absolute() || self.dir == Path::new(".") { path } else { self.dir.join(path) };
            path.to_string_lossy().into_owned()
        };
        match known.kind {
            Kind::Path | Kind::Paths => path(&value),
            // A list of hosts is no path.
            Kind::Inventories if !value.contains(',') => path(&value),
            Kind::VaultIds => match value.split_once('@') {
                Some((_, "prompt")) => value,
                Some((id, file)) => format!("{id}@{}", path(file)),
                None if value == "prompt" => value,
                None => path(&value),
            },
            _ => value,
        }
    }
}

/// Says whether anybody may write into a directory: a configuration there may be anybody's.
fn is_open_to_all(dir: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    dir.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0)
}

/// A file in the working directory, unless anybody may have put it there.
fn beside(name: &str, reports: &mut Diagnostics) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    if !path.is_file() {
        return None;
    }
    if is_open_to_all(Path::new(".")) {
        let message = format!("{name} is not read: anybody may write into this directory");
        let report = Diagnostic::warning(Code::Usage, message);
        reports.push(report.help("take the right to write from others: chmod o-w ."));
        return None;
    }
    Some(path)
}
