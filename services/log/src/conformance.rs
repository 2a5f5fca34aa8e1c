//! What every engine behind [`Log`] must do, as one suite. An engine's tests call [`suite`] with a [`Maker`].
//!
//! The suite panics at the first promise that is not kept, with a text that names it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;

use crate::{
    Append, Class, CursorClass, Error, Layout, Log, MAX_PAYLOAD_BYTES, Offset, Partition, Position, Stored,
    TopicId, TopicSpec,
};

/// Makes and reopens logs of one engine.
#[async_trait]
pub trait Maker: Send + Sync {
    /// A new, empty log.
    async fn fresh(&self, layout: Layout) -> Arc<dyn Log>;

    /// Lets go of a log and opens the same one again.
    async fn reopen(&self, log: Arc<dyn Log>) -> Arc<dyn Log>;
}

/// Runs all checks, each on a log of its own.
///
/// # Panics
/// When the engine breaks a promise.
pub async fn suite(maker: &dyn Maker) {
    offsets_rise_by_one_and_bytes_come_back(maker).await;
    acknowledged_is_readable_after_reopening(maker).await;
    a_read_takes_several_partitions_fairly(maker).await;
    a_read_gives_at_least_one_record_and_not_much_too_many(maker).await;
    a_waiting_read_wakes(maker).await;
    dropped_futures_lose_nothing(maker).await;
    cursors_stand_where_they_were_put(maker).await;
    bad_appends_append_nothing(maker).await;
    many_callers_at_once_keep_their_order(maker).await;
}

/// The layout of the suite: `readings` with 3 partitions, `events` with 1, and `names`, kept, with 1.
#[must_use]
pub fn layout() -> Layout {
    let topic = |name: &str, partitions, kept| TopicSpec { name: name.to_owned(), partitions, kept };
    Layout { topics: vec![topic("readings", 3, false), topic("events", 1, false), topic("names", 1, true)] }
}

const NAMES: Partition = Partition { topic: TopicId(2), index: 0 };
const MANY_BYTES: usize = 1 << 20;

fn readings(index: u16) -> Partition {
    Partition { topic: TopicId(0), index }
}

fn record(to: Partition, payload: impl Into<Bytes>) -> Append {
    Append { to, payload: payload.into() }
}

fn numbered(to: Partition, number: u64) -> Append {
    record(to, number.to_le_bytes().to_vec())
}

fn at(partition: Partition, next: u64) -> Position {
    Position { partition, next: Offset(next) }
}

async fn append(log: &dyn Log, records: Vec<Append>) -> Vec<u64> {
    let offsets = log.append(Class::Inner, records).await.expect("an append with room is taken");
    offsets.into_iter().map(|offset| offset.0).collect()
}

/// Reads one partition to its present end.
async fn read_all(log: &dyn Log, partition: Partition) -> Vec<Stored> {
    let extent = log.extents().into_iter().find(|extent| extent.partition == partition);
    let extent = extent.expect("every partition has an extent");
    let mut records: Vec<Stored> = Vec::new();
    let mut next = extent.start;
    while next < extent.end {
        let more = log.read(&[Position { partition, next }], 300).await.expect("what is there can be read");
        for stored in more {
            assert_eq!(
                (stored.partition, stored.offset),
                (partition, next),
                "records come in order, without holes"
            );
            next.0 += 1;
            records.push(stored);
        }
    }
    records
}

fn payloads(records: &[Stored]) -> Vec<Bytes> {
    records.iter().map(|stored| stored.payload.clone()).collect()
}

async fn offsets_rise_by_one_and_bytes_come_back(maker: &dyn Maker) {
    let log = maker.fresh(layout()).await;
    assert_eq!(log.layout(), &layout());
    let sent: Vec<Bytes> = (0..50_usize).map(|size| vec![0xA5; size * 7].into()).collect();
    for (number, payload) in (0..).zip(&sent) {
        let both = vec![record(readings(1), payload.clone()), record(NAMES, payload.clone())];
        assert_eq!(append(&*log, both).await, [number, number], "offsets rise by one in each partition");
    }
    for partition in [readings(1), NAMES] {
        assert_eq!(payloads(&read_all(&*log, partition).await), sent, "the same bytes");
        assert_eq!(payloads(&read_all(&*log, partition).await), sent, "the same bytes on every read");
    }
    let extent = log.extents()[1];
    let bytes: usize = sent.iter().map(Bytes::len).sum();
    assert_eq!((extent.start, extent.end, extent.bytes), (Offset(0), Offset(50), bytes as u64));
    assert_eq!(log.extents()[0].end, Offset(0), "nothing came into another partition");
}

async fn acknowledged_is_readable_after_reopening(maker: &dyn Maker) {
    let mut log = maker.fresh(layout()).await;
    for round in 0..4_u64 {
        for number in 0..20 {
            append(&*log, vec![numbered(readings(0), round * 20 + number), numbered(NAMES, number)]).await;
        }
        let before = (read_all(&*log, readings(0)).await, read_all(&*log, NAMES).await, log.extents());
        log = maker.reopen(log).await;
        let after = (read_all(&*log, readings(0)).await, read_all(&*log, NAMES).await, log.extents());
        assert_eq!(before, after, "reopening changes nothing");
    }
    assert_eq!(append(&*log, vec![numbered(readings(0), 80)]).await, [80], "offsets continue");
}

async fn a_read_takes_several_partitions_fairly(maker: &dyn Maker) {
    let log = maker.fresh(layout()).await;
    for number in 0..100 {
        append(&*log, vec![numbered(readings(0), number), numbered(readings(1), number)]).await;
    }
    append(&*log, vec![numbered(NAMES, 0)]).await;
    let mut next = [at(readings(0), 0), at(readings(1), 50), at(readings(2), 0), at(NAMES, 0)];
    for _ in 0..12 {
        for stored in log.read(&next, 64).await.expect("what is there can be read") {
            let position = next.iter_mut().find(|position| position.partition == stored.partition);
            let position = position.expect("only what was asked for comes");
            assert_eq!(stored.offset, position.next, "in order, without holes");
            position.next.0 += 1;
        }
    }
    assert!(next[0].next.0 >= 30 && next[1].next.0 >= 80, "both long partitions came on: {next:?}");
    assert_eq!(next[3].next, Offset(1), "the short one was not forgotten");
    assert_eq!(log.read(&[], 64).await.expect("nothing is nothing"), []);
}

async fn a_read_gives_at_least_one_record_and_not_much_too_many(maker: &dyn Maker) {
    let log = maker.fresh(layout()).await;
    for _ in 0..10 {
        append(&*log, vec![record(readings(0), vec![1; 1000])]).await;
    }
    let from = [at(readings(0), 2)];
    let read = async |max_bytes| log.read(&from, max_bytes).await.expect("what is there can be read").len();
    assert_eq!(read(0).await, 1, "at least one record");
    assert_eq!(read(999).await, 1, "at least one record, though it is larger");
    assert!((1..=3).contains(&read(3000).await), "not more than was asked for");
    assert!((1..=8).contains(&read(MANY_BYTES).await), "not more than there is");
}

async fn a_waiting_read_wakes(maker: &dyn Maker) {
    let log = maker.fresh(layout()).await;
    let from = [at(readings(0), 0), at(readings(2), 0)];
    let mut read = pin!(log.read(&from, MANY_BYTES));
    assert!(poll(read.as_mut()).is_none(), "there is nothing to read");
    append(&*log, vec![numbered(readings(1), 1)]).await;
    assert!(poll(read.as_mut()).is_none(), "what came was not asked for");
    let (records, _) = tokio::join!(read, append(&*log, vec![numbered(readings(2), 7)]));
    assert_eq!(payloads(&records.expect("a read can wait")), [Bytes::copy_from_slice(&7_u64.to_le_bytes())]);
}

async fn dropped_futures_lose_nothing(maker: &dyn Maker) {
    let log = maker.fresh(layout()).await;
    for number in 0..20 {
        let mut gone = Box::pin(log.append(Class::Inner, vec![numbered(readings(0), number)]));
        drop(poll(gone.as_mut()));
        drop(gone);
        let from = [at(readings(0), number)];
        let mut gone = Box::pin(log.read(&from, MANY_BYTES));
        drop(poll(gone.as_mut()));
    }
    append(&*log, vec![numbered(readings(0), 20)]).await;
    let expected: Vec<Bytes> = (0..=20_u64).map(|number| number.to_le_bytes().to_vec().into()).collect();
    assert_eq!(
        payloads(&read_all(&*log, readings(0)).await),
        expected,
        "what was sent is there, in order, once"
    );
}

async fn cursors_stand_where_they_were_put(maker: &dyn Maker) {
    let log = maker.fresh(layout()).await;
    append(&*log, (0..5).map(|number| numbered(readings(0), number)).collect()).await;
    assert_eq!(log.cursor("store"), [], "a cursor that was never moved is empty");
    let may_lag = CursorClass::MayLag { max_lag_bytes: 1 << 20 };
    let commit = async |name, class, to: &[Position]| {
        log.commit_cursor(name, class, to).await.expect("a cursor can be moved");
    };
    commit("store", CursorClass::Must, &[at(readings(0), 3), at(NAMES, 0)]).await;
    commit("store", CursorClass::Must, &[at(readings(0), 4)]).await;
    commit("pages", may_lag, &[at(readings(1), 0)]).await;
    let unknown = Partition { topic: TopicId(9), index: 0 };
    let refused = log.commit_cursor("store", CursorClass::Must, &[at(unknown, 1)]).await;
    assert!(matches!(refused, Err(Error::UnknownPartition { topic: 9, index: 0 })), "{refused:?}");
    let log = maker.reopen(log).await;
    let mut store = log.cursor("store");
    store.sort();
    assert_eq!(store, [at(readings(0), 4), at(NAMES, 0)], "a partition that is not named keeps its place");
    assert_eq!(log.cursor("pages"), [at(readings(1), 0)]);
    assert_eq!((log.gap("store"), log.gap("pages"), log.gap("nobody")), (0, 0, 0));
}

async fn bad_appends_append_nothing(maker: &dyn Maker) {
    let log = maker.fresh(layout()).await;
    let good = || numbered(readings(0), 1);
    let large = record(readings(0), vec![0; MAX_PAYLOAD_BYTES + 1]);
    let refused = log.append(Class::Intake, vec![good(), large]).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    let unknown = numbered(readings(3), 1);
    let refused = log.append(Class::Intake, vec![good(), unknown]).await;
    assert!(matches!(refused, Err(Error::UnknownPartition { topic: 0, index: 3 })), "{refused:?}");
    let refused = log.read(&[at(readings(3), 0)], MANY_BYTES).await;
    assert!(matches!(refused, Err(Error::UnknownPartition { topic: 0, index: 3 })), "{refused:?}");
    assert_eq!(append(&*log, Vec::new()).await, []);
    assert_eq!(
        append(&*log, vec![record(readings(0), vec![7; MAX_PAYLOAD_BYTES])]).await,
        [0],
        "the largest fits"
    );
    assert_eq!(read_all(&*log, readings(0)).await[0].payload.len(), MAX_PAYLOAD_BYTES);
}

async fn many_callers_at_once_keep_their_order(maker: &dyn Maker) {
    let log = maker.fresh(layout()).await;
    let caller = |caller: u64| {
        let appends =
            (0..25).map(move |number| vec![numbered(readings(0), caller), numbered(readings(1), number)]);
        let appends = appends.map(|records| log.append(Class::Inner, records));
        async {
            join_all(appends)
                .await
                .into_iter()
                .map(|offsets| offsets.expect("there is room"))
                .collect::<Vec<_>>()
        }
    };
    let answers = join_all((0..20).map(caller)).await;
    let callers = payloads(&read_all(&*log, readings(0)).await);
    let numbers = payloads(&read_all(&*log, readings(1)).await);
    assert_eq!(callers.len(), 20 * 25);
    for (caller, answers) in (0_u64..).zip(&answers) {
        assert!(answers.is_sorted(), "appends of one caller stand in the order in which they were made");
        for (number, offsets) in (0_u64..).zip(answers) {
            let [first, second] =
                [offsets[0].0, offsets[1].0].map(|offset| usize::try_from(offset).expect("few"));
            assert_eq!(callers[first][..], caller.to_le_bytes(), "the record stands where the answer says");
            assert_eq!(numbers[second][..], number.to_le_bytes(), "the record stands where the answer says");
        }
    }
}

/// Polls once without being woken.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
