//! The log against a simple model under random actions, power cuts and failures. 1,000 seeds; a failure names its
//! seed, and one seed is always the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const SEEDS: u64 = 1_000;
const ACTIONS: usize = 60;
const PARTITIONS: [Partition; 5] = [
    Partition { topic: TopicId(0), index: 0 },
    Partition { topic: TopicId(0), index: 1 },
    Partition { topic: TopicId(0), index: 2 },
    Partition { topic: TopicId(1), index: 0 },
    NAMES,
];

/// What was promised.
#[derive(Default)]
struct Promised {
    /// Every record that was acknowledged or seen, by offset.
    records: BTreeMap<Partition, Vec<Bytes>>,
    /// Sent, and the answer said neither yes nor no.
    unknown: BTreeSet<Bytes>,
    start: BTreeMap<Partition, u64>,
    /// Where the cursor may stand, oldest first: the last one acknowledged, then those without an answer.
    cursor: Vec<u64>,
}

struct Run {
    random: ChaCha8Rng,
    disk: SimDisk,
    log: Option<Arc<EmbeddedLog>>,
    clock_ms: Arc<AtomicU64>,
    cache_bytes: usize,
    sent: u64,
    promised: Promised,
    seen: Seen,
}

/// What happened at all, so that the test knows that it tests something.
#[derive(Default)]
struct Seen {
    acknowledged: u64,
    refused: u64,
    failed: u64,
    cuts: u64,
    torn: u64,
    dropped_by_retention: u64,
}

#[test]
fn what_was_promised_is_there_whatever_happens() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let failed = AtomicBool::new(true);
        let _named = Named { seed, failed: &failed };
        let run = run(Run::new(seed).go());
        seen.add(&run.seen);
        failed.store(false, Ordering::Relaxed);
    }
    assert!(seen.acknowledged > 10_000, "{}", seen.acknowledged);
    assert!(seen.refused > 300 && seen.failed > 300, "{} refused, {} failed", seen.refused, seen.failed);
    assert!(seen.cuts > 1_000 && seen.torn > 50, "{} cuts, {} torn", seen.cuts, seen.torn);
    assert!(seen.dropped_by_retention > 1_000, "{} dropped", seen.dropped_by_retention);
}

/// Prints the seed when the run panics.
struct Named<'a> {
    seed: u64,
    failed: &'a AtomicBool,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if self.failed.load(Ordering::Relaxed) {
            eprintln!("failed with seed {}", self.seed);
        }
    }
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.failed += other.failed;
        self.cuts += other.cuts;
        self.torn += other.torn;
        self.dropped_by_retention += other.dropped_by_retention;
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self {
            disk: SimDisk::new(random.random()),
            cache_bytes: if random.random() { 2_000 } else { 0 },
            random,
            log: None,
            clock_ms: Arc::new(AtomicU64::new(1_000_000)),
            sent: 0,
            promised: Promised { cursor: vec![0], ..Promised::default() },
            seen: Seen::default(),
        }
    }

    async fn go(mut self) -> Self {
        self.reopen().await;
        for _ in 0..ACTIONS {
            match self.random.random_range(0..100) {
                0..60 => self.append().await,
                60..70 => self.read().await,
                70..80 => self.commit_cursor().await,
                80..84 => self.reopen().await,
                84..88 => self.cut_soon(),
                88..93 => self.fail_something(),
                93..96 => self.make_full(),
                _ => drop(self.clock_ms.fetch_add(self.random.random_range(0..200), Ordering::Relaxed)),
            }
            if self.log().core.shared.failed().is_err() {
                self.after_failure().await;
            }
        }
        self.cut().await;
        self
    }

    fn log(&self) -> &EmbeddedLog {
        self.log.as_ref().unwrap()
    }

    fn options(&self) -> Options {
        let clock_ms = Arc::clone(&self.clock_ms);
        Options {
            clock_ms: Arc::new(move || clock_ms.load(Ordering::Relaxed)),
            tail_cache_bytes: self.cache_bytes,
            retention_bytes: Some(6_000),
            retention_age: Some(Duration::from_millis(500)),
            must: vec!["must".to_owned()],
            ..options()
        }
    }

    async fn append(&mut self) {
        let records: Vec<Append> = (0..self.random.random_range(1..5)).map(|_| self.next_record()).collect();
        let payloads: Vec<_> = records.iter().map(|record| (record.to, record.payload.clone())).collect();
        let answer = self.log().append(Class::Intake, records).await;
        self.log().settle().await;
        match answer {
            Ok(offsets) => {
                for ((partition, payload), offset) in payloads.into_iter().zip(offsets) {
                    let records = self.promised.records.entry(partition).or_default();
                    assert_eq!(offset.0, records.len() as u64, "offsets rise by one");
                    records.push(payload);
                    self.seen.acknowledged += 1;
                }
            }
            Err(Error::NoRoom { .. }) => self.seen.refused += 1,
            Err(Error::Failed { .. }) => {
                self.promised.unknown.extend(payloads.into_iter().map(|(_, payload)| payload));
                self.seen.failed += 1;
            }
            Err(other) => panic!("{other}"),
        }
        self.check_starts();
    }

    /// A record whose payload is there only once.
    fn next_record(&mut self) -> Append {
        self.sent += 1;
        let most = if self.random.random_bool(0.1) { 1500 } else { 150 };
        let mut payload = self.sent.to_le_bytes().to_vec();
        payload.resize(8 + self.random.random_range(0..most), self.random.random());
        record(PARTITIONS[self.random.random_range(0..PARTITIONS.len())], payload)
    }

    async fn read(&mut self) {
        let mut from = Vec::new();
        for partition in PARTITIONS {
            let end = self.promised.records.get(&partition).map_or(0, |records| records.len() as u64);
            let start = self.promised.start.get(&partition).copied().unwrap_or(0);
            if start < end && self.random.random_bool(0.7) {
                from.push(at(partition, self.random.random_range(start..end)));
            }
        }
        if from.is_empty() {
            return;
        }
        let max_bytes = self.random.random_range(0..3000);
        match self.log().read(&from, max_bytes).await {
            Ok(records) => self.check_read(&from, &records),
            // A disk that does not answer a reader stops nobody else.
            Err(Error::Failed { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn check_read(&self, from: &[Position], records: &[Stored]) {
        assert!(!records.is_empty());
        let mut next: BTreeMap<_, _> =
            from.iter().map(|position| (position.partition, position.next)).collect();
        for stored in records {
            let next = next.get_mut(&stored.partition).unwrap();
            assert_eq!(stored.offset, *next, "in order, without holes");
            let place = usize::try_from(next.0).unwrap();
            assert_eq!(stored.payload, self.promised.records[&stored.partition][place]);
            next.0 += 1;
        }
    }

    async fn commit_cursor(&mut self) {
        let end = self.promised.records.get(&readings(0)).map_or(0, |records| records.len() as u64);
        let next = self.random.random_range(*self.promised.cursor.iter().max().unwrap()..=end);
        match self.log().commit_cursor("must", CursorClass::Must, &[at(readings(0), next)]).await {
            Ok(()) => self.promised.cursor = vec![next],
            Err(Error::NoRoom { .. } | Error::Failed { .. }) => self.promised.cursor.push(next),
            Err(other) => panic!("{other}"),
        }
    }

    /// Retention moves forwards and never past the cursor.
    fn check_starts(&mut self) {
        for extent in self.log().extents() {
            let start = self.promised.start.entry(extent.partition).or_default();
            assert!(extent.start.0 >= *start);
            self.seen.dropped_by_retention += extent.start.0 - *start;
            *start = extent.start.0;
            assert!(extent.partition != NAMES || *start == 0, "a kept topic is kept");
            let cursor = self.promised.cursor.iter().max().unwrap();
            assert!(
                extent.partition != readings(0) || *start <= *cursor,
                "retention passed a cursor that must read"
            );
        }
    }

    fn cut_soon(&mut self) {
        self.disk.cut_at(self.disk.operations() + self.random.random_range(1..25));
    }

    fn fail_something(&mut self) {
        use Operation::{Open, Rename, SetLen, SyncData, SyncDir, Write};
        let operation =
            [Write, Write, SyncData, SetLen, Open, Rename, SyncDir][self.random.random_range(0..7)];
        let trouble = if self.random.random_bool(0.6) { Trouble::NoSpace } else { Trouble::Io };
        self.disk.fail(operation, self.random.random_range(1..4), trouble);
    }

    fn make_full(&mut self) {
        let room = self.random.random_range(0..2_500);
        self.disk.set_capacity(self.random.random_bool(0.6).then(|| self.disk.used() + room));
    }

    async fn after_failure(&mut self) {
        let answer = self.log().append(Class::Inner, vec![record(NAMES, "after")]).await;
        assert!(matches!(answer, Err(Error::Failed { .. })), "the log has stopped: {answer:?}");
        if self.disk.is_cut() || self.random.random_bool(0.5) {
            self.cut().await
        } else {
            self.reopen().await
        }
    }

    async fn cut(&mut self) {
        self.log = None;
        self.disk = self.disk.power_cut();
        self.disk.set_capacity(None);
        self.seen.cuts += 1;
        self.reopen().await;
    }

    /// Opens the log again, over failures of the disk while it opens, and checks everything.
    async fn reopen(&mut self) {
        self.log = None;
        while self.log.is_none() {
            match open_with(&self.disk, self.options()) {
                Ok(log) => self.log = Some(log),
                Err(Error::Failed { .. }) if self.disk.is_cut() => self.disk = self.disk.power_cut(),
                Err(Error::Failed { .. }) => self.disk.set_capacity(None),
                Err(other) => panic!("the log does not open: {other}"),
            }
        }
        self.seen.torn += self.log().repairs().len() as u64;
        self.check_starts();
        self.check_all().await;
    }

    /// Everything promised is there, and nothing else but what had no answer.
    async fn check_all(&mut self) {
        for partition in PARTITIONS {
            let start = usize::try_from(self.promised.start[&partition]).unwrap();
            let found = match self.log().all(partition).await {
                Ok(found) => found,
                Err(_) if self.disk.is_cut() => return,
                Err(Error::Failed { .. }) => continue,
                Err(other) => panic!("{other}"),
            };
            let records = self.promised.records.entry(partition).or_default();
            let end = start + found.len();
            assert!(end >= records.len(), "{} records of {partition:?} were lost", records.len() - end);
            assert_eq!(found[..records.len() - start], records[start..], "the same bytes");
            for surfaced in &found[records.len() - start..] {
                assert!(self.promised.unknown.remove(surfaced), "what was refused is in the log");
                records.push(surfaced.clone());
            }
        }
        let cursor = self.log().cursor("must").first().map_or(0, |position| position.next.0);
        assert!(self.promised.cursor.contains(&cursor), "cursor at {cursor}, not {:?}", self.promised.cursor);
        self.promised.cursor = vec![cursor];
    }
}
