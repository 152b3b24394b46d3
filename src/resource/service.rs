//! `service`: services, whatever the service manager.

use std::path::Path;

use super::params::params;
use super::systemd::{State, Wanted, check_name};
use super::types::choices;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Machine, UnitAction};
use crate::value::Value;

choices! {
    /// The service manager.
    pub enum Manager {
        /// The one of the host.
        Auto = "auto",
        /// The one of the host, through what all have in common.
        Service = "service",
        /// systemd; it is the one of the host, or the task fails.
        Systemd = "systemd",
    }
}

params! {
    /// Manages services with the service manager of the host: systemd, or the scripts of `/etc/init.d`.
    ///
    /// # Example
    /// ```yaml
    /// - service: { name: nginx, state: started, enabled: true }
    /// ```
    pub struct Service {
        /// The service.
        name: String, required;
        /// What is wanted of it.
        state: Option<State>;
        /// It starts at boot.
        enabled: Option<bool>;
        /// Have systemd read all definitions again first.
        daemon_reload: bool = false, alias "daemon-reload";
        /// What a script of `/etc/init.d` is given. Services of systemd take none: a warning says so.
        arguments: Option<String>, alias "args";
        /// What to look for among the processes where a script of `/etc/init.d` cannot say how its service is. systemd can.
        pattern: Option<String>;
        /// OpenRC's runlevel, which no other service manager has.
        runlevel: Option<String>;
        /// Seconds between stop and start of a script of `/etc/init.d`. systemd waits by itself.
        sleep: Option<u64>;
        /// The service manager.
        r#use: Manager = Manager::Auto, named "use";
    }
}

impl Service {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where nothing is asked for.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.state.is_none() && self.enabled.is_none() {
            return Err(ParamError::conflict("nothing is asked for: give `state` or `enabled`"));
        }
        check_name(&self.name)
    }

    /// Parameters that were given and that the service manager of the host has no use for.
    fn idle(&self) -> Vec<&'static str> {
        let given = [
            ("arguments", self.arguments.is_some()),
            ("pattern", self.pattern.is_some()),
            ("runlevel", self.runlevel.is_some()),
            ("sleep", self.sleep.is_some()),
        ];
        given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { name: &self.name, state: self.state, enabled: self.enabled, masked: None }
    }
}

impl Resource for Service {
    fn footprint(&self) -> Footprint {
        if self.daemon_reload { Footprint::world() } else { self.wanted().footprint() }
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let idle = self.idle();
        let systemd = machine.stat(Path::new("/run/systemd/system"))?.is_some();
        if self.r#use == Manager::Systemd && !systemd {
            return Err(Failure::new("this host is not managed by systemd, which `use` asks for"));
        }
        if let (Some(name), false) = (idle.first(), systemd) {
            return Err(Failure::new(format!("cfg does not know `{name}` for the scripts of /etc/init.d")));
        }
        if self.daemon_reload {
            machine.unit_action("", UnitAction::DaemonReload)?;
        }
        let mut outcome = self.wanted().converge(machine)?;
        let warning = |name: &&str| Value::from(format!("Ignoring \"{name}\" as it is not used in \"systemd\""));
        if !idle.is_empty() {
            outcome.result.insert("warnings".into(), Value::list(idle.iter().map(warning)));
        }
        Ok(outcome)
    }

    fn refresh(&self, machine: &dyn Machine, _context: &Context) -> Option<Result<Outcome, Failure>> {
        self.wanted().refresh(machine)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::{Bench, args};
    use super::super::{Context, find};
    use crate::machine::{Change, Tracked};

    fn bench() -> Bench {
        let bench = Bench::with(&[]);
        bench.run("file", "{path: /etc/systemd/system, state: directory}").unwrap();
        bench.run("copy", "{dest: /etc/systemd/system/web.service, content: ''}").unwrap();
        bench
    }

    fn verbs(changes: &[Change]) -> Vec<&str> {
        changes.iter().flat_map(|c| &c.properties).map(|(_, _, verb)| verb.as_str()).collect()
    }

    #[test]
    fn services_come_to_rest() {
        let table = [
            ("service", "{name: web, state: started, enabled: true}", vec!["enable", "start"]),
            ("service", "{name: web, state: started}", vec!["start"]),
            ("service", "{name: web.service, state: stopped, enabled: false}", vec![]),
            ("systemd", "{name: web, masked: true}", vec!["mask"]),
            ("systemd", "{name: web, masked: false, daemon_reload: true}", vec![]),
            ("systemd_service", "{daemon_reload: true}", vec![]),
        ];
        for (kind, text, expected) in table {
            let bench = bench();
            let (_, changes) = bench.run(kind, text).unwrap();
            assert_eq!(verbs(&changes), expected, "{text}");
            assert_eq!(verbs(&bench.run(kind, text).unwrap().1), [""; 0], "{text}");
        }
    }

    #[test]
    fn some_states_act_each_time() {
        let bench = bench();
        for (text, expected) in [("restarted", "restart"), ("reloaded", "reload"), ("restarted", "restart")] {
            let (_, changes) = bench.run("service", &format!("{{name: web, state: {text}}}")).unwrap();
            assert_eq!(verbs(&changes), [expected]);
        }
        bench.run("systemd", "{name: web, masked: true}").unwrap();
        assert!(bench.fails("systemd", "{name: web, state: restarted}").contains("masked"));
    }

    #[test]
    fn refusals() {
        let bench = bench();
        let table = [
            ("service", "{name: db, state: started}", "`db`"),
            ("service", "{name: web}", "nothing is asked for"),
            ("service", "{name: 'w*', enabled: true}", "one service"),
            ("service", "{name: web, state: started, pattern: x}", "`pattern`"),
            ("service", "{name: web, state: started, sleep: 2}", "`sleep`"),
            ("systemd", "{state: started}", "`name`"),
            ("systemd", "{name: web, state: started, scope: user}", "system"),
        ];
        for (kind, text, expected) in table {
            let message = bench.fails(kind, text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn watching_restarts_what_runs() {
        let bench = bench();
        let refresh = |text: &str| {
            let resource = (find("service").unwrap().parse)(args("service", text)).unwrap();
            let tracked = Tracked::new(Arc::clone(&bench.0), false);
            let _ = resource.refresh(&tracked, &Context::default());
            verbs(&tracked.changes()).join(" ")
        };
        assert_eq!(refresh("{name: web, enabled: true}"), "");
        assert_eq!(refresh("{name: web, state: started}"), "restart");
        assert_eq!(refresh("{name: web, enabled: true}"), "restart");
        assert_eq!(refresh("{name: web, state: stopped}"), "");
        assert_eq!(refresh("{name: web, state: reloaded}"), "reload");
    }
}
