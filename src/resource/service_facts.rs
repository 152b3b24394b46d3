//! `service_facts`: the services and their states, as facts.

use super::params::params;
use super::{Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Machine, Service};
use crate::value::{Map, Value};

params! {
    /// Reads the states of all services as the fact `services`: under systemd, else those of `/etc/init.d`. It changes
    /// nothing; in a plan it says how they would be by then.
    ///
    /// # Example
    /// ```yaml
    /// - service_facts:
    /// - command: nginx -s reload
    ///   when: (ansible_facts.services['nginx.service'] | default({})).state | default('') == 'running'
    /// ```
    pub struct ServiceFacts {
    }
}

impl ServiceFacts {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), ParamError> {
        Ok(())
    }
}

fn entry(service: &Service) -> Value {
    let mut map = Map::new();
    map.insert("name".into(), Value::str(&service.name));
    map.insert("state".into(), Value::str(&service.state));
    // Without systemd nobody says whether it starts at boot.
    if !service.status.is_empty() {
        map.insert("status".into(), Value::str(&service.status));
    }
    map.insert("source".into(), Value::str(&service.source));
    Value::from(map)
}

impl Resource for ServiceFacts {
    fn footprint(&self) -> Footprint {
        Footprint::observer()
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let services: Map = machine.services()?.iter().map(|s| (s.name.as_str().into(), entry(s))).collect();
        let mut outcome = Outcome::default();
        outcome.facts.insert("services".into(), Value::from(services));
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn services_of_a_plan() {
        let bench = Bench::with(&[]);
        bench.run("file", "{path: /etc/systemd/system, state: directory}").unwrap();
        bench.run("copy", "{dest: /etc/systemd/system/app.service, content: '[Service]'}").unwrap();
        bench.run("systemd", "{name: app, state: started, enabled: true}").unwrap();
        let (outcome, changes) = bench.settle("service_facts", "{}");
        let app = outcome.facts.get("services").unwrap().get("app.service").unwrap().clone();
        assert_eq!(app.get("state"), Some(&Value::str("running")));
        assert_eq!(app.get("status"), Some(&Value::str("enabled")));
        assert_eq!(changes, 0);
    }
}
