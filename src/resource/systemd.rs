//! `systemd` (`systemd_service`): units of systemd. `service` goes the same way.

use super::params::params;
use super::types::choices;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Inspect, Machine, Unit, UnitAction};
use crate::value::Value;

choices! {
    /// What is wanted of a service.
    pub enum State {
        /// It runs.
        Started = "started",
        /// It does not run.
        Stopped = "stopped",
        /// It is started anew, each time.
        Restarted = "restarted",
        /// It reads its configuration again, each time; it is started where it does not run.
        Reloaded = "reloaded",
    }
}

choices! {
    /// Which service manager.
    pub enum Scope {
        /// That of the system.
        System = "system",
    }
}

params! {
    /// Manages units of systemd.
    ///
    /// Where the definition of a unit changed on disk since systemd read it, systemd reads it again before the unit is
    /// started or restarted, without being asked. Definitions that are read again do not count as a change. A unit
    /// without an `[Install]` section (`static`) cannot be enabled or disabled, so that `enabled` leaves it alone.
    ///
    /// # Example
    /// ```yaml
    /// - systemd: { name: nginx, state: started, enabled: true }
    /// ```
    pub struct Systemd {
        /// The unit. Without a suffix it is a `.service`.
        name: Option<String>, alias "service" "unit";
        /// What is wanted of it.
        state: Option<State>;
        /// It starts at boot.
        enabled: Option<bool>;
        /// It is impossible to start.
        masked: Option<bool>;
        /// Have systemd read all definitions again first.
        daemon_reload: bool = false, alias "daemon-reload";
        /// Have systemd execute itself again first.
        daemon_reexec: bool = false, alias "daemon-reexec";
        /// Which service manager. cfg manages that of the system only.
        scope: Scope = Scope::System;
    }
}

impl Systemd {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where nothing is asked for, or something of no unit.
    pub fn check(&self) -> Result<(), ParamError> {
        let Scope::System = self.scope;
        let of_unit = self.state.is_some() || self.enabled.is_some() || self.masked.is_some();
        match &self.name {
            None if of_unit => Err(ParamError::conflict("`state`, `enabled` and `masked` need the `name` of a unit")),
            None if !self.daemon_reload && !self.daemon_reexec => {
                Err(ParamError::conflict("nothing is asked for: give `state`, `enabled`, `masked` or `daemon_reload`"))
            }
            Some(_) if !of_unit && !self.daemon_reload && !self.daemon_reexec => {
                Err(ParamError::conflict("nothing is asked for: give `state`, `enabled` or `masked`"))
            }
            Some(name) => check_name(name),
            None => Ok(()),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            name: self.name.as_deref().unwrap_or_default(),
            state: self.state,
            enabled: self.enabled,
            masked: self.masked,
        }
    }
}

impl Resource for Systemd {
    fn footprint(&self) -> Footprint {
        if self.daemon_reload || self.daemon_reexec { Footprint::world() } else { self.wanted().footprint() }
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        if self.daemon_reload {
            machine.unit_action("", UnitAction::DaemonReload)?;
        }
        if self.daemon_reexec {
            machine.unit_action("", UnitAction::DaemonReexec)?;
        }
        if self.name.is_none() {
            return Ok(Outcome::of([("name", Value::Null), ("status", Value::map::<&str>([]))]));
        }
        self.wanted().converge(machine)
    }

    fn refresh(&self, machine: &dyn Machine, _context: &Context) -> Option<Result<Outcome, Failure>> {
        self.name.as_ref().and_then(|_| self.wanted().refresh(machine))
    }
}

/// Refuses what is not the name of one unit.
pub(super) fn check_name(name: &str) -> Result<(), ParamError> {
    if name.is_empty()
        || name.contains(['*', '?', '[', '/'])
        || name.contains(char::is_whitespace)
        || name.starts_with('-')
    {
        return Err(ParamError::bad("name", format!("`{name}` is not the name of one service")));
    }
    Ok(())
}

/// What is wanted of a service, whichever type asks for it.
pub(super) struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it runs.
    pub state: Option<State>,
    /// Whether it starts at boot.
    pub enabled: Option<bool>,
    /// Whether it is impossible to start.
    pub masked: Option<bool>,
}

impl Wanted<'_> {
    /// A service may read anything when it starts.
    pub fn footprint(&self) -> Footprint {
        Footprint::observer().write(Claim::Unit(self.name.strip_suffix(".service").unwrap_or(self.name).to_owned()))
    }

    /// Does what differs.
    pub fn converge(&self, machine: &dyn Machine) -> Result<Outcome, Failure> {
        let mut unit = self.unit(machine)?;
        if let Some(masked) = self.masked
            && masked != unit.masked
        {
            machine.unit_action(self.name, if masked { UnitAction::Mask } else { UnitAction::Unmask })?;
            // What a mask hid shows only now.
            unit = machine.unit(self.name)?;
        }
        if let Some(enabled) = self.enabled.filter(|enabled| self.differs_at_boot(&unit, *enabled)) {
            machine.unit_action(self.name, if enabled { UnitAction::Enable } else { UnitAction::Disable })?;
        }
        if let Some(action) = self.action(&unit) {
            self.act(machine, &unit, action)?;
        }
        Ok(self.outcome(&unit))
    }

    fn unit(&self, machine: &dyn Inspect) -> Result<Unit, Failure> {
        let unit = machine.unit(self.name)?;
        if unit.exists || unit.masked {
            return Ok(unit);
        }
        let message = format!("there is no service `{}` on this host", self.name);
        let help = "check its name, and that its package is installed before this task".to_owned();
        let mut failure = Failure { help: Some(help), ..Failure::new(message) };
        // Roles search a failure they meant for Ansible's words.
        let ansible = format!("Could not find the requested service {}: host", self.name);
        failure.result.insert("msg".into(), Value::from(ansible));
        Err(failure)
    }

    fn differs_at_boot(&self, unit: &Unit, enabled: bool) -> bool {
        !matches!(unit.file_state.as_str(), "static" | "transient") && unit.enabled != enabled
    }

    fn action(&self, unit: &Unit) -> Option<UnitAction> {
        match self.state? {
            State::Started => (!unit.active).then_some(UnitAction::Start),
            State::Stopped => (unit.active || unit.active_state == "deactivating").then_some(UnitAction::Stop),
            State::Restarted => Some(UnitAction::Restart),
            State::Reloaded => Some(if unit.active { UnitAction::Reload } else { UnitAction::Start }),
        }
    }

    fn act(&self, machine: &dyn Machine, unit: &Unit, action: UnitAction) -> Result<(), Failure> {
        let starts = matches!(action, UnitAction::Start | UnitAction::Restart);
        if starts && unit.masked && self.masked != Some(false) {
            let help = Some("set `masked: false` to make it possible to start".to_owned());
            return Err(Failure { help, ..Failure::new(format!("the service `{}` is masked", self.name)) });
        }
        if starts && unit.needs_reload {
            machine.unit_action("", UnitAction::DaemonReload)?;
        }
        Ok(machine.unit_action(self.name, action)?)
    }

    fn outcome(&self, unit: &Unit) -> Outcome {
        let state = match self.state {
            Some(State::Stopped) => "stopped",
            Some(_) => "started",
            None if unit.active => "started",
            None => "stopped",
        };
        let status = Value::map(unit.properties.iter().map(|(name, value)| (name.as_str(), Value::str(value))));
        let mut outcome =
            Outcome::of([("name", Value::str(self.name)), ("state", Value::str(state)), ("status", status)]);
        if let Some(enabled) = self.enabled {
            outcome.result.insert("enabled".into(), Value::Bool(enabled));
        }
        outcome
    }

    /// Restarts what is meant to run (reloads it where that is what was asked for).
    pub fn refresh(&self, machine: &dyn Machine) -> Option<Result<Outcome, Failure>> {
        let action = match self.state {
            Some(State::Stopped) => return None,
            Some(State::Reloaded) => UnitAction::Reload,
            _ if self.masked == Some(true) => return None,
            _ => UnitAction::Restart,
        };
        let work = || {
            let unit = self.unit(machine)?;
            // A service nobody wants to run is not started by a change of its configuration.
            if unit.active || self.state.is_some() {
                self.act(machine, &unit, action)?;
            }
            Ok(self.outcome(&unit))
        };
        Some(work())
    }
}
