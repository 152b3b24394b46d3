//! The settings cfg follows: their names in each place, and what they take.

use crate::value::parse_bool;

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A path.
    Path,
    /// Paths, separated by colons where they are one text.
    Paths,
    /// Inventories, separated by commas where they are one text.
    Inventories,
    /// Vault ids, separated by commas where they are one text.
    VaultIds,
    /// A whole number above zero.
    Count,
    /// A whole number.
    Number,
    /// Yes or no.
    Flag,
    /// One of some words.
    Word(&'static [&'static str]),
}

impl Kind {
    /// What it takes, in words.
    pub fn describe(self) -> String {
        let text = match self {
            Self::Text => "a text",
            Self::Path => "a path",
            Self::Paths => "paths",
            Self::Inventories => "inventories",
            Self::VaultIds => "vault ids",
            Self::Count | Self::Number => "a number",
            Self::Flag => "true or false",
            Self::Word(words) => return format!("one of {}", words.join(", ")),
        };
        text.to_owned()
    }
}

/// A setting cfg follows.
#[derive(Debug)]
pub struct Known {
    /// Its name in `cfg.toml`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its section and name in `ansible.cfg`; empty where it has none.
    pub ansible: (&'static str, &'static str),
    /// Its name in the environment.
    pub environment: &'static str,
    /// What it is where nobody sets it.
    pub default: &'static str,
    /// What it is for.
    pub about: &'static str,
}

const fn known(
    name: &'static str,
    kind: Kind,
    ansible: (&'static str, &'static str),
    environment: &'static str,
    default: &'static str,
    about: &'static str,
) -> Known {
    Known { name, kind, ansible, environment, default, about }
}

const DEFAULTS: &str = "defaults";
const BECOME: &str = "privilege_escalation";
const INVENTORY: &str = "inventory";

/// Every setting, by name.
pub const KNOWN: &[Known] = &[
    known(
        "allow_broken_conditionals",
        Kind::Flag,
        (DEFAULTS, "allow_broken_conditionals"),
        "ANSIBLE_ALLOW_BROKEN_CONDITIONALS",
        "true",
        "whether conditions may be something else than booleans; `--strict` is `false`",
    ),
    known(
        "ask_become_pass",
        Kind::Flag,
        (BECOME, "become_ask_pass"),
        "ANSIBLE_BECOME_ASK_PASS",
        "false",
        "ask for the password of become",
    ),
    known("ask_pass", Kind::Flag, (DEFAULTS, "ask_pass"), "ANSIBLE_ASK_PASS", "false", "ask for the login password"),
    known(
        "ask_vault_pass",
        Kind::Flag,
        (DEFAULTS, "ask_vault_pass"),
        "ANSIBLE_ASK_VAULT_PASS",
        "false",
        "ask for the vault password",
    ),
    known(
        "become",
        Kind::Flag,
        (BECOME, "become"),
        "ANSIBLE_BECOME",
        "false",
        "work with the rights of another user, where a play does not say",
    ),
    known("become_method", Kind::Text, (BECOME, "become_method"), "ANSIBLE_BECOME_METHOD", "sudo", "sudo, su or doas"),
    known("become_user", Kind::Text, (BECOME, "become_user"), "ANSIBLE_BECOME_USER", "root", "that user"),
    known(
        "connection",
        Kind::Word(&["local", "paramiko", "smart", "ssh"]),
        (DEFAULTS, "transport"),
        "ANSIBLE_TRANSPORT",
        "ssh",
        "how hosts are reached where nothing else says it; what is not `local` is cfg's own SSH",
    ),
    known(
        "encrypt_vault_id",
        Kind::Text,
        (DEFAULTS, "vault_encrypt_identity"),
        "ANSIBLE_VAULT_ENCRYPT_IDENTITY",
        "",
        "the vault id to encrypt with, where there are several",
    ),
    known(
        "fact_caching",
        Kind::Word(&["memory", "jsonfile"]),
        (DEFAULTS, "fact_caching"),
        "ANSIBLE_CACHE_PLUGIN",
        "memory",
        "whether facts, and what `set_fact` with `cacheable` says, are kept in files from one run to the next",
    ),
    known(
        "fact_caching_connection",
        Kind::Path,
        (DEFAULTS, "fact_caching_connection"),
        "ANSIBLE_CACHE_PLUGIN_CONNECTION",
        "",
        "the directory of those files",
    ),
    known(
        "fact_caching_prefix",
        Kind::Text,
        (DEFAULTS, "fact_caching_prefix"),
        "ANSIBLE_CACHE_PLUGIN_PREFIX",
        "",
        "what their names begin with",
    ),
    known(
        "fact_caching_timeout",
        Kind::Number,
        (DEFAULTS, "fact_caching_timeout"),
        "ANSIBLE_CACHE_PLUGIN_TIMEOUT",
        "86400",
        "after how many seconds they do not count any more; 0 is never",
    ),
    known(
        "force_handlers",
        Kind::Flag,
        (DEFAULTS, "force_handlers"),
        "ANSIBLE_FORCE_HANDLERS",
        "false",
        "run notified handlers on hosts that failed too, where a play does not say",
    ),
    known(
        "force_valid_group_names",
        Kind::Word(crate::inventory::GroupNames::WORDS),
        (DEFAULTS, "force_valid_group_names"),
        "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS",
        "never",
        "whether characters of group names that names of variables cannot have become `_`",
    ),
    known("forks", Kind::Count, (DEFAULTS, "forks"), "ANSIBLE_FORKS", "50", "how many hosts to work on at once"),
    known(
        "gathering",
        Kind::Word(&["implicit", "explicit", "smart"]),
        (DEFAULTS, "gathering"),
        "ANSIBLE_GATHERING",
        "implicit",
        "whether plays that do not say gather facts: each, none, or the first of a host",
    ),
    known(
        "inventory",
        Kind::Inventories,
        (DEFAULTS, "inventory"),
        "ANSIBLE_INVENTORY",
        "",
        "files, directories, scripts, or lists of hosts such as `web1,web2,`",
    ),
    known(
        "inventory_any_unparsed_is_failed",
        Kind::Flag,
        (INVENTORY, "any_unparsed_is_failed"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED",
        "false",
        "an inventory that is not there is a mistake, not a warning",
    ),
    known(
        "inventory_unparsed_is_failed",
        Kind::Flag,
        (INVENTORY, "unparsed_is_failed"),
        "ANSIBLE_INVENTORY_UNPARSED_FAILED",
        "false",
        "it is a mistake where no inventory that was named is there",
    ),
    known(
        "private_key",
        Kind::Path,
        (DEFAULTS, "private_key_file"),
        "ANSIBLE_PRIVATE_KEY_FILE",
        "",
        "the private key to log in with, where the inventory names none",
    ),
    known(
        "proxy_jump",
        Kind::Text,
        ("", ""),
        "CFG_PROXY_JUMP",
        "",
        "the host to jump over, where the inventory names none",
    ),
    known(
        "roles_path",
        Kind::Paths,
        (DEFAULTS, "roles_path"),
        "ANSIBLE_ROLES_PATH",
        "",
        "where roles are looked for, beside those of the playbook",
    ),
    known(
        "show_custom_stats",
        Kind::Flag,
        (DEFAULTS, "show_custom_stats"),
        "ANSIBLE_SHOW_CUSTOM_STATS",
        "false",
        "show what tasks report with `set_stats` at the end",
    ),
    known("timeout", Kind::Count, (DEFAULTS, "timeout"), "ANSIBLE_TIMEOUT", "", "seconds to wait for a connection"),
    known(
        "user",
        Kind::Text,
        (DEFAULTS, "remote_user"),
        "ANSIBLE_REMOTE_USER",
        "",
        "who logs in, where the inventory does not say",
    ),
    known(
        "vault_encrypt_salt",
        Kind::Text,
        (DEFAULTS, "vault_encrypt_salt"),
        "ANSIBLE_VAULT_ENCRYPT_SALT",
        "",
        "the salt to encrypt with, so that the same text gives the same vault; a random one is safer",
    ),
    known(
        "vault_id_match",
        Kind::Flag,
        (DEFAULTS, "vault_id_match"),
        "ANSIBLE_VAULT_ID_MATCH",
        "false",
        "try only passwords with the label a vault names",
    ),
    known(
        "vault_ids",
        Kind::VaultIds,
        (DEFAULTS, "vault_identity_list"),
        "ANSIBLE_VAULT_IDENTITY_LIST",
        "",
        "vault passwords with labels: ID@FILE",
    ),
    known(
        "vault_password_file",
        Kind::Path,
        (DEFAULTS, "vault_password_file"),
        "ANSIBLE_VAULT_PASSWORD_FILE",
        "",
        "the file with the vault password, or a program that prints it",
    ),
];

impl Known {
    /// The values a text stands for.
    pub fn split(&self, text: &str) -> Vec<String> {
        let text = text.trim();
        let parts = |separator: char| {
            text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        match self.kind {
            Kind::Paths => parts(':'),
            Kind::VaultIds => parts(','),
            // `web1,web2,` is a list of hosts; `a.yml,b.yml` are two files.
            Kind::Inventories if !text.ends_with(',') => parts(','),
            _ => vec![text.to_owned()],
        }
    }

    /// Judges values.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(&self, values: Vec<String>) -> Result<Vec<String>, String> {
        let first = values.first().map_or("", String::as_str);
        match self.kind {
            Kind::Count if first.parse::<u32>().ok().is_none_or(|n| n == 0) => {
                Err("a whole number above zero".to_owned())
            }
            Kind::Number if first.parse::<u32>().is_err() => Err("a whole number".to_owned()),
            Kind::Flag if parse_bool(first).is_none() => Err(self.kind.describe()),
            Kind::Word(words) if !words.contains(&first) => Err(self.kind.describe()),
            Kind::Text | Kind::Path if first.is_empty() => Err("set to anything".to_owned()),
            _ => Ok(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn settings_are_in_order() {
        assert!(KNOWN.is_sorted_by_key(|known| known.name));
    }
}
