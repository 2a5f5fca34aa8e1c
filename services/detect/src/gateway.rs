//! `gateway_silent`: a gateway of which nothing is heard; one anomaly for it, not one for each of its series.
//!
//! # When a gateway is silent
//! When none of its series was heard for `after`, in an epoch in which none was heard either. Heard is what
//! came by the later of its event time and the city time at which it came. Where `after` is not given, the
//! gateway is silent when a series of it falls silent and nothing else of it was heard for half of what that
//! series may be silent: other series that still speak show that the gateway lives (so a series should be
//! allowed at least two of its periods; else give `after`). The episode begins that
//! long after the newest event time of the gateway, and ends at the earliest event time of the epoch that ended
//! it. A gateway that comes back in the very epoch that shows its gap was silent too: raised and cleared at once.
//!
//! # What becomes of its series' own silences
//! They are held for one further epoch, so that fifty that fall in two neighbouring epochs are seen as one; then
//! they pass. Those held when the gateway falls silent, and all that come while it lasts, stay held; a held one
//! whose series speaks again, or that is withdrawn, never surfaces. Those that are left when the gateway speaks again surface after
//! as long as their series may be silent, counted in city time from then. Under a catalogue by which a series comes
//! through another gateway, what is held of it is that gateway's.
//!
//! # Invariants
//! A gateway's state depends on nothing but what came of it, epoch by epoch, so that gateways can be dealt out
//! over workers. Of any series and detector what surfaces is in order: raised, cleared, raised, …
//!
//! Memory: 104 bytes a gateway and 208 for each silence that is held, names shared, besides the room that a
//! B-tree keeps free (at most as much again).
//!
//! # Saved state
//! Head 0x71; number of gateways; for each its name, newest event time (option), city time when last heard,
//! open episode (option: begin, after in ns), number of held silences; for each of these source, metric,
//! detector, name (16 bytes), finding, ended finding (option), and 0 new, 1 waiting, 2 while the gateway is silent, or 3 and the
//! city time at which it surfaces. A finding: begin, end (option), extreme, limit (option), edition, severity.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Anomaly, Phase, Series, Severity, Span, Timestamp};

use crate::params::{Entry, Form, Parameter, SOURCE, optional};
use crate::registry::{Kind, Make};
use crate::rule::{Epoch, Heard, Homes, Rule, SeriesEvent};
use crate::state::{Reader, put_byte, put_count};
use crate::{Error, Event, Finding, Spec};

mod saved;

const NAME: &str = "gateway_silent";
const HEAD: u8 = 0x71;
const _: () = assert!(size_of::<(Series, Gateway)>() <= 104);
const _: () = assert!(size_of::<((Series, Arc<str>), Held)>() <= 208);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "网关静默：网关下所有序列同时失联",
    en: "nothing is heard of any series of the gateway",
    unit: "s",
    params: PARAMS,
    needs_limits: false,
    make: Make::Across(build),
};

const PARAMS: &[Parameter] = &[
    optional(
        "after",
        Form::Span,
        "how long a gateway may be silent; else half of what its silent series may be",
    ),
    SOURCE,
];

/// What a gateway is called where a series is wanted: (name, "gateway").
///
/// # Errors
/// [`yiwang_model::Error::Name`] when the name is not one that a series may have.
pub fn subject(gateway: impl Into<Arc<str>>) -> Result<Series, yiwang_model::Error> {
    Series::new(gateway, "gateway")
}

fn build(spec: &Spec) -> Result<Box<dyn Rule>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let after = entry.span("after");
    if after == Some(Span::ZERO) {
        entry.fault("after", "is 0s; a span above zero is wanted");
    }
    let teller = Teller { detector: Arc::clone(&spec.name), source: entry.source(), severity: spec.severity };
    entry.finish(Box::new(GatewaySilent { after, teller, gateways: BTreeMap::new() }))
}

struct GatewaySilent {
    after: Option<Span>,
    teller: Teller,
    gateways: BTreeMap<Series, Gateway>,
}

/// Puts into words what is to be said of gateways.
struct Teller {
    detector: Arc<str>,
    source: Arc<str>,
    severity: Severity,
}

#[derive(Default)]
struct Gateway {
    newest: Option<Timestamp>,
    /// City time of the last epoch in which it was heard.
    arrived: Timestamp,
    open: Option<Silent>,
    /// Silences of its series that did not surface, by series and detector.
    held: BTreeMap<(Series, Arc<str>), Held>,
}

#[derive(Clone, Copy)]
struct Silent {
    begin: Timestamp,
    after: Span,
}

struct Held {
    raised: Box<Anomaly>,
    cleared: Option<Box<Anomaly>>,
    stay: Stay,
}

/// How long a silence is held.
#[derive(Clone, Copy, PartialEq)]
enum Stay {
    /// It came in this epoch.
    New,
    /// It came in the last epoch.
    Waiting,
    /// While the gateway is silent.
    WhileSilent,
    /// Until this city time.
    Until(Timestamp),
}

impl Rule for GatewaySilent {
    fn step(&mut self, epoch: &Epoch<'_>, out: &mut Vec<Anomaly>) {
        for said in epoch.events {
            self.gateways.entry(said.gateway.clone()).or_default().hear_of(said, out);
        }
        for heard in epoch.heard {
            let gateway = self.gateways.entry(heard.gateway.clone()).or_default();
            gateway.heard(heard, self.after, epoch.city, &self.teller, out);
        }
        for (subject, gateway) in &mut self.gateways {
            if gateway.arrived != epoch.city {
                gateway.missed(subject, self.after, epoch.city, &self.teller, out);
            }
            gateway.let_pass(epoch.city, out);
        }
    }

    fn retire(&mut self, city: Timestamp, out: &mut Vec<Anomaly>) {
        for (subject, gateway) in std::mem::take(&mut self.gateways) {
            out.extend(gateway.open.map(|silent| self.teller.cleared(&subject, silent, city)));
            gateway.held.into_values().for_each(|held| held.surface(out));
        }
    }

    fn rehome(&mut self, city: Timestamp, homes: &dyn Homes, out: &mut Vec<Anomaly>) {
        let gone = self.gateways.extract_if(.., |subject, _| !homes.has(subject));
        let mut moved = Vec::new();
        for (subject, gateway) in gone {
            out.extend(gateway.open.map(|silent| self.teller.cleared(&subject, silent, city)));
            moved.extend(gateway.held);
        }
        for (subject, gateway) in &mut self.gateways {
            let moves =
                |(series, _): &(Series, Arc<str>)| homes.of(series).is_some_and(|home| home != *subject);
            moved.extend(gateway.held.extract_if(.., |key, _| moves(key)));
        }
        for (key, held) in moved {
            let Some(home) = homes.of(&key.0) else { continue };
            self.gateways.entry(home).or_default().take_in(key, held, city, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_count(out, self.gateways.len());
        self.gateways.iter().for_each(|(subject, gateway)| saved::put(out, subject, gateway));
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let mut gateways = BTreeMap::new();
        for _ in 0..from.count(state.len())? {
            let (subject, gateway) = saved::read(&mut from)?;
            gateways.insert(subject, gateway);
        }
        from.end()?;
        self.gateways = gateways;
        Ok(())
    }
}

impl Gateway {
    /// Takes what a detector said of one of its series.
    fn hear_of(&mut self, said: &SeriesEvent, out: &mut Vec<Anomaly>) {
        let anomaly = &said.anomaly;
        let key = (anomaly.series.clone(), Arc::clone(&anomaly.detector));
        let held = self.held.get_mut(&key).filter(|held| held.raised.id == anomaly.id);
        match (anomaly.phase, held) {
            (Phase::Raised, _) => self.hold(key, anomaly, out),
            (_, None) => out.push(anomaly.clone()),
            (Phase::Worsened, Some(_)) => {}
            (Phase::Cleared | Phase::Revised, Some(held)) => {
                held.revise(anomaly);
                if held.cleared.is_some() && matches!(held.stay, Stay::WhileSilent | Stay::Until(_)) {
                    self.held.remove(&key);
                }
            }
            (Phase::Withdrawn, Some(_)) => _ = self.held.remove(&key),
        }
    }

    fn hold(&mut self, key: (Series, Arc<str>), anomaly: &Anomaly, out: &mut Vec<Anomaly>) {
        let stay = if self.open.is_some() { Stay::WhileSilent } else { Stay::New };
        let held = Held { raised: Box::new(anomaly.clone()), cleared: None, stay };
        if let Some(earlier) = self.held.insert(key, held) {
            earlier.surface(out);
        }
    }

    /// Takes over a silence of a series that came through another gateway before. Of one that was never heard it is held for as
    /// long as the series may be silent: a gateway under another name is not fifty silent series.
    fn take_in(&mut self, key: (Series, Arc<str>), held: Held, city: Timestamp, out: &mut Vec<Anomaly>) {
        let stay = match held.stay {
            _ if self.open.is_some() => Stay::WhileSilent,
            Stay::Until(then) => Stay::Until(then),
            _ if self.newest.is_none() => Stay::Until(city + held.may_be_silent()),
            _ => Stay::Waiting,
        };
        if let Some(earlier) = self.held.insert(key, Held { stay, ..held }) {
            earlier.surface(out);
        }
    }

    /// Some of its series were heard in the epoch.
    fn heard(
        &mut self,
        heard: &Heard,
        after: Option<Span>,
        city: Timestamp,
        say: &Teller,
        out: &mut Vec<Anomaly>,
    ) {
        if self.open.is_none()
            && let Some(silent) = self.silent_until(heard.oldest, after)
        {
            out.push(say.raised(&heard.gateway, silent));
            self.held.retain(|_, held| held.cleared.is_none());
            self.open = Some(silent);
        }
        if let Some(silent) = self.open.take() {
            out.push(say.cleared(&heard.gateway, silent, heard.oldest));
            self.held.values_mut().for_each(|held| held.stay = Stay::Until(city + held.may_be_silent()));
        }
        self.newest = self.newest.max(Some(heard.newest));
        self.arrived = city;
    }

    /// None of its series was heard in the epoch.
    fn missed(
        &mut self,
        subject: &Series,
        after: Option<Span>,
        city: Timestamp,
        say: &Teller,
        out: &mut Vec<Anomaly>,
    ) {
        let waited = self.arrived.max(self.newest.unwrap_or(self.arrived));
        if self.open.is_some() || self.silence(after).is_none_or(|after| city - waited <= after) {
            return;
        }
        let Some(silent) = self.silent_until(city, after) else { return };
        for (_, held) in self.held.extract_if(.., |_, held| held.cleared.is_some()) {
            held.surface(out); // it was over before
        }
        out.push(say.raised(subject, silent));
        self.open = Some(silent);
        self.held.values_mut().for_each(|held| held.stay = Stay::WhileSilent);
    }

    /// The silence from its newest event time to `then`, where that is too long.
    fn silent_until(&self, then: Timestamp, after: Option<Span>) -> Option<Silent> {
        let (newest, after) = (self.newest?, self.silence(after)?);
        (then - newest > after).then(|| Silent { begin: newest + after, after })
    }

    /// How long the gateway may be silent; `None` while no series of it just fell silent.
    fn silence(&self, after: Option<Span>) -> Option<Span> {
        let fell = |held: &&Held| match held.stay {
            Stay::New => true,
            Stay::Waiting => held.cleared.is_none(),
            Stay::WhileSilent | Stay::Until(_) => false,
        };
        let half_of = |held: &Held| Span(held.may_be_silent().0 / 2);
        after.or_else(|| self.held.values().filter(fell).map(half_of).min())
    }

    /// Lets those silences surface whose time has come.
    fn let_pass(&mut self, city: Timestamp, out: &mut Vec<Anomaly>) {
        for (_, held) in self.held.extract_if(.., |_, held| held.is_due(city)) {
            held.surface(out);
        }
        for held in self.held.values_mut().filter(|held| held.stay == Stay::New) {
            held.stay = Stay::Waiting;
        }
    }
}

impl Held {
    fn is_due(&self, city: Timestamp) -> bool {
        match self.stay {
            Stay::New | Stay::WhileSilent => false,
            Stay::Waiting => true,
            Stay::Until(then) => then <= city,
        }
    }

    /// How long its series may be silent: what the silence was judged against.
    fn may_be_silent(&self) -> Span {
        // `as` takes the nearest that there is
        Span((self.raised.limit.unwrap_or_default().max(0.0) * 1e9) as i64)
    }

    /// What is said of it now takes the place of what was said; nobody has heard of it yet.
    fn revise(&mut self, is: &Anomaly) {
        let step = |phase, end| Box::new(Anomaly { phase, end, because: None, ..is.clone() });
        if is.phase == Phase::Revised {
            self.raised = step(Phase::Raised, None);
        }
        self.cleared = is.end.map(|end| step(Phase::Cleared, Some(end)));
    }

    fn surface(self, out: &mut Vec<Anomaly>) {
        out.push(*self.raised);
        out.extend(self.cleared.map(|cleared| *cleared));
    }
}

impl Teller {
    fn raised(&self, subject: &Series, silent: Silent) -> Anomaly {
        self.tell(subject, Event::Raised(self.finding(silent, None)))
    }

    fn cleared(&self, subject: &Series, silent: Silent, end: Timestamp) -> Anomaly {
        self.tell(subject, Event::Cleared(self.finding(silent, Some(end.max(silent.begin)))))
    }

    fn tell(&self, subject: &Series, event: Event) -> Anomaly {
        event.of(&self.detector, subject)
    }

    fn finding(&self, silent: Silent, end: Option<Timestamp>) -> Finding {
        let lasted = end.map_or(Span::ZERO, |end| end - silent.begin);
        Finding {
            begin: silent.begin,
            end,
            extreme: Span(silent.after.0.saturating_add(lasted.0)).as_secs_f64(),
            limit: Some(silent.after.as_secs_f64()),
            edition: Arc::clone(&self.source),
            severity: self.severity,
        }
    }
}

#[cfg(test)]
mod tests;
