//! Reckoned series whose sources differ in lateness and lag: each is as late as what it is reckoned from.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use yiwang_catalogue::Catalogue;

use super::city::readings;
use super::late::{CUTS, assert_same, delayed_by, text, verdict_by};
use super::script::Cuts;
use super::world::Verdict;

/// The small city, where noise may be far later than dust, the water takes longer than both may be late, and particles that jump while it is
/// loud are not judged.
fn uneven() -> String {
    let mut text = text();
    for (from, to) in [
        ("period = \"5s\"", "period = \"5s\"\nallowed_lateness = \"15m\""),
        ("name = \"dust\"", "name = \"dust\"\nallowed_lateness = \"1m\""),
        ("lag = \"30s\"", "lag = \"12m\""),
        ("name = \"dust-spike\"", "name = \"dust-spike\"\nunless = 'max(noise, \"1m\") > 65.0'"),
        (" && active(\"dust-limit\")", " && !active(\"noise-rate\")"),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

/// How many episodes stand at the end, by detector and metric.
fn found(verdict: &Verdict) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (name, ..) in verdict.episodes() {
        let mut words = name.split(' ');
        let (detector, metric) = (words.next().unwrap_or_default(), words.next_back().unwrap_or_default());
        *found.entry(format!("{detector} {metric}")).or_default() += 1;
    }
    found
}

#[test]
fn a_lag_longer_than_what_may_be_late_left_a_series_without_values() {
    let verdict = verdict_by(&uneven(), &readings(7, 3_600), CUTS, 1, 1);
    let found = found(&verdict);
    assert!(found.get("apart dust_fell").is_some_and(|count| *count > 2), "{found:?}");
}

#[test]
fn any_order_of_arrival_over_sources_of_different_lateness_and_lags_ends_the_same() {
    let (text, orderly) = (uneven(), readings(7, 3_600));
    let catalogue = Catalogue::parse(&[("city.toml", &text)]).unwrap();
    let wanted = verdict_by(&text, &orderly, CUTS, 1, 1);
    let found = found(&wanted);
    for watched in ["dust-spike dust", "dusty dusty", "apart dust_apart"] {
        assert!(found.get(watched).is_some_and(|count| *count > 2), "{watched}: {found:?}");
    }
    let mut dice = ChaCha8Rng::seed_from_u64(11);
    for round in 0..12 {
        let share = [0.3, 0.6, 0.9][round % 3];
        let arrivals = delayed_by(&catalogue, &orderly, share, &mut dice);
        let cuts = Cuts { batch: 1 + round as i64 % 9, tick: (1 + round as i64 % 5, 6 + round as i64 % 10) };
        let found = verdict_by(&text, &arrivals, cuts, 200 + round as u64, 1 + round % 3);
        assert_same(&wanted, &found, &format!("round {round}"));
        assert_eq!(found.counts.too_late, 0, "round {round}");
    }
}
