//! Why something on the machine did not work.

use serde::{Deserialize, Serialize};

/// The result of looking at or changing a machine.
pub type Result<T> = std::result::Result<T, Fault>;

/// An operation that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{operation}: {reason}")]
pub struct Fault {
    /// What was tried, with its operand: "write /etc/motd".
    pub operation: String,
    /// Why it failed.
    pub reason: String,
    /// What kind of failure it is.
    pub kind: FaultKind,
}

/// The kinds of failure somebody may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// Something is not there.
    NotFound,
    /// Not permitted to this user.
    Denied,
    /// No space or no inode left, or over quota.
    Full,
    /// The file system is mounted read-only.
    ReadOnly,
    /// Larger than cfg will hold in memory.
    TooLarge,
    /// It took too long.
    Timeout,
    /// The run was cancelled.
    Cancelled,
    /// This is a dry run, and it is known after apply.
    Unknown,
    /// Anything else.
    Other,
}

impl Fault {
    /// A failure with a reason in words.
    pub fn new(operation: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { operation: operation.into(), reason: reason.into(), kind: FaultKind::Other }
    }

    /// A failure of the operating system.
    pub fn io(operation: impl Into<String>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as E;
        let kind = match error.kind() {
            E::NotFound => FaultKind::NotFound,
            E::PermissionDenied => FaultKind::Denied,
            E::StorageFull | E::QuotaExceeded => FaultKind::Full,
            E::ReadOnlyFilesystem => FaultKind::ReadOnly,
            E::FileTooLarge => FaultKind::TooLarge,
            E::TimedOut => FaultKind::Timeout,
            _ => FaultKind::Other,
        };
        let text = error.to_string();
        let reason = text.split(" (os error").next().unwrap_or(&text).to_owned();
        Self { operation: operation.into(), reason, kind }
    }

    /// What to do about it, where that is clear.
    pub fn help(&self) -> Option<&'static str> {
        match self.kind {
            FaultKind::Denied => Some("this needs other rights: set `become: true` on the task or play"),
            FaultKind::Full => Some("the disk is full: free some space on the host"),
            FaultKind::ReadOnly => Some("the file system is mounted read-only: remount it read-write"),
            _ => None,
        }
    }
}
