//! `kill -9` at random moments under load, again and again: nothing acknowledged is lost, nothing is judged twice.
//!
//! Three load generators and a replay send through all doors while the city is killed and started over the same folder.
//! In the end the books balance with the senders' own files, and the orders of the replayed readings are those of a city
//! that nobody disturbed. `YIWANG_KILLS` is how often (50; 1,000 in `make long`), `YIWANG_SEED` repeats a run.

use std::path::PathBuf;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::orders::{self, Episode, assert_same};
use yiwang_tests::programs;
use yiwang_tests::sim::{Door, Sim, number};

/// The longest that a city is left alone, in milliseconds.
const MAX_LIFE_MS: u64 = 900;
/// How much event time is replayed: less than the day by which load, which is of now, may lag behind.
const REPLAYED: Span = Span::HOUR.times(10);

/// Pains 1, 7, 17, 24: alarm state, acknowledged readings, active orders and window contents all survive.
#[test]
fn pain_01_07_17_24_nothing_is_forgotten_over_kills() {
    let kills = programs::count("YIWANG_KILLS", 50);
    let seed = programs::count("YIWANG_SEED", u64::from(std::process::id()));
    eprintln!("{kills} kills, YIWANG_SEED={seed}");
    let begin = this_minute();
    let mut city = City::story();
    city.fed().start();
    let senders = Senders::start(&city, begin, kills);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(random.random_range(0..MAX_LIFE_MS)));
        city.kill().start();
    }
    let acked = senders.finish();
    city.settle();
    let found = of_the_story(&city);
    city.kill();
    let files: Vec<_> = acked.iter().map(PathBuf::as_path).collect();
    city.reconcile(true, &files).must_balance();
    let again = of_the_story(city.start());
    assert_same(&again, &found);
    assert_same(&found, &undisturbed(begin));
}

/// Everyone who sends while the city is killed.
struct Senders {
    load: Vec<Sim>,
    replay: Sim,
    acked: Vec<PathBuf>,
}

impl Senders {
    fn start(city: &City, begin: Timestamp, kills: u64) -> Self {
        let input = city.beside("story.csv");
        story(begin).write(&input);
        let acked: Vec<PathBuf> =
            ["grpc", "mqtt", "influx", "replay"].map(|name| city.beside(name).with_extension("acked")).into();
        let [grpc, mqtt, influx, replayed] = [0, 1, 2, 3].map(|at: usize| acked[at].to_str().unwrap());
        // Long enough for all kills; it is told when to end.
        let long = ["--seconds", "100000", "--wait", "100"];
        let over_grpc = ["load", "--series", "500", "--rate", "3000", "--gateway", "bench", "--acked", grpc];
        let over_mqtt = ["load", "--series", "50", "--rate", "300", "--gateway", "bench-m", "--acked", mqtt];
        let over_influx =
            ["load", "--series", "50", "--rate", "3000", "--gateway", "bench-i", "--acked", influx];
        let load = vec![
            Sim::run(city, Door::Influx, &[&over_influx[..], &long].concat()),
            Sim::run(city, Door::Grpc, &[&over_grpc[..], &long].concat()),
            Sim::run(city, Door::Mqtt, &[&over_mqtt[..], &long].concat()),
        ];
        // Spread over all kills: half of their lives and a start each.
        let speed = REPLAYED.as_secs_f64() / (kills.max(1) as f64 * 0.6);
        let paced = ["--speed", &speed.to_string(), "--wait", "100", "--acked", replayed];
        let replay = Sim::replay(city, Door::Both, &[&input], &paced);
        Self { load, replay, acked }
    }

    /// The replay runs to its end, load is told to end; all acknowledgements are waited for.
    fn finish(self) -> Vec<PathBuf> {
        let replayed = self.replay.report();
        assert_eq!((number(&replayed, "refused"), number(&replayed, "unacknowledged")), (0, 0), "{replayed}");
        assert_eq!(number(&replayed, "acked"), number(&replayed, "readings"), "{replayed}");
        for load in self.load {
            let report = load.finish();
            assert_eq!((number(&report, "refused"), number(&report, "unacknowledged")), (0, 0), "{report}");
            assert!(number(&report, "acked") > 0, "{report}");
        }
        self.acked
    }
}

fn story(begin: Timestamp) -> Feed {
    Feed::rhythm(12, begin, REPLAYED)
}

/// The episodes of the replayed stations; those of load hang on when it was sent.
fn of_the_story(city: &City) -> Vec<Episode> {
    let orders = orders::orders(city, "");
    orders::episodes(
        orders.iter().filter(|order| order.draft.evidence.anomaly.series.source().starts_with("story-")),
    )
}

/// The same readings in a city that nobody kills.
fn undisturbed(begin: Timestamp) -> Vec<Episode> {
    let mut city = City::story();
    city.fed().start();
    let input = city.beside("story.csv");
    story(begin).write(&input);
    let report = Sim::replay(&city, Door::Both, &[&input], &[]).report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
    city.settle();
    let episodes = of_the_story(&city);
    let detectors = |name: &str| episodes.iter().filter(|episode| episode.detector == name).count();
    for name in ["now", "hour", "jump", "flat"] {
        assert!(detectors(name) > 0, "the story has no episode of {name}");
    }
    episodes
}
