//! Another catalogue comes into force at a tick: what was before is judged by the old one, what comes after by the new.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use yiwang_disk::SimDisk;
use yiwang_log::embedded::EmbeddedLog;
use yiwang_model::{Anomaly, AnomalyId, Phase, Series, WorkOrder};

use super::city::{self, moment};
use super::orders::ModelOrders;
use super::script::Writer;
use super::world::{CHECKPOINTS, Verdict, block_on, fill, judge, log_of, open, parts};
use crate::Stream;

pub(super) fn dust(station: &str) -> Series {
    Series::new(station, "dust").unwrap()
}

/// The catalogue without some of its entries, each named by a line of it.
fn without(lines: &[&str]) -> String {
    let kept = |entry: &&str| !lines.iter().any(|line| entry.lines().any(|own| own == *line));
    city::TEXT.split("\n\n").filter(kept).collect::<Vec<_>>().join("\n\n")
}

/// Judges with one and with three workers, and with a restart after each commit; all must agree.
pub(super) fn verdict(writer: &Writer) -> Verdict {
    block_on(async {
        let log = log_of(&writer.commits).await;
        let one = judge(&log, 1, 1 << 20).await;
        assert_eq!(one, judge(&log, 3, 256).await);
        assert_eq!(one.orders, restarted(writer).await.1);
        one
    })
}

/// The log of a city that is started anew after every few records, and its orders.
pub(super) async fn restarted(writer: &Writer) -> (Arc<EmbeddedLog>, BTreeMap<AnomalyId, WorkOrder>) {
    let disk = SimDisk::new(3);
    let log = open(Arc::new(disk.clone())).unwrap();
    let orders = Arc::new(ModelOrders::default());
    for piece in writer.commits.chunks(7) {
        fill(log.as_ref(), piece).await;
        let parts = parts(&log, &orders, Arc::new(disk.clone()));
        let stream = Stream::start_saving_often(parts, Path::new(CHECKPOINTS), 2).await.unwrap();
        stream.drain().await.unwrap();
    }
    (log, orders.all())
}

pub(super) fn steps<'a>(verdict: &'a Verdict, detector: &str) -> Vec<(u64, &'a Anomaly)> {
    let all = verdict.steps.iter().flat_map(|step| step.3.iter().map(|anomaly| (step.0, anomaly)));
    all.filter(|(_, anomaly)| anomaly.detector.as_ref() == detector).collect()
}

pub(super) fn phases(steps: &[(u64, &Anomaly)]) -> Vec<Phase> {
    steps.iter().map(|(_, anomaly)| anomaly.phase).collect()
}

/// Readings of stations every ten seconds, a tick behind each.
pub(super) fn speak(
    writer: &mut Writer,
    stations: &[&str],
    seconds: std::ops::Range<i64>,
    value: impl Fn(i64) -> f64,
) {
    for second in seconds.step_by(10) {
        stations.iter().for_each(|station| writer.row(&dust(station), second, value(second)));
        writer.tick(moment(second + 1));
    }
}

/// A calm level that moves enough not to be flat.
pub(super) fn around(level: f64) -> impl Fn(i64) -> f64 {
    move |second| level + (second / 10 % 3) as f64
}

#[test]
fn readings_before_the_change_are_judged_by_the_old_limit_and_after_it_by_the_new() {
    let mut writer = Writer::new(city::TEXT);
    speak(&mut writer, &["e-1"], 0..300, around(120.0));
    writer.catalogue(&city::TEXT.replace("value = 150", "value = 100"));
    speak(&mut writer, &["e-1"], 300..600, around(120.0));
    let verdict = verdict(&writer);
    let found = steps(&verdict, "dust-limit");
    assert_eq!(phases(&found), [Phase::Raised], "{found:?}");
    assert_eq!(found[0].1.begin, moment(310), "the tick after 300 puts it in force");
    assert_eq!(found[0].1.limit, Some(100.0));
}

#[test]
fn an_open_episode_of_a_removed_detector_ends() {
    let mut writer = Writer::new(city::TEXT);
    speak(&mut writer, &["e-1"], 0..300, around(200.0));
    writer.catalogue(&without(&["name = \"dust-limit\"", "rule = \"expression\""]));
    speak(&mut writer, &["e-1"], 300..600, around(200.0));
    let verdict = verdict(&writer);
    let found = steps(&verdict, "dust-limit");
    assert_eq!(phases(&found), [Phase::Raised, Phase::Cleared]);
    assert_eq!(found[1].1.end, Some(moment(301)), "at the tick that put the new catalogue in force");
}

#[test]
fn a_detector_that_stays_keeps_its_state_and_its_episode() {
    let mut writer = Writer::new(city::TEXT);
    let value =
        |second: i64| if (250..400).contains(&second) { 200.0 } else { 50.0 + (second / 10 % 3) as f64 };
    speak(&mut writer, &["e-1"], 0..300, value);
    writer.catalogue(&without(&["name = \"noise-rate\""]));
    speak(&mut writer, &["e-1"], 300..600, value);
    let verdict = verdict(&writer);
    assert_eq!(phases(&steps(&verdict, "dust-limit")), [Phase::Raised, Phase::Cleared]);
    let spike = steps(&verdict, "dust-spike");
    let up: Vec<_> = spike.into_iter().filter(|(_, anomaly)| anomaly.begin == moment(250)).collect();
    assert_eq!(phases(&up), [Phase::Raised, Phase::Cleared]);
    assert!(up[1].1.end > Some(moment(310)), "the window of the median was kept: {up:?}");
}

/// What a catalogue ends is over for those who ask about it, too.
#[test]
fn an_episode_that_a_catalogue_ends_is_not_active_any_more() {
    let noise = Series::new("e-1", "noise").unwrap();
    let mut writer = Writer::new(city::TEXT);
    let speak = |writer: &mut Writer, seconds: std::ops::Range<i64>, level: f64| {
        for second in seconds.step_by(10) {
            writer.row(&dust("e-1"), second, around(level)(second));
            writer.row(&noise, second, around(50.0)(second));
            writer.tick(moment(second + 1));
        }
    };
    speak(&mut writer, 0..300, 200.0);
    let named = "name = \"dust-limit\"";
    writer.catalogue(&city::TEXT.replace(named, &format!("{named}\nhold = \"5m\"\non_change = \"anew\"")));
    speak(&mut writer, 300..600, 120.0);
    let verdict = verdict(&writer);
    assert_eq!(phases(&steps(&verdict, "dust-limit")), [Phase::Raised, Phase::Cleared]);
    assert_eq!(phases(&steps(&verdict, "dusty")), [Phase::Raised, Phase::Cleared]);
}

/// An expression that is changed, and one that is new, ask about an episode that was open before.
#[test]
fn an_open_episode_was_not_active_after_a_reload() {
    let noise = Series::new("e-1", "noise").unwrap();
    let judged = |before: &str| {
        let mut writer = Writer::new(before);
        for second in (0..600).step_by(10) {
            if second == 300 {
                writer.catalogue(city::TEXT);
            }
            writer.row(&dust("e-1"), second, around(200.0)(second));
            writer.row(&noise, second, around(50.0)(second));
            writer.tick(moment(second + 1));
        }
        verdict(&writer)
    };
    let other = judged(&city::TEXT.replace("noise < 200", "noise < 199"));
    let found = steps(&other, "dusty");
    assert_eq!(phases(&found), [Phase::Raised], "it goes on: {found:?}");
    let new = judged(&city::TEXT.replace(" && active(\"dust-limit\")", " && dust > 999"));
    let found = steps(&new, "dusty");
    assert_eq!(phases(&found), [Phase::Raised], "it asks for the first time: {found:?}");
    assert!((moment(300)..moment(330)).contains(&found[0].1.begin), "{found:?}");
    assert_eq!(phases(&steps(&new, "dust-limit")), [Phase::Raised]);
}

/// A series that is reckoned from other stations than before keeps its episode, also over checkpoints before any of them speaks again.
#[test]
fn a_reckoned_series_keeps_its_episode_when_its_sources_change() {
    let stations = ["e-1", "e-2", "e-3", "w-1", "w-2"];
    let value = |station: &str, second: i64| {
        let calm = around(50.0)(second);
        if station == "e-1" && (250..300).contains(&second) { calm + 80.0 } else { calm }
    };
    let mut writer = Writer::new(city::TEXT);
    let say = |writer: &mut Writer, seconds: std::ops::Range<i64>| {
        for second in seconds.step_by(10) {
            stations.iter().for_each(|station| writer.row(&dust(station), second, value(station, second)));
            writer.tick(moment(second + 1));
        }
    };
    say(&mut writer, 0..300);
    writer.catalogue(&city::TEXT.replace("radius_km = 20", "radius_km = 2.5"));
    (0..30).for_each(|_| writer.tick(moment(301)));
    say(&mut writer, 300..700);
    let verdict = verdict(&writer);
    let apart = steps(&verdict, "apart");
    let of_e1: Vec<_> =
        apart.into_iter().filter(|(_, anomaly)| &**anomaly.series.source() == "e-1").collect();
    assert_eq!(phases(&of_e1), [Phase::Raised, Phase::Cleared], "{of_e1:?}");
}

/// The catalogue with another parameter of `dust-spike`, and what its entry says of that.
fn respiked(on_change: &str) -> String {
    let named = "name = \"dust-spike\"";
    assert!(city::TEXT.contains(named));
    city::TEXT.replace(named, &format!("{named}\nk = 6\non_change = \"{on_change}\""))
}

/// Calm, and high shortly before and after the change at 300 and again long after it.
fn around_the_change(second: i64) -> f64 {
    let high = [280..310, 340..350, 900..910].iter().any(|span| span.contains(&second));
    if high { 200.0 } else { 50.0 + (second / 10 % 3) as f64 }
}

#[test]
fn a_changed_detector_goes_on_with_its_state_or_begins_anew_as_its_entry_says() {
    let begins = |on_change: &str| {
        let mut writer = Writer::new(city::TEXT);
        speak(&mut writer, &["e-1"], 0..300, around_the_change);
        writer.catalogue(&respiked(on_change));
        speak(&mut writer, &["e-1"], 300..1_000, around_the_change);
        let verdict = verdict(&writer);
        let limit = phases(&steps(&verdict, "dust-limit"));
        assert_eq!(limit, [Phase::Raised, Phase::Cleared].repeat(3), "unchanged, it goes on");
        let spike = steps(&verdict, "dust-spike");
        let raised = spike.iter().filter(|(_, anomaly)| anomaly.phase == Phase::Raised);
        let ends: Vec<_> = spike.iter().filter_map(|(_, anomaly)| anomaly.end).collect();
        (raised.map(|(_, anomaly)| anomaly.begin).collect::<Vec<_>>(), ends[0])
    };
    let (kept, ended) = begins("keep");
    assert_eq!(kept[..2], [moment(280), moment(340)], "it still knows what is usual");
    assert!(ended > moment(301), "and goes on with its episode");
    let (anew, ended) = begins("anew");
    assert_eq!(anew, [moment(280), moment(900)], "it has to learn what is usual first");
    assert_eq!(ended, moment(301), "at the tick that put the new entry in force");
}

/// A window of another length has no place for the state of the old one.
#[test]
fn a_state_that_does_not_fit_any_more_is_begun_anew() {
    let mut writer = Writer::new(city::TEXT);
    speak(&mut writer, &["e-1"], 0..300, around_the_change);
    writer.catalogue(&city::TEXT.replace(
        "metrics = [\"dust\"]\nmin_scale = 8\nreadings = 15",
        "metrics = [\"dust\"]\nmin_scale = 8\nreadings = 9",
    ));
    speak(&mut writer, &["e-1"], 300..600, around_the_change);
    let verdict = verdict(&writer);
    let spike = steps(&verdict, "dust-spike");
    assert_eq!(phases(&spike), [Phase::Raised, Phase::Cleared], "{spike:?}");
    assert_eq!(spike[1].1.end, Some(moment(301)));
}

/// A station that the new catalogue does not have sends no more, for it is refused at the door; that is no silence.
#[test]
fn a_removed_station_ends_its_episodes_and_does_not_fall_silent() {
    let mut writer = Writer::new(city::TEXT);
    speak(&mut writer, &["e-1", "e-2", "e-3"], 0..300, around(200.0));
    writer.catalogue(&without(&["id = \"e-1\""]));
    speak(&mut writer, &["e-2", "e-3"], 300..600, around(200.0));
    let verdict = verdict(&writer);
    let gone: Vec<_> = steps(&verdict, "dust-limit");
    let gone: Vec<_> = gone.into_iter().filter(|(_, anomaly)| anomaly.series == dust("e-1")).collect();
    assert_eq!(phases(&gone), [Phase::Raised, Phase::Cleared]);
    assert!(steps(&verdict, "silent").is_empty(), "{:?}", steps(&verdict, "silent"));
}

#[test]
fn a_silent_gateway_stays_silent_under_a_catalogue_that_keeps_the_rule() {
    let mut writer = Writer::new(city::TEXT);
    speak(&mut writer, &["e-1", "e-2", "e-3"], 0..300, around(50.0));
    speak(&mut writer, &[], 300..400, around(50.0));
    writer.catalogue(&without(&["name = \"noise-rate\""]));
    speak(&mut writer, &[], 400..500, around(50.0));
    speak(&mut writer, &["e-1", "e-2", "e-3"], 500..600, around(50.0));
    let verdict = verdict(&writer);
    assert_eq!(phases(&steps(&verdict, "gateway-silent")), [Phase::Raised, Phase::Cleared]);
    assert!(steps(&verdict, "silent").is_empty(), "they were held, and spoke again");
}

/// The catalogue with the station `e-1` at the gateway of the west.
fn moved_west() -> String {
    let moved = |entry: &str| match entry.contains("id = \"e-1\"") {
        true => entry.replace("gateway = \"east\"", "gateway = \"west\""),
        false => entry.to_owned(),
    };
    city::TEXT.split("\n\n").map(moved).collect::<Vec<_>>().join("\n\n")
}

/// Held back for a gateway that it no longer has, its silence would never be told; or be told when it was long over.
#[test]
fn the_held_silence_of_a_series_moves_with_it_to_another_gateway() {
    let (east, west) = (["e-1", "e-2", "e-3"], ["w-1", "w-2"]);
    let mut writer = Writer::new(city::TEXT);
    speak(&mut writer, &[&east[..], &west].concat(), 0..300, around(50.0));
    speak(&mut writer, &west, 300..400, around(50.0));
    writer.catalogue(&moved_west());
    speak(&mut writer, &west, 400..500, around(50.0));
    speak(&mut writer, &[&east[..], &west].concat(), 500..600, around(50.0));
    let verdict = verdict(&writer);
    assert_eq!(phases(&steps(&verdict, "gateway-silent")), [Phase::Raised, Phase::Cleared], "the east, once");
    let silent = steps(&verdict, "silent");
    assert!(silent.iter().all(|(_, anomaly)| anomaly.series.source().as_ref() == "e-1"), "{silent:?}");
    let changed = verdict.steps.iter().find(|step| step.1 > Some(moment(400))).unwrap().0;
    assert!(silent.iter().all(|(epoch, _)| *epoch >= changed), "only under the new catalogue");
    assert_eq!(phases(&silent), [Phase::Raised, Phase::Cleared]);
}

/// A box that was replaced under another name is not as many silent series as it has.
#[test]
fn a_silent_gateway_under_another_name_is_not_a_crowd_of_silent_series() {
    let east = ["e-1", "e-2", "e-3"];
    let mut writer = Writer::new(city::TEXT);
    speak(&mut writer, &east, 0..300, around(50.0));
    speak(&mut writer, &[], 300..400, around(50.0));
    writer.catalogue(&city::TEXT.replace("\"east\"", "\"east-2\""));
    speak(&mut writer, &[], 400..430, around(50.0));
    speak(&mut writer, &east, 430..600, around(50.0));
    let verdict = verdict(&writer);
    assert_eq!(phases(&steps(&verdict, "gateway-silent")), [Phase::Raised, Phase::Cleared]);
    assert!(steps(&verdict, "silent").is_empty(), "{:?}", steps(&verdict, "silent"));
}

/// Without the rule nobody would say that the gateway speaks again, nor that its series are silent.
#[test]
fn a_removed_rule_ends_its_episodes_and_lets_go_of_what_it_held() {
    let mut writer = Writer::new(city::TEXT);
    let east = ["e-1", "e-2", "e-3"];
    speak(&mut writer, &east, 0..300, around(50.0));
    speak(&mut writer, &[], 300..400, around(50.0));
    writer.catalogue(&without(&["name = \"gateway-silent\""]));
    speak(&mut writer, &[], 400..500, around(50.0));
    speak(&mut writer, &east, 500..600, around(50.0));
    let verdict = verdict(&writer);
    let gateway = steps(&verdict, "gateway-silent");
    assert_eq!(phases(&gateway), [Phase::Raised, Phase::Cleared]);
    assert_eq!(gateway[1].1.end, Some(moment(401)));
    let silent = steps(&verdict, "silent");
    let raised = silent.iter().filter(|(_, anomaly)| anomaly.phase == Phase::Raised).count();
    assert_eq!((raised, silent.len()), (3, 6), "each of the three, raised and cleared: {silent:?}");
}

/// A rule that comes with the new catalogue has no say in the epoch that the old one still judges.
#[test]
fn the_epoch_that_ends_with_a_change_is_wholly_of_the_old_catalogue() {
    let mut writer = Writer::new(&without(&["name = \"gateway-silent\""]));
    speak(&mut writer, &["e-1", "e-2", "e-3"], 0..300, around(50.0));
    speak(&mut writer, &[], 300..350, around(50.0));
    writer.catalogue(city::TEXT);
    writer.tick(moment(360));
    speak(&mut writer, &[], 360..400, around(50.0));
    let verdict = verdict(&writer);
    let silent = steps(&verdict, "silent");
    let changed = verdict.steps.iter().find(|step| step.1 == Some(moment(360))).unwrap();
    assert_eq!(silent.len(), 3, "{silent:?}");
    assert!(silent.iter().all(|(epoch, _)| *epoch == changed.0), "at once, none held");
    assert_eq!(changed.2, 1, "and worded by the old catalogue");
}
