//! Power cuts: what is found is what the mark says, and going on from the mark gives what was to be.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use yiwang_disk::sim::SimDisk;

use super::city::*;
use crate::SeriesSink;
use crate::embedded::EmbeddedSeries;

const BATCHES: usize = 24;

#[test]
fn after_a_power_cut_at_any_moment_the_mark_tells_what_is_there() {
    cut_and_look(200);
}

#[test]
#[ignore = "a minute of CPU time"]
fn after_a_power_cut_at_any_moment_the_mark_tells_what_is_there_1000_runs() {
    cut_and_look(1000);
}

fn cut_and_look(runs: u64) {
    let (mut cuts, mut late) = (0, 0);
    for seed in 0..runs {
        let (found, operations) = one_run(seed);
        cuts += u64::from(operations > 0);
        late += u64::from(found > 0);
    }
    assert!(cuts > runs / 2, "{cuts} of {runs} runs were cut");
    assert!(late > runs / 4, "{late} of {runs} runs had something durable");
}

/// Answers the mark that was found after the first cut, and after how many operations it came.
fn one_run(seed: u64) -> (usize, u64) {
    let city = City::seeded(seed, BATCHES);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut disk = SimDisk::new(seed);
    let mut first = None;
    let mut persisted = 0;
    for _ in 0..3 {
        disk.cut_at(disk.operations() + random.random_range(1..400));
        persisted = persisted.max(work(&disk, &city, &mut random));
        if !disk.is_cut() {
            break;
        }
        first = first.or(Some((0, disk.operations())));
        disk = disk.power_cut();
        let store = open_simple(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = mark_of(&store.persisted());
        assert!(found >= persisted, "seed {seed}: the mark was {persisted} and is {found}");
        check(&store, &city.model(found));
        assert_eq!(scanned(&disk).rows, city.model(found).rows, "seed {seed}");
        first = first.map(|(mark, operations)| (mark.max(found), operations));
    }
    let disk = disk.power_cut();
    let store = open_simple(&disk).unwrap();
    write_from_mark(&store, &city).unwrap();
    store.merge_all().unwrap();
    check(&store, &city.model(BATCHES));
    assert_eq!(scanned(&disk).rows, city.model(BATCHES).rows, "seed {seed}");
    first.unwrap_or((0, 0))
}

/// Goes on from the mark until all is written or the power is gone; answers the last mark that was durable.
fn work(disk: &SimDisk, city: &City, random: &mut ChaCha8Rng) -> usize {
    let Ok(store) = open_simple(disk) else { return 0 };
    let from = mark_of(&store.persisted());
    for batch in &city.batches[from..] {
        let flush = random.random_bool(0.5);
        let tidy = random.random_bool(0.3);
        let done = run(async {
            store.write(batch.clone()).await?;
            if flush { store.flush().await } else { Ok(()) }
        });
        if done.and_then(|()| if tidy { store.tidy().map(drop) } else { Ok(()) }).is_err() {
            break;
        }
    }
    mark_of(&store.persisted())
}

fn write_from_mark(store: &EmbeddedSeries, city: &City) -> Result<(), crate::Error> {
    run(async {
        for batch in &city.batches[mark_of(&store.persisted())..] {
            store.write(batch.clone()).await?;
        }
        store.flush().await
    })
}
