//! One series under judgement: its readings and its detectors, in the order of event time.
//!
//! What comes in order is stepped once. What comes late, or corrects what came, is put where it belongs; then the detectors are taken back
//! to a mark before it and the readings are played again (see [`crate::slot`]), and what differs from what was told is said. So the
//! order of arrival never shows, as long as a reading is no later than its metric allows. One that is later is counted; the
//! stores keep it.
//!
//! Nothing here depends on how readings were cut into epochs, but for which steps an episode takes on its way: within an epoch they are
//! put in order first.

use std::sync::Arc;

use prost::Message as _;
use yiwang_catalogue::{Catalogue, DetectorEntry};
use yiwang_detect::Sample;
use yiwang_model::{Because, Series, SeriesId, Span, Timestamp};
use yiwang_proto::log::SeriesState;

use crate::history::{History, Seen};
use crate::item::{Found, Item, Judged};
use crate::outlet::{Links, Outlet, SILENCE, Scene, feeds_of, give, tell_asking, wrap};
use crate::slot::{From, Play, Slot};

/// How many readings lie between two marks, at least: what the evidence of an order has.
const SPACING: u32 = 48;

/// The most periods by which a metric may allow its readings to be late.
const MAX_ALLOWED: u32 = yiwang_catalogue::metric::MAX_ALLOWED_PERIODS as u32;

/// A series under judgement.
pub(crate) struct Watched {
    history: History,
    pub(crate) gateway: Arc<str>,
    series: Series,
    /// What people are told of in its place, where that is another, see [`yiwang_catalogue::Derived::told_as`].
    told: Option<Box<Series>>,
    slots: Box<[Slot]>,
    /// `None` where nothing is reckoned from it.
    links: Option<Box<Links>>,
    /// By how much a reading may come after a newer one and still be judged.
    allowed: Span,
    /// The event time that the detectors are at: that of the newest reading, or of a later tick.
    clock: Timestamp,
    /// The earliest moment for which a detector waits.
    due: Timestamp,
    /// The event times of the marks; the newer one is there once enough readings came.
    older: Timestamp,
    newer: Option<Timestamp>,
    /// Readings since the newer mark, late ones too; and the most, for a source that sends more often than it should.
    since: u32,
    most: u32,
    /// How far behind the city's clock its newest reading was when it came. A moment that was over by then is put off by as
    /// much, so that a source that sends its past first, oldest first, is not taken for a silent one.
    lag: Span,
    /// The earliest wake that was handed out and has not come yet, in city time.
    scheduled: Option<Timestamp>,
}

impl Watched {
    /// A series as the catalogue has it; `None` when it has no such source, or one without this metric.
    pub(crate) fn new(series: Series, catalogue: &Catalogue) -> Option<Self> {
        let gateway = gateway(&series, catalogue)?;
        let allowed = catalogue.allowed_lateness(&series);
        let slots = slots(&series, catalogue, allowed);
        let links = Links::of(&series, catalogue);
        let most = most_between(allowed, catalogue.series_context(&series).period);
        let told = catalogue.derived().told_as(&series);
        let told = (*told != series).then(|| Box::new(told.clone()));
        Some(Self {
            told,
            history: History::default(),
            gateway,
            series,
            slots,
            links,
            allowed,
            clock: Timestamp::MIN,
            due: Timestamp::MAX,
            older: Timestamp::MIN,
            newer: None,
            since: 0,
            most,
            lag: Span::ZERO,
            scheduled: None,
        })
    }

    fn newest(&self) -> Timestamp {
        self.history.newest().unwrap_or(Timestamp::MIN)
    }

    /// Takes the readings of an epoch, sorted by event time and vintage, which came no earlier than at this city time. Gives the
    /// earliest and latest event time of those that are new.
    pub(crate) fn take(
        &mut self,
        items: &[Item],
        city: Option<Timestamp>,
        outlet: &mut Outlet<'_>,
    ) -> Option<(Timestamp, Timestamp)> {
        let mut heard = None;
        let (late, next) = items.split_at(items.partition_point(|item| item.time <= self.clock));
        let because: Vec<Because> =
            late.iter().filter_map(|item| self.remember(item, city, &mut heard, outlet)).collect();
        if !because.is_empty() {
            self.revise(&because, outlet);
        }
        for same_time in next.chunk_by(|a, b| a.time == b.time) {
            for item in same_time {
                self.remember(item, city, &mut heard, outlet);
            }
            let time = same_time[0].time;
            let newest_vintage = self.history.played(time - Span(1), time).next();
            newest_vintage.into_iter().for_each(|sample| self.read(&sample, outlet));
        }
        heard
    }

    /// Puts a reading among the others, counts what it is and feeds what is reckoned from it; gives what it changes.
    fn remember(
        &mut self,
        item: &Item,
        city: Option<Timestamp>,
        heard: &mut Option<(Timestamp, Timestamp)>,
        outlet: &mut Outlet<'_>,
    ) -> Option<Because> {
        let because = self.place(item, city, heard, outlet)?;
        if let Some(links) = &self.links {
            links.feed(item, because.was.is_none(), city, outlet);
        }
        Some(because)
    }

    fn place(
        &mut self,
        item: &Item,
        city: Option<Timestamp>,
        heard: &mut Option<(Timestamp, Timestamp)>,
        outlet: &mut Outlet<'_>,
    ) -> Option<Because> {
        let because = |was| Some(Because { time: item.time, value: item.value, was });
        let newest = self.newest();
        let settled = match self.allowed {
            Span::ZERO => self.clock,
            // A source that sends more than was agreed: only what goes on from the newest is judged.
            _ if self.history.len() >= self.crowd() => newest,
            allowed => newest - allowed - Span(1),
        };
        match self.history.see(item, settled) {
            Seen::New => {
                outlet.counts.judged += 1;
                // what is next counts when it is stepped
                self.since += u32::from(item.time <= self.clock);
                let (first, last) = heard.unwrap_or((item.time, item.time));
                *heard = Some((first.min(item.time), last.max(item.time)));
                if let Some(city) = city.filter(|_| newest <= item.time) {
                    self.lag = (city - item.time).max(Span::ZERO);
                }
                because(None)
            }
            Seen::Correction(was) => {
                outlet.counts.corrections += 1;
                because(Some(was.value))
            }
            Seen::Repeat => {
                outlet.counts.repeats += 1;
                None
            }
            Seen::TooLate => {
                outlet.counts.too_late += 1;
                outlet.mark(item);
                None
            }
        }
    }

    /// So many readings are held at most but for those that are next: twice what lies between three marks, of which late ones are no part.
    fn crowd(&self) -> usize {
        4 * self.most as usize
    }

    /// Steps the detectors on the next reading; those that wait for a moment before it are told of that first.
    fn read(&mut self, sample: &Sample, outlet: &mut Outlet<'_>) {
        if self.due < sample.time {
            self.tick(sample.time - Span(1), outlet);
        }
        let mut said = Vec::new();
        let marks = [self.newer, Some(self.older)];
        let told = self.told.as_deref().unwrap_or(&self.series);
        let scene = Scene::of(told, &self.gateway, &self.history, marks);
        for slot in &mut self.slots {
            slot.read(sample, told, outlet.events, &mut said);
            give(slot, &mut said, &scene, outlet);
        }
        self.clock = sample.time;
        self.mark();
        self.look();
    }

    /// Tells detectors of all moments up to one for which they wait.
    fn tick(&mut self, until: Timestamp, outlet: &mut Outlet<'_>) {
        let mut said = Vec::new();
        let marks = [self.newer, Some(self.older)];
        let told = self.told.as_deref().unwrap_or(&self.series);
        let scene = Scene::of(told, &self.gateway, &self.history, marks);
        for slot in &mut self.slots {
            let mut last = Timestamp::MIN;
            while let Some(moment) = slot.moment().filter(|moment| *moment <= until && *moment > last) {
                slot.tick(moment, told, outlet.events, &mut said);
                self.clock = self.clock.max(moment);
                last = moment;
            }
            give(slot, &mut said, &scene, outlet);
        }
    }

    /// Tells detectors of the moments that are over at this city time.
    pub(crate) fn wake(&mut self, city: Timestamp, outlet: &mut Outlet<'_>) {
        let (newest, lag) = (self.newest(), self.lag);
        let mut said = Vec::new();
        let marks = [self.newer, Some(self.older)];
        let told = self.told.as_deref().unwrap_or(&self.series);
        let scene = Scene::of(told, &self.gateway, &self.history, marks);
        for slot in &mut self.slots {
            let mut last = Timestamp::MIN;
            while let Some(wake) = slot.wake(newest, lag).filter(|wake| wake.at <= city && wake.moment > last)
            {
                slot.tick(wake.moment, told, outlet.events, &mut said);
                self.clock = self.clock.max(wake.moment);
                last = wake.moment;
            }
            give(slot, &mut said, &scene, outlet);
        }
        self.look();
    }

    /// Plays the readings from the earliest of the late ones on again.
    fn revise(&mut self, late: &[Because], outlet: &mut Outlet<'_>) {
        let (from, after) = match self.newer {
            Some(newer) if newer < late[0].time => (From::Newer, newer),
            newer => (From::Older(newer), self.older),
        };
        let marks = [self.newer, Some(self.older)];
        let told = self.told.as_deref().unwrap_or(&self.series);
        let scene = Scene::of(told, &self.gateway, &self.history, marks);
        for slot in &mut self.slots {
            let (series, history) = (told, &self.history);
            let mut said =
                slot.play(&Play { series, history, from, after, until: self.clock, late }, outlet.events);
            give(slot, &mut said, &scene, outlet);
        }
        self.look();
    }

    /// Makes a mark of the state as it is, when the newer one is old enough; that then becomes the older one, and all up to it is settled.
    fn mark(&mut self) {
        self.since += 1;
        if self.allowed == Span::ZERO {
            self.history.settle(self.clock);
            self.slots.iter_mut().for_each(|slot| slot.settle_tale(self.clock));
            return self.history.forget_settled();
        }
        let is_old = self.newer.is_none_or(|newer| self.clock - newer > self.allowed);
        if self.since < SPACING || !(is_old || self.since >= self.most) {
            return;
        }
        if let Some(newer) = self.newer {
            self.slots.iter_mut().for_each(|slot| slot.settle(newer));
            self.older = newer;
            self.history.settle(newer);
            self.history.forget_settled();
        }
        self.slots.iter_mut().for_each(Slot::mark);
        self.newer = Some(self.clock);
        self.since = 0;
    }

    fn look(&mut self) {
        self.due = self.slots.iter().filter_map(Slot::moment).min().unwrap_or(Timestamp::MAX);
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

    /// Goes over to another catalogue. Where all detectors are the same, nothing changes. Else a detector that both have keeps its
    /// state, unless its entry wants it to begin anew; the open episode of one that is gone or begins anew ends now, so that no order
    /// waits for it for ever, and what was so far is settled. False when the catalogue does not have the series at all.
    pub(crate) fn switch(
        &mut self,
        (before, after): (&Catalogue, &Catalogue),
        city: Option<Timestamp>,
        out: &mut Vec<Judged>,
    ) -> bool {
        self.scheduled = None;
        let home = gateway(&self.series, after);
        let allowed = after.allowed_lateness(&self.series);
        let slots = if home.is_some() { slots(&self.series, after, allowed) } else { Box::default() };
        let context = |catalogue: &Catalogue| catalogue.series_context(&self.series);
        let unchanged = home.is_some() && allowed == self.allowed && context(before) == context(after);
        if unchanged && self.is_judged_like(&slots) {
            self.slots.iter_mut().zip(slots).for_each(|(slot, new)| slot.renew(new));
        } else {
            self.allowed = allowed;
            self.most = most_between(allowed, context(after).period);
            self.replace(slots, city, out);
        }
        self.links = Links::of(&self.series, after);
        let known = home.is_some();
        self.gateway = home.unwrap_or_else(|| Arc::clone(&self.gateway));
        known
    }

    /// Tells those who ask about its detectors of the episodes that are open. Who knew of one learns nothing new.
    pub(crate) fn tell_open(&self, out: &mut Vec<Judged>) {
        for slot in &self.slots {
            slot.open().into_iter().for_each(|open| tell_asking(slot, open, out));
        }
    }

    fn is_judged_like(&self, slots: &[Slot]) -> bool {
        let metric = self.series.metric();
        let like = |(own, other): (&Slot, &Slot)| own.entry.judges_like(&other.entry, metric);
        self.slots.len() == slots.len() && self.slots.iter().zip(slots).all(like)
    }

    fn replace(&mut self, slots: Box<[Slot]>, city: Option<Timestamp>, out: &mut Vec<Judged>) {
        let old = std::mem::replace(&mut self.slots, slots);
        for gone in old {
            let heir = self.slots.iter_mut().find(|slot| slot.entry.name == gone.entry.name);
            if !heir.is_some_and(|heir| heir.follows(&gone, self.series.metric()) && heir.inherit(&gone))
                && let Some(ended) = gone.end(city)
            {
                tell_asking(&gone, &ended, out);
                let series = vec![self.told.as_deref().unwrap_or(&self.series).clone()];
                let found = Found { anomaly: ended, points: Vec::new(), series };
                out.push(wrap(*gone.entry.kind == *SILENCE, found, &self.gateway));
            }
        }
        self.slots.iter_mut().for_each(|slot| slot.settle_all(self.allowed > Span::ZERO));
        (self.older, self.newer, self.since) = (self.clock, None, 0);
        self.history.settle(self.clock);
        self.look();
    }

    pub(crate) fn save(&self, id: SeriesId) -> SeriesState {
        SeriesState { detectors: self.slots.iter().map(Slot::save).collect(), ..self.save_itself(id) }
    }

    /// Adds what [`Watched::save`] gives, encoded.
    pub(crate) fn put(&self, id: SeriesId, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
        self.save_itself(id).encode(out).expect("a vector grows");
        self.slots.iter().for_each(|slot| slot.put(out, scratch));
    }

    fn save_itself(&self, id: SeriesId) -> SeriesState {
        SeriesState {
            id: id.0,
            history: Some(self.history.save()),
            detectors: Vec::new(),
            lag_nanos: self.lag.0,
            clock_nanos: self.clock.0,
            older_nanos: self.older.0,
            newer_nanos: self.newer.map(Timestamp::nanos),
            since: self.since,
            reckoned: None,
        }
    }

    pub(crate) fn restore(&mut self, state: &SeriesState) -> Result<(), String> {
        let series = &self.series;
        let history = state.history.as_ref().and_then(History::restore);
        self.history = history.ok_or_else(|| format!("the history of {series} is damaged"))?;
        self.lag = Span(state.lag_nanos);
        (self.clock, self.older) = (Timestamp(state.clock_nanos), Timestamp(state.older_nanos));
        (self.newer, self.since) = (state.newer_nanos.map(Timestamp), state.since);
        for slot in &mut self.slots {
            let saved = state.detectors.iter().find(|saved| *saved.name == *slot.entry.name);
            let saved = saved.filter(|saved| *saved.kind == *slot.entry.kind);
            let saved =
                saved.ok_or_else(|| format!("{series}: there is no state of \"{}\"", slot.entry.name))?;
            slot.restore(saved).map_err(|error| format!("{series}: {error}"))?;
        }
        self.look();
        Ok(())
    }
}

/// The most readings between two marks: twice as many as come while one may be late.
fn most_between(allowed: Span, period: Span) -> u32 {
    let usual = 2 * (allowed.0 / period.0.max(1));
    u32::try_from(usual).unwrap_or(u32::MAX).clamp(SPACING, 2 * MAX_ALLOWED)
}

/// Through which gateway the series comes, if the catalogue has it.
fn gateway(series: &Series, catalogue: &Catalogue) -> Option<Arc<str>> {
    let station = catalogue.station(series.source())?;
    let is_known = station.metrics.contains(series.metric()) || catalogue.derived().of(series).is_some();
    is_known.then(|| Arc::clone(&station.gateway))
}

fn slots(series: &Series, catalogue: &Catalogue, allowed: Span) -> Box<[Slot]> {
    let context = catalogue.series_context(series);
    let slot = |entry: &Arc<DetectorEntry>| {
        let detector = entry.prototype(series.metric())?.make(&context);
        let asked = feeds_of(catalogue.derived().asking(&entry.name, series.source()));
        Some(Slot::new(entry, detector, asked, allowed > Span::ZERO))
    };
    let all = catalogue.detectors_for(series.metric()).iter();
    all.filter(|entry| !catalogue.derived().is_gated(entry, series)).filter_map(slot).collect()
}
