//! What orders differ between two runs.

use std::collections::BTreeMap;

use serde::Serialize;
use yiwang_catalogue::Catalogue;
use yiwang_model::order::OrderDraft;
use yiwang_model::{Anomaly, AnomalyId, Phase, Priority, Series, Severity, Timestamp};

use super::judge::Live;

/// The most examples of a kind of difference.
const EXAMPLES: usize = 5;

/// An order, as far as a backtest compares it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Order {
    /// The episode.
    pub anomaly: AnomalyId,
    /// The detector.
    pub detector: String,
    /// The series.
    pub series: Series,
    /// When the episode began.
    pub begin: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// The value furthest out.
    pub extreme: f64,
    /// The limit judged against.
    pub limit: Option<f64>,
    /// How grave.
    pub severity: Severity,
    /// How soon it must be acted on.
    pub priority: Priority,
    /// The subject.
    pub category: String,
    /// Who must act.
    pub department: String,
    /// How many hours of work it is, if the catalogue says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_hours: Option<f64>,
    #[serde(skip)]
    pub(super) phase: Phase,
}

impl Order {
    /// An order as it opens.
    pub fn of(draft: &OrderDraft, catalogue: &Catalogue) -> Self {
        let anomaly = &draft.evidence.anomaly;
        let category = catalogue.categories.get(draft.category.as_str());
        Self {
            anomaly: anomaly.id,
            detector: anomaly.detector.to_string(),
            series: anomaly.series.clone(),
            begin: anomaly.begin,
            end: anomaly.end,
            extreme: anomaly.extreme,
            limit: anomaly.limit,
            severity: anomaly.severity,
            priority: draft.priority,
            category: draft.category.clone(),
            department: draft.department.clone(),
            work_hours: category.and_then(|category| category.work_hours),
            phase: anomaly.phase,
        }
    }

    /// One more step of its episode.
    pub fn note(&mut self, anomaly: &Anomaly) {
        let Anomaly { begin, end, extreme, limit, severity, phase, .. } = anomaly;
        (self.begin, self.end, self.extreme) = (*begin, *end, *extreme);
        (self.limit, self.severity, self.phase) = (*limit, *severity, *phase);
    }

    /// Whether people would see the same.
    fn is_like(&self, other: &Self) -> bool {
        let content = |order: &Self| {
            let numbers = (order.extreme.to_bits(), order.limit.map(f64::to_bits));
            (order.begin, order.end, numbers, order.severity, order.priority)
        };
        content(self) == content(other)
            && (&self.category, &self.department) == (&other.category, &other.department)
    }

    fn is_of(&self, other: &Self) -> bool {
        (&self.detector, &self.series) == (&other.detector, &other.series)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let end = |order: &Self| order.end.unwrap_or(Timestamp::MAX);
        self.begin <= end(other) && other.begin <= end(self)
    }
}

/// An order that both runs have, and not the same.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// As it was.
    pub before: Order,
    /// As it would be.
    pub after: Order,
}

/// So many of them, and the first few by begin.
#[derive(Debug, Serialize)]
pub struct Group<T> {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub examples: Vec<T>,
}

impl<T> Group<T> {
    fn of(mut all: Vec<T>) -> Self {
        let count = all.len();
        all.truncate(EXAMPLES);
        Self { count, examples: all }
    }
}

/// What one run asks of people.
#[derive(Debug, Default, Serialize)]
pub struct Side {
    /// Orders.
    pub orders: usize,
    /// Orders of categories whose hours the catalogue does not say.
    pub without_hours: usize,
    /// Hours of work, by department.
    pub work_hours: BTreeMap<String, f64>,
}

impl Side {
    fn of<'a>(orders: impl Iterator<Item = &'a Order>) -> Self {
        let mut side = Self::default();
        for order in orders {
            side.orders += 1;
            match order.work_hours {
                Some(hours) => *side.work_hours.entry(order.department.clone()).or_default() += hours,
                None => side.without_hours += 1,
            }
        }
        side
    }
}

/// What a backtest tells.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The first run against the live city; `None` for a file.
    pub live: Option<Live>,
    /// Under the catalogues that were in force.
    pub before: Side,
    /// Under the other.
    pub after: Side,
    /// Orders that both runs have, the same.
    pub same: usize,
    /// Orders that only the other catalogue opens.
    pub added: Group<Order>,
    /// Orders that it does not open any more.
    pub removed: Group<Order>,
    /// Orders that it opens otherwise.
    pub changed: Group<Changed>,
}

type Orders = BTreeMap<AnomalyId, Order>;

impl Report {
    /// Compares the orders of two runs. An order is the same when it is of the same episode, or else of one of the same detector and
    /// series that overlaps it.
    pub fn of(before: Orders, after: Orders, live: Option<Live>) -> Self {
        let sides = (Side::of(before.values()), Side::of(after.values()));
        let (mut removed, mut added, mut pairs) = (Vec::new(), after, Vec::new());
        for (id, order) in before {
            match added.remove(&id) {
                Some(heir) => pairs.push(Changed { before: order, after: heir }),
                None => removed.push(order),
            }
        }
        let mut added: Vec<Order> = added.into_values().collect();
        let by_begin = |a: &Order, b: &Order| (a.begin, a.anomaly).cmp(&(b.begin, b.anomaly));
        added.sort_by(by_begin);
        removed.sort_by(by_begin);
        let mut gone = Vec::new();
        for order in removed {
            let heir = added.iter().position(|other| order.is_of(other) && order.overlaps(other));
            match heir {
                Some(heir) => pairs.push(Changed { before: order, after: added.remove(heir) }),
                None => gone.push(order),
            }
        }
        let both = pairs.len();
        let mut changed: Vec<Changed> =
            pairs.into_iter().filter(|pair| !pair.before.is_like(&pair.after)).collect();
        changed.sort_by(|a, b| by_begin(&a.before, &b.before));
        Self {
            live,
            before: sides.0,
            after: sides.1,
            same: both - changed.len(),
            added: Group::of(added),
            removed: Group::of(gone),
            changed: Group::of(changed),
        }
    }

    /// Whether the first run is what the live city derived, as far as there is one.
    pub fn is_believable(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.differs.is_none())
    }
}
