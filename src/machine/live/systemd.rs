//! Services under systemd, through `systemctl`.

use std::path::Path;

use super::super::{Command, Fault, Result, Service, Unit, UnitAction};
use super::{Live, exec};

const PROPERTIES: &str =
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,Description,FragmentPath";

/// Says whether systemd is the service manager here (sd_booted(3)).
pub fn runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// The state of a unit.
pub fn unit(live: &Live, name: &str) -> Result<Unit> {
    let command = Command::new(["systemctl", "show", "--no-pager", "--property", PROPERTIES, "--", name]);
    let mut unit = parse(&exec::output(live, &command)?.out());
    if unit.file_state == "indirect" {
        // It is started through another unit: enabled where the links of that one are there, which follow the first line.
        let command = Command::new(["systemctl", "is-enabled", "--full", "--", name]);
        unit.enabled = exec::output(live, &command)?.out().lines().count() > 1;
    }
    Ok(unit)
}

fn parse(text: &str) -> Unit {
    let properties: Vec<(String, String)> =
        text.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let get = |name: &str| properties.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str());
    let load = get("LoadState");
    let active_state = get("ActiveState").to_owned();
    let file_state = get("UnitFileState").to_owned();
    Unit {
        exists: !matches!(load, "not-found" | ""),
        active: matches!(active_state.as_str(), "active" | "reloading" | "activating"),
        // `enabled-runtime` does not outlast a boot.
        enabled: matches!(file_state.as_str(), "enabled" | "alias" | "static" | "indirect" | "generated"),
        masked: load == "masked" || file_state.starts_with("masked"),
        needs_reload: get("NeedDaemonReload") == "yes",
        active_state,
        file_state,
        properties,
    }
}

/// Every service: those that are loaded, and those that only have a unit file.
pub fn services(live: &Live) -> Result<Vec<Service>> {
    let list = |what: &[&str]| -> Result<String> {
        let options = ["--no-pager", "--no-legend", "--plain", "--type", "service"];
        let argv = ["systemctl"].iter().chain(what).chain(&options).copied();
        Ok(exec::output(live, &Command::new(argv))?.out())
    };
    Ok(parse_lists(&list(&["list-units", "--all"])?, &list(&["list-unit-files"])?))
}

/// Under Ansible's words: a unit that is not found, masked or failed has that as its status, whatever its file says.
fn parse_lists(units: &str, files: &str) -> Vec<Service> {
    let service = |name: &str, state: &str, status: &str| Service {
        name: name.to_owned(),
        state: state.to_owned(),
        status: status.to_owned(),
        source: "systemd".to_owned(),
    };
    let mut all: std::collections::BTreeMap<String, Service> = std::collections::BTreeMap::new();
    for line in units.lines() {
        let mut words = line.trim_start_matches(['●', '*', ' ']).split_whitespace();
        let (Some(name), Some(load), Some(active), Some(sub)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let bad = [load, active].into_iter().find(|word| matches!(*word, "not-found" | "masked" | "failed"));
        let state = if sub == "running" { "running" } else { "stopped" };
        all.insert(name.to_owned(), service(name, state, bad.unwrap_or("unknown")));
    }
    for line in files.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(status)) = (words.next(), words.next()) else { continue };
        match all.get_mut(name) {
            Some(known) if known.status == "unknown" => known.status = status.to_owned(),
            Some(_) => {}
            // A template has no state; anything else that is not loaded does not run.
            None => {
                let state = if name.contains("@.") { "unknown" } else { "inactive" };
                all.insert(name.to_owned(), service(name, state, status));
            }
        }
    }
    all.into_values().collect()
}

/// Does something to a unit. A failed start shows the last lines of the unit's own log.
pub fn act(live: &Live, name: &str, action: UnitAction) -> Result<()> {
    let argv: Vec<&str> = match action {
        UnitAction::DaemonReload | UnitAction::DaemonReexec => vec!["systemctl", action.verb()],
        _ => vec!["systemctl", "--no-ask-password", action.verb(), "--", name],
    };
    let stdio = exec::run(&Command::new(argv), &live.cancel)?;
    if stdio.ok() {
        return Ok(());
    }
    let mut reason = stdio.tail();
    if matches!(action, UnitAction::Start | UnitAction::Restart | UnitAction::Reload) {
        let log = Command::new(["journalctl", "--no-pager", "-q", "-n", "6", "-o", "cat", "-u", name]);
        if let Ok(log) = exec::run(&log, &live.cancel) {
            reason = format!("{reason}\n{}", log.out().trim_end());
        }
    }
    Err(Fault::new(format!("{} {name}", action.verb()), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let units = "ssh.service loaded active running OpenBSD Secure Shell server\n\
                     ● x.service not-found inactive dead x.service\n\
                     apt-daily.service loaded inactive dead Daily apt\n\
                     bad.service loaded failed failed Bad\n";
        let files = "ssh.service enabled enabled\nbad.service enabled enabled\napt-daily.service static -\n\
                     getty@.service enabled enabled\nold.service disabled enabled\n";
        let found: Vec<String> =
            parse_lists(units, files).iter().map(|s| format!("{} {} {}", s.name, s.state, s.status)).collect();
        let expected = [
            "apt-daily.service stopped static",
            "bad.service stopped failed",
            "getty@.service unknown enabled",
            "old.service inactive disabled",
            "ssh.service running enabled",
            "x.service stopped not-found",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_what_systemctl_shows() {
        let unit = parse("LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n");
        assert!(unit.exists && unit.active && unit.enabled && !unit.masked && !unit.needs_reload);
        let unit = parse("LoadState=not-found\nActiveState=inactive\nUnitFileState=\n");
        assert!(!unit.exists && !unit.active && !unit.enabled);
    }
}
