//! `config`: settings of Ansible that roles ask for.
//!
//! Settings cfg follows have the value that is in force, wherever it was made. The others roles ask for have Ansible's defaults,
//! and their environment variable is heard, as in Ansible.

use super::{Ask, Outcome, fail};
use crate::template::{EvalError, Lookup};
use crate::value::{Value, parse_bool};

/// A setting: its name, its variable in the environment, its default and the variable of the playbook that sets it.
struct Setting {
    name: &'static str,
    env: &'static str,
    default: Default,
    variable: &'static str,
}

enum Default {
    None,
    Bool(bool),
    Int(i64),
    Text(&'static str),
    /// Parts a colon separates; `~` is the home directory.
    Paths(&'static str),
}

const fn setting(name: &'static str, env: &'static str, default: Default, variable: &'static str) -> Setting {
    Setting { name, env, default, variable }
}

/// Whether conditions may be no booleans: here it is `--strict` that forbids them.
const BROKEN_CONDITIONALS: &str = "ALLOW_BROKEN_CONDITIONALS";

const SETTINGS: &[Setting] = &[
    setting(BROKEN_CONDITIONALS, "", Default::Bool(true), ""),
    setting("ANSIBLE_HOME", "ANSIBLE_HOME", Default::Text("~/.ansible"), ""),
    setting("DEFAULT_BECOME", "ANSIBLE_BECOME", Default::Bool(false), ""),
    setting("DEFAULT_BECOME_METHOD", "ANSIBLE_BECOME_METHOD", Default::Text("sudo"), ""),
    setting("DEFAULT_BECOME_USER", "ANSIBLE_BECOME_USER", Default::Text("root"), ""),
    setting("DEFAULT_FORCE_HANDLERS", "ANSIBLE_FORCE_HANDLERS", Default::Bool(false), ""),
    setting("DEFAULT_FORKS", "ANSIBLE_FORKS", Default::Int(50), ""),
    setting("DEFAULT_GATHERING", "ANSIBLE_GATHERING", Default::Text("implicit"), ""),
    setting("DEFAULT_HOST_LIST", "ANSIBLE_INVENTORY", Default::Paths("/etc/ansible/hosts"), ""),
    setting("DEFAULT_JINJA2_NATIVE", "ANSIBLE_JINJA2_NATIVE", Default::Bool(true), ""),
    setting("DEFAULT_MANAGED_STR", "ANSIBLE_MANAGED", Default::Text("Ansible managed"), ""),
    setting("DEFAULT_MODULE_NAME", "ANSIBLE_MODULE_NAME", Default::Text("command"), ""),
    setting("DEFAULT_POLL_INTERVAL", "ANSIBLE_POLL_INTERVAL", Default::Int(15), ""),
    setting("DEFAULT_PRIVATE_KEY_FILE", "ANSIBLE_PRIVATE_KEY_FILE", Default::None, ""),
    // Roles show their variables to what follows them, whatever the environment asks for.
    setting("DEFAULT_PRIVATE_ROLE_VARS", "", Default::Bool(false), ""),
    setting("DEFAULT_REMOTE_PORT", "ANSIBLE_REMOTE_PORT", Default::None, ""),
    setting("DEFAULT_REMOTE_USER", "ANSIBLE_REMOTE_USER", Default::None, ""),
    setting(
        "DEFAULT_ROLES_PATH",
        "ANSIBLE_ROLES_PATH",
        Default::Paths("~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles"),
        "",
    ),
    setting("DEFAULT_TIMEOUT", "ANSIBLE_TIMEOUT", Default::Int(10), ""),
    setting("DEFAULT_TRANSPORT", "ANSIBLE_TRANSPORT", Default::Text("ssh"), ""),
    setting("DEFAULT_VAULT_ID_MATCH", "ANSIBLE_VAULT_ID_MATCH", Default::Bool(false), ""),
    setting("DEFAULT_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_PASSWORD_FILE", Default::None, ""),
    setting("HOST_KEY_CHECKING", "ANSIBLE_HOST_KEY_CHECKING", Default::Bool(true), ""),
    setting("INVENTORY_ANY_UNPARSED_IS_FAILED", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", Default::Bool(false), ""),
    setting("INVENTORY_UNPARSED_IS_FAILED", "ANSIBLE_INVENTORY_UNPARSED_FAILED", Default::Bool(false), ""),
    setting("RETRY_FILES_ENABLED", "ANSIBLE_RETRY_FILES_ENABLED", Default::Bool(false), ""),
    setting("SHOW_CUSTOM_STATS", "ANSIBLE_SHOW_CUSTOM_STATS", Default::Bool(false), ""),
    setting("TRANSFORM_INVALID_GROUP_CHARS", "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS", Default::Text("never"), ""),
];

/// Settings of the plugins that reach hosts.
const OF_PLUGINS: &[(&str, &str, Setting)] = &[
    (
        "connection",
        "ssh",
        setting("remote_user", "ANSIBLE_REMOTE_USER", Default::None, "ansible_user ansible_ssh_user"),
    ),
    ("connection", "ssh", setting("port", "ANSIBLE_REMOTE_PORT", Default::None, "ansible_port ansible_ssh_port")),
    ("connection", "ssh", setting("host", "", Default::None, "inventory_hostname ansible_host ansible_ssh_host")),
    (
        "become",
        "sudo",
        setting("become_flags", "ANSIBLE_BECOME_FLAGS", Default::Text("-H -S -n"), "ansible_become_flags"),
    ),
    ("become", "sudo", setting("become_user", "ANSIBLE_BECOME_USER", Default::Text("root"), "ansible_become_user")),
    ("become", "sudo", setting("become_exe", "ANSIBLE_BECOME_EXE", Default::Text("sudo"), "ansible_become_exe")),
    ("become", "su", setting("become_flags", "ANSIBLE_BECOME_FLAGS", Default::Text(""), "ansible_become_flags")),
    ("become", "su", setting("become_user", "ANSIBLE_BECOME_USER", Default::Text("root"), "ansible_become_user")),
    ("become", "su", setting("become_exe", "ANSIBLE_BECOME_EXE", Default::Text("su"), "ansible_become_exe")),
    ("shell", "sh", setting("remote_tmp", "ANSIBLE_REMOTE_TMP", Default::Text("~/.ansible/tmp"), "ansible_remote_tmp")),
];

pub(super) fn config(ask: &Ask<'_>) -> Outcome {
    let missing = ask.option("on_missing").map_or_else(|| "error".to_owned(), ToString::to_string);
    if !matches!(missing.as_str(), "error" | "warn" | "skip") {
        return fail(format!("Invalid value '{missing}' for `on_missing`: it is error, warn or skip"));
    }
    let text = |name: &str| ask.option(name).map(ToString::to_string);
    let plugin = match (text("plugin_type"), text("plugin_name")) {
        (Some(kind), Some(name)) => Some((kind, name)),
        (None, None) => None,
        _ => return fail("Both plugin_type and plugin_name are required, cannot use one without the other"),
    };
    let mut results = Vec::new();
    for term in &ask.call.terms {
        let Some(name) = term.as_str() else {
            return fail(format!("Invalid setting identifier: `{term}` is not a string"));
        };
        let known = match &plugin {
            None => SETTINGS.iter().find(|setting| setting.name == name),
            Some((kind, plugin)) => OF_PLUGINS
                .iter()
                .find(|(of, called, setting)| of == kind && called == plugin && setting.name == name)
                .map(|(_, _, setting)| setting),
        };
        match known {
            Some(setting) => {
                let (value, origin) = value_of(ask, setting)?;
                let shown = ask.option("show_origin").is_some_and(crate::apply_truth);
                results.push(if shown { Value::list([value, Value::from(origin)]) } else { value });
            }
            None if missing == "skip" => {}
            None => {
                let message = format!("No config definition exists for '{name}': cfg has no such setting");
                if missing == "error" {
                    return fail(message);
                }
                let report = crate::diagnostic::Diagnostic::warning(crate::diagnostic::Code::Unsupported, message);
                ask.reach.project.files.report(report);
            }
        }
    }
    Ok(Lookup::Results(results))
}

fn value_of(ask: &Ask<'_>, setting: &Setting) -> Result<(Value, String), EvalError> {
    for variable in setting.variable.split_whitespace().rev() {
        if let Some(value) = ask.scope.get(variable)? {
            return Ok((value, format!("var: {variable}")));
        }
    }
    let project = &ask.reach.project;
    if setting.name == BROKEN_CONDITIONALS {
        let origin = if project.strict { "--strict" } else { "default" };
        return Ok((Value::Bool(!project.strict), origin.to_owned()));
    }
    if let Some((value, from)) = project.settings.get(setting.name).filter(|_| setting.variable.is_empty()) {
        return Ok((value.clone(), from.clone()));
    }
    match std::env::var(setting.env).ok().filter(|_| !setting.env.is_empty()) {
        Some(text) => Ok((read(&text, &setting.default), format!("env: {}", setting.env))),
        None => Ok((default_of(&setting.default), "default".to_owned())),
    }
}

fn read(text: &str, like: &Default) -> Value {
    match like {
        Default::Bool(_) => parse_bool(text).map_or_else(|| Value::str(text), Value::Bool),
        Default::Int(_) => text.parse().map_or_else(|_| Value::str(text), Value::Int),
        Default::Paths(_) => Value::list(text.split(':').map(home)),
        Default::Text(_) | Default::None => home(text),
    }
}

fn default_of(default: &Default) -> Value {
    match default {
        Default::None => Value::Null,
        Default::Bool(flag) => Value::Bool(*flag),
        Default::Int(number) => Value::Int(*number),
        Default::Text(text) => home(text),
        Default::Paths(text) => Value::list(text.split(':').map(home)),
    }
}

fn home(text: &str) -> Value {
    Value::str(crate::source::expanded(text).to_string_lossy())
}
