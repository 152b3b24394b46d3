//! The filters nearly every playbook uses: defaults and conversions.

use std::borrow::Cow;

use minijinja::value::{ArgType as _, Kwargs, Rest, Value as Jinja, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State};

use super::call::{Args, is_undefined};
use crate::template::convert::{from_jinja, to_jinja};
use crate::template::formats;
use crate::template::trace::{self, MissingMark};
use crate::value::{Value, is_truthy_word};

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    for name in ["default", "d"] {
        env.add_filter(name, default);
    }
    env.add_filter("bool", to_bool);
    env.add_filter("mandatory", mandatory);
    env.add_filter("ternary", ternary);
    env.add_filter("sort", sort);
    env.add_filter("format", |state: &mut State<'_, '_>, value: &Jinja, rest: Rest<ValueOrKwargs>| {
        formats::check_percents(value.as_str().unwrap_or_default())?;
        minijinja::filters::format(state, value, rest)
    });
    choosers(env);
    named_by_place(env);
    env.add_filter(
        "first",
        |value: Jinja| {
            if is_undefined(&value) { Ok(value) } else { minijinja::filters::first(&value) }
        },
    );
    env.add_filter(
        "last",
        |value: Jinja| {
            if is_undefined(&value) { Ok(value) } else { minijinja::filters::last(value) }
        },
    );
    env.add_filter("map", |state: &mut State<'_, '_>, value: Jinja, rest: Rest<ValueOrKwargs>| {
        if is_undefined(&value) {
            return Ok(value);
        }
        let values = rest.into_values();
        let default = values.last().filter(|last| last.is_kwargs()).and_then(|last| last.get_attr("default").ok());
        let default = default.filter(|default| !default.is_undefined());
        let rest = values.iter().map(|value| ValueOrKwargs::from_value(Some(value))).collect::<Result<Vec<_>, _>>()?;
        let mut mapped = minijinja::filters::map(state, value, Rest(rest))?;
        // What is not defined is a value of its own here, which the engine's `default=` does not know.
        if let Some(default) = default {
            mapped.iter_mut().filter(|item| is_missing(item)).for_each(|item| *item = default.clone());
        }
        Ok(Jinja::from(mapped))
    });
}

/// Filters whose arguments the engine takes by name only; in Python they may be given by place.
/// Source: the signatures in "List of Builtin Filters", Jinja 3.1.
fn named_by_place(env: &mut Environment<'static>) {
    use minijinja::filters::{dictsort, groupby, max, min};
    type Named = fn(&State<'_, '_>, Jinja, Kwargs) -> Result<Jinja, Error>;
    let filters: [(&str, &[&str], Named); 4] = [
        ("dictsort", &["case_sensitive", "by", "reverse"], |_, value, named| dictsort(&value, named)),
        ("groupby", &["attribute", "default", "case_sensitive"], |_, value, named| groupby(value, None, named)),
        ("max", &["case_sensitive", "attribute"], max),
        ("min", &["case_sensitive", "attribute"], min),
    ];
    for (name, names, filter) in filters {
        env.add_filter(name, move |state: &State<'_, '_>, value: Jinja, rest: Rest<ValueOrKwargs>| {
            if is_undefined(&value) {
                return Ok(value);
            }
            // The engine's own names pay for the items; these functions do not.
            state.consume_fuel(value.len().unwrap_or_default() as u64)?;
            let named = by_name(rest, names)?;
            filter(state, value, named)
        });
    }
}

/// Arguments by place and by name as arguments by name.
fn by_name(rest: Rest<ValueOrKwargs>, names: &[&'static str]) -> Result<Kwargs, Error> {
    let mut given: Vec<(String, Jinja)> = Vec::new();
    for (i, value) in rest.into_values().into_iter().enumerate() {
        if value.is_kwargs() {
            let named = Kwargs::try_from(value)?;
            let pairs = named.args().map(|name| named.peek(name).map(|value| (name.to_owned(), value)));
            given.extend(pairs.collect::<Result<Vec<_>, Error>>()?);
        } else {
            let name = names.get(i).ok_or_else(|| Error::from(ErrorKind::TooManyArguments))?;
            given.push(((*name).to_owned(), value));
        }
    }
    Ok(Kwargs::from_iter(given))
}

/// Jinja's filters that choose; what is not defined stays that.
fn choosers(env: &mut Environment<'static>) {
    use minijinja::filters::{reject, rejectattr, select, selectattr};
    type Choose = fn(&mut State<'_, '_>, Jinja, Option<Cow<'_, str>>, Rest<ValueOrKwargs>) -> Result<Vec<Jinja>, Error>;
    type ByAttribute = fn(
        &mut State<'_, '_>,
        Jinja,
        Cow<'_, str>,
        Option<Cow<'_, str>>,
        Rest<ValueOrKwargs>,
    ) -> Result<Vec<Jinja>, Error>;
    for (name, choose) in [("select", select as Choose), ("reject", reject as Choose)] {
        env.add_filter(
            name,
            move |state: &mut State<'_, '_>, value: Jinja, test: Option<Cow<'_, str>>, rest: Rest<ValueOrKwargs>| {
                if is_undefined(&value) {
                    return Ok(value);
                }
                choose(state, value, test, rest).map(Jinja::from)
            },
        );
    }
    for (name, choose) in [("selectattr", selectattr as ByAttribute), ("rejectattr", rejectattr as ByAttribute)] {
        env.add_filter(
            name,
            move |state: &mut State<'_, '_>,
                  value: Jinja,
                  attribute: Cow<'_, str>,
                  test: Option<Cow<'_, str>>,
                  rest: Rest<ValueOrKwargs>| {
                if is_undefined(&value) {
                    return Ok(value);
                }
                choose(state, value, attribute, test, rest).map(Jinja::from)
            },
        );
    }
}

/// Excuses an undefined and says whether it is one.
pub(super) fn is_missing(value: &Jinja) -> bool {
    if let Some(mark) = value.downcast_object_ref::<MissingMark>() {
        trace::excuse(mark);
        return true;
    }
    value.is_undefined()
}

/// Jinja's `sort`, whose first arguments may be given by place.
fn sort(state: &mut State<'_, '_>, value: Jinja, rest: Rest<ValueOrKwargs>) -> Result<Jinja, Error> {
    let args = Args::read(rest)?;
    let places = ["reverse", "case_sensitive", "attribute"].into_iter().zip(args.placed());
    let named = args.named().iter().map(|(name, value)| (name.as_ref(), value));
    let kwargs = places.chain(named).map(|(name, value)| (name.to_owned(), to_jinja(value)));
    minijinja::filters::sort(state, value, Kwargs::from_iter(kwargs))
}

/// The other value may be undefined itself: it stays the undefined it is.
fn default(value: &Jinja, rest: Rest<ValueOrKwargs>) -> Result<Jinja, Error> {
    let values = rest.into_values();
    let named = values.last().filter(|last| last.is_kwargs());
    let placed =
        if named.is_some() { values.split_last().map_or(&[][..], |(_, rest)| rest) } else { values.as_slice() };
    let named =
        |name: &str| -> Option<Jinja> { named?.get_item(&Jinja::from(name)).ok().filter(|v| !v.is_undefined()) };
    let boolean = placed.get(1).cloned().or_else(|| named("boolean")).is_some_and(|flag| flag.is_true());
    if is_missing(value) || (boolean && !value.is_true()) {
        let other = placed.first().cloned().or_else(|| named("default_value"));
        return Ok(other.unwrap_or_else(|| Jinja::from("")));
    }
    if let Some(unused) = placed.first() {
        is_missing(unused);
    }
    Ok(value.clone())
}

/// Only yes, on, true and 1 are true; anything else is false; null stays null.
fn to_bool(value: &Jinja) -> Jinja {
    match value.kind() {
        ValueKind::None | ValueKind::Bool => value.clone(),
        ValueKind::Number => Jinja::from(value.as_i64() == Some(1)),
        _ => Jinja::from(is_truthy_word(&value.to_string())),
    }
}

/// What is missing says so itself, with its name, where there is no message.
fn mandatory(value: &Jinja, rest: Rest<ValueOrKwargs>) -> Result<Jinja, Error> {
    let args = Args::read(rest)?;
    let message = args.placed().first().or_else(|| args.named().get("msg")).filter(|message| **message != Value::Null);
    match message {
        Some(message) if is_missing(value) => Err(Error::new(ErrorKind::InvalidOperation, message.to_string())),
        _ => Ok(value.clone()),
    }
}

fn ternary(value: &Jinja, args: Rest<Jinja>) -> Result<Jinja, Error> {
    let arg = |i: usize| args.0.get(i).cloned();
    let chosen = match (from_jinja(value), arg(2)) {
        (Value::Null, Some(none)) => Some(none),
        (value, _) if value.is_true() => arg(0),
        _ => arg(1),
    };
    chosen.ok_or_else(|| Error::new(ErrorKind::MissingArgument, "`ternary` takes a value for true and one for false"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn ternary_knows_none() {
        let args = Rest(vec![Jinja::from("y"), Jinja::from("n"), Jinja::from("none")]);
        assert_eq!(ternary(&to_jinja(&Value::Null), args).unwrap().as_str(), Some("none"));
    }
}
