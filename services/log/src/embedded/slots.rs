//! The layout as the engine uses it: every partition has a slot, and every slot belongs to one stream on disk.
//!
//! The file `layout` (magic `YWLOGLAY`, version 1) has the body: log id (16 bytes, random when the log is made),
//! `u8` topics, and for each `u8` kept (0 or 1), `u16` partitions, `u8` length of the name, the name.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::{Buf, BufMut, TryGetError};
use yiwang_disk::Disk;

use super::sealed::{Kind, corrupt, get_name, put_name};
use super::{LogId, believe, io_failed, shown};
use crate::{Error, Layout, Partition, TopicId, TopicSpec};

const KIND: Kind = Kind { magic: b"YWLOGLAY", version: 1 };
const MOST_FILE_BYTES: u64 = 1 << 16;
/// Every segment header says where each partition stands, so they cannot be without number.
const MOST_PARTITIONS: usize = 1 << 14;

/// A partition by its place among all partitions of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) usize);

/// One of the two append streams on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamId {
    /// Topics that outlive retention; first in every loop, as it is first to be synced.
    Kept,
    Main,
}

impl StreamId {
    pub(super) const ALL: [Self; 2] = [Self::Kept, Self::Main];

    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Main => "main",
        }
    }
}

#[derive(Debug)]
pub(super) struct Slots {
    layout: Layout,
    first: Vec<usize>,
    all: Vec<(Partition, StreamId)>,
}

impl Slots {
    pub(super) fn new(layout: Layout) -> Result<Self, Error> {
        check(&layout)?;
        let (mut first, mut all) = (Vec::new(), Vec::new());
        for (topic, spec) in (0..).zip(&layout.topics) {
            let stream = if spec.kept { StreamId::Kept } else { StreamId::Main };
            first.push(all.len());
            all.extend(
                (0..spec.partitions).map(|index| (Partition { topic: TopicId(topic), index }, stream)),
            );
        }
        Ok(Self { layout, first, all })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn partition(&self, slot: Slot) -> Partition {
        self.all[slot.0].0
    }

    pub(super) fn stream(&self, slot: Slot) -> StreamId {
        self.all[slot.0].1
    }

    pub(super) fn slot(&self, partition: Partition) -> Result<Slot, Error> {
        let topic = usize::from(partition.topic.0);
        match self.layout.topics.get(topic) {
            Some(spec) if partition.index < spec.partitions => {
                Ok(Slot(self.first[topic] + usize::from(partition.index)))
            }
            _ => Err(Error::UnknownPartition { topic: partition.topic.0, index: partition.index }),
        }
    }

    /// `topic/index`, for people.
    pub(super) fn name(&self, slot: Slot) -> String {
        let partition = self.partition(slot);
        format!("{}/{}", self.layout.topics[usize::from(partition.topic.0)].name, partition.index)
    }
}

/// The layout of a log; `None` when there is none yet.
pub(super) fn found(disk: &dyn Disk, folder: &Path) -> Result<Option<Layout>, Error> {
    Ok(read(disk, folder)?.map(|(_, layout, _)| layout))
}

/// Reads the layout file and compares it; `None` when there is none yet.
pub(super) fn load(disk: &dyn Disk, folder: &Path, wanted: &Layout) -> Result<Option<LogId>, Error> {
    match read(disk, folder)? {
        None => Ok(None),
        Some((id, found, bytes)) if found == *wanted => {
            believe(disk, &folder.join("layout"), &bytes)?;
            Ok(Some(id))
        }
        Some((_, found, _)) => Err(Error::OtherLayout { found: text(&found), wanted: text(wanted) }),
    }
}

fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<(LogId, Layout, Vec<u8>)>, Error> {
    let path = folder.join("layout");
    let bytes =
        yiwang_disk::read_whole(disk, &path, MOST_FILE_BYTES).map_err(|error| io_failed(&path, &error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let file = shown(&path);
    let (id, layout) =
        decode(KIND.unseal(&file, &bytes)?).map_err(|_| corrupt(&file, 0, "the file is too short"))?;
    Ok(Some((id, layout, bytes)))
}

/// Writes the layout file of a new log.
pub(super) fn save(disk: &dyn Disk, folder: &Path, layout: &Layout, id: LogId) -> Result<(), Error> {
    let path = folder.join("layout");
    let bytes = KIND.seal(|into| encode(into, layout, id));
    yiwang_disk::replace(disk, &path, &bytes).map_err(|error| io_failed(&path, &error))
}

fn encode(into: &mut Vec<u8>, layout: &Layout, id: LogId) {
    into.put_slice(&id.0);
    into.put_u8(u8::try_from(layout.topics.len()).expect("topics were checked to be few"));
    for topic in &layout.topics {
        into.put_u8(u8::from(topic.kept));
        into.put_u16_le(topic.partitions);
        put_name(into, &topic.name);
    }
}

fn decode(mut from: &[u8]) -> Result<(LogId, Layout), TryGetError> {
    let mut id = LogId([0; 16]);
    from.try_copy_to_slice(&mut id.0)?;
    let count = from.try_get_u8()?;
    let mut topics = Vec::new();
    for _ in 0..count {
        let kept = from.try_get_u8()? != 0;
        let partitions = from.try_get_u16_le()?;
        topics.push(TopicSpec { name: get_name(&mut from)?, partitions, kept });
    }
    Ok((id, Layout { topics }))
}

fn check(layout: &Layout) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::BadLayout { why });
    if layout.topics.is_empty() || layout.topics.len() > 255 {
        return refuse(format!("it has {} topics, 1 to 255 are possible", layout.topics.len()));
    }
    let mut names = BTreeSet::new();
    for TopicSpec { name, partitions, .. } in &layout.topics {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=32).contains(&name.len()) || !name.bytes().all(fits) {
            return refuse(format!("topic name {name:?} is not 1 to 32 of a-z, 0-9 and _"));
        }
        if *partitions == 0 || !names.insert(name) {
            return refuse(format!("topic {name:?} is there twice or has no partition"));
        }
    }
    let partitions: usize = layout.topics.iter().map(|topic| usize::from(topic.partitions)).sum();
    if partitions > MOST_PARTITIONS {
        return refuse(format!("it has {partitions} partitions, at most {MOST_PARTITIONS} are possible"));
    }
    Ok(())
}

/// `readings×8 names×1 (kept)`, for people.
fn text(layout: &Layout) -> String {
    let topic = |topic: &TopicSpec| {
        format!("{}×{}{}", topic.name, topic.partitions, if topic.kept { " (kept)" } else { "" })
    };
    layout.topics.iter().map(topic).collect::<Vec<_>>().join(" ")
}
