//! One series under judgement: its memory and its detectors.

use std::sync::Arc;

use yiwang_catalogue::{Catalogue, DetectorEntry};
use yiwang_detect::{Detector, Event, Finding, Input};
use yiwang_model::order::EvidencePoint;
use yiwang_model::{Anomaly, AnomalyId, Phase, Series, SeriesId, Span, Timestamp};
use yiwang_proto::log::{DetectorState, SeriesState};

use crate::history::History;
use crate::item::{Found, Judged};

/// The most values that the evidence of an order shows.
const EVIDENCE_POINTS: usize = 100;

/// The kind of detector whose episodes the rule across series may hold back.
const SILENCE: &str = "silence";

/// A series under judgement.
pub(crate) struct Watched {
    pub(crate) history: History,
    pub(crate) gateway: Arc<str>,
    series: Series,
    slots: Vec<Slot>,
    /// How far behind the city's clock its newest reading was when it came. A deadline that was over by then is moved by as
    /// much, so that a source that sends its past first, oldest first, is not taken for a silent one.
    lag: Span,
    /// The earliest wake that was handed out and has not come yet, in city time.
    scheduled: Option<Timestamp>,
}

/// A detector of the series, and the episode that it has open.
struct Slot {
    entry: Arc<DetectorEntry>,
    detector: Box<dyn Detector>,
    open: Option<Box<Anomaly>>,
}

/// Which detectors take a step.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    /// All of them, on a reading.
    All(&'a Input),
    /// Those that wait for a city time up to this one.
    Due(Timestamp),
}

impl Watched {
    /// A series as the catalogue has it; `None` when it has no such source, or one without this metric.
    pub(crate) fn new(series: Series, catalogue: &Catalogue) -> Option<Self> {
        let gateway = gateway(&series, catalogue)?;
        let slots = slots(&series, catalogue);
        Some(Self { history: History::default(), gateway, series, slots, lag: Span::ZERO, scheduled: None })
    }

    /// Notes that a new reading of this event time came no earlier than at this city time. One that came out of turn says nothing of how
    /// far the series is behind.
    pub(crate) fn came(&mut self, time: Timestamp, city: Timestamp) {
        if self.newest() <= time {
            self.lag = (city - time).max(Span::ZERO);
        }
    }

    fn newest(&self) -> Timestamp {
        self.history.newest(1).next().map_or(Timestamp::MIN, |newest| newest.time)
    }

    pub(crate) fn step(&mut self, step: Step<'_>, events: &mut Vec<Event>, out: &mut Vec<Judged>) {
        let newest = self.newest();
        for slot in &mut self.slots {
            match step {
                Step::All(input) => slot.detector.step(input, events),
                Step::Due(city) => {
                    if let Some(wake) = slot.wake(newest, self.lag).filter(|wake| wake.at <= city) {
                        slot.detector.step(&Input::Tick { city: city - wake.moved }, events);
                    }
                }
            }
            for event in events.drain(..) {
                let found = slot.take(event, &self.series, &self.history);
                out.push(slot.wrap(found, &self.gateway));
            }
        }
    }

    /// The city time at which to look at it again, if that is earlier than what was said before.
    pub(crate) fn reschedule(&mut self) -> Option<Timestamp> {
        let newest = self.newest();
        let wanted =
            self.slots.iter().filter_map(|slot| slot.wake(newest, self.lag)).map(|wake| wake.at).min()?;
        if self.scheduled.is_some_and(|scheduled| scheduled <= wanted) {
            return None;
        }
        self.scheduled = Some(wanted);
        Some(wanted)
    }

    /// Whether a wake at this time is the one that counts; it is then used up.
    pub(crate) fn is_due(&mut self, at: Timestamp) -> bool {
        let due = self.scheduled == Some(at);
        if due {
            self.scheduled = None;
        }
        due
    }

    /// Goes over to another catalogue. A detector that both have keeps its state; the open episode of one that is gone
    /// ends now, so that no order waits for it for ever. False when the catalogue does not have the series at all.
    pub(crate) fn switch(
        &mut self,
        catalogue: &Catalogue,
        city: Option<Timestamp>,
        out: &mut Vec<Judged>,
    ) -> bool {
        self.scheduled = None;
        let gateway = gateway(&self.series, catalogue);
        let slots = if gateway.is_some() { slots(&self.series, catalogue) } else { Vec::new() };
        let old = std::mem::replace(&mut self.slots, slots);
        for mut gone in old {
            let heir = self.slots.iter_mut().find(|slot| slot.entry.name == gone.entry.name);
            if !heir.is_some_and(|heir| heir.inherit(&gone)) {
                out.extend(gone.end(city, &self.gateway));
            }
        }
        let known = gateway.is_some();
        self.gateway = gateway.unwrap_or_else(|| Arc::clone(&self.gateway));
        known
    }

    pub(crate) fn save(&self, id: SeriesId) -> SeriesState {
        let detectors = self.slots.iter().map(Slot::save).collect();
        SeriesState { id: id.0, history: Some(self.history.save()), detectors, lag_nanos: self.lag.0 }
    }

    pub(crate) fn restore(&mut self, state: &SeriesState) -> Result<(), String> {
        let series = &self.series;
        let history = state.history.as_ref().and_then(History::restore);
        self.history = history.ok_or_else(|| format!("the history of {series} is damaged"))?;
        self.lag = Span(state.lag_nanos);
        for saved in &state.detectors {
            if let Some(slot) = self.slots.iter_mut().find(|slot| *slot.entry.name == *saved.name) {
                slot.restore(saved).map_err(|error| format!("{series}: {error}"))?;
            }
        }
        Ok(())
    }
}

/// Through which gateway the series comes, if the catalogue has it.
fn gateway(series: &Series, catalogue: &Catalogue) -> Option<Arc<str>> {
    let station = catalogue.station(series.source())?;
    station.metrics.contains(series.metric()).then(|| Arc::clone(&station.gateway))
}

fn slots(series: &Series, catalogue: &Catalogue) -> Vec<Slot> {
    let context = catalogue.series_context(series);
    let slot = |entry: &Arc<DetectorEntry>| {
        let prototype = entry.prototype(series.metric())?;
        Some(Slot { entry: Arc::clone(entry), detector: prototype.make(&context), open: None })
    };
    catalogue.detectors_for(series.metric()).iter().filter_map(slot).collect()
}

/// When a detector is to be woken.
struct Wake {
    /// In city time.
    at: Timestamp,
    /// How much later than the detector said.
    moved: Span,
}

impl Slot {
    /// When the detector wants a tick, moved by the lag if that was over when the newest reading came.
    fn wake(&self, newest: Timestamp, lag: Span) -> Option<Wake> {
        let at = self.detector.wake_at()?;
        let moved = if lag >= at - newest { lag } else { Span::ZERO };
        Some(Wake { at: at + moved, moved })
    }

    fn take(&mut self, event: Event, series: &Series, history: &History) -> Found {
        let raised = matches!(event, Event::Raised(_));
        let anomaly = anomaly(&self.entry.name, series, event);
        self.open = (anomaly.phase != Phase::Cleared).then(|| Box::new(anomaly.clone()));
        let points = if raised { evidence(history) } else { Vec::new() };
        Found { anomaly, points, series: vec![series.clone()] }
    }

    fn wrap(&self, found: Found, gateway: &Arc<str>) -> Judged {
        if *self.entry.kind == *SILENCE {
            Judged::Silence(Box::new(found), gateway.to_string())
        } else {
            Judged::Found(Box::new(found))
        }
    }

    /// Takes over state and episode of the detector of the same name under the catalogue before.
    fn inherit(&mut self, before: &Self) -> bool {
        if self.entry.kind != before.entry.kind {
            return false;
        }
        let mut state = Vec::new();
        before.detector.snapshot(&mut state);
        let inherited = self.detector.restore(&state).is_ok();
        if inherited {
            self.open.clone_from(&before.open);
        }
        inherited
    }

    fn end(&mut self, city: Option<Timestamp>, gateway: &Arc<str>) -> Option<Judged> {
        let open = self.open.take()?;
        let end = city.map(|city| city.max(open.begin));
        let series = vec![open.series.clone()];
        let anomaly = Anomaly { phase: Phase::Cleared, end, ..*open };
        Some(self.wrap(Found { anomaly, points: Vec::new(), series }, gateway))
    }

    fn save(&self) -> DetectorState {
        let mut state = Vec::new();
        self.detector.snapshot(&mut state);
        let open = self.open.as_ref().and_then(|open| serde_json::to_string(open).ok());
        let (name, kind) = (self.entry.name.to_string(), self.entry.kind.to_string());
        DetectorState { name, kind, state, open: open.unwrap_or_default() }
    }

    fn restore(&mut self, saved: &DetectorState) -> Result<(), String> {
        if *saved.kind != *self.entry.kind {
            return Ok(());
        }
        self.detector.restore(&saved.state).map_err(|error| error.to_string())?;
        if !saved.open.is_empty() {
            self.open = Some(serde_json::from_str(&saved.open).map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}

fn evidence(history: &History) -> Vec<EvidencePoint> {
    let judged = history.newest(EVIDENCE_POINTS).filter(|sample| sample.quality.is_judged());
    judged.map(|sample| EvidencePoint { time: sample.time, value: sample.value }).collect()
}

/// The step of an episode that an event of a detector is.
pub(crate) fn anomaly(detector: &Arc<str>, series: &Series, event: Event) -> Anomaly {
    let (phase, finding) = match event {
        Event::Raised(finding) => (Phase::Raised, finding),
        Event::Worsened(finding) => (Phase::Worsened, finding),
        Event::Cleared(finding) => (Phase::Cleared, finding),
    };
    let Finding { begin, end, extreme, limit, edition, severity } = finding;
    let id = AnomalyId::of(detector, series, begin);
    let (detector, series) = (Arc::clone(detector), series.clone());
    Anomaly { id, detector, series, phase, begin, end, extreme, limit, edition, severity }
}

/// The event of a detector that a step of an episode is.
pub(crate) fn event(anomaly: &Anomaly) -> Event {
    let finding = Finding {
        begin: anomaly.begin,
        end: anomaly.end,
        extreme: anomaly.extreme,
        limit: anomaly.limit,
        edition: Arc::clone(&anomaly.edition),
        severity: anomaly.severity,
    };
    match anomaly.phase {
        Phase::Raised => Event::Raised(finding),
        Phase::Worsened => Event::Worsened(finding),
        Phase::Cleared => Event::Cleared(finding),
    }
}
