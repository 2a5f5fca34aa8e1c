//! `unless` of a detector: while it says yes of a station, its readings do not reach the detector; late ones change that as all else.

use yiwang_model::{Phase, Series};

use super::city::{self, moment};
use super::script::Writer;
use super::switch::{dust, phases, steps, verdict};
use super::world::Verdict;

/// The small city, where particles are not judged against their limit while it has been loud within a minute.
fn text(unless: &str) -> String {
    let named = "name = \"dust-limit\"";
    let gated = city::TEXT.replace(named, &format!("{named}\nunless = '{unless}'"));
    assert_ne!(gated, city::TEXT);
    // An expression cannot ask about a detector that is gated.
    gated.replace(" && active(\"dust-limit\")", "")
}

const LOUD: &str = "max(noise, \"1m\") > 60.0";

fn noise() -> Series {
    Series::new("e-1", "noise").unwrap()
}

/// Particles are high in some seconds; it is loud from 500 to 600. `late` is when the noise of these seconds comes instead.
fn writer(text: &str, high: std::ops::Range<i64>, late: Option<i64>) -> Writer {
    let mut writer = Writer::new(text);
    let is_loud = |second: i64| (500..600).contains(&second);
    let loudness = |second: i64| if is_loud(second) { 65.0 } else { 50.0 } + (second / 10 % 3) as f64;
    for second in (0..1_200).step_by(10) {
        let value = if high.contains(&second) { 200.0 } else { 50.0 } + (second / 10 % 3) as f64;
        writer.row(&dust("e-1"), second, value);
        if !(late.is_some() && is_loud(second)) {
            writer.row(&noise(), second, loudness(second));
        }
        if late == Some(second) {
            (500..600).step_by(10).for_each(|second| writer.row(&noise(), second, loudness(second)));
        }
        writer.tick(moment(second + 1));
    }
    (1..30).for_each(|step| writer.tick(moment(1_200 + step * 10)));
    writer
}

/// Begin and end of each episode of the limit in the end.
fn episodes(verdict: &Verdict) -> Vec<(i64, Option<i64>)> {
    let second = |at: yiwang_model::Timestamp| (at - moment(0)).0 / 1_000_000_000;
    let last =
        verdict.last_steps().filter(|of| *of.detector == *"dust-limit" && of.phase != Phase::Withdrawn);
    last.map(|of| (second(of.begin), of.end.map(second))).collect()
}

#[test]
fn what_comes_while_the_condition_holds_does_not_reach_the_detector() {
    let high_only_then = |unless: &str| {
        let mut writer = Writer::new(&text(unless));
        for second in (0..600).step_by(10) {
            let is_loud = (200..400).contains(&second);
            writer.row(&dust("e-1"), second, if is_loud { 200.0 } else { 50.0 } + (second / 10 % 3) as f64);
            writer.row(&noise(), second, if is_loud { 65.0 } else { 50.0 } + (second / 10 % 3) as f64);
            writer.tick(moment(second + 1));
        }
        verdict(&writer)
    };
    let gated = high_only_then(LOUD);
    assert!(steps(&gated, "dust-limit").is_empty(), "{:?}", steps(&gated, "dust-limit"));
    assert!(!steps(&gated, "dust-spike").is_empty(), "other detectors judge it");
    let open = high_only_then("noise > 1000.0");
    assert_eq!(phases(&steps(&open, "dust-limit")), [Phase::Raised, Phase::Cleared]);
    assert!(steps(&open, "dust-limit").iter().all(|(_, of)| of.series == dust("e-1")), "under its own name");
}

#[test]
fn an_episode_goes_on_over_a_time_in_which_nothing_is_judged() {
    let found = verdict(&writer(&text(LOUD), 300..900, None));
    assert_eq!(episodes(&found), [(300, Some(900))]);
    let found = verdict(&writer(&text(LOUD), 300..500, None));
    assert_eq!(episodes(&found), [(300, Some(650))], "its end is the first reading that counts again");
}

#[test]
fn a_condition_that_is_known_late_takes_back_what_was_said() {
    let on_time = verdict(&writer(&text(LOUD), 520..580, None));
    assert_eq!(episodes(&on_time), [], "all of it lies in the loud time");
    let late = verdict(&writer(&text(LOUD), 520..580, Some(610)));
    let told = phases(&steps(&late, "dust-limit"));
    assert_eq!((told[0], told.last().copied()), (Phase::Raised, Some(Phase::Withdrawn)), "{told:?}");
    assert_eq!(episodes(&late), []);
}

/// Where nothing came that the condition could go by, the river is not left alone.
#[test]
fn a_condition_of_which_nothing_is_known_holds_nothing_back() {
    let mut writer = Writer::new(&text(LOUD));
    for second in (0..400).step_by(10) {
        writer.row(&dust("e-1"), second, if second >= 200 { 200.0 } else { 50.0 } + (second / 10 % 3) as f64);
        writer.tick(moment(second + 1));
    }
    let verdict = verdict(&writer);
    let found = steps(&verdict, "dust-limit");
    assert_eq!((phases(&found), found[0].1.begin), (vec![Phase::Raised], moment(200)));
}
