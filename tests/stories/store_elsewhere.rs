//! The readings also go to a VictoriaMetrics that nobody here wrote. It is killed under load, we are killed under load: in
//! the end it has every key once, with its value.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_model::Span;
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::victoria::Victoria;
use yiwang_tests::{programs, skip, wait};

const STATIONS: u32 = 12;
const LASTS: Span = Span::HOUR.times(10);
/// The longest that a store or a city is left alone, in milliseconds.
const MAX_LIFE_MS: u64 = 1500;
type Stored = BTreeMap<(String, i64), f64>;

#[test]
fn a_store_elsewhere_has_every_key_once_whoever_is_killed() {
    let Some(mut store) = Victoria::start() else {
        return skip("store_elsewhere", "victoria-metrics is not there; tests/install.sh installs it");
    };
    let kills = programs::count("YIWANG_KILLS", 12);
    let seed = programs::count("YIWANG_SEED", u64::from(std::process::id()));
    eprintln!("{kills} kills, YIWANG_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut city = City::story();
    configure(&mut city, &store, "bucket");
    city.fed().start();
    let feed = feed();
    let input = city.beside("story.csv");
    feed.write(&input);
    let speed = LASTS.as_secs_f64() / (kills.max(1) as f64 * 1.2);
    let replay_of_all =
        Sim::replay(&city, Door::Both, &[&input], &["--speed", &speed.to_string(), "--wait", "100"]);
    for kill in 0..kills {
        std::thread::sleep(Duration::from_millis(random.random_range(0..MAX_LIFE_MS)));
        if kill % 3 == 2 {
            city.kill().start();
        } else {
            store.kill();
            std::thread::sleep(Duration::from_millis(random.random_range(0..MAX_LIFE_MS)));
            store.run();
        }
    }
    let report = replay_of_all.report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
    city.settle();
    let wanted = wanted(&feed);
    wait::until("the store elsewhere has it all", || stored(&store).len() >= wanted.len() && !lags(&city));
    assert_same(&stored(&store), &wanted);
    let count = |name: &str| city.metric(&format!("yiwang_far_{name}{{store=\"victoria\"}}"));
    assert_eq!((count("refused_points_total"), count("set_aside_points_total")), (0.0, 0.0));
    assert_eq!((count("gap_records_total"), count("down")), (0.0, 0.0));
    assert!(!store.points("anomalies_severity").is_empty() && !store.points("order_events_seq").is_empty());
    city.stop().reconcile(false, &[]).must_balance();
}

/// A store that is not there stops nobody, is told, and gets it all when it comes.
#[test]
fn a_dead_store_stops_nobody_and_gets_it_all_later() {
    let Some(mut store) = Victoria::start() else {
        return skip("store_elsewhere", "victoria-metrics is not there; tests/install.sh installs it");
    };
    store.kill();
    let mut city = City::story();
    configure(&mut city, &store, "database");
    city.fed().start();
    let feed = feed();
    let input = city.beside("story.csv");
    feed.write(&input);
    let report = Sim::replay(&city, Door::Grpc, &[&input], &[]).report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
    city.settle();
    wait::until("the dead store is told", || !city.readiness("store victoria").1);
    let (ready, _, why) = city.readiness("store victoria");
    assert!(ready && why.contains("refused"), "{why}");
    // A stop does not wait for it, and the next start goes on where it was.
    city.stop().start();
    store.run();
    let wanted = wanted(&feed);
    wait::until("it has caught up", || stored(&store).len() >= wanted.len());
    assert_same(&stored(&store), &wanted);
    wait::until("it is told to be well", || city.readiness("store victoria").1);
    city.stop();
}

fn configure(city: &mut City, store: &Victoria, place: &str) {
    city.config("[[store]]")
        .config("name = \"victoria\"")
        .config(&format!("url = \"http://{}\"", store.at()));
    match place {
        "bucket" => city.config("org = \"city\"").config("bucket = \"main\""),
        _ => city.config("database = \"main\"").config("gzip = false"),
    };
}

/// Ten hours of readings, and those of a station again at the end. None is corrected: of two values of one time this release
/// of VictoriaMetrics keeps any.
fn feed() -> Feed {
    let begin = this_minute() - LASTS;
    let mut feed = Feed::rhythm(STATIONS, begin, LASTS);
    let again: Vec<_> =
        feed.readings().iter().filter(|reading| reading.source == "story-01").cloned().collect();
    again
        .into_iter()
        .for_each(|reading| feed.push(&reading.source, &reading.metric, reading.time, reading.value));
    feed
}

fn wanted(feed: &Feed) -> Stored {
    let reading = feed.readings().iter();
    reading.map(|reading| ((reading.source.clone(), reading.time.millis()), reading.value)).collect()
}

fn stored(store: &Victoria) -> Stored {
    let mut stored = Stored::new();
    for (source, points) in store.points("readings_value") {
        for (time, value) in points {
            assert!(
                stored.insert((source.clone(), time), value).is_none(),
                "{source} at {time} is there twice"
            );
        }
    }
    stored
}

/// The cursor stands still behind the end by what has not settled, but nothing is on its way.
fn lags(city: &City) -> bool {
    city.metric("yiwang_far_down{store=\"victoria\"}") > 0.0
}

fn assert_same(found: &Stored, wanted: &Stored) {
    let missing = wanted.iter().filter(|(key, value)| found.get(*key) != Some(*value)).take(5);
    let missing: Vec<_> = missing.map(|(key, value)| (key, value, found.get(key))).collect();
    assert!(missing.is_empty(), "{} of {} there; wanted, found: {missing:?}", found.len(), wanted.len());
    assert_eq!(found.len(), wanted.len());
}
