//! Checkpoints: the whole state of the judgement at the end of an epoch, on disk.
//!
//! A file `checkpoint-{epoch, 20 digits}` holds, all numbers little-endian: the 8 bytes `YWCKPT`, version as u16; then frames, each a
//! length as u32, the CRC-32C of the payload as u32, the payload. The first payload is a `CheckpointHead`, as many
//! [`Pack`]s of states as it says follow; the end of the file ends it. Files are written whole, synced, renamed; the two newest are kept, and a
//! start takes the newest that is whole.

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
const VERSION: u16 = 3;
const PREFIX: &str = "checkpoint-";
/// What a file is called while it is written, see [`yiwang_disk::replace`].
const BESIDE: &str = ".new";
/// How many are kept, so that one may be damaged.
const KEPT: usize = 2;
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 8 << 30;

/// The checkpoints of a folder.
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// The epochs of the files, rising, each with where its state goes on in each partition.
    kept: Vec<(u64, Vec<u64>)>,
}

impl Checkpoints {
    /// The checkpoints of a folder, which is made if need be; and the newest whole state.
    ///
    /// # Errors
    /// [`Error::Disk`]; [`Error::Newer`] for a file of a newer release. A damaged file is told in the log and passed
    /// over.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<(Self, Option<State>), Error> {
        disk.create_dir(folder).map_err(|error| Error::disk(folder, &error))?;
        let mut checkpoints = Self { disk, folder: folder.to_owned(), kept: Vec::new() };
        checkpoints.clear_leftovers()?;
        let mut newest = None;
        for epoch in checkpoints.epochs()? {
            match checkpoints.read(epoch)? {
                Ok(state) => {
                    checkpoints.kept.push((epoch, state.next.clone()));
                    newest = Some(state);
                }
                Err(why) => {
                    let file = checkpoints.path(epoch);
                    tracing::warn!(file = %file.display(), why, "damaged checkpoint, taking the one before");
                }
            }
        }
        Ok((checkpoints, newest))
    }

    /// Where the oldest checkpoint that is kept goes on in each partition: the log must hold on to what comes from there.
    #[must_use]
    pub fn needed(&self) -> Option<&[u64]> {
        self.kept.first().map(|(_, next)| next.as_slice())
    }

    /// Writes a checkpoint, durable on return, and removes those that are no longer kept.
    ///
    /// # Errors
    /// [`Error::NoRoom`]: the checkpoints before still stand; [`Error::Disk`].
    pub fn write(&mut self, state: &State) -> Result<(), Error> {
        let path = self.path(state.epoch);
        if let Err(error) = yiwang_disk::replace_in_parts(self.disk.as_ref(), &path, encode(state)) {
            let error = Error::disk(&path, &error);
            if matches!(error, Error::NoRoom { .. }) {
                self.clear_leftovers()?;
            }
            return Err(error);
        }
        self.kept.retain(|(epoch, _)| *epoch != state.epoch);
        self.kept.push((state.epoch, state.next.clone()));
        let surplus = self.kept.len().saturating_sub(KEPT);
        for (epoch, _) in self.kept.drain(..surplus).collect::<Vec<_>>() {
            let path = self.path(epoch);
            self.disk.remove(&path).map_err(|error| Error::disk(&path, &error))?;
        }
        Ok(())
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

    fn read(&self, epoch: u64) -> Result<Result<State, String>, Error> {
        let path = self.path(epoch);
        let bytes = yiwang_disk::read_whole(self.disk.as_ref(), &path, MAX_BYTES);
        let bytes = bytes.map_err(|error| Error::disk(&path, &error))?.unwrap_or_default();
        match decode(&bytes) {
            Err(Unread::Newer(found)) => {
                Err(Error::Newer { file: path.display().to_string(), found, known: VERSION })
            }
            Err(Unread::Damaged(why)) => Ok(Err(why)),
            Ok(state) => Ok(Ok(state)),
        }
    }
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
#[derive(Debug, PartialEq)]
enum Unread {
    Newer(u16),
    Damaged(String),
}

fn decode(bytes: &[u8]) -> Result<State, Unread> {
    let damaged = |why: &str| Unread::Damaged(why.to_owned());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as a checkpoint"))?;
    let (version, mut rest) = rest.split_first_chunk().ok_or_else(|| damaged("it ends in its version"))?;
    match u16::from_le_bytes(*version) {
        VERSION => {}
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
    let CheckpointHead { epoch, catalogue_revision: revision, next, rule, city_nanos, quiet, .. } = head;
    let city = city_nanos.map(Timestamp);
    Ok(State { epoch, revision, city, next, rule, series, quiet })
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
