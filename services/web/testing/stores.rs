//! Two stores and a catalogue in memory that keep what they are given, for tests and for `examples/preview.rs`. They are no
//! engines: the conformance suites of the seams are not theirs to pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use yiwang_catalogue::{Catalogue, InForce};
use yiwang_model::order::{Channel, Step, StepKind};
use yiwang_model::{AnomalyId, OrderIntent, OrderNo, OrderState, Row, Series, Span, Timestamp, WorkOrder};
use yiwang_orders::alert::Taken;
use yiwang_orders::feed::{Extent, Happening, OrderFeed};
use yiwang_orders::{Alert, AlertDesk};
use yiwang_orders::{
    Applied, Counts, EpisodeRow, Error as OrdersError, Filter, Moment, OrderEvent, OrderStore, Page,
};
use yiwang_series::{
    AsOf, Batch, Error as SeriesError, Latest, Mark, Range, Record, SeriesSink, SeriesStore, Stats,
};
use yiwang_web::registry::{Change, UnknownSeries};
use yiwang_web::why::{Outcome, Param, Reasons, Why, Witness};
use yiwang_web::{Refusal, Registrar, Who};

type Keyed = BTreeMap<(Timestamp, Option<Timestamp>), Row>;

/// Readings in memory.
#[derive(Default)]
pub(crate) struct MemorySeries(Mutex<BTreeMap<Series, Keyed>>);

impl MemorySeries {
    /// Takes one reading.
    pub(crate) fn put(&self, series: &Series, row: Row) {
        let mut all = held(&self.0);
        all.entry(series.clone()).or_default().insert((row.time, row.vintage.0), row);
    }
}

#[async_trait]
impl SeriesSink for MemorySeries {
    async fn write(&self, batch: Batch) -> Result<(), SeriesError> {
        let names: BTreeMap<_, _> = batch.names.into_iter().collect();
        for row in batch.rows {
            let series = names.get(&row.series).ok_or(SeriesError::UnknownSeries(row.series))?;
            self.put(series, row);
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), SeriesError> {
        Ok(())
    }

    fn persisted(&self) -> Mark {
        Mark::new()
    }
}

#[async_trait]
impl SeriesStore for MemorySeries {
    async fn range(&self, range: &Range) -> Result<Vec<Row>, SeriesError> {
        let all = held(&self.0);
        let Some(rows) = all.get(&range.series) else { return Ok(Vec::new()) };
        let seen = |row: &&Row| match range.as_of {
            AsOf::Latest => true,
            AsOf::Published(at) => row.vintage.0.is_none_or(|published| published <= at),
        };
        let mut by_time = BTreeMap::new();
        for row in rows.values().filter(seen).filter(|row| range.from <= row.time && row.time < range.to) {
            by_time.insert(row.time, *row);
        }
        let skip = by_time.len().saturating_sub(range.limit);
        Ok(by_time.into_values().skip(skip).collect())
    }

    async fn latest(&self, sources: &[Arc<str>]) -> Result<Vec<Latest>, SeriesError> {
        let sources: BTreeSet<&Arc<str>> = sources.iter().collect();
        let all = held(&self.0);
        let wanted = all.iter().filter(|(series, _)| sources.is_empty() || sources.contains(series.source()));
        Ok(wanted
            .filter_map(|(series, rows)| {
                Some(Latest { series: series.clone(), row: *rows.last_key_value()?.1 })
            })
            .collect())
    }

    fn series(&self) -> Vec<Series> {
        held(&self.0).keys().cloned().collect()
    }

    async fn records(
        &self,
        _: &str,
        _: Timestamp,
        _: Timestamp,
        _: usize,
    ) -> Result<Vec<Record>, SeriesError> {
        Ok(Vec::new())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// Says of each capsule what there could be; of an empty one that it was altered.
pub(crate) struct MemoryReasons;

impl Reasons for MemoryReasons {
    fn why(&self, capsule: &[u8]) -> Result<Why, String> {
        if capsule.is_empty() {
            return Err("it was altered".into());
        }
        let begin = Timestamp::from_secs(1_772_409_600);
        let reading = |at: i64| {
            let place = i32::try_from(at).unwrap_or(0);
            ((begin + Span::HOUR.times(at)).millis(), 40.0 + f64::from(place * place % 37))
        };
        let param = |key: &str, value: &str| Param { key: key.into(), value: value.into() };
        Ok(Why {
            detector: "pm2_5-day".into(),
            kind: "limit".into(),
            params: vec![param("window", "day mean"), param("serious_at", "1.5")],
            edition: "GB 3095".into(),
            limit: Some(75.0),
            adjustable: true,
            begin: begin.to_string(),
            raised: (begin + Span::DAY).to_string(),
            extreme: 90.5,
            readings: (0..60).map(reading).collect(),
            witnesses: vec![Witness { name: "level".into(), share: 1.25, a_day: Some(0.012) }],
            catalogue_revision: 7,
            hash: "5e".repeat(32),
            differs: None,
        })
    }

    fn what_if(&self, _: &[u8], value: f64, readings: &[Row]) -> Result<Option<[Outcome; 2]>, String> {
        let beyond = |limit: f64| readings.iter().filter(|row| row.value > limit).count();
        let outcome = |limit| Outcome { episodes: beyond(limit) / 4, exceedances: beyond(limit) };
        Ok(Some([outcome(75.0), outcome(value)]))
    }
}

/// Orders in memory, in the order in which they were put.
#[derive(Default)]
pub(crate) struct MemoryOrders(Mutex<Vec<WorkOrder>>);

impl MemoryOrders {
    /// Takes an order as it is.
    pub(crate) fn put(&self, order: WorkOrder) {
        held(&self.0).push(order);
    }
}

#[async_trait]
impl OrderStore for MemoryOrders {
    async fn apply(&self, _: u64, at: Moment, intents: &[OrderIntent]) -> Result<Applied, OrdersError> {
        let mut applied = Applied::default();
        for intent in intents {
            let OrderIntent::Open(draft) = intent else { continue };
            let mut orders = held(&self.0);
            let no = OrderNo(format!("YW20260302-{:06}", orders.len() + 1));
            let opened = step(1, StepKind::Opened, OrderState::Opened, "yiwang", "", at);
            orders.push(WorkOrder {
                no,
                channel: Channel::Sensor,
                anomaly: Some(draft.evidence.anomaly.id),
                draft: draft.as_ref().clone(),
                state: OrderState::Opened,
                timeline: vec![opened],
            });
            applied.opened += 1;
        }
        Ok(applied)
    }

    async fn applied(&self) -> Result<Option<u64>, OrdersError> {
        Ok(None)
    }

    async fn get(&self, no: &OrderNo) -> Result<Option<WorkOrder>, OrdersError> {
        Ok(held(&self.0).iter().find(|order| order.no == *no).cloned())
    }

    async fn of_anomaly(&self, id: AnomalyId) -> Result<Option<WorkOrder>, OrdersError> {
        Ok(held(&self.0).iter().find(|order| order.anomaly == Some(id)).cloned())
    }

    async fn keep(&self, _: &[(AnomalyId, Vec<u8>)]) -> Result<(), OrdersError> {
        Ok(())
    }

    /// Each order has one, which is the id of its episode.
    async fn capsule(&self, id: AnomalyId) -> Result<Option<Vec<u8>>, OrdersError> {
        let has = held(&self.0).iter().any(|order| order.anomaly == Some(id));
        Ok(has.then(|| id.0.to_vec()))
    }

    async fn find(&self, filter: &Filter, limit: u32, after: Option<&str>) -> Result<Page, OrdersError> {
        let mut found: Vec<WorkOrder> =
            held(&self.0).iter().filter(|order| fits(filter, order)).cloned().collect();
        found.sort_by(|a, b| (b.draft.received, &b.no).cmp(&(a.draft.received, &a.no)));
        if let Some(token) = after {
            let at = found.iter().position(|order| order.no.0 == token);
            let at = at.ok_or_else(|| OrdersError::Token(token.chars().take(64).collect()))?;
            found.drain(..=at);
        }
        let limit = limit.clamp(1, yiwang_orders::MAX_PAGE) as usize;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|order| order.no.0.clone());
        Ok(Page { orders: found, next })
    }

    async fn counts(&self, now: Timestamp) -> Result<Counts, OrdersError> {
        let orders = held(&self.0);
        let count =
            |fits: &dyn Fn(&WorkOrder) -> bool| orders.iter().filter(|order| fits(order)).count() as u64;
        let mut departments: BTreeMap<String, u64> = BTreeMap::new();
        for order in orders.iter().filter(|order| order.state.is_open()) {
            *departments.entry(order.draft.department.clone()).or_default() += 1;
        }
        Ok(Counts {
            by_state: OrderState::ALL.map(|state| (state, count(&|order| order.state == state))).into(),
            open_by_department: departments.into_iter().collect(),
            overdue: count(&|order| order.state.is_open() && order.draft.due.at < now),
            active: count(&is_active),
        })
    }

    async fn episodes(&self, _: Option<AnomalyId>, _: u32) -> Result<Vec<EpisodeRow>, OrdersError> {
        Ok(Vec::new())
    }

    async fn transition(
        &self,
        no: &OrderNo,
        to: OrderState,
        who: &str,
        note: &str,
        at: Moment,
    ) -> Result<WorkOrder, OrdersError> {
        let mut orders = held(&self.0);
        let order = orders.iter_mut().find(|order| order.no == *no);
        let order = order.ok_or_else(|| OrdersError::NoSuchOrder(no.clone()))?;
        if note.chars().count() > yiwang_orders::MAX_NOTE_CHARS {
            return Err(OrdersError::TooLong { what: "the note", most: yiwang_orders::MAX_NOTE_CHARS });
        }
        let allowed = order.state.allowed();
        if !allowed.contains(&to) {
            return Err(OrdersError::NotAllowed { no: no.clone(), from: order.state, to, allowed });
        }
        if to == OrderState::Returned && note.trim().is_empty() {
            return Err(OrdersError::Missing { what: "the reason for returning the order, in the note," });
        }
        let seq = u32::try_from(order.timeline.len() + 1).unwrap_or(u32::MAX);
        order.state = to;
        order.timeline.push(step(seq, StepKind::Moved, to, who, note, at));
        Ok(order.clone())
    }

    async fn outbox(&self, _: u32) -> Result<Vec<OrderEvent>, OrdersError> {
        Ok(Vec::new())
    }

    async fn outbox_taken(&self, _: u64) -> Result<(), OrdersError> {
        Ok(())
    }
}

/// Alerts are for a real store.
#[async_trait]
impl AlertDesk for MemoryOrders {
    async fn take(&self, _: &str, _: Moment, _: &[Alert]) -> Result<Vec<Taken>, OrdersError> {
        Err(OrdersError::Corrupt("it is in memory".into()))
    }
}

/// Nothing happens that anybody could follow; who does waits.
#[async_trait]
impl OrderFeed for MemoryOrders {
    async fn extent(&self) -> Result<Extent, OrdersError> {
        Ok(Extent { store: 1, before: 0, last: 0 })
    }

    async fn events(&self, _: u64, _: u32) -> Result<Vec<Happening>, OrdersError> {
        std::future::pending().await
    }

    async fn cursor(&self, _: &str) -> Result<Option<u64>, OrdersError> {
        Ok(None)
    }

    async fn move_cursor(&self, _: &str, _: u64) -> Result<(), OrdersError> {
        Ok(())
    }
}

fn is_active(order: &WorkOrder) -> bool {
    order.anomaly.is_some() && order.draft.evidence.anomaly.is_active()
}

fn fits(filter: &Filter, order: &WorkOrder) -> bool {
    let draft = &order.draft;
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let texts =
        [&order.no.0, &draft.title.zh, &draft.title.en, &draft.place.station, &draft.place.district_name.zh];
    (filter.states.is_empty() || filter.states.contains(&order.state))
        && is(&filter.department, &draft.department)
        && is(&filter.district, &draft.place.district)
        && is(&filter.category, &draft.category)
        && is(&filter.source, draft.evidence.anomaly.series.source())
        && is(&filter.detector, &draft.evidence.anomaly.detector)
        && filter.active.is_none_or(|active| active == is_active(order))
        && filter.overdue_at.is_none_or(|now| order.state.is_open() && draft.due.at < now)
        && filter.text.as_ref().is_none_or(|text| texts.iter().any(|found| found.contains(text.as_str())))
}

/// A line of a timeline.
pub(crate) fn step(seq: u32, kind: StepKind, state: OrderState, who: &str, note: &str, at: Moment) -> Step {
    Step { seq, kind, state, who: who.to_owned(), note: note.to_owned(), at: at.city, wall: at.wall }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A catalogue that can be changed.
pub(crate) struct MemoryCatalogue(Mutex<InForce>);

impl MemoryCatalogue {
    pub(crate) fn new(catalogue: Arc<Catalogue>) -> Arc<Self> {
        let (who, since) = (Arc::from(""), Timestamp(0));
        Arc::new(Self(Mutex::new(InForce { revision: 1, catalogue, who, since })))
    }
}

#[async_trait]
impl Registrar for MemoryCatalogue {
    fn in_force(&self) -> InForce {
        held(&self.0).clone()
    }

    fn unknown(&self) -> Vec<UnknownSeries> {
        Vec::new()
    }

    async fn reload(&self, who: &Who) -> Result<u32, Refusal> {
        let change: Change =
            Box::new(|catalogue| catalogue.reloaded(&Catalogue::demo()).map_err(Refusal::Faults));
        self.revise(who, None, change).await
    }

    async fn revise(&self, Who(who): &Who, seen: Option<u32>, change: Change) -> Result<u32, Refusal> {
        let mut held = held(&self.0);
        let found = held.revision;
        if let Some(wanted) = seen.filter(|seen| *seen != found) {
            return Err(Refusal::Changed { wanted, found });
        }
        let next = change(&held.catalogue)?;
        *held = InForce {
            revision: found + 1,
            catalogue: Arc::new(next),
            who: who.as_str().into(),
            ..held.clone()
        };
        Ok(held.revision)
    }
}
