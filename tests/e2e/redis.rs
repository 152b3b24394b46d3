//! The main job: Redis on a fleet.

use std::collections::BTreeSet;

use crate::fleet::{Turn, events, turn};

const PLAYBOOK: &str = "playbooks/redis.yml";

fn plan(fleet: &Turn, inventory: &str) -> crate::fleet::Run {
    events(fleet.cfg(&["plan", PLAYBOOK, "-i", inventory]))
}

fn apply(fleet: &Turn, inventory: &str) -> crate::fleet::Run {
    events(fleet.cfg(&["apply", PLAYBOOK, "-i", inventory]))
}

#[test]
fn a_plan_on_blank_hosts_changes_nothing_and_is_what_apply_does() {
    let Some(fleet) = turn("plan equals apply") else { return };
    let dir = tempfile::tempdir().unwrap();
    fleet.blank();
    let inventory = fleet.redis_inventory(dir.path(), "");
    let inventory = inventory.to_str().unwrap();

    let hosts = ["e1", "e2", "e3"];
    // The agent itself is put into the login user's cache by the first contact; that is not the plan's doing.
    let warm = fleet.cfg(&["facts", "all", "-i", inventory]).output().unwrap();
    assert!(warm.status.success(), "{}", String::from_utf8_lossy(&warm.stderr));
    let before: Vec<String> = hosts.iter().map(|host| fleet.fleet(&["digest", host])).collect();
    let planned = plan(&fleet, inventory);
    planned.converged();
    let after: Vec<String> = hosts.iter().map(|host| fleet.fleet(&["digest", host])).collect();
    for ((host, before), after) in hosts.iter().zip(&before).zip(&after) {
        let changed: Vec<_> = similar::TextDiff::from_lines(before, after)
            .unified_diff()
            .to_string()
            .lines()
            .map(str::to_owned)
            .collect();
        assert!(before == after, "the plan changed {host}:\n{}", changed.join("\n"));
    }

    let applied = apply(&fleet, inventory);
    applied.converged();
    assert_eq!(planned.changed(), applied.changed(), "what the plan predicts is what the apply does");
    assert_eq!(planned.tasks("unknown"), BTreeSet::new(), "nothing was left open");
    assert!(applied.changed().len() >= 12, "{:?}", applied.changed());

    for replica in ["e2", "e3"] {
        assert!(
            fleet.inside(replica, "redis-cli info replication").contains("master_link_status:up"),
            "{replica} is in sync"
        );
    }
    assert!(fleet.inside("e1", "redis-cli info replication").contains("connected_slaves:2"));

    let again = apply(&fleet, inventory);
    again.converged();
    assert_eq!(again.changed(), BTreeSet::new(), "a second run changes nothing");

    drift_is_repaired(&fleet, inventory);
}

/// Each drift is made by hand and must be repaired alone.
fn drift_is_repaired(fleet: &Turn, inventory: &str) {
    let expect = |changes: &[(&str, &str)]| {
        changes.iter().map(|(h, t)| ((*h).to_owned(), (*t).to_owned())).collect::<BTreeSet<_>>()
    };
    fleet.inside("e1", "echo 'maxclients 7' >> /etc/redis/redis.conf");
    let run = apply(fleet, inventory);
    assert_eq!(run.converged().changed(), expect(&[("e1", "Write redis.conf"), ("e1", "Restart Redis")]));

    fleet.inside("e2", "systemctl stop redis-server");
    let run = apply(fleet, inventory);
    assert_eq!(run.converged().changed(), expect(&[("e2", "Run Redis")]));
    assert!(fleet.inside("e2", "redis-cli ping").contains("PONG"));

    fleet.inside("e3", "chown root /etc/redis/redis.conf");
    let run = apply(fleet, inventory);
    assert_eq!(run.converged().changed(), expect(&[("e3", "Write redis.conf"), ("e3", "Restart Redis")]));
    assert_eq!(fleet.inside("e3", "stat -c %U /etc/redis/redis.conf").trim(), "redis");
}
