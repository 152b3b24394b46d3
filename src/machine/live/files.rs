//! Files of the real system: atomic replacement, attributes, removal.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::XattrFlags;

use super::super::{Attrs, Content, Fault, FaultKind, FileKind, FileTime, Result, Stat, Usage};
use super::fault;

/// What is at a path. A missing or non-directory ancestor means that nothing is there.
pub fn lstat(path: &Path) -> Result<Option<Stat>> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(stat_of(&meta))),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(Fault::io(format!("look at {}", path.display()), &e)),
    }
}

/// How full the file system of a path is.
pub fn usage(path: &Path) -> Result<Usage> {
    let told = rustix::fs::statvfs(path).map_err(|e| fault("ask for the free space of", path)(e.into()))?;
    Ok(Usage {
        block_size: told.f_frsize,
        blocks: told.f_blocks,
        blocks_available: told.f_bavail,
        inodes: told.f_files,
        inodes_available: told.f_favail,
    })
}

fn stat_of(meta: &std::fs::Metadata) -> Stat {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = meta.file_type();
    let kind = match () {
        () if kind.is_symlink() => FileKind::Link,
        () if kind.is_dir() => FileKind::Dir,
        () if kind.is_block_device() => FileKind::Block,
        () if kind.is_char_device() => FileKind::Char,
        () if kind.is_fifo() => FileKind::Fifo,
        () if kind.is_socket() => FileKind::Socket,
        () => FileKind::File,
    };
    let seconds = |whole: i64, nanos: i64| whole as f64 + nanos as f64 / 1e9;
    Stat {
        kind,
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        size: meta.size(),
        atime: seconds(meta.atime(), meta.atime_nsec()),
        mtime: seconds(meta.mtime(), meta.mtime_nsec()),
        ctime: seconds(meta.ctime(), meta.ctime_nsec()),
        inode: meta.ino(),
        device: meta.dev(),
        links: meta.nlink(),
    }
}

/// Reads a file of at most `limit` bytes. Files of `/proc` say 0 bytes, so the limit holds while reading.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let file = File::open(path).map_err(fault("read", path))?;
    if file.metadata().map_err(fault("read", path))?.is_dir() {
        return Err(Fault::new(format!("read {}", path.display()), "it is a directory"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fault("read", path))?;
    if bytes.len() as u64 > limit {
        let reason = format!("larger than {limit} bytes");
        return Err(Fault { operation: format!("read {}", path.display()), reason, kind: FaultKind::TooLarge });
    }
    Ok(bytes)
}

/// Reads up to `length` bytes from an offset on; fewer only at the end of the file.
pub fn read_part(path: &Path, offset: u64, length: u64) -> Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _};
    let mut file = File::open(path).map_err(fault("read", path))?;
    let mut bytes = Vec::new();
    file.seek(std::io::SeekFrom::Start(offset)).map_err(fault("read", path))?;
    file.take(length).read_to_end(&mut bytes).map_err(fault("read", path))?;
    Ok(bytes)
}

/// A file written beside its destination, removed again unless it takes the place.
pub struct Staged {
    path: PathBuf,
    armed: bool,
}

impl Staged {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames it over `destination` and makes that durable.
    pub fn take_place(mut self, destination: &Path) -> Result<()> {
        std::fs::rename(&self.path, destination).map_err(fault("put in place", destination))?;
        self.armed = false;
        sync_parent(destination);
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.armed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn sync_parent(path: &Path) {
    // A directory that cannot be synced (some network file systems) does not make the rename wrong.
    if let Some(dir) = path.parent().and_then(|dir| File::open(dir).ok()) {
        let _ = dir.sync_all();
    }
}

/// A name beside `path` that nobody else uses.
pub fn temporary_name(path: &Path) -> PathBuf {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let short: String = name.chars().take(100).collect();
    path.with_file_name(format!(".{short}.cfg-{}-{n}", std::process::id()))
}

/// Removes what an agent that was killed left beside `path`.
fn remove_leftovers(path: &Path) {
    let name: String = path.file_name().unwrap_or_default().to_string_lossy().chars().take(100).collect();
    let prefix = format!(".{name}.cfg-");
    let Some(entries) = path.parent().and_then(|dir| std::fs::read_dir(dir).ok()) else { return };
    for entry in entries.filter_map(|entry| entry.ok()) {
        let found = entry.file_name().to_string_lossy().into_owned();
        let pid = found.strip_prefix(&prefix).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Writes the content beside `path` with its final owner and mode. Nobody else can read it before that.
pub fn stage(path: &Path, content: &Content, attrs: &Attrs, secret: bool) -> Result<Staged> {
    let old = std::fs::metadata(path).ok();
    remove_leftovers(path);
    let at = temporary_name(path);
    let open = |at: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(0o400_000).open(at);
    let file = match open(&at) {
        // Left over from a process that died and whose id we were given.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => std::fs::remove_file(&at).and_then(|()| open(&at)),
        other => other,
    };
    let mut file = file.map_err(fault("write", path))?;
    let staged = Staged { path: at, armed: true };
    fill(&mut file, content).map_err(|e| Fault { operation: format!("write {}", path.display()), ..e })?;
    finish(&file, path, old.as_ref(), attrs, secret)?;
    file.sync_all().map_err(fault("write", path))?;
    Ok(staged)
}

fn fill(file: &mut File, content: &Content) -> Result<()> {
    match content {
        Content::Bytes(bytes) => file.write_all(bytes).map_err(|e| Fault::io("write", &e)),
        Content::File(source) => {
            let mut from = File::open(source).map_err(fault("read", source))?;
            std::io::copy(&mut from, file).map(drop).map_err(|e| Fault::io("write", &e))
        }
    }
}

/// Gives the new file what was asked for, and what the one it replaces has beyond that.
fn finish(file: &File, path: &Path, old: Option<&std::fs::Metadata>, attrs: &Attrs, secret: bool) -> Result<()> {
    let mut mode = attrs.mode.or_else(|| old.map(|m| m.mode() & 0o7777)).unwrap_or_else(|| default_mode(secret));
    let now = file.metadata().map_err(fault("write", path))?;
    let differs = |wanted: Option<u32>, now: u32| wanted.filter(|id| *id != now);
    let (uid, gid) = (differs(attrs.uid, now.uid()), differs(attrs.gid, now.gid()));
    if uid.is_some() || gid.is_some() {
        std::os::unix::fs::fchown(file, uid, gid).map_err(fault("change the owner of", path))?;
    }
    if let Some(old) = old {
        let kept =
            |asked: Option<u32>, old: u32, now: u32| if asked.is_none() { differs(Some(old), now) } else { None };
        let (uid, gid) = (kept(attrs.uid, old.uid(), now.uid()), kept(attrs.gid, old.gid(), now.gid()));
        // Who may write in a directory but not give files away becomes the owner, as with `mv`; and then of nothing set-id.
        if (uid.is_some() || gid.is_some()) && std::os::unix::fs::fchown(file, uid, gid).is_err() {
            mode &= 0o1777;
        }
        keep_attributes(file, path);
    }
    // After chown, which clears set-id bits, and after access lists, whose mask it sets.
    file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(fault("set the mode of", path))
}

/// Gives the new file the extended attributes of the one it replaces: access lists, the SELinux label, what users keep
/// there. Those that speak of the content (capabilities, measurements) are not for the new one.
fn keep_attributes(file: &File, path: &Path) {
    let mut names = vec![0u8; 65_536];
    let Ok(length) = rustix::fs::listxattr(path, &mut names[..]) else { return };
    let mut value = vec![0u8; 65_536];
    for name in names.get(..length).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if matches!(name, b"security.capability" | b"security.ima" | b"security.evm") {
            continue;
        }
        if let Ok(length) = rustix::fs::getxattr(path, name, &mut value[..])
            && let Some(value) = value.get(..length)
        {
            let _ = rustix::fs::fsetxattr(file, name, value, XattrFlags::empty());
        }
    }
}

fn umask() -> u32 {
    static UMASK: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *UMASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("Umask:"));
        line.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0o022)
    })
}

fn default_mode(secret: bool) -> u32 {
    if secret { 0o600 } else { 0o666 & !umask() }
}

/// Makes one directory; it is closed to others until it has its owner.
pub fn make_dir(path: &Path, attrs: &Attrs) -> Result<()> {
    let mode = attrs.mode.unwrap_or(0o777 & !umask());
    std::fs::DirBuilder::new().mode(mode & 0o700).create(path).map_err(fault("make the directory", path))?;
    set_attrs(path, &Attrs { mode: Some(mode), ..*attrs })?;
    sync_parent(path);
    Ok(())
}

/// Sets owner and group, then the mode. Never follows a link in the last part.
pub fn set_attrs(path: &Path, attrs: &Attrs) -> Result<()> {
    if attrs.uid.is_some() || attrs.gid.is_some() {
        std::os::unix::fs::lchown(path, attrs.uid, attrs.gid).map_err(fault("change the owner of", path))?;
    }
    let is_link = std::fs::symlink_metadata(path).map_err(fault("look at", path))?.is_symlink();
    if let (Some(mode), false) = (attrs.mode, is_link) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).map_err(fault("set the mode of", path))?;
    }
    Ok(())
}

/// Sets times.
pub fn set_times(path: &Path, accessed: Option<FileTime>, modified: Option<FileTime>) -> Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
    let spec = |time: Option<FileTime>| match time {
        Some(FileTime::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW as _ },
        Some(FileTime::At(t)) => Timespec { tv_sec: t.floor() as i64, tv_nsec: ((t - t.floor()) * 1e9) as _ },
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
    };
    let times = Timestamps { last_access: spec(accessed), last_modification: spec(modified) };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Fault::io(format!("set the times of {}", path.display()), &e.into()))
}

/// Makes a link under a temporary name and renames it into place.
pub fn replace_with_link(link: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    let at = temporary_name(link);
    make(&at).map_err(fault("link", link))?;
    std::fs::rename(&at, link).map_err(|e| {
        let _ = std::fs::remove_file(&at);
        Fault::io(format!("link {}", link.display()), &e)
    })?;
    sync_parent(link);
    Ok(())
}

/// Removes whatever is there; nothing there is fine.
pub fn remove(path: &Path) -> Result<()> {
    let result = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(e) => Err(e),
    };
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Fault::io(format!("remove {}", path.display()), &e)),
        _ => {
            sync_parent(path);
            Ok(())
        }
    }
}

/// Copies a file with mode, owner and times, for a backup.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let stat = lstat(from)?.ok_or_else(|| Fault::new(format!("back up {}", from.display()), "it is not there"))?;
    let attrs = Attrs { mode: Some(stat.mode), uid: Some(stat.uid), gid: Some(stat.gid) };
    stage(to, &Content::File(from.to_path_buf()), &attrs, false)?.take_place(to)?;
    set_times(to, Some(FileTime::At(stat.atime)), Some(FileTime::At(stat.mtime)))
}
