//! Ticks that a crash tore: a tick that only some partitions have, and readings that no tick has closed yet.

use std::path::Path;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_disk::SimDisk;
use yiwang_log::Append;
use yiwang_proto::log::{ReadingsRecord, readings_record::Kind};
use yiwang_proto::topics;

use super::city::{self, PARTITIONS, readings};
use super::orders::ModelOrders;
use super::script::{Commit, Cuts, Writer};
use super::world::{
    CHECKPOINTS, assert_same_episodes, block_on, derived, fill, judge, log_of, open, parts, to_derive,
};
use crate::Stream;

const CUTS: Cuts = Cuts { batch: 4, tick: (5, 15) };

fn script() -> Vec<Commit> {
    let mut writer = Writer::new(city::TEXT);
    writer.play(&readings(9, 1_800), CUTS, &mut ChaCha8Rng::seed_from_u64(3));
    writer.commits
}

pub(super) fn is_tick(commit: &Commit) -> bool {
    let record = |append: &Append| prost::Message::decode(append.payload.clone()).ok();
    commit[0].to.topic.0 == topics::READINGS
        && record(&commit[0]).is_some_and(|record: ReadingsRecord| matches!(record.kind, Some(Kind::Tick(_))))
}

/// The script with some ticks torn: only the first few partitions have them. The last tick is whole.
pub(super) fn torn(mut commits: Vec<Commit>, dice: &mut ChaCha8Rng) -> Vec<Commit> {
    let last = commits.len() - 1;
    for commit in commits[..last].iter_mut().filter(|commit| is_tick(commit)) {
        if dice.random_bool(0.2) {
            commit.truncate(dice.random_range(1..usize::from(PARTITIONS)));
        }
    }
    commits
}

#[test]
fn a_torn_tick_loses_nothing_and_judges_nothing_twice() {
    let mut dice = ChaCha8Rng::seed_from_u64(17);
    block_on(async {
        let whole = judge(&log_of(&script()).await, 1, 1 << 20).await;
        for _ in 0..20 {
            let log = log_of(&torn(script(), &mut dice)).await;
            let one = judge(&log, 1, 1 << 12).await;
            let three = judge(&log, 3, 1 << 10).await;
            assert!(one == three, "the workers agree");
            assert_eq!(one.counts, whole.counts);
            assert_same_episodes(&whole, &one, "torn");
        }
    });
}

/// Between two of its lives the city tears ticks; each life goes on from a checkpoint.
#[test]
fn lives_that_end_in_torn_ticks_come_to_what_one_life_does() {
    let commits = torn(script(), &mut ChaCha8Rng::seed_from_u64(23));
    let ends: Vec<usize> =
        (0..commits.len()).filter(|at| is_tick(&commits[*at]) && commits[*at].len() < 4).collect();
    assert!(ends.len() > 5);
    block_on(async {
        let disk = SimDisk::new(3);
        let log = open(Arc::new(disk.clone())).unwrap();
        let orders = Arc::new(ModelOrders::default());
        let mut done = 0;
        for (life, end) in ends.iter().map(|end| end + 1).chain([commits.len()]).enumerate() {
            fill(log.as_ref(), &commits[done..end]).await;
            done = end;
            let parts = parts(&log, &orders, Arc::new(disk.clone()));
            let stream =
                Stream::start_saving_often(parts, Path::new(CHECKPOINTS), 1 + life % 3).await.unwrap();
            stream.drain().await.unwrap();
        }
        let wanted = judge(&log, 1, 1 << 20).await;
        assert_eq!(orders.all(), wanted.orders);
        assert_eq!(derived(log.as_ref()).await, to_derive(&wanted));
    });
}

#[test]
fn readings_after_the_last_tick_wait_for_one() {
    let mut commits = script();
    let rest = commits.split_off(commits.iter().rposition(|commit| !is_tick(commit)).unwrap() + 1);
    let before = commits.iter().rposition(is_tick).unwrap();
    assert!(before + 1 < commits.len(), "there are readings after it");
    block_on(async {
        let log = log_of(&commits).await;
        let waiting = judge(&log, 2, 1 << 20).await;
        assert_eq!(waiting, judge(&log_of(&commits[..=before]).await, 1, 1 << 20).await);
        fill(log.as_ref(), &rest).await;
        let whole = judge(&log, 2, 1 << 20).await;
        assert!(whole.counts.judged > waiting.counts.judged);
        assert_eq!(whole, judge(&log_of(&script()).await, 1, 1 << 20).await);
    });
}
