//! A log in memory whose appends can be held back or refused, for tests and examples.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a module of the tests and, by its path, of examples: each uses a part, and examples are no tests to clippy"
)]

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::watch;
use yiwang_log::{
    Append, Class, CursorClass, Error, Extent, Layout, Log, Offset, Partition, Position, Stored, TopicId,
    TopicSpec,
};
use yiwang_proto::topics;

/// What appends meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// They are durable at once.
    Free,
    /// They wait.
    Held,
    /// Those from outside find no room.
    Full,
    /// None finds room.
    Packed,
    /// They fail for good.
    Broken,
}

/// The log.
pub struct MemoryLog {
    layout: Layout,
    disk: watch::Sender<Disk>,
    /// How many appends from outside have begun.
    begun: watch::Sender<usize>,
    /// How many of the city's own found no room.
    refused_inner: watch::Sender<usize>,
    inner: Mutex<Inner>,
    /// Whether what is appended is kept, or only counted.
    keep: bool,
}

#[derive(Default)]
struct Inner {
    records: Vec<Stored>,
    ends: HashMap<Partition, (u64, u64)>,
    /// Where partitions begin that have lost something.
    starts: HashMap<Partition, u64>,
    commits: Vec<usize>,
}

impl MemoryLog {
    pub fn new(partitions: u16) -> Self {
        let spec = |(number, (name, kept)): (usize, &(&str, bool))| TopicSpec {
            name: (*name).to_owned(),
            partitions: if number == usize::from(topics::READINGS) { partitions } else { 1 },
            kept: *kept,
        };
        Self {
            layout: Layout { topics: topics::ALL.iter().enumerate().map(spec).collect() },
            disk: watch::Sender::new(Disk::Free),
            begun: watch::Sender::new(0),
            refused_inner: watch::Sender::new(0),
            inner: Mutex::default(),
            keep: true,
        }
    }

    /// One that forgets what it was given.
    pub fn forgetful(partitions: u16) -> Self {
        Self { keep: false, ..Self::new(partitions) }
    }

    pub fn set(&self, disk: Disk) {
        self.disk.send_replace(disk);
    }

    /// Waits until so many appends from outside have begun.
    pub async fn begun(&self, appends: usize) {
        self.begun.subscribe().wait_for(|begun| *begun >= appends).await.unwrap();
    }

    /// Waits until so many of the city's own appends have found no room.
    pub async fn refused_inner(&self, appends: usize) {
        self.refused_inner.subscribe().wait_for(|refused| *refused >= appends).await.unwrap();
    }

    pub fn begun_now(&self) -> usize {
        *self.begun.borrow()
    }

    /// All records, in the order in which they became durable.
    pub fn records(&self) -> Vec<Stored> {
        self.inner.lock().unwrap().records.clone()
    }

    /// The payloads of a topic.
    pub fn topic(&self, topic: u8) -> Vec<bytes::Bytes> {
        let of = |stored: &Stored| (stored.partition.topic == TopicId(topic)).then(|| stored.payload.clone());
        self.records().iter().filter_map(of).collect()
    }

    /// How many records each append from outside had.
    pub fn commits(&self) -> Vec<usize> {
        self.inner.lock().unwrap().commits.clone()
    }

    /// Drops what stands before this offset, as retention does.
    pub fn drop_before(&self, partition: Partition, start: u64) {
        let mut inner = self.inner.lock().unwrap();
        inner.starts.insert(partition, start);
        inner.records.retain(|stored| stored.partition != partition || stored.offset.0 >= start);
    }

    fn put(&self, class: Class, records: Vec<Append>) -> Vec<Offset> {
        let mut inner = self.inner.lock().unwrap();
        if class == Class::Intake {
            inner.commits.push(records.len());
        }
        let mut offsets = Vec::new();
        for Append { to, payload } in records {
            let (end, bytes) = inner.ends.entry(to).or_default();
            let offset = Offset(*end);
            *end += 1;
            *bytes += payload.len() as u64;
            offsets.push(offset);
            if self.keep {
                inner.records.push(Stored { partition: to, offset, payload });
            }
        }
        offsets
    }
}

#[async_trait]
impl Log for MemoryLog {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    async fn append(&self, class: Class, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        let broken = || Error::Failed { file: "segment".into(), why: "broken".into() };
        let no_room = || Error::NoRoom { free: 1, reserve: 2 };
        if class == Class::Inner {
            return match *self.disk.borrow() {
                Disk::Broken => Err(broken()),
                Disk::Packed => {
                    self.refused_inner.send_modify(|refused| *refused += 1);
                    Err(no_room())
                }
                Disk::Free | Disk::Held | Disk::Full => Ok(self.put(class, records)),
            };
        }
        self.begun.send_modify(|begun| *begun += 1);
        let disk = *self.disk.subscribe().wait_for(|disk| *disk != Disk::Held).await.unwrap();
        match disk {
            Disk::Full | Disk::Packed => Err(no_room()),
            Disk::Broken => Err(broken()),
            Disk::Free | Disk::Held => Ok(self.put(class, records)),
        }
    }

    async fn read(&self, from: &[Position], _max_bytes: usize) -> Result<Vec<Stored>, Error> {
        let wanted = |stored: &&Stored| {
            from.iter()
                .any(|position| position.partition == stored.partition && stored.offset >= position.next)
        };
        let inner = self.inner.lock().unwrap();
        for Position { partition, next: Offset(wanted) } in from {
            if let Some(start) = inner.starts.get(partition).filter(|start| wanted < start) {
                let partition = format!("{}/{}", partition.topic.0, partition.index);
                return Err(Error::Gone { partition, wanted: *wanted, start: *start });
            }
        }
        Ok(inner.records.iter().filter(wanted).cloned().collect())
    }

    fn extents(&self) -> Vec<Extent> {
        let inner = self.inner.lock().unwrap();
        let extent = |(partition, (end, bytes)): (&Partition, &(u64, u64))| Extent {
            partition: *partition,
            start: Offset(inner.starts.get(partition).copied().unwrap_or_default()),
            end: Offset(*end),
            bytes: *bytes,
        };
        let mut extents: Vec<_> = inner.ends.iter().map(extent).collect();
        extents.sort_by_key(|extent| extent.partition);
        extents
    }

    async fn commit_cursor(&self, _name: &str, _class: CursorClass, _to: &[Position]) -> Result<(), Error> {
        Ok(())
    }

    fn cursor(&self, _name: &str) -> Vec<Position> {
        Vec::new()
    }

    fn gap(&self, _name: &str) -> u64 {
        0
    }
}
