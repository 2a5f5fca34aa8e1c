use yiwang_catalogue::Catalogue;
use yiwang_log::Class;
use yiwang_model::{Phase, Quality, Row, Series, Severity, Timestamp};
use yiwang_proto::log::{ReadingsRecord, readings_record::Kind};

use super::*;
use crate::Ingest;
use crate::admit::{Said, admit};
use crate::commit::{Submission, to};
use crate::names::Limits;
use crate::testing::MemoryLog;
use crate::tests_kit::{NOON, Start, city_of};

const SOURCE: &str = "510104-air-1";

/// The demo city, which reckons how wrong the clocks of air stations are.
fn catalogue() -> Catalogue {
    let entries = "[[metric]]\nname = \"clock_off\"\nzh = \"时钟\"\nen = \"Clock\"\nkind = \"environment\"\nunit = \"s\"\nmin = -9999\nmax = 9999\n\
        period = \"5m\"\nsource = \"test\"\n[[derived]]\nmetric = \"clock_off\"\nrule = \"clock\"\nof = \"pm2_5\"\nsource = \"test\"\n";
    let demo = Catalogue::demo();
    Catalogue::parse(&[("demo.toml", demo.text()), ("clock.toml", entries)]).unwrap()
}

/// A step of an episode that began at this second.
fn step(metric: &str, detector: &str, begin: i64, phase: Phase) -> Anomaly {
    let series = Series::new(SOURCE, metric).unwrap();
    let begin = Timestamp::from_secs(begin);
    Anomaly {
        id: AnomalyId::of(detector, &series, begin),
        detector: detector.into(),
        series,
        phase,
        begin,
        end: (phase == Phase::Cleared).then_some(begin),
        extreme: 300.0,
        limit: Some(60.0),
        edition: "test".into(),
        severity: Severity::Notice,
        because: None,
        into: None,
        silenced: None,
    }
}

async fn say(log: &MemoryLog, anomaly: &Anomaly) {
    let derived = Derived { anomalies: vec![serde_json::to_string(anomaly).unwrap()], ..Derived::default() };
    log.append(Class::Inner, vec![to(topics::DERIVED, 0, &derived)]).await.unwrap();
}

fn admitted(names: &Names, metric: &str, quality: Quality) -> Row {
    let (period_end, vintage) = (None, <_>::default());
    let said =
        Said { source: SOURCE, metric, unit: None, time: NOON, value: 40.0, quality, period_end, vintage };
    let plausible = crate::admit::Plausible::around(None, true);
    admit(names, plausible, "g1", &said).unwrap().row
}

fn names() -> Arc<Names> {
    Arc::new(Names::new(Arc::new(catalogue()), 2, Limits::default()))
}

#[tokio::test]
async fn good_readings_are_marked_while_an_episode_of_the_clock_goes_on() {
    let (log, names) = (Arc::new(MemoryLog::new(2)), names());
    let mut listener = Listener::new(Arc::clone(&log) as _, Arc::clone(&names));
    let mut quality = async |steps: &[Anomaly], sent| {
        for anomaly in steps {
            say(&log, anomaly).await;
        }
        listener.catch_up().await.unwrap();
        ["pm2_5", "no2"].map(|metric| admitted(&names, metric, sent).quality)
    };
    let slow = |phase| step("clock_off", "slow", 100, phase);
    assert_eq!(quality(&[], Quality::Good).await, [Quality::Good; 2]);
    let others = [step("pm2_5", "high", 50, Phase::Raised), step("no2", "slow", 50, Phase::Raised)];
    assert_eq!(quality(&others, Quality::Good).await, [Quality::Good; 2], "no clock");
    assert_eq!(quality(&[slow(Phase::Raised)], Quality::Good).await, [Quality::ClockOff; 2]);
    assert_eq!(
        quality(&[slow(Phase::Worsened)], Quality::Fault).await,
        [Quality::Fault; 2],
        "it says worse itself"
    );
    let worse = step("clock_off", "very-slow", 200, Phase::Raised);
    assert_eq!(
        quality(&[worse, slow(Phase::Cleared)], Quality::Good).await,
        [Quality::ClockOff; 2],
        "one goes on"
    );
    let never = step("clock_off", "very-slow", 200, Phase::Withdrawn);
    assert_eq!(quality(&[never], Quality::Good).await, [Quality::Good; 2]);
}

/// The qualities of all readings of the log.
fn stored(log: &MemoryLog) -> Vec<Quality> {
    let kinds =
        log.topic(topics::READINGS).into_iter().map(|payload| ReadingsRecord::decode(payload).unwrap().kind);
    let blocks =
        kinds.filter_map(|kind| if let Some(Kind::Block(block)) = kind { Some(block) } else { None });
    blocks.flat_map(|block| block.rows().unwrap().map(|(_, row)| row.quality).collect::<Vec<_>>()).collect()
}

async fn send(ingest: &Ingest) {
    let rows = vec![admit_now(ingest)];
    let submission = Submission { rows, ..Submission::default() };
    ingest.committer.submit(submission).await.unwrap().await.unwrap();
}

fn admit_now(ingest: &Ingest) -> crate::admit::Admitted {
    let reading = crate::tests_kit::reading("pm2_5", 40.0);
    admit(&ingest.names, ingest.plausible(), "g1", &(&reading).into()).unwrap()
}

#[tokio::test]
async fn the_mark_stands_in_the_log_and_a_city_that_starts_knows_before_its_doors_open() {
    let before = MemoryLog::new(2);
    say(&before, &step("clock_off", "slow", 100, Phase::Raised)).await;
    let Start { ingest, log, tasks: _tasks, .. } = city_of(before, Limits::default(), catalogue()).await;
    send(&ingest).await;
    assert_eq!(stored(&log), [Quality::ClockOff]);
    say(&log, &step("clock_off", "slow", 100, Phase::Cleared)).await;
    let is_right = async {
        while admit_now(&ingest).row.quality != Quality::Good {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), is_right).await.expect("it hears of the end");
    send(&ingest).await;
    assert_eq!(stored(&log), [Quality::ClockOff, Quality::Good], "what was stored stays as it is");
}
