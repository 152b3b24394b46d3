//! `ansible.cfg`, as far as its settings mean something to cfg.

use std::path::PathBuf;

use super::{KNOWN, Reading, beside};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, did_you_mean};
use crate::source::{Span, expanded};
use crate::transport::Arguments;
use crate::value::parse_bool;

/// What is said to those who switched the checking of host keys off.
pub const HOST_KEYS: &str =
    "cfg always checks host keys; record new ones with --accept-new-host-keys, or add them with ssh-keyscan";

/// What is said to those who merge mappings.
pub const HASHES: &str =
    "mappings replace each other in cfg, as they do by default in Ansible; use the filter `combine`";

/// Settings that change what is printed, or how Ansible itself works: there is nothing to follow.
const HARMLESS: &[&str] = &[
    "action_warnings",
    "bin_ansible_callbacks",
    "cache_plugin",
    "cache_timeout",
    "callbacks_enabled",
    "callback_result_format",
    "callback_whitelist",
    "collections_path",
    "collections_paths",
    "collections_on_ansible_version_mismatch",
    "collections_scan_sys_path",
    "command_warnings",
    "control_path",
    "control_path_dir",
    "deprecation_warnings",
    "devel_warning",
    "display_args_to_stdout",
    "display_failed_stderr",
    "display_ok_hosts",
    "display_skipped_hosts",
    "duplicate_dict_key",
    "error_on_missing_handler",
    "force_color",
    "host_key_auto_add",
    "interpreter_python",
    "inject_facts_as_vars",
    "internal_poll_interval",
    "invalid_task_attribute_failed",
    "keep_remote_files",
    "local_tmp",
    "localhost_warning",
    "nocolor",
    "nocows",
    "cowsay_enabled_stencils",
    "cow_selection",
    "pipelining",
    "precedence",
    "remote_tmp",
    "result_format",
    "retries",
    "retry_files_enabled",
    "retry_files_save_path",
    "scp_if_ssh",
    "sftp_batch_mode",
    "show_per_host_start",
    "show_task_path_on_failure",
    "stdout_callback",
    "strategy",
    "system_warnings",
    "transfer_method",
    "usetty",
    "verbosity",
    "yaml_valid_extensions",
    "check_mode_markers",
    "pretty_results",
];
/// Sections that are about other programs or other ways to connect.
const SECTIONS_ELSEWHERE: &[&str] = &[
    "galaxy",
    "colors",
    "persistent_connection",
    "paramiko_connection",
    "netconf_connection",
    "tags",
    "selinux",
    "powershell",
    "winrm",
];

/// `$ANSIBLE_CONFIG`, `ansible.cfg` in the working directory, at home, or in /etc: the first there is.
pub fn path(reports: &mut Diagnostics) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ANSIBLE_CONFIG").filter(|path| !path.is_empty()) {
        let path = expanded(&named.to_string_lossy());
        return Some(if path.is_dir() { path.join("ansible.cfg") } else { path });
    }
    let elsewhere = [expanded("~/.ansible.cfg"), PathBuf::from("/etc/ansible/ansible.cfg")];
    beside("ansible.cfg", reports).or_else(|| elsewhere.into_iter().find(|path| path.is_file()))
}

/// A line of the file: a key, its value with the lines that go on with it, and where they are.
struct Entry {
    section: String,
    key: String,
    value: String,
    span: Span,
}

/// Reads it.
pub fn read(text: &str, reading: &mut Reading<'_>) {
    for entry in entries(text, reading) {
        setting(&entry, reading);
    }
}

/// The entries of a file, as Python's `configparser` reads them: `;` starts a comment anywhere, `#` at the start of a line.
fn entries(text: &str, reading: &mut Reading<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = String::new();
    let mut offset = 0u32;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len() as u32;
        let indented = line.starts_with([' ', '\t']);
        let content = line.split(" ;").next().unwrap_or(line).trim();
        let lead = (line.len() - line.trim_start().len()) as u32;
        let span = Span { file: reading.file, start: start + lead, end: start + lead + content.len() as u32 };
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_owned();
            continue;
        }
        if let (true, Some(last)) = (indented, entries.last_mut().filter(|last| last.section == section)) {
            last.value.push('\n');
            last.value.push_str(content);
            continue;
        }
        match content.split_once(['=', ':']) {
            Some((key, value)) if !section.is_empty() => entries.push(Entry {
                section: section.clone(),
                key: key.trim().to_ascii_lowercase(),
                value: value.trim().to_owned(),
                span,
            }),
            Some(_) => {
                let report = Diagnostic::error(Code::Usage, "a setting stands in no section").at(span, "");
                reading.reports.push(report.help("start with a line `[defaults]`"));
            }
            None => {
                let report = Diagnostic::error(Code::Usage, "not a setting: there is no `=`").at(span, "");
                reading.reports.push(report.help("a line is `name = value`, `[section]` or a comment"));
            }
        }
    }
    entries
}

fn setting(entry: &Entry, reading: &mut Reading<'_>) {
    let (section, key) = (entry.section.as_str(), entry.key.as_str());
    if (section, key) == ("defaults", "fact_caching") && !matches!(entry.value.as_str(), "memory" | "jsonfile" | "") {
        return warn(entry, reading, "cfg keeps facts in files only: `fact_caching = jsonfile`");
    }
    if let Some(known) = KNOWN.iter().find(|known| known.ansible == (section, key)) {
        // An empty value is Ansible's way of saying nothing.
        if !entry.value.is_empty() {
            let values = known.split(&entry.value);
            reading.put(known, values, entry.span);
        }
        return;
    }
    let off = parse_bool(&entry.value) == Some(false);
    match (section, key) {
        ("defaults", "host_key_checking") | ("ssh_connection", "host_key_checking") => {
            if off {
                warn(entry, reading, HOST_KEYS);
            }
        }
        ("defaults", "hash_behaviour") if entry.value == "replace" => {}
        ("defaults", "hash_behaviour") => {
            refuse(entry, reading, HASHES);
        }
        ("defaults", "error_on_undefined_vars") => {
            if off {
                refuse(entry, reading, "what is undefined is a mistake in cfg; use the filter `default`");
            }
        }
        ("defaults", "jinja2_extensions") => extensions(entry, reading),
        ("ssh_connection", "ssh_args" | "ssh_common_args" | "ssh_extra_args") => arguments(entry, reading),
        (section, _) if SECTIONS_ELSEWHERE.contains(&section) || section.starts_with("callback_") => {}
        (_, key) if HARMLESS.contains(&key) => {}
        ("diff", "always" | "context") => warn(entry, reading, "give --diff where differences are wanted"),
        _ => no_effect(entry, reading),
    }
}

fn warn(entry: &Entry, reading: &mut Reading<'_>, help: &str) {
    let report = Diagnostic::warning(Code::Usage, format!("`{}` has no effect in cfg", entry.key));
    reading.reports.push(report.at(entry.span, "").help(help));
}

fn refuse(entry: &Entry, reading: &mut Reading<'_>, help: &str) {
    let report = Diagnostic::error(Code::Unsupported, format!("cfg does not follow `{} = {}`", entry.key, entry.value));
    reading.reports.push(report.at(entry.span, "").help(help));
}

fn no_effect(entry: &Entry, reading: &mut Reading<'_>) {
    let names = KNOWN.iter().map(|known| known.ansible.1).filter(|name| !name.is_empty());
    let elsewhere = KNOWN.iter().find(|known| known.ansible.1 == entry.key);
    let help = match elsewhere {
        Some(known) => format!("it belongs into the section [{}]", known.ansible.0),
        None => did_you_mean(&entry.key, names)
            .unwrap_or_else(|| "nothing takes its place; `cfg config` shows what is in force".to_owned()),
    };
    warn(entry, reading, &help);
}

fn extensions(entry: &Entry, reading: &mut Reading<'_>) {
    let known = |name: &str| matches!(name.rsplit('.').next(), Some("do" | "loopcontrols"));
    let left: Vec<&str> =
        entry.value.split(',').map(str::trim).filter(|name| !name.is_empty() && !known(name)).collect();
    if !left.is_empty() {
        refuse(entry, reading, &format!("cfg has `do` and `loopcontrols` always, and no {}", left.join(", ")));
    }
}

/// What of ssh's arguments counts for all hosts: the jump host. The rest, as it would be written in ssh's configuration, which cfg
/// reads.
pub fn ssh_arguments(text: &str) -> (Option<String>, Vec<String>) {
    let mut arguments = Arguments::parse(text);
    let jump = arguments.take_jump();
    let others = arguments.options.into_iter().filter(|line| !line.starts_with("PreferredAuthentications"));
    (jump, arguments.left.into_iter().chain(others.map(|line| format!("-o {line}"))).collect())
}

fn arguments(entry: &Entry, reading: &mut Reading<'_>) {
    let (jump, left) = ssh_arguments(&entry.value);
    if let Some(jump) = jump {
        let from = reading.sources.origin(entry.span).to_string();
        reading.settings.put_by_name("proxy_jump", vec![jump], from);
    }
    for left in left {
        let keys = left.contains("StrictHostKeyChecking") || left.contains("UserKnownHostsFile");
        let help = if keys { HOST_KEYS } else { "put it into ~/.ssh/config, which cfg reads" };
        let report = Diagnostic::warning(Code::Usage, format!("`{left}` has no effect in cfg"));
        reading.reports.push(report.at(entry.span, "").help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_ssh_are_sorted() {
        let found = ssh_arguments(
            "-C -o ControlMaster=auto -oControlPersist=60s -o 'ProxyJump=me@gate' -o StrictHostKeyChecking=no",
        );
        assert_eq!(found, (Some("me@gate".to_owned()), vec!["-o StrictHostKeyChecking=no".to_owned()]));
        assert_eq!(ssh_arguments("-J a,b -p 22"), (Some("a,b".to_owned()), vec!["-o Port 22".to_owned()]));
    }
}
