//! The tests of `is`: Ansible's, and those of Jinja that must excuse an undefined.

use minijinja::value::{Value as Jinja, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

use super::convert::from_jinja;
use super::trace::{self, MissingMark};
use crate::value::{Value, parse_bool};

/// Excuses an undefined and says whether it is one.
fn excused(value: &Jinja) -> bool {
    if let Some(mark) = value.downcast_object_ref::<MissingMark>() {
        trace::excuse(mark);
        return true;
    }
    value.is_undefined()
}

/// Registers every test.
pub fn register(env: &mut Environment<'static>) {
    env.add_test("defined", |v: &Jinja| !excused(v));
    env.add_test("undefined", |v: &Jinja| excused(v));
    env.add_test("none", |v: &Jinja| !excused(v) && v.is_none());
    env.add_test("string", |v: &Jinja| !excused(v) && v.kind() == ValueKind::String);
    env.add_test("number", |v: &Jinja| !excused(v) && matches!(v.kind(), ValueKind::Number | ValueKind::Bool));
    env.add_test("boolean", |v: &Jinja| !excused(v) && v.kind() == ValueKind::Bool);
    env.add_test("mapping", |v: &Jinja| !excused(v) && v.kind() == ValueKind::Map);
    env.add_test("sequence", |v: &Jinja| {
        !excused(v) && matches!(v.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Iterable)
    });
    env.add_test("iterable", |v: &Jinja| {
        !excused(v) && matches!(v.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Iterable)
    });
    register_results(env);
    super::tests_ansible::register(env);
}

/// Tests on registered results.
fn register_results(env: &mut Environment<'static>) {
    let flag = |result: &Jinja, key: &str| -> Result<bool, Error> {
        let value = from_jinja(result);
        let Some(map) = value.as_map() else {
            let message = format!("expected a registered result, found {}", value.type_name());
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        };
        Ok(match map.get(key) {
            Some(Value::Unknown) => {
                trace::unknown();
                false
            }
            Some(Value::Str(text)) => parse_bool(text).unwrap_or(true),
            Some(value) => value.is_true(),
            None => false,
        })
    };
    for name in ["failed", "failure"] {
        env.add_test(name, move |v: &Jinja| flag(v, "failed"));
    }
    for name in ["succeeded", "success", "successful"] {
        env.add_test(name, move |v: &Jinja| flag(v, "failed").map(|failed| !failed));
    }
    for name in ["changed", "change"] {
        env.add_test(name, move |v: &Jinja| flag(v, "changed"));
    }
    for name in ["skipped", "skip"] {
        env.add_test(name, move |v: &Jinja| flag(v, "skipped"));
    }
    env.add_test("unreachable", move |v: &Jinja| flag(v, "unreachable"));
    env.add_test("reachable", move |v: &Jinja| flag(v, "unreachable").map(|unreachable| !unreachable));
    // A task that is not asynchronous has started and finished.
    for name in ["finished", "started"] {
        env.add_test(name, move |v: &Jinja| {
            let asynchronous = from_jinja(v).get(name).is_some();
            flag(v, name).map(|flag| flag || !asynchronous)
        });
    }
    env.add_test("timedout", move |v: &Jinja| {
        let period = from_jinja(v).at(&["timedout", "period"]).is_some_and(Value::is_true);
        flag(v, "timedout").map(|timed_out| timed_out && period)
    });
}
