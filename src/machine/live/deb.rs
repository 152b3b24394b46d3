//! Looking into a `.deb`: its files, and the script that runs after they are unpacked (deb(5), deb-postinst(5)).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::super::package::{Comes, ForeseenFile};
use super::super::{Command, FileKind, Result};
use super::{Live, exec};

/// Content is kept of files that somebody may want to edit or that define a service.
const KEEP_UNDER: &[&str] =
    &["/etc/", "/lib/systemd/", "/usr/lib/systemd/", "/usr/lib/sysusers.d/", "/usr/lib/tmpfiles.d/"];
const KEEP_AT_MOST: u64 = 512 * 1024;

/// What a package file holds.
#[derive(Debug, Default)]
pub struct Deb {
    /// Files and directories.
    pub files: Vec<ForeseenFile>,
    /// The script run after unpacking.
    pub postinst: String,
}

/// Reads a package file.
pub fn read(live: &Live, path: &Path) -> Result<Deb> {
    let path = path.to_string_lossy().into_owned();
    let data = exec::output(live, &Command::new(["dpkg-deb", "--fsys-tarfile", &path]))?;
    let control = exec::output(live, &Command::new(["dpkg-deb", "--ctrl-tarfile", &path]))?;
    let mut deb = Deb { files: files(&data.stdout), postinst: String::new() };
    let mut archive = tar::Archive::new(control.stdout.as_slice());
    for mut entry in archive.entries().into_iter().flatten().flatten() {
        if entry.path().is_ok_and(|p| p.ends_with("postinst")) {
            let _ = entry.read_to_string(&mut deb.postinst);
        }
    }
    Ok(deb)
}

fn files(tarball: &[u8]) -> Vec<ForeseenFile> {
    let mut archive = tar::Archive::new(tarball);
    let mut found = Vec::new();
    for mut entry in archive.entries().into_iter().flatten().flatten() {
        let Ok(relative) = entry.path().map(|p| p.into_owned()) else { continue };
        let path = PathBuf::from("/").join(relative.strip_prefix(".").unwrap_or(&relative));
        let header = entry.header().clone();
        let kind = match header.entry_type() {
            tar::EntryType::Directory => FileKind::Dir,
            tar::EntryType::Symlink => FileKind::Link,
            _ => FileKind::File,
        };
        let size = header.size().unwrap_or(0);
        let text = path.to_string_lossy();
        let keep = kind == FileKind::File && size <= KEEP_AT_MOST && KEEP_UNDER.iter().any(|dir| text.starts_with(dir));
        let mut content = None;
        if keep {
            let mut bytes = Vec::new();
            content = entry.read_to_end(&mut bytes).is_ok().then_some(bytes);
        }
        found.push(ForeseenFile {
            mode: header.mode().ok().map(|m| m & 0o7777),
            owner: header.username().ok().flatten().map(str::to_owned),
            group: header.groupname().ok().flatten().map(str::to_owned),
            target: entry.link_name().ok().flatten().map(|t| t.into_owned()),
            comes: Comes::Unpacked,
            path,
            kind,
            size,
            content,
        });
    }
    found
}
