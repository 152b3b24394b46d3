//! Names of hosts as inventories write them: ranges (`web[01:20].example.org`, `db-[a:f]`, with an optional step), and a port
//! behind a colon (`web1:2222`, `[2001:db8::1]:22`).

/// At most so many hosts may come of one pattern.
const LONGEST: u64 = 100_000;

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
    if parts.next().is_some() {
        return Err(format!("`[{body}]` has more than a start, an end and a step"));
    }
    let step: usize =
        step.parse().ok().filter(|s| *s > 0).ok_or_else(|| format!("`[{body}]`: the step is not a number"))?;
    let items = if let (Some(a), Some(b)) = (letter(start), letter(end)) {
        letters(a, b, step, body)?
    } else {
        numbers(if start.is_empty() { "0" } else { start }, end, step, body)?
    };
    // The first range counts slowest, as if it were written out.
    let tails = expand(tail)?;
    if (items.len() as u64).saturating_mul(tails.len() as u64) > LONGEST {
        return Err(format!("`{name}` stands for more than {LONGEST} hosts"));
    }
    let names = items.iter().flat_map(|item| tails.iter().map(move |tail| format!("{head}{item}{tail}"))).collect();
    Ok(names)
}

/// The names a pattern stands for, and the port behind it.
///
/// # Errors
/// Where a range or the port is not one.
pub fn hosts(pattern: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (name, port) = port(pattern.trim())?;
    Ok((expand(name)?, port))
}

/// Splits the port off. An address of IPv6 needs brackets to have one.
fn port(text: &str) -> Result<(&str, Option<u16>), String> {
    if text.ends_with(':') {
        return Err(format!("`{text}` ends with a colon, which wants a port behind it"));
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && address.parse::<std::net::Ipv6Addr>().is_ok()
    {
        let port = rest.strip_prefix(':').map(number_of_port).transpose()?;
        return Ok((address, port));
    }
    let outside = text.rfind(']').map_or(0, |at| at + 1);
    // What is inside of a bracket that is never closed is no port.
    if text.get(outside..).is_some_and(|end| end.contains('[')) {
        return Ok((text, None));
    }
    match text.get(outside..).and_then(|end| end.rfind(':')).map(|at| text.split_at(outside + at)) {
        Some((name, port)) if !name.contains(':') || outside > 0 => {
            Ok((name, Some(number_of_port(port.get(1..).unwrap_or(""))?)))
        }
        _ => Ok((text, None)),
    }
}

fn number_of_port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("`{text}` is not a port"))
}

fn letter(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
}

fn letters(a: char, b: char, step: usize, body: &str) -> Result<Vec<String>, String> {
    if b < a || a.is_ascii_lowercase() != b.is_ascii_lowercase() {
        return Err(format!("`[{body}]` is empty"));
    }
    Ok((a..=b).step_by(step).map(String::from).collect())
}

fn numbers(start: &str, end: &str, step: usize, body: &str) -> Result<Vec<String>, String> {
    let parse = |text: &str| text.parse::<u64>().map_err(|_| format!("`[{body}]` is not a range such as [1:10]"));
    let (a, b) = (parse(start)?, parse(end)?);
    if b < a || b - a > LONGEST {
        return Err(format!("`[{body}]` is empty or too long"));
    }
    // A leading zero means a fixed width.
    let width = if start.len() > 1 && start.starts_with('0') { start.len() } else { 0 };
    Ok((a..=b).step_by(step).map(|n| format!("{n:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::{expand, hosts};

    #[test]
    fn ranges() {
        assert_eq!(expand("web[08:10].x").unwrap(), ["web08.x", "web09.x", "web10.x"]);
        assert_eq!(expand("db-[a:c]").unwrap(), ["db-a", "db-b", "db-c"]);
        assert_eq!(expand("n[1:5:2]").unwrap(), ["n1", "n3", "n5"]);
        assert_eq!(expand("a[1:2]b[1:2]").unwrap(), ["a1b1", "a1b2", "a2b1", "a2b2"]);
        for wrong in ["x[3:1]", "x[1", "x[c:a]", "x[1:2:0]", "x[1:2:3:4]", "x[1:]", "x[1:999][1:999]"] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ports() {
        let table = [
            ("web1:2222", "web1", Some(2222)),
            ("web1", "web1", None),
            ("[::1]:22", "::1", Some(22)),
            ("::1", "::1", None),
            ("w[1:1]:22", "w1", Some(22)),
            ("w[1:1]", "w1", None),
        ];
        for (text, name, port) in table {
            assert_eq!(hosts(text).unwrap(), (vec![name.to_owned()], port), "{text}");
        }
        assert!(hosts("web:").is_err() && hosts("web:x").is_err() && hosts("web:0").is_err());
    }
}
