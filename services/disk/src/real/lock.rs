//! One process per data folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Held as long as this lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Takes the folder for this process: `flock` on its file `lock`, into which the holder's id is written.
///
/// # Errors
/// `WouldBlock` when another process (or another lock in this one) holds it; the text names the folder and the
/// holder's id, if that can be read. Otherwise what the system says.
pub fn lock(folder: &Path) -> io::Result<FolderLock> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(folder, &mut file)),
        Err(error) => return Err(error.into()),
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(FolderLock { _file: file })
}

fn held(folder: &Path, file: &mut File) -> io::Error {
    let mut text = String::new();
    let holder =
        match file.take(32).read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok()) {
            Some(id) => format!("process {id}"),
            None => "another process".to_owned(),
        };
    let folder = folder.display();
    io::Error::new(io::ErrorKind::WouldBlock, format!("{folder} is held by {holder}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_and_the_refusal_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        let refusal = lock(folder.path()).unwrap_err();
        assert_eq!(refusal.kind(), io::ErrorKind::WouldBlock);
        assert!(
            refusal.to_string().ends_with(&format!("is held by process {}", std::process::id())),
            "{refusal}"
        );
        drop(first);
        lock(folder.path()).unwrap();
    }
}
