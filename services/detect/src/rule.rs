//! Rules across series: they step once per closed epoch, on everything that happened in it at once.
//!
//! A rule has no clock, no IO and no dice either. What its caller promises: `heard` is sorted by gateway, each
//! there once; `events` are sorted by [`sort`]; epochs come in order. A rule keeps its state by gateway, so
//! that gateways can be dealt out over workers, each with a rule of its own.

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
/// said of one series stays in the order in which it said it.
pub fn sort(events: &mut [SeriesEvent]) {
    events.sort_by(|a, b| {
        let (a, b) = (&a.anomaly, &b.anomaly);
        at(a).cmp(&at(b)).then_with(|| a.series.cmp(&b.series)).then_with(|| a.detector.cmp(&b.detector))
    });
}

fn at(of: &Anomaly) -> Timestamp {
    match of.phase {
        Phase::Cleared => of.end.unwrap_or(of.begin),
        Phase::Raised | Phase::Worsened | Phase::Revised | Phase::Withdrawn => of.begin,
    }
}
