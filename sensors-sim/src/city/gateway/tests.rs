use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::city::fault::Plan;

const PLAN: &str = "kind,target,begin,end,size\n\
    burst,@air:0,-40m,-10m,\n\
    duplicate,@air:1/pm2_5,-30m,-20m,\n\
    silence,@construction_site:0,-30m,-25m,\n\
    plume,@air:2,-2h,+1h,60\n";

fn gateways() -> (Timestamp, Vec<Gateway>) {
    let began: Timestamp = "2026-11-18T10:30:00+08:00".parse().unwrap();
    let mut options = Options::demo(None, None, 5);
    options.faults = Plan::parse(PLAN).unwrap();
    options.clock = CityClock::new(began, 1.0);
    let world = Arc::new(World::new(&options, began).unwrap());
    (began, Gateway::all(&world, &options, &[Address::Grpc("g".into()), Address::Mqtt("m".into())]))
}

type Times = BTreeMap<u32, Vec<(i64, u64, i64)>>;

/// By series: event time, bits of the value, vintage; sorted.
fn sorted(batches: Vec<Batch>) -> Times {
    let mut series = Times::new();
    for batch in &batches {
        for (index, item) in batch.index.iter().zip(batch.items()) {
            let entry = (item.time, item.value.to_bits(), item.vintage.unwrap_or(0));
            series.entry(*index).or_default().push(entry);
        }
    }
    series.values_mut().for_each(|times| times.sort_unstable());
    series
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Cut at any moments, the parts are the whole: no reading lost at a seam, none twice, none different.
    #[test]
    fn parts_are_the_whole(mut cuts in prop::collection::vec(0..4 * 3600i64, 0..6)) {
        let (began, gateways) = gateways();
        let (from, to) = (began - Span::HOUR.times(3), began + Span::HOUR);
        cuts.sort_unstable();
        for gateway in &gateways {
            let whole = sorted(gateway.slice(from, to, 1, |_| true));
            let mut parts = Vec::new();
            let mut at = from;
            for cut in cuts.iter().map(|cut| from + Span::from_secs(*cut)).chain([to]) {
                parts.extend(gateway.slice(at, cut, 1, |_| true));
                at = cut;
            }
            prop_assert_eq!(sorted(parts), whole, "{}", gateway.name);
        }
    }
}

#[test]
fn held_readings_come_all_at_once() {
    let (began, gateways) = gateways();
    let ago = |minutes| began - Span::MINUTE.times(minutes);
    let gateway = gateways.iter().find(|gateway| &*gateway.name == "air-south").unwrap();
    let of = |from, to| sorted(gateway.slice(from, to, 1, |_| true)).get(&0).map_or(0, Vec::len);
    assert_eq!((of(ago(30), ago(20)), of(ago(11), ago(10))), (0, 30), "29 held and one of its own");
}

#[test]
fn mqtt_batches_are_of_one_source_and_both_are_bounded() {
    let (began, gateways) = gateways();
    for gateway in &gateways {
        let batches = gateway.slice(began - Span::HOUR, began, 1, |_| true);
        let by_source = matches!(gateway.door.address, Address::Mqtt(_));
        for batch in &batches {
            let mut sources: Vec<&str> = batch.items().map(|item| item.key.source.as_str()).collect();
            sources.dedup();
            assert!(!by_source || sources.len() == 1);
            assert!(batch.len() <= if by_source { BATCH.1 } else { BATCH.0 });
            assert!(Arc::ptr_eq(&batch.series, &gateway.dictionary));
        }
    }
    let doors: Vec<bool> =
        gateways.iter().map(|gateway| matches!(gateway.door.address, Address::Mqtt(_))).collect();
    assert_eq!(doors, [false, true, false, true, false, true, false]);
}

#[test]
fn the_older_past_is_coarser_and_says_the_same() {
    let (began, gateways) = gateways();
    for gateway in &gateways {
        let (from, to) = (began - Span::HOUR.times(3), began - Span::HOUR.times(2));
        let (all, some) =
            (sorted(gateway.slice(from, to, 1, |_| true)), sorted(gateway.slice(from, to, 3, |_| true)));
        for (series, times) in &some {
            assert!(times.iter().all(|time| all[series].contains(time)));
            assert!(times.len() * 2 < all[series].len());
        }
    }
}
