//! Late readings: whatever the order in which readings come, as long as none is later than is allowed, the city ends with the same
//! episodes; later ones change nothing and are counted; orders follow.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Anomaly, Phase, Series, Span, Timestamp};

use super::city::{self, Arrival, catalogue, moment, readings};
use super::script::{Cuts, Writer};
use super::world::{Marks, Verdict, assert_one_order_each, block_on, judge, log_of};

/// How long the city goes on after its last reading: all that is waited for is over by then.
const REST: i64 = 12_000;

/// The small city without its rule across gateways: whether a gateway is heard is a question of arrival.
pub(super) fn text() -> String {
    let entries = city::TEXT.split("[[").filter(|entry| !entry.contains("gateway_silent"));
    entries.collect::<Vec<_>>().join("[[")
}

pub(super) fn verdict(arrivals: &[Arrival], cuts: Cuts, seed: u64, workers: usize) -> Verdict {
    verdict_by(&text(), arrivals, cuts, seed, workers)
}

/// The same by another catalogue.
pub(super) fn verdict_by(text: &str, arrivals: &[Arrival], cuts: Cuts, seed: u64, workers: usize) -> Verdict {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut writer = Writer::new(text);
    writer.play(arrivals, cuts, &mut dice);
    let last = arrivals.last().map_or(0, |last| last.at);
    (1..=20).for_each(|step| writer.tick(moment(last + step * REST / 20)));
    block_on(async { judge(&log_of(&writer.commits).await, workers, 1 << 18).await })
}

/// Each reading comes up to so much of what is allowed later than it did; what is said again of one key keeps its order.
pub(super) fn delayed(arrivals: &[Arrival], share: f64, dice: &mut ChaCha8Rng) -> Vec<Arrival> {
    delayed_by(&catalogue(), arrivals, share, dice)
}

/// The same by another catalogue.
pub(super) fn delayed_by(
    catalogue: &Catalogue,
    arrivals: &[Arrival],
    share: f64,
    dice: &mut ChaCha8Rng,
) -> Vec<Arrival> {
    let mut last: BTreeMap<(Series, Timestamp), i64> = BTreeMap::new();
    let mut all = arrivals.to_vec();
    for arrival in &mut all {
        let allowed = catalogue.allowed_lateness(&arrival.series).0 / 1_000_000_000;
        let key = (arrival.series.clone(), arrival.row.time);
        let on_time = (arrival.row.time - moment(0)).0 / 1_000_000_000;
        let latest = on_time + (allowed as f64 * share) as i64;
        let at = arrival.at.max(dice.random_range(on_time..=latest.max(on_time)));
        arrival.at = at.max(last.get(&key).copied().unwrap_or(i64::MIN));
        last.insert(key, arrival.at);
    }
    all.sort_by_key(|arrival| arrival.at);
    all
}

pub(super) fn assert_same(wanted: &Verdict, found: &Verdict, what: &str) {
    let (wanted, found) = (wanted.episodes(), found.episodes());
    let missing: Vec<_> = wanted.iter().filter(|of| !found.contains(of)).collect();
    let surplus: Vec<_> = found.iter().filter(|of| !wanted.contains(of)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{what}: {missing:#?}\n instead {surplus:#?}");
    assert_eq!(wanted, found, "{what}");
}

/// The orders as people have them at the end: active, closed as withdrawn, and what they say.
fn assert_orders_follow(verdict: &Verdict, what: &str) {
    assert_one_order_each(verdict);
    let content = |of: &Anomaly| (of.id, of.begin, of.end, of.phase == Phase::Withdrawn);
    let in_orders = verdict.orders.values().map(|order| content(&order.draft.evidence.anomaly));
    let held: BTreeSet<_> = in_orders.collect();
    assert_eq!(held, verdict.last_steps().map(content).collect(), "{what}");
}

pub(super) const CUTS: Cuts = Cuts { batch: 4, tick: (5, 15) };

#[test]
fn any_order_of_arrival_within_the_lateness_ends_the_same() {
    let orderly = readings(7, 3_600);
    let wanted = verdict(&orderly, CUTS, 1, 1);
    assert!(wanted.episodes().len() > 100, "{}", wanted.episodes().len());
    let mut dice = ChaCha8Rng::seed_from_u64(3);
    let (mut withdrawn, mut revised) = (0, 0);
    for round in 0..40 {
        let share = [0.1, 0.5, 0.9][round % 3];
        let arrivals = delayed(&orderly, share, &mut dice);
        let cuts = Cuts { batch: 1 + round as i64 % 9, tick: (1 + round as i64 % 5, 6 + round as i64 % 10) };
        let found = verdict(&arrivals, cuts, 100 + round as u64, 1 + round % 3);
        let what = format!("round {round}");
        assert_same(&wanted, &found, &what);
        assert_eq!(found.counts.too_late, 0, "{what}");
        assert_orders_follow(&found, &what);
        let phases =
            |phase| found.steps.iter().flat_map(|step| &step.3).filter(|of| of.phase == phase).count();
        withdrawn += phases(Phase::Withdrawn);
        revised += phases(Phase::Revised);
    }
    assert!(
        withdrawn > 1_000 && revised > 1_000,
        "{withdrawn} withdrawn, {revised} revised: nothing was late"
    );
}

#[test]
fn what_takes_back_an_episode_names_the_reading_that_did() {
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    let orderly = readings(7, 1_800);
    let arrivals = delayed(&orderly, 0.9, &mut dice);
    let sent: BTreeSet<_> =
        orderly.iter().map(|of| (of.series.clone(), of.row.time, of.row.value.to_bits())).collect();
    let found = verdict(&arrivals, CUTS, 1, 2);
    let taken_back = found
        .steps
        .iter()
        .flat_map(|step| &step.3)
        .filter(|of| matches!(of.phase, Phase::Revised | Phase::Withdrawn));
    let mut count = 0;
    for anomaly in taken_back.filter(|anomaly| catalogue().derived().of(&anomaly.series).is_none()) {
        let because = anomaly.because.unwrap_or_else(|| panic!("{anomaly:?} does not say why"));
        let reading = (anomaly.series.clone(), because.time, because.value.to_bits());
        assert!(sent.contains(&reading), "{anomaly:?} names a reading that nobody sent");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn what_is_later_than_allowed_changes_nothing_and_is_counted() {
    let orderly = readings(7, 3_600);
    let wanted = verdict(&orderly, CUTS, 1, 1);
    let late: Vec<Arrival> = {
        let mut dice = ChaCha8Rng::seed_from_u64(9);
        let dust = orderly
            .iter()
            .filter(|arrival| arrival.series.metric().as_ref() == "dust" && arrival.row.time < moment(3_000));
        let mut all: Vec<Arrival> = dust.cloned().collect();
        all.shuffle(&mut dice);
        all.truncate(200);
        all.iter_mut().for_each(|arrival| (arrival.at, arrival.row.value) = (3_600, 999.0));
        all
    };
    let arrivals: Vec<Arrival> = orderly.into_iter().chain(late.iter().cloned()).collect();
    let found = verdict(&arrivals, CUTS, 1, 2);
    assert_same(&wanted, &found, "too late");
    assert_eq!(found.counts.too_late, late.len() as u64);
    let mut minutes = Marks::new();
    for Arrival { series, row, .. } in &late {
        let of = (series.source().to_string(), series.metric().to_string());
        let minute = row.time.nanos() / Span::MINUTE.0 * Span::MINUTE.0;
        minutes.entry(of).or_default().insert(minute);
    }
    assert_eq!(found.marks, minutes, "each minute that one came too late for, and no other");
    assert!(wanted.marks.is_empty());
}

/// A source that falls silent holds up no other, and what it sends when it is back is judged.
#[test]
fn a_source_that_was_cut_off_is_judged_when_it_sends_its_past_and_its_silence_is_withdrawn() {
    let mut writer = Writer::new(&text());
    let (cut, other) = (Series::new("e-1", "dust").unwrap(), Series::new("w-1", "dust").unwrap());
    for second in (0..2_000).step_by(10) {
        writer.row(
            &other,
            second,
            if (1_000..1_100).contains(&second) { 200.0 } else { 50.0 + (second % 7) as f64 },
        );
        if second < 500 {
            writer.row(&cut, second, 50.0 + (second % 7) as f64);
        }
        writer.tick(moment(second));
    }
    let open = block_on(async { judge(&log_of(&writer.commits).await, 1, 1 << 18).await });
    let phases = |verdict: &Verdict, detector: &str, source: &str| {
        let steps = verdict.steps.iter().flat_map(|step| &step.3);
        let own = steps.filter(|of| *of.detector == *detector && **of.series.source() == *source);
        own.map(|of| of.phase).collect::<Vec<_>>()
    };
    assert_eq!(phases(&open, "silent", "e-1"), [Phase::Raised]);
    assert_eq!(phases(&open, "dust-limit", "w-1"), [Phase::Raised, Phase::Cleared]);
    for second in (500..2_000).step_by(10) {
        writer.row(
            &cut,
            second,
            if (700..800).contains(&second) { 210.0 } else { 50.0 + (second % 7) as f64 },
        );
        if second % 100 == 90 {
            writer.tick(moment(2_000 + second / 100));
        }
    }
    writer.tick(moment(2_030));
    let back = block_on(async { judge(&log_of(&writer.commits).await, 2, 1 << 18).await });
    assert_eq!(phases(&back, "silent", "e-1"), [Phase::Raised, Phase::Withdrawn]);
    let limit = phases(&back, "dust-limit", "e-1");
    assert_eq!((limit.first(), limit.last()), (Some(&Phase::Raised), Some(&Phase::Cleared)), "{limit:?}");
    assert_eq!(back.counts.too_late, 0);
}

/// Devices whose clocks are wrong are found and named, each by its own; one whose readings are late by turns is none of them.
#[test]
fn wrong_clocks_are_found_and_named() {
    let metric = "[[metric]]\nname = \"clock_off\"\nzh = \"时钟偏差\"\nen = \"Clock\"\nkind = \"environment\"\nunit = \"s\"\nmin = -9999\nmax = 9999\nperiod = \"10s\"\nsource = \"test\"\n\n[[derived]]\nmetric = \"clock_off\"\nrule = \"clock\"\nof = \"dust\"\nsource = \"test\"\n\n";
    let limit = |id: &str, value: i64, direction: &str| {
        format!(
            "[[limit]]\nid = \"{id}\"\nmetric = \"clock_off\"\nvalue = {value}\nunit = \"s\"\nwindow = \"instant\"\ndirection = \"{direction}\"\nvalid_from = 2020-01-01\nstandard = \"a rule\"\nedition = \"1\"\nsource = \"test\"\n\n[[detector]]\nname = \"{id}\"\nzh = \"时钟\"\nen = \"Clock\"\nkind = \"limit\"\nmetrics = [\"clock_off\"]\nwindow = \"instant\"\ndirection = \"{direction}\"\ncategory = \"device\"\nseverity = \"notice\"\nsource = \"test\"\n\n"
        )
    };
    let entries =
        format!("{metric}{}{}", limit("slow-clock", 60, "above"), limit("fast-clock", -30, "below"));
    let mut writer = Writer::new(&text().replacen("[[category]]", &format!("{entries}[[category]]"), 1));
    for second in (0..1_200).step_by(10) {
        let value = 50.0 + (second % 7) as f64;
        for (source, off) in
            [("e-1", 0), ("e-2", -120), ("w-1", 90), ("w-2", if second / 50 % 4 == 0 { -120 } else { 0 })]
        {
            writer.row(&Series::new(source, "dust").unwrap(), second + off, value);
        }
        writer.tick(moment(second + 1));
    }
    let found = block_on(async { judge(&log_of(&writer.commits).await, 3, 1 << 18).await });
    let steps = found.last_steps().filter(|of| of.detector.ends_with("clock"));
    let named: BTreeSet<_> =
        steps.map(|of| (of.detector.to_string(), of.series.source().to_string())).collect();
    let wanted = [("fast-clock", "w-1"), ("slow-clock", "e-2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(named, wanted.into());
    let slow = found.last_steps().find(|of| &*of.detector == "slow-clock").unwrap();
    assert!((slow.extreme - 121.0).abs() < 12.0, "{slow:?}");
}
