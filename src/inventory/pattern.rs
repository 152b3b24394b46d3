//! Host patterns: `web:db`, `web:&stage`, `web:!old`, `*.example.org`, `~regex`, `web[0:2]`.

use std::sync::Arc;

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
    /// A regular expression is not valid.
    #[error("`~{0}` is not a valid regular expression")]
    BadRegex(String),
}

impl Pattern {
    /// Reads a pattern; parts are separated by commas or colons.
    pub fn parse(text: &str) -> Self {
        let mut parts: Vec<Part> = split(text).into_iter().map(|part| Part::parse(&part)).collect();
        // Exclusions and intersections apply after everything was added, wherever they stand.
        parts.sort_by_key(|part| part.how);
        if parts.first().is_some_and(|part| part.how != How::Add) {
            parts.insert(0, Part { how: How::Add, text: "all".into(), slice: None });
        }
        Self { parts }
    }

    /// The hosts it selects, in order.
    ///
    /// # Errors
    /// Where a part that adds hosts names nothing of the inventory.
    pub fn hosts(&self, inventory: &Inventory) -> Result<Vec<Arc<str>>, PatternError> {
        let mut selected: Vec<Arc<str>> = Vec::new();
        for part in &self.parts {
            let hosts = part.hosts(inventory)?;
            match part.how {
                How::Add => {
                    for host in hosts {
                        if !selected.contains(&host) {
                            selected.push(host);
                        }
                    }
                }
                How::Keep => selected.retain(|host| hosts.contains(host)),
                How::Drop => selected.retain(|host| !hosts.contains(host)),
            }
        }
        Ok(selected)
    }
}

/// Splits at commas, or at colons that are not inside brackets (ranges, IPv6 addresses).
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    let by_comma = text.contains(',');
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        let separates = depth == 0 && (c == ',' || (c == ':' && !by_comma));
        if separates {
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
        if self.text.contains(['*', '?']) || self.text == "all" {
            return Ok(self.matching(inventory, |name| self.text == "all" || glob(&self.text, name)));
        }
        if inventory.groups.contains_key(self.text.as_str()) {
            return Ok(inventory.hosts_in(&self.text));
        }
        if let Some((name, _)) = inventory.hosts.get_key_value(self.text.as_str()) {
            return Ok(vec![name.clone()]);
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
        let mut hosts: Vec<Arc<str>> = Vec::new();
        for name in inventory.groups.keys().filter(|name| name.as_ref() != "all" && matches(name)) {
            hosts.extend(inventory.hosts_in(name));
        }
        hosts.extend(
            inventory.hosts.iter().filter(|(name, host)| matches(name) && !host.implicit).map(|(n, _)| n.clone()),
        );
        // In the order of the inventory, each once.
        inventory.hosts.keys().filter(|name| hosts.contains(name)).cloned().collect()
    }
}

fn parse_slice(text: &str) -> Option<(i64, Option<i64>, bool)> {
    match text.split_once([':', '-']).filter(|(start, _)| !start.is_empty()) {
        Some((start, "")) => Some((start.parse().ok()?, None, true)),
        Some((start, end)) => Some((start.parse().ok()?, Some(end.parse().ok()?), true)),
        None => Some((text.parse().ok()?, None, false)),
    }
}

/// Shell patterns: `*` and `?`.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let mut reach = vec![false; t.len() + 1];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    for c in p {
        let mut next = vec![false; t.len() + 1];
        for i in 0..=t.len() {
            let here = reach.get(i).copied().unwrap_or(false);
            let before = i > 0 && next.get(i - 1).copied().unwrap_or(false);
            let step = i > 0 && reach.get(i - 1).copied().unwrap_or(false);
            let value = match c {
                '*' => here || before,
                '?' => step,
                c => step && t.get(i - 1) == Some(&c),
            };
            if let Some(cell) = next.get_mut(i) {
                *cell = value;
            }
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
        for name in ["web1", "web2", "web3", "db1", "stage1"] {
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
            ("all", "web1 web2 web3 db1 stage1"),
            ("web", "web1 web2 web3"),
            ("web:db", "web1 web2 web3 db1"),
            ("web,db1", "web1 web2 web3 db1"),
            ("web:&stage", "web2"),
            ("web:!stage", "web1 web3"),
            ("!web", "db1 stage1"),
            ("*1", "web1 db1 stage1"),
            ("~(web|db)1", "web1 db1"),
            ("web[0]", "web1"),
            ("web[-1]", "web3"),
            ("web[0:1]", "web1 web2"),
            ("web[1:]", "web2 web3"),
            ("ungrouped", ""),
            ("web:!nosuch", "web1 web2 web3"),
        ];
        for (text, expected) in table {
            let hosts = Pattern::parse(text).hosts(&inventory).unwrap();
            assert_eq!(hosts.join(" "), expected, "{text}");
        }
        let error = Pattern::parse("wbe").hosts(&inventory).unwrap_err();
        assert!(matches!(error, PatternError::Unknown { nearest: Some(n), .. } if n == "web"));
    }
}
