//! Projects: an S-curve around the plan, with a slip of the project's own.

use std::sync::Arc;

use yiwang_catalogue::metric::Metric;
use yiwang_catalogue::{Catalogue, Station};
use yiwang_model::{Span, Timestamp};

use super::noise::{Noise, key_of};

/// How one metric of a project goes.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// Planned values by time, in the metric's unit, sorted.
    plan: Arc<[(Timestamp, f64)]>,
    /// How much later than planned everything happens.
    slip: Span,
}

impl Course {
    /// The course of a project: its plan, from 10 days early to 20 days late; without a plan two and a half years
    /// from some day of 2025 to a quarter of what is possible (to all, when the unit is %).
    pub(super) fn of(catalogue: &Catalogue, station: &Station, metric: &Metric, noise: Noise) -> Self {
        let chance = |slot| noise.even(key_of(&station.id), slot);
        // some hundred days
        let days = |from: f64, to: f64, slot| Span::DAY.times((from + (to - from) * chance(slot)) as i64);
        let own = catalogue.plan(&station.id, &metric.name).map(|plan| plan.points.clone());
        let plan = own.unwrap_or_else(|| {
            let end = if metric.unit.as_str() == "%" { 100.0 } else { metric.max / 4.0 };
            s_curve(Timestamp::from_secs(1_735_660_800) + days(0.0, 300.0, 1), end)
        });
        Self { plan, slip: days(-10.0, 20.0, 2) }
    }

    /// When it begins by plan.
    pub(super) fn begin(&self) -> Timestamp {
        self.plan.first().map_or(Timestamp::MIN, |(begin, _)| *begin)
    }

    /// What is done at a time, in the metric's unit; never less than before.
    pub(super) fn value(&self, at: Timestamp) -> f64 {
        self.planned(at - self.slip)
    }

    /// What was planned for a time.
    pub(super) fn planned(&self, at: Timestamp) -> f64 {
        let next = self.plan.partition_point(|(time, _)| *time <= at);
        match (next.checked_sub(1).and_then(|last| self.plan.get(last)), self.plan.get(next)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * ((at - a.0).as_secs_f64() / (b.0 - a.0).as_secs_f64()),
            (Some(only), None) | (None, Some(only)) => only.1,
            (None, None) => 0.0,
        }
    }
}

/// 3t² − 2t³ over 900 days, by the month.
fn s_curve(begin: Timestamp, end: f64) -> Arc<[(Timestamp, f64)]> {
    let point = |month: i32| {
        let share = f64::from(month) / 30.0;
        (begin + Span::DAY.times(30 * i64::from(month)), end * share * share * (3.0 - 2.0 * share))
    };
    (0..=30).map(point).collect()
}
