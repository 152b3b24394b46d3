//! A directory of the controller, put on the target file by file: `copy` with a directory as its `src`.

use std::path::{Component, Path, PathBuf};

use super::copy::Copy;
use super::{Context, Failure, Outcome, edit};
use crate::machine::{FileKind, Machine};
use crate::value::{Map, Value};

/// One thing in the directory, as the compiler has described it.
struct Entry<'a> {
    path: &'a Path,
    mode: Option<u32>,
    what: What<'a>,
}

enum What<'a> {
    Dir,
    Link(&'a str),
    File(&'a str),
}

impl<'a> Entry<'a> {
    fn read(map: &'a Map) -> Option<Self> {
        let text = |name: &str| map.get(name).and_then(Value::as_str);
        let path = Path::new(text("path")?);
        let mode = match map.get("mode") {
            Some(Value::Int(bits)) => u32::try_from(*bits).ok(),
            _ => None,
        };
        let what = match (map.get("dir"), text("link"), text("sha256")) {
            (Some(_), ..) => What::Dir,
            (None, Some(target), _) => What::Link(target),
            (None, None, Some(digest)) => What::File(digest),
            (None, None, None) => return None,
        };
        path.components().all(|part| matches!(part, Component::Normal(_))).then_some(Self { path, mode, what })
    }
}

/// Puts a directory in place.
pub(super) fn put(copy: &Copy, entries: &[Map], machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
    let root = root(copy)?;
    make_dir(copy, machine, &root, None)?;
    for map in entries {
        let entry = Entry::read(map).ok_or_else(|| Failure::new("the list of files is damaged"))?;
        let path = root.join(entry.path);
        match entry.what {
            What::Dir => make_dir(copy, machine, &path, entry.mode)?,
            What::Link(target) => link(copy, machine, Path::new(target), &path)?,
            What::File(digest) => {
                let file = Copy {
                    dest: super::paths::Place(path.to_string_lossy().into_owned()),
                    content_sha256: Some(digest.to_owned()),
                    source_mode: entry.mode,
                    original_basename: None,
                    src: None,
                    tree: None,
                    ..copy.clone()
                };
                file.put(machine, context)?;
            }
        }
    }
    let src = copy.src.clone().unwrap_or_default();
    Ok(Outcome::of([("dest", Value::str(&*copy.dest)), ("src", Value::str(&*src))]))
}

/// Puts a directory of the target in place elsewhere on it.
pub(super) fn put_remote(
    copy: &Copy,
    src: &Path,
    machine: &dyn Machine,
    context: &Context,
) -> Result<Outcome, Failure> {
    let root = root(copy)?;
    if root.starts_with(src) {
        return Err(Failure::new(format!("cannot copy the directory {} into itself", src.display())));
    }
    remote_dir(copy, src, &root, machine, context, &mut Vec::new())?;
    let src = copy.src.clone().unwrap_or_default();
    Ok(Outcome::of([("dest", Value::str(&*copy.dest)), ("src", Value::str(&*src)), ("state", Value::str("directory"))]))
}

fn remote_dir(
    copy: &Copy,
    from: &Path,
    to: &Path,
    machine: &dyn Machine,
    context: &Context,
    above: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let mode = machine.stat(from)?.map(|stat| stat.mode);
    let kept = Copy { mode: copy.mode.clone().or(Some(super::Mode::Preserve)), ..copy.clone() };
    make_dir(&kept, machine, to, mode)?;
    above.push(normal(&machine.resolve(from)?.unwrap_or_else(|| from.to_path_buf())));
    for name in machine.list(from)? {
        let (source, target) = (from.join(&name), to.join(&name));
        let Some(stat) = machine.lstat(&source)? else { continue };
        let real = if copy.local_follow { machine.stat(&source)? } else { None };
        let leads_up = |real: PathBuf| above.iter().any(|dir| dir.starts_with(normal(&real)));
        let circle = machine.resolve(&source)?.is_none_or(leads_up);
        match (stat.kind, real.map(|real| real.kind)) {
            (FileKind::Link, Some(FileKind::Dir)) if !circle => {
                remote_dir(copy, &source, &target, machine, context, above)?;
            }
            (FileKind::Link, Some(FileKind::File)) | (FileKind::File, _) => {
                remote_file(copy, &source, &target, machine, context)?;
            }
            (FileKind::Link, _) => link(copy, machine, &machine.read_link(&source)?, &target)?,
            (FileKind::Dir, _) => remote_dir(copy, &source, &target, machine, context, above)?,
            _ => return Err(Failure::new(format!("{} is no file, directory or link", source.display()))),
        }
    }
    above.pop();
    Ok(())
}

/// A path without `..` and `.`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut all, part| {
        match part {
            Component::ParentDir => drop(all.pop()),
            Component::CurDir => {}
            part => all.push(part),
        }
        all
    })
}

/// A new file has the mode of its source where the task says none; one that is there keeps its own.
fn remote_file(
    copy: &Copy,
    source: &Path,
    target: &Path,
    machine: &dyn Machine,
    context: &Context,
) -> Result<(), Failure> {
    let source = machine.resolve(source)?.unwrap_or_else(|| source.to_path_buf());
    let is_new = machine.lstat(target)?.is_none();
    let file = Copy {
        dest: super::paths::Place(target.to_string_lossy().into_owned()),
        src: Some(super::paths::Source(source.to_string_lossy().into_owned())),
        mode: copy.mode.clone().or_else(|| is_new.then_some(super::Mode::Preserve)),
        ..copy.clone()
    };
    file.put(machine, context).map(drop)
}

/// With a trailing `/` the content of the directory goes to the destination, without one the directory does.
fn root(copy: &Copy) -> Result<PathBuf, Failure> {
    let src = copy.src.as_deref().unwrap_or_default();
    let dest = PathBuf::from(&copy.dest);
    if src.ends_with('/') {
        return Ok(dest);
    }
    let name = Path::new(src).file_name().ok_or_else(|| Failure::new(format!("{src} has no name of its own")))?;
    Ok(dest.join(name))
}

/// Only a directory that is made gets a mode and an owner; one that is there stays as it is.
fn make_dir(copy: &Copy, machine: &dyn Machine, path: &Path, source_mode: Option<u32>) -> Result<(), Failure> {
    match machine.stat(path)? {
        Some(stat) if stat.kind == FileKind::Dir => return Ok(()),
        Some(_) => return Err(Failure::new(format!("{} is there and is not a directory", path.display()))),
        None => {}
    }
    edit::make_parents(machine, path)?;
    let mode = match (&copy.directory_mode, &copy.mode, source_mode) {
        (Some(mode), ..) => Some(mode.clone()),
        (None, Some(super::Mode::Preserve), Some(bits)) => Some(super::Mode::Bits(bits)),
        _ => None,
    };
    let wanted = super::attrs::Wanted { mode, ..copy.wanted() };
    Ok(machine.make_dir(path, &wanted.resolve(machine, 0o755, true)?)?)
}

fn link(copy: &Copy, machine: &dyn Machine, target: &Path, path: &Path) -> Result<(), Failure> {
    match machine.lstat(path)? {
        Some(stat) if stat.kind == FileKind::Link && machine.read_link(path)? == target => Ok(()),
        Some(stat) if stat.kind == FileKind::Dir => {
            Err(Failure::new(format!("{} is a directory; it does not give way to a link", path.display())))
        }
        Some(_) if !copy.force => Ok(()),
        _ => Ok(machine.symlink(target, path)?),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, args};
    use super::super::{Blobs, Context, Resource, find};
    use super::*;
    use crate::machine::{Algorithm, Tracked};
    use std::sync::Arc;

    struct Hello;

    impl Blobs for Hello {
        fn get(&self, _sha256: &str) -> Result<Arc<[u8]>, String> {
            Ok(Arc::from(b"hello".as_slice()))
        }
    }

    fn copy(bench: &Bench, params: &str, path: &str) -> Result<usize, Failure> {
        let digest = Algorithm::Sha256.of(b"hello");
        let tree = format!(
            "[{{path: sub, dir: true, mode: 448}}, {{path: {path}, sha256: {digest}, mode: 416}}, {{path: l, link: sub/f}}]"
        );
        let text = format!("{{{params}, _tree: {tree}}}");
        let resource: Box<dyn Resource> = (find("copy").unwrap().parse)(args("copy", &text)).unwrap();
        let tracked = Tracked::new(bench.0.clone(), false);
        let context = Context { blobs: Some(Arc::new(Hello)), ..Context::default() };
        resource.converge(&tracked, &context)?;
        Ok(tracked.changes().len())
    }

    #[test]
    fn directories() {
        let table = [
            ("src: site/, dest: /srv/x", "/srv/x", 0o644, 0o755, 4),
            ("src: site, dest: /srv/x, mode: '0600', directory_mode: '0700'", "/srv/x/site", 0o600, 0o700, 5),
            ("src: /a/site, dest: /srv/, mode: preserve", "/srv/site", 0o640, 0o700, 4),
        ];
        for (params, root, file_mode, dir_mode, changes) in table {
            let bench = Bench::with(&[]);
            assert_eq!(copy(&bench, params, "sub/f").unwrap(), changes, "{params}");
            assert_eq!(copy(&bench, params, "sub/f").unwrap(), 0, "{params}");
            assert_eq!(bench.read(&format!("{root}/l")), "hello");
            let mode = |path: &str| bench.0.lstat(Path::new(root).join(path).as_path()).unwrap().unwrap().mode;
            assert_eq!((mode("sub/f"), mode("sub")), (file_mode, dir_mode), "{params}");
        }
        let bench = Bench::with(&[]);
        assert!(copy(&bench, "src: site/, dest: /srv/x", "../f").unwrap_err().message.contains("damaged"));
    }

    #[test]
    fn directories_of_the_target() {
        let bench = Bench::with(&[]);
        for path in ["/srv/a/b/c", "/srv/out"] {
            bench.run("file", &format!("{{path: {path}, state: directory}}")).unwrap();
        }
        bench.run("copy", "{dest: /srv/a/b/f, content: x, mode: '0600'}").unwrap();
        bench.run("file", "{path: /srv/a/b/l, src: f, state: link}").unwrap();
        bench.run("file", "{path: /srv/a/b/up, src: .., state: link}").unwrap();
        bench.run("file", "{path: /srv/a/b/void, src: nowhere, state: link, force: true}").unwrap();
        bench.settle("copy", "{src: /srv/a/b/, dest: /srv/out, remote_src: true}");
        assert_eq!((bench.read("/srv/out/f"), bench.read("/srv/out/l")), ("x".into(), "x".into()));
        let stat = |path: &str| bench.0.lstat(std::path::Path::new(path)).unwrap();
        assert_eq!(stat("/srv/out/f").unwrap().mode, 0o600);
        assert!(stat("/srv/out/c").is_some());
        let target = |path: &str| bench.0.read_link(std::path::Path::new(path)).unwrap();
        assert_eq!((target("/srv/out/void"), target("/srv/out/up")), ("nowhere".into(), "..".into()));
        bench.settle("copy", "{src: /srv/a/b, dest: /srv/out, remote_src: true, local_follow: false}");
        assert_eq!(target("/srv/out/b/l"), std::path::PathBuf::from("f"));
        assert!(bench.fails("copy", "{src: /srv/a, dest: /srv/a/b, remote_src: true}").contains("into itself"));
    }
}
