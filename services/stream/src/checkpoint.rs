//! Checkpoints: the state of the judgement at the end of an epoch, on disk.
//!
//! One that has all series is a base; one that has those which changed since the checkpoint before is an increment. A base and the increments
//! that follow it, each the one before, are a chain; the state at the end of a chain is that of its last, each series as the last that
//! has it says. A start takes the newest chain whose base is whole, up to the first increment that is not; what was after that is removed, for nothing
//! may follow it. The first that a process writes is a base. The chain before the newest base is kept, so that one file may be damaged; what is older is removed.
//!
//! A file `checkpoint-{epoch, 20 digits}` holds, all numbers little-endian: the 6 bytes `YWCKPT`, version as u16; then frames, each a
//! length as u32, the CRC-32C of the payload as u32, the payload. The first payload is a `CheckpointHead`, as many
//! [`Pack`]s of states as it says follow; the end of the file ends it. Files are written whole, synced, renamed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use yiwang_disk::Disk;
use yiwang_model::Timestamp;
use yiwang_proto::log::CheckpointHead;

use crate::Error;
use crate::closer::State;
use crate::pack::Pack;

const MAGIC: &[u8; 6] = b"YWCKPT";
const VERSION: u16 = 4;
/// The oldest that is read: those of version 3 are bases, in the same form.
const OLDEST: u16 = 3;
const PREFIX: &str = "checkpoint-";
/// What stands before the name of one that was refused.
const REFUSED: &str = "refused-";
/// What a file is called while it is written, see [`yiwang_disk::replace`].
const BESIDE: &str = ".new";
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 8 << 30;

/// The checkpoints of a folder.
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Those that are kept, rising by epoch.
    kept: Vec<Kept>,
    /// The epochs of those that were refused and still have their names, rising.
    refused: Vec<u64>,
}

/// A checkpoint that is kept.
struct Kept {
    epoch: u64,
    is_base: bool,
    /// Of its packs.
    bytes: usize,
    /// Where its state goes on in each partition.
    next: Vec<u64>,
}

impl Kept {
    fn of(state: &State) -> Self {
        let bytes = state.series.iter().map(|pack| pack.as_ref().len()).sum();
        Self { epoch: state.epoch, is_base: state.since.is_none(), bytes, next: state.next.clone() }
    }
}

impl Checkpoints {
    /// The checkpoints of a folder, which is made if need be; and the newest whole state.
    ///
    /// # Errors
    /// [`Error::Disk`]; [`Error::Newer`] for a file of a newer release. A file that is damaged, or that the disk does not give, is told in the log
    /// and passed over, and so are those that follow it.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<(Self, Option<State>), Error> {
        disk.create_dir(folder).map_err(|error| Error::disk(folder, &error))?;
        let mut checkpoints = Self { disk, folder: folder.to_owned(), kept: Vec::new(), refused: Vec::new() };
        checkpoints.clear_leftovers()?;
        let mut chain: Option<State> = None;
        let mut useless = Vec::new();
        for epoch in checkpoints.epochs()? {
            match checkpoints.read(epoch) {
                Ok(state)
                    if state.since.is_none() || state.since == chain.as_ref().map(|last| last.epoch) =>
                {
                    checkpoints.kept.push(Kept::of(&state));
                    chain = Some(follow(chain, state));
                    useless.clear();
                }
                Ok(_) => useless.push((epoch, false)),
                Err(Unread::Newer(found)) => {
                    let file = checkpoints.path(epoch).display().to_string();
                    return Err(Error::Newer { file, found, known: VERSION });
                }
                Err(unread) => {
                    checkpoints.tell(epoch, &unread);
                    useless.extend(matches!(unread, Unread::Damaged(_)).then_some((epoch, true)));
                }
            }
        }
        // A damaged one stays where there is no other: it may be of an older release.
        let removed = useless.into_iter().filter(|(_, is_damaged)| !is_damaged || chain.is_some());
        removed.into_iter().try_for_each(|(epoch, _)| checkpoints.remove(epoch))?;
        Ok((checkpoints, chain))
    }

    /// The state of the chain before, if there is one: the newest, though whole, is refused.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn before(&mut self) -> Result<Option<State>, Error> {
        let Some(base) = self.newest_base() else { return Ok(None) };
        let refused: Vec<u64> = self.kept.drain(base..).map(|kept| kept.epoch).collect();
        self.refused.splice(0..0, refused);
        let Some(base) = self.newest_base() else { return Ok(None) };
        let mut chain = None;
        for kept in &self.kept[base..] {
            match self.read(kept.epoch) {
                Ok(state) => chain = Some(follow(chain, state)),
                Err(unread) => {
                    self.tell(kept.epoch, &unread);
                    break;
                }
            }
        }
        Ok(chain)
    }

    /// Gives the refused ones other names, so that none is taken again; those of another time are removed.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn set_refused_aside(&mut self) -> Result<(), Error> {
        if self.refused.is_empty() {
            return Ok(());
        }
        for name in self.names()?.iter().filter(|name| name.starts_with(REFUSED)) {
            let path = self.folder.join(name);
            self.disk.remove(&path).map_err(|error| Error::disk(&path, &error))?;
        }
        // From the end: what is left of a chain when this is cut off is a chain.
        while let Some(epoch) = self.refused.pop() {
            let from = self.path(epoch);
            let to = self.folder.join(format!("{REFUSED}{PREFIX}{epoch:020}"));
            self.disk.rename(&from, &to).map_err(|error| Error::disk(&from, &error))?;
        }
        self.disk.sync_dir(&self.folder).map_err(|error| Error::disk(&self.folder, &error))
    }

    /// Whether the increments behind the newest base weigh as much as it.
    #[must_use]
    pub fn is_heavy(&self) -> bool {
        let Some([base, increments @ ..]) = self.newest_base().map(|base| &self.kept[base..]) else {
            return false;
        };
        increments.iter().map(|kept| kept.bytes).sum::<usize>() >= base.bytes.max(1)
    }

    fn newest_base(&self) -> Option<usize> {
        self.kept.iter().rposition(|kept| kept.is_base)
    }

    /// Where the state goes on in each partition that is taken if the newest chain is damaged, or else its base: the log must hold on to what comes from there.
    #[must_use]
    pub fn needed(&self) -> Option<&[u64]> {
        let base = self.newest_base()?;
        self.kept.get(base.saturating_sub(1)).map(|kept| kept.next.as_slice())
    }

    /// Writes a checkpoint, durable on return. Behind a base, removes what is older than the chain before.
    ///
    /// # Errors
    /// [`Error::NoRoom`]: the checkpoints before still stand; [`Error::NoBase`]: it does not follow the newest; [`Error::Disk`].
    pub fn write(&mut self, state: &State) -> Result<(), Error> {
        let newest = self.kept.last().map(|kept| kept.epoch);
        if let Some(since) = state.since.filter(|since| Some(*since) != newest) {
            return Err(Error::NoBase { since });
        }
        let path = self.path(state.epoch);
        if let Err(error) = yiwang_disk::replace_in_parts(self.disk.as_ref(), &path, encode(state)) {
            let error = Error::disk(&path, &error);
            if matches!(error, Error::NoRoom { .. }) {
                self.clear_leftovers()?;
            }
            return Err(error);
        }
        self.kept.retain(|kept| kept.epoch != state.epoch);
        self.kept.push(Kept::of(state));
        if state.since.is_none() { self.forget_old() } else { Ok(()) }
    }

    /// Removes what is older than the base before the newest.
    fn forget_old(&mut self) -> Result<(), Error> {
        let bases: Vec<u64> = self.kept.iter().filter(|kept| kept.is_base).map(|kept| kept.epoch).collect();
        let [.., before, _] = bases[..] else { return Ok(()) };
        self.kept.retain(|kept| kept.epoch >= before);
        self.epochs()?.into_iter().filter(|epoch| *epoch < before).try_for_each(|epoch| self.remove(epoch))
    }

    fn remove(&self, epoch: u64) -> Result<(), Error> {
        let path = self.path(epoch);
        self.disk.remove(&path).map_err(|error| Error::disk(&path, &error))
    }

    fn epochs(&self) -> Result<Vec<u64>, Error> {
        Ok(self.names()?.iter().filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok()).collect())
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        self.disk.list(&self.folder).map_err(|error| Error::disk(&self.folder, &error))
    }

    /// Removes what a write that ended half way has left behind.
    fn clear_leftovers(&self) -> Result<(), Error> {
        let names = self.names()?;
        for name in names.iter().filter(|name| name.starts_with(PREFIX) && name.ends_with(BESIDE)) {
            let path = self.folder.join(name);
            self.disk.remove(&path).map_err(|error| Error::disk(&path, &error))?;
        }
        Ok(())
    }

    fn path(&self, epoch: u64) -> PathBuf {
        self.folder.join(format!("{PREFIX}{epoch:020}"))
    }

    fn read(&self, epoch: u64) -> Result<State, Unread> {
        let bytes = yiwang_disk::read_whole(self.disk.as_ref(), &self.path(epoch), MAX_BYTES);
        decode(&bytes.map_err(|error| Unread::NotGiven(error.to_string()))?.unwrap_or_default())
    }

    fn tell(&self, epoch: u64, unread: &Unread) {
        let file = self.path(epoch);
        tracing::warn!(file = %file.display(), why = %unread, "damaged checkpoint, taking the one before");
    }
}

/// The state at the end of a chain with one more.
fn follow(chain: Option<State>, mut state: State) -> State {
    if let (Some(mut before), Some(_)) = (chain, state.since.take()) {
        before.series.append(&mut state.series);
        state.series = before.series;
    }
    state
}

/// The content of a file, in parts.
fn encode(state: &State) -> impl Iterator<Item = Vec<u8>> {
    let head = CheckpointHead {
        epoch: state.epoch,
        catalogue_revision: state.revision,
        next: state.next.clone(),
        rule: state.rule.clone(),
        packs: state.series.len() as u64,
        city_nanos: state.city.map(Timestamp::nanos),
        since: state.since,
        quiet: state.quiet.clone(),
    };
    let mut first = [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat();
    frame(&mut first, &head.encode_to_vec());
    let part = |pack: &Pack| {
        let mut part = Vec::new();
        frame(&mut part, pack.as_ref());
        part
    };
    std::iter::once(first).chain(state.series.iter().map(part))
}

fn frame(bytes: &mut Vec<u8>, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a pack is far below 4 GiB");
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc32c::crc32c(payload).to_le_bytes());
    bytes.extend(payload);
}

/// Why a checkpoint is not read.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Unread {
    #[error("it has format version {0}")]
    Newer(u16),
    #[error("{0}")]
    Damaged(String),
    /// By the disk, this time: it stays.
    #[error("it cannot be read: {0}")]
    NotGiven(String),
}

fn decode(bytes: &[u8]) -> Result<State, Unread> {
    let damaged = |why: &str| Unread::Damaged(why.to_owned());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as a checkpoint"))?;
    let (version, mut rest) = rest.split_first_chunk().ok_or_else(|| damaged("it ends in its version"))?;
    match u16::from_le_bytes(*version) {
        OLDEST..=VERSION => {}
        newer if newer > VERSION => return Err(Unread::Newer(newer)),
        _ => return Err(damaged("its version is not known")),
    }
    let head = unframe(&mut rest).map_err(damaged)?;
    let head = CheckpointHead::decode(head).map_err(|_| damaged("its head cannot be read"))?;
    let mut series = Vec::new();
    while !rest.is_empty() {
        series.push(Pack::from(unframe(&mut rest).map_err(damaged)?));
    }
    if series.len() as u64 != head.packs {
        return Err(damaged("it has another number of packs than its head says"));
    }
    let CheckpointHead { epoch, catalogue_revision: revision, next, rule, city_nanos, quiet, since, .. } =
        head;
    let city = city_nanos.map(Timestamp);
    Ok(State { epoch, since, revision, city, next, rule, series, quiet })
}

fn unframe<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let (length, after) = rest.split_first_chunk().ok_or("a frame has no length")?;
    let (crc, after) = after.split_first_chunk().ok_or("a frame has no checksum")?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| "a frame is too long")?;
    let (payload, after) = after.split_at_checked(length).ok_or("a frame is cut off")?;
    if crc32c::crc32c(payload) != u32::from_le_bytes(*crc) {
        return Err("a frame does not fit its checksum");
    }
    *rest = after;
    Ok(payload)
}

#[cfg(test)]
mod tests;
