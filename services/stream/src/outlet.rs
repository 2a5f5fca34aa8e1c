//! What the readings of one series lead to: steps of episodes with what an order about them shows, capsules by which they are explained,
//! and what series reckoned from it are told.

use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_detect::Event;
use yiwang_model::order::EvidencePoint;
use yiwang_model::{Anomaly, Phase, Series, SeriesId, Span, Timestamp};

use crate::capsule::Opening;
use crate::derive::{Fed, What};
use crate::history::History;
use crate::item::{Counts, Found, Item, Judged, Kept, Marked};
use crate::slot::Slot;

/// The most values that the evidence of an order shows.
const EVIDENCE_POINTS: usize = 100;

/// The kind of detector whose episodes the rule across series may hold back.
pub(crate) const SILENCE: &str = "silence";

/// What the readings of a series lead to.
pub(crate) struct Outlet<'a> {
    /// The catalogue in force, and its revision.
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) revision: u32,
    pub(crate) counts: &'a mut Counts,
    /// Of what detectors say in one step; kept for its memory.
    pub(crate) events: &'a mut Vec<Event>,
    pub(crate) out: &'a mut Vec<Judged>,
}

impl Outlet<'_> {
    /// A reading came too late: what was made of its minute is to be made anew.
    pub(crate) fn mark(&mut self, item: &Item) {
        let minute = item.time.nanos().div_euclid(Span::MINUTE.0).saturating_mul(Span::MINUTE.0);
        let marked = Judged::Marked(Marked { series: item.series.0, minute });
        if self.out.last() != Some(&marked) {
            self.out.push(marked);
        }
    }
}

/// What of a series does not change while its detectors speak.
pub(crate) struct Scene<'a> {
    series: &'a Series,
    gateway: &'a Arc<str>,
    history: &'a History,
    /// The event times of the marks, the newer first.
    marks: [Option<Timestamp>; 2],
}

impl<'a> Scene<'a> {
    pub(crate) fn of(
        series: &'a Series,
        gateway: &'a Arc<str>,
        history: &'a History,
        marks: [Option<Timestamp>; 2],
    ) -> Self {
        Self { series, gateway, history, marks }
    }
}

/// Hands on what a detector said.
pub(crate) fn give(slot: &Slot, said: &mut Vec<Anomaly>, scene: &Scene<'_>, outlet: &mut Outlet<'_>) {
    if said.is_empty() {
        return;
    }
    let is_silence = *slot.entry.kind == *SILENCE;
    for anomaly in said.drain(..) {
        tell_asking(slot, &anomaly, outlet.out);
        let opened = slot.raised_at(anomaly.id);
        if matches!(anomaly.phase, Phase::Raised | Phase::Revised) {
            keep(slot, &anomaly, opened, scene, outlet);
        }
        let is_new = anomaly.phase == Phase::Raised;
        let points = if is_new { evidence(scene.history, opened) } else { Vec::new() };
        let found = Found { anomaly, points, series: vec![scene.series.clone()] };
        outlet.out.push(wrap(is_silence, found, scene.gateway));
    }
}

/// Keeps what an episode follows from, if there is a mark from before it.
fn keep(slot: &Slot, anomaly: &Anomaly, raised: Timestamp, scene: &Scene<'_>, outlet: &mut Outlet<'_>) {
    let Some((state, mark)) = slot.before(raised, scene.marks) else { return };
    let context = outlet.catalogue.series_context(scene.series);
    let (entry, revision) = (&*slot.entry, outlet.revision);
    let opening = Opening { anomaly, entry, context: &context, revision, state, mark, raised };
    match opening.capsule(scene.history.played(mark, raised)) {
        Some(capsule) => outlet.out.push(Judged::Capsule(Box::new(Kept { anomaly: anomaly.id, capsule }))),
        None => outlet.counts.unexplained += 1,
    }
}

/// What is reckoned from a series.
pub(crate) struct Links {
    /// The reckoned series that its readings go to, and their place there.
    feeds: Box<[(SeriesId, u32)]>,
    /// Those that are told how late its readings come.
    clocks: Box<[(SeriesId, u32)]>,
}

impl Links {
    pub(crate) fn of(series: &Series, catalogue: &Catalogue) -> Option<Box<Self>> {
        let feeds = feeds_of(catalogue.derived().fed_by(series));
        let clocks = feeds_of(catalogue.derived().timed_by(series));
        (!feeds.is_empty() || !clocks.is_empty()).then(|| Box::new(Self { feeds, clocks }))
    }

    /// Hands on a reading that is new or corrects one.
    pub(crate) fn feed(&self, item: &Item, is_new: bool, city: Option<Timestamp>, outlet: &mut Outlet<'_>) {
        let what = |value| What::Reading { time: item.time.0, vintage: item.vintage, value };
        if !self.feeds.is_empty() {
            let value = Some(item.value).filter(|value| item.quality.is_judged() && value.is_finite());
            feed_all(&self.feeds, what(value), outlet.out);
        }
        if let (true, Some(city), false) = (is_new, city, self.clocks.is_empty()) {
            feed_all(&self.clocks, what(Some((city - item.time).as_secs_f64())), outlet.out);
        }
    }
}

/// Tells reckoned series that ask about a detector what became of an episode of its.
pub(crate) fn tell_asking(slot: &Slot, anomaly: &Anomaly, out: &mut Vec<Judged>) {
    feed_all(slot.asked(), episode(anomaly), out);
}

/// Tells reckoned series something.
fn feed_all(to: &[(SeriesId, u32)], what: What, out: &mut Vec<Judged>) {
    for (to, place) in to {
        // What one worker says in an epoch comes in this order.
        let order = out.len() as u64;
        out.push(Judged::Fed(Fed { to: to.0, place: *place, order, what }));
    }
}

/// Where an episode lies, as those who ask about it are told.
fn episode(of: &Anomaly) -> What {
    let covers = (of.phase != Phase::Withdrawn).then(|| (of.begin.0, of.end.map(Timestamp::nanos)));
    What::Episode { id: of.id.0, covers }
}

/// As they are held with a series.
pub(crate) fn feeds_of(to: &[(Series, usize)]) -> Box<[(SeriesId, u32)]> {
    to.iter().map(|(series, place)| (series.id(), u32::try_from(*place).unwrap_or(u32::MAX))).collect()
}

/// A silence goes its own way: the rule across series may hold it back.
pub(crate) fn wrap(is_silence: bool, found: Found, gateway: &Arc<str>) -> Judged {
    if is_silence {
        Judged::Silence(Box::new(found), gateway.to_string())
    } else {
        Judged::Found(Box::new(found))
    }
}

/// The last judged values up to an event time.
fn evidence(history: &History, until: Timestamp) -> Vec<EvidencePoint> {
    let judged = history.last(EVIDENCE_POINTS, until).filter(|sample| sample.quality.is_judged());
    judged.map(|sample| EvidencePoint { time: sample.time, value: sample.value }).collect()
}
