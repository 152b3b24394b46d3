//! Services as the machine traits speak of them.

use serde::{Deserialize, Serialize};

/// The state of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The service manager knows it.
    pub exists: bool,
    /// It runs (or has run and counts as active).
    pub active: bool,
    /// systemd's `ActiveState`, or `active`/`inactive`.
    pub active_state: String,
    /// It starts at boot.
    pub enabled: bool,
    /// systemd's `UnitFileState`, such as `enabled`, `static`, `masked`.
    pub file_state: String,
    /// It is masked.
    pub masked: bool,
    /// Its definition changed since the manager read it.
    pub needs_reload: bool,
    /// Every property that was read.
    pub properties: Vec<(String, String)>,
}

/// A service in the list of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, with `.service` under systemd.
    pub name: String,
    /// `running`, `stopped`, `failed`, or what systemd says of one it has not loaded.
    pub state: String,
    /// `enabled`, `disabled`, `static`, …; empty where the service manager does not say.
    pub status: String,
    /// Who says so: `systemd` or `sysv`.
    pub source: String,
}

/// What can be done to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnitAction {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Restart it.
    Restart,
    /// Let it read its configuration again; restart it if it cannot.
    Reload,
    /// Start it at boot.
    Enable,
    /// Do not start it at boot.
    Disable,
    /// Make it impossible to start.
    Mask,
    /// Make it possible to start.
    Unmask,
    /// Let the manager read all definitions again. The name is ignored.
    DaemonReload,
    /// Let the manager re-execute itself. The name is ignored.
    DaemonReexec,
}

impl UnitAction {
    /// The verb, as `systemctl` names it.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload-or-restart",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Mask => "mask",
            Self::Unmask => "unmask",
            Self::DaemonReload => "daemon-reload",
            Self::DaemonReexec => "daemon-reexec",
        }
    }
}
