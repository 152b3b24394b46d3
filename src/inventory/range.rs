//! Ranges in host names: `web[01:20].example.org`, `db-[a:f]`, with an optional step.

/// Expands every range in a name. A name without one gives itself.
///
/// # Errors
/// Where a range is not one.
pub fn expand(name: &str) -> Result<Vec<String>, String> {
    let Some(open) = name.find('[') else { return Ok(vec![name.to_owned()]) };
    let rest = name.get(open + 1..).unwrap_or("");
    let close = rest.find(']').ok_or_else(|| format!("`{name}`: a `[` is not closed"))?;
    let (head, body, tail) =
        (name.get(..open).unwrap_or(""), rest.get(..close).unwrap_or(""), rest.get(close + 1..).unwrap_or(""));
    let mut parts = body.split(':');
    let (start, end, step) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or("1"));
    let step: usize =
        step.parse().ok().filter(|s| *s > 0).ok_or_else(|| format!("`[{body}]`: the step is not a number"))?;
    let items = if let (Some(a), Some(b)) = (letter(start), letter(end)) {
        (a..=b).step_by(step).map(String::from).collect()
    } else {
        numbers(if start.is_empty() { "0" } else { start }, end, step, body)?
    };
    let mut names = Vec::new();
    for tail in expand(tail)? {
        names.extend(items.iter().map(|item: &String| format!("{head}{item}{tail}")));
    }
    Ok(names)
}

fn letter(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
}

fn numbers(start: &str, end: &str, step: usize, body: &str) -> Result<Vec<String>, String> {
    let parse = |text: &str| text.parse::<u64>().map_err(|_| format!("`[{body}]` is not a range such as [1:10]"));
    let (a, b) = (parse(start)?, parse(end)?);
    if b < a || b - a > 100_000 {
        return Err(format!("`[{body}]` is empty or too long"));
    }
    // A leading zero means a fixed width.
    let width = if start.len() > 1 && start.starts_with('0') { start.len() } else { 0 };
    Ok((a..=b).step_by(step).map(|n| format!("{n:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn ranges() {
        assert_eq!(expand("web[08:10].x").unwrap(), ["web08.x", "web09.x", "web10.x"]);
        assert_eq!(expand("db-[a:c]").unwrap(), ["db-a", "db-b", "db-c"]);
        assert_eq!(expand("n[1:5:2]").unwrap(), ["n1", "n3", "n5"]);
        assert_eq!(expand("a[1:2]b[1:2]").unwrap().len(), 4);
        assert!(expand("x[3:1]").is_err());
        assert!(expand("x[1").is_err());
    }
}
