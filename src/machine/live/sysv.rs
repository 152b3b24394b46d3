//! Services without systemd, through the scripts of `/etc/init.d` and the links of `/etc/rc*.d`.

use std::path::{Path, PathBuf};

use super::super::{Command, Fault, Result, Service, Unit, UnitAction};
use super::{Live, exec};

fn script(name: &str) -> PathBuf {
    Path::new("/etc/init.d").join(name.strip_suffix(".service").unwrap_or(name))
}

/// The state of a service.
pub fn unit(live: &Live, name: &str) -> Result<Unit> {
    let path = script(name);
    if !path.is_file() {
        return Ok(Unit { active_state: "inactive".into(), ..Unit::default() });
    }
    let status = exec::run(&Command::new([path.to_string_lossy().into_owned(), "status".to_owned()]), &live.cancel)?;
    let active = status.ok();
    let enabled = starts_at_boot(&path);
    let word = |b, yes: &str, no: &str| if b { yes } else { no }.to_owned();
    Ok(Unit {
        exists: true,
        active,
        active_state: word(active, "active", "inactive"),
        enabled,
        file_state: word(enabled, "enabled", "disabled"),
        ..Unit::default()
    })
}

/// Every service whose script can say whether it runs.
pub fn services(live: &Live) -> Result<Vec<Service>> {
    let listed = exec::run(&Command::new(["service", "--status-all"]), &live.cancel)?;
    Ok(listed.out().lines().filter_map(status_line).collect())
}

/// Reads ` [ + ]  name`; scripts that cannot say (` [ ? ]`) are left out, as in Ansible.
fn status_line(line: &str) -> Option<Service> {
    let (mark, name) = line.trim().strip_prefix('[')?.split_once(']')?;
    let state = match mark.trim() {
        "+" => "running",
        "-" => "stopped",
        _ => return None,
    };
    let (name, source) = (name.trim().to_owned(), "sysv".to_owned());
    Some(Service { name, state: state.to_owned(), status: String::new(), source })
}

/// Looks for a start link (`S20name`) in the directories of the multi-user run levels.
fn starts_at_boot(script: &Path) -> bool {
    let name = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ["2", "3", "4", "5"].iter().any(|level| {
        let entries = std::fs::read_dir(format!("/etc/rc{level}.d")).into_iter().flatten().filter_map(|e| e.ok());
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).any(|link| {
            link.strip_prefix('S').is_some_and(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()) == name)
        })
    })
}

/// Does something to a service.
pub fn act(live: &Live, name: &str, action: UnitAction) -> Result<()> {
    let path = script(name);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let run = |verb: &str| exec::checked(live, &Command::new([path.to_string_lossy().into_owned(), verb.to_owned()]));
    match action {
        UnitAction::Start => run("start"),
        UnitAction::Stop => run("stop"),
        UnitAction::Restart => run("restart"),
        UnitAction::Reload => run("reload").or_else(|_| run("restart")),
        UnitAction::Enable => {
            exec::checked(live, &Command::new(["update-rc.d", &name, "defaults"]))?;
            exec::checked(live, &Command::new(["update-rc.d", &name, "enable"]))
        }
        UnitAction::Disable => exec::checked(live, &Command::new(["update-rc.d", &name, "disable"])),
        UnitAction::DaemonReload | UnitAction::DaemonReexec => Ok(()),
        UnitAction::Mask | UnitAction::Unmask => {
            Err(Fault::new(format!("{} {name}", action.verb()), "services can be masked under systemd only"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        let found = |line| status_line(line).map(|s| (s.name, s.state));
        assert_eq!(found(" [ + ]  cron"), Some(("cron".into(), "running".into())));
        assert_eq!(found(" [ - ]  dbus"), Some(("dbus".into(), "stopped".into())));
        assert_eq!(found(" [ ? ]  hwclock.sh"), None);
        assert_eq!(found("usage"), None);
    }
}
