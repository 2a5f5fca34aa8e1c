//! Rules across series: they step once per closed epoch, on everything that happened in it at once.
//!
//! A rule has no clock, no IO and no dice either. What its caller promises: `heard` is sorted by gateway, each
//! there once; `events` are sorted by [`sort`]; epochs come in order. A rule keeps its state by gateway, so
//! that gateways can be dealt out over workers, each with a rule of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::{Anomaly, Phase, Series, Timestamp};

use crate::Error;
use crate::topology::Topology;

/// What happened in one closed epoch.
#[derive(Clone, Copy, Debug)]
pub struct Epoch<'a> {
    /// City time of the tick that closed it.
    pub city: Timestamp,
    /// The gateways that were heard in it.
    pub heard: &'a [Heard],
    /// What detectors of single series said in it, of the kinds that the rule looks at.
    pub events: &'a [SeriesEvent],
}

/// A gateway was heard: some reading of any of its series arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Which, as [`crate::gateway::subject`] names it.
    pub gateway: Series,
    /// The earliest event time among the readings.
    pub oldest: Timestamp,
    /// The latest event time among the readings.
    pub newest: Timestamp,
}

/// What a detector said of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesEvent {
    /// Through which gateway the series was last heard.
    pub gateway: Series,
    /// What it said.
    pub anomaly: Anomaly,
}

/// Which gateways there are, and which series come through them.
pub trait Homes {
    /// Whether there is this gateway, as [`crate::gateway::subject`] names it.
    fn has(&self, gateway: &Series) -> bool;

    /// The gateway of a series, if there is the series.
    fn of(&self, series: &Series) -> Option<Series>;
}

/// A rule across series.
pub trait Rule: Send {
    /// Takes one closed epoch and adds what follows from it to `out`: what it lets pass, and what it says itself.
    fn step(&mut self, epoch: &Epoch<'_>, out: &mut Vec<Anomaly>);

    /// Is told what hangs on what, before the first step and whenever another catalogue comes into force.
    fn learn(&mut self, _topology: Arc<Topology>) {}

    /// Whether it looks at what a detector says, besides silences.
    fn wants(&self, _detector: &str) -> bool {
        false
    }

    /// The series that an open episode of its own is about; none where its subject says it.
    fn evidence(&self, _subject: &Series) -> Vec<Series> {
        Vec::new()
    }

    /// Ends the rule, as another catalogue does that no longer has it: its open episodes end at `city`, what it held
    /// back surfaces.
    fn retire(&mut self, city: Timestamp, out: &mut Vec<Anomaly>);

    /// Goes over to another catalogue that has it too: what it holds of a series moves to the gateway through which the
    /// series comes now; the open episode of a gateway that is gone ends at `city`.
    fn rehome(&mut self, city: Timestamp, homes: &dyn Homes, out: &mut Vec<Anomaly>);

    /// Adds its whole state to `out`.
    fn snapshot(&self, out: &mut Vec<u8>);

    /// Takes over a state that [`Rule::snapshot`] of the same kind of rule gave.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the bytes are no such state; the rule is then as it was.
    fn restore(&mut self, state: &[u8]) -> Result<(), Error>;
}

/// Puts events into the one order in which rules take them: event time, series, detector; what one detector
/// said of one series stays in the order in which it said it: what it says of an earlier time comes at that of the step before.
pub fn sort(events: &mut Vec<SeriesEvent>) {
    let mut last = BTreeMap::new();
    let mut times = Vec::with_capacity(events.len());
    for SeriesEvent { anomaly, .. } in &*events {
        let last = last.entry((&anomaly.series, &anomaly.detector)).or_insert(Timestamp::MIN);
        *last = at(anomaly).max(*last);
        times.push(*last);
    }
    let mut timed: Vec<(Timestamp, SeriesEvent)> = times.into_iter().zip(events.drain(..)).collect();
    timed.sort_by(|(a_time, a), (b_time, b)| {
        let (a, b) = (&a.anomaly, &b.anomaly);
        a_time.cmp(b_time).then_with(|| (&a.series, &a.detector).cmp(&(&b.series, &b.detector)))
    });
    events.extend(timed.into_iter().map(|(_, event)| event));
}

fn at(of: &Anomaly) -> Timestamp {
    match of.phase {
        Phase::Cleared => of.end.unwrap_or(of.begin),
        Phase::Raised | Phase::Worsened | Phase::Revised | Phase::Withdrawn => of.begin,
    }
}

#[cfg(test)]
mod tests {
    use yiwang_model::Severity;

    use super::*;
    use crate::{Event, Finding};

    fn step(series: &str, begin: i64, phase: Phase, id: i64) -> SeriesEvent {
        let series = Series::new(series, "m").unwrap();
        let finding = Finding {
            begin: Timestamp(begin),
            end: None,
            extreme: 0.0,
            limit: None,
            edition: "".into(),
            severity: Severity::Notice,
        };
        let raised = Event::Raised(finding).of(&"silence".into(), &series);
        let id = yiwang_model::AnomalyId::of("silence", &series, Timestamp(id));
        SeriesEvent { gateway: series, anomaly: Anomaly { phase, id, ..raised } }
    }

    /// A correction takes an episode back and a reading raises it again from an earlier time: whoever takes the raise first ends with nothing.
    #[test]
    fn what_is_said_of_a_series_keeps_its_order_whatever_times_it_names() {
        let said = [
            step("b", 40, Phase::Withdrawn, 40),
            step("a", 38, Phase::Raised, 38),
            step("b", 35, Phase::Raised, 40),
            step("c", 36, Phase::Raised, 36),
        ];
        let mut events = said.to_vec();
        sort(&mut events);
        let order = |events: &[SeriesEvent]| -> Vec<(String, i64)> {
            events
                .iter()
                .map(|event| (event.anomaly.series.source().to_string(), event.anomaly.begin.0))
                .collect()
        };
        let wanted = [("c", 36), ("a", 38), ("b", 40), ("b", 35)];
        assert_eq!(order(&events), wanted.map(|(source, begin)| (source.to_owned(), begin)));
    }
}
