//! Readings come through a Mosquitto that a city already has. It is killed, we are killed, it is not there, it does not let
//! us in, it hands over what nobody can take.

use std::path::Path;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::mosquitto::Mosquitto;
use yiwang_tests::mqtt::{Client, packet};
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::{programs, skip, wait};

/// The longest that a broker or a city is left alone, in milliseconds.
const MAX_PAUSE_MS: u64 = 300;
/// Readings of the witness in a round.
const READINGS: u16 = 20;
const ABSENT: &str = "mosquitto is not there; tests/install.sh installs it";
const EVERYBODY: &str = "allow_anonymous true";
const ITEM: &str = "broker main";

/// A connection to the broker `main`; further lines of its entry may follow.
fn configure(city: &mut City, broker: &Mosquitto, version: &str) {
    city.config("[[broker]]").config("name = \"main\"").config(&format!("address = \"{}\"", broker.at()));
    city.config(&format!("version = \"{version}\""));
}

fn metric(city: &City, name: &str) -> f64 {
    city.metric(&format!("yiwang_broker_{name}{{broker=\"main\"}}"))
}

fn connected(city: &City) {
    wait::until("it is connected and subscribed", || city.readiness(ITEM).1);
}

fn load(city: &City, broker: &Mosquitto, acked: &Path, rate: &str) -> Sim {
    let arguments = ["load", "--series", "50", "--rate", rate, "--gateway", "bench-b", "--seconds", "100000"];
    let files = ["--wait", "100", "--acked", acked.to_str().unwrap()];
    Sim::run(city, Door::Broker(broker.at()), &[&arguments[..], &files].concat())
}

fn finished(load: Sim) -> u64 {
    let report = load.finish();
    assert_eq!((number(&report, "refused"), number(&report, "unacknowledged")), (0, 0), "{report}");
    let acked = number(&report, "acked");
    assert!(acked > 0, "{report}");
    acked
}

fn pm2_5(time: Timestamp, value: f64) -> String {
    format!(r#"{{"metric":"pm2_5","time":"{time}","value":{value},"unit":"µg/m³"}}"#)
}

#[test]
fn what_comes_through_a_broker_is_kept() {
    for (version, group) in [("3.1.1", None), ("5", Some("group = \"cities\""))] {
        let Some(broker) = Mosquitto::start(EVERYBODY) else { return skip("broker", ABSENT) };
        let mut city = City::story();
        configure(&mut city, &broker, version);
        if let Some(group) = group {
            city.config(group);
        }
        city.start();
        connected(&city);
        let acked = city.beside("broker.acked");
        let load = load(&city, &broker, &acked, "1000");
        wait::until("readings arrive", || city.metric("yiwang_readings_admitted_total") >= 1000.0);
        let acked_readings = finished(load) as f64;
        wait::until("all arrived", || city.metric("yiwang_readings_admitted_total") >= acked_readings);
        assert_eq!((metric(&city, "redelivered_total"), metric(&city, "reconnects_total")), (0.0, 0.0));
        assert!(metric(&city, "bytes_total") > 0.0);
        city.settle();
        city.stop().reconcile(false, &[&acked]).must_balance();
    }
}

/// Whoever is killed: what Mosquitto acknowledged and has on its disk is in our log.
///
/// Mosquitto acknowledges a message and saves it a moment later; killed in between it loses it, whoever is its client. A
/// witness therefore waits until all it said is saved, while others go on, and only then somebody is killed.
#[test]
fn what_a_broker_acknowledged_is_kept_over_kills() {
    let Some(mut broker) = Mosquitto::start(EVERYBODY) else { return skip("broker", ABSENT) };
    let kills = programs::count("YIWANG_BROKER_KILLS", 6);
    let seed = programs::count("YIWANG_SEED", u64::from(std::process::id()));
    eprintln!("{kills} kills, YIWANG_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut city = City::story();
    configure(&mut city, &broker, if seed.is_multiple_of(2) { "3.1.1" } else { "5" });
    city.start();
    connected(&city);
    let mut witness = Witness { begin: this_minute() - Span::HOUR, round: 0, lines: String::new() };
    let others = city.beside("others.acked");
    let load = load(&city, &broker, &others, "100");
    for kill in 0..kills {
        witness.speak(&broker);
        std::thread::sleep(Duration::from_millis(random.random_range(0..MAX_PAUSE_MS)));
        if kill % 3 != 1 {
            city.kill();
        }
        if kill % 3 != 0 {
            broker.kill();
            std::thread::sleep(Duration::from_millis(random.random_range(0..MAX_PAUSE_MS)));
            broker.run();
        }
        if kill % 3 != 1 {
            city.start();
        }
    }
    finished(load);
    connected(&city);
    // What Mosquitto still has comes before this, which is refused once it is durable.
    Client::connect(broker.at(), 4, "marker").publish_and_wait(1, "yw/v1/story-01", b"the end");
    wait::until("the broker has handed over all", || city.refused("MALFORMED") > 0);
    city.settle();
    city.kill();
    let acked = city.beside("witness.acked");
    std::fs::write(&acked, &witness.lines).unwrap();
    city.reconcile(true, &[&acked]).must_balance();
    let books = city.reconcile(true, &[&others]).text;
    eprintln!("of the others, killed at any moment: {}", books.lines().nth(1).unwrap_or_default());
}

/// Somebody who remembers what was acknowledged and saved.
struct Witness {
    begin: Timestamp,
    round: u16,
    lines: String,
}

impl Witness {
    /// Sends readings through the broker, and waits until they are acknowledged and saved.
    fn speak(&mut self, broker: &Mosquitto) {
        let mut client = Client::connect(broker.at(), 4, "witness");
        for number in 0..READINGS {
            let time = self.begin + Span::SECOND.times(i64::from(self.round * READINGS + number));
            client.publish(number + 1, b"yw/v1/story-01", pm2_5(time, 11.0).as_bytes());
            self.lines += &format!("story-01,pm2_5,{},11\n", time.nanos());
        }
        for _ in 0..READINGS {
            assert_eq!(client.receive().expect("PUBACK").0, 0x40);
        }
        self.round += 1;
        // A retained message is in what is saved from now on.
        let marker = format!("round-{}-is-saved", self.round);
        client.send(&packet(0x31, &[&[0, 6][..], b"marker", marker.as_bytes()].concat()));
        wait::until("Mosquitto has saved", || broker.has_saved(marker.as_bytes()));
    }
}

/// A broker that is not there or does not know us stops nobody, is told, and is connected to when it comes.
#[test]
fn a_broker_that_is_not_there_or_lets_us_not_in_stops_nobody() {
    let Some(mut broker) = Mosquitto::stopped("allow_anonymous false\npassword_file PASSWORDS") else {
        return skip("broker", ABSENT);
    };
    broker.password("city", "another password");
    let mut city = City::story();
    std::fs::write(city.beside("broker.secret"), "the password\n").unwrap();
    configure(&mut city, &broker, "3.1.1");
    city.config("user = \"city\"").config("secret_file = \"broker.secret\"").start();
    let told = |words: &str| {
        wait::until(words, || {
            let (ready, well, why) = city.readiness(ITEM);
            ready && !well && why.contains(words)
        });
    };
    told("cannot be reached");
    let mut door = Client::connect(city.at().mqtt, 4, "story");
    assert_eq!(door.publish_and_wait(1, "yw/v1/story-01", pm2_5(this_minute(), 11.0).as_bytes()), Some(0));
    broker.run();
    told("not authorized: wrong user or password");
    assert_eq!(metric(&city, "connected"), 0.0);
    broker.kill();
    broker.password("city", "the password");
    broker.run();
    connected(&city);
    assert_eq!((metric(&city, "connected"), metric(&city, "connections_total")), (1.0, 1.0));
    assert!(!city.said().contains("the password"));
    // Told once for each change, not for each try.
    assert_eq!(city.said().matches("not connected to a broker").count(), 2, "{}", city.said());
    city.stop();
}

#[test]
fn what_nobody_can_take_is_refused_and_does_not_come_again() {
    for version in ["3.1.1", "5"] {
        let Some(broker) = Mosquitto::start(EVERYBODY) else { return skip("broker", ABSENT) };
        let mut city = City::story();
        configure(&mut city, &broker, version);
        city.config("topics = [\"#\"]").config("max_packet_bytes = 2000").start();
        connected(&city);
        let mut sender = Client::connect(broker.at(), 4, "sender");
        let large = "x".repeat(100_000);
        let good = pm2_5(this_minute(), 11.0);
        for (id, topic, payload) in [
            (1, "yw/v1/story-01", "{"),
            (2, "yw/v1/story-01", large.as_str()),
            (3, "yw/v1/nowhere", good.as_str()),
            (4, "home/lamp", "on"),
            (5, "yw/v1/story-01", good.as_str()),
        ] {
            assert_eq!(sender.publish_and_wait(id, topic, payload.as_bytes()), Some(0));
        }
        wait::until("the good one arrived", || city.metric("yiwang_readings_admitted_total") == 1.0);
        let refused = ["MALFORMED", "UNKNOWN_SOURCE", "BAD_NAME"].map(|reason| city.refused(reason));
        assert_eq!(refused, [2, 1, 1]);
        city.stop().start();
        connected(&city);
        assert_eq!(sender.publish_and_wait(6, "yw/v1/story-02", good.as_bytes()), Some(0));
        wait::until("the next arrived", || city.metric("yiwang_readings_admitted_total") == 1.0);
        assert_eq!((metric(&city, "messages_total"), metric(&city, "redelivered_total")), (1.0, 0.0));
        city.stop().reconcile(false, &[]).must_balance();
    }
}
