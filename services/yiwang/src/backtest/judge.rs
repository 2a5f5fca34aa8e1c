//! A log judged from its beginning, and what a live city derived from it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use prost::Message as _;
use serde::Serialize;
use tokio::sync::watch;
use yiwang_log::{Extent, Log, Stored};
use yiwang_model::{Anomaly, AnomalyId, OrderIntent, Phase, Timestamp};
use yiwang_proto::log::{Derived, ReadingsRecord, Tick, readings_record::Kind};
use yiwang_proto::topics;
use yiwang_stream::closer::{Closed, State};
use yiwang_stream::dataflow::{self, Beginning, Running};
use yiwang_stream::directory::{Directory, Follower};
use yiwang_stream::reader::{Reader, Saves, Wish};
use yiwang_stream::route;

use super::differ::Order;
use super::instead::Instead;
use crate::reconcile::log_book::each;
use crate::replay::gather;

/// What a run came to.
pub struct Ran {
    /// The steps of each epoch in which something was found.
    steps: BTreeMap<u64, Vec<Anomaly>>,
    /// The last epoch before the run; 0 for none.
    after: u64,
    /// The orders, by episode; those of withdrawn ones are left out.
    orders: BTreeMap<AnomalyId, Order>,
}

impl Ran {
    /// Of closed epochs, of which the last one before was `after`.
    pub fn of(closed: Vec<Closed>, directory: &Directory, after: u64) -> Self {
        let mut ran = Self { steps: BTreeMap::new(), after, orders: BTreeMap::new() };
        for Closed { epoch, city, revision, found, .. } in closed {
            let catalogue = directory.catalogue(revision);
            for found in &found {
                let Some(catalogue) = catalogue.as_deref() else { continue };
                match route::intent(catalogue, found, city.unwrap_or_default()) {
                    Some(OrderIntent::Open(draft)) => {
                        ran.orders.insert(found.anomaly.id, Order::of(&draft, catalogue));
                    }
                    Some(OrderIntent::Note { anomaly, .. }) => ran.note(&anomaly),
                    None => {} // a silence keeps it quiet
                }
            }
            ran.steps.insert(epoch, found.into_iter().map(|found| found.anomaly).collect());
        }
        ran.orders.retain(|_, order| order.phase != Phase::Withdrawn);
        ran
    }

    fn note(&mut self, anomaly: &Anomaly) {
        if let Some(order) = self.orders.get_mut(&anomaly.id) {
            order.note(anomaly);
        }
    }

    /// The orders of episodes that begin in a window.
    pub fn within(self, window: &Range<Timestamp>) -> BTreeMap<AnomalyId, Order> {
        self.orders.into_iter().filter(|(_, order)| window.contains(&order.begin)).collect()
    }
}

/// Judges all of a log: under the catalogues that were in force, or under another in the place of each.
///
/// # Errors
/// When the log cannot be read, or the judgement dies.
pub async fn log(log: &Arc<dyn Log>, instead: Option<&Instead>, workers: usize) -> anyhow::Result<Ran> {
    let directory = Arc::new(Directory::default());
    let mut follower = Follower::new(Arc::clone(log), Arc::clone(&directory));
    follower.want_all().await?;
    for (revision, catalogue) in instead.iter().flat_map(|instead| instead.catalogues()) {
        directory.revise(revision, Arc::clone(catalogue));
    }
    let state = beginning(log.as_ref()).await?;
    if state.revision > 0 {
        follower.want_catalogue(state.revision).await?;
    }
    let (next, after) = (state.next.clone(), state.epoch);
    let partitions = u16::try_from(next.len()).context("a log has fewer partitions")?;
    let beginning = Beginning { directory: Arc::clone(&directory), partitions, state: Arc::new(state) };
    let Running { inlets, closed, workers } = dataflow::start(workers, beginning)?;
    let (_wish, wishes) = watch::channel(Wish::Drain);
    let reader = Reader::new(Arc::clone(log), follower, next, inlets, wishes, Saves::default());
    let (read, closed) = tokio::join!(reader.run(), gather(closed));
    let joined = tokio::task::spawn_blocking(move || workers.join()).await?;
    joined.map_err(|_| anyhow!("the judgement panicked"))?.map_err(|why| anyhow!(why))?;
    read?;
    Ok(Ran::of(closed, &directory, after))
}

/// Where the judgement of a log begins: at its beginning, or, where retention cut it, behind the first tick that all partitions have.
async fn beginning(log: &dyn Log) -> anyhow::Result<State> {
    let extents: Vec<Extent> =
        log.extents().into_iter().filter(|extent| extent.partition.topic.0 == topics::READINGS).collect();
    if extents.iter().all(|extent| extent.start.0 == 0) {
        return Ok(State { next: vec![0; extents.len()], ..State::default() });
    }
    let mut first = 0;
    for extent in &extents {
        first = first.max(ticks(log, *extent).await?.first().map_or(0, |(_, tick)| tick.number));
    }
    let mut state = State { epoch: first, ..State::default() };
    for extent in &extents {
        let ticks = ticks(log, *extent).await?;
        let (offset, tick) =
            ticks.iter().find(|(_, tick)| tick.number == first).context("the log has no whole epoch")?;
        state.next.push(offset + 1);
        (state.revision, state.city) = (tick.catalogue_revision, tick.city_nanos.map(Timestamp));
    }
    Ok(state)
}

/// The ticks of a partition, with their offsets.
async fn ticks(log: &dyn Log, extent: Extent) -> anyhow::Result<Vec<(u64, Tick)>> {
    let mut ticks = Vec::new();
    each(log, extent, |stored: Stored| {
        if let Some(Kind::Tick(tick)) = ReadingsRecord::decode(stored.payload)?.kind {
            ticks.push((stored.offset.0, tick));
        }
        Ok(())
    })
    .await?;
    Ok(ticks)
}

/// How the first run compares with what the live city derived.
#[derive(Debug, Default, Serialize)]
pub struct Live {
    /// Steps that both say in the same epoch, in the same order.
    pub same: usize,
    /// Episodes that these steps are of.
    pub episodes: usize,
    /// The first thing that differs; `None` when nothing does.
    pub differs: Option<String>,
    /// Whether the log was cut, so that the first run lacks what came before.
    pub cut: bool,
}

/// Holds a run against topic `derived`.
///
/// # Errors
/// When the log cannot be read.
pub async fn live(log: &dyn Log, ran: &Ran) -> anyhow::Result<Live> {
    let mut derived: BTreeMap<u64, Vec<Anomaly>> = BTreeMap::new();
    let mut live = Live { cut: ran.after > 0, ..Live::default() };
    for extent in log.extents().into_iter().filter(|extent| extent.partition.topic.0 == topics::DERIVED) {
        live.cut |= extent.start.0 > 0;
        each(log, extent, |stored| {
            let Derived { epoch, anomalies, .. } = Derived::decode(stored.payload)?;
            let steps: Vec<Anomaly> =
                anomalies.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
            if epoch > ran.after && !steps.is_empty() {
                join(derived.entry(epoch).or_default(), steps);
            }
            Ok(())
        })
        .await?;
    }
    let from = if live.cut { derived.keys().next().copied().unwrap_or(u64::MAX) } else { 0 };
    live.hold(&ran.steps, &derived, from);
    Ok(live)
}

/// Adds a piece of what was derived in an epoch: many steps stand in several records. After a crash all pieces come again, from the first.
fn join(steps: &mut Vec<Anomaly>, piece: Vec<Anomaly>) {
    if steps.starts_with(&piece) {
        steps.clear();
    }
    steps.extend(piece);
}

impl Live {
    /// Holds what was found from an epoch on against what was derived.
    fn hold(
        &mut self,
        found: &BTreeMap<u64, Vec<Anomaly>>,
        derived: &BTreeMap<u64, Vec<Anomaly>>,
        from: u64,
    ) {
        let mut ids = std::collections::BTreeSet::new();
        let epochs: std::collections::BTreeSet<u64> =
            found.range(from..).chain(derived.range(from..)).map(|(epoch, _)| *epoch).collect();
        for epoch in epochs {
            let of = |of: &BTreeMap<u64, Vec<Anomaly>>| of.get(&epoch).cloned().unwrap_or_default();
            let (found, derived) = (of(found), of(derived));
            if found == derived {
                self.same += found.len();
                ids.extend(found.iter().map(|anomaly| anomaly.id));
            } else {
                let differs = || difference(epoch, &found, &derived);
                self.differs.get_or_insert_with(differs);
            }
        }
        self.episodes = ids.len();
    }
}

/// In words, how the steps of an epoch differ.
fn difference(epoch: u64, found: &[Anomaly], derived: &[Anomaly]) -> String {
    let at = found.iter().zip(derived).position(|(a, b)| a != b).unwrap_or(found.len().min(derived.len()));
    let words = |of: Option<&Anomaly>| match of {
        Some(of) => format!("{} {} of {} in {} {}", of.phase.word(), of.id, of.detector, of.series, of.begin),
        None => "nothing".to_owned(),
    };
    format!("epoch {epoch}: the city said {}, this run says {}", words(derived.get(at)), words(found.get(at)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::city::open_log;
    use crate::cli::runtime;
    use crate::testing::{folder_with, record};

    /// The step that opens an episode of a station.
    fn step(nth: u32) -> Anomaly {
        let text = json!({
            "id": format!("{nth:032x}"), "detector": "silent", "series": {"source": format!("s-{nth}"), "metric": "pm10"},
            "phase": "raised", "begin": "2026-03-01T00:00:00Z", "end": null, "extreme": 0.0, "limit": null,
            "edition": "a rule", "severity": "warning",
        });
        serde_json::from_value(text).unwrap()
    }

    /// A record of topic `derived` with the steps of these episodes.
    fn piece(epoch: u64, of: Range<u32>) -> (u8, Vec<u8>) {
        let anomalies = of.map(|nth| serde_json::to_string(&step(nth)).unwrap()).collect();
        record(topics::DERIVED, &Derived { epoch, anomalies, ..Derived::default() })
    }

    /// A city whose stations fall silent all at once needs several records for an epoch.
    #[test]
    fn an_epoch_of_several_records_could_not_be_believed() {
        let folder = tempfile::tempdir().unwrap();
        let capsules = Derived { epoch: 5, capsules: vec![vec![1]], ..Derived::default() };
        let config = folder_with(
            folder.path(),
            &[
                piece(4, 0..2),
                piece(5, 0..3),
                piece(5, 3..6), // killed here; after it all comes again
                piece(5, 0..3),
                piece(5, 3..6),
                piece(5, 6..7),
                record(topics::DERIVED, &capsules),
                piece(6, 7..8),
                piece(6, 7..8),
            ],
        );
        let steps = [(4, 0..2), (5, 0..7), (6, 7..8)];
        let steps = steps.into_iter().map(|(epoch, of)| (epoch, of.map(step).collect())).collect();
        let mut ran = Ran { steps, after: 0, orders: BTreeMap::new() };
        let log = open_log(&config).unwrap();
        let runtime = runtime().unwrap();
        let held = runtime.block_on(live(log.as_ref(), &ran)).unwrap();
        assert_eq!((held.differs, held.same, held.episodes), (None, 10, 8));
        ran.steps.get_mut(&5).unwrap().remove(3);
        let held = runtime.block_on(live(log.as_ref(), &ran)).unwrap();
        assert!(held.differs.is_some_and(|why| why.starts_with("epoch 5:")), "what is missing is still seen");
    }
}
