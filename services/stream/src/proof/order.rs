//! Timely brings things in any order; what judge and closer make of them may not show it.

use std::sync::Arc;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_catalogue::Catalogue;

use super::city::{self, PARTITIONS, moment, readings};
use crate::closer::{Closer, State};
use crate::directory::Directory;
use crate::item::{End, Item, Judged, Save};
use crate::judge::Judge;

fn directory(text: &str) -> Arc<Directory> {
    let directory = Directory::default();
    directory.revise(1, Arc::new(Catalogue::parse(&[("city.toml", text)]).unwrap()));
    city::catalogue().series().for_each(|series| directory.name(series));
    Arc::new(directory)
}

fn end(epoch: u64) -> End {
    let city = Some(moment(epoch as i64 * 20).nanos());
    End { epoch, partition: 0, next: 0, city, revision: 1, save: Save::No }
}

/// The readings of epochs of twenty seconds, in log order.
fn epochs() -> Vec<Vec<Item>> {
    let mut epochs = vec![Vec::new(); 81];
    for (offset, arrival) in (0..).zip(readings(7, 1_600)) {
        let partition = arrival.series.partition(PARTITIONS);
        epochs[arrival.at as usize / 20 + 1].push(Item::new(partition, offset, 0, &arrival.row));
    }
    epochs
}

fn judge_all(text: &str, mut shuffle: impl FnMut(&mut Vec<Item>)) -> Vec<Vec<Judged>> {
    let mut judge = Judge::new(directory(text), 1, None);
    let judge_one = |(epoch, mut items): (u64, Vec<Item>)| {
        shuffle(&mut items);
        let mut out = Vec::new();
        judge.epoch(&mut items, &end(epoch), &mut out);
        out
    };
    (0..).zip(epochs()).map(judge_one).collect()
}

/// What the closer makes of it when it comes from several workers.
fn close_all(
    text: &str,
    judged: &[Vec<Judged>],
    mut shuffle: impl FnMut(Vec<Judged>) -> Vec<Judged>,
) -> Vec<String> {
    let state = State { revision: 1, ..State::default() };
    let mut closer = Closer::new(directory(text), 1, 1, &state).unwrap();
    let close = |(epoch, judged): (u64, &Vec<Judged>)| {
        let closed = closer.close(shuffle(judged.clone()), &[end(epoch)]).unwrap();
        format!("{:?}", closed.found)
    };
    (0..).zip(judged).map(close).collect()
}

#[test]
fn readings_of_an_epoch_are_judged_in_log_order_however_they_come() {
    for text in [city::TEXT, &city::with_causes()] {
        let sorted = judge_all(text, |_| {});
        let mut dice = ChaCha8Rng::seed_from_u64(3);
        let shuffled = judge_all(text, |items| items.shuffle(&mut dice));
        let close = |judged: &[Vec<Judged>]| close_all(text, judged, |judged| judged);
        assert!(close(&sorted).iter().any(|found| found != "[]"));
        assert_eq!(close(&sorted), close(&shuffled));
    }
}

/// What one series says comes in order, from one worker; the workers come in any.
fn as_of_workers(judged: Vec<Judged>, dice: &mut ChaCha8Rng) -> Vec<Judged> {
    let workers = dice.random_range(1..5_u64);
    let mut parts: Vec<Vec<Judged>> = (0..workers).map(|_| Vec::new()).collect();
    for said in judged {
        let worker = match &said {
            Judged::Found(found) | Judged::Silence(found, _) => found.anomaly.series.id().0 % workers,
            _ => dice.random_range(0..workers),
        };
        parts[usize::try_from(worker).unwrap()].push(said);
    }
    parts.shuffle(dice);
    parts.into_iter().flatten().collect()
}

#[test]
fn workers_are_heard_in_one_order_however_they_come() {
    for text in [city::TEXT, &city::with_causes()] {
        let judged = judge_all(text, |_| {});
        let wanted = close_all(text, &judged, |judged| judged);
        for seed in 0..20 {
            let mut dice = ChaCha8Rng::seed_from_u64(seed);
            let found = close_all(text, &judged, |judged| as_of_workers(judged, &mut dice));
            assert_eq!(wanted, found, "seed {seed}");
        }
    }
}
