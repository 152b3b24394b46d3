//! How Ansible's filters are written here: over [`Value`]s, with arguments by place or by name, as in Python.

use minijinja::value::{Kwargs, Rest, Value as Jinja, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind, State};

use crate::template::convert::{from_jinja, to_jinja};
use crate::template::{trace, weight};
use crate::value::{Map, Value};

/// What a filter gives.
pub type Outcome = Result<Value, Error>;

/// The arguments of a filter, and what it may do.
pub struct Args<'s> {
    placed: Vec<Value>,
    named: Map,
    meter: Option<&'s dyn Fn(u64) -> Result<(), Error>>,
}

/// An error of a filter.
pub fn fail(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

impl<'s> Args<'s> {
    /// Arguments of something that pays for its work.
    pub(in crate::template) fn metered(
        rest: Rest<ValueOrKwargs>,
        meter: &'s dyn Fn(u64) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        Ok(Args { meter: Some(meter), ..Args::read(rest)? })
    }

    /// Pays for going through a value and the arguments, before that is done.
    pub(in crate::template) fn weigh(&self, value: &Value) -> Result<(), Error> {
        for value in std::iter::once(value).chain(&self.placed).chain(self.named.values()) {
            // To visit a value is much less than a step of the engine.
            self.spend(weight::of(value).ok_or_else(|| fail(weight::REFUSED))? / 8)?;
        }
        Ok(())
    }

    /// Pays for work that its input does not show the size of. A step costs one, as do 64 bytes of text.
    pub fn spend(&self, fuel: u64) -> Result<(), Error> {
        self.meter.map_or(Ok(()), |meter| meter(fuel))
    }

    /// Pays for so many copies of a text of that length.
    pub fn spend_text(&self, length: usize, copies: usize) -> Result<(), Error> {
        self.spend((length as u64).saturating_mul(copies as u64) / 64)
    }
}

impl Args<'_> {
    pub(in crate::template) fn read(rest: Rest<ValueOrKwargs>) -> Result<Self, Error> {
        let values = rest.into_values();
        let (placed, named) = from_args::<(&[Jinja], Kwargs)>(&values).or_else(|_| split(&values))?;
        let names: Vec<String> = named.args().map(str::to_owned).collect();
        let mut map = Map::new();
        for name in names {
            let value: Jinja = named.get(&name)?;
            map.insert(name.as_str().into(), from_jinja(&value));
        }
        let placed = placed.iter().map(from_jinja).collect();
        trace::check()?;
        Ok(Self { placed, named: map, meter: None })
    }

    /// The arguments by place.
    pub fn placed(&self) -> &[Value] {
        &self.placed
    }

    /// The arguments by name.
    pub fn named(&self) -> &Map {
        &self.named
    }

    /// An argument by place or by name.
    pub fn get(&self, place: usize, name: &str) -> Option<&Value> {
        self.placed.get(place).or_else(|| self.named.get(name)).filter(|value| **value != Value::Null)
    }

    /// An argument as text.
    pub fn text(&self, place: usize, name: &str) -> Option<String> {
        self.get(place, name).map(Value::to_string)
    }

    /// A flag; false where it is not given.
    pub fn flag(&self, place: usize, name: &str) -> bool {
        self.get(place, name).is_some_and(Value::is_true)
    }

    /// A whole number.
    pub fn int(&self, place: usize, name: &str) -> Result<Option<i64>, Error> {
        match self.get(place, name) {
            None => Ok(None),
            Some(Value::Int(n)) => Ok(Some(*n)),
            Some(other) => match other.to_string().trim().parse() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(fail(format!("`{name}` takes a whole number, found {}", other.type_name()))),
            },
        }
    }

    /// An argument that must be there.
    pub fn need(&self, place: usize, name: &str) -> Result<&Value, Error> {
        self.get(place, name).ok_or_else(|| fail(format!("the argument `{name}` is missing")))
    }

    fn has_unknown(&self) -> bool {
        self.placed.iter().chain(self.named.values()).any(Value::has_unknown)
    }
}

/// Splits off named arguments by hand.
fn split(values: &[Jinja]) -> Result<(&[Jinja], Kwargs), Error> {
    let (last, rest) = match values.split_last() {
        Some((last, rest)) if last.is_kwargs() => (Kwargs::try_from(last.clone())?, rest),
        _ => (Kwargs::from_iter(Vec::<(String, Jinja)>::new()), values),
    };
    Ok((rest, last))
}

/// The names as text; names with a collection before them are added for all at once.
pub fn spellings(names: &[&'static str]) -> impl Iterator<Item = String> {
    names.iter().map(|name| (*name).to_owned())
}

/// What is not defined stays that through a filter: `x | first | default(1)`.
pub fn is_undefined(value: &Jinja) -> bool {
    value.downcast_object_ref::<trace::MissingMark>().is_some()
}

/// Adds a filter that looks at all of its value: an unknown anywhere in it makes the result unknown.
pub fn add(env: &mut Environment<'static>, names: &[&'static str], filter: fn(&Value, &Args) -> Outcome) {
    for name in spellings(names) {
        env.add_filter(name, move |state: &State<'_, '_>, value: &Jinja, rest: Rest<ValueOrKwargs>| {
            if is_undefined(value) {
                return Ok(value.clone());
            }
            let (value, meter) = (from_jinja(value), |fuel| state.consume_fuel(fuel));
            let args = Args::metered(rest, &meter)?;
            args.weigh(&value)?;
            if value.has_unknown() || args.has_unknown() {
                return Ok(trace::unknown());
            }
            filter(&value, &args).map(|value| to_jinja(&value))
        });
    }
}

/// Adds a filter that only moves values about: what is unknown inside stays unknown, the rest is known. Its value may be very
/// large, such as `hostvars`, and is not gone through here.
pub fn add_shape(env: &mut Environment<'static>, names: &[&'static str], filter: fn(&Value, &Args) -> Outcome) {
    for name in spellings(names) {
        env.add_filter(name, move |state: &State<'_, '_>, value: &Jinja, rest: Rest<ValueOrKwargs>| {
            if is_undefined(value) {
                return Ok(value.clone());
            }
            let (value, meter) = (from_jinja(value), |fuel| state.consume_fuel(fuel));
            let args = Args::metered(rest, &meter)?;
            filter(&value, &args).map(|value| to_jinja(&value))
        });
    }
}

/// The items of a list; a mapping gives its keys and a text its characters, as in Python.
pub fn items(value: &Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::List(items) => Ok(items.to_vec()),
        Value::Map(map) => Ok(map.keys().map(Value::str).collect()),
        Value::Str(text) => Ok(text.chars().map(|c| Value::from(c.to_string())).collect()),
        Value::Unknown => Ok(Vec::new()),
        other => {
            let python = super::python_type(other);
            Err(fail(format!("expected a list, found {} ('{python}' object is not iterable)", other.type_name())))
        }
    }
}

/// A mapping.
pub fn mapping(value: &Value) -> Result<Map, Error> {
    match value {
        Value::Map(map) => Ok(map.as_ref().clone()),
        Value::Unknown => Ok(Map::new()),
        other => Err(fail(format!("expected a mapping, found {}", other.type_name()))),
    }
}

/// A number.
pub fn float(value: &Value) -> Result<f64, Error> {
    match value {
        Value::Int(n) => Ok(*n as f64),
        Value::Float(x) => Ok(*x),
        Value::Bool(b) => Ok(f64::from(u8::from(*b))),
        other => other
            .to_string()
            .trim()
            .parse()
            .map_err(|_| fail(format!("expected a number, found {}", other.type_name()))),
    }
}

/// Says whether two values are the same to Python, where 1, 1.0 and true are.
pub fn same(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => float(value).ok(),
        _ => None,
    };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
