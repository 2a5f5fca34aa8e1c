//! The disk behind all handles: every operation is counted here, and fails here if it has to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fault::{Faults, Operation, Trouble};
use super::inode::{Inode, InodeId};
use super::names::Names;
use crate::Room;

/// What an unlimited disk says that it has.
const UNLIMITED_BYTES: u64 = 1 << 40;
/// The largest file: this is memory, after all.
const LARGEST_FILE_BYTES: u64 = 1 << 30;

pub(super) struct State {
    pub(super) names: Names,
    pub(super) faults: Faults,
    pub(super) capacity: Option<u64>,
    pub(super) operations: u64,
    pub(super) cut_at: Option<u64>,
    pub(super) dead: bool,
    folders: BTreeSet<PathBuf>,
    inodes: BTreeMap<InodeId, Inode>,
    next_inode: u64,
    random: ChaCha8Rng,
}

/// Whether an operation is done and answered, or done (or not) and then the power goes.
#[derive(PartialEq, Eq)]
enum Power {
    On,
    Going,
}

impl Power {
    fn answer<T>(self, value: T) -> io::Result<T> {
        if self == Self::On { Ok(value) } else { Err(Trouble::Io.error()) }
    }
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            names: Names::default(),
            faults: Faults::default(),
            capacity: None,
            operations: 0,
            cut_at: None,
            dead: false,
            folders: BTreeSet::new(),
            inodes: BTreeMap::new(),
            next_inode: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    pub(super) fn after_cut(&mut self) -> Self {
        self.dead = true;
        let names = self.names.found_after_cut(&mut self.random);
        let mut found = Self::new(self.random.random());
        for inode in names.values() {
            found.inodes.insert(*inode, Inode::holding(self.inodes[inode].found_after_cut(&mut self.random)));
        }
        found.names = Names::holding(names);
        found.folders.clone_from(&self.folders);
        found.next_inode = self.next_inode;
        found.capacity = self.capacity;
        found
    }

    pub(super) fn inode(&self, inode: InodeId) -> &Inode {
        &self.inodes[&inode]
    }

    pub(super) fn used(&self) -> u64 {
        self.names.inodes().map(|inode| self.inode(inode).now().len() as u64).sum()
    }

    pub(super) fn put(&mut self, path: &Path, bytes: &[u8]) {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        self.folders.extend(folder.ancestors().map(Path::to_owned));
        let inode = self.add(Inode::holding(bytes.to_vec()));
        self.names.create(path, inode);
        self.names.sync(&folder);
    }

    pub(super) fn corrupt(&mut self, path: &Path, at: u64, mask: u8) -> bool {
        let inode = self.names.get(path).and_then(|inode| self.inodes.get_mut(&inode));
        inode.is_some_and(|inode| usize::try_from(at).is_ok_and(|at| inode.flip(at, mask)))
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let power = self.begin(Operation::CreateDir)?;
        self.folders.extend(path.ancestors().map(Path::to_owned));
        power.answer(())
    }

    pub(super) fn list(&mut self, folder: &Path) -> io::Result<Vec<String>> {
        let power = self.begin(Operation::List)?;
        self.folder_is_there(folder)?;
        let here = self.names.paths().into_iter().filter(|path| path.parent() == Some(folder));
        let mut names: Vec<String> =
            here.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
        names.sort_unstable();
        power.answer(names)
    }

    pub(super) fn open(&mut self, path: &Path, create: bool) -> io::Result<InodeId> {
        let power = self.begin(Operation::Open)?;
        self.folder_is_there(path.parent().unwrap_or(Path::new("")))?;
        match self.names.get(path) {
            Some(inode) => power.answer(inode),
            None if create => {
                let inode = self.add(Inode::default());
                self.names.create(path, inode);
                power.answer(inode)
            }
            None => Err(not_found()),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let power = self.begin(Operation::Rename)?;
        let inode = self.names.get(from).ok_or_else(not_found)?;
        self.folder_is_there(to.parent().unwrap_or(Path::new("")))?;
        if from != to {
            self.names.rename(from, to, inode);
        }
        power.answer(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let power = self.begin(Operation::Remove)?;
        self.names.get(path).ok_or_else(not_found)?;
        self.names.remove(path);
        power.answer(())
    }

    pub(super) fn sync_dir(&mut self, folder: &Path) -> io::Result<()> {
        match self.begin(Operation::SyncDir) {
            Ok(Power::On) => {
                self.folder_is_there(folder)?;
                self.names.sync(folder);
                Ok(())
            }
            Ok(Power::Going) => Power::Going.answer(()),
            Err(error) => {
                self.names.fail_sync(folder, &mut self.random);
                Err(error)
            }
        }
    }

    pub(super) fn room(&mut self) -> io::Result<Room> {
        let power = self.begin(Operation::Room)?;
        let total = self.capacity.unwrap_or(UNLIMITED_BYTES);
        power.answer(Room { free: total.saturating_sub(self.used()), total })
    }

    pub(super) fn read_at(&mut self, inode: InodeId, into: &mut [u8], at: u64) -> io::Result<usize> {
        let power = self.begin(Operation::Read)?;
        let now = self.inode(inode).now();
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(now.len());
        let length = into.len().min(now.len() - from);
        into[..length].copy_from_slice(&now[from..from + length]);
        power.answer(length)
    }

    pub(super) fn write_at(&mut self, inode: InodeId, bytes: &[u8], at: u64) -> io::Result<()> {
        let begun = self.begin(Operation::Write);
        if self.dead && begun.is_err() {
            return begun.map(drop);
        }
        let fits = self.fits(inode, bytes.len() as u64, at);
        let (written, answer) = match begun {
            Err(error) => (self.random.random_range(0..=fits), Err(error)),
            Ok(_) if fits < bytes.len() => (fits, Err(Trouble::NoSpace.error())),
            Ok(power) => (fits, power.answer(())),
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        self.change(inode).write(at, &bytes[..written]);
        answer
    }

    pub(super) fn set_len(&mut self, inode: InodeId, bytes: u64) -> io::Result<()> {
        let power = self.begin(Operation::SetLen)?;
        let length = self.inode(inode).now().len() as u64;
        let grown = bytes.saturating_sub(length);
        if bytes > LARGEST_FILE_BYTES || self.fits(inode, grown, length) as u64 != grown {
            return Err(Trouble::NoSpace.error());
        }
        self.change(inode).set_len(usize::try_from(bytes).unwrap_or(usize::MAX));
        power.answer(())
    }

    pub(super) fn sync_data(&mut self, inode: InodeId) -> io::Result<()> {
        match self.begin(Operation::SyncData) {
            Ok(Power::On) => {
                self.change(inode).sync();
                Ok(())
            }
            Ok(Power::Going) => Power::Going.answer(()),
            Err(error) => {
                let file = self.inodes.get_mut(&inode).expect("an open file has an inode");
                file.fail_sync(&mut self.random);
                Err(error)
            }
        }
    }

    pub(super) fn len(&mut self, inode: InodeId) -> io::Result<u64> {
        let power = self.begin(Operation::Len)?;
        power.answer(self.inode(inode).now().len() as u64)
    }

    /// Counts an operation and says whether it may go on.
    fn begin(&mut self, operation: Operation) -> io::Result<Power> {
        self.operations += 1;
        if self.dead {
            return Err(Trouble::Io.error());
        }
        if self.cut_at.is_some_and(|cut| self.operations >= cut) {
            self.dead = true;
            return Ok(Power::Going);
        }
        match self.faults.due(operation) {
            Some(trouble) => Err(trouble.error()),
            None => Ok(Power::On),
        }
    }

    /// How many of `bytes` written `at` find room.
    fn fits(&self, inode: InodeId, bytes: u64, at: u64) -> usize {
        let length = self.inode(inode).now().len() as u64;
        let free = self.capacity.map_or(UNLIMITED_BYTES, |capacity| capacity.saturating_sub(self.used()));
        let end = (length + free).min(LARGEST_FILE_BYTES);
        usize::try_from(bytes.min(end.saturating_sub(at))).unwrap_or(usize::MAX)
    }

    fn add(&mut self, inode: Inode) -> InodeId {
        let id = InodeId(self.next_inode);
        self.next_inode += 1;
        self.inodes.insert(id, inode);
        id
    }

    fn change(&mut self, inode: InodeId) -> &mut Inode {
        self.inodes.get_mut(&inode).expect("an open file has an inode")
    }

    fn folder_is_there(&self, folder: &Path) -> io::Result<()> {
        if folder.as_os_str().is_empty() || self.folders.contains(folder) { Ok(()) } else { Err(not_found()) }
    }
}

fn not_found() -> io::Error {
    rustix::io::Errno::NOENT.into()
}
