//! `cfg graph`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::apply::{SshArgs, login, ssh};
use super::error::{CliError, Exit};
use super::project::{self, LoadOptions, ProjectArgs};
use super::settings::Settings;
use crate::fleet::{Connections, connection_scope, rehearse};
use crate::graph::Node;
use crate::value::Map;

/// Options of graph.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// The playbook
    pub playbook: PathBuf,
    /// The host; the first one if not given
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Only the state whose name contains this: what it waits for, and why
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// `text`, `dot` or `svg`
    #[arg(short, long, default_value = "text", value_parser = ["text", "dot", "svg"])]
    pub output: String,
    /// Do not ask the host for its facts: what depends on them stays open
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub ssh: SshArgs,
}

/// Runs the command.
///
/// # Errors
/// Where the playbook has mistakes.
pub fn run(mut args: GraphArgs) -> Result<Exit, CliError> {
    let settings = Settings::load()?;
    settings.fill_project(&mut args.project, args.ssh.local);
    settings.fill_ssh(&mut args.ssh);
    let options = LoadOptions { local: args.ssh.local, plan: true, ..LoadOptions::default() };
    let loaded = project::load(&args.project, std::slice::from_ref(&args.playbook), options)?;
    let all: Vec<Arc<str>> = loaded.plays.iter().flat_map(|(_, hosts)| hosts.iter().cloned()).collect();
    let host = match &args.host {
        Some(name) => all.iter().find(|h| h.as_ref() == name).cloned(),
        None => all.first().cloned(),
    };
    let Some(host) = host else {
        return Err(CliError::new("no such host in this playbook", "see `cfg inventory --graph`"));
    };
    let mut facts = BTreeMap::new();
    if !args.offline {
        let unique: std::collections::BTreeSet<Arc<str>> = all.into_iter().collect();
        facts = gather(&args, &loaded.project, &unique)?;
    }
    let mut rehearsed = Vec::new();
    rehearse(&loaded.project, &loaded.plays, &facts, &mut |host, nodes| rehearsed.push((host, nodes)));
    let plays = numbered(rehearsed.into_iter().filter(|(name, _)| *name == host).map(|(_, nodes)| nodes));
    project::check(&loaded.project)?;
    let text = match (args.output.as_str(), &args.why) {
        ("dot", _) => dot(&plays.concat()),
        ("svg", _) => svg(&plays),
        (_, why) => plays
            .iter()
            .enumerate()
            .map(|(i, nodes)| {
                let title = if plays.len() == 1 {
                    host.to_string()
                } else {
                    format!("{host}, play {} of {}", i + 1, plays.len())
                };
                text(&title, nodes, why.as_deref())
            })
            .collect::<Vec<_>>()
            .join("\n"),
    };
    super::print(&loaded.project.redactor.redact(&text));
    Ok(Exit::Converged)
}

fn gather(
    args: &GraphArgs,
    project: &Arc<crate::compile::Project>,
    hosts: &std::collections::BTreeSet<Arc<str>>,
) -> Result<BTreeMap<String, Map>, CliError> {
    let runtime = super::runtime()?;
    let connections = Connections::new(ssh(&args.ssh)?, login(&args.ssh));
    let mut facts = BTreeMap::new();
    for host in hosts {
        let scope = connection_scope(project, host, None, false, &crate::compile::Login::default());
        let link = runtime.block_on(connections.open(host, &scope)).map_err(|error| {
            let why = error.unreachable();
            CliError::Message(
                format!("{host}: unreachable: {}", why.message),
                Some(why.help.unwrap_or_else(|| "compile without facts: --offline".into())),
            )
        })?;
        facts.insert(host.to_string(), link.hello.facts.clone());
    }
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    Ok(facts)
}

/// Each play counts its states from nought; in one picture they are counted on. Plays run one after the other.
fn numbered(plays: impl Iterator<Item = Vec<Node>>) -> Vec<Vec<Node>> {
    let mut next = 0;
    let mut numbered = Vec::new();
    for mut nodes in plays {
        for node in &mut nodes {
            node.id += next;
            node.after.iter_mut().for_each(|edge| edge.on += next);
        }
        next = nodes.iter().map(|node| node.id + 1).max().unwrap_or(next);
        numbered.push(nodes);
    }
    numbered
}

fn label(node: &Node) -> String {
    let name = node.name.as_value().map_or_else(|| node.module.to_string(), ToString::to_string);
    if name == *node.module { name } else { format!("{} \"{name}\"", node.module.rsplit('.').next().unwrap_or("")) }
}

/// Edges that others imply are left out: what is shown is what a person has to know.
fn direct<'a>(node: &'a Node, reach: &BTreeMap<u32, std::collections::BTreeSet<u32>>) -> Vec<&'a crate::graph::Edge> {
    let implied = |on: u32| {
        node.after.iter().any(|other| other.on != on && reach.get(&other.on).is_some_and(|r| r.contains(&on)))
    };
    node.after.iter().filter(|edge| !implied(edge.on)).collect()
}

fn reachability(nodes: &[Node]) -> BTreeMap<u32, std::collections::BTreeSet<u32>> {
    let mut reach: BTreeMap<u32, std::collections::BTreeSet<u32>> = BTreeMap::new();
    for node in nodes {
        let mut set = std::collections::BTreeSet::new();
        for edge in &node.after {
            set.insert(edge.on);
            set.extend(reach.get(&edge.on).into_iter().flatten().copied());
        }
        reach.insert(node.id, set);
    }
    reach
}

fn text(host: &str, nodes: &[Node], why: Option<&str>) -> String {
    let reach = reachability(nodes);
    let find = |id: u32| nodes.iter().find(|n| n.id == id).map_or_else(|| format!("#{id}"), label);
    let mut out = format!("{host}: {} states\n", nodes.len());
    for node in nodes.iter().filter(|n| why.is_none_or(|w| label(n).contains(w))) {
        out.push_str(&format!("\n#{} {}   {}\n", node.id, label(node), node.origin));
        let edges = if why.is_some() { node.after.iter().collect() } else { direct(node, &reach) };
        for edge in &edges {
            out.push_str(&format!("    waits for #{} {}: {}\n", edge.on, find(edge.on), edge.why));
        }
        let beside: Vec<String> = nodes
            .iter()
            .filter(|other| other.id != node.id)
            .filter(|other| {
                !reach.get(&node.id).is_some_and(|r| r.contains(&other.id))
                    && !reach.get(&other.id).is_some_and(|r| r.contains(&node.id))
            })
            .map(|other| format!("#{}", other.id))
            .collect();
        if !beside.is_empty() {
            out.push_str(&format!("    has nothing in common with {}\n", beside.join(", ")));
        }
    }
    out
}

fn dot(nodes: &[Node]) -> String {
    let reach = reachability(nodes);
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = String::from("digraph cfg {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for node in nodes {
        out.push_str(&format!("  n{} [label={}];\n", node.id, quote(&label(node))));
    }
    for node in nodes {
        for edge in direct(node, &reach) {
            out.push_str(&format!("  n{} -> n{} [label={}];\n", edge.on, node.id, quote(&edge.why.to_string())));
        }
    }
    out.push_str("}\n");
    out
}

/// A picture: states in rows by how much has to come before them, edges between.
fn svg(plays: &[Vec<Node>]) -> String {
    let nodes = &plays.concat();
    let reach = reachability(nodes);
    let mut row: BTreeMap<u32, usize> = BTreeMap::new();
    for play in plays {
        let first = row.values().max().map_or(0, |r| r + 1);
        for node in play {
            let level = node.after.iter().filter_map(|e| row.get(&e.on)).max().map_or(first, |r| r + 1);
            row.insert(node.id, level);
        }
    }
    let mut column: BTreeMap<u32, usize> = BTreeMap::new();
    let mut used: BTreeMap<usize, usize> = BTreeMap::new();
    for node in nodes {
        let level = row.get(&node.id).copied().unwrap_or(0);
        let slot = used.entry(level).or_default();
        column.insert(node.id, *slot);
        *slot += 1;
    }
    let (width, height) = (300usize, 64usize);
    let place = |id: u32| {
        let x = column.get(&id).copied().unwrap_or(0) * width + 10;
        let y = row.get(&id).copied().unwrap_or(0) * height + 10;
        (x, y)
    };
    let columns = used.values().max().copied().unwrap_or(1);
    let rows = used.keys().max().copied().unwrap_or(0) + 1;
    let escape =
        |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        columns * width + 20,
        rows * height + 20
    );
    for node in nodes {
        let (x, y) = place(node.id);
        for edge in direct(node, &reach) {
            let (fx, fy) = place(edge.on);
            out.push_str(&format!(
                "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#999\"><title>{}</title></line>\n",
                fx + 140,
                fy + 40,
                x + 140,
                y,
                escape(&edge.why.to_string())
            ));
        }
    }
    for node in nodes {
        let (x, y) = place(node.id);
        let text: String = label(node).chars().take(42).collect();
        out.push_str(&format!(
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"280\" height=\"40\" rx=\"6\" fill=\"#eef3fb\" stroke=\"#5b7db1\"/>\
             <text x=\"{}\" y=\"{}\">{}</text></g>\n",
            escape(&node.origin.to_string()), x + 8, y + 24, escape(&text)
        ));
    }
    out.push_str("</svg>\n");
    out
}
