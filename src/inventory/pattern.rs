//! Host patterns: `web:db`, `web:&stage`, `web:!old`, `*.example.org`, `~regex`, `web[0:2]`.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexSet;

use super::Inventory;
use crate::diagnostic::nearest;

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    how: How,
    text: String,
    slice: Option<(i64, Option<i64>, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Add,
    Keep,
    Drop,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A part is neither a group nor a host.
    #[error("`{name}` is neither a host nor a group of the inventory")]
    Unknown {
        /// The part.
        name: String,
        /// The nearest name there is.
        nearest: Option<String>,
    },
    /// An index points behind the last host.
    #[error("`{pattern}`: `{name}` has {count} {}, counted from 0", if *count == 1 { "host" } else { "hosts" })]
    NoSuchIndex {
        /// The part as it was written.
        pattern: String,
        /// What the index is of.
        name: String,
        /// How many hosts that has.
        count: usize,
    },
    /// A regular expression is not valid.
    #[error("`~{0}` is not a valid regular expression")]
    BadRegex(String),
}

impl PatternError {
    /// The part of the pattern that is wrong, as it was written.
    pub fn part(&self) -> &str {
        match self {
            Self::Unknown { name, .. } => name,
            Self::NoSuchIndex { pattern, .. } => pattern,
            Self::BadRegex(regex) => regex,
        }
    }
}

impl Pattern {
    /// Reads a pattern; parts are separated by commas or colons. Separators alone leave out nothing: they mean all hosts.
    pub fn parse(text: &str) -> Self {
        let mut parts: Vec<Part> = split(text).into_iter().map(|part| Part::parse(&part)).collect();
        // Exclusions and intersections apply after everything was added, wherever they stand.
        parts.sort_by_key(|part| part.how);
        if parts.first().is_none_or(|part| part.how != How::Add) {
            parts.insert(0, Part { how: How::Add, text: "all".into(), slice: None });
        }
        Self { parts }
    }

    /// The hosts it selects, in order.
    ///
    /// # Errors
    /// Where a part that adds hosts names nothing of the inventory.
    pub fn hosts(&self, inventory: &Inventory) -> Result<Vec<Arc<str>>, PatternError> {
        let mut selected: IndexSet<Arc<str>> = IndexSet::new();
        for part in &self.parts {
            let hosts = part.hosts(inventory)?;
            if part.how == How::Add {
                selected.extend(hosts);
                continue;
            }
            let hosts: HashSet<Arc<str>> = hosts.into_iter().collect();
            selected.retain(|host| hosts.contains(host) == (part.how == How::Keep));
        }
        Ok(selected.into_iter().collect())
    }
}

/// The names of this machine that stand for themselves in every inventory: Ansible's.
pub const LOCAL: &[&str] = &["localhost", "127.0.0.1", "::1"];

/// Splits at commas and colons that are not inside brackets; an address of IPv6 is one part.
fn split(text: &str) -> Vec<String> {
    let parts = split_at(text, ',').into_iter().flat_map(|part| {
        let address = part.trim_start_matches(['&', '!']);
        if address.parse::<std::net::Ipv6Addr>().is_ok() { vec![part] } else { split_at(&part, ':') }
    });
    parts.collect()
}

fn split_at(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && c == separator {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

impl Part {
    fn parse(text: &str) -> Self {
        let (how, text) = match text.chars().next() {
            Some('&') => (How::Keep, text.get(1..).unwrap_or("")),
            Some('!') => (How::Drop, text.get(1..).unwrap_or("")),
            _ => (How::Add, text),
        };
        if let Some((name, inner)) = text.strip_suffix(']').and_then(|t| t.rsplit_once('['))
            && !text.starts_with('~')
            && let Some(slice) = parse_slice(inner)
        {
            return Self { how, text: name.to_owned(), slice: Some(slice) };
        }
        Self { how, text: text.to_owned(), slice: None }
    }

    fn hosts(&self, inventory: &Inventory) -> Result<Vec<Arc<str>>, PatternError> {
        let found = self.unsliced(inventory)?;
        let Some((start, end, is_range)) = self.slice else { return Ok(found) };
        let length = found.len() as i64;
        let index = |i: i64| if i < 0 { length + i } else { i };
        let first = index(start).max(0);
        let last = match end {
            Some(end) => index(end),
            None if is_range => length - 1,
            // An index names one host; that there are no hosts at all is somebody else's to say.
            None if !found.is_empty() && !(0..length).contains(&index(start)) => {
                let (name, count) = (self.text.clone(), found.len());
                return Err(PatternError::NoSuchIndex { pattern: format!("{name}[{start}]"), name, count });
            }
            None => first,
        };
        Ok(found
            .into_iter()
            .enumerate()
            .filter(|(i, _)| (first..=last).contains(&(*i as i64)))
            .map(|(_, h)| h)
            .collect())
    }

    fn unsliced(&self, inventory: &Inventory) -> Result<Vec<Arc<str>>, PatternError> {
        if let Some(regex) = self.text.strip_prefix('~') {
            let regex =
                fancy_regex::Regex::new(&format!("^(?:{regex})")).map_err(|_| PatternError::BadRegex(regex.into()))?;
            return Ok(self.matching(inventory, |name| regex.is_match(name).unwrap_or(false)));
        }
        if self.text.contains(['*', '?', '[']) || self.text == "all" {
            return Ok(self.matching(inventory, |name| self.text == "all" || glob(&self.text, name)));
        }
        if inventory.groups.contains_key(self.text.as_str()) {
            return Ok(inventory.hosts_in(&self.text));
        }
        if let Some((name, _)) = inventory.hosts.get_key_value(self.text.as_str()) {
            return Ok(vec![name.clone()]);
        }
        // This machine needs no inventory, where it is named; `all` does not mean it.
        if LOCAL.contains(&self.text.as_str()) {
            return Ok(vec![Arc::from(self.text.as_str())]);
        }
        if self.how != How::Add {
            return Ok(Vec::new());
        }
        let names = inventory.hosts.keys().chain(inventory.groups.keys()).map(AsRef::as_ref);
        let nearest = nearest(&self.text, names).map(str::to_owned);
        Err(PatternError::Unknown { name: self.text.clone(), nearest })
    }

    /// Hosts that match, and hosts of groups that match.
    fn matching(&self, inventory: &Inventory, matches: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let mut hosts: HashSet<Arc<str>> = HashSet::new();
        for name in inventory.groups.keys().filter(|name| name.as_ref() != "all" && matches(name)) {
            hosts.extend(inventory.hosts_in(name));
        }
        hosts.extend(
            inventory.hosts.iter().filter(|(name, host)| matches(name) && !host.implicit).map(|(n, _)| n.clone()),
        );
        // In the order of the inventory, each once.
        inventory.hosts.keys().filter(|name| hosts.contains(*name)).cloned().collect()
    }
}

fn parse_slice(text: &str) -> Option<(i64, Option<i64>, bool)> {
    match text.split_once([':', '-']).filter(|(start, _)| !start.is_empty()) {
        Some((start, "")) => Some((start.parse().ok()?, None, true)),
        Some((start, end)) => Some((start.parse().ok()?, Some(end.parse().ok()?), true)),
        None => Some((text.parse().ok()?, None, false)),
    }
}

/// What a character of a shell pattern stands for.
enum Sign {
    /// `*`
    Any,
    /// `?`
    One,
    /// `[a-c]`, or `[!a-c]` where it is turned around.
    Set(bool, Vec<(char, char)>),
    /// Itself.
    Char(char),
}

impl Sign {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Set(turned, ranges) => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *turned,
            Self::Char(own) => *own == c,
        }
    }
}

fn signs(pattern: &str) -> Vec<Sign> {
    let mut signs = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or("");
        signs.push(match c {
            '*' => Sign::Any,
            '?' => Sign::One,
            '[' => match set(rest) {
                Some((sign, behind)) => {
                    rest = behind;
                    sign
                }
                None => Sign::Char('['),
            },
            c => Sign::Char(c),
        });
    }
    signs
}

/// Reads a set behind its `[`; a `]` that stands first belongs to it.
fn set(text: &str) -> Option<(Sign, &str)> {
    let turned = text.starts_with('!');
    let inner = if turned { text.get(1..)? } else { text };
    let first = inner.chars().next()?.len_utf8();
    let end = first + inner.get(first..)?.find(']')?;
    let chars: Vec<char> = inner.get(..end)?.chars().collect();
    let mut ranges = Vec::new();
    let mut i = 0;
    while let Some(start) = chars.get(i) {
        match (chars.get(i + 1), chars.get(i + 2)) {
            (Some('-'), Some(last)) => {
                ranges.push((*start, *last));
                i += 3;
            }
            _ => {
                ranges.push((*start, *start));
                i += 1;
            }
        }
    }
    Some((Sign::Set(turned, ranges), inner.get(end + 1..)?))
}

/// Shell patterns: `*`, `?`, `[a-c]` and `[!a-c]`.
pub fn glob(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Which lengths of the text the signs so far can stand for.
    let mut reach = vec![false; text.len() + 1];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    for sign in signs(pattern) {
        let mut next = Vec::with_capacity(reach.len());
        for i in 0..reach.len() {
            let here = reach.get(i).copied().unwrap_or(false);
            let step = i.checked_sub(1).and_then(|before| Some((*reach.get(before)?, *text.get(before)?)));
            let stepped = step.is_some_and(|(reached, c)| reached && sign.fits(c));
            let value = match sign {
                Sign::Any => here || next.last().copied().unwrap_or(false),
                _ => stepped,
            };
            next.push(value);
        }
        reach = next;
    }
    reach.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::{Group, Host};
    use super::*;

    fn inventory() -> Inventory {
        let mut inventory = Inventory::default();
        for name in ["web1", "web2", "web3", "db1", "stage1", "::1"] {
            inventory.hosts.insert(Arc::from(name), Host::default());
        }
        for (name, hosts) in
            [("web", vec!["web1", "web2", "web3"]), ("db", vec!["db1"]), ("stage", vec!["web2", "stage1"])]
        {
            let hosts = hosts.into_iter().map(Arc::from).collect();
            inventory.groups.insert(Arc::from(name), Group { hosts, ..Group::default() });
        }
        inventory.finish();
        inventory
    }

    #[test]
    fn patterns_select_hosts() {
        let inventory = inventory();
        let table = [
            ("all", "web1 web2 web3 db1 stage1 ::1"),
            ("web", "web1 web2 web3"),
            ("web:db", "web1 web2 web3 db1"),
            ("web,db1", "web1 web2 web3 db1"),
            ("web:&stage", "web2"),
            ("web:!stage", "web1 web3"),
            ("!web", "db1 stage1 ::1"),
            ("*b1", "web1 db1"),
            ("~(web|db)1", "web1 db1"),
            ("web[0]", "web1"),
            ("web[-1]", "web3"),
            ("web[0:1]", "web1 web2"),
            ("web[1:]", "web2 web3"),
            ("ungrouped", "::1"),
            ("web:!nosuch", "web1 web2 web3"),
            ("web[0-1]", "web1 web2"),
            ("web[7:]", ""),
            ("web[!1]", "web2 web3"),
            ("[wd]*1", "web1 db1"),
            ("w[a-f]?[!3]", "web1 web2"),
            ("w??[1-2]", "web2 web3"),
            ("db1,web:&stage", "web2"),
            ("db,web:!web1", "db1 web2 web3"),
            ("::1", "::1"),
            ("", "web1 web2 web3 db1 stage1 ::1"),
            (",,", "web1 web2 web3 db1 stage1 ::1"),
            ("localhost", "localhost"),
            ("web1,localhost,127.0.0.1", "web1 localhost 127.0.0.1"),
            ("localhost:&localhost", "localhost"),
            ("localhost:!localhost", ""),
        ];
        for (text, expected) in table {
            let hosts = Pattern::parse(text).hosts(&inventory).unwrap();
            assert_eq!(hosts.join(" "), expected, "{text}");
        }
        assert!(matches!(Pattern::parse("web[7]").hosts(&inventory), Err(PatternError::NoSuchIndex { count: 3, .. })));
        let error = Pattern::parse("wbe").hosts(&inventory).unwrap_err();
        assert!(matches!(error, PatternError::Unknown { nearest: Some(n), .. } if n == "web"));
    }
}
