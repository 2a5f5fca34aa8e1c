//! Opening: every header is checked, the tail is scanned, cut back to its last whole record, and made durable.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use yiwang_disk::{Disk, DiskFile};

use super::cursors::Cursors;
use super::index::{self, SegmentIndex};
use super::scan::{Found, Scan, Stop};
use super::sealed::corrupt;
use super::segment::{self, Place, SegmentHeader};
use super::slots::{self, Slots, StreamId};
use super::stream::{StreamWriter, Tail};
use super::{LogId, io_failed, shown};
use crate::Error;

/// What was taken off the end of the log when it was opened: the rest of a write that a crash cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The segment.
    pub file: PathBuf,
    /// Its length now; 0 when the file was removed because it held nothing.
    pub at: u64,
    /// How many bytes were cut off.
    pub cut_bytes: u64,
    /// Why they were not a record.
    pub why: String,
}

/// A log as it was found and mended.
pub(super) struct Opened {
    pub(super) id: LogId,
    pub(super) cursors: Cursors,
    pub(super) segments: [Vec<SegmentIndex>; 2],
    pub(super) writers: [StreamWriter; 2],
    pub(super) repairs: Vec<Repair>,
}

pub(super) fn open(disk: &Arc<dyn Disk>, folder: &Path, slots: &Slots) -> Result<Opened, Error> {
    for stream in StreamId::ALL {
        let folder = folder.join(stream.folder());
        disk.create_dir(&folder).map_err(|error| io_failed(&folder, &error))?;
    }
    let id = identify(&**disk, folder, slots)?;
    let cursors = Cursors::open(Arc::clone(disk), folder, id)?;
    let oldest_seq = cursors.table().oldest_seq;
    let mut repairs = Vec::new();
    let mut stream = |stream: StreamId, oldest_seq| {
        let folder = folder.join(stream.folder());
        StreamRecovery { disk, folder, id, stream, oldest_seq, slots, repairs: &mut repairs }.run()
    };
    let (kept, kept_writer) = stream(StreamId::Kept, 0)?;
    let (main, main_writer) = stream(StreamId::Main, oldest_seq)?;
    Ok(Opened { id, cursors, segments: [kept, main], writers: [kept_writer, main_writer], repairs })
}

/// Writes the index of a closed segment beside it. Without room it is left out: it is a hint.
pub(super) fn save_index(
    disk: &dyn Disk,
    folder: &Path,
    id: LogId,
    index: &SegmentIndex,
) -> Result<(), Error> {
    let path = index_path(folder, index.first_seq);
    match yiwang_disk::replace(disk, &path, &index.encode(id)) {
        Err(error) if !yiwang_disk::is_full(&error) => Err(io_failed(&path, &error)),
        _ => Ok(()),
    }
}

pub(super) fn index_path(folder: &Path, first_seq: u64) -> PathBuf {
    segment::path(folder, first_seq).with_extension("idx")
}

/// The id of the log that is there, or of the one made now.
fn identify(disk: &dyn Disk, folder: &Path, slots: &Slots) -> Result<LogId, Error> {
    if let Some(id) = slots::load(disk, folder, slots.layout())? {
        return Ok(id);
    }
    for stream in StreamId::ALL {
        let streams = folder.join(stream.folder());
        let names = disk.list(&streams).map_err(|error| io_failed(&streams, &error))?;
        if names.iter().any(|name| segment::parse_name(name).is_some()) {
            return Err(corrupt(&shown(&folder.join("layout")), 0, "it is missing, but there are segments"));
        }
    }
    let id = random_id();
    slots::save(disk, folder, slots.layout(), id)?;
    tracing::info!(folder = %folder.display(), "log made");
    Ok(id)
}

fn random_id() -> LogId {
    let mut id = [0; 16];
    for half in id.chunks_exact_mut(8) {
        half.copy_from_slice(&RandomState::new().hash_one(0).to_le_bytes());
    }
    LogId(id)
}

struct StreamRecovery<'a> {
    disk: &'a Arc<dyn Disk>,
    folder: PathBuf,
    id: LogId,
    stream: StreamId,
    /// The first record that retention has left.
    oldest_seq: u64,
    slots: &'a Slots,
    repairs: &'a mut Vec<Repair>,
}

/// What a scan of a segment found.
struct Scanned {
    index: SegmentIndex,
    /// Where the last commit begins.
    last_commit_at: u64,
    damage: Option<(u64, &'static str)>,
}

impl StreamRecovery<'_> {
    fn run(mut self) -> Result<(Vec<SegmentIndex>, StreamWriter), Error> {
        let mut first_seqs = self.tidy_up()?;
        let last_may_be_torn = !self.remove_torn_creation(&mut first_seqs)?;
        let mut segments: Vec<SegmentIndex> = Vec::new();
        for (place, first_seq) in first_seqs.iter().enumerate() {
            let is_tail = last_may_be_torn && place + 1 == first_seqs.len();
            let segment = self.open_segment(*first_seq, segments.last(), is_tail)?;
            segments.push(segment);
        }
        self.remove_empty_tail(&mut segments)?;
        if segments.is_empty() && self.oldest_seq > 0 {
            return Err(corrupt(&shown(&self.path(self.oldest_seq)), 0, "the file is missing"));
        }
        self.disk.sync_dir(&self.folder).map_err(|error| io_failed(&self.folder, &error))?;
        let tail = segments.last().map(|last| self.tail(last)).transpose()?;
        let writer = StreamWriter::new(self.stream, Arc::clone(self.disk), self.folder, self.id, tail);
        Ok((segments, writer))
    }

    /// Lists the segments and removes what a crash left beside and before them.
    fn tidy_up(&self) -> Result<Vec<u64>, Error> {
        let names = self.disk.list(&self.folder).map_err(|error| io_failed(&self.folder, &error))?;
        let all: BTreeSet<u64> = names.iter().filter_map(|name| segment::parse_name(name)).collect();
        let (dropped, first_seqs): (Vec<_>, Vec<_>) = all.into_iter().partition(|seq| *seq < self.oldest_seq);
        for first_seq in dropped {
            self.remove(&self.path(first_seq))?;
        }
        for name in &names {
            let indexed =
                name.strip_suffix(".idx").and_then(|stem| segment::parse_name(&format!("{stem}.seg")));
            let orphan = indexed.is_some_and(|first_seq| first_seqs.binary_search(&first_seq).is_err());
            if orphan || name.ends_with(".idx.new") {
                self.remove(&self.folder.join(name))?;
            }
        }
        Ok(first_seqs)
    }

    /// Removes the last segment if its creation was cut short: a header that is not whole, and nothing behind it.
    fn remove_torn_creation(&mut self, first_seqs: &mut Vec<u64>) -> Result<bool, Error> {
        let Some(first_seq) = first_seqs.last().copied() else { return Ok(false) };
        let path = self.path(first_seq);
        let file = self.open_file(&path)?;
        let length = file.len().map_err(|error| io_failed(&path, &error))?;
        let is_first = first_seqs.len() == 1 && first_seq != 0;
        if length > SegmentHeader::bytes(self.slots.count()) || is_first {
            return Ok(false);
        }
        match SegmentHeader::read(&*file, &path, &self.place(first_seq)) {
            Err(Error::Corrupt { why, .. }) => self.report(&path, 0, length, &why),
            other => return other.map(|_| false),
        }
        self.remove(&path)?;
        first_seqs.pop();
        Ok(true)
    }

    fn open_segment(
        &mut self,
        first_seq: u64,
        before: Option<&SegmentIndex>,
        is_tail: bool,
    ) -> Result<SegmentIndex, Error> {
        let path = self.path(first_seq);
        let file = self.open_file(&path)?;
        let header = SegmentHeader::read(&*file, &path, &self.place(first_seq))?;
        self.check_continues(&path, &header, before)?;
        let length = file.len().map_err(|error| io_failed(&path, &error))?;
        if is_tail {
            return self.mend_tail(&path, &*file, &header, length);
        }
        if let Some(index) = self.load_index(&header, length) {
            return Ok(index);
        }
        let scanned = self.scan(&path, &*file, &header, length)?;
        if let Some((at, why)) = scanned.damage {
            return Err(corrupt(&shown(&path), at, why));
        }
        save_index(&**self.disk, &self.folder, self.id, &scanned.index)?;
        Ok(scanned.index)
    }

    fn check_continues(
        &self,
        path: &Path,
        header: &SegmentHeader,
        before: Option<&SegmentIndex>,
    ) -> Result<(), Error> {
        let continues = match before {
            Some(before) => before.next_seq() == header.first_seq && before.next() == header.next,
            None => header.first_seq == self.oldest_seq,
        };
        if continues {
            Ok(())
        } else {
            Err(corrupt(&shown(path), 0, "records before this segment are missing"))
        }
    }

    /// The index beside a closed segment, if it fits.
    fn load_index(&self, header: &SegmentHeader, length: u64) -> Option<SegmentIndex> {
        let path = index_path(&self.folder, header.first_seq);
        let bytes = yiwang_disk::read_whole(&**self.disk, &path, index::MOST_FILE_BYTES).ok()??;
        let index = SegmentIndex::decode(self.id, &shown(&path), &bytes).ok()??;
        let fits = index.first_seq == header.first_seq
            && index.length == length
            && index.slots().map(|slot| slot.first).eq(header.next.iter().copied());
        fits.then_some(index)
    }

    /// Cuts the tail back to its last whole record, and brings to the disk what may only have been in memory.
    fn mend_tail(
        &mut self,
        path: &Path,
        file: &dyn DiskFile,
        header: &SegmentHeader,
        length: u64,
    ) -> Result<SegmentIndex, Error> {
        let scanned = self.scan(path, file, header, length)?;
        let failed = |error: io::Error| io_failed(path, &error);
        if let Some((at, why)) = scanned.damage {
            self.report(path, at, length - at, why);
            file.set_len(at).map_err(failed)?;
        }
        rewrite(file, scanned.last_commit_at, scanned.index.length).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        Ok(scanned.index)
    }

    fn scan(
        &self,
        path: &Path,
        file: &dyn DiskFile,
        header: &SegmentHeader,
        length: u64,
    ) -> Result<Scanned, Error> {
        let start = SegmentHeader::bytes(self.slots.count());
        let index = SegmentIndex::new(header.first_seq, start, &header.next);
        let mut scanned = Scanned { index, last_commit_at: start, damage: None };
        let mut scan = Scan::new(file, header.seed(), start, length);
        loop {
            match scan.next() {
                Ok(None) => return Ok(scanned),
                Ok(Some(found)) => self.take_up(path, &found, &mut scanned)?,
                Err(Stop::Io(error)) => return Err(io_failed(path, &error)),
                Err(Stop::Damage { at, why }) => {
                    scanned.damage = Some((at, why));
                    return Ok(scanned);
                }
            }
        }
    }

    fn take_up(&self, path: &Path, found: &Found, scanned: &mut Scanned) -> Result<(), Error> {
        let slot =
            self.slots.slot(found.head.partition).ok().filter(|slot| self.slots.stream(*slot) == self.stream);
        let fits = |slot: &slots::Slot| scanned.index.slot(*slot).next == found.head.offset;
        let Some(slot) = slot.filter(fits) else {
            return Err(corrupt(&shown(path), found.at, "the record does not continue its partition"));
        };
        if found.head.first_of_commit {
            scanned.last_commit_at = found.at;
        }
        scanned.index.add(slot, found.head.appended_ms, found.payload.len());
        Ok(())
    }

    /// Removes a last segment without records: whether its name is durable is unknown, so it is made anew. One that
    /// alone tells where the partitions stand is kept.
    fn remove_empty_tail(&self, segments: &mut Vec<SegmentIndex>) -> Result<(), Error> {
        let alone = segments.len() == 1;
        if let Some(empty) = segments.pop_if(|last| last.records == 0 && (!alone || last.first_seq == 0)) {
            self.remove(&self.path(empty.first_seq))?;
        }
        Ok(())
    }

    fn tail(&self, last: &SegmentIndex) -> Result<Tail, Error> {
        let path = self.path(last.first_seq);
        let file = self.open_file(&path)?;
        let seed = super::frame::CrcSeed::new(self.id, last.first_seq);
        let header_bytes = SegmentHeader::bytes(self.slots.count());
        Ok(Tail { file, path, seed, header_bytes, length: last.length })
    }

    fn report(&mut self, path: &Path, at: u64, cut_bytes: u64, why: &str) {
        tracing::warn!(file = %path.display(), at, cut_bytes, why, "tail of the log cut back");
        self.repairs.push(Repair { file: path.to_owned(), at, cut_bytes, why: why.to_owned() });
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        self.disk.remove(path).map_err(|error| io_failed(path, &error))
    }

    fn open_file(&self, path: &Path) -> Result<Box<dyn DiskFile>, Error> {
        self.disk.open(path, false).map_err(|error| io_failed(path, &error))
    }

    fn path(&self, first_seq: u64) -> PathBuf {
        segment::path(&self.folder, first_seq)
    }

    fn place(&self, first_seq: u64) -> Place {
        Place { log: self.id, stream: self.stream, first_seq, partitions: self.slots.count() }
    }
}

/// Writes what is there once more: after a failed sync it may be in the system's memory alone, taken for written.
fn rewrite(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    const PIECE_BYTES: u64 = 1 << 20;
    let mut bytes = Vec::new();
    for at in (from..to).step_by(1 << 20) {
        bytes.resize(usize::try_from(PIECE_BYTES.min(to - at)).expect("a piece fits in memory"), 0);
        let read = file.read_at(&mut bytes, at)?;
        file.write_at(&bytes[..read], at)?;
    }
    Ok(())
}
