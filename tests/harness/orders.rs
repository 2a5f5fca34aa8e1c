//! Orders of a city, and the episodes that they stand for.

use std::collections::BTreeMap;

use yiwang_model::{Anomaly, Phase, WorkOrder};

use crate::city::City;

/// What two runs must agree in. Numbers as their bits: equal means equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Episode {
    /// The detector's name in the catalogue.
    pub detector: String,
    /// Source and metric.
    pub series: String,
    /// RFC 3339.
    pub begin: String,
    /// RFC 3339; none while it lasts.
    pub end: Option<String>,
    /// The bits of the extreme.
    pub extreme: u64,
    /// How grave.
    pub severity: String,
    /// Who got the order.
    pub department: String,
}

impl Episode {
    /// The episode of an order.
    pub fn of(order: &WorkOrder) -> Self {
        let Anomaly { detector, series, begin, end, extreme, severity, .. } = &order.draft.evidence.anomaly;
        Self {
            detector: detector.to_string(),
            series: series.to_string(),
            begin: begin.to_string(),
            end: end.map(|end| end.to_string()),
            extreme: extreme.to_bits(),
            severity: severity.to_string(),
            department: order.draft.department.clone(),
        }
    }
}

/// All orders of a city, page by page; `filter` is a query as `detector=pm2_5-day`, or empty.
pub fn orders(city: &City, filter: &str) -> Vec<WorkOrder> {
    let mut orders = Vec::new();
    let mut after = String::new();
    loop {
        let page = city.json(&format!("/api/v1/orders?limit=500&{filter}{after}").replace("&&", "&"));
        let found: Vec<WorkOrder> =
            serde_json::from_value(page["orders"].clone()).expect("orders as the model has them");
        orders.extend(found);
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", crate::http::quoted(next)),
            None => return orders,
        }
    }
}

/// The episodes of these orders that were not withdrawn, sorted.
///
/// # Panics
/// When an episode has two orders, or two orders one number.
pub fn episodes<'a>(orders: impl IntoIterator<Item = &'a WorkOrder>) -> Vec<Episode> {
    let mut by_anomaly = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    for order in orders {
        let no = &order.no.0;
        if let Some(other) = by_anomaly.insert(order.anomaly, no.clone()) {
            panic!("one episode has the orders {other} and {no}");
        }
        assert!(numbers.insert(no.clone(), order).is_none(), "two orders have the number {no}");
    }
    let stand = numbers.into_values().filter(|order| order.draft.evidence.anomaly.phase != Phase::Withdrawn);
    let mut episodes: Vec<Episode> = stand.map(Episode::of).collect();
    episodes.sort();
    for pair in episodes.windows(2) {
        let [a, b] = pair else { continue };
        let same = (&a.detector, &a.series, &a.begin) == (&b.detector, &b.series, &b.begin);
        assert!(!same, "two orders are of one episode: {a:?} and {b:?}");
    }
    episodes
}

/// All episodes of a city.
pub fn all(city: &City) -> Vec<Episode> {
    episodes(&orders(city, ""))
}

/// Compares two runs and shows the first differences.
///
/// # Panics
/// When they differ.
pub fn assert_same(found: &[Episode], wanted: &[Episode]) {
    let missing: Vec<_> = wanted.iter().filter(|episode| !found.contains(episode)).take(5).collect();
    let surplus: Vec<_> = found.iter().filter(|episode| !wanted.contains(episode)).take(5).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "the runs differ: {} episodes and {} wanted\nmissing: {missing:#?}\nsurplus: {surplus:#?}",
        found.len(),
        wanted.len()
    );
    assert_eq!(found.len(), wanted.len());
}
