//! Receivers as they are: they answer everything, cut, hang, die. Real sockets, a feed in memory that outlives a webhook.

use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinHandle;

use self::feed::Memory;
use self::receiver::{Answer, Got, Receiver};
use super::*;

mod feed;
mod receiver;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Far more than anything takes.
const LONG: Duration = Duration::from_secs(120);

fn target(at: &str) -> Target {
    let patience = Patience {
        answer: LONG,
        first_pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(10),
        longest_asked: Duration::from_millis(10),
        tries: 3,
    };
    Target {
        name: "desk".into(),
        url: Url::read(at).unwrap(),
        secrets: vec![Secret::read(SECRET).unwrap()],
        wanted: Wanted::default(),
        patience,
    }
}

struct Run {
    progress: Arc<Progress>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), yiwang_orders::Error>>,
}

fn run(target: Target, feed: &Arc<Memory>) -> Run {
    let webhook = Webhook::new(target, feed.clone(), feed.clone());
    let (progress, stop) = (webhook.progress(), CancellationToken::new());
    let task = tokio::spawn(webhook.run(stop.clone()));
    Run { progress, stop, task }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, look).await.is_ok(), "waited in vain until {what}");
}

/// Ids in the order in which they came first; the same id always came with the same body.
fn firsts(got: &[Got]) -> Vec<String> {
    let mut firsts: Vec<&Got> = Vec::new();
    for one in got {
        match firsts.iter().find(|first| first.id == one.id) {
            Some(first) => assert_eq!(first.body, one.body, "{}", one.id),
            None => firsts.push(one),
        }
    }
    firsts.into_iter().map(|one| one.id.clone()).collect()
}

fn ids(events: std::ops::RangeInclusive<u64>) -> Vec<String> {
    events.map(|n| format!("YW20260302-{n:06}-1")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_receiver_answers_each_event_is_taken_in_order() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let elsewhere = Receiver::start(|_| Answer::status(200)).await;
    let away = elsewhere.url();
    let receiver = Receiver::start(move |_| match random.random_range(0..14) {
        0 => Answer::status(500),
        1 => Answer::status(503).header("retry-after", "0"),
        2 => Answer::status(429).header("retry-after", "soon"),
        3 => Answer::status(307).header("location", &away),
        4 => Answer::status(404).body(&"x".repeat(100_000)),
        5 => Answer::Cut,
        6 => Answer::raw("HTTP/1.1 200"),
        7 => Answer::raw("what do you want?\r\n\r\n"),
        8 => Answer::raw(&format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000))),
        9 if random.random_bool(0.2) => Answer::Hang,
        10 => Answer::Endless(500),
        11 => Answer::Endless(200),
        12 => Answer::status(204),
        _ => Answer::status(200).body("thanks"),
    })
    .await;
    let feed = Memory::new();
    let mut hasty = target(&receiver.url());
    hasty.patience.answer = Duration::from_millis(500);
    let run = run(hasty, &feed);
    until("it has begun", || feed.at("webhook/desk") == Some(0)).await;
    feed.add(60);
    until("all are taken", || feed.at("webhook/desk") == Some(60)).await;
    let mut taken: Vec<_> = receiver.got().into_iter().filter(|got| got.taken).map(|got| got.id).collect();
    // A machine that is slow enough lets an answer come too late.
    taken.dedup();
    assert_eq!(taken, ids(1..=60));
    assert_eq!(firsts(&receiver.got()), ids(1..=60));
    assert!(elsewhere.got().is_empty(), "a redirect was followed");
    for got in receiver.got() {
        let wanted = sign::signatures(&target("http://a").secrets, &got.id, got.timestamp, &got.body);
        assert_eq!(got.signature, wanted);
        assert!((jiff::Timestamp::now().as_second() - got.timestamp).abs() < 3_600);
    }
    let counted = run.progress.counted();
    assert_eq!((counted.delivered, counted.set_aside, run.progress.wrong()), (60, 0, None));
    until("nothing is behind", || run.progress.counted().behind == 0).await;
    run.stop.cancel();
    run.task.await.unwrap().unwrap();
}

/// Kill -9 leaves the feed and its cursor; what was under way is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_each_event_arrives_with_the_same_id() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut dice = ChaCha8Rng::seed_from_u64(12);
    let receiver = Receiver::start(move |_| match dice.random_range(0..3) {
        0 => Answer::status(503),
        _ => Answer::status(200),
    })
    .await;
    let feed = Memory::new();
    feed.set("webhook/desk", 0);
    feed.add(100);
    let mut kills = 0;
    while feed.at("webhook/desk") != Some(100) {
        let run = run(target(&receiver.url()), &feed);
        let (so_far, more) = (receiver.got().len(), random.random_range(0..5));
        until("some more came", || {
            receiver.got().len() >= so_far + more || feed.at("webhook/desk") == Some(100)
        })
        .await;
        run.task.abort();
        let _ = run.task.await;
        kills += 1;
    }
    assert_eq!(firsts(&receiver.got()), ids(1..=100));
    let taken = receiver.got().iter().filter(|got| got.taken).count();
    assert!(taken <= 100 + kills, "{taken} taken with {kills} kills: at most one more for each");
    assert!(kills > 20, "the test wants kills");
}

#[tokio::test]
async fn an_event_that_is_refused_is_set_aside_and_the_next_is_sent() {
    let receiver = Receiver::start(|got| match got.id.as_str() {
        "YW20260302-000002-1" => Answer::status(422).body("no such department"),
        _ => Answer::status(200),
    })
    .await;
    let feed = Memory::new();
    feed.set("webhook/desk", 0);
    feed.add(3);
    let run = run(target(&receiver.url()), &feed);
    until("all are answered", || feed.at("webhook/desk") == Some(3)).await;
    let aside = feed.aside();
    assert_eq!((aside.len(), &*aside[0].id, &*aside[0].webhook), (1, "YW20260302-000002-1", "desk"));
    assert_eq!(aside[0].why, "answered 422: no such department");
    assert!(aside[0].excerpt.starts_with(b"{\"type\":\"order.opened\""));
    let counted = run.progress.counted();
    assert_eq!((counted.delivered, counted.set_aside, counted.retries), (2, 1, 2));
    assert_eq!(receiver.got().len(), 5, "it was tried three times");
}

/// The status is the verdict; a body that does not come behind it blocks nothing.
#[tokio::test]
async fn a_stalled_body_does_not_hide_the_status() {
    let receiver = Receiver::start(|got| match got.id.as_str() {
        "YW20260302-000001-1" => Answer::Stalled(422),
        _ => Answer::status(200),
    })
    .await;
    let feed = Memory::new();
    feed.set("webhook/desk", 0);
    feed.add(2);
    let mut impatient = target(&receiver.url());
    impatient.patience.tries = 1;
    let _run = run(impatient, &feed);
    until("all are answered", || feed.at("webhook/desk") == Some(2)).await;
    assert_eq!(feed.aside()[0].why, "answered 422");
}

#[tokio::test]
async fn who_answers_410_is_not_told_anything_until_the_next_start() {
    let receiver = Receiver::start(|_| Answer::status(410)).await;
    let feed = Memory::new();
    feed.set("webhook/desk", 0);
    feed.add(5);
    let first = run(target(&receiver.url()), &feed);
    until("it is told", || first.progress.wrong().is_some_and(|why| why.contains("410"))).await;
    feed.add(5);
    first.stop.cancel();
    first.task.await.unwrap().unwrap();
    assert_eq!((receiver.got().len(), feed.at("webhook/desk")), (1, Some(0)));
    receiver.answer(|_| Answer::status(200));
    let _second = run(target(&receiver.url()), &feed);
    until("it gets all", || feed.at("webhook/desk") == Some(10)).await;
    assert_eq!(firsts(&receiver.got()), ids(1..=10));
}

#[tokio::test]
async fn a_receiver_that_is_not_there_touches_no_other() {
    let receiver = Receiver::start(|_| Answer::status(200)).await;
    let feed = Memory::new();
    let nowhere = Target { name: "dead".into(), ..target("http://127.0.0.1:1/hook") };
    let dead = run(nowhere, &feed);
    let mut picky = target(&receiver.url());
    picky.wanted.departments = vec!["water".into()];
    let lives = run(picky, &feed);
    let begun = || feed.at("webhook/desk").is_some() && feed.at("webhook/dead").is_some();
    until("both have begun", begun).await;
    feed.add(2_500);
    until("it has what it wants", || lives.progress.counted().delivered == 1_250).await;
    assert!(
        receiver
            .got()
            .iter()
            .all(|got| String::from_utf8_lossy(&got.body).contains("\"department\":\"water\""))
    );
    until("the dead one is told", || dead.progress.wrong().is_some_and(|why| why.contains("no connection")))
        .await;
    until("and how far behind it is", || dead.progress.counted().behind == 2_500).await;
    assert_eq!(feed.at("webhook/dead"), Some(0));
}

#[tokio::test]
async fn a_new_receiver_begins_now_and_what_nobody_wants_moves_the_cursor() {
    let receiver = Receiver::start(|_| Answer::status(200)).await;
    let feed = Memory::new();
    feed.add(10);
    let mut picky = target(&receiver.url());
    picky.wanted.categories = vec!["noise".into()];
    let run = run(picky, &feed);
    until("it has begun", || feed.at("webhook/desk") == Some(10)).await;
    feed.add(NOTE_EVERY);
    until("the cursor went on", || feed.at("webhook/desk").is_some_and(|at| at >= NOTE_EVERY)).await;
    assert!(receiver.got().is_empty() && run.progress.counted().delivered == 0);
}

#[test]
fn a_message_says_what_never_changes() {
    let told = feed::happening(17);
    let message = Message::of(&told);
    assert_eq!(message, Message::of(&told));
    assert_eq!(message.id, "YW20260302-000017-1");
    let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!((&body["type"], &body["timestamp"]), (&"order.opened".into(), &"2026-03-02T02:00:17Z".into()));
    let data = &body["data"];
    assert_eq!(
        (&data["no"], &data["category"], &data["step"]["state"]),
        (&"YW20260302-000017".into(), &"air".into(), &"opened".into())
    );
}
