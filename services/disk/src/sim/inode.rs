//! One file's bytes: as readers see them, as the disk has them, and what lies between.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// What the disk writes whole or not at all, except for a torn one.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InodeId(pub(super) u64);

#[derive(Debug, Default)]
pub(super) struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Inode {
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), durable: bytes, unsynced: Vec::new() }
    }

    pub(super) fn now(&self) -> &[u8] {
        &self.now
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        if !bytes.is_empty() {
            put(&mut self.now, at, bytes);
            self.unsynced.push(Change::Write { at, bytes: bytes.to_vec() });
        }
    }

    pub(super) fn set_len(&mut self, bytes: usize) {
        self.now.resize(bytes, 0);
        self.unsynced.push(Change::Length(bytes));
    }

    /// All of it reaches the disk.
    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { at, bytes } => put(&mut self.durable, at, &bytes),
                Change::Length(bytes) => self.durable.resize(bytes, 0),
            }
        }
    }

    /// Some of it reaches the disk, and the rest is taken for written.
    pub(super) fn fail_sync(&mut self, random: &mut ChaCha8Rng) {
        self.durable = self.found_after_cut(random);
        self.unsynced.clear();
    }

    pub(super) fn flip(&mut self, at: usize, mask: u8) -> bool {
        let Some(byte) = self.now.get_mut(at) else { return false };
        *byte ^= mask;
        if let Some(byte) = self.durable.get_mut(at) {
            *byte ^= mask;
        }
        true
    }

    /// One of the many contents that a power cut may leave.
    pub(super) fn found_after_cut(&self, random: &mut ChaCha8Rng) -> Vec<u8> {
        let mut found = self.durable.clone();
        if self.unsynced.is_empty() {
            return found;
        }
        let lengths = self.lengths();
        let length = lengths[random.random_range(0..lengths.len())];
        let chance = [0.0, 0.5, 0.9, 1.0][random.random_range(0..4)];
        let torn = random.random_range(0..self.unsynced.len());
        for (place, change) in self.unsynced.iter().enumerate() {
            match change {
                Change::Write { at, bytes } => {
                    write_some(&mut found, *at, bytes, chance, place == torn, random)
                }
                Change::Length(bytes) if *bytes < found.len() && random.random_bool(chance) => {
                    found[*bytes..].fill(0);
                }
                Change::Length(_) => {}
            }
        }
        found.resize(length, 0);
        found
    }

    /// Every length that the file had since the last sync.
    fn lengths(&self) -> Vec<usize> {
        let mut lengths = vec![self.durable.len()];
        for change in &self.unsynced {
            let before = lengths[lengths.len() - 1];
            lengths.push(match change {
                Change::Write { at, bytes } => before.max(at + bytes.len()),
                Change::Length(bytes) => *bytes,
            });
        }
        lengths
    }
}

fn put(into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    into[at..end].copy_from_slice(bytes);
}

/// Writes each sector by chance; of a torn write one sector gets only its first part.
fn write_some(into: &mut Vec<u8>, at: usize, bytes: &[u8], chance: f64, torn: bool, random: &mut ChaCha8Rng) {
    let sectors = sectors(at, bytes.len());
    let torn_sector = torn.then(|| random.random_range(0..sectors.len()));
    for (place, (from, to)) in sectors.into_iter().enumerate() {
        if torn_sector == Some(place) {
            put(into, at + from, &bytes[from..random.random_range(from..=to)]);
        } else if random.random_bool(chance) {
            put(into, at + from, &bytes[from..to]);
        }
    }
}

/// The parts of a write, `from..to` within it, that fall into one sector each.
fn sectors(at: usize, length: usize) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut from = 0;
    while from < length {
        let to = (from + SECTOR_BYTES - (at + from) % SECTOR_BYTES).min(length);
        parts.push((from, to));
        from = to;
    }
    parts
}
