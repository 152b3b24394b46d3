//! Text: shaping it, and saying things in words.

use minijinja::Environment;

use super::call::{Args, Outcome, add, fail, float, items};
use crate::value::Value;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["comment"], comment);
    add(env, &["human_readable"], human_readable);
    add(env, &["human_to_bytes"], human_to_bytes);
    add(env, &["splitlines"], |v, _| Ok(Value::list(v.to_string().lines().map(Value::str))));
    add(env, &["wordcount"], |v, _| Ok(Value::from(v.to_string().split_whitespace().count())));
    add(env, &["wordwrap"], wordwrap);
    add(env, &["center"], center);
    add(env, &["type_debug"], |v, _| Ok(Value::str(python_type(v))));
    add(env, &["strftime"], strftime);
    add(env, &["truncate"], truncate);
    add(env, &["indent"], indent);
    add(env, &["title"], |v, _| Ok(title(&v.to_string()).into()));
    add(env, &["capitalize"], |v, _| {
        let text = v.to_string().to_lowercase();
        let mut chars = text.chars();
        Ok(chars.next().map(|c| c.to_uppercase().chain(chars).collect::<String>()).unwrap_or_default().into())
    });
    add(env, &["list"], |v, _| Ok(items(v)?.into()));
}

/// The name of the type Python has for a value.
pub fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) => "str",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        Value::Omit => "Omit",
        Value::Unknown => "unknown",
    }
}

fn comment(value: &Value, args: &Args) -> Outcome {
    let style = args.text(0, "style").unwrap_or_else(|| "plain".into());
    let (begin, decoration, end) = match style.as_str() {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        other => return Err(fail(format!("`comment` has no style `{other}`"))),
    };
    let named = |name: &str| args.named().get(name).map(Value::to_string);
    let decoration = named("decoration").unwrap_or_else(|| decoration.to_owned());
    let edge = |name: &str| named(name).unwrap_or_else(|| decoration.trim_end().to_owned());
    let newline = named("newline").unwrap_or_else(|| "\n".into());
    let (begin, end) = (named("beginning").unwrap_or_else(|| begin.into()), named("end").unwrap_or_else(|| end.into()));
    let count =
        |name: &str| args.named().get(name).and_then(|n| n.to_string().parse::<usize>().ok()).unwrap_or(1).min(1000);
    let mut out = String::new();
    let text = value.to_string();
    let lines = text.split('\n').count().saturating_add(count("prefix_count")).saturating_add(count("postfix_count"));
    let longest = decoration.len() + edge("prefix").len() + edge("postfix").len() + newline.len();
    args.spend_text(longest, lines)?;
    if !begin.is_empty() {
        out += &format!("{begin}{newline}");
    }
    let before = format!("{}{newline}", edge("prefix"));
    if !edge("prefix").is_empty() {
        out += &before.repeat(count("prefix_count"));
    }
    // As in Ansible an empty line has no space at its end, unless it is the last one.
    let lines: Vec<&str> = text.split('\n').collect();
    for (i, line) in lines.iter().enumerate() {
        let is_last = i + 1 == lines.len();
        out += if line.is_empty() && !is_last { decoration.trim_end() } else { &decoration };
        out += line;
        out += if is_last { "" } else { &newline };
    }
    if !edge("postfix").is_empty() {
        out += &format!("{newline}{}", edge("postfix")).repeat(count("postfix_count"));
    }
    if !end.is_empty() {
        out += &format!("{newline}{end}");
    }
    Ok(out.into())
}

const UNITS: [(char, u32); 8] =
    [('Y', 80), ('Z', 70), ('E', 60), ('P', 50), ('T', 40), ('G', 30), ('M', 20), ('K', 10)];

fn human_readable(value: &Value, args: &Args) -> Outcome {
    let (size, bits) = (float(value)?, args.flag(0, "isbits"));
    let unit = args.text(1, "unit").map(|unit| unit.to_uppercase());
    let factor = |power: u32| 2f64.powi(i32::try_from(power).unwrap_or(0));
    let wanted = |(letter, power): &(char, u32)| match &unit {
        Some(unit) => unit.starts_with(*letter),
        None => size >= factor(*power),
    };
    let suffix = if bits { "b" } else { "B" };
    Ok(match UNITS.iter().find(|entry| wanted(entry)) {
        Some((letter, power)) => format!("{:.2} {letter}{suffix}", size / factor(*power)),
        None => format!("{size:.2} {}", if bits { "bits" } else { "Bytes" }),
    }
    .into())
}

fn human_to_bytes(value: &Value, args: &Args) -> Outcome {
    let text = value.to_string();
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let wrong = || fail(format!("`human_to_bytes` cannot read `{text}`"));
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = Some(unit.trim().to_owned()).filter(|unit| !unit.is_empty()).or_else(|| args.text(0, "default_unit"));
    let Some(unit) = unit else { return Ok(Value::Int(number.round() as i64)) };
    let letter = unit.chars().next().unwrap_or_default().to_ascii_uppercase();
    if letter == 'B' {
        return Ok(Value::Int(number.round() as i64));
    }
    let (_, power) = UNITS.iter().find(|(known, _)| *known == letter).ok_or_else(wrong)?;
    let bits = args.flag(1, "isbits");
    let rest = unit.get(1..).unwrap_or_default();
    let fits = matches!((bits, rest), (_, "") | (false, "B") | (true, "b"))
        || (rest.len() > 1 && rest.to_ascii_lowercase().starts_with(if bits { "bit" } else { "byte" }));
    if !fits {
        return Err(wrong());
    }
    Ok(Value::Int((number * 2f64.powi(i32::try_from(*power).unwrap_or(0))).round() as i64))
}

fn wordwrap(value: &Value, args: &Args) -> Outcome {
    let width = args.int(0, "width")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(79).max(1);
    let long = args.placed().get(1).or(args.named().get("break_long_words")).is_none_or(Value::is_true);
    let newline = args.text(2, "wrapstring").unwrap_or_else(|| "\n".into());
    let text = value.to_string();
    let lines: Vec<String> = text.lines().flat_map(|line| wrap(line, width, long)).collect();
    args.spend_text(newline.len() + 64, lines.len())?;
    Ok(lines.join(&newline).into())
}

fn wrap(line: &str, width: usize, long: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut current = String::new();
    for word in line.split_whitespace() {
        let (mut word, used) = (word, current.chars().count());
        if used > 0 && used + 1 + word.chars().count() <= width {
            current += " ";
            current += word;
            continue;
        }
        if used > 0 && long && word.chars().count() > width && used + 1 < width {
            let cut = word.char_indices().nth(width - used - 1).map_or(word.len(), |(at, _)| at);
            let (head, tail) = word.split_at(cut);
            current += &format!(" {head}");
            word = tail;
        }
        if !current.is_empty() {
            lines.push(std::mem::take(&mut current));
        }
        while let Some((cut, _)) = word.char_indices().nth(width).filter(|_| long) {
            let (head, tail) = word.split_at(cut);
            lines.push(head.to_owned());
            word = tail;
        }
        current = word.to_owned();
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

fn center(value: &Value, args: &Args) -> Outcome {
    let width = args.int(0, "width")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(80).min(100_000);
    let text = value.to_string();
    let pad = width.saturating_sub(text.chars().count());
    // Python puts the odd space to the left where the width is odd.
    let left = pad / 2 + (pad & width & 1);
    Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(pad - left)).into())
}

fn indent(value: &Value, args: &Args) -> Outcome {
    let pad = match args.get(0, "width") {
        Some(Value::Int(n)) => " ".repeat(usize::try_from(*n).unwrap_or(0).min(1000)),
        Some(other) => other.to_string(),
        None => "    ".to_owned(),
    };
    let (first, blank) = (args.flag(1, "first"), args.flag(2, "blank"));
    let text = value.to_string();
    args.spend_text(pad.len(), text.split('\n').count())?;
    let line = |(n, line): (usize, &str)| {
        let wanted = if n == 0 { first } else { blank || !line.is_empty() };
        if wanted { format!("{pad}{line}") } else { line.to_owned() }
    };
    Ok(text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n").into())
}

/// Each word with a capital.
pub fn title(text: &str) -> String {
    let (mut out, mut inside) = (String::new(), false);
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase())
        } else {
            out.extend(c.to_uppercase())
        }
        inside = !(c.is_whitespace() || "-({[<".contains(c));
    }
    out
}

fn truncate(value: &Value, args: &Args) -> Outcome {
    let text = value.to_string();
    let length = args.int(0, "length")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(255);
    let end = args.placed().get(2).or(args.named().get("end")).map_or("...".to_owned(), Value::to_string);
    let leeway = args.int(3, "leeway")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(5);
    if text.chars().count() <= length + leeway {
        return Ok(text.into());
    }
    let cut: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept = if args.flag(1, "killwords") {
        cut.as_str()
    } else {
        cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head)
    };
    Ok(format!("{kept}{end}").into())
}

fn strftime(value: &Value, args: &Args) -> Outcome {
    let moment = match args.get(0, "second") {
        Some(second) => {
            let seconds = float(second)?;
            jiff::Timestamp::from_second(seconds.floor() as i64).map_err(|e| fail(e.to_string()))?
        }
        None => jiff::Timestamp::now(),
    };
    let zone = if args.flag(1, "utc") { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
    let format = value.to_string();
    let shown = jiff::fmt::strtime::format(&format, &moment.to_zoned_datetime(zone));
    shown.map(Value::from).map_err(|e| fail(format!("`{format}` is not a format of a date: {e}")))
}
