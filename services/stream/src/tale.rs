//! What was said of the episodes that one detector found in one series, and how it is taken back.
//!
//! A tale is every episode of which something may still be said anew, each as it was last told. When readings that came late
//! have been played again, [`Tale::revise`] holds what was found now against what was told, and says the difference. An
//! episode keeps its name while it is moved, shortened or prolonged. Of several that become one the earliest stays, and the others
//! are withdrawn into it; of one that falls apart the earliest part keeps the name. One that comes back after it was withdrawn is
//! the same again.
//!
//! Episodes of a tale overlap in no moment, for a detector has one open at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yiwang_detect::Event;
use yiwang_model::{Anomaly, AnomalyId, Because, Phase, Series, Span, Timestamp};

/// An episode as it was last told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// What was said last.
    pub(crate) anomaly: Anomaly,
    /// The event time that the detector was at when it raised it.
    pub(crate) raised: Timestamp,
    /// The same when it last spoke of it.
    pub(crate) known: Timestamp,
}

impl Told {
    fn is_withdrawn(&self) -> bool {
        self.anomaly.phase == Phase::Withdrawn
    }

    /// The times that it covers, both inclusive; up to `now` while it goes on.
    fn covers(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let Anomaly { begin, end, .. } = self.anomaly;
        let open_end = if self.is_withdrawn() { begin } else { now.max(begin) };
        (begin, end.unwrap_or(open_end))
    }

    fn overlaps(&self, other: &Self, now: Timestamp) -> bool {
        let ((begin, end), (other_begin, other_end)) = (self.covers(now), other.covers(now));
        begin <= other_end && other_begin <= end
    }

    /// Whether nothing of it may be said anew once all up to this event time is settled.
    fn is_settled(&self, until: Timestamp) -> bool {
        !self.anomaly.is_active() && self.known <= until
    }

    /// Takes one more event of the same episode.
    fn goes_on(&mut self, event: Event, at: Timestamp) -> Anomaly {
        let is = event.of(&self.anomaly.detector, &self.anomaly.series);
        self.anomaly = Anomaly { id: self.anomaly.id, ..is };
        self.known = at;
        self.anomaly.clone()
    }
}

/// Whether two say the same of an episode, whatever it is called.
fn same(a: &Anomaly, b: &Anomaly) -> bool {
    (a.begin, a.end, a.severity) == (b.begin, b.end, b.severity)
        && a.extreme.to_bits() == b.extreme.to_bits()
        && a.limit.map(f64::to_bits) == b.limit.map(f64::to_bits)
        && a.edition == b.edition
}

/// Episodes in the order in which they begin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tale(Vec<Told>);

impl Tale {
    /// A tale that goes on with an episode that is open.
    pub(crate) fn with(open: Option<Told>) -> Self {
        Self(open.into_iter().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The episode that goes on.
    pub(crate) fn open(&self) -> Option<&Told> {
        self.0.iter().rev().find(|told| told.anomaly.is_active())
    }

    /// Takes what the detector says at an event time, after all that was told, and gives the step that it is.
    pub(crate) fn say(
        &mut self,
        event: Event,
        (detector, series): (&Arc<str>, &Series),
        at: Timestamp,
    ) -> Anomaly {
        let open = self.0.iter_mut().rev().find(|told| told.anomaly.is_active());
        match (event, open) {
            (event @ (Event::Worsened(_) | Event::Cleared(_)), Some(open)) => open.goes_on(event, at),
            (event, _) => {
                let told = Told { anomaly: event.of(detector, series), raised: at, known: at };
                let told = self.name(told, at);
                self.0.push(told.clone());
                told.anomaly
            }
        }
    }

    /// Gives a new episode a name that no other has: that of one which was withdrawn, if it is that one again. That one is then
    /// no longer told of apart.
    fn name(&mut self, mut new: Told, now: Timestamp) -> Told {
        let again = |told: &Told| {
            told.is_withdrawn() && (told.anomaly.id == new.anomaly.id || told.overlaps(&new, now))
        };
        if let Some(place) = self.0.iter().position(again) {
            new.anomaly.id = self.0.remove(place).anomaly.id;
        }
        let Anomaly { detector, series, mut begin, .. } = new.anomaly.clone();
        while self.0.iter().any(|told| told.anomaly.id == new.anomaly.id) {
            begin = begin + Span(1);
            new.anomaly.id = AnomalyId::of(&detector, &series, begin);
        }
        new
    }

    /// Lets go of what is settled once all up to this event time is.
    pub(crate) fn settle(&mut self, until: Timestamp) {
        self.0.retain(|told| !told.is_settled(until));
    }

    /// Holds what was found by playing all readings after `from` again against what was told, and says the difference. `found`
    /// begins with the episode that was open at `from`, if one was. `late` are the readings that came late, `now` is the event time
    /// that the detector is at.
    pub(crate) fn revise(
        &mut self,
        from: Timestamp,
        found: Self,
        late: &[Because],
        now: Timestamp,
    ) -> Vec<Anomaly> {
        let (settled, told) = std::mem::take(&mut self.0).into_iter().partition(|told| told.is_settled(from));
        self.0 = settled;
        let mut told: Vec<Option<Told>> = Vec::into_iter(told).map(Some).collect();
        let pairs = pair(&told, &found.0, now);
        let (mut said, mut new) = (Vec::new(), Vec::new());
        for (is, was) in found.0.into_iter().zip(pairs) {
            match was.and_then(|was| told[was].take()) {
                Some(was) => said.extend(self.keep(is, &was, late, now)),
                None => new.push(is),
            }
        }
        let gone: Vec<Told> = told.into_iter().flatten().collect();
        gone.into_iter().for_each(|told| said.extend(self.withdraw(told, late, now)));
        new.into_iter().for_each(|told| said.extend(self.raise(told, late, now)));
        self.0.sort_by_key(|told| told.anomaly.begin);
        said
    }

    /// An episode that was told and is still there.
    fn keep(&mut self, is: Told, was: &Told, late: &[Because], now: Timestamp) -> Option<Anomaly> {
        let anomaly = Anomaly { id: was.anomaly.id, ..is.anomaly };
        let revised = !same(&anomaly, &was.anomaly);
        let is = Told { anomaly, ..is };
        let step = Anomaly { phase: Phase::Revised, because: nearest(late, &is, now), ..is.anomaly.clone() };
        self.0.push(is);
        revised.then_some(step)
    }

    /// An episode that was told and is not there any more, or part of one that is kept.
    fn withdraw(&mut self, mut told: Told, late: &[Because], now: Timestamp) -> Option<Anomaly> {
        let was_withdrawn = told.is_withdrawn();
        if !was_withdrawn {
            let heir = self.0.iter().find(|kept| !kept.is_withdrawn() && kept.overlaps(&told, now));
            let into = heir.map(|heir| heir.anomaly.id);
            let because = nearest(late, &told, now);
            told.anomaly = Anomaly { phase: Phase::Withdrawn, because, into, ..told.anomaly };
            told.known = now;
        }
        let step = told.anomaly.clone();
        self.0.push(told);
        (!was_withdrawn).then_some(step)
    }

    /// An episode of which nobody knew.
    fn raise(&mut self, told: Told, late: &[Because], now: Timestamp) -> impl Iterator<Item = Anomaly> {
        let told = self.name(told, now);
        let because = nearest(late, &told, now);
        let is = told.anomaly.clone();
        let raised = Anomaly { phase: Phase::Raised, end: None, because, ..is.clone() };
        let cleared = is.end.map(|_| Anomaly { phase: Phase::Cleared, ..is });
        self.0.push(told);
        std::iter::once(raised).chain(cleared)
    }

    /// The episode of this name.
    pub(crate) fn of(&self, id: AnomalyId) -> Option<&Told> {
        self.0.iter().find(|told| told.anomaly.id == id)
    }

    /// What the episode that begins then is called.
    pub(crate) fn name_of(&self, begin: Timestamp) -> Option<AnomalyId> {
        let told = self.0.iter().find(|told| !told.is_withdrawn() && told.anomaly.begin == begin);
        told.map(|told| told.anomaly.id)
    }
}

/// For each episode that was found, in their order, the one that was told of it: the one that begins with it or has its name, else the
/// earliest that overlaps it. Takes as long as both lists are, but for a logarithm: a series may have hundreds of each.
fn pair(told: &[Option<Told>], found: &[Told], now: Timestamp) -> Vec<Option<usize>> {
    let held = || told.iter().enumerate().filter_map(|(at, told)| Some((at, told.as_ref()?)));
    let held = || held().filter(|(_, told)| !told.is_withdrawn());
    let by_begin: BTreeMap<Timestamp, usize> = held().map(|(at, told)| (told.anomaly.begin, at)).collect();
    let by_name: BTreeMap<AnomalyId, usize> = held().map(|(at, told)| (told.anomaly.id, at)).collect();
    let mut taken = vec![false; told.len()];
    let mut pairs: Vec<Option<usize>> = vec![None; found.len()];
    let mut take = |pair: &mut Option<usize>, at: Option<&usize>| {
        *pair = pair.or_else(|| at.copied().filter(|at| !std::mem::replace(&mut taken[*at], true)));
    };
    for (pair, is) in pairs.iter_mut().zip(found) {
        take(pair, by_begin.get(&is.anomaly.begin));
    }
    for (pair, is) in pairs.iter_mut().zip(found) {
        take(pair, by_name.get(&is.anomaly.id));
    }
    // Both lists are in order, and no two of one overlap: what ended before one begins is of no account for those behind it.
    let mut rest = held().filter(|(at, _)| !taken[*at]).peekable();
    for (pair, is) in pairs.iter_mut().zip(found).filter(|(pair, _)| pair.is_none()) {
        while rest.next_if(|(_, told)| told.covers(now).1 < is.anomaly.begin).is_some() {}
        *pair = rest.next_if(|(_, told)| told.overlaps(is, now)).map(|(at, _)| at);
    }
    pairs
}

/// The late reading that is nearest to an episode; of equals the earliest.
fn nearest(late: &[Because], of: &Told, now: Timestamp) -> Option<Because> {
    let (begin, end) = of.covers(now);
    let distance = |late: &&Because| (begin - late.time).max(late.time - end).max(Span::ZERO);
    late.iter().min_by_key(distance).copied()
}

#[cfg(test)]
mod tests;
