//! `hostvars`: what a host sees of the variables of all hosts.
//!
//! The variables of the inventory and the facts of a host are evaluated once a play, by whoever asks first. What tasks of
//! other hosts have set is seen as of the last time the hosts met; a task that reads such a result makes them meet first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::host::HostCompiler;
use super::lookups::Reach;
use super::scope::Names;
use super::{Facts, Peers, Project};
use crate::template::{Bindings as _, Scope as _, TermScope};
use crate::value::{Map, Value};
use crate::variables::{Layer, LayerKind};

/// How files name the variables of this machine.
const LOCALHOST: &[&str] = &["hostvars.localhost", "hostvars['localhost']", "hostvars[\"localhost\"]"];

/// Makes the value of `hostvars`, the first time it is asked for.
pub type Source = Arc<dyn Fn() -> Value + Send + Sync>;

impl HostCompiler<'_> {
    /// The source of `hostvars`, as things stand now.
    pub(super) fn hostvars_source(&self) -> Source {
        self.hostvars.borrow_mut().get_or_insert_with(|| self.make_source()).clone()
    }

    fn make_source(&self) -> Source {
        let (project, dir) = (self.project.clone(), self.play.dir.clone());
        let (own, facts, runtime) = (self.host.clone(), self.facts.clone(), self.runtime.clone());
        let peers = self.driver.peers();
        let included = self.included_vars.clone();
        let known = matches!(facts, Facts::Known(_));
        // What tasks have set here they have set on the others too, but what they came to there is known there only.
        let set: Arc<BTreeSet<String>> = Arc::new(if known { BTreeSet::new() } else { self.set_names() });
        let made: OnceLock<Value> = OnceLock::new();
        Arc::new(move || {
            let make = || {
                let one = |host: &Arc<str>| {
                    let mut vars = variables_of(&project, &dir, host, &own, &facts, peers.as_ref());
                    let results = if *host == own { runtime.clone() } else { peers.results_of(host) };
                    if *host == own && !included.is_empty() {
                        let facts = match &facts {
                            Facts::Known(facts) => Some(facts.as_ref()),
                            Facts::Unknown => None,
                        };
                        vars = Arc::new(evaluate(&project, &dir, host, facts, facts.is_none(), &included));
                    }
                    let unknown = if *host == own { &BTreeSet::new() } else { set.as_ref() };
                    if !results.is_empty() || !unknown.is_empty() {
                        let map = Arc::make_mut(&mut vars);
                        map.extend(unknown.iter().map(|name| (Arc::from(name.as_str()), Value::Unknown)));
                        map.extend(results.iter().map(|(name, value)| (Arc::from(name.as_str()), value.clone())));
                    }
                    (host.clone(), Value::Map(vars))
                };
                let inventory = project.inventory.get();
                let mut all = inventory.hosts.keys().map(one).collect::<Map>();
                // This machine is there for who names it, though it is no host of the inventory.
                let named = LOCALHOST.iter().any(|text| project.files.sources.mentions(text));
                for host in named.then(|| Arc::from("localhost")).iter().chain([&own]) {
                    if !all.contains_key(host) {
                        all.extend([one(host)]);
                    }
                }
                Value::from(all)
            };
            made.get_or_init(make).clone()
        })
    }

    /// The variables of a host a task is delegated to.
    pub(super) fn delegated_vars(&self, host: &str) -> Map {
        let name: Arc<str> = Arc::from(host);
        let mut vars = match self.project.inventory.get().hosts.contains_key(&name) {
            true => {
                let peers = self.driver.peers();
                let found = variables_of(self.project, &self.play.dir, &name, &self.host, &self.facts, peers.as_ref());
                found.as_ref().clone()
            }
            false => Map::new(),
        };
        let address = if host == "localhost" { "127.0.0.1" } else { host };
        vars.entry("ansible_host".into()).or_insert_with(|| Value::str(address));
        // As in Ansible: whose task it is, not where it works.
        vars.insert("inventory_hostname".into(), Value::Str(self.host.clone()));
        vars
    }

    /// The names tasks have set so far.
    fn set_names(&self) -> BTreeSet<String> {
        self.runtime.keys().filter(|name| !name.starts_with("__cfg_")).cloned().collect()
    }

    /// Says whether texts may read, through `hostvars`, what tasks of other hosts have set.
    pub(super) fn reads_others(&self, texts: &[Arc<str>]) -> bool {
        let set = self.set_names();
        !set.is_empty() && texts.iter().any(|text| reads_any(text, &set))
    }
}

/// `hostvars[…]` followed by a literal name that no task sets is the inventory's or a fact; anything else may be a result.
fn reads_any(text: &str, set: &BTreeSet<String>) -> bool {
    text.match_indices("hostvars").any(|(at, word)| {
        let rest = text.get(at + word.len()..).unwrap_or("").trim_start();
        match after_subscript(rest).and_then(literal_name) {
            Some(name) => set.contains(name),
            None => {
                let mentioned = |name: &String| text.contains(name.as_str());
                set.iter().any(mentioned) || after_subscript(rest).is_some_and(|rest| rest.starts_with('['))
            }
        }
    })
}

/// What follows `[…]` or `.name`.
fn after_subscript(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('.') {
        return rest.get(rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?..);
    }
    let mut depth = 0usize;
    for (i, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return text.get(i + 1..);
                }
            }
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The name in `.name` or `['name']`.
fn literal_name(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        return rest.get(..end);
    }
    let inner = text.strip_prefix('[')?.trim_start();
    let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    inner.get(1..)?.split(quote).next()
}

/// The variables of a host without what tasks have set; kept for all who ask.
fn variables_of(
    project: &Arc<Project>,
    dir: &std::path::Path,
    host: &Arc<str>,
    own: &Arc<str>,
    facts: &Facts,
    peers: &dyn Peers,
) -> Arc<Map> {
    let known = matches!(facts, Facts::Known(_));
    if let Some(found) = project.hostvars.get(dir, host, known) {
        return found;
    }
    let facts = match facts {
        Facts::Known(facts) if host == own => Some(facts.as_ref().clone()),
        Facts::Unknown if host == own => None,
        _ => peers.facts_of(host),
    };
    let made = Arc::new(evaluate(project, dir, host, facts.as_ref(), !known && facts.is_none(), &[]));
    // Without facts, which may come in a later play, it is not the last word.
    if facts.is_some() || !known {
        project.hostvars.keep(dir, host, known, made.clone());
    }
    made
}

fn evaluate(
    project: &Arc<Project>,
    dir: &std::path::Path,
    host: &str,
    facts: Option<&Map>,
    unknown: bool,
    included: &[Arc<Layer>],
) -> Map {
    let inventory = &project.inventory.get();
    let fact_layer = facts.map(|facts| Arc::new(Layer::of_values(LayerKind::Facts, crate::facts::as_variables(facts))));
    let mut layers: Vec<Arc<Layer>> = vec![project.extra.clone()];
    layers.extend(included.iter().rev().cloned());
    layers.extend(fact_layer);
    layers.extend(project.host_layers(host, dir).iter().rev().cloned());
    let (own_name, own_groups) = (Value::str(host), Value::list(inventory.group_names(host).iter().map(Value::str)));
    let short = Value::str(host.split('.').next().unwrap_or(host));
    let names = Names {
        magic: Arc::new(move |name| match name {
            "inventory_hostname" => Some(own_name.clone()),
            "inventory_hostname_short" => Some(short.clone()),
            "group_names" => Some(own_groups.clone()),
            _ => None,
        }),
        magic_names: &["inventory_hostname", "inventory_hostname_short", "group_names"],
        layers,
        runtime: Arc::default(),
        locals: Vec::new(),
        facts_unknown: unknown,
        open: None,
        reach: Reach::outside(project, dir, unknown),
    };
    let every = names.names();
    let scope = TermScope::new(project.engine.clone(), Arc::new(names));
    let mut map = Map::new();
    for name in every {
        if let Ok(Some(value)) = scope.get(&name) {
            map.insert(Arc::from(name), value);
        }
    }
    if unknown {
        map.insert(Arc::from("ansible_facts"), Value::Unknown);
    }
    map
}

/// The evaluated variables of hosts, shared by all who ask. One for a run.
#[derive(Default)]
pub struct Store(std::sync::Mutex<BTreeMap<(std::path::PathBuf, Arc<str>, bool), Arc<Map>>>);

impl Store {
    fn get(&self, dir: &std::path::Path, host: &Arc<str>, known: bool) -> Option<Arc<Map>> {
        let map = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        map.get(&(dir.to_path_buf(), host.clone(), known)).cloned()
    }

    fn keep(&self, dir: &std::path::Path, host: &Arc<str>, known: bool, vars: Arc<Map>) {
        let mut map = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        map.insert((dir.to_path_buf(), host.clone(), known), vars);
    }
}

#[cfg(test)]
mod tests {
    use super::reads_any;

    #[test]
    fn only_what_tasks_may_have_set_makes_hosts_meet() {
        let set = ["result".to_owned()].into();
        let table = [
            ("hostvars[h].ansible_host", false),
            ("hostvars[groups.redis[0]]['ansible_host']", false),
            ("hostvars[h].result.stdout", true),
            ("hostvars.web1.result", true),
            ("hostvars[h][name]", true),
            ("groups.all | map('extract', hostvars, 'result')", true),
            ("groups.all | map('extract', hostvars, 'ansible_host')", false),
            ("result.stdout", false),
        ];
        for (text, expected) in table {
            assert_eq!(reads_any(text, &set), expected, "{text}");
        }
    }
}
