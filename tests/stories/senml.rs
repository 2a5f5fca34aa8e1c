//! The door for SenML: what a pack was told is kept, whoever is killed, and each record that is refused is named.
//!
//! `YIWANG_SENML_KILLS` is how often the city is killed (5; 100 in `make long`), `YIWANG_SEED` repeats a run.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::mqtt::Client;
use yiwang_tests::{http, programs, wait};

const PATH: &str = "/api/v1/senml";
/// Records of a pack.
const RECORDS: i64 = 10;
const STEP: Span = Span::from_millis(10);
/// The longest that a city is left alone, in milliseconds.
const MAX_LIFE_MS: u64 = 600;

/// Somebody who sends packs, each until it was answered for, and remembers what was.
struct Sender {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<String>,
}

impl Sender {
    /// Every third pack has a record that is refused beside the others.
    fn start(at: SocketAddr, source: &'static str, begin: Timestamp) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut acked = String::new();
            for number in 0.. {
                let (first, bad) = (begin + STEP.times(number * RECORDS), number % 3 == 0);
                let (pack, lines) = pack(source, first, bad);
                let wanted = if bad { 400 } else { 204 };
                let answered =
                    wait::until_some("a pack is answered for", || match http::post(at, PATH, &pack) {
                        Ok((status, _)) if status == wanted => Some(true),
                        // The city stops, or is not there.
                        Ok((503, _)) | Err(_) => told.load(Ordering::Relaxed).then_some(false),
                        Ok((status, body)) => panic!("{status} {body}"),
                    });
                if answered {
                    acked += &lines;
                }
                if told.load(Ordering::Relaxed) {
                    break;
                }
            }
            acked
        });
        Self { stop, thread }
    }

    fn finish(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// A pack, and what it says as acknowledgements are written.
fn pack(source: &str, first: Timestamp, bad: bool) -> (String, String) {
    let mut lines = String::new();
    let seconds = first.nanos() as f64 / 1e9;
    let mut records =
        vec![format!(r#"{{"bn":"{source}/","bt":{seconds:.3},"bu":"µg/m³","n":"pm2_5","v":11}}"#)];
    writeln!(lines, "{source},pm2_5,{},11", first.nanos()).unwrap();
    for number in 1..RECORDS {
        let after = STEP.times(number);
        records.push(format!(r#"{{"n":"pm2_5","t":{},"v":12}}"#, after.as_secs_f64()));
        writeln!(lines, "{source},pm2_5,{},12", (first + after).nanos()).unwrap();
    }
    if bad {
        records.push(r#"{"n":"pm2_5","v":-11}"#.to_owned());
    }
    (format!("[{}]", records.join(",")), lines)
}

#[test]
fn what_a_pack_was_told_is_kept_over_kills() {
    let kills = programs::count("YIWANG_SENML_KILLS", 5);
    let seed = programs::count("YIWANG_SEED", u64::from(std::process::id()));
    eprintln!("{kills} kills, YIWANG_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut city = City::story();
    city.start();
    let begin = this_minute() - Span::HOUR.times(20);
    let senders = ["story-01", "story-02"].map(|source| Sender::start(city.at().http, source, begin));
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(random.random_range(0..MAX_LIFE_MS)));
        city.kill().start();
    }
    let admitted = || city.metric("yiwang_readings_admitted_total");
    wait::until("packs are taken after the last kill", || admitted() > 100.0);
    let acked = senders.map(Sender::finish).concat();
    assert!(acked.lines().count() > 100, "{acked}");
    city.settle();
    city.kill();
    let witness = city.beside("senml.acked");
    std::fs::write(&witness, acked).unwrap();
    city.reconcile(true, &[&witness]).must_balance();
}

/// A record that is refused is named by its place, the others are kept; a pack that is none is refused whole, by both doors.
#[test]
fn what_is_refused_is_named_and_the_rest_is_kept() {
    let mut city = City::story();
    city.start();
    let begin = this_minute() - Span::HOUR;
    let (bad, mut kept) = pack("story-01", begin, true);
    let (status, body) = http::post(city.at().http, PATH, &bad).unwrap();
    assert!(status == 400 && body.contains("IMPOSSIBLE_VALUE"), "{status} {body}");
    let (status, body) = http::post(city.at().http, PATH, r#"[{"bver":99},{"n":"a/b","v":1}]"#).unwrap();
    assert!(status == 400 && body.contains("version"), "{status} {body}");
    // By MQTT below senml/; version 5 is told why by a reason code.
    let mut client = Client::connect(city.at().mqtt, 5, "packs");
    let (good, lines) = pack("story-02", begin, false);
    kept += &lines;
    assert_eq!(client.publish_and_wait(1, "senml/of/anybody", good.as_bytes()), Some(0));
    let (bad, lines) = pack("story-03", begin, true);
    kept += &lines;
    assert_eq!(client.publish_and_wait(2, "senml/of/anybody", bad.as_bytes()), Some(0x99));
    assert_eq!(client.publish_and_wait(3, "senml/of/anybody", b"{"), Some(0x99));
    city.settle();
    let witness = city.beside("senml.acked");
    std::fs::write(&witness, kept).unwrap();
    city.stop().reconcile(false, &[&witness]).must_balance();
}
