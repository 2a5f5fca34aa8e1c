//! A program that nobody here wrote follows the orders and accepts them: grpcio from Python with the published .proto. The
//! city is killed while it follows; it comes back with its last token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use yiwang_model::Span;
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::orders::orders;
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::{programs, skip, wait};

const STATIONS: u32 = 6;
const LASTS: Span = Span::HOUR.times(5);
const KILLS: usize = 4;

/// A line of what the client wrote: an order, a place in its history, what came, the token.
#[derive(Debug)]
struct Seen {
    no: String,
    seq: u32,
    kind: String,
    who: String,
    token: String,
}

#[test]
fn a_foreign_client_follows_a_city_that_is_killed() {
    let Some(python) = programs::python() else {
        return skip("watch", "tests/.venv is not there; tests/install.sh makes it");
    };
    let mut city = City::story();
    city.fed().start();
    let begin = this_minute() - LASTS;
    let feed = Feed::rhythm(STATIONS, begin, LASTS);
    let into = city.beside("seen.txt");
    for part in 0..=KILLS {
        let client = follow(&python, &city, &into);
        let input = city.beside(&format!("part-{part}.csv"));
        let (from, to) = (share(part), share(part + 1));
        feed.write_where(&input, |reading| begin + from <= reading.time && reading.time < begin + to);
        let report = Sim::replay(&city, Door::Grpc, &[&input], &[]).report();
        assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
        if part < KILLS {
            let more = seen(&into).len() + 3;
            wait::until("the client is in the middle of it", || {
                seen(&into).len() >= more || all_seen(&city, &into)
            });
            city.kill();
            assert_eq!(told(client), "UNAVAILABLE", "the client of a killed city");
            city.start();
            continue;
        }
        city.settle();
        wait::until("the client has seen it all", || all_seen(&city, &into));
        city.stop();
        assert_eq!(told(client), "UNAVAILABLE", "the client of a city that stops");
    }
    city.start();
    assert_each_once(&city, &seen(&into));
    city.stop();
}

/// The part of the feed before this kill.
fn share(part: usize) -> Span {
    Span(LASTS.0 / (KILLS as i64 + 1) * part as i64)
}

fn follow(python: &Path, city: &City, into: &PathBuf) -> Child {
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/grpc_watch.py"));
    command.arg(city.at().grpc.to_string()).arg(programs::root().join("proto")).arg(into);
    command.args(seen(into).last().map(|seen| &seen.token));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What the client printed when it ended.
fn told(client: Child) -> String {
    let output = wait::ended(client);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The whole lines of the client's file.
fn seen(into: &Path) -> Vec<Seen> {
    let text = std::fs::read_to_string(into).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(read).collect()
}

fn read(line: &str) -> Seen {
    let words: Vec<&str> = line.split(' ').collect();
    let [no, seq, kind, _, who, token] = words[..] else { panic!("{line}") };
    let [no, kind, who, token] = [no, kind, who, token].map(str::to_owned);
    Seen { no, seq: seq.parse().unwrap(), kind, who, token }
}

/// Whether every order is accepted and every step seen.
fn all_seen(city: &City, into: &Path) -> bool {
    let orders = orders(city, "");
    let steps: usize = orders.iter().map(|order| order.timeline.len()).sum();
    seen(into).len() >= steps && orders.iter().all(|order| order.state.word() != "opened")
}

/// Every step of every order once, in the order of its history; each was accepted by the client.
fn assert_each_once(city: &City, seen: &[Seen]) {
    let mut histories: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    seen.iter().for_each(|seen| histories.entry(&seen.no).or_default().push(seen));
    let orders = orders(city, "");
    assert!(orders.len() > 5, "the story wants more orders than {}", orders.len());
    assert_eq!(histories.len(), orders.len());
    for order in orders {
        let found = &histories[&*order.no.0];
        let found: Vec<_> = found.iter().map(|seen| (seen.seq, &*seen.kind, &*seen.who)).collect();
        let wanted: Vec<_> =
            order.timeline.iter().map(|step| (step.seq, step.kind.word(), &*step.who)).collect();
        assert_eq!(found, wanted, "{}", order.no);
        assert!(wanted.iter().any(|(_, kind, who)| (*kind, *who) == ("moved", "local")), "{wanted:?}");
    }
}
