//! `group`: groups of users.

use super::lineinfile::State;
use super::params::params;
use super::{Claim, Context, Failure, Footprint, Outcome, ParamError, Resource};
use crate::machine::{GroupChange, Key, Machine};
use crate::value::Value;

params! {
    /// Manages groups.
    ///
    /// # Example
    /// ```yaml
    /// - group: { name: deploy, gid: 2000 }
    /// ```
    pub struct Group {
        /// The name.
        name: String, required;
        /// Whether the group is wanted.
        state: State = State::Present;
        /// The number.
        gid: Option<u32>;
        /// Make a new group with a number of those for the system.
        system: bool = false;
        /// Allow a number that is taken. It needs `gid`.
        non_unique: bool = false;
        /// The least number a new group may get.
        gid_min: Option<u32>;
        /// The greatest number a new group may get.
        gid_max: Option<u32>;
        /// Look at the files of the machine only, not at LDAP and the like.
        local: bool = false;
        /// With `state: absent`, remove the group even where it is the primary one of a user.
        force: bool = false;
    }
}

impl Group {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where the name is not one of a group.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.non_unique && self.gid.is_none() {
            return Err(ParamError::conflict("`non_unique` needs `gid`"));
        }
        if self.local && (self.gid_min.is_some() || self.gid_max.is_some()) {
            return Err(ParamError::conflict("parameters are mutually exclusive: `local`, `gid_min`, `gid_max`"));
        }
        check_account("name", &self.name)
    }

    fn result(&self, gid: Option<u32>) -> Outcome {
        let state = if self.state == State::Present { "present" } else { "absent" };
        let mut outcome = Outcome::of([("name", Value::str(&self.name)), ("state", Value::str(state))]);
        if let Some(gid) = gid {
            outcome.result.insert("gid".into(), Value::from(gid));
            outcome.result.insert("system".into(), Value::Bool(self.system));
        }
        outcome
    }
}

/// Refuses what would be something else on the command line or in the account files.
pub(super) fn check_account(param: &str, name: &str) -> Result<(), ParamError> {
    let bad = name.is_empty()
        || name.starts_with('-')
        || name.contains([':', ',', '/', '\n'])
        || name.contains(char::is_whitespace);
    if bad { Err(ParamError::bad(param, format!("`{name}` is not the name of an account"))) } else { Ok(()) }
}

impl Resource for Group {
    fn footprint(&self) -> Footprint {
        // A number that is free is free for one group only, and the tools lock this file.
        Footprint::nothing().write(Claim::Group(self.name.clone())).write(Claim::Path("/etc/group".into()))
    }

    fn converge(&self, machine: &dyn Machine, _context: &Context) -> Result<Outcome, Failure> {
        let key = Key::Name(self.name.clone());
        let old = machine.group(&key)?.filter(|group| group.local || !self.local);
        match (self.state, &old) {
            (State::Absent, Some(_)) => machine.remove_group(&self.name, self.force)?,
            (State::Absent, None) => {}
            (State::Present, Some(group)) if self.gid.is_none_or(|gid| gid == group.gid) => {}
            (State::Present, _) => machine.put_group(&GroupChange {
                name: self.name.clone(),
                gid: self.gid,
                non_unique: self.non_unique,
                system: self.system,
                range: (self.gid_min, self.gid_max),
            })?,
        }
        let gid = if self.state == State::Present { machine.group(&key)?.map(|group| group.gid) } else { None };
        Ok(self.result(gid))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn groups() {
        let bench = Bench::with(&[]);
        let table = [
            ("{name: a}", 1),
            ("{name: a, gid: 77}", 1),
            ("{name: root, gid: 0}", 0),
            ("{name: s, system: true}", 1),
            ("{name: a, state: absent}", 1),
            ("{name: never, state: absent}", 0),
        ];
        for (text, expected) in table {
            assert_eq!(bench.settle("group", text).1, expected, "{text}");
        }
        assert!(bench.fails("group", "{name: a b}").contains("not the name"));
        assert!(bench.fails("group", "{name: a, non_unique: true}").contains("needs `gid`"));
        assert_eq!(bench.settle("group", "{name: l, local: true}").1, 1);
        assert_eq!(bench.settle("group", "{name: m, gid_min: 1500, gid_max: 1501}").1, 1);
        assert!(bench.fails("group", "{name: a, local: true, gid_min: 1}").contains("`local`"));
    }
}
