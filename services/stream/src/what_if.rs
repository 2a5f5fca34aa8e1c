//! What if the limit were another: the last readings of a series under the detector of a capsule, and under the same with another limit.
//!
//! Both begin with nothing seen, so that they differ in the limit alone. Readings are in the order of event time; at most [`MAX_READINGS`].

use std::sync::Arc;

use yiwang_detect::{Detector, Event, Input, LimitRow, Sample, Spec, registry};
use yiwang_model::Span;

use crate::capsule::{self, Broken};

/// The most readings that are judged, twice: a week of one each half a minute.
pub const MAX_READINGS: usize = 20_160;
/// The most moments for which a detector is ticked.
const MAX_TICKS: usize = 100_000;
/// The kind of detector that has a limit to move.
const KIND: &str = "limit";

/// What would have been found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Episodes that were opened.
    pub episodes: usize,
    /// Judged readings beyond the limit, whatever the window.
    pub exceedances: usize,
}

/// Whether an entry of this kind has a limit to move.
#[must_use]
pub fn is_adjustable(kind: &str) -> bool {
    kind == KIND
}

/// What is found in these readings with the limits of a capsule, and with this one instead. `None` where the kind has none to move.
///
/// # Errors
/// [`Broken`] when the capsule is not what was sealed.
pub fn what_if(bytes: &[u8], value: f64, readings: &[Sample]) -> Result<Option<[Outcome; 2]>, Broken> {
    let content = capsule::open(bytes)?.content;
    let spec = capsule::spec(&content).filter(|spec| is_adjustable(&spec.kind));
    let Some(before) = spec else { return Ok(None) };
    let moved: Arc<[LimitRow]> = before.limits.iter().map(|row| LimitRow { value, ..row.clone() }).collect();
    let after = Spec { limits: moved, ..before.clone() };
    let context = capsule::context(&content);
    let run = |spec: &Spec| {
        let prototype = registry::build(spec).ok()?;
        let episodes = episodes(&mut *prototype.make(&context), readings);
        Some(Outcome { episodes, exceedances: exceedances(spec, readings) })
    };
    Ok(run(&before).zip(run(&after)).map(|(before, after)| [before, after]))
}

fn episodes(detector: &mut dyn Detector, readings: &[Sample]) -> usize {
    let (mut said, mut left) = (Vec::new(), MAX_TICKS);
    for sample in readings.iter().take(MAX_READINGS) {
        let until = sample.time - Span(1);
        while let Some(city) = detector.wake_at().filter(|moment| *moment <= until && left > 0) {
            detector.step(&Input::Tick { city }, &mut said);
            left -= 1;
        }
        detector.step(&Input::Reading(*sample), &mut said);
    }
    said.iter().filter(|event| matches!(event, Event::Raised(_))).count()
}

/// Judged readings beyond the limit that held then.
fn exceedances(spec: &Spec, readings: &[Sample]) -> usize {
    let below =
        matches!(spec.params.get("direction"), Some(yiwang_detect::Param::Text(side)) if side == "below");
    let holds = |row: &&LimitRow, sample: &Sample| {
        row.valid_from <= sample.time && row.valid_to.is_none_or(|to| sample.time < to)
    };
    let is_beyond = |sample: &&Sample| {
        let row = spec.limits.iter().find(|row| holds(row, sample));
        row.is_some_and(|row| if below { sample.value < row.value } else { sample.value > row.value })
    };
    let judged = readings.iter().take(MAX_READINGS).filter(|sample| sample.quality.is_judged());
    judged.filter(is_beyond).count()
}

#[cfg(test)]
mod tests {
    use yiwang_model::{Quality, Timestamp};

    use super::*;
    use crate::capsule::tests::made;

    fn readings(values: &[f64]) -> Vec<Sample> {
        let sample = |(minute, value): (i64, &f64)| Sample {
            time: Timestamp::from_secs(1_773_100_800) + Span::MINUTE.times(minute),
            value: *value,
            quality: Quality::Good,
        };
        (0..).zip(values).map(sample).collect()
    }

    #[test]
    fn another_limit_finds_other_episodes() {
        let capsule = made("dust-limit", "dust", 60);
        let own = crate::explain::explain(&capsule).unwrap().limits[0].value;
        let high = |minute: i32| if minute % 60 < 20 { own + 10.0 } else { own - 10.0 };
        let values: Vec<f64> = (0..240).map(high).collect();
        let try_with = |value| what_if(&capsule, value, &readings(&values)).unwrap().unwrap();
        let [same, again] = try_with(own);
        assert_eq!(same, again);
        assert!(same.episodes > 1 && same.exceedances == 80, "{same:?}");
        assert_eq!(try_with(own + 50.0)[1], Outcome { episodes: 0, exceedances: 0 });
        let low = try_with(own - 50.0)[1];
        assert_eq!((low.episodes, low.exceedances), (1, 240), "it never ends");
    }

    #[test]
    fn only_limits_are_moved_and_only_so_many_readings_are_judged() {
        assert_eq!(what_if(&made("dust-spike", "dust", 50), 1.0, &[]), Ok(None));
        let capsule = made("dust-limit", "dust", 60);
        let found = what_if(&capsule, 1.0, &readings(&vec![2.0; MAX_READINGS + 500])).unwrap().unwrap();
        assert_eq!(found[1].exceedances, MAX_READINGS);
        let mut altered = capsule;
        altered[40] ^= 1;
        assert!(what_if(&altered, 1.0, &[]).is_err());
    }
}
