//! Plays that need nobody to connect to their hosts: they speak of the run and of variables only.

use std::path::Path;
use std::sync::Arc;

use super::{Project, modules};
use crate::parse::{Files, Item, Keyword, Keywords, Play, Task};
use crate::yaml::Node as Yaml;

/// What tasks may do without a host. Their expressions are evaluated wherever that is convenient.
const ABOUT_THE_RUN: &[&str] = &[
    "add_host",
    "assert",
    "debug",
    "fail",
    "group_by",
    "include_vars",
    "meta",
    "pause",
    "set_fact",
    "set_stats",
    "validate_argument_spec",
];

/// Names that begin as facts do and are none: they are known without the host.
const NO_FACTS: &[&str] = &[
    "ansible_become",
    "ansible_connection",
    "ansible_delegated_vars",
    "ansible_failed_",
    "ansible_host",
    "ansible_index_var",
    "ansible_loop",
    "ansible_password",
    "ansible_port",
    "ansible_python_interpreter",
    "ansible_ssh_",
    "ansible_user",
];

/// How deep includes are followed.
const DEEPEST: usize = 10;

/// Says whether a task of this module needs no host.
pub fn is_about_the_run(module: &str) -> bool {
    ABOUT_THE_RUN.contains(&modules::short(module))
}

/// The task that says how long a play waits for its hosts: the first that needs them is `wait_for_connection`.
pub fn waits_first<'p>(project: &Arc<Project>, play: &'p Play) -> Option<&'p Arc<Task>> {
    if super::early::says_gathering(project, play).unwrap_or(true) {
        return None;
    }
    let mut items = play.pre_tasks.iter().chain(&play.tasks);
    let first = items.find(|item| !matches!(item, Item::Task(task) if is_about_the_run(&task.module)))?;
    match first {
        Item::Task(task)
            if modules::is_module(&task.module) && modules::short(&task.module) == "wait_for_connection" =>
        {
            Some(task)
        }
        _ => None,
    }
}

/// Says whether nothing a play says needs a host of it itself. Where that is not certain, it does.
pub fn needs_no_host(project: &Arc<Project>, play: &Play, host: &str) -> bool {
    let said = Said { project, play, host };
    let gathers = super::early::says_gathering(project, play).unwrap_or(true);
    let sections = [&play.pre_tasks, &play.tasks, &play.post_tasks, &play.handlers];
    !gathers
        && play.roles.iter().all(|role| role.name.text().is_some_and(|name| said.role_talks(name, None, 0)))
        && sections.into_iter().flatten().all(|item| said.talks(&play.dir, item, 0))
        && !speaks_of_facts(project)
}

/// What a play says to one of its hosts.
#[derive(Clone, Copy)]
struct Said<'a> {
    project: &'a Arc<Project>,
    play: &'a Play,
    host: &'a str,
}

impl Said<'_> {
    fn talks(&self, dir: &Path, item: &Item, depth: usize) -> bool {
        match item {
            Item::Block(block) => {
                let sections = [&block.body, &block.rescue, &block.always];
                plain(&block.keywords) && sections.into_iter().flatten().all(|item| self.talks(dir, item, depth))
            }
            Item::Task(task) => plain(&task.keywords) && self.task_talks(dir, task, depth),
        }
    }

    fn task_talks(&self, dir: &Path, task: &Arc<Task>, depth: usize) -> bool {
        let module = modules::short(&task.module);
        if is_about_the_run(module) {
            return true;
        }
        // What works elsewhere needs that other host, if it is another one.
        if let Some(node) = task.keywords.get(Keyword::DelegateTo).filter(|_| module != "setup") {
            return node.text().is_some_and(|name| !name.contains("{{") && name != self.host);
        }
        let written =
            |node: Option<&Yaml>| node.and_then(Yaml::text).filter(|name| !name.contains("{{")).map(str::to_owned);
        if depth > DEEPEST || task.args.get("apply").is_some() {
            return false;
        }
        match module {
            "import_tasks" | "include_tasks" => {
                let name = written(task.args.get("file").or(task.args.free.as_ref()));
                name.is_some_and(|name| self.file_talks(&dir.join(name), depth))
            }
            "import_role" | "include_role" => {
                let name = written(task.args.get("name").or_else(|| task.args.get("role")));
                let from = task.args.get("tasks_from").map(|node| written(Some(node)).unwrap_or_default());
                task.args.get("handlers_from").is_none()
                    && name.is_some_and(|name| self.role_talks(&name, from.as_deref(), depth))
            }
            _ => false,
        }
    }

    fn file_talks(&self, path: &Path, depth: usize) -> bool {
        let dir = path.parent().unwrap_or(path);
        let items =
            if path.is_file() { self.project.files.tasks(path, None).unwrap_or_default() } else { Arc::default() };
        !items.is_empty() && items.iter().all(|item| self.talks(dir, item, depth + 1))
    }

    fn role_talks(&self, name: &str, from: Option<&str>, depth: usize) -> bool {
        if depth > DEEPEST || name.contains("{{") {
            return false;
        }
        let Ok(path) = self.project.files.find_role(name, &self.play.dir, None) else { return false };
        let role = self.project.files.role(name, &path);
        let needed = |node: &Yaml| node.text().is_some_and(|name| self.role_talks(name, None, depth + 1));
        let tasks = match from {
            Some(from) => {
                Files::main_file(&path.join("tasks"), Some(from)).and_then(|file| self.project.files.tasks(&file, None))
            }
            None => Some(role.tasks.clone()),
        };
        role.meta.dependencies.iter().all(|role| needed(&role.name))
            && tasks.is_some_and(|tasks| tasks.iter().all(|item| self.talks(&path.join("tasks"), item, depth + 1)))
            && role.handlers.iter().all(|item| self.talks(&path.join("handlers"), item, depth + 1))
    }
}

/// Nothing that runs a program on the host before the task itself.
fn plain(keywords: &Keywords) -> bool {
    let asks = [Keyword::Unless, Keyword::OnlyIf, Keyword::Creates, Keyword::Async];
    asks.into_iter().all(|keyword| keywords.get(keyword).is_none())
}

/// Says whether any file names a fact: those are cfg's for the asking, also where nobody gathers them.
fn speaks_of_facts(project: &Arc<Project>) -> bool {
    let is_fact =
        |name: &str| !super::magic::MAGIC.contains(&name) && !NO_FACTS.iter().any(|known| name.starts_with(known));
    project.files.sources.names_with("ansible_").iter().any(|name| is_fact(name))
}
