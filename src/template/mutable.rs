//! Lists and mappings that a template makes and then changes in place, as `{% set _ = x.append(y) %}` does.
//!
//! The engine's collections never change. So in a template that changes one, what `set` and `namespace` take is wrapped
//! into a collection of ours that can: the source gets a call of [`FUNCTION`] around the value. Variables of the playbook
//! stay as they are; whoever wants to change one has to make a new value of it.

use std::sync::{Arc, Mutex, MutexGuard};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::convert::to_jinja;
use super::filters::call::fail;
use super::{trace, weight};
use crate::value::Value;

/// The function that makes a collection changeable.
pub const FUNCTION: &str = "__cfg_mutable";

/// The function around what is set in a namespace. A loop can put what is there already into something new, over and over, until
/// it is nested so deeply that the engine would use up the stack to free it.
pub const KEPT: &str = "__cfg_kept";

/// A value that is set in a namespace, unless it is nested too deeply.
pub fn kept(value: Jinja) -> Result<Jinja, Error> {
    if weight::is_deep(&value) { Err(fail(weight::REFUSED)) } else { Ok(value) }
}

/// The methods that change a list or a mapping in place.
const CHANGES: &[&str] =
    &["append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse", "update", "setdefault", "popitem"];

/// A list that can be changed.
#[derive(Debug, Default)]
struct ListCell(Mutex<Vec<Jinja>>);

/// A mapping that can be changed.
#[derive(Debug, Default)]
struct MapCell(Mutex<IndexMap<String, (Jinja, Jinja)>>);

/// A changeable collection of a value that is one, all the way down; anything else is what it is.
pub fn of(value: &Jinja) -> Jinja {
    let is_cell = value.downcast_object_ref::<ListCell>().is_some() || value.downcast_object_ref::<MapCell>().is_some();
    let is_plain = value.as_object().is_none_or(|object| object.repr() == ObjectRepr::Plain);
    if is_cell || is_plain || value.is_undefined() {
        return value.clone();
    }
    match value.kind() {
        ValueKind::Seq => {
            let items = value.try_iter().into_iter().flatten().map(|item| of(&item)).collect();
            Jinja::from_object(ListCell(Mutex::new(items)))
        }
        ValueKind::Map if !is_special(value) => {
            let keys = value.try_iter().into_iter().flatten();
            let entry = |key: Jinja| {
                let item = value.get_item(&key).unwrap_or_default();
                (key.to_string(), (key, of(&item)))
            };
            Jinja::from_object(MapCell(Mutex::new(keys.map(entry).collect())))
        }
        _ => value.clone(),
    }
}

/// A namespace, a macro's module, `vars`: a mapping with a life of its own.
fn is_special(value: &Jinja) -> bool {
    let name = value.as_object().map(|object| object.type_name()).unwrap_or_default();
    ["Namespace", "Module", "AllVariables", "Kwargs", "Loop"].iter().any(|special| name.ends_with(special))
}

/// Says that a collection cannot be changed, and what to do instead.
pub fn refusal(method: &str) -> Option<Error> {
    let instead = match method {
        "append" => "`{% set x = x + [item] %}`, with a `namespace` where it is inside of a loop",
        "extend" | "insert" => "`{% set x = x + other %}`, with a `namespace` where it is inside of a loop",
        "update" | "setdefault" => {
            "`{% set x = x | combine({...}) %}`, with a `namespace` where it is inside of a loop"
        }
        "remove" => "`x | difference([item])` or `x | reject('equalto', item)`",
        "pop" | "popitem" | "clear" => "a slice such as `x[:-1]`, or `x | dict2items | rejectattr(...)`",
        "sort" => "the filter `sort`",
        "reverse" => "the filter `reverse`",
        _ => return None,
    };
    Some(fail(format!("`.{method}()` cannot change this value: it is a variable of the playbook; use {instead}")))
}

/// Where something was put into a text: at which byte of the new text, and how much.
pub type Insertions = Vec<(usize, usize)>;

/// Wraps what `set` takes, in a template that changes collections in place.
pub fn wrapped<'t>(text: &'t str, open: &str, close: &str) -> (std::borrow::Cow<'t, str>, Insertions) {
    let changes = |name: &&str| {
        text.match_indices(name).any(|(at, _)| {
            text.get(..at).is_some_and(|t| t.ends_with('.'))
                && text.get(at + name.len()..).is_some_and(|t| t.starts_with('('))
        })
    };
    let changes = CHANGES.iter().any(changes);
    if !changes && !text.contains("namespace") {
        return (std::borrow::Cow::Borrowed(text), Vec::new());
    }
    let (mut out, mut insertions, mut done) = (String::with_capacity(text.len() + 64), Vec::new(), 0);
    for (at, _) in text.match_indices(open) {
        let found = assigned(text, at + open.len(), close).filter(|(from, ..)| *from >= done);
        let Some((from, to, kept)) = found.filter(|(.., kept)| changes || *kept) else { continue };
        out.push_str(text.get(done..from).unwrap_or(""));
        let calls = [(KEPT, kept), (FUNCTION, changes)].into_iter().filter(|(_, wanted)| *wanted);
        let calls: String = calls.map(|(name, _)| format!("{name}(")).collect();
        insertions.push((out.len(), calls.len()));
        out.push_str(&calls);
        out.push_str(text.get(from..to).unwrap_or(""));
        let end = ")".repeat(calls.matches('(').count());
        insertions.push((out.len(), end.len()));
        out.push_str(&end);
        done = to;
    }
    out.push_str(text.get(done..).unwrap_or(""));
    (std::borrow::Cow::Owned(out), insertions)
}

/// A byte of the wrapped text in the text as it was.
pub fn original(at: usize, insertions: &Insertions) -> usize {
    let before = insertions.iter().filter(|(place, _)| *place < at).map(|(place, length)| (*length).min(at - place));
    at - before.sum::<usize>()
}

/// The value of `set name = value` that begins at `start`, unless it is the name of something that exists already; and whether
/// it is set in a namespace, `set name.part = value`.
fn assigned(text: &str, start: usize, close: &str) -> Option<(usize, usize, bool)> {
    let body = text.get(start..)?;
    let trimmed = body.trim_start_matches(['-', '+']).trim_start();
    let rest = trimmed.strip_prefix("set")?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let name = rest.trim_start();
    let word = name.len() - name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.').len();
    let value = name.get(word..)?.trim_start().strip_prefix('=')?.trim_start();
    let from = start + body.len() - value.len();
    let end = end_of(value, close)?;
    let value = value.get(..end)?.trim_end().trim_end_matches(['-', '+']).trim_end();
    let is_path = value.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
    let kept = name.get(..word)?.contains('.');
    (!value.is_empty() && !is_path).then_some((from, from + value.len(), kept))
}

/// Where a block ends, outside of quotes.
pub fn end_of(text: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if text.get(at..).is_some_and(|rest| rest.starts_with(close)) => return Some(at),
            None => {}
        }
    }
    None
}

fn none() -> Jinja {
    to_jinja(&Value::Null)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// An index as Python counts: from the end where it is negative.
fn place(index: Option<&Jinja>, length: usize, default: i64) -> Option<usize> {
    let index = index.map_or(Some(default), Jinja::as_i64)?;
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { index + length } else { index }).ok()
}

/// Says whether a cell is in a value: what would hold itself cannot be shown, and is never freed.
fn holds(value: &Jinja, cell: *const (), depth: usize, left: &mut u64) -> bool {
    *left = left.saturating_sub(1);
    if *left == 0 || depth > weight::DEEPEST {
        return true;
    }
    // The items are taken out first, so that no cell is held while another one is asked.
    let (own, items): (*const (), Vec<Jinja>) = if let Some(list) = value.downcast_object_ref::<ListCell>() {
        (std::ptr::from_ref(list).cast(), lock(&list.0).clone())
    } else if let Some(map) = value.downcast_object_ref::<MapCell>() {
        (std::ptr::from_ref(map).cast(), lock(&map.0).values().map(|(_, value)| value.clone()).collect())
    } else {
        return false;
    };
    std::ptr::eq(own, cell) || items.iter().any(|item| holds(item, cell, depth + 1, left))
}

/// A value as it is put into a cell.
fn put<T>(value: &Jinja, cell: &Arc<T>, state: &State<'_, '_>) -> Result<Jinja, Error> {
    let (value, mut left) = (of(value), weight::limit());
    if holds(&value, Arc::as_ptr(cell).cast(), 0, &mut left) {
        return Err(fail("a collection cannot be put into itself, nor nested very deeply"));
    }
    state.consume_fuel((weight::limit() - left) / 8)?;
    Ok(value)
}

fn need<'a>(args: &'a [Jinja], method: &str) -> Result<&'a Jinja, Error> {
    args.first().ok_or_else(|| Error::new(ErrorKind::MissingArgument, format!("`.{method}()` needs an argument")))
}

impl Object for ListCell {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        lock(&self.0).get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(lock(&self.0).len())
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Jinja]) -> Result<Jinja, Error> {
        if !CHANGES.contains(&method) {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        state.consume_fuel(1)?;
        // What is added may be the list itself: it is read before the list is held.
        let added: Vec<Jinja> = match method {
            "extend" => {
                need(args, method)?.try_iter()?.map(|item| put(&item, self, state)).collect::<Result<_, _>>()?
            }
            "append" => vec![put(need(args, method)?, self, state)?],
            "insert" => vec![args.get(1).map_or_else(|| Ok(Jinja::default()), |item| put(item, self, state))?],
            _ => Vec::new(),
        };
        state.consume_fuel(added.len() as u64)?;
        let mut items = lock(&self.0);
        match method {
            "append" | "extend" => items.extend(added),
            "insert" => {
                let at = place(args.first(), items.len(), 0).unwrap_or(0).min(items.len());
                added.into_iter().for_each(|item| items.insert(at, item));
            }
            "pop" => {
                let at = place(args.first(), items.len(), -1).filter(|at| *at < items.len());
                return at.map(|at| items.remove(at)).ok_or_else(|| fail("pop from empty list, or index out of range"));
            }
            "remove" => {
                let item = need(args, method)?;
                let at = items.iter().position(|known| known == item);
                items.remove(at.ok_or_else(|| fail("list.remove(x): x not in list"))?);
            }
            "clear" => items.clear(),
            "sort" => items.sort(),
            "reverse" => items.reverse(),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(none())
    }
}

impl Object for MapCell {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        lock(&self.0).get(&key.to_string()).map(|(_, value)| value.clone())
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        let found = lock(&self.0).get(key).map(|(_, value)| value.clone());
        Some(found.unwrap_or_else(|| trace::missing(key.to_owned(), None)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).values().map(|(key, _)| key.clone()).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Jinja]) -> Result<Jinja, Error> {
        if !CHANGES.contains(&method) {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let mut added: Vec<(Jinja, Jinja)> = Vec::new();
        let mut default = none();
        if let Some(value) = args.get(1).filter(|_| method == "setdefault") {
            default = put(value, self, state)?;
        }
        if method == "update" {
            for map in args {
                for key in map.try_iter()? {
                    // A mapping, or a list of pairs.
                    match map.kind() {
                        ValueKind::Map => added.push((key.clone(), put(&map.get_item(&key)?, self, state)?)),
                        _ => added.push((key.get_item_by_index(0)?, put(&key.get_item_by_index(1)?, self, state)?)),
                    }
                }
            }
        }
        state.consume_fuel(added.len() as u64 + 1)?;
        let mut map = lock(&self.0);
        match method {
            "update" => map.extend(added.into_iter().map(|(key, value)| (key.to_string(), (key, value)))),
            "setdefault" => {
                let key = need(args, method)?;
                let entry = map.entry(key.to_string());
                return Ok(entry.or_insert_with(|| (key.clone(), default)).1.clone());
            }
            "pop" => {
                let removed = map.shift_remove(&need(args, method)?.to_string()).map(|(_, value)| value);
                return removed.or_else(|| args.get(1).cloned()).ok_or_else(|| fail("there is no such key to pop"));
            }
            "popitem" => {
                let (_, (key, value)) = map.pop().ok_or_else(|| fail("popitem(): dictionary is empty"))?;
                return Ok(Jinja::from(vec![key, value]));
            }
            "clear" => map.clear(),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(none())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_set_takes_is_wrapped_and_places_are_kept() {
        let text = "{% set a = [] %}{% set b = c.d %}{{ a.append(1) }}";
        let (new, insertions) = wrapped(text, "{%", "%}");
        assert_eq!(new, "{% set a = __cfg_mutable([]) %}{% set b = c.d %}{{ a.append(1) }}");
        assert_eq!(original(new.find("a.append").unwrap(), &insertions), text.find("a.append").unwrap());
        assert_eq!(wrapped("{% set a = [] %}", "{%", "%}").0, "{% set a = [] %}");
        let text = "{% set n = namespace() %}{% set n.a = [n.a] %}{% set b = [] %}";
        let (new, insertions) = wrapped(text, "{%", "%}");
        assert_eq!(new, "{% set n = namespace() %}{% set n.a = __cfg_kept([n.a]) %}{% set b = [] %}");
        assert_eq!(original(new.find("b =").unwrap(), &insertions), text.find("b =").unwrap());
        let (new, insertions) = wrapped("{% set n.a = [] %}{{ namespace().a.append(1) }}", "{%", "%}");
        assert_eq!(new, "{% set n.a = __cfg_kept(__cfg_mutable([])) %}{{ namespace().a.append(1) }}");
        assert_eq!(insertions, [(13, 25), (40, 2)]);
    }
}
