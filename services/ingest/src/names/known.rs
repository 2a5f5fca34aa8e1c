//! What the doors know of a series that they take in.

use std::sync::Arc;

use yiwang_catalogue::{Calibration, Catalogue, Metric, Station};
use yiwang_model::{Quality, Series, SeriesId, Timestamp, Unit};
use yiwang_proto::v1::Reason;

use super::Refused;

/// A series that is known: what admission needs of it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its number at the doors, from 0.
    pub dense: u32,
    /// Its number in the log.
    pub id: SeriesId,
    /// Its partition of topic `readings`, or [`super::QUARANTINED`].
    pub partition: u16,
    /// What the catalogue says of its metric.
    pub metric: Arc<Metric>,
    /// What is known of this source alone; nothing for most.
    pub own: Option<Arc<Own>>,
}

/// What the catalogue, or the judgement of its clock, says of one metric of one source.
#[derive(Debug)]
pub struct Own {
    /// The other unit in which the source sends, and by how many places the decimal point then moves to the right.
    pub unit: Option<(Unit, i8)>,
    /// Windows in which its readings are not judged.
    pub windows: Vec<Calibration>,
    /// Whether its clock is known to be wrong.
    pub clock_is_wrong: bool,
}

impl Known {
    /// The quality of a reading of this time that was sent with `quality`: a good one in a calibration is not judged, one by a wrong
    /// clock is marked.
    #[must_use]
    pub fn quality_at(&self, time: Timestamp, quality: Quality) -> Quality {
        let Some(own) = self.own.as_ref().filter(|_| quality == Quality::Good) else { return quality };
        let within = |window: &&Calibration| window.from <= time && time < window.to;
        let usual = if own.clock_is_wrong { Quality::ClockOff } else { quality };
        own.windows.iter().find(within).map_or(usual, |window| window.quality)
    }

    /// By how many places the decimal point of a value in this unit moves to the right.
    ///
    /// # Errors
    /// The reason and the sentence for a unit that is neither the metric's nor one that the source is known to send in.
    pub fn shift(&self, unit: &Unit) -> Result<i8, Refused> {
        let other = self.own.as_ref().and_then(|own| own.unit.as_ref());
        match other {
            Some((other, shift)) if other == unit => Ok(*shift),
            _ => check_unit(&self.metric, unit).map(|()| 0),
        }
    }
}

/// Refuses a unit that is not the metric's.
///
/// # Errors
/// The reason and the sentence.
pub fn check_unit(metric: &Metric, unit: &Unit) -> Result<(), Refused> {
    if *unit == metric.unit {
        return Ok(());
    }
    let (name, wanted, found) = (&metric.name, &metric.unit, unit.as_str());
    Err((Reason::WrongUnit, format!("metric \"{name}\" is in \"{wanted}\", not in \"{found:.64}\"")))
}

/// What is known of this series alone.
pub(super) fn own(
    catalogue: &Catalogue,
    station: &Station,
    series: &Series,
    clock_is_wrong: bool,
) -> Option<Arc<Own>> {
    let metric: &str = series.metric();
    let unit = station.units.get(metric).cloned();
    let windows: Vec<Calibration> = catalogue.calibrations(series.source(), metric).cloned().collect();
    let is_plain = unit.is_none() && windows.is_empty() && !clock_is_wrong;
    (!is_plain).then(|| Arc::new(Own { unit, windows, clock_is_wrong }))
}
