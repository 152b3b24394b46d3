//! Numbers.

use std::sync::Arc;

use minijinja::Environment;

use super::call::{Args, Outcome, add, fail, float, items};
use super::sets::reach;
use crate::value::Value;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["int"], int);
    add(env, &["float"], |v, a| {
        let default = a.get(0, "default").map_or(Ok(0.0), float)?;
        Ok(Value::Float(if matches!(v, Value::Null) { default } else { float(v).unwrap_or(default) }))
    });
    add(env, &["round"], round);
    add(env, &["log"], |v, a| {
        let x = float(v)?;
        Ok(Value::Float(match a.get(0, "base").map(float).transpose()? {
            None => x.ln(),
            Some(10.0) => x.log10(),
            Some(2.0) => x.log2(),
            Some(base) => x.ln() / base.ln(),
        }))
    });
    add(env, &["pow"], |v, a| Ok(Value::Float(float(v)?.powf(float(a.need(0, "y")?)?))));
    add(env, &["root"], |v, a| {
        let (x, base) = (float(v)?, a.get(0, "base").map_or(Ok(2.0), float)?);
        Ok(Value::Float(match base {
            2.0 => x.sqrt(),
            3.0 => x.cbrt(),
            base => x.powf(1.0 / base),
        }))
    });
    add(env, &["sum"], sum);
}

/// A number in text, or else the default: never an error, as in Jinja.
fn int(value: &Value, args: &Args) -> Outcome {
    let default = args.get(0, "default").cloned().unwrap_or(Value::Int(0));
    let base = args.int(1, "base")?.and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 36 && *n != 1).unwrap_or(10);
    Ok(match value {
        Value::Int(_) => value.clone(),
        Value::Bool(b) => Value::Int((*b).into()),
        Value::Float(x) => Value::Int(x.trunc() as i64),
        Value::Str(text) => parse(text, base).map_or(default, Value::Int),
        _ => default,
    })
}

fn parse(text: &str, base: u32) -> Option<i64> {
    let text = text.trim().replace('_', "");
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let lower = digits.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find_map(|(prefix, own)| {
        let rest = lower.strip_prefix(prefix)?;
        (base == own || base == 0).then_some((rest.to_owned(), own))
    });
    let (digits, base) = prefixed.unwrap_or((lower, if base == 0 { 10 } else { base }));
    // A sign behind the sign is none.
    let digits = Some(digits).filter(|digits| !digits.starts_with(['-', '+']));
    let whole = digits.and_then(|digits| i64::from_str_radix(&digits, base).ok());
    let whole = whole.map(|n| if negative { -n } else { n });
    whole.or_else(|| text.parse::<f64>().ok().filter(|x| x.is_finite()).map(|x| x.trunc() as i64))
}

fn round(value: &Value, args: &Args) -> Outcome {
    let places = args.int(0, "precision")?.unwrap_or(0).clamp(-18, 18);
    let method = args.text(1, "method").unwrap_or_else(|| "common".into());
    if matches!(value, Value::Int(_)) && method == "common" {
        return Ok(value.clone());
    }
    let (x, scale) = (float(value)?, 10f64.powi(i32::try_from(places).unwrap_or(0)));
    Ok(Value::Float(match method.as_str() {
        // Python rounds the exact decimal value, halves to even; so does formatting.
        "common" if places >= 0 => format!("{x:.*}", usize::try_from(places).unwrap_or(0)).parse().unwrap_or(x),
        "common" => (x * scale).round_ties_even() / scale,
        "ceil" => (x * scale).ceil() / scale,
        "floor" => (x * scale).floor() / scale,
        other => return Err(fail(format!("`round` has no method `{other}`"))),
    }))
}

fn sum(value: &Value, args: &Args) -> Outcome {
    let attribute = args.text(0, "attribute");
    let mut total = args.placed().get(1).or(args.named().get("start")).cloned().unwrap_or(Value::Int(0));
    for item in items(value)? {
        let item = match &attribute {
            Some(path) => reach(&item, path).ok_or_else(|| fail(format!("an item has no `{path}`")))?,
            None => item,
        };
        total = match (&total, &item) {
            (Value::List(_), Value::List(b)) => {
                args.spend(b.len() as u64)?;
                let Value::List(mut all) = std::mem::take(&mut total) else { continue };
                Arc::make_mut(&mut all).extend(b.iter().cloned());
                Value::List(all)
            }
            (Value::Int(a), Value::Int(b)) => {
                a.checked_add(*b).map(Value::Int).ok_or_else(|| fail("the sum is too large"))?
            }
            (a, b) if !matches!((a, b), (Value::Str(_), _) | (_, Value::Str(_))) => Value::Float(float(a)? + float(b)?),
            (a, b) => return Err(fail(format!("cannot add {} to {}", b.type_name(), a.type_name()))),
        };
    }
    Ok(total)
}
