use prost::Message;
use yiwang_catalogue::registry::Kind;
use yiwang_catalogue::{Fault, Registry};
use yiwang_proto::log::{CatalogueRevision, ReadingsRecord, Tick, readings_record};
use yiwang_proto::topics;
use yiwang_proto::v1::Reason;

use super::*;
use crate::names::Limits;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{Start, city};

/// Registers a gateway.
fn gateway(id: &'static str) -> impl FnOnce(&Catalogue) -> Result<Catalogue, Vec<Fault>> + Send {
    move |catalogue| {
        let mut registry = catalogue.registry().clone();
        registry.put(Kind::Gateway, id, "zh = '网关'\nen = 'Gateway'".parse().unwrap());
        catalogue.with(&registry)
    }
}

fn revisions(log: &MemoryLog) -> Vec<CatalogueRevision> {
    let records = log.topic(topics::CATALOGUE).into_iter();
    records.map(|record| CatalogueRevision::decode(record).unwrap()).collect()
}

fn last_tick(log: &MemoryLog) -> Tick {
    let ticks = log.topic(topics::READINGS).into_iter().filter_map(|record| {
        match ReadingsRecord::decode(record).unwrap().kind {
            Some(readings_record::Kind::Tick(tick)) => Some(tick),
            _ => None,
        }
    });
    ticks.max_by_key(|tick| tick.number).unwrap()
}

#[tokio::test]
async fn the_doors_go_by_a_catalogue_when_a_tick_has_named_it() {
    let Start { ingest, log, tasks: _tasks, .. } = city(MemoryLog::new(2), Limits::default()).await;
    assert_eq!((ingest.reviser.in_force().borrow().revision, last_tick(&log).catalogue_revision), (1, 1));
    let revised = ingest.reviser.revise("desk", None, gateway("g-new")).await;
    assert_eq!(revised.unwrap(), 2);
    assert!(ingest.names.catalogue().gateways.contains_key("g-new"));
    assert_eq!(last_tick(&log).catalogue_revision, 2, "the judgement knows it before the doors do");
    let records = revisions(&log);
    let last = records.last().unwrap();
    assert_eq!((last.revision, last.who.as_str()), (2, "desk"));
    assert!(last.text.contains("g-new") && last.hash == ingest.names.catalogue().hash());
}

/// Here the test says when there is a tick.
#[tokio::test]
async fn until_a_tick_names_it_the_doors_go_by_the_catalogue_before() {
    let names = Arc::new(Names::new(Arc::new(Catalogue::demo()), 2, Limits::default()));
    let (wanted, ticks) = (watch::Sender::new(1), watch::Sender::new(1));
    let mut told = wanted.subscribe();
    let log = Arc::new(MemoryLog::new(2));
    let (who, since) = (Arc::from(""), yiwang_model::Timestamp(0));
    let in_force = InForce { revision: 1, catalogue: names.catalogue(), who, since };
    let reviser = Reviser::new(log.clone(), Arc::clone(&names), in_force, wanted, ticks.subscribe());
    let revised = tokio::spawn(async move { reviser.revise("desk", None, gateway("g-new")).await });
    told.wait_for(|revision| *revision == 2).await.unwrap();
    assert_eq!(revisions(&log).len(), 1, "it is durable before a tick may name it");
    assert!(!names.catalogue().gateways.contains_key("g-new") && !revised.is_finished());
    ticks.send_replace(2);
    assert_eq!(revised.await.unwrap().unwrap(), 2);
    assert!(names.catalogue().gateways.contains_key("g-new"));
}

#[tokio::test]
async fn changes_come_one_after_the_other_and_none_is_lost() {
    let Start { ingest, log, tasks: _tasks, .. } = city(MemoryLog::new(2), Limits::default()).await;
    let revise = |id| ingest.reviser.revise("desk", None, gateway(id));
    let all = tokio::join!(revise("g-1"), revise("g-2"), revise("g-3"));
    let mut numbers = [all.0.unwrap(), all.1.unwrap(), all.2.unwrap()];
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3, 4]);
    let catalogue = ingest.names.catalogue();
    assert!(["g-1", "g-2", "g-3"].iter().all(|id| catalogue.gateways.contains_key(*id)));
    assert_eq!(revisions(&log).len(), 4);
    let late = ingest.reviser.revise("desk", Some(3), gateway("g-4")).await;
    assert!(matches!(late, Err(Error::Changed { wanted: 3, found: 4 })));
    assert_eq!(ingest.reviser.revise("desk", Some(4), gateway("g-4")).await.unwrap(), 5);
}

#[tokio::test]
async fn what_is_refused_or_not_durable_changes_nothing() {
    let Start { ingest, log, tasks: _tasks, .. } = city(MemoryLog::new(2), Limits::default()).await;
    let refused = ingest.reviser.revise("desk", None, |_| Err("no")).await;
    assert!(matches!(refused, Err(Error::Refused("no"))));
    let before = ingest.names.catalogue().hash();
    log.set(Disk::Broken);
    let failed = ingest.reviser.revise("desk", None, gateway("g-1")).await;
    assert!(matches!(failed, Err(Error::Log(_))));
    assert_eq!((ingest.names.catalogue().hash(), ingest.reviser.in_force().borrow().revision), (before, 1));
    assert_eq!(revisions(&log).len(), 1);
}

/// Files that were read again, and an entry that was sent again.
#[tokio::test]
async fn what_is_as_it_was_needs_no_revision() {
    let Start { ingest, log, tasks: _tasks, .. } = city(MemoryLog::new(2), Limits::default()).await;
    let reload = |catalogue: &Catalogue| catalogue.reloaded(&Catalogue::demo());
    assert_eq!(ingest.reviser.revise("desk", None, reload).await.unwrap(), 1);
    assert_eq!(ingest.reviser.revise("desk", None, gateway("g-1")).await.unwrap(), 2);
    assert_eq!(ingest.reviser.revise("desk", None, gateway("g-1")).await.unwrap(), 2);
    assert_eq!(ingest.reviser.revise("desk", None, reload).await.unwrap(), 2, "what was registered stays");
    let in_force = ingest.reviser.in_force().borrow().clone();
    assert_eq!((in_force.revision, &*in_force.who, revisions(&log).len()), (2, "desk", 2));
}

#[tokio::test]
async fn a_change_goes_on_when_the_caller_leaves() {
    let Start { ingest, log, tasks: _tasks, .. } = city(MemoryLog::new(2), Limits::default()).await;
    {
        let revise = ingest.reviser.revise("desk", None, gateway("g-1"));
        tokio::pin!(revise);
        // Far enough to have begun, never to the end.
        tokio::select! {
            biased;
            _ = &mut revise => panic!("it takes a tick"),
            () = tokio::task::yield_now() => {}
        }
    }
    ingest.reviser.revise("desk", None, gateway("g-2")).await.unwrap();
    assert!(ingest.names.catalogue().gateways.contains_key("g-1"));
    assert_eq!(revisions(&log).len(), 3);
}

#[tokio::test]
async fn what_was_registered_holds_after_a_restart_as_far_as_it_fits() {
    let log = MemoryLog::new(2);
    let mut registry = Registry::default();
    registry.put(Kind::Gateway, "g-1", "zh = '网关'\nen = 'Gateway'".parse().unwrap());
    let with = Arc::new(Catalogue::demo().with(&registry).unwrap());
    let first = start::catalogue(&log, Arc::clone(&with)).await.unwrap();
    assert_eq!((first.catalogue.hash(), first.revision), (with.hash(), 1));
    // The files alone, as every start has them.
    let again = start::catalogue(&log, Arc::new(Catalogue::demo())).await.unwrap();
    assert_eq!((again.catalogue.hash(), again.revision), (with.hash(), 1), "nothing new, so no new revision");
    assert_eq!(again.since, first.since);
    // Now the files have it themselves: theirs holds.
    let own = "[[gateway]]\nid = 'g-1'\nzh = '自家'\nen = 'Own'\n";
    let demo = Catalogue::demo();
    let files = Catalogue::parse(&[("demo", demo.text()), ("own.toml", own)]).unwrap();
    let merged = start::catalogue(&log, Arc::new(files)).await.unwrap();
    assert_eq!((&*merged.catalogue.gateways["g-1"].title.en, merged.revision), ("Own", 2));
    assert!(merged.catalogue.registry().is_empty());
}

#[tokio::test]
async fn a_stream_that_is_open_goes_by_the_new_catalogue() {
    use yiwang_proto::v1::{Columns, SeriesKey};
    let Start { ingest, tasks: _tasks, .. } = city(MemoryLog::new(2), Limits::default()).await;
    let key = |source: &str, unit: &str| SeriesKey {
        source: source.into(),
        metric: "pm10".into(),
        unit: unit.into(),
    };
    let keys = vec![key("510104-air-1", "µg/m³"), key("new-1", "mg/m³")];
    let mut dictionary = crate::columns::Dictionary::resolve(&ingest.names, "g1", keys);
    let time = crate::tests_kit::NOON.nanos();
    let columns = Columns {
        index: vec![0, 1],
        time_unix_nanos: vec![time; 2],
        value: vec![41.0, 0.0523],
        ..Columns::default()
    };
    let (rows, refusals) = dictionary.admit(ingest.plausible(), &columns);
    assert_eq!((rows.len(), refusals.kept[0].reason), (1, Reason::UnknownSource));
    let gateway = ingest.names.catalogue().gateways.keys().next().unwrap().to_string();
    let station = format!(
        "zh = '新'\nen = 'New'\nkind = 'air'\ndistrict = '510104'\ngateway = '{gateway}'\nmetrics = ['pm10']\nunits = {{ pm10 = 'mg/m³' }}"
    );
    let register = move |catalogue: &Catalogue| {
        let mut registry = catalogue.registry().clone();
        registry.put(Kind::Station, "new-1", station.parse().unwrap());
        catalogue.with(&registry)
    };
    ingest.reviser.revise("desk", None, register).await.unwrap();
    dictionary.renew(&ingest.names, "g1");
    let (rows, refusals) = dictionary.admit(ingest.plausible(), &columns);
    assert!(refusals.is_empty());
    assert_eq!(rows.iter().map(|row| row.row.value).collect::<Vec<_>>(), [41.0, 52.3]);
    ingest
        .reviser
        .revise("desk", None, |_: &Catalogue| Ok::<_, Vec<Fault>>(Catalogue::demo()))
        .await
        .unwrap();
    dictionary.renew(&ingest.names, "g1");
    let (rows, refusals) = dictionary.admit(ingest.plausible(), &columns);
    assert_eq!((rows.len(), refusals.kept[0].reason), (1, Reason::UnknownSource), "and forgets it again");
}

#[tokio::test]
async fn a_revision_stood_beside_the_catalogue_before_it() {
    let Start { ingest, mut tasks, .. } = city(MemoryLog::new(2), Limits::default()).await;
    // No tick names the change: the doors go on by the old.
    tasks.running.shutdown().await;
    let revised = ingest.reviser.revise("desk", None, gateway("g-new")).await;
    assert!(matches!(revised, Err(Error::Stopping)));
    let in_force = ingest.reviser.in_force().borrow().clone();
    assert_eq!((in_force.revision, in_force.catalogue.gateways.contains_key("g-new")), (1, false));
}

#[tokio::test]
async fn the_doors_opened_under_a_catalogue_that_no_tick_named() {
    let log = Arc::new(MemoryLog::new(2));
    let open = |log: &Arc<MemoryLog>| {
        let (log, stop) = (Arc::clone(log), tokio_util::sync::CancellationToken::new());
        async move {
            let options = crate::Options { clock: Some(crate::clock::ClockKind::Feed), ..<_>::default() };
            crate::Ingest::start(log as _, Arc::new(Catalogue::demo()), &options, stop).await.unwrap()
        }
    };
    drop(open(&log).await);
    let before = last_tick(&log).number;
    log.set(Disk::Packed);
    let start = tokio::spawn(open(&log));
    log.refused_inner(2).await;
    assert!(!start.is_finished(), "no tick of this start is in the log");
    log.set(Disk::Free);
    let _city = start.await.unwrap();
    assert!(last_tick(&log).number > before);
}
