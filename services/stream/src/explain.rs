//! Explaining: an episode derived again from its capsule alone.
//!
//! The detector is built from the capsule's own entry, restored, and given the readings, with ticks at its moments, as
//! `crate::slot` does it. It holds when it opens the episode at the moment at which it was opened, with the same begin, extreme, limit,
//! edition and severity. Nothing else is asked: no catalogue, no log, no store, no clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use yiwang_detect::{Detector, Event, Finding, Input, Param, Sample, registry};
use yiwang_model::{AnomalyId, Quality, Series, Severity, Span, Timestamp};
use yiwang_proto::log::CapsuleContent;

use crate::capsule::{self, Broken, Opened};

/// The most moments for which a detector is ticked; a state of nobody's making may wait for more.
const MAX_TICKS: usize = 100_000;

/// An episode as its capsule explains it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The episode.
    pub anomaly: AnomalyId,
    /// The series.
    pub series: Series,
    /// The detector's name in the catalogue.
    pub detector: String,
    /// Its kind.
    pub kind: String,
    /// Its parameters, as the catalogue had them.
    pub params: BTreeMap<String, serde_json::Value>,
    /// The limits that it judged by.
    pub limits: Vec<Limit>,
    /// The revision of the catalogue that was in force.
    pub catalogue_revision: u32,
    /// How far apart readings are.
    pub period: Span,
    /// The event time of the state that it began with.
    pub mark: Timestamp,
    /// How long that state is, in bytes.
    pub state_bytes: usize,
    /// The readings since, up to the opening.
    pub readings: Vec<Reading>,
    /// The event time at which it was opened.
    pub raised: Timestamp,
    /// What was said then.
    pub sealed: Said,
    /// What the detector says when it is given the readings again.
    pub said: Vec<Said>,
    /// Of a kind that asks several witnesses: what each said at the opening, as a share of what it takes for an alarm; the loudest first.
    pub witnesses: Vec<Witness>,
    /// SHA-256 of the capsule's content.
    pub hash: String,
    /// Why it does not hold; `None` when it does.
    pub differs: Option<String>,
}

/// A reading of a capsule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Event time.
    pub time: Timestamp,
    /// In the metric's unit.
    pub value: f64,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// A limit that was judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// In the metric's unit.
    pub value: f64,
    /// From when it holds.
    pub valid_from: Timestamp,
    /// From when it no longer holds.
    pub valid_to: Option<Timestamp>,
    /// Where it stands.
    pub edition: String,
}

/// A step that a detector told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The event time at which the detector was.
    pub at: Timestamp,
    /// Raised, worsened, cleared.
    pub phase: yiwang_model::Phase,
    /// When the episode began.
    pub begin: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// The judged value furthest out.
    pub extreme: f64,
    /// The limit that it was judged against.
    pub limit: Option<f64>,
    /// Where the limit stands.
    pub edition: String,
    /// How grave.
    pub severity: Severity,
}

/// One of several that a detector asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// What it is called.
    pub name: String,
    /// What it said, as a share of what it takes for an alarm.
    pub share: f64,
    /// How often a day the series has a measure that is as far out, as far as that was known.
    pub a_day: Option<f64>,
}

/// Explains an episode by its capsule.
///
/// # Errors
/// [`Broken`] when the bytes are not what was sealed.
pub fn explain(bytes: &[u8]) -> Result<Explanation, Broken> {
    let Opened { hash, content } = capsule::open(bytes)?;
    let (anomaly, series) = capsule::id(&content).zip(capsule::series(&content)).ok_or(UNREADABLE)?;
    let spec = capsule::spec(&content).ok_or(UNREADABLE)?;
    let readings = capsule::readings(&content).ok_or(UNREADABLE)?;
    let sealed = sealed(&content).ok_or(UNREADABLE)?;
    let played = play(&content);
    let differs = played.as_ref().map_or_else(|why| Some(why.clone()), |played| played.differs(&sealed));
    let Played { said, witnesses } = played.unwrap_or_default();
    let limit = |row: &yiwang_detect::LimitRow| Limit {
        value: row.value,
        valid_from: row.valid_from,
        valid_to: row.valid_to,
        edition: row.edition.to_string(),
    };
    let reading =
        |sample: Sample| Reading { time: sample.time, value: sample.value, quality: sample.quality };
    Ok(Explanation {
        anomaly,
        series,
        detector: content.detector,
        kind: content.kind,
        params: spec.params.iter().map(|(key, value)| (key.clone(), shown(value))).collect(),
        limits: spec.limits.iter().map(limit).collect(),
        catalogue_revision: content.catalogue_revision,
        period: Span(content.period_nanos),
        mark: Timestamp(content.mark_nanos),
        state_bytes: content.state.len(),
        readings: readings.into_iter().map(reading).collect(),
        raised: sealed.at,
        sealed,
        said,
        witnesses,
        hash: capsule::hex(&hash),
        differs,
    })
}

const UNREADABLE: Broken = Broken::Form("its content says what cannot be");

/// What was said at the opening, as it was sealed.
fn sealed(content: &CapsuleContent) -> Option<Said> {
    Some(Said {
        at: Timestamp(content.raised_nanos),
        phase: yiwang_model::Phase::Raised,
        begin: Timestamp(content.begin_nanos),
        end: None,
        extreme: content.extreme,
        limit: content.limit,
        edition: content.edition.clone(),
        severity: capsule::severity(content.raised_severity)?,
    })
}

/// What the detector says at the opening, before that is sealed; `None` when it opens no such episode.
pub(crate) fn opening(content: &CapsuleContent) -> Option<Finding> {
    let (begin, raised) = (Timestamp(content.begin_nanos), Timestamp(content.raised_nanos));
    let mut found = None;
    let hear = |at, event: Event, _: &dyn Detector| {
        if let Event::Raised(finding) = event
            && at == raised
            && finding.begin == begin
        {
            found = Some(finding);
        }
    };
    drive(content, hear).ok()?;
    found
}

/// What came of the readings.
#[derive(Default)]
struct Played {
    said: Vec<Said>,
    witnesses: Vec<Witness>,
}

impl Played {
    /// What it does not have in common with what was sealed.
    fn differs(&self, sealed: &Said) -> Option<String> {
        let raised = |said: &&Said| said.phase == sealed.phase && said.at == sealed.at;
        let Some(said) = self.said.iter().find(raised) else {
            return Some(format!("the detector opens no episode at {}", sealed.at));
        };
        let bits = |said: &Said| (said.extreme.to_bits(), said.limit.map(f64::to_bits));
        let same = [
            ("begin", said.begin == sealed.begin),
            ("extreme or limit", bits(said) == bits(sealed)),
            ("edition", said.edition == sealed.edition),
            ("severity", said.severity == sealed.severity),
        ];
        let (what, _) = same.into_iter().find(|(_, same)| !same)?;
        Some(format!("the detector says another {what} than was sealed"))
    }
}

fn play(content: &CapsuleContent) -> Result<Played, String> {
    let raised = Timestamp(content.raised_nanos);
    let mut played = Played::default();
    drive(content, |at, event, detector| {
        if at == raised && matches!(event, Event::Raised(_)) {
            let witness = |of: yiwang_detect::Witness| Witness {
                name: of.name.to_owned(),
                share: of.share,
                a_day: of.a_day,
            };
            played.witnesses = detector.witnesses().into_iter().map(witness).collect();
            played.witnesses.sort_by(|a, b| b.share.total_cmp(&a.share));
        }
        played.said.push(said(at, event));
    })?;
    Ok(played)
}

fn said(at: Timestamp, event: Event) -> Said {
    use yiwang_model::Phase::{Cleared, Raised, Worsened};
    let (phase, finding) = match event {
        Event::Raised(finding) => (Raised, finding),
        Event::Worsened(finding) => (Worsened, finding),
        Event::Cleared(finding) => (Cleared, finding),
    };
    let Finding { begin, end, extreme, limit, edition, severity } = finding;
    Said { at, phase, begin, end, extreme, limit, edition: edition.to_string(), severity }
}

/// Builds the detector of a capsule, restores it, and gives it the readings up to the opening.
fn drive(
    content: &CapsuleContent,
    mut hear: impl FnMut(Timestamp, Event, &dyn Detector),
) -> Result<(), String> {
    let unreadable = || UNREADABLE.to_string();
    let spec = capsule::spec(content).ok_or_else(unreadable)?;
    let readings = capsule::readings(content).ok_or_else(unreadable)?;
    let (mark, raised) = (Timestamp(content.mark_nanos), Timestamp(content.raised_nanos));
    if readings.first().is_some_and(|first| first.time <= mark)
        || readings.last().is_some_and(|last| last.time > raised)
    {
        return Err("it has readings that do not lie between its state and the opening".into());
    }
    let prototype = registry::build(&spec).map_err(|errors| errors[0].to_string())?;
    let mut detector = prototype.make(&capsule::context(content));
    detector.restore(&content.state).map_err(|error| error.to_string())?;
    let (mut events, mut left) = (Vec::new(), MAX_TICKS);
    let mut tick = |detector: &mut dyn Detector, until, hear: &mut dyn FnMut(_, _, &dyn Detector)| {
        let mut last = Timestamp::MIN;
        while let Some(city) = detector.wake_at().filter(|moment| *moment <= until && *moment > last) {
            left = left.checked_sub(1).ok_or("its detector waits for too many moments")?;
            detector.step(&Input::Tick { city }, &mut events);
            events.drain(..).for_each(|event| hear(city, event, detector));
            last = city;
        }
        Ok::<(), String>(())
    };
    let mut heard = Vec::new();
    for sample in readings {
        tick(&mut *detector, sample.time - Span(1), &mut hear)?;
        detector.step(&Input::Reading(sample), &mut heard);
        heard.drain(..).for_each(|event| hear(sample.time, event, &*detector));
    }
    tick(&mut *detector, raised, &mut hear)
}

fn shown(param: &Param) -> serde_json::Value {
    match param {
        Param::Number(number) => (*number).into(),
        Param::Text(text) => text.as_str().into(),
        Param::Flag(flag) => (*flag).into(),
    }
}
