//! Services under systemd, through `systemctl`.

use std::path::Path;

use super::super::{Command, Fault, Result, Unit, UnitAction};
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
    let stdio = exec::output(live, &command)?;
    Ok(parse(&stdio.out()))
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
        enabled: matches!(
            file_state.as_str(),
            "enabled" | "enabled-runtime" | "alias" | "static" | "indirect" | "generated"
        ),
        masked: load == "masked" || file_state.starts_with("masked"),
        needs_reload: get("NeedDaemonReload") == "yes",
        active_state,
        file_state,
        properties,
    }
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
    fn reads_what_systemctl_shows() {
        let unit = parse("LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n");
        assert!(unit.exists && unit.active && unit.enabled && !unit.masked && !unit.needs_reload);
        let unit = parse("LoadState=not-found\nActiveState=inactive\nUnitFileState=\n");
        assert!(!unit.exists && !unit.active && !unit.enabled);
    }
}
