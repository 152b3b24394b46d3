//! Comparing versions as Ansible does.

use std::cmp::Ordering;

/// A part of a loose version.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Number(u64),
    Word(String),
}

/// Compares two versions by the rules of `kind`: loose, strict, semver or pep440.
///
/// # Errors
/// Where a version does not follow the rules.
pub fn compare(a: &str, b: &str, kind: &str) -> Result<Ordering, String> {
    if a.trim().is_empty() || b.trim().is_empty() {
        return Err("a version to compare is empty".to_owned());
    }
    match kind {
        "loose" => compare_loose(a, b),
        "strict" => Ok(strict(a)?.cmp(&strict(b)?)),
        "semver" | "semantic" => Ok(semver(a)?.cmp(&semver(b)?)),
        "pep440" => Ok(pep440(a)?.cmp(&pep440(b)?)),
        other => Err(format!("`version_type` is loose, strict, semver or pep440, not `{other}`")),
    }
}

/// Runs of digits are numbers, runs of letters words.
fn loose(text: &str) -> Vec<Part> {
    let class = |c: char| match c {
        c if c.is_ascii_digit() => 0,
        c if c.is_ascii_lowercase() => 1,
        '.' => 2,
        _ => 3,
    };
    let mut runs: Vec<(u8, String)> = Vec::new();
    for c in text.chars() {
        match runs.last_mut() {
            Some((last, run)) if *last == class(c) && *last != 2 => run.push(c),
            _ => runs.push((class(c), c.to_string())),
        }
    }
    let part = |(class, run): (u8, String)| match class {
        2 => None,
        0 => Some(run.parse().map_or_else(|_| Part::Word(run.clone()), Part::Number)),
        _ => Some(Part::Word(run)),
    };
    runs.into_iter().filter_map(part).collect()
}

fn compare_loose(a: &str, b: &str) -> Result<Ordering, String> {
    let (left, right) = (loose(a), loose(b));
    for (x, y) in left.iter().zip(&right) {
        let order = match (x, y) {
            (Part::Number(x), Part::Number(y)) => x.cmp(y),
            (Part::Word(x), Part::Word(y)) => x.cmp(y),
            _ => return Err(format!("cannot compare the versions `{a}` and `{b}`: a number meets a word")),
        };
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

/// `1.2`, `1.2.3`, with `a1` or `b1` after it. A version without one comes after those with one.
fn strict(text: &str) -> Result<(Vec<u64>, bool, String, u64), String> {
    let wrong = || format!("`{text}` is not a strict version such as 1.2.3");
    let at = text.find(['a', 'b']).unwrap_or(text.len());
    let (numbers, pre) = text.split_at(at);
    let mut numbers = numbers.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>().map_err(|_| wrong())?;
    if !(2..=3).contains(&numbers.len()) {
        return Err(wrong());
    }
    numbers.resize(3, 0);
    let number = if pre.is_empty() { 0 } else { pre.get(1..).unwrap_or_default().parse().map_err(|_| wrong())? };
    Ok((numbers, pre.is_empty(), pre.chars().take(1).collect(), number))
}

/// An identifier of a semantic prerelease: numbers come before words.
type Identifier = (bool, u64, String);

fn semver(text: &str) -> Result<(Vec<u64>, bool, Vec<Identifier>), String> {
    let wrong = || format!("`{text}` is not a semantic version such as 1.2.3");
    let text = text.strip_prefix('v').unwrap_or(text);
    let core = text.split('+').next().unwrap_or_default();
    let (numbers, pre) = core.split_once('-').unwrap_or((core, ""));
    let numbers = numbers.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>().map_err(|_| wrong())?;
    if numbers.len() != 3 {
        return Err(wrong());
    }
    let identifier = |part: &str| match part.parse::<u64>() {
        Ok(number) => (false, number, String::new()),
        Err(_) => (true, 0, part.to_owned()),
    };
    let identifiers = if pre.is_empty() { Vec::new() } else { pre.split('.').map(identifier).collect() };
    Ok((numbers, pre.is_empty(), identifiers))
}

/// Epoch, release without trailing zeros, phase and its number, post and dev releases.
type Pep440 = (u64, Vec<u64>, i8, u64, i64, u64);

fn pep440(text: &str) -> Result<Pep440, String> {
    let lower = text.trim().trim_start_matches('v').to_lowercase();
    let lower = lower.split('+').next().unwrap_or_default().replace(['-', '_'], ".");
    let (epoch, rest) = lower.split_once('!').unwrap_or(("0", &lower));
    let epoch = epoch.parse().map_err(|_| format!("`{text}` is not a version of PEP 440"))?;
    let (mut release, mut phase, mut pre, mut post, mut dev) = (Vec::new(), 0i8, 0, -1i64, u64::MAX);
    let mut parts = loose(rest).into_iter().peekable();
    while let Some(Part::Number(n)) = parts.next_if(|part| matches!(part, Part::Number(_))) {
        release.push(n);
    }
    while let Some(part) = parts.next() {
        let Part::Word(word) = part else { continue };
        let number = match parts.next_if(|part| matches!(part, Part::Number(_))) {
            Some(Part::Number(n)) => n,
            _ => 0,
        };
        match word.as_str() {
            "a" | "alpha" => (phase, pre) = (-3, number),
            "b" | "beta" => (phase, pre) = (-2, number),
            "rc" | "c" | "pre" | "preview" => (phase, pre) = (-1, number),
            "post" | "rev" | "r" => post = i64::try_from(number).unwrap_or(i64::MAX),
            "dev" => dev = number,
            _ => return Err(format!("`{text}` is not a version of PEP 440")),
        }
    }
    // A development release of the version itself comes before its alphas.
    if dev != u64::MAX && phase == 0 && post < 0 {
        phase = -4;
    }
    while release.last() == Some(&0) {
        release.pop();
    }
    Ok((epoch, release, phase, pre, post, dev))
}
