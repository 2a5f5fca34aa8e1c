//! A small file system, to be filled.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A tmpfs of 64 MiB; unmounted when dropped.
#[derive(Debug)]
pub struct Tmpfs(TempDir);

/// What takes the room of a [`Tmpfs`] until it is dropped.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Tmpfs {
    /// Mounts one; `None` where that is not allowed.
    pub fn mount() -> Option<Self> {
        let at = tempfile::tempdir().expect("a temporary folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(at.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Lays ballast until no more than this is left, in bytes.
    pub fn leave(&self, room: u64) -> Ballast {
        let path = self.path().join("ballast");
        let mut ballast = File::create(&path).expect("a file of ballast");
        let page = [0x5a; 4096];
        // What the city writes meanwhile makes the last page fail: then it is full enough.
        while self.free() > room && ballast.write_all(&page).is_ok() {}
        Ballast(path)
    }

    /// Keeps the room between a half and all of this, whatever the city writes or drops meanwhile.
    pub fn keep(&self, ballast: &Ballast, room: u64) {
        let file = File::options().append(true).open(&ballast.0).expect("the ballast");
        let (free, length) = (self.free(), file.metadata().expect("its length").len());
        if free < room / 2 {
            file.set_len(length.saturating_sub(room - free)).expect("less ballast");
        } else if free > room {
            // What the city writes at this moment may be in the way.
            let more = usize::try_from(free - room).expect("less than 64 MiB");
            let _ = (&file).write_all(&vec![0x5a; more]);
        }
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).expect("a mounted file system");
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        // The disk may be gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
