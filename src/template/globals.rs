//! The functions of expressions: those of Jinja that the engine lacks, and Ansible's `now` and `undef`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Value as Jinja, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::convert::{from_jinja, to_jinja};
use super::lookup::{self, Lookup};
use super::moment::Moment;
use super::mutable;
use super::trace;
use crate::value::{Map, Value};

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    env.add_function("now", now);
    env.add_function("undef", |hint: Option<String>, options: Kwargs| -> Result<Jinja, Error> {
        let hint = match hint {
            Some(hint) => Some(hint),
            None => options.get::<Option<String>>("hint")?,
        };
        options.assert_all_used()?;
        Ok(trace::missing_because(hint))
    });
    env.add_function("cycler", |items: Rest<Jinja>| -> Result<Jinja, Error> {
        if items.0.is_empty() {
            return Err(Error::new(ErrorKind::InvalidOperation, "`cycler` needs something to go through"));
        }
        Ok(Jinja::from_object(Cycler { items: items.0, at: AtomicUsize::new(0) }))
    });
    env.add_function("joiner", |separator: Option<Jinja>| {
        let separator = separator.unwrap_or_else(|| Jinja::from(", "));
        Jinja::from_object(Joiner { separator, used: Mutex::new(false) })
    });
    env.add_function("namespace", |arg: Option<Jinja>, named: Kwargs| -> Result<Jinja, Error> {
        let mut entries: BTreeMap<String, Jinja> = BTreeMap::new();
        if let Some(map) = arg.filter(|arg| !arg.is_kwargs()) {
            for key in map.try_iter()? {
                let value = map.get_item(&key)?;
                entries.insert(key.to_string(), mutable::of(&value));
            }
        }
        for name in named.args() {
            entries.insert(name.to_owned(), mutable::of(&named.get::<Jinja>(name)?));
        }
        let entries = Jinja::from(entries);
        minijinja::functions::namespace(Some(entries.into()))
    });
    env.add_function("dict", |arg: Option<Jinja>, named: Kwargs| -> Result<Jinja, Error> {
        let mut map = Map::new();
        if let Some(arg) = arg {
            for key in arg.try_iter()? {
                // A mapping, or a list of pairs.
                let (key, value) = match arg.kind() {
                    ValueKind::Map => (key.clone(), arg.get_item(&key)?),
                    _ => (key.get_item_by_index(0)?, key.get_item_by_index(1)?),
                };
                map.insert(Arc::from(key.to_string()), from_jinja(&value));
            }
        }
        for name in named.args() {
            map.insert(Arc::from(name), from_jinja(&named.get::<Jinja>(name)?));
        }
        trace::check()?;
        Ok(to_jinja(&Value::from(map)))
    });
    env.add_function("lipsum", |_rest: Rest<Jinja>| -> Result<Jinja, Error> {
        Err(Error::new(
            ErrorKind::InvalidOperation,
            "cfg has no function `lipsum`: a configuration has no use for filler text",
        ))
    });
    env.add_function(mutable::FUNCTION, |value: Jinja| mutable::of(&value));
    env.add_function(mutable::KEPT, mutable::kept);
}

/// `now(utc=false, fmt=none)`: a moment, or text where a format is given.
fn now(utc: Option<bool>, fmt: Option<String>, options: Kwargs) -> Result<Jinja, Error> {
    let utc = utc.or(options.get::<Option<bool>>("utc")?).unwrap_or(false);
    let fmt = fmt.or(options.get::<Option<String>>("fmt")?);
    options.assert_all_used()?;
    let Some(at) = present()? else { return Ok(trace::unknown()) };
    let moment = Moment::at(at, utc);
    match fmt {
        Some(format) => moment.formatted(&format).map(Jinja::from),
        None => Ok(Jinja::from_object(moment)),
    }
}

/// The time of day by the controller's clock, for a task that runs now; `None` where its time is yet to come.
fn present() -> Result<Option<jiff::Timestamp>, Error> {
    let here = || Ok(Some(jiff::Timestamp::now()));
    if super::engine::current_scope().is_none() {
        return here();
    }
    match lookup::attempt(lookup::NOW) {
        Some(Lookup::Unknown) => Ok(None),
        Some(Lookup::Results(values)) => {
            let part = |index: usize| match values.get(index) {
                Some(Value::Int(number)) => *number,
                _ => 0,
            };
            let time = jiff::Timestamp::new(part(0), i32::try_from(part(1)).unwrap_or(0));
            time.map(Some).map_err(|e| Error::new(ErrorKind::InvalidOperation, e.to_string()))
        }
        // On a target, of an expression whose time nobody asked for before: its own clock.
        None => here(),
    }
}

/// Jinja's `cycler`.
#[derive(Debug)]
struct Cycler {
    items: Vec<Jinja>,
    at: AtomicUsize,
}

impl Cycler {
    fn item(&self) -> Jinja {
        let at = self.at.load(Ordering::Relaxed) % self.items.len().max(1);
        self.items.get(at).cloned().unwrap_or_default()
    }
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        (key == "current").then(|| self.item())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Jinja],
    ) -> Result<Jinja, Error> {
        match method {
            "next" => {
                let item = self.item();
                self.at.fetch_add(1, Ordering::Relaxed);
                Ok(item)
            }
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Ok(to_jinja(&Value::Null))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// Jinja's `joiner`: nothing the first time, the separator from then on.
#[derive(Debug)]
struct Joiner {
    separator: Jinja,
    used: Mutex<bool>,
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, _args: &[Jinja]) -> Result<Jinja, Error> {
        let mut used = self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(if std::mem::replace(&mut *used, true) { self.separator.clone() } else { Jinja::from("") })
    }
}

/// Every variable by its name: Ansible's `vars`.
pub struct AllVariables(pub Arc<dyn super::Scope>);

impl std::fmt::Debug for AllVariables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("vars")
    }
}

impl Object for AllVariables {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match self.0.get(key.as_str()?) {
            Ok(value) => value.map(|value| to_jinja(&value)),
            Err(error) => Some(trace::unavailable(&key.to_string(), error)),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        let found = self.get_value(&Jinja::from(key));
        Some(found.unwrap_or_else(|| trace::missing(key.to_owned(), None)))
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        // A variable that cannot be evaluated concerns only who asks for it.
        let known = |name: &String| matches!(self.0.get(name), Ok(Some(_)));
        let names = self.0.names();
        minijinja::value::Enumerator::Values(names.into_iter().filter(known).map(Jinja::from).collect())
    }
}

/// The values of `vars` as data.
pub(super) fn all_variables(vars: &AllVariables) -> Value {
    let entry = |name: String| {
        let value = vars.0.get(&name).ok()??;
        Some((Arc::from(name), value))
    };
    Value::from(vars.0.names().into_iter().filter_map(entry).collect::<crate::value::Map>())
}

#[cfg(test)]
mod unit {
    use super::*;

    fn eval(text: &str) -> Value {
        let mut env = Environment::new();
        register(&mut env);
        Value::str(env.render_str(text, ()).unwrap())
    }

    #[test]
    fn cyclers_and_joiners() {
        assert_eq!(
            eval("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}"),
            Value::str("abaa")
        );
        assert_eq!(
            eval("{% set j = joiner('|') %}{% for i in [1, 2] %}{{ j() }}{{ i }}{% endfor %}"),
            Value::str("1|2")
        );
    }
}
