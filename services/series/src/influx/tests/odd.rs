//! A store that misbehaves: nothing is lost, nothing is out of order, and each fault is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use yiwang_model::Series;

use super::fake::{Do, Fake};
use super::lines::{batch, row};
use crate::influx::{Aside, Counted, Influx, Patience, Place, SetAside, Target, Token, target};
use crate::{Batch, Error, Mark, SeriesSink};

#[derive(Default)]
struct Kept(Mutex<Vec<SetAside>>);

#[async_trait]
impl Aside for Kept {
    async fn keep(&self, lines: SetAside) {
        self.0.lock().unwrap().push(lines);
    }
}

struct Story {
    fake: Fake,
    store: Arc<Influx>,
    aside: Arc<Kept>,
    stop: CancellationToken,
}

fn bucket() -> Place {
    Place::Bucket { org: "a city".into(), bucket: "main".into() }
}

fn database() -> Place {
    Place::Database { database: "main db".into() }
}

/// Short pauses; an answer may take as long as a slow machine needs, unless the story is about that.
fn patience() -> Patience {
    Patience {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
        last: Duration::from_millis(50),
        ..Patience::default()
    }
}

impl Story {
    async fn of(place: Place, gzip: bool, script: impl IntoIterator<Item = Do>) -> Self {
        Self::with(place, gzip, patience(), script).await
    }

    async fn with(
        place: Place,
        gzip: bool,
        patience: Patience,
        script: impl IntoIterator<Item = Do>,
    ) -> Self {
        let (fake, url) = Fake::open(script).await;
        let url = target::url(&url, &place).unwrap();
        let (name, token, settle) = ("far".into(), Token::new("secret-1"), Duration::ZERO);
        let target = Target { name, url, place, token, gzip, settle, patience };
        Self::at(fake, target)
    }

    fn at(fake: Fake, target: Target) -> Self {
        let (aside, stop) = (Arc::new(Kept::default()), CancellationToken::new());
        let store = Influx::new(target, Mark::new(), aside.clone(), stop.clone()).unwrap();
        Self { fake, store: Arc::new(store), aside, stop }
    }

    fn counted(&self) -> Counted {
        self.store.progress().counted()
    }
}

/// `count` readings and a mark.
fn readings(count: i64) -> Batch {
    let series = Series::new("s", "m").unwrap();
    // small
    let rows = (0..count).map(|at| row(&series, at, at as f64)).collect();
    Batch { mark: [("readings/0".to_owned(), 9)].into(), ..batch(&[series], rows) }
}

fn lines(count: i64) -> Vec<String> {
    (0..count).map(|at| format!("readings,metric=m,source=s value={at}.0,quality=0i {at}")).collect()
}

fn say(status: u16, body: &str) -> Do {
    Do::Say(status, "", body.to_owned())
}

#[tokio::test]
async fn a_write_goes_where_it_was_configured_to() {
    for gzip in [false, true] {
        let there = Story::of(bucket(), gzip, []).await;
        there.store.write(readings(3)).await.unwrap();
        let request = there.fake.requests().remove(0);
        assert!(
            request.head.starts_with("post /api/v2/write?bucket=main&org=a+city&precision=ns http/1.1\r\n"),
            "{}",
            request.head
        );
        assert!(request.head.contains("authorization: token secret-1\r\n"), "{}", request.head);
        assert_eq!(request.head.contains("content-encoding: gzip"), gzip);
        let here = Story::of(database(), gzip, []).await;
        here.store.write(readings(3)).await.unwrap();
        let request = here.fake.requests().remove(0);
        assert!(
            request.head.starts_with("post /write?db=main+db&precision=ns http/1.1\r\n"),
            "{}",
            request.head
        );
        assert!(request.head.contains("authorization: token secret-1\r\n"), "{}", request.head);
        assert_eq!((there.fake.kept(), here.fake.kept()), (lines(3), lines(3)));
        assert_eq!(here.store.persisted()["readings/0"], 9);
    }
}

/// Whatever it is that goes by, the batch is written in the end, once, and the mark does not move before.
#[tokio::test]
async fn what_goes_by_costs_nothing() {
    let html = "<html>sign in</html>";
    let odd = [
        say(200, html),
        say(302, ""),
        say(401, "unauthorized"),
        say(403, ""),
        say(404, "bucket not found"),
        say(405, ""),
        say(408, ""),
        say(415, ""),
        say(429, "slow down"),
        say(500, "panic"),
        say(502, html),
        say(503, ""),
        say(504, ""),
        Do::Cut,
        Do::Babble,
    ];
    for place in [bucket(), database()] {
        let count = odd.len() as u64;
        let story = Story::of(place, true, odd.clone()).await;
        story.store.write(readings(10)).await.unwrap();
        assert_eq!(story.fake.kept(), lines(10));
        let counted = story.counted();
        assert_eq!((counted.written, counted.refused, counted.set_aside), (10, 0, 0));
        assert!(counted.retries >= count, "a cut connection may be tried twice: {}", counted.retries);
        assert_eq!(story.store.progress().wrong(), None);
        assert!(story.aside.0.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_lasts_is_shown_and_the_mark_stands() {
    let script = std::iter::repeat_n(say(401, "{\"message\":\"unauthorized access\"}"), 100_000);
    let story = Story::of(bucket(), false, script).await;
    let (store, writing) = (story.store.clone(), readings(2));
    let writing = tokio::spawn(async move { store.write(writing).await });
    let progress = story.store.progress();
    while progress.counted().retries < 3 {
        tokio::task::yield_now().await;
    }
    let wrong = progress.wrong().unwrap();
    assert!(
        wrong.contains("401") && wrong.contains("unauthorized access") && wrong.contains("token_file"),
        "{wrong}"
    );
    assert!(story.store.persisted().is_empty() && story.fake.kept().is_empty());
    story.stop.cancel();
    assert!(matches!(writing.await.unwrap(), Err(Error::Stopped)));
    assert!(story.store.persisted().is_empty());
}

#[tokio::test]
async fn a_store_that_hangs_is_left_after_its_time() {
    let patience = Patience { answer: Duration::from_millis(200), ..patience() };
    for place in [bucket(), database()] {
        let story = Story::with(place, false, patience, [Do::Hang, Do::Hang]).await;
        story.store.write(readings(1)).await.unwrap();
        assert!(story.counted().retries >= 2);
        assert!(story.fake.kept().contains(&lines(1)[0]));
    }
}

#[tokio::test]
async fn a_city_that_closes_does_not_wait_for_a_store_that_hangs() {
    let story = Story::of(bucket(), false, [Do::Hang]).await;
    story.stop.cancel();
    assert!(matches!(story.store.write(readings(1)).await, Err(Error::Stopped)));
    assert!(story.store.persisted().is_empty());
    let healthy = Story::of(bucket(), false, []).await;
    healthy.stop.cancel();
    healthy.store.write(readings(1)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_not_there_is_waited_for() {
    let place = bucket();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = target::url(&format!("http://{free}"), &place).unwrap();
    let (name, settle) = ("gone".into(), Duration::ZERO);
    let target = Target { name, url, place, token: None, gzip: true, settle, patience: patience() };
    let stop = CancellationToken::new();
    let store = Arc::new(Influx::new(target, Mark::new(), Arc::new(Kept::default()), stop.clone()).unwrap());
    let (writer, progress) = (store.clone(), store.progress());
    let writing = tokio::spawn(async move { writer.write(readings(1)).await });
    while progress.counted().retries < 5 {
        tokio::task::yield_now().await;
    }
    let wrong = progress.wrong().unwrap();
    assert!(wrong.to_lowercase().contains("refused"), "{wrong}");
    stop.cancel();
    assert!(matches!(writing.await.unwrap(), Err(Error::Stopped)));
}

#[tokio::test]
async fn a_partial_write_is_counted_and_the_mark_moves() {
    let said = r#"{"error":"partial write: points beyond retention policy dropped=4"}"#;
    let story = Story::of(bucket(), true, [say(400, said)]).await;
    story.store.write(readings(10)).await.unwrap();
    let counted = story.counted();
    assert_eq!((counted.written, counted.refused, counted.set_aside), (6, 4, 0));
    assert_eq!(story.store.persisted()["readings/0"], 9);
    assert_eq!(story.fake.requests().len(), 1);
}

#[tokio::test]
async fn lines_that_are_at_fault_are_set_aside_and_the_next_are_written() {
    let said = r#"{"code":"invalid","message":"unable to parse"}"#;
    for place in [bucket(), database()] {
        let story = Story::of(place, true, [say(400, said)]).await;
        story.store.write(readings(50)).await.unwrap();
        assert_eq!(story.store.persisted()["readings/0"], 9);
        assert!(story.store.progress().wrong().unwrap().contains("unable to parse"));
        let kept = story.aside.0.lock().unwrap().clone();
        assert_eq!((kept.len(), kept[0].points, kept[0].excerpt.len()), (1, 50, 1024));
        assert!(kept[0].why.contains("HTTP 400") && kept[0].excerpt.starts_with(lines(1)[0].as_bytes()));
        story.store.write(readings(2)).await.unwrap();
        assert_eq!((story.fake.kept(), story.store.progress().wrong()), (lines(2), None));
        assert_eq!((story.counted().set_aside, story.counted().written), (50, 2));
    }
}

#[tokio::test]
async fn what_is_too_large_goes_in_pieces_in_order_and_a_line_that_is_too_large_aside() {
    let story = Story::of(bucket(), true, [Do::AtMost(3)]).await;
    story.store.write(readings(20)).await.unwrap();
    assert_eq!(story.fake.kept(), lines(20));
    assert_eq!(story.counted().written, 20);
    let never = Story::of(bucket(), true, [Do::AtMost(0)]).await;
    never.store.write(readings(5)).await.unwrap();
    assert_eq!((never.counted().set_aside, never.counted().written), (5, 0));
    assert_eq!(never.aside.0.lock().unwrap().len(), 5);
}

/// A store that was killed may have lost what it said yes to a moment ago.
#[tokio::test]
async fn after_a_break_what_has_not_settled_is_written_again() {
    let (fake, url) = Fake::open([say(204, ""), Do::Cut, Do::Cut]).await;
    let url = target::url(&url, &bucket()).unwrap();
    let settle = Duration::from_secs(3_600);
    let (name, place, token, gzip, patience) = ("far".into(), bucket(), None, true, patience());
    let story = Story::at(fake, Target { name, url, place, token, gzip, settle, patience });
    story.store.write(readings(2)).await.unwrap();
    assert!(story.store.persisted().is_empty(), "it has not settled");
    assert!(matches!(story.store.write(readings(3)).await, Err(Error::WriteAgain)));
    story.store.write(readings(3)).await.unwrap();
    assert_eq!(story.fake.kept(), [lines(2), lines(3), lines(3)].concat());
}

#[tokio::test(start_paused = true)]
async fn marks_settle_and_a_break_forgets_those_that_have_not() {
    use crate::influx::settling::Settling;
    use tokio::time::{Instant, advance};
    let mark = |at: u64| Mark::from([("readings/0".to_owned(), at)]);
    let mut marks = Settling::new(Duration::from_secs(16), mark(0));
    for at in 1..=100 {
        marks.add(mark(at), Instant::now());
        advance(Duration::from_millis(500)).await;
        let settled = marks.settled(Instant::now())["readings/0"];
        // 32 writes make the settling time, and those of a second settle together.
        assert!(settled <= at.saturating_sub(31) && settled + 35 >= at, "{settled} after {at}");
    }
    let before = marks.settled(Instant::now()).clone();
    assert!(marks.broke(Instant::now()));
    advance(Duration::from_secs(1_000)).await;
    assert_eq!(*marks.settled(Instant::now()), before);
    assert!(!Settling::new(Duration::ZERO, mark(0)).broke(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_a_bound_and_heed_what_is_asked_for() {
    let patience = Patience::default();
    let mut pauses = crate::influx::pause::Pauses::new(&patience);
    let mut most = patience.first_pause;
    for _ in 0..20 {
        let pause = pauses.next(None);
        assert!(most / 2 <= pause && pause <= most, "{pause:?} of {most:?}");
        most = (most * 2).min(patience.longest_pause);
    }
    assert_eq!(pauses.next(Some(Duration::from_secs(60))), Duration::from_secs(60));
    assert_eq!(pauses.next(Some(Duration::from_secs(86_400))), patience.longest_pause * 10);
}

/// The crate for buckets drops headers; for databases they are seen.
#[tokio::test]
async fn a_database_that_asks_for_time_gets_it() {
    let patience = Patience { longest_pause: Duration::from_millis(100), ..patience() };
    let script = [Do::Say(429, "Retry-After: 3600\r\n", String::new())];
    let story = Story::with(database(), false, patience, script).await;
    let began = tokio::time::Instant::now();
    story.store.write(readings(1)).await.unwrap();
    assert!(began.elapsed() >= patience.longest_pause * 10, "ten of the longest pauses");
    assert_eq!(story.fake.kept(), lines(1));
}

/// An answer without end is read to a bound.
#[tokio::test]
async fn a_long_answer_is_not_kept() {
    let story = Story::of(database(), false, [say(400, &"x".repeat(1 << 20))]).await;
    story.store.write(readings(1)).await.unwrap();
    assert!(story.aside.0.lock().unwrap()[0].why.len() < 300);
}

#[test]
fn addresses_that_cannot_be_are_told() {
    let wrong = |text: &str, place: &Place| target::url(text, place).unwrap_err();
    assert!(wrong("https://a:1", &bucket()).contains("TLS"));
    for text in
        ["", "a:1", "ftp://a", "/x", "http://", "http://u:p@a", "http://a?b=c", "http://a#b", "http://a/b"]
    {
        assert!(!wrong(text, &bucket()).is_empty(), "{text}");
    }
    assert!(target::url("http://a:8428/insert/0/influx", &database()).is_ok());
    assert!(target::url("http://[::1]:8086/", &bucket()).is_ok());
    assert!(Token::new("a b").is_none() && Token::new("a\nb").is_none() && Token::new(" ").is_none());
    assert_eq!(format!("{:?}", Token::new("secret").unwrap()), "***");
}
