//! Stop and start: everything is durable, everything goes on, no order comes twice; a damaged checkpoint costs nothing.

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::mqtt::Client;
use yiwang_tests::orders::{self, Episode, all, assert_same};
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::wait;

/// How much event time is replayed before and after.
const HALF: Span = Span::HOUR.times(5);

/// A city that was sent the first half of the story, and its episodes.
fn half_way(begin: Timestamp) -> (City, Vec<Episode>) {
    let mut city = City::story();
    city.fed().start();
    send(&city, begin, |time| time < begin + HALF);
    city.settle();
    let episodes = all(&city);
    (city, episodes)
}

#[test]
fn what_goes_on_over_a_stop_is_what_would_have_been_without_it() {
    let begin = this_minute();
    let (mut city, before) = half_way(begin);
    let active = before.iter().filter(|episode| episode.end.is_none()).count();
    assert!(active > 0, "the story wants an episode that lasts over the stop");
    city.stop();
    // Everything is on disk already: nothing is run through first.
    city.reconcile(false, &[]).must_balance();
    city.start();
    assert_same(&all(&city), &before);
    send(&city, begin, |time| time >= begin + HALF);
    city.settle();
    assert_same(&all(&city), &without_a_stop(begin));
}

/// Pain 17: what is active before a restart is active after it, and its end is still told, once, in the same order.
#[test]
fn pain_17_an_active_order_is_cleared_after_a_restart() {
    let begin = this_minute();
    let mut city = City::story();
    city.fed().start();
    Gateway::open(city.at().grpc, "story").rows(vec![pm2_5("story-01", begin, 90.0)]).unwrap();
    city.settle();
    let opened = orders::orders(&city, "detector=now");
    assert_eq!((opened.len(), opened[0].draft.evidence.anomaly.end), (1, None));
    // From nothing but the log, then from a checkpoint.
    city.kill().start().stop().start();
    let active = orders::orders(&city, "detector=now&active=true");
    assert_eq!(active, opened);
    Gateway::open(city.at().grpc, "story").rows(vec![pm2_5("story-01", begin + Span::MINUTE, 20.0)]).unwrap();
    city.settle();
    let cleared = orders::orders(&city, "detector=now");
    assert_eq!((cleared.len(), &cleared[0].no), (1, &opened[0].no));
    assert_eq!(cleared[0].draft.evidence.anomaly.end, Some(begin + Span::MINUTE));
    assert_eq!(cleared[0].timeline.len(), opened[0].timeline.len() + 1, "{:?}", cleared[0].timeline);
}

/// Whoever stays connected does not hold Ctrl-C up, nor do senders in the midst of it.
#[test]
fn it_stops_though_nobody_leaves() {
    let mut city = City::new();
    city.start();
    let mut gateway = Gateway::open(city.at().grpc, "stayer");
    let mut client = Client::connect(city.at().mqtt, 5, "stayer");
    let mut page = TcpStream::connect(city.at().http).unwrap();
    std::io::Write::write_all(&mut page, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    page.read_exact(&mut [0; 64]).unwrap();
    // A body that never comes whole.
    let mut slow = TcpStream::connect(city.at().http).unwrap();
    let begun = b"POST /write?db=city HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nreadings";
    std::io::Write::write_all(&mut slow, begun).unwrap();
    let requests = "yiwang_influx_requests_total";
    wait::until("the body is waited for", || city.metric(requests) == 1.0);
    let load = Sim::run(&city, Door::Grpc, &["load", "--series", "100", "--seconds", "1000"]);
    gateway.push(None).unwrap();
    city.interrupt();
    assert!(client.closed().is_some_and(|(kind, _)| kind == 0xe0), "a client of version 5 is told goodbye");
    assert!(!city.said().contains("did not end in time"), "{}", city.said());
    drop(load);
    city.reconcile(false, &[]).must_balance();
}

/// Pain 22: of two checkpoints the newest is damaged; the one before serves, and says so.
#[test]
fn pain_22_a_damaged_checkpoint_falls_back_to_the_one_before() {
    let begin = this_minute();
    let (mut city, before) = half_way(begin);
    // Each stop leaves a checkpoint.
    city.stop().start().stop();
    let kept = checkpoints(city.data());
    assert!(kept.len() >= 2, "two checkpoints are wanted: {kept:?}");
    flip(kept.last().unwrap());
    city.start();
    assert!(city.said().contains("damaged checkpoint, taking the one before"), "{}", city.said());
    city.settle();
    assert_same(&all(&city), &before);
    send(&city, begin, |time| time >= begin + HALF);
    city.settle();
    assert_same(&all(&city), &without_a_stop(begin));
    city.stop().reconcile(false, &[]).must_balance();
}

fn send(city: &City, begin: Timestamp, wanted: impl Fn(Timestamp) -> bool) {
    let input = city.beside("story.csv");
    Feed::rhythm(6, begin, HALF.times(2)).write_where(&input, |reading| wanted(reading.time));
    let report = Sim::replay(city, Door::Both, &[&input], &[]).report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
}

fn without_a_stop(begin: Timestamp) -> Vec<Episode> {
    let mut city = City::story();
    city.fed().start();
    send(&city, begin, |_| true);
    city.settle();
    all(&city)
}

/// The checkpoints of a data folder, the newest last.
fn checkpoints(data: &Path) -> Vec<PathBuf> {
    let folder = data.join("checkpoints").read_dir().unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_string_lossy().starts_with("checkpoint-"));
    files.sort();
    files
}

/// Flips a bit in the middle.
fn flip(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(file, bytes).unwrap();
}
