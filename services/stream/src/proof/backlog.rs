//! Sources that send their past: all at once, more than was agreed, or always late by as much.

use yiwang_model::{Quality, Row, Series, Span, Timestamp, Vintage};

use super::city::{self, Arrival, moment};
use super::script::Writer;
use super::switch::{dust, phases, steps, verdict};

/// How long the city goes on after its last reading, in seconds.
const REST: i64 = 1_200;

fn arrival(series: &Series, time: Timestamp, value: f64) -> Arrival {
    let (quality, vintage) = (Quality::Good, Vintage(None));
    let row = Row { series: series.id(), time, value, quality, period_end: None, vintage };
    Arrival { at: 0, series: series.clone(), row }
}

fn rest(writer: &mut Writer, from: i64) {
    (from..from + REST).step_by(60).for_each(|second| writer.tick(moment(second)));
}

/// One station jumps away from its neighbours, long before the last of its readings.
fn jumping(station: &str, second: i64) -> f64 {
    let calm = 50.0 + (second / 10 % 3) as f64;
    if station == "e-1" && (200..240).contains(&second) { calm + 80.0 } else { calm }
}

/// Ten minutes are more frames than may change: all of them are reckoned, however few epochs they come in.
#[test]
fn a_backlog_in_one_epoch_is_reckoned_as_in_many() {
    let stations = ["e-1", "e-2", "e-3", "w-1", "w-2"];
    let mut slowly = Writer::new(city::TEXT);
    for second in (0..600).step_by(10) {
        stations.iter().for_each(|station| slowly.row(&dust(station), second, jumping(station, second)));
        slowly.tick(moment(600));
    }
    rest(&mut slowly, 601);
    let mut at_once = Writer::new(city::TEXT);
    for station in stations {
        let series = dust(station);
        let of = |second| arrival(&series, moment(second), jumping(station, second));
        at_once.rows(&(0..600).step_by(10).map(of).collect::<Vec<_>>());
    }
    at_once.tick(moment(600));
    rest(&mut at_once, 601);
    let [slowly, at_once] = [slowly, at_once].map(|writer| verdict(&writer).episodes());
    assert!(slowly.iter().any(|episode| episode.0.contains("apart")), "{slowly:#?}");
    assert_eq!(slowly, at_once);
}

/// What may be late may not be more than was agreed many times over: the rest is counted, and what goes on is judged.
#[test]
fn a_source_that_fills_its_past_with_readings_is_bounded() {
    let series = dust("e-1");
    let mut writer = Writer::new(city::TEXT);
    writer.row(&series, 300, 50.0);
    writer.tick(moment(301));
    let crowd = |at: i64| arrival(&series, moment(20) + Span(at * 50_000_000), 50.0 + (at % 3) as f64);
    writer.rows(&(0..5_000).map(crowd).collect::<Vec<_>>());
    writer.tick(moment(301));
    for second in (310..900).step_by(10) {
        writer.row(&series, second, if second < 600 { 50.0 } else { 200.0 + (second / 10 % 3) as f64 });
        writer.tick(moment(second + 1));
    }
    let verdict = verdict(&writer);
    assert!((4_600..5_000).contains(&verdict.counts.too_late), "{:?}", verdict.counts);
    let found = steps(&verdict, "dust-limit");
    assert!(found.iter().any(|(_, anomaly)| anomaly.begin == moment(600)), "{found:?}");
}

/// Readings that always come half an hour late are no silence, also while means wait for the end of their window.
#[test]
fn a_constant_delay_is_no_silence() {
    const DELAY: i64 = 1_803;
    let series = Series::new("e-1", "noise").unwrap();
    let mut writer = Writer::new(city::TEXT);
    for second in (0..5_400).step_by(5) {
        writer.row(&series, second, 50.0 + (second / 5 % 4) as f64);
        if second % 10 == 0 {
            writer.tick(moment(second + DELAY));
        }
    }
    let verdict = verdict(&writer);
    let silent = steps(&verdict, "silent");
    assert!(silent.is_empty(), "{:?}", phases(&silent));
}
