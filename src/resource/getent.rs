//! `getent`: entries of the databases of the name service, as facts.

use super::params::params;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{Command, Inspect, Key, Machine};
use crate::value::{Map, Value};

params! {
    /// Reads entries of passwd, group, hosts, … as the fact `getent_DATABASE`. It changes nothing, so that a plan reads
    /// them too.
    ///
    /// # Example
    /// ```yaml
    /// - getent: { database: passwd, key: www-data }
    /// ```
    pub struct Getent {
        /// The database.
        database: String, required;
        /// The entry; all of them without one.
        key: Option<String>;
        /// Where it is looked for: a service of nsswitch.conf.
        service: Option<String>;
        /// What is between the fields of an entry. That of the database, or white space, without one.
        split: Option<String>;
        /// It is a failure where the entry is not there; else the fact has null for it.
        fail_key: bool = true;
    }
}

const UNKNOWN: &str = "Missing arguments, or database unknown.";
const NO_KEY: &str = "One or more supplied key could not be found in the database.";
const NO_LIST: &str = "Enumeration not supported on this database.";

impl Getent {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where there is nothing to split at.
    pub fn check(&self) -> Result<(), ParamError> {
        match &self.split {
            Some(split) if split.is_empty() => Err(ParamError::bad("split", "expected at least one character")),
            _ => Ok(()),
        }
    }

    fn command(&self) -> Command {
        let mut argv = vec!["getent".to_owned()];
        if let Some(service) = &self.service {
            argv.push(format!("--service={service}"));
        }
        argv.push("--".into());
        argv.push(self.database.clone());
        argv.extend(self.key.clone());
        Command::new(argv)
    }

    fn fields(&self, line: &str) -> Vec<String> {
        let colon = matches!(self.database.as_str(), "passwd" | "shadow" | "group" | "gshadow");
        let by = self.split.as_deref().or(colon.then_some(":"));
        match by {
            Some(by) => line.split(by).map(str::to_owned).collect(),
            None => line.split_whitespace().map(str::to_owned).collect(),
        }
    }

    fn entries(&self, text: &str) -> Map {
        let mut found: indexmap::IndexMap<String, Vec<Value>> = indexmap::IndexMap::new();
        for line in text.lines() {
            let mut fields = self.fields(line).into_iter();
            let Some(name) = fields.next() else { continue };
            found.entry(name).or_default().push(Value::list(fields.map(Value::from)));
        }
        let one_or_many = |mut all: Vec<Value>| match all.len() {
            1 => all.pop().unwrap_or_default(),
            _ => Value::from(all),
        };
        found.into_iter().map(|(name, all)| (name.into(), one_or_many(all))).collect()
    }

    /// An account that is yet to be made: a plan knows it, and the name service does not.
    fn foreseen(&self, machine: &dyn Inspect) -> Result<Option<String>, Failure> {
        let Some(name) = self.key.as_deref().filter(|_| self.service.is_none()) else { return Ok(None) };
        let key = name.parse().map_or_else(|_| Key::Name(name.to_owned()), Key::Id);
        Ok(match self.database.as_str() {
            "passwd" => machine
                .user(&key)?
                .map(|u| format!("{}:x:{}:{}:{}:{}:{}", u.name, u.uid, u.gid, u.comment, u.home, u.shell)),
            "group" => machine.group(&key)?.map(|g| format!("{}:x:{}:{}", g.name, g.gid, g.members.join(","))),
            _ => None,
        })
    }
}

impl Resource for Getent {
    fn footprint(&self) -> Footprint {
        match (self.database.as_str(), &self.key) {
            ("passwd", Some(name)) => Footprint::nothing().read(Claim::User(name.clone())),
            ("group", Some(name)) => Footprint::nothing().read(Claim::Group(name.clone())),
            _ => Footprint::observer(),
        }
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let command = Command { env: context.environment.clone(), ..self.command() };
        let output = machine.probe(&command)?;
        let Some(stdio) = output.known() else { return Err(Failure::new("getent was not run")) };
        let missing = stdio.status == 2 || (stdio.ok() && self.key.is_some() && stdio.stdout.is_empty());
        let (found, message) = match (stdio.status, missing) {
            (_, true) => match (self.foreseen(machine)?, &self.key) {
                (Some(line), _) => (self.entries(&line), None),
                (None, Some(key)) if !self.fail_key => {
                    (Map::from_iter([(key.as_str().into(), Value::Null)]), Some(NO_KEY))
                }
                _ => return Err(Failure::new(NO_KEY)),
            },
            (0, _) => (self.entries(&stdio.out()), None),
            (1, _) => return Err(Failure::new(UNKNOWN)),
            (3, _) => return Err(Failure::new(NO_LIST)),
            (status, _) => return Err(Failure::new(format!("getent ended with status {status}: {}", stdio.tail()))),
        };
        let mut outcome = Outcome::of(message.map(|message| ("msg", Value::str(message))));
        outcome.facts.insert(format!("getent_{}", self.database).into(), Value::from(found));
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, yaml};
    use super::*;

    fn getent(database: &str) -> Getent {
        Getent { database: database.into(), key: None, service: None, split: None, fail_key: true }
    }

    #[test]
    fn entries_are_split() {
        let table = [
            ("passwd", "root:x:0:0:root:/root:/bin/sh\n", "{root: [x, '0', '0', root, /root, /bin/sh]}"),
            ("hosts", "127.0.0.1 a\n127.0.0.1  b c\n::1 d\n", "{127.0.0.1: [[a], [b, c]], '::1': [d]}"),
            ("services", "ssh  22/tcp\n", "{ssh: [22/tcp]}"),
        ];
        for (database, text, expected) in table {
            assert_eq!(Value::from(getent(database).entries(text)), yaml(expected), "{database}");
        }
        let split = Getent { split: Some("/".into()), ..getent("services") };
        assert_eq!(Value::from(split.entries("ssh 22/tcp\n")), yaml("{ssh 22: [tcp]}"));
    }

    #[test]
    fn accounts_that_are_yet_to_be_made() {
        let bench = Bench::with(&[]);
        bench.run("user", "{name: app, uid: 990, home: /srv/app, create_home: false}").unwrap();
        let (outcome, _) = bench.settle("getent", "{database: passwd, key: app}");
        let home = outcome.facts.get("getent_passwd").unwrap().get("app").unwrap().as_list().unwrap()[4].clone();
        assert_eq!(home, Value::str("/srv/app"));
        assert!(bench.fails("getent", "{database: passwd, key: none}").contains("could not be found"));
        let (outcome, _) = bench.settle("getent", "{database: passwd, key: none, fail_key: false}");
        assert_eq!(outcome.facts.get("getent_passwd"), Some(&yaml("{none: null}")));
        assert_eq!(getent("-x").command().argv, ["getent", "--", "-x"]);
    }
}
