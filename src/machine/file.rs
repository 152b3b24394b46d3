//! Files as the machine traits speak of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Command;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, with set-id and sticky bits: `0o7777`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Times of access, modification and status change, in seconds since the epoch.
    pub atime: f64,
    /// Modification.
    pub mtime: f64,
    /// Status change.
    pub ctime: f64,
    /// Inode.
    pub inode: u64,
    /// Device.
    pub device: u64,
    /// Hard links.
    pub links: u64,
}

/// A time to set on a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum FileTime {
    /// This moment. Who may write a file may set both of its times to it; any other time takes its owner.
    Now,
    /// Seconds since the epoch.
    At(f64),
}

impl FileTime {
    /// Seconds since the epoch.
    pub fn seconds(self) -> f64 {
        match self {
            Self::At(seconds) => seconds,
            Self::Now => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64()),
        }
    }
}

/// How full a file system is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of a block.
    pub block_size: u64,
    /// All blocks.
    pub blocks: u64,
    /// Blocks an ordinary user may fill.
    pub blocks_available: u64,
    /// All inodes.
    pub inodes: u64,
    /// Inodes an ordinary user may make.
    pub inodes_available: u64,
}

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A block device.
    Block,
    /// A character device.
    Char,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Owner, group and mode to set; `None` leaves as is (or takes the default where the file is new).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attrs {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// The content of a file to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A copy of another file on the machine.
    File(PathBuf),
}

impl Content {
    /// Content of bytes.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// How a file is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Run on the temporary file before it takes the place; where it fails the old file stays.
    pub validate: Option<Command>,
    /// Keep a copy of the old file beside it, under this path.
    pub backup: Option<PathBuf>,
    /// The content is secret: never show it, and make a new file 0600 unless a mode is given.
    pub secret: bool,
}

/// Digest algorithms of Ansible's `checksum` parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Reads a name such as `sha256`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    /// The digest of what `reader` gives, in hexadecimal.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn digest(self, reader: &mut dyn std::io::Read) -> std::io::Result<String> {
        fn feed<D: sha2::Digest>(reader: &mut dyn std::io::Read) -> std::io::Result<String> {
            let mut hasher = D::new();
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let n = reader.read(&mut buffer)?;
                if n == 0 {
                    return Ok(hex(&hasher.finalize()));
                }
                hasher.update(buffer.get(..n).unwrap_or_default());
            }
        }
        match self {
            Self::Md5 => feed::<md5::Md5>(reader),
            Self::Sha1 => feed::<sha1::Sha1>(reader),
            Self::Sha224 => feed::<sha2::Sha224>(reader),
            Self::Sha256 => feed::<sha2::Sha256>(reader),
            Self::Sha384 => feed::<sha2::Sha384>(reader),
            Self::Sha512 => feed::<sha2::Sha512>(reader),
        }
    }

    /// The digest of bytes, in hexadecimal.
    pub fn of(self, bytes: &[u8]) -> String {
        self.digest(&mut &*bytes).unwrap_or_default()
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
