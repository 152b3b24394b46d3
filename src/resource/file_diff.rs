//! How a path differs, as `file` says it to tasks that ask for differences.

use std::path::Path;

use super::Failure;
use super::file::word;
use crate::machine::{FileKind, Inspect};
use crate::value::{Map, Value};

/// What is at a path, under the names of differences; with `content`, what a directory holds.
pub(super) fn look(machine: &dyn Inspect, path: &Path, content: bool) -> Result<Map, Failure> {
    let stat = machine.lstat(path)?;
    let mut map = Map::from_iter([("state".into(), Value::str(word(stat.as_ref())))]);
    let Some(stat) = stat else { return Ok(map) };
    map.insert("mode".into(), Value::from(format!("0{:03o}", stat.mode)));
    map.insert("owner".into(), Value::from(stat.uid));
    map.insert("group".into(), Value::from(stat.gid));
    map.insert("atime".into(), Value::from(stat.atime));
    map.insert("mtime".into(), Value::from(stat.mtime));
    if stat.kind == FileKind::Link {
        map.insert("src".into(), Value::str(machine.read_link(path)?.to_string_lossy()));
    }
    if content && stat.kind == FileKind::Dir {
        let (mut directories, mut files) = (Vec::new(), Vec::new());
        walk(machine, path, &mut directories, &mut files)?;
        let lists = [("directories", Value::from(directories)), ("files", Value::from(files))];
        map.insert("path_content".into(), Value::map(lists));
    }
    Ok(map)
}

fn walk(
    machine: &dyn Inspect,
    dir: &Path,
    directories: &mut Vec<Value>,
    files: &mut Vec<Value>,
) -> Result<(), Failure> {
    for name in machine.list(dir)? {
        let path = dir.join(name);
        let shown = Value::str(path.to_string_lossy());
        match machine.lstat(&path)? {
            Some(stat) if stat.kind == FileKind::Dir => {
                directories.push(shown);
                walk(machine, &path, directories, files)?;
            }
            _ => files.push(shown),
        }
    }
    Ok(())
}

/// The path, and of its properties those that differ. What was made or removed has a state only.
pub(super) fn difference(path: &Path, before: &Map, after: &Map) -> Value {
    let same_state = before.get("state") == after.get("state");
    let side = |own: &Map, other: &Map| {
        let mut map = Map::from_iter([("path".into(), Value::str(path.to_string_lossy()))]);
        for (name, value) in own {
            let shown = match &**name {
                "state" => !same_state,
                "path_content" => !same_state,
                _ => same_state && other.get(name) != Some(value),
            };
            if shown {
                map.insert(name.clone(), value.clone());
            }
        }
        Value::from(map)
    };
    Value::map([("before", side(before, after)), ("after", side(after, before))])
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn what_differs() {
        let bench = Bench::with(&[]);
        bench.run("file", "{path: /srv/d, state: directory}").unwrap();
        bench.run("file", "{path: /srv/d/f, state: touch, mode: '0644'}").unwrap();
        let (dir, file) = (Path::new("/srv/d"), Path::new("/srv/d/f"));
        let before = look(&*bench.0, dir, true).unwrap();
        let file_before = look(&*bench.0, file, true).unwrap();
        bench.run("file", "{path: /srv/d/f, mode: '0600'}").unwrap();
        let json = |v: Value| crate::value::to_json(&v).to_string();
        assert_eq!(
            json(difference(file, &file_before, &look(&*bench.0, file, false).unwrap())),
            r#"{"before":{"path":"/srv/d/f","mode":"0644"},"after":{"path":"/srv/d/f","mode":"0600"}}"#
        );
        bench.run("file", "{path: /srv/d, state: absent}").unwrap();
        let gone = json(difference(dir, &before, &look(&*bench.0, dir, false).unwrap()));
        assert!(gone.contains(r#""path_content":{"directories":[],"files":["/srv/d/f"]}"#), "{gone}");
        assert!(gone.contains(r#""state":"absent""#), "{gone}");
    }
}
