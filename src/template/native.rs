//! Native types: a text in which exactly one expression yields something keeps the type of that something.

use std::cell::RefCell;

use minijinja::value::{Value as Jinja, ValueKind};
use minijinja::{Error, Output, State};

use super::filters::call::fail;
use super::weight;
use crate::value::float_repr;

thread_local! {
    /// What the expressions of each text that is being rendered have yielded: how many, and the last.
    static YIELDED: RefCell<Vec<(usize, Option<Jinja>)>> = const { RefCell::new(Vec::new()) };
}

/// Writes the value of an expression. Nothing is written for none.
pub fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    if value.is_none() {
        return Ok(());
    }
    // The engine counts text once it is there, which for lists that hold each other many times over would be never.
    if value.as_object().is_some() {
        state.consume_fuel(weight::of_jinja(value).ok_or_else(|| fail(weight::REFUSED))? / 8)?;
    }
    YIELDED.with_borrow_mut(|stack| {
        if let Some(last) = stack.last_mut() {
            *last = (last.0 + 1, Some(value.clone()));
        }
    });
    match number(value) {
        Some(text) => Ok(out.write_str(&text)?),
        None => minijinja::escape_formatter(out, state, value),
    }
}

/// A number with a fraction as Python writes it.
fn number(value: &Jinja) -> Option<String> {
    let fraction = value.kind() == ValueKind::Number && !value.is_integer();
    fraction.then(|| f64::try_from(value.clone()).map(float_repr).ok()).flatten()
}

/// Renders text that is not a file; gives a value with its type where one expression made all of it, and none where nothing
/// was made at all.
pub fn render(work: impl FnOnce() -> Result<String, Error>) -> Result<Jinja, Error> {
    YIELDED.with_borrow_mut(|stack| stack.push((0, None)));
    let text = work();
    let yielded = YIELDED.with_borrow_mut(Vec::pop).unwrap_or_default();
    let text = text?;
    Ok(match yielded {
        (0, _) if text.is_empty() => Jinja::from(()),
        (1, Some(value))
            if value.as_str().is_none()
                && number(&value).unwrap_or_else(|| value.to_string()) == text.strip_suffix('\n').unwrap_or(&text) =>
        {
            value
        }
        _ => Jinja::from(text),
    })
}
