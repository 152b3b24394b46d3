//! Reading archives: tar (plain, gzip, bzip2, xz) and zip, one entry after the other, with the names made safe.

use std::io::{Cursor, Read};
use std::path::{Component, Path, PathBuf};

use super::Failure;

/// One file of an archive may hold no more than this.
const MAX_ENTRY: u64 = 2 * 1024 * 1024 * 1024;

/// Kinds of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Tar,
    Gzip,
    Bzip2,
    Xz,
    Zip,
}

/// Something in an archive.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    /// Its name, below the destination.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Mode, where the archive knows it.
    pub mode: Option<u32>,
    /// Owner: number and name.
    pub owner: Option<(u32, String)>,
    /// Group: number and name.
    pub group: Option<(u32, String)>,
    /// Time of modification.
    pub modified: Option<f64>,
}

/// What an entry is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Kind {
    #[default]
    Dir,
    File(Vec<u8>),
    Symlink(PathBuf),
    Hardlink(PathBuf),
}

/// What of an archive is read.
pub(super) struct Selection<'a> {
    /// Leading directories taken off each name.
    pub strip: usize,
    /// Says whether an entry of this name is wanted.
    pub wants: &'a dyn Fn(&Path) -> bool,
}

type Each<'a> = &'a mut dyn FnMut(Entry) -> Result<(), Failure>;

impl Format {
    /// Tells the format by the first bytes.
    pub fn of(bytes: &[u8]) -> Result<Self, Failure> {
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        match () {
            () if starts(b"\x1f\x8b") => Ok(Self::Gzip),
            () if starts(b"BZh") => Ok(Self::Bzip2),
            () if starts(b"\xfd7zXZ\0") => Ok(Self::Xz),
            () if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") => Ok(Self::Zip),
            () if bytes.get(257..262) == Some(b"ustar") => Ok(Self::Tar),
            () if starts(b"\x28\xb5\x2f\xfd") => Err(Failure::new("cfg does not read archives compressed by zstd")),
            () => Err(Failure::new("this is no archive cfg knows: tar, also with gzip, bzip2 or xz, and zip")),
        }
    }

    /// The name Ansible has for what reads it.
    pub fn handler(self) -> &'static str {
        match self {
            Self::Tar => "TarArchive",
            Self::Gzip => "TgzArchive",
            Self::Bzip2 => "TarBzipArchive",
            Self::Xz => "TarXzArchive",
            Self::Zip => "ZipArchive",
        }
    }

    /// Gives each entry to `each`, in the order of the archive.
    pub fn read(self, bytes: &[u8], selection: &Selection<'_>, each: Each<'_>) -> Result<(), Failure> {
        match self {
            Self::Tar => read_tar(bytes, selection, each),
            Self::Gzip => read_tar(flate2::read::MultiGzDecoder::new(bytes), selection, each),
            Self::Bzip2 => read_tar(bzip2::read::MultiBzDecoder::new(bytes), selection, each),
            Self::Xz => read_tar(lzma_rust2::XzReader::new(bytes, true), selection, each),
            Self::Zip => read_zip(bytes, selection, each),
        }
    }
}

fn damaged(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the archive cannot be read: {error}"))
}

/// A name without `./`, with `strip` directories taken off; `None` where nothing is left of it.
fn clean(path: &Path, strip: usize) -> Result<Option<PathBuf>, Failure> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                let message = format!("the archive holds `{}`, which leads out of the destination", path.display());
                return Err(Failure::new(message));
            }
        }
    }
    let left: PathBuf = parts.into_iter().skip(strip).collect();
    Ok((!left.as_os_str().is_empty()).then_some(left))
}

/// Refuses a link that points out of the destination.
fn inside(link: &Path, target: &Path) -> Result<(), Failure> {
    let mut depth = link.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => {
                let message = format!(
                    "the archive holds the link `{}` to {}, which leads out of the destination",
                    link.display(),
                    target.display()
                );
                return Err(Failure::new(message));
            }
        }
    }
    Ok(())
}

fn bytes_of(reader: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    reader.take(MAX_ENTRY + 1).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() as u64 > MAX_ENTRY {
        return Err(Failure::new(format!("a file of the archive holds more than {MAX_ENTRY} bytes")));
    }
    Ok(bytes)
}

fn read_tar(reader: impl Read, selection: &Selection<'_>, each: Each<'_>) -> Result<(), Failure> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.into_owned();
        let Some(path) = clean(&name, selection.strip)?.filter(|_| (selection.wants)(&name)) else { continue };
        let header = entry.header();
        let kind = header.entry_type();
        let named = |id: std::io::Result<u64>, name: Result<Option<&str>, std::str::Utf8Error>| {
            let id = id.ok().and_then(|id| u32::try_from(id).ok())?;
            Some((id, name.ok().flatten().unwrap_or_default().to_owned()))
        };
        let mut found = Entry {
            mode: header.mode().ok().map(|mode| mode & 0o7777),
            owner: named(header.uid(), header.username()),
            group: named(header.gid(), header.groupname()),
            modified: header.mtime().ok().map(|time| time as f64),
            path,
            kind: Kind::Dir,
        };
        let target = entry.link_name().map_err(damaged)?.map(std::borrow::Cow::into_owned).unwrap_or_default();
        found.kind = match kind {
            tar::EntryType::Directory => Kind::Dir,
            tar::EntryType::Symlink => {
                inside(&found.path, &target)?;
                Kind::Symlink(target)
            }
            tar::EntryType::Link => match clean(&target, selection.strip)? {
                Some(target) => Kind::Hardlink(target),
                None => return Err(Failure::new(format!("the archive holds a link to nothing: {}", name.display()))),
            },
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                Kind::File(bytes_of(&mut entry)?)
            }
            tar::EntryType::XGlobalHeader => continue,
            _ => {
                let message = format!("the archive holds `{}`, which is no file, directory or link", name.display());
                return Err(Failure::new(message));
            }
        };
        each(found)?;
    }
    Ok(())
}

fn read_zip(bytes: &[u8], selection: &Selection<'_>, each: Each<'_>) -> Result<(), Failure> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).map_err(damaged)?;
        let name = PathBuf::from(file.name().map_err(damaged)?.into_owned());
        let Some(path) = clean(&name, selection.strip)?.filter(|_| (selection.wants)(&name)) else { continue };
        let bits = file.unix_mode();
        let is_dir = file.is_dir();
        let is_link = bits.is_some_and(|bits| bits & 0o170_000 == 0o120_000);
        let kind = if is_dir {
            Kind::Dir
        } else {
            let bytes = bytes_of(&mut file)?;
            if is_link {
                let target = PathBuf::from(String::from_utf8_lossy(&bytes).into_owned());
                inside(&path, &target)?;
                Kind::Symlink(target)
            } else {
                Kind::File(bytes)
            }
        };
        // Archives made elsewhere than under Unix have no modes, or 0.
        let mode = bits.map(|bits| bits & 0o7777).filter(|mode| *mode != 0);
        each(Entry { path, kind, mode, ..Entry::default() })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_links_stay_inside() {
        assert_eq!(clean(Path::new("./a/b"), 1).unwrap(), Some("b".into()));
        assert_eq!(clean(Path::new("./"), 0).unwrap(), None);
        assert!(clean(Path::new("/etc/passwd"), 0).is_err());
        assert!(clean(Path::new("a/../../b"), 0).is_err());
        let table = [
            ("a/l", "b", true),
            ("a/l", "../b", true),
            ("a/l", "../../b", false),
            ("l", "/etc", false),
            ("l", "a/../..", false),
        ];
        for (link, target, fine) in table {
            assert_eq!(inside(Path::new(link), Path::new(target)).is_ok(), fine, "{link} -> {target}");
        }
    }
}
