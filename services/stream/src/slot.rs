//! One detector of one series: its state, what it told, and two older states to which it can be taken back.
//!
//! A [`Mark`] is the state as it was when all readings up to some event time had been stepped. The older one lies before all that may
//! still be judged anew; the newer one spares most of the way to it. Playing the readings after a mark again, with ticks at
//! their moments, gives what the detector would have said had they come in order.

use std::sync::{Arc, LazyLock};

use prost::encoding::{self, WireType};
use yiwang_catalogue::{DetectorEntry, OnChange};
use yiwang_detect::{Detector, Event, Input, Sample};
use yiwang_model::{Anomaly, AnomalyId, Because, Phase, Series, SeriesId, Span, Timestamp};
use yiwang_proto::log::DetectorState;

use crate::history::History;
use crate::tale::{Tale, Told};

/// The field of `SeriesState` that has its detectors.
const DETECTORS: u32 = 3;

/// A detector of a series.
pub(crate) struct Slot {
    pub(crate) entry: Arc<DetectorEntry>,
    detector: Box<dyn Detector>,
    /// What was; `None` while there is nothing of it, as of most series where no reading may be late.
    past: Option<Box<Past>>,
}

/// What of a detector is not its state.
#[derive(Default)]
struct Past {
    /// The reckoned series that ask about its episodes, and its place there.
    asked: Box<[(SeriesId, u32)]>,
    tale: Tale,
    older: Mark,
    newer: Mark,
    /// The event time that it was stepped up to, by readings and ticks of its own; the series' may be later.
    at: Option<Timestamp>,
}

/// Of a detector of which nothing was.
static NOTHING: LazyLock<Past> = LazyLock::new(Past::default);

impl Past {
    fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.tale.is_empty() && self.older.is_none() && self.newer.is_none()
    }
}

/// A state to which a detector can be taken back; the bytes are empty for none.
#[derive(Clone, Debug, Default, PartialEq)]
struct Mark {
    state: Box<[u8]>,
    /// The episode that was open then.
    open: Option<Box<Told>>,
}

impl Mark {
    fn is_none(&self) -> bool {
        self.state.is_empty()
    }

    fn of(detector: &dyn Detector, tale: &Tale) -> Self {
        let mut state = Vec::new();
        detector.snapshot(&mut state);
        Self { state: state.into(), open: tale.open().cloned().map(Box::new) }
    }
}

/// From which mark readings are played again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// The older one; the newer, if there is one, is made anew at this event time.
    Older(Option<Timestamp>),
    /// The newer one.
    Newer,
}

/// What is played again.
#[derive(Clone, Copy)]
pub(crate) struct Play<'a> {
    pub(crate) series: &'a Series,
    pub(crate) history: &'a History,
    pub(crate) from: From,
    /// The event time of the mark.
    pub(crate) after: Timestamp,
    /// The event time up to which the series was; ticks come up to where the detector itself was.
    pub(crate) until: Timestamp,
    /// The readings because of which.
    pub(crate) late: &'a [Because],
}

/// When a detector is to be woken.
#[derive(Clone, Copy)]
pub(crate) struct Wake {
    /// In city time.
    pub(crate) at: Timestamp,
    /// The event time that it asked for.
    pub(crate) moment: Timestamp,
}

impl Slot {
    /// With nothing seen; with a mark there if it can be taken back.
    pub(crate) fn new(
        entry: &Arc<DetectorEntry>,
        detector: Box<dyn Detector>,
        asked: Box<[(SeriesId, u32)]>,
        marked: bool,
    ) -> Self {
        let mut slot = Self { entry: Arc::clone(entry), detector, past: None };
        if !asked.is_empty() {
            slot.past_mut().asked = asked;
        }
        if marked {
            slot.past_mut().older = Mark::of(&*slot.detector, &Tale::default());
        }
        slot
    }

    fn past(&self) -> &Past {
        self.past.as_deref().unwrap_or(&NOTHING)
    }

    fn past_mut(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }

    fn drop_if_empty(&mut self) {
        if self.past.as_ref().is_some_and(|past| past.is_empty()) {
            self.past = None;
        }
    }

    /// The reckoned series that ask about its episodes, and its place there.
    pub(crate) fn asked(&self) -> &[(SeriesId, u32)] {
        &self.past().asked
    }

    /// Goes over to a catalogue that judges in the same way.
    pub(crate) fn renew(&mut self, new: Self) {
        let asked = new.past.map(|past| past.asked).unwrap_or_default();
        self.entry = new.entry;
        if !asked.is_empty() || self.past.is_some() {
            self.past_mut().asked = asked;
            self.drop_if_empty();
        }
    }

    /// The moment for which the detector waits.
    pub(crate) fn moment(&self) -> Option<Timestamp> {
        self.detector.wake_at()
    }

    /// When the detector is to be woken, given the newest event time and how late that reading came: a moment that was over by
    /// then is put off by as much.
    pub(crate) fn wake(&self, newest: Timestamp, lag: Span) -> Option<Wake> {
        let moment = self.moment()?;
        let off = if lag >= moment - newest { lag } else { Span::ZERO };
        Some(Wake { at: moment + off, moment })
    }

    /// Takes the next reading.
    pub(crate) fn read(
        &mut self,
        sample: &Sample,
        series: &Series,
        events: &mut Vec<Event>,
        said: &mut Vec<Anomaly>,
    ) {
        self.detector.step(&Input::Reading(*sample), events);
        self.was_at(sample.time);
        self.tell(sample.time, series, events, said);
    }

    /// Tells it that a moment for which it waits is over.
    pub(crate) fn tick(
        &mut self,
        moment: Timestamp,
        series: &Series,
        events: &mut Vec<Event>,
        said: &mut Vec<Anomaly>,
    ) {
        self.detector.step(&Input::Tick { city: moment }, events);
        self.was_at(moment);
        self.tell(moment, series, events, said);
    }

    /// Remembers where it is, if it can be taken back.
    fn was_at(&mut self, at: Timestamp) {
        if let Some(past) = &mut self.past {
            past.at = past.at.max(Some(at));
        }
    }

    fn tell(&mut self, at: Timestamp, series: &Series, events: &mut Vec<Event>, said: &mut Vec<Anomaly>) {
        if events.is_empty() {
            return;
        }
        let of = (&self.entry.name, series);
        let tale = &mut self.past.get_or_insert_default().tale;
        said.extend(events.drain(..).map(|event| tale.say(event, of, at)));
    }

    /// The event time that the detector was at when it raised an episode of its tale.
    pub(crate) fn raised_at(&self, id: AnomalyId) -> Timestamp {
        self.past().tale.of(id).map_or(Timestamp::MAX, |told| told.raised)
    }

    /// The state from which the detector opened an episode at an event time: that of the newest mark before it, given the event
    /// times of the marks, the newer first.
    pub(crate) fn before(
        &self,
        raised: Timestamp,
        marks: [Option<Timestamp>; 2],
    ) -> Option<(&[u8], Timestamp)> {
        let marks = marks.into_iter().zip([&self.past().newer, &self.past().older]);
        let mut of = marks.filter_map(|(at, mark)| Some((&*mark.state, at?)));
        of.find(|(state, at)| !state.is_empty() && *at < raised)
    }

    /// Makes the newer mark of the state as it is.
    pub(crate) fn mark(&mut self) {
        let past = self.past.get_or_insert_default();
        past.newer = Mark::of(&*self.detector, &past.tale);
    }

    /// The newer mark becomes the older one: all up to its event time is settled.
    pub(crate) fn settle(&mut self, until: Timestamp) {
        let past = self.past_mut();
        past.older = std::mem::take(&mut past.newer);
        past.tale.settle(until);
    }

    /// Settles all up to an event time where no reading may be late: there are no marks.
    pub(crate) fn settle_tale(&mut self, until: Timestamp) {
        if let Some(past) = &mut self.past {
            past.tale.settle(until);
            self.drop_if_empty();
        }
    }

    /// Settles all that was so far: it can be taken back to now, not further, if at all.
    pub(crate) fn settle_all(&mut self, marked: bool) {
        let past = self.past.get_or_insert_default();
        past.newer = Mark::default();
        past.older = if marked { Mark::of(&*self.detector, &past.tale) } else { Mark::default() };
        past.tale.settle(Timestamp::MAX);
        self.drop_if_empty();
    }

    /// Plays the readings after a mark again and says how what is found differs from what was told.
    pub(crate) fn play(&mut self, play: &Play<'_>, events: &mut Vec<Event>) -> Vec<Anomaly> {
        let past = self.past.get_or_insert_default();
        let (mark, remark) = match play.from {
            From::Older(at) => (&past.older, at),
            From::Newer => (&past.newer, None),
        };
        if let Err(error) = self.detector.restore(&mark.state) {
            // A fault of the detector; to go on unrevised is better than not at all.
            let (detector, series) = (&self.entry.name, play.series);
            tracing::error!(%detector, %series, %error, "a detector does not take back its own state");
            return Vec::new();
        }
        let mut found = Tale::with(mark.open.as_deref().cloned());
        let of = (&self.entry.name, play.series);
        let hear = |found: &mut Tale, events: &mut Vec<Event>, at| {
            events.drain(..).for_each(|event| _ = found.say(event, of, at));
        };
        for sample in play.history.played(play.after, play.until) {
            ticks(
                &mut *self.detector,
                sample.time - Span(1),
                |moment, events| hear(&mut found, events, moment),
                events,
            );
            self.detector.step(&Input::Reading(sample), events);
            hear(&mut found, events, sample.time);
            past.at = past.at.max(Some(sample.time));
            if remark == Some(sample.time) {
                past.newer = Mark::of(&*self.detector, &found);
            }
        }
        let at = past.at.unwrap_or(play.after);
        ticks(&mut *self.detector, at, |moment, events| hear(&mut found, events, moment), events);
        let said = past.tale.revise(play.after, found, play.late, at);
        if let Some(open) = past.newer.open.as_mut().filter(|_| remark.is_some()) {
            open.anomaly.id = past.tale.name_of(open.anomaly.begin).unwrap_or(open.anomaly.id);
        }
        said
    }

    /// Whether it may go on with the state of the detector of the same name under the catalogue before.
    pub(crate) fn follows(&self, before: &Self, metric: &str) -> bool {
        self.entry.on_change == OnChange::Keep || self.entry.judges_like(&before.entry, metric)
    }

    /// Takes over state and tale of the detector of the same name under the catalogue before.
    pub(crate) fn inherit(&mut self, before: &Self) -> bool {
        if self.entry.kind != before.entry.kind {
            return false;
        }
        let mut state = Vec::new();
        before.detector.snapshot(&mut state);
        let inherited = self.detector.restore(&state).is_ok();
        if inherited {
            let (tale, at) = (before.past().tale.clone(), before.past().at);
            let past = self.past_mut();
            (past.tale, past.at) = (tale, at);
            self.drop_if_empty();
        }
        inherited
    }

    /// The open episode.
    pub(crate) fn open(&self) -> Option<&Anomaly> {
        self.past().tale.open().map(|open| &open.anomaly)
    }

    /// Ends the open episode, as a catalogue does that no longer has the detector.
    pub(crate) fn end(&self, city: Option<Timestamp>) -> Option<Anomaly> {
        let open = self.past().tale.open()?.anomaly.clone();
        let end = city.map(|city| city.max(open.begin));
        Some(Anomaly { phase: Phase::Cleared, end, because: None, ..open })
    }

    pub(crate) fn save(&self) -> DetectorState {
        let mut state = Vec::new();
        self.detector.snapshot(&mut state);
        let text = |tale: &Tale| serde_json::to_string(tale).unwrap_or_default();
        let Past { tale, older, newer, .. } = self.past();
        let tale = if tale.is_empty() { String::new() } else { text(tale) };
        let open = |mark: &Mark| mark.open.as_ref().and_then(|open| serde_json::to_string(open).ok());
        DetectorState {
            name: self.entry.name.to_string(),
            kind: self.entry.kind.to_string(),
            state,
            tale,
            older: older.state.to_vec(),
            older_open: open(older).unwrap_or_default(),
            newer: newer.state.to_vec(),
            newer_open: open(newer).unwrap_or_default(),
            at_nanos: self.past().at.map(Timestamp::nanos),
        }
    }

    /// Adds it as one of the `detectors` of a `SeriesState`, encoded; `scratch` is kept for its memory.
    pub(crate) fn put(&self, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
        let [name, kind, state, detectors] = [1, 2, 3, DETECTORS];
        if self.past.is_some() {
            return encoding::message::encode(detectors, &self.save(), out);
        }
        scratch.clear();
        self.detector.snapshot(scratch);
        let fields =
            [(name, self.entry.name.as_bytes()), (kind, self.entry.kind.as_bytes()), (state, &**scratch)];
        let length = |bytes: &[u8]| 1 + encoding::encoded_len_varint(bytes.len() as u64) + bytes.len();
        encoding::encode_key(detectors, WireType::LengthDelimited, out);
        encoding::encode_varint(fields.iter().map(|(_, bytes)| length(bytes) as u64).sum(), out);
        for (tag, bytes) in fields {
            encoding::encode_key(tag, WireType::LengthDelimited, out);
            encoding::encode_varint(bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
    }

    /// Takes over what [`Slot::save`] gave of a detector of the same kind; the marks are tried.
    pub(crate) fn restore(&mut self, saved: &DetectorState) -> Result<(), String> {
        for state in [&saved.older, &saved.newer, &saved.state].into_iter().filter(|state| !state.is_empty())
        {
            self.detector.restore(state).map_err(|error| error.to_string())?;
        }
        let mark = |state: &[u8], open: &str| {
            let open = if open.is_empty() { Ok(None) } else { serde_json::from_str(open).map(Some) };
            open.map(|open| Mark { state: state.into(), open }).map_err(|error| error.to_string())
        };
        let past = self.past.get_or_insert_default();
        past.older = mark(&saved.older, &saved.older_open)?;
        past.newer = mark(&saved.newer, &saved.newer_open)?;
        past.at = saved.at_nanos.map(Timestamp);
        past.tale = match saved.tale.as_str() {
            "" => Tale::default(),
            text => serde_json::from_str(text).map_err(|error| error.to_string())?,
        };
        self.drop_if_empty();
        Ok(())
    }
}

/// Ticks a detector at each moment up to one, for which it waits, and lets `hear` take what it says.
fn ticks(
    detector: &mut dyn Detector,
    until: Timestamp,
    mut hear: impl FnMut(Timestamp, &mut Vec<Event>),
    events: &mut Vec<Event>,
) {
    let mut last = Timestamp::MIN;
    while let Some(moment) = detector.wake_at().filter(|moment| *moment <= until && *moment > last) {
        detector.step(&Input::Tick { city: moment }, events);
        hear(moment, events);
        last = moment;
    }
}
