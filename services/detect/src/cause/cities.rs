//! Cities with twenty causes that overlap, as alarms: how many orders they end in, of what, and whether the causes are named.
//!
//! A city is dealt by dice: of 50 series 20 are of air, 15 of water, 12 of building sites and 3 of projects; a region for every 250
//! series, with three gateways and four power areas; one station in ten has a second gateway; four brokers, six makers. Readings come
//! every 10 minutes, at a minute of the station's own. A silence is told 25 minutes after the last reading. A
//! value that moved is told in 19 of 20 cases, up to three readings late. The plan is a gateway, power area, broker,
//! weather, maker and plume within an hour, the plume in the region of the gateway; both gateways of one station, half an hour apart;
//! and others, twenty in all, at any time of two days. Beside them stands a true event under the first gateway.
//! Seeds 1 to 99 are for tuning, those from 101 on are reported.

use std::collections::BTreeMap;

use yiwang_model::{Severity, Timestamp};

use crate::Spec;
use crate::registry::build_rule;
use crate::rule::Rule;
use crate::topology::Scope;

mod alarms;
mod measure;
mod plan;
mod town;

use measure::{Measured, measure};
pub(super) use town::{City, Dice};

const PERIOD: i64 = 10;
const SILENT_AFTER: i64 = 25;
const MINUTES: i64 = 2 * 24 * 60;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_secs(minutes * 60)
}

fn rule() -> Box<dyn Rule> {
    build_rule(&spec()).map_err(|faults| format!("{faults:?}")).unwrap()
}

pub(super) fn spec() -> Spec {
    Spec {
        name: "cause".into(),
        kind: "cause".into(),
        severity: Severity::Warning,
        params: BTreeMap::new(),
        limits: [].into(),
    }
}

fn print(seed: u64, series: usize, of: &Measured) {
    println!(
        "| {seed} | {series} | {} | {} | {} | {:.4} | {} of {} | {} |",
        of.alarms, of.most, of.orders, of.purity, of.named, of.causes, of.lone_event
    );
}

/// The figures of DETECTION.md: `cargo test -p yiwang-detect twenty_causes -- --nocapture`.
#[test]
fn outages_among_twenty_causes_are_few_orders() {
    for seed in 101..=110 {
        let of = measure(seed, 2_000, Scope::is_outage);
        print(seed, 2_000, &of);
        let bounds = of.orders <= 25 && of.purity >= 0.99 && of.named == of.causes && of.lone_event;
        assert!(bounds, "seed {seed}: {of:#?}");
    }
}

/// All six kinds: 25 orders, a purity of 0.99, and the event under the broken gateway stands.
#[test]
fn twenty_causes_are_few_orders() {
    for seed in 101..=110 {
        let of = measure(seed, 2_000, |_| true);
        print(seed, 2_000, &of);
        let bounds = of.orders <= 25 && of.purity >= 0.99 && of.lone_event;
        assert!(bounds, "seed {seed}: {of:#?}");
    }
}

#[test]
#[ignore = "plumes of which little is heard are missed; DETECTION.md has what is reached"]
fn twenty_causes_are_all_named() {
    for seed in 101..=110 {
        let of = measure(seed, 2_000, |_| true);
        assert_eq!(of.named, of.causes, "seed {seed}: {of:#?}");
    }
}

/// `CITIES=60 cargo test -p yiwang-detect cities_for_tuning -- --ignored --nocapture`: what does not hold, and how many do.
#[test]
#[ignore = "for tuning"]
fn cities_for_tuning() {
    let first = std::env::var("FIRST").map_or(1, |first| first.parse().unwrap());
    let count: u64 = std::env::var("CITIES").map_or(20, |count| count.parse().unwrap());
    let mut held = 0;
    for seed in first..first + count {
        let of = measure(seed, 2_000, |_| true);
        let holds = of.orders <= 25 && of.purity >= 0.99 && of.lone_event;
        held += usize::from(holds);
        if !holds || of.named < of.causes {
            print(seed, 2_000, &of);
            of.unnamed.iter().for_each(|one| println!("    {one}"));
        }
    }
    println!("{held} of {count} hold orders, purity and the event");
}
