//! Who cfg is on the host, and its environment.

use super::look::{Look, put};
use crate::machine::Key;
use crate::value::{Map, Value};

/// Reads it.
pub fn read(look: Look<'_>, facts: &mut Map) {
    let status = look.text("/proc/self/status");
    let ids = |name: &str| -> Vec<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let (users, groups) = (ids("Uid:"), ids("Gid:"));
    let number = |ids: &[u32], at: usize| Value::from(ids.get(at).copied());
    if let Ok(me) = look.0.identity() {
        let user = look.0.user(&Key::Id(me.uid)).ok().flatten();
        put(
            facts,
            [
                ("user_id", Value::str(&me.user)),
                ("user_uid", Value::from(me.uid)),
                ("user_gid", Value::from(me.gid)),
                ("user_dir", Value::from(me.home.to_string_lossy().into_owned())),
                ("user_shell", Value::from(user.as_ref().map(|user| user.shell.clone()))),
                ("user_gecos", Value::from(user.map(|user| user.comment))),
            ],
        );
    }
    put(
        facts,
        [
            ("real_user_id", number(&users, 0)),
            ("effective_user_id", number(&users, 1)),
            ("real_group_id", number(&groups, 0)),
            ("effective_group_id", number(&groups, 1)),
            ("env", environment(&look.text("/proc/self/environ"))),
        ],
    );
}

fn environment(text: &str) -> Value {
    Value::map(
        text.split('\0').filter_map(|entry| entry.split_once('=')).map(|(name, value)| (name, Value::str(value))),
    )
}
