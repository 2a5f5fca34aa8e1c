//! An edge node by Eclipse Tahu's client for Node.js speaks with the city over a real Mosquitto: it is born, loses a message,
//! dies, comes back; and the city dies and comes back.
//!
//! `YIWANG_SPARKPLUG_KILLS` is how often one of both is killed (4; 100 in `make long`), `YIWANG_SEED` repeats a run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::mosquitto::Mosquitto;
use yiwang_tests::mqtt::{Client, packet};
use yiwang_tests::{http, programs, skip, wait};

const SOURCE: &str = "plant/edge-1/air-1";
/// The value that the device is born with.
const BORN_WITH: f64 = 10.5;
/// The alias of its fine particles.
const FINE: u8 = 1;

const NO_BROKER: &str = "mosquitto is not there; tests/install.sh installs it";
const NO_NODE: &str = "Node.js or tests/node_modules is not there; tests/install.sh makes the second";

/// An edge node with one device.
struct Node {
    child: Child,
    input: ChildStdin,
    said: Receiver<String>,
}

impl Node {
    fn start(broker: &Mosquitto, bd_seq: u32, birth: Timestamp) -> Option<Self> {
        let mut command = programs::node()?;
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/sparkplug_node.js"));
        command.args([&broker.at().ip().to_string(), &broker.at().port().to_string()]);
        command.args(SOURCE.split('/')).args([bd_seq.to_string(), millis(birth).to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (line, said) = channel();
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        std::thread::spawn(move || lines.for_each(|said| drop(line.send(said))));
        let node = Self { child, input, said };
        node.says("born");
        Some(node)
    }

    fn says(&self, word: &str) {
        let said = wait::until_some(&format!("the node says {word}"), || self.said.try_recv().ok());
        assert_eq!(said, word);
    }

    fn send(&mut self, time: Timestamp, value: f64) {
        writeln!(self.input, "{FINE} {value} {}", millis(time)).unwrap();
        self.says("said");
    }

    /// Leaves out a number.
    fn skip_number(&mut self) {
        writeln!(self.input).unwrap();
        self.says("skipped");
    }

    /// As `kill -9` does: the broker says its will.
    fn kill(self) {
        drop(self);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn millis(time: Timestamp) -> i64 {
    time.nanos() / 1_000_000
}

fn metric(city: &City, name: &str) -> f64 {
    city.metric(&format!("yiwang_sparkplug_{name}{{broker=\"main\"}}"))
}

fn are(city: &City, what: &str, state: &str, count: f64) {
    let name = format!("yiwang_sparkplug_{what}{{broker=\"main\",state=\"{state}\"}}");
    wait::until(&format!("{count} {what} are {state}"), || city.metric(&name) == count);
}

/// What the broker keeps of our state, until it is this; answers with its time.
fn state(broker: &Mosquitto, online: bool) -> i64 {
    wait::until_some(&format!("STATE says online {online}"), || {
        let mut client = Client::connect(broker.at(), 4, "looks-for-state");
        let topic = b"spBv1.0/STATE/yiwang";
        client.send(&packet(0x82, &[&[0, 1, 0, topic.len() as u8][..], topic, &[0]].concat()));
        assert_eq!(client.receive().expect("SUBACK").0, 0x90);
        let (_, body) = client.receive()?;
        let state: Value = serde_json::from_slice(&body[2 + topic.len()..]).ok()?;
        (state["online"] == online).then(|| state["timestamp"].as_i64().expect("ms"))
    })
}

fn stored(city: &City, begin: Timestamp) -> Vec<f64> {
    let (from, to) = (begin.to_string(), (begin + Span::HOUR).to_string());
    let (source, from, to) = (http::quoted(SOURCE), http::quoted(&from), http::quoted(&to));
    let answer = city.json(&format!("/api/v1/query?source={source}&metric=pm2_5&from={from}&to={to}"));
    answer["points"].as_array().unwrap().iter().map(|point| point["value"].as_f64().unwrap()).collect()
}

/// A city that is a host of Sparkplug there.
fn host(broker: &Mosquitto) -> City {
    let mut city = City::story();
    city.config("[[broker]]").config("name = \"main\"").config(&format!("address = \"{}\"", broker.at()));
    city.config("sparkplug_host = \"yiwang\"").config("keep_alive = \"10m\"").start();
    city
}

/// Nothing of Sparkplug is acknowledged: what was said into a death may be lost. What was stored before stays, and who comes back is heard.
#[test]
fn who_comes_back_is_heard_over_kills_at_random_moments() {
    let Some(broker) = Mosquitto::start("allow_anonymous true") else { return skip("sparkplug", NO_BROKER) };
    let kills = programs::count("YIWANG_SPARKPLUG_KILLS", 4);
    let seed = programs::count("YIWANG_SEED", u64::from(std::process::id()));
    eprintln!("{kills} kills, YIWANG_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let begin = this_minute() - Span::MINUTE.times(50);
    let mut city = host(&broker);
    let Some(mut node) = Node::start(&broker, 0, begin) else { return skip("sparkplug", NO_NODE) };
    let (mut lives, mut said) = (1, 0);
    let mut wanted = vec![BORN_WITH];
    let mut say = |node: &mut Node| {
        said += 1;
        node.send(begin + Span::SECOND.times(said), said as f64);
        said as f64
    };
    are(&city, "devices", "online", 1.0);
    for _ in 0..kills {
        wanted.push(say(&mut node));
        wait::until("it is heard", || has_all(&stored(&city, begin), &wanted));
        // Into the death: it may be heard or not.
        say(&mut node);
        std::thread::sleep(Duration::from_millis(random.random_range(0..20)));
        if random.random() {
            city.kill().start();
            state(&broker, true);
            // The city knows no alias any more, and asks for a birth.
            say(&mut node);
            node.says("reborn");
        } else {
            node.kill();
            are(&city, "nodes", "stale", 1.0);
            node = Node::start(&broker, lives, begin).expect("it was there");
            lives += 1;
        }
        are(&city, "devices", "online", 1.0);
    }
    let stored = stored(&city, begin);
    assert!(has_all(&stored, &wanted), "{wanted:?} is not all in {stored:?}");
    assert!(stored.is_sorted_by(|before, after| before == &BORN_WITH || before < after), "{stored:?}");
    city.settle();
    city.kill();
    city.reconcile(true, &[]).must_balance();
}

fn has_all(stored: &[f64], wanted: &[f64]) -> bool {
    wanted.iter().all(|value| stored.contains(value))
}

#[test]
fn an_edge_node_of_tahu_is_heard_through_gaps_deaths_and_restarts() {
    let Some(broker) = Mosquitto::start("allow_anonymous true") else { return skip("sparkplug", NO_BROKER) };
    let begin = this_minute() - Span::MINUTE.times(10);
    let at = |second: i64| begin + Span::SECOND.times(second);
    let mut city = host(&broker);
    let first_life = state(&broker, true);
    let Some(mut node) = Node::start(&broker, 0, begin) else { return skip("sparkplug", NO_NODE) };
    are(&city, "nodes", "online", 1.0);
    are(&city, "devices", "online", 1.0);
    let mut wanted = vec![BORN_WITH];
    for second in 1..=5 {
        // small
        wanted.push(20.0 + second as f64);
        node.send(at(second), 20.0 + second as f64);
    }
    wait::until("values came by their alias", || stored(&city, begin) == wanted);

    // A message is lost: nobody knows what the next alias means, until the node is born again.
    node.skip_number();
    node.send(at(6), 1000.0);
    node.says("reborn");
    wait::until("it is born again", || metric(&city, "births_total") == 4.0);
    assert_eq!((metric(&city, "gaps_total"), metric(&city, "unresolved_total")), (1.0, 1.0));
    node.send(at(7), 27.0);
    wanted.push(27.0);
    wait::until("values come again", || stored(&city, begin) == wanted);

    node.kill();
    are(&city, "nodes", "stale", 1.0);
    are(&city, "devices", "stale", 1.0);
    let mut node = Node::start(&broker, 1, begin).expect("it was there");
    are(&city, "devices", "online", 1.0);
    node.send(at(8), 28.0);
    wanted.push(28.0);
    wait::until("its next life is heard", || stored(&city, begin) == wanted);
    assert_eq!((metric(&city, "deaths_total"), metric(&city, "deaths_ignored_total")), (1.0, 0.0));

    // The city knows no alias after a restart.
    city.kill();
    assert_eq!(state(&broker, false), first_life);
    city.start();
    assert!(state(&broker, true) > first_life);
    node.send(at(9), 1000.0);
    node.says("reborn");
    are(&city, "devices", "online", 1.0);
    assert_eq!((metric(&city, "rebirths_asked_total"), metric(&city, "unresolved_total")), (1.0, 1.0));
    node.send(at(10), 30.0);
    wanted.push(30.0);
    wait::until("the city that came back hears it", || stored(&city, begin) == wanted);
    // Neither the offset nor the maker is in the catalogue, nor is the uptime: recorded once for node and device.
    assert_eq!((metric(&city, "unmapped_total"), city.refused("UNKNOWN_METRIC")), (3.0, 4));
    city.settle();
    city.stop();
    state(&broker, false);
    node.kill();
    city.reconcile(false, &[]).must_balance();
}
