//! An order store in memory that outlives a crash of the city, as a transactional store on a disk of its own does.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use yiwang_model::order::{Channel, OrderDraft, Step, StepKind};
use yiwang_model::{Anomaly, AnomalyId, OrderIntent, OrderNo, OrderState, Phase, Timestamp, WorkOrder};
use yiwang_orders::{
    Applied, Counts, EpisodeRow, Error, Filter, Member, Members, Moment, OrderEvent, OrderStore, Page,
};

/// The store.
#[derive(Default)]
pub(super) struct ModelOrders {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    applied: Option<u64>,
    orders: BTreeMap<AnomalyId, WorkOrder>,
    opened: u64,
    outbox: Vec<OrderEvent>,
    capsules: BTreeMap<AnomalyId, Vec<u8>>,
    parts: BTreeMap<AnomalyId, Anomaly>,
    events: u64,
}

impl ModelOrders {
    /// All orders, by episode.
    pub(super) fn all(&self) -> BTreeMap<AnomalyId, WorkOrder> {
        self.inner().orders.clone()
    }

    /// What each episode that is part of another is part of.
    pub(super) fn parts(&self) -> BTreeMap<AnomalyId, AnomalyId> {
        self.inner().parts.iter().filter_map(|(id, part)| Some((*id, part.into?))).collect()
    }

    /// The last applied epoch, 0 for none.
    pub(super) fn last(&self) -> u64 {
        self.inner().applied.unwrap_or_default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

fn member(part: &Anomaly) -> Member {
    let Anomaly { id, detector, series, begin, end, severity, .. } = part.clone();
    Member { anomaly: id, detector, series, begin, end, severity }
}

impl Inner {
    fn part(&mut self, said: &Anomaly) {
        match (said.phase, said.into) {
            (Phase::Withdrawn, Some(_)) => drop(self.parts.insert(said.id, said.clone())),
            (Phase::Withdrawn | Phase::Raised, _) => drop(self.parts.remove(&said.id)),
            _ => {}
        }
    }

    fn open(&mut self, draft: &OrderDraft, wall: Timestamp) -> bool {
        let id = draft.evidence.anomaly.id;
        if let Some(known) = self.orders.get(&id) {
            let restored = known.draft.evidence.anomaly.phase == Phase::Withdrawn;
            return restored && self.note(&draft.evidence.anomaly, draft.received, wall);
        }
        self.opened += 1;
        let order = WorkOrder {
            no: OrderNo(format!("M{:06}", self.opened)),
            channel: Channel::Sensor,
            anomaly: Some(id),
            draft: draft.clone(),
            state: OrderState::Opened,
            timeline: Vec::new(),
        };
        self.orders.insert(id, order);
        self.line(id, StepKind::Opened, draft.received, wall);
        true
    }

    fn note(&mut self, anomaly: &Anomaly, at: Timestamp, wall: Timestamp) -> bool {
        let Some(order) = self.orders.get_mut(&anomaly.id) else { return false };
        order.draft.evidence.anomaly = anomaly.clone();
        let kind = match anomaly.phase {
            Phase::Raised => StepKind::Restored,
            Phase::Worsened => StepKind::Worsened,
            Phase::Cleared => StepKind::Cleared,
            Phase::Revised => StepKind::Revised,
            Phase::Withdrawn => StepKind::Withdrawn,
        };
        self.line(anomaly.id, kind, at, wall);
        true
    }

    fn line(&mut self, id: AnomalyId, kind: StepKind, at: Timestamp, wall: Timestamp) {
        let order = self.orders.get_mut(&id).unwrap();
        let seq = u32::try_from(order.timeline.len()).unwrap() + 1;
        let note = order.draft.evidence.anomaly.extreme.to_string();
        let step = Step { seq, kind, state: order.state, who: "yiwang".into(), note, at, wall };
        order.timeline.push(step.clone());
        self.events += 1;
        self.outbox.push(OrderEvent {
            seq: self.events,
            no: order.no.clone(),
            anomaly: Some(id),
            department: order.draft.department.clone(),
            step,
        });
    }
}

#[async_trait]
impl OrderStore for ModelOrders {
    async fn apply(&self, epoch: u64, at: Moment, intents: &[OrderIntent]) -> Result<Applied, Error> {
        let mut inner = self.inner();
        if inner.applied.is_some_and(|applied| epoch <= applied) {
            return Ok(Applied { repeated: intents.len() as u64, ..Applied::default() });
        }
        let mut applied = Applied::default();
        for intent in intents {
            inner.part(intent.anomaly());
            let (did, count) = match intent {
                OrderIntent::Open(draft) => (inner.open(draft, at.wall), &mut applied.opened),
                OrderIntent::Note { anomaly, at: city } => {
                    (inner.note(anomaly, *city, at.wall), &mut applied.noted)
                }
            };
            *(if did { count } else { &mut applied.repeated }) += 1;
        }
        inner.applied = Some(epoch);
        Ok(applied)
    }

    async fn applied(&self) -> Result<Option<u64>, Error> {
        Ok(self.inner().applied)
    }

    async fn get(&self, no: &OrderNo) -> Result<Option<WorkOrder>, Error> {
        Ok(self.inner().orders.values().find(|order| order.no == *no).cloned())
    }

    async fn of_anomaly(&self, id: AnomalyId) -> Result<Option<WorkOrder>, Error> {
        Ok(self.inner().orders.get(&id).cloned())
    }

    async fn keep(&self, capsules: &[(AnomalyId, Vec<u8>)]) -> Result<(), Error> {
        self.inner().capsules.extend(capsules.iter().cloned());
        Ok(())
    }

    async fn capsule(&self, id: AnomalyId) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.inner().capsules.get(&id).cloned())
    }

    async fn members(&self, id: AnomalyId, limit: u32) -> Result<Members, Error> {
        let inner = self.inner();
        let mut all: Vec<&Anomaly> = inner.parts.values().filter(|part| part.into == Some(id)).collect();
        all.sort_by_key(|part| (&part.series, &part.detector, part.begin));
        let first = all.iter().take(limit as usize).map(|part| member(part)).collect();
        Ok(Members { all: all.len() as u64, first })
    }

    async fn find(&self, _: &Filter, _: u32, _: Option<&str>) -> Result<Page, Error> {
        Ok(Page { orders: self.all().into_values().collect(), next: None })
    }

    async fn counts(&self, _: Timestamp) -> Result<Counts, Error> {
        Ok(Counts::default())
    }

    async fn episodes(&self, _: Option<AnomalyId>, _: u32) -> Result<Vec<EpisodeRow>, Error> {
        Ok(Vec::new())
    }

    async fn transition(
        &self,
        no: &OrderNo,
        _: OrderState,
        _: &str,
        _: &str,
        _: Moment,
    ) -> Result<WorkOrder, Error> {
        Err(Error::NoSuchOrder(no.clone()))
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<OrderEvent>, Error> {
        Ok(self.inner().outbox.iter().take(limit as usize).cloned().collect())
    }

    async fn outbox_taken(&self, seq: u64) -> Result<(), Error> {
        self.inner().outbox.retain(|event| event.seq > seq);
        Ok(())
    }
}
