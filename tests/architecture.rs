//! The rules src/lib.rs and CONTRIBUTING.md state, held: imports point downward, files stay small, nothing panics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const LINES_AT_MOST: usize = 800;

/// Imports between rooms of one level, or upward, that are meant. Each says why; one that is gone has to go from here too.
const MEANT: &[(&str, &str, &str)] = &[
    ("cli", "report", "the command line chooses who listens to the events"),
    ("fleet", "agent", "the fleet speaks the agent's protocol"),
    ("fleet", "transport", "the fleet reaches hosts"),
    ("compile", "apply", "what is known at compile time is judged as apply would judge it"),
    ("compile", "parse", "compiling begins with what was parsed"),
    (
        "parse",
        "compile",
        "whether a key of a task is a module is asked of the list of modules: upward in spirit, to be moved down",
    ),
    ("diagnostic", "source", "a diagnostic has a place"),
    ("template", "machine", "the hash filters share its digests"),
    ("template", "yaml", "from_yaml reads with the one loader"),
    ("event", "machine", "an event carries the changes a machine recorded"),
    ("graph", "resource", "edges come from footprints"),
    ("inventory", "variables", "an inventory defines variables"),
    ("inventory", "parse", "upward: files are read through parse::Files, and INI lines split as task arguments are"),
];

#[test]
fn imports_point_downward() {
    let levels = levels();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in sources() {
        let room = room_of(&path);
        let Some(from) = levels.get(&room) else { continue };
        for (number, line) in code(&text) {
            for other in rooms_in(line) {
                let Some(to) = levels.get(other) else { continue };
                if other == room || to < from {
                    continue;
                }
                match MEANT.iter().find(|(a, b, _)| *a == room && *b == other) {
                    Some((a, b, _)) => drop(used.insert((*a, *b))),
                    None => wrong.push(format!(
                        "{}:{number}: {room} (level {from}) imports {other} (level {to})",
                        path.display()
                    )),
                }
            }
        }
    }
    for (a, b, _) in MEANT.iter().filter(|(a, b, _)| !used.contains(&(*a, *b))) {
        wrong.push(format!("{a} no longer imports {b}: take it off the list in tests/architecture.rs"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_has_a_level() {
    let levels = levels();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms: BTreeSet<String> = std::fs::read_dir(src)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(rooms, levels.into_keys().collect(), "the table of src/lib.rs");
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_AT_MOST)
        .map(|(path, lines)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn nothing_panics() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (number, line) in code(&text) {
            for word in [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("] {
                if line.contains(word) {
                    wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table of src/lib.rs: the level of each room.
fn levels() -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut levels = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let Some((level, rooms)) = line.split_once(" | ") else { continue };
        let Ok(level) = level.trim().parse() else { continue };
        for room in rooms.split(['[', ']', '`', ',', ' ', '|']).filter(|word| !word.is_empty()) {
            levels.insert(room.to_owned(), level);
        }
    }
    assert!(levels.len() > 10, "the table of src/lib.rs was not found");
    levels
}

/// The files of src that are no tests.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !tests_only(&name) {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// Files that are declared under `#[cfg(test)]`.
fn tests_only(name: &str) -> bool {
    name == "tests" || name.ends_with("_tests") || matches!(name, "testing" | "examples")
}

/// The lines of code before the tests at the end of a file, with their numbers; comments are left out.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end =
        text.find("#[cfg(test)]\nmod tests {").or_else(|| text.find("#[cfg(test)]\nmod unit {")).unwrap_or(text.len());
    let lines = text.get(..end).unwrap_or(text).lines().enumerate().map(|(i, line)| (i + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn room_of(path: &Path) -> String {
    let first = path.components().nth(1).map(|c| c.as_os_str().to_string_lossy().into_owned());
    first.unwrap_or_default()
}

fn rooms_in(line: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| !(c.is_ascii_lowercase() || c == '_');
    line.split("crate::").skip(1).map(move |rest| rest.split(word).next().unwrap_or(""))
}
