//! `lookup()`, `query()` and `q()`: the call, and what it gives back.

use minijinja::value::{Kwargs, Rest, Value as Jinja};
use minijinja::{Environment, Error, ErrorKind};

use super::convert::{from_jinja, to_jinja};
use super::engine::current_scope;
use super::trace;
use crate::value::{Map, Value};

/// A call of a lookup plugin.
#[derive(Clone, Debug)]
pub struct LookupCall {
    /// The plugin's short name.
    pub name: String,
    /// Positional terms.
    pub terms: Vec<Value>,
    /// Options.
    pub options: Map,
}

/// What a lookup gave.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The results, one a term.
    Results(Vec<Value>),
    /// It depends on something unknown.
    Unknown,
}

/// Registers the functions.
pub fn register(env: &mut Environment<'static>) {
    env.add_function("lookup", |name: String, terms: Rest<Jinja>, options: Kwargs| {
        let want_list = options.peek::<Option<bool>>("wantlist").ok().flatten().unwrap_or(false);
        let results = call(&name, &terms.0, &options)?;
        Ok::<Jinja, Error>(match results {
            Lookup::Unknown => trace::unknown(),
            Lookup::Results(values) if want_list => to_jinja(&Value::from(values)),
            Lookup::Results(values) => to_jinja(&joined(values)),
        })
    });
    for name in ["query", "q"] {
        env.add_function(name, |name: String, terms: Rest<Jinja>, options: Kwargs| {
            Ok::<Jinja, Error>(match call(&name, &terms.0, &options)? {
                Lookup::Unknown => trace::unknown(),
                Lookup::Results(values) => to_jinja(&Value::from(values)),
            })
        });
    }
}

fn call(name: &str, terms: &[Jinja], options: &Kwargs) -> Result<Lookup, Error> {
    let short = name.rsplit('.').next().unwrap_or(name).to_owned();
    let mut map = Map::new();
    for key in options.args() {
        map.insert(key.into(), from_jinja(&options.get::<Jinja>(key)?));
    }
    let errors = map.get("errors").and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let call = LookupCall { name: short, terms: terms.iter().map(from_jinja).collect(), options: map };
    if call.terms.iter().any(Value::has_unknown) {
        return Ok(Lookup::Unknown);
    }
    let scope =
        current_scope().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "lookups need a scope of variables"))?;
    match scope.lookup(&call) {
        Ok(found) => Ok(found),
        Err(_) if errors == "ignore" || errors == "warn" => Ok(Lookup::Results(Vec::new())),
        Err(error) => Err(Error::new(ErrorKind::InvalidOperation, error.message)),
    }
}

/// `lookup` gives one value as it is and joins several with commas, as in Ansible.
fn joined(mut values: Vec<Value>) -> Value {
    match values.len() {
        0 => Value::list([]),
        1 => values.remove(0),
        _ if values.iter().all(|v| v.as_str().is_some()) => {
            Value::from(values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        }
        _ => Value::from(values),
    }
}
