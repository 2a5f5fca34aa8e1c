//! Each episode that is opened keeps what it follows from, and can be derived again from that alone, whatever came late.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use yiwang_disk::SimDisk;
use yiwang_model::{Anomaly, AnomalyId, Phase};
use yiwang_orders::OrderStore;
use yiwang_proto::log::Derived;
use yiwang_proto::topics;

use super::city::{self, readings};
use super::late::{CUTS, delayed, verdict};
use super::orders::ModelOrders;
use super::script::Writer;
use super::world::{CHECKPOINTS, Verdict, block_on, fill, judge, log_of, open, parts, records};
use crate::explain::explain;
use crate::{Stream, capsule};

fn steps(verdict: &Verdict, phase: Phase) -> impl Iterator<Item = &Anomaly> {
    verdict.steps.iter().flat_map(|step| &step.3).filter(move |anomaly| anomaly.phase == phase)
}

/// Each capsule holds and is of its episode; gives them by episode, the last of each.
fn assert_all_hold(verdict: &Verdict, what: &str) -> BTreeMap<AnomalyId, Vec<u8>> {
    for kept in &verdict.capsules {
        let found = explain(&kept.capsule).unwrap();
        assert_eq!(found.differs, None, "{what}: {found:#?}");
        assert_eq!(found.anomaly, kept.anomaly, "{what}");
    }
    verdict.capsules.iter().map(|kept| (kept.anomaly, kept.capsule.clone())).collect()
}

#[test]
fn every_episode_of_a_series_is_explained_and_each_capsule_holds() {
    let log = block_on(async {
        let mut writer = Writer::new(city::TEXT);
        writer.play(&readings(7, 3_600), CUTS, &mut ChaCha8Rng::seed_from_u64(1));
        log_of(&writer.commits).await
    });
    let found = block_on(judge(&log, 1, 1 << 20));
    let held = assert_all_hold(&found, "on time");
    let across = |anomaly: &&Anomaly| *anomaly.detector != *"gateway-silent";
    let raised: BTreeSet<_> = steps(&found, Phase::Raised).filter(across).map(|of| of.id).collect();
    let without: Vec<_> = raised.iter().filter(|id| !held.contains_key(id)).collect();
    assert!(without.is_empty(), "{} of {} have none", without.len(), raised.len());
    assert!(raised.len() > 100, "{}", raised.len());
    assert_eq!(found.counts.unexplained, 0);
    let begun = steps(&found, Phase::Raised).filter(|of| held.contains_key(&of.id));
    for anomaly in begun.filter(|of| of.because.is_none()) {
        let first = found.capsules.iter().find(|kept| kept.anomaly == anomaly.id).unwrap();
        let sealed = explain(&first.capsule).unwrap().sealed;
        let said = (sealed.begin, sealed.extreme.to_bits(), sealed.limit, sealed.severity);
        let told = (anomaly.begin, anomaly.extreme.to_bits(), anomaly.limit, anomaly.severity);
        assert_eq!(said, told, "{anomaly:?}");
    }
    for workers in [2, 4] {
        let again = block_on(judge(&log, workers, 1 << 14));
        assert!(again.capsules == found.capsules, "{workers} workers keep others");
    }
}

#[test]
fn capsules_hold_when_readings_come_late() {
    let orderly = readings(7, 1_800);
    let mut dice = ChaCha8Rng::seed_from_u64(3);
    let mut revised = 0;
    for round in 0..6 {
        let arrivals = delayed(&orderly, 0.8, &mut dice);
        let found = verdict(&arrivals, CUTS, 100 + round, 1);
        let what = format!("round {round}");
        let held = assert_all_hold(&found, &what);
        let raised: BTreeSet<_> = steps(&found, Phase::Raised).map(|of| of.id).collect();
        assert!(raised.iter().all(|id| held.contains_key(id)), "{what}");
        assert_eq!(found.counts.unexplained, 0, "{what}");
        revised += steps(&found, Phase::Revised).count();
    }
    assert!(revised > 100, "{revised}: nothing was late");
}

/// Log and order store have the same, and a crash that does an epoch again changes nothing.
#[test]
fn the_log_and_the_order_store_keep_the_same() {
    let mut writer = Writer::new(city::TEXT);
    writer.play(&readings(7, 900), CUTS, &mut ChaCha8Rng::seed_from_u64(1));
    block_on(async {
        let disk = SimDisk::new(3);
        let log = open(Arc::new(disk.clone())).unwrap();
        let orders = Arc::new(ModelOrders::default());
        fill(log.as_ref(), &writer.commits).await;
        let stream = Stream::start(parts(&log, &orders, Arc::new(disk)), Path::new(CHECKPOINTS), 2);
        stream.await.unwrap().drain().await.unwrap();
        let wanted = judge(&log, 1, 1 << 20).await;
        let mut told = BTreeMap::new();
        for payload in records(log.as_ref(), topics::DERIVED).await {
            for bytes in Derived::decode(payload).unwrap().capsules {
                told.insert(capsule::open(&bytes).unwrap().anomaly().unwrap(), bytes);
            }
        }
        let held = assert_all_hold(&wanted, "the whole log");
        assert!(held.len() > 10 && told == held, "{} in the log, {} made", told.len(), held.len());
        for (id, bytes) in held {
            assert_eq!(orders.capsule(id).await.unwrap(), Some(bytes));
        }
    });
}
