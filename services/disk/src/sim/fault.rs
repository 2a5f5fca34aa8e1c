//! Failures on request.

use std::io;

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`crate::Disk::create_dir`].
    CreateDir,
    /// [`crate::Disk::list`].
    List,
    /// [`crate::Disk::open`].
    Open,
    /// [`crate::Disk::rename`].
    Rename,
    /// [`crate::Disk::remove`].
    Remove,
    /// [`crate::Disk::sync_dir`].
    SyncDir,
    /// [`crate::Disk::room`].
    Room,
    /// [`crate::DiskFile::read_at`].
    Read,
    /// [`crate::DiskFile::write_at`]; some first part of the bytes is written.
    Write,
    /// [`crate::DiskFile::set_len`].
    SetLen,
    /// [`crate::DiskFile::sync_data`].
    SyncData,
    /// [`crate::DiskFile::len`].
    Len,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// `ENOSPC`, which is [`io::ErrorKind::StorageFull`].
    NoSpace,
    /// `EDQUOT`, which is [`io::ErrorKind::QuotaExceeded`].
    Quota,
    /// `EIO`.
    Io,
}

impl Trouble {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::NoSpace => rustix::io::Errno::NOSPC.into(),
            Self::Quota => rustix::io::Errno::DQUOT.into(),
            Self::Io => rustix::io::Errno::IO.into(),
        }
    }
}

/// The failures still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(Operation, u64, Trouble)>);

impl Faults {
    pub(super) fn arm(&mut self, operation: Operation, nth: u64, trouble: Trouble) {
        self.0.push((operation, nth.max(1), trouble));
    }

    /// Counts one operation down; failures that fall due together are one.
    pub(super) fn due(&mut self, operation: Operation) -> Option<Trouble> {
        for (_, left, _) in self.0.iter_mut().filter(|fault| fault.0 == operation) {
            *left -= 1;
        }
        let due = self.0.iter().find(|fault| fault.1 == 0)?.2;
        self.0.retain(|fault| fault.1 > 0);
        Some(due)
    }
}
