//! `--list-hosts`, `--list-tasks` and `--list-tags`: what a run would be about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::compile::Project;
use crate::fleet::rehearse;
use crate::parse::{Item, Keyword, Play};
use crate::value::Value;

/// Prints what was asked for, play by play.
pub fn list(project: &Arc<Project>, plays: &[(Arc<Play>, Vec<Arc<str>>)], hosts: bool, tasks: bool, tags: bool) {
    let mut out = String::new();
    for (play, names) in plays {
        out.push_str(&format!("Play \"{}\"  {}\n", play.title(), super::count(names.len(), "host")));
        if hosts {
            names.iter().for_each(|name| out.push_str(&format!("  {name}\n")));
        }
        if tasks {
            out.push_str(&tasks_of(project, play, names));
        }
        if tags {
            let mut all = BTreeSet::new();
            for section in [&play.pre_tasks, &play.tasks, &play.post_tasks, &play.handlers] {
                tags_of(section, &mut all);
            }
            all.extend(words(play.keywords.get(Keyword::Tags)));
            all.extend(play.roles.iter().flat_map(|role| words(role.keywords.get(Keyword::Tags))));
            out.push_str(&format!("  tags: {}\n", all.into_iter().collect::<Vec<_>>().join(", ")));
        }
    }
    super::print(&out);
}

/// The tasks of all hosts in written order, each with the hosts it is for where that is not all of them.
fn tasks_of(project: &Arc<Project>, play: &Arc<Play>, hosts: &[Arc<str>]) -> String {
    let mut seen: Vec<(String, usize)> = Vec::new();
    let one = [(play.clone(), hosts.to_vec())];
    rehearse(project, &one, &BTreeMap::new(), &mut |_, nodes| {
        for node in nodes.iter().filter(|node| node.handler.is_none()) {
            let name = node.name.as_value().map_or_else(|| node.module.to_string(), Value::to_string);
            let role = node.role.as_ref().map(|role| format!("{role} : ")).unwrap_or_default();
            let tags = node.tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let line = format!("  {role}{name}  TAGS: [{tags}]  {}", node.origin);
            match seen.iter_mut().find(|(other, _)| *other == line) {
                Some((_, count)) => *count += 1,
                None => seen.push((line, 1)),
            }
        }
    });
    seen.iter()
        .map(|(line, count)| match *count < hosts.len() {
            true => format!("{line}  ({count} of {} hosts)\n", hosts.len()),
            false => format!("{line}\n"),
        })
        .collect()
}

fn tags_of(items: &[Item], all: &mut BTreeSet<String>) {
    for item in items {
        match item {
            Item::Task(task) => all.extend(words(task.keywords.get(Keyword::Tags))),
            Item::Block(block) => {
                all.extend(words(block.keywords.get(Keyword::Tags)));
                for section in [&block.body, &block.rescue, &block.always] {
                    tags_of(section, all);
                }
            }
        }
    }
}

fn words(node: Option<&crate::yaml::Node>) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    let items = match node.to_value() {
        Value::List(items) => items.to_vec(),
        other => vec![other],
    };
    let split = |item: Value| item.to_string().split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>();
    items.into_iter().flat_map(split).filter(|word| !word.is_empty()).collect()
}
