//! The answer for one host: which lines apply, and the first value of each keyword.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::Target;
use super::super::error::ConnectError;
use super::super::pattern;
use super::parse::{Criterion, Entry, File, Test, wrong};
use super::tokens::{Local, Tokens};
use super::{Family, HostConfig, Proxy, SshConfig, Strict};

/// What is asked, and what was learned on the way.
struct Query<'a> {
    local: &'a Local,
    /// The name as given.
    alias: &'a str,
    /// What `Host` lines are compared with: the alias, then in the final pass the real name.
    host: String,
    final_pass: bool,
    wants_final: bool,
}

impl SshConfig {
    /// Answers for a target, whose own user, port and options win over the files.
    pub(in super::super) fn resolve(&self, target: &Target, local: &Local) -> Result<HostConfig, ConnectError> {
        let alias = &target.alias;
        let mut config = HostConfig { user: target.user.clone(), port: target.port, ..HostConfig::default() };
        let mut query = Query { local, alias, host: alias.to_owned(), final_pass: false, wants_final: false };
        walk(&File::of_options(&target.options, "arguments of ssh in the inventory")?, true, &mut query, &mut config)?;
        self.pass(&mut query, &mut config)?;
        let name = host_name(&config, alias).map_err(|what| wrong("HostName", what))?;
        if query.wants_final {
            query.final_pass = true;
            query.host = name.to_lowercase();
            config.host_name = Some(query.host.clone());
            self.pass(&mut query, &mut config)?;
        } else {
            config.host_name = Some(name.to_lowercase());
        }
        Ok(config)
    }

    fn pass(&self, query: &mut Query<'_>, config: &mut HostConfig) -> Result<(), ConnectError> {
        self.files.iter().try_for_each(|file| walk(file, true, query, config))
    }
}

/// Only `%h` and `%%` are allowed in `HostName`.
fn host_name(config: &HostConfig, alias: &str) -> Result<String, String> {
    let Some(text) = &config.host_name else {
        return Ok(alias.to_owned());
    };
    let mut parts = text.split("%%").map(|part| part.replace("%h", alias));
    let first = parts.next().unwrap_or_default();
    let name = parts.fold(first, |name, part| format!("{name}%{part}"));
    if text.replace("%%", "").replace("%h", "").contains('%') {
        return Err(format!("unknown token in `{text}`"));
    }
    Ok(name)
}

/// Applies a file's lines; nothing in it applies where the `Include` itself does not.
fn walk(file: &File, applies: bool, query: &mut Query<'_>, config: &mut HostConfig) -> Result<(), ConnectError> {
    let mut active = applies;
    for entry in &file.entries {
        match entry {
            Entry::Host(patterns) => {
                active = applies && pattern::list_matches(patterns.iter().map(String::as_str), &query.host);
            }
            Entry::Match(criteria, location) => {
                active = applies && matches_all(criteria, query, config).map_err(|what| wrong(location, what))?;
            }
            Entry::Include(files) => {
                files.iter().try_for_each(|file| walk(file, active, query, config))?;
            }
            Entry::Set { keyword, args, raw, location } => {
                if active {
                    set(config, keyword, args, raw).map_err(|what| wrong(location, what)).map(drop)?;
                }
            }
        }
    }
    Ok(())
}

fn matches_all(criteria: &[Criterion], query: &mut Query<'_>, config: &HostConfig) -> Result<bool, String> {
    let mut all = true;
    for criterion in criteria {
        // Programs run only where the answer still depends on them; `final` counts wherever it stands.
        let holds = match &criterion.test {
            Test::Exec(_) if !all => continue,
            test => holds(test, query, config)?,
        };
        all &= holds != criterion.negated;
    }
    Ok(all)
}

fn holds(test: &Test, query: &mut Query<'_>, config: &HostConfig) -> Result<bool, String> {
    let list = |patterns: &str, text: &str| pattern::list_matches(patterns.split(','), text);
    let user = config.user.as_deref().unwrap_or(&query.local.user);
    Ok(match test {
        Test::All => true,
        Test::Canonical => false,
        Test::Final => {
            query.wants_final = true;
            query.final_pass
        }
        Test::Host(patterns) => {
            let name = host_name(config, query.alias)?;
            list(&patterns.to_lowercase(), &name.to_lowercase())
        }
        Test::OriginalHost(patterns) => list(&patterns.to_lowercase(), &query.alias.to_lowercase()),
        Test::User(patterns) => list(patterns, user),
        Test::LocalUser(patterns) => list(patterns, &query.local.user),
        Test::Exec(command) => {
            let name = host_name(config, query.alias)?;
            let tokens = Tokens {
                local: query.local,
                host: &name,
                alias: query.alias,
                port: config.port.unwrap_or(22),
                user,
                key_alias: config.host_key_alias.as_deref(),
                jump: None,
            };
            succeeds(&tokens.expand(command)?)?
        }
    })
}

fn succeeds(command: &str) -> Result<bool, String> {
    let shell = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned());
    let status = Command::new(shell)
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run `{command}`: {error}"))?;
    Ok(status.success())
}

/// Says whether a lower-case keyword is one we act on.
pub(in super::super) fn acts_on(keyword: &str) -> bool {
    set(&mut HostConfig::default(), keyword, &[], "") != Ok(false)
}

/// Takes a value if the keyword is one we act on and has none yet. Says whether we do.
fn set(config: &mut HostConfig, keyword: &str, args: &[String], raw: &str) -> Result<bool, String> {
    let word = || args.first().cloned().ok_or_else(|| format!("`{keyword}` needs an argument"));
    let first = |slot: &mut Option<String>| -> Result<(), String> {
        let value = word()?;
        slot.get_or_insert(value);
        Ok(())
    };
    match keyword {
        "hostname" => first(&mut config.host_name)?,
        "user" => first(&mut config.user)?,
        "identityagent" => first(&mut config.identity_agent)?,
        "hostkeyalias" => first(&mut config.host_key_alias)?,
        "hostkeyalgorithms" => first(&mut config.host_key_algorithms)?,
        "port" => {
            let text = word()?;
            let port = text.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("`{text}` is not a port"))?;
            config.port.get_or_insert(port);
        }
        "identityfile" => push_new(&mut config.identity_files, word()?),
        "certificatefile" => push_new(&mut config.certificate_files, word()?),
        "proxyjump" | "proxycommand" => set_proxy(config, keyword, &word()?, raw),
        "userknownhostsfile" => drop(config.user_known_hosts.get_or_insert_with(|| args.to_vec())),
        "globalknownhostsfile" => drop(config.global_known_hosts.get_or_insert_with(|| args.to_vec())),
        "preferredauthentications" => {
            let list = word()?.split(',').map(str::to_owned).collect();
            config.preferred_auth.get_or_insert(list);
        }
        "connecttimeout" => {
            let limit = if word()? == "none" { None } else { Some(time(&word()?)?) };
            config.connect_timeout.get_or_insert(limit);
        }
        "serveraliveinterval" => {
            let interval = time(&word()?)?;
            config.keepalive.get_or_insert(interval);
        }
        _ => return set_choice(config, keyword, word),
    }
    Ok(true)
}

/// The keywords with a fixed set of values.
fn set_choice(
    config: &mut HostConfig,
    keyword: &str,
    word: impl Fn() -> Result<String, String>,
) -> Result<bool, String> {
    let flag = |slot: &mut Option<bool>, also_yes: &[&str]| -> Result<(), String> {
        let text = word()?.to_ascii_lowercase();
        let value = match text.as_str() {
            "yes" | "true" => true,
            "no" | "false" => false,
            other if also_yes.contains(&other) => true,
            _ => return Err(format!("`{text}` is neither yes nor no")),
        };
        slot.get_or_insert(value);
        Ok(())
    };
    match keyword {
        "identitiesonly" => flag(&mut config.identities_only, &[]),
        "hashknownhosts" => flag(&mut config.hash_known_hosts, &[]),
        "pubkeyauthentication" => flag(&mut config.pubkey, &["unbound", "host-bound"]),
        "passwordauthentication" => flag(&mut config.password, &[]),
        "kbdinteractiveauthentication" | "challengeresponseauthentication" => {
            flag(&mut config.keyboard_interactive, &[])
        }
        "stricthostkeychecking" => {
            let value = match word()?.to_ascii_lowercase().as_str() {
                "yes" | "true" | "ask" => Strict::Refuse,
                "accept-new" => Strict::AcceptNew,
                "no" | "false" | "off" => Strict::Off,
                other => return Err(format!("`{other}` is not a way of checking host keys")),
            };
            config.strict.get_or_insert(value);
            Ok(())
        }
        "addressfamily" => {
            let value = match word()?.to_ascii_lowercase().as_str() {
                "any" => Family::Any,
                "inet" => Family::V4,
                "inet6" => Family::V6,
                other => return Err(format!("`{other}` is not an address family")),
            };
            config.family.get_or_insert(value);
            Ok(())
        }
        _ => return Ok(false),
    }?;
    Ok(true)
}

/// `ProxyJump` and `ProxyCommand` compete: the first of either wins, but `ProxyJump none` only rules out jumps.
fn set_proxy(config: &mut HostConfig, keyword: &str, word: &str, raw: &str) {
    let none = word.eq_ignore_ascii_case("none");
    let value = match keyword {
        "proxyjump" if none => Proxy::NoJump,
        "proxyjump" => Proxy::Jump(word.to_owned()),
        _ if none => Proxy::None,
        _ => Proxy::Command(raw.to_owned()),
    };
    let open = match config.proxy {
        None => true,
        Some(Proxy::NoJump) => keyword == "proxycommand",
        Some(_) => false,
    };
    if open {
        config.proxy = Some(value);
    }
}

fn push_new(list: &mut Vec<String>, value: String) {
    if !list.contains(&value) {
        list.push(value);
    }
}

/// `90`, `90s`, `1m30s`.
fn time(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a time");
    let (mut total, mut number) = (0_u64, None::<u64>);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            let so_far = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit.into()));
            number = Some(so_far.ok_or_else(bad)?);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(bad()),
        };
        total = number.take().and_then(|n| n.checked_mul(unit)).and_then(|n| total.checked_add(n)).ok_or_else(bad)?;
    }
    if text.is_empty() {
        return Err(bad());
    }
    total.checked_add(number.unwrap_or(0)).map(Duration::from_secs).ok_or_else(bad)
}
