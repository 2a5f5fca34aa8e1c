//! One reckoned series: the frames of those that it is reckoned from, and when a frame is reckoned.
//!
//! What a frame comes to depends on the newest reading of each source in it alone, and on the episodes that cover it, so that the
//! order in which they came never shows. A frame is reckoned when all its sources have spoken, or when it has waited long
//! enough; again when something in it changes. What a value that was said becomes later is a correction of it.
//!
//! Memory: for each frame, of as many as may still change, 64 bytes and 24 for each source; what is usual, see [`apart`].

mod apart;
mod rank;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_catalogue::derived::{CLOCK_FRAMES, Derivation, Rule};
use yiwang_catalogue::expression::{Expression, Over, Values, Window};
use yiwang_model::{AnomalyId, Quality, Span, Timestamp};
use yiwang_proto::log::{AskedEpisode, Reckoned, ReckonedFrame, ReckonedValue};

use crate::derive::{Fed, What};

use apart::Usual;

/// The most episodes of a detector that are kept while no frame is there or moves on.
const MAX_EPISODES: usize = 256;

/// A reckoned series.
pub(crate) struct Mixer {
    how: Arc<Derivation>,
    /// How many frames behind the newest may still change; and how many behind those their windows reach.
    changeable: i64,
    back: i64,
    frames: BTreeMap<i64, Frame>,
    /// For each detector that is asked about, its episodes at the station: begin and end.
    episodes: Vec<BTreeMap<AnomalyId, (Timestamp, Option<Timestamp>)>>,
    /// Frames in which something changed.
    changed: BTreeSet<i64>,
    /// For rules that compare with what is usual.
    usual: Option<Usual>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Frame {
    /// Of each source the newest reading: event time, vintage, value; NaN for one that is not judged.
    values: Vec<Option<(i64, i64, f64)>>,
    said: Said,
}

impl Frame {
    /// The value of each source, NaN where there is none.
    fn numbers(&self) -> Vec<f64> {
        self.values.iter().map(|known| known.map_or(f64::NAN, |(_, _, value)| value)).collect()
    }
}

/// What was said of a frame last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Said {
    #[default]
    Nothing,
    Value(f64),
    /// That there is none after all.
    Gone,
}

/// The value of a frame, at its begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reckoning {
    pub(crate) time: Timestamp,
    pub(crate) value: f64,
    pub(crate) quality: Quality,
}

impl Mixer {
    /// A series of which what it is reckoned from may be so late, see [`yiwang_catalogue::Catalogue::allowed_lateness`]: its judgement takes
    /// what a frame becomes for as long as the frame may change here.
    pub(crate) fn new(how: Arc<Derivation>, allowed: Span) -> Self {
        let windows = windows(&how).iter().map(|window| frames_in(window.span, how.frame)).max();
        let back = if how.rule == Rule::Clock { CLOCK_FRAMES } else { windows.unwrap_or(0) };
        let changeable = changeable(&how, allowed);
        let usual = match &how.rule {
            Rule::Apart(apart) => Some(Usual::new(apart, how.sources.len(), how.frame, changeable)),
            _ => None,
        };
        let asked = expression(&how).map_or(0, |expression| expression.detectors.len());
        Self {
            how,
            changeable,
            back,
            frames: BTreeMap::new(),
            episodes: vec![BTreeMap::new(); asked],
            changed: BTreeSet::new(),
            usual,
        }
    }

    /// Whether a catalogue reckons it in the same way, of readings that may be so late.
    pub(crate) fn is(&self, how: &Derivation, allowed: Span) -> bool {
        *self.how == *how && self.changeable == changeable(how, allowed)
    }

    /// The frame that a reading is of; none of an episode.
    pub(crate) fn frame_of(&self, fed: &Fed) -> Option<i64> {
        let What::Reading { time, .. } = fed.what else { return None };
        let source = self.how.sources.get(fed.place as usize)?;
        Some((Timestamp(time) + source.lag).0.div_euclid(self.how.frame.0))
    }

    /// Whether a frame is newer than all that are there.
    pub(crate) fn is_newer(&self, frame: i64) -> bool {
        self.frames.keys().next_back().is_some_and(|newest| frame > *newest)
    }

    /// Takes a reading of a source, or one that takes the place of an earlier one.
    pub(crate) fn read(&mut self, place: usize, time: Timestamp, vintage: i64, value: f64) {
        let Some(source) = self.how.sources.get(place) else { return };
        let number = (time + source.lag).0.div_euclid(self.how.frame.0);
        if number < self.first_changeable() {
            return;
        }
        let empty = || Frame { values: vec![None; self.how.sources.len()], said: Said::Nothing };
        let known = &mut self.frames.entry(number).or_insert_with(empty).values[place];
        if known.is_none_or(|(own, of, _)| (own, of) <= (time.0, vintage)) {
            *known = Some((time.0, vintage, value));
            self.change(number);
        }
        let first = self.first_changeable();
        self.learn(first);
        self.changed = self.changed.split_off(&first);
        self.frames = self.frames.split_off(&first.saturating_sub(self.back));
    }

    /// Learns what is usual from the frames before this one, which cannot change any more.
    fn learn(&mut self, first: i64) {
        let (Rule::Apart(apart), Some(usual)) = (&self.how.rule, &mut self.usual) else { return };
        let newest = self.frames.keys().next_back().copied().unwrap_or(first);
        let from = usual.learnt().min(first);
        let settled = self.frames.range(from..first).map(|(number, frame)| (*number, frame.numbers()));
        usual.learn(apart, settled, first, newest);
    }

    /// Takes what became of an episode of a detector that is asked about.
    pub(crate) fn hear(
        &mut self,
        place: usize,
        id: AnomalyId,
        covers: Option<(Timestamp, Option<Timestamp>)>,
    ) {
        let Some(episodes) = self.episodes.get_mut(place) else { return };
        let was = match covers {
            Some(covers) => episodes.insert(id, covers),
            None => episodes.remove(&id),
        };
        let begins = [was, covers].into_iter().flatten().map(|(begin, _)| begin);
        let Some(from) = begins.min() else { return };
        let from = from.0.div_euclid(self.how.frame.0);
        let from = from.max(self.first_changeable());
        self.changed.extend(self.frames.range(from..).map(|(number, _)| *number));
        self.forget_episodes(place);
    }

    /// Lets go of episodes that ended before all frames that are kept, and of those that ended first where readings do not come any more.
    fn forget_episodes(&mut self, place: usize) {
        let first =
            self.frames.keys().next().map_or(i64::MIN, |first| first.saturating_mul(self.how.frame.0));
        let episodes = &mut self.episodes[place];
        episodes.retain(|_, (_, end)| end.is_none_or(|end| end.0 >= first));
        while episodes.len() > MAX_EPISODES {
            let ended = episodes.iter().filter_map(|(id, (_, end))| Some((end.as_ref()?.0, *id)));
            let Some((_, id)) = ended.min_by_key(|(end, id)| (*end, id.0)) else { return };
            episodes.remove(&id);
        }
    }

    /// The first frame that may still change. Those before it are kept for windows only: reckoned again, they would miss theirs.
    fn first_changeable(&self) -> i64 {
        self.frames.keys().next_back().map_or(i64::MIN, |newest| newest.saturating_sub(self.changeable))
    }

    /// A frame changed, and with it those whose windows have it.
    fn change(&mut self, number: i64) {
        self.changed.insert(number);
        let last = number.saturating_add(self.back);
        self.changed.extend(self.frames.range(number..last.max(number)).map(|(number, _)| *number));
    }

    /// Reckons the frames that changed and need not be waited for at this city time.
    pub(crate) fn reckon(&mut self, city: Option<Timestamp>, out: &mut Vec<Reckoning>) {
        let changed = std::mem::take(&mut self.changed);
        for number in changed {
            if self.waits(number).is_some_and(|until| city.is_none_or(|city| city < until)) {
                self.changed.insert(number);
                continue;
            }
            let value = self.value(number);
            let Some(frame) = self.frames.get_mut(&number) else { continue };
            let said = value.map_or(Said::Gone, Said::Value);
            let quality = match (frame.said, said) {
                (Said::Nothing | Said::Gone, Said::Gone | Said::Nothing) => continue,
                (Said::Value(was), Said::Value(is)) if was.to_bits() == is.to_bits() => continue,
                (_, Said::Value(_)) => Quality::Good,
                (_, Said::Gone | Said::Nothing) => Quality::Fault,
            };
            frame.said = said;
            let time = Timestamp(number.saturating_mul(self.how.frame.0));
            out.push(Reckoning { time, value: value.unwrap_or_default(), quality });
        }
    }

    /// The city time up to which a frame that changed is waited for.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        self.changed.iter().filter_map(|number| self.waits(*number)).min()
    }

    /// Up to when a frame waits for sources that did not speak, if it does.
    fn waits(&self, number: i64) -> Option<Timestamp> {
        let frame = self.frames.get(&number)?;
        let is_whole = frame.values.iter().all(Option::is_some);
        let end = Timestamp((number + 1).saturating_mul(self.how.frame.0));
        (!is_whole && frame.said == Said::Nothing).then(|| end + self.how.patience)
    }

    fn value(&self, number: i64) -> Option<f64> {
        let frame = self.frames.get(&number)?;
        let value = |place: usize| frame.values[place].map_or(f64::NAN, |(_, _, value)| value);
        match &self.how.rule {
            Rule::Neighbours { least } => {
                let mut others: Vec<f64> =
                    (1..frame.values.len()).map(value).filter(|of| !of.is_nan()).collect();
                others.sort_by(f64::total_cmp);
                (others.len() >= *least).then(|| value(0) - median(&others))
            }
            Rule::Apart(apart) => self.usual.as_ref()?.value(apart, number, &frame.numbers()),
            Rule::Rank { least, smallest } => rank::rank(&frame.numbers(), *least, *smallest),
            Rule::Balance { ratio } => Some(if *ratio { value(0) / value(1) } else { value(0) - value(1) }),
            Rule::Clock => {
                let frames = self.frames.range(number + 1 - CLOCK_FRAMES..=number);
                let mut lags: Vec<f64> =
                    frames.filter_map(|(_, frame)| frame.values[0]).map(|(_, _, lag)| lag).collect();
                lags.sort_by(f64::total_cmp);
                (lags.len() as i64 == CLOCK_FRAMES).then(|| median(&lags))
            }
            Rule::Expression(expression, station) => self.given(number, frame, expression, station),
            Rule::Gate(unless, station) => {
                let is_shut = self.given(number, frame, unless, station) == Some(1.0);
                (!is_shut).then(|| value(unless.metrics.len()))
            }
        }
        .filter(|value| value.is_finite())
    }

    /// What an expression gives of a frame, whose first values are those of its metrics.
    fn given(&self, number: i64, frame: &Frame, of: &Expression, station: &[Arc<str>; 3]) -> Option<f64> {
        let values = frame.values.iter().take(of.metrics.len());
        let metrics: Vec<f64> = values.map(|known| known.map_or(f64::NAN, |(_, _, value)| value)).collect();
        let windows: Vec<f64> = of.windows.iter().map(|window| self.window(number, window)).collect();
        let active: Vec<bool> = (0..self.episodes.len()).map(|place| self.is_active(place, number)).collect();
        let station = [&*station[0], &*station[1], &*station[2]];
        of.value(&Values { metrics: &metrics, windows: &windows, active: &active, station })
    }

    fn window(&self, number: i64, of: &Window) -> f64 {
        let from = number + 1 - frames_in(of.span, self.how.frame);
        let frames = self.frames.range(from..=number);
        let values = frames.filter_map(|(_, frame)| frame.values[of.metric]).map(|(_, _, value)| value);
        let values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
        match of.over {
            _ if values.is_empty() => f64::NAN,
            Over::Mean => values.iter().sum::<f64>() / values.len() as f64,
            Over::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Over::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// Whether an episode covers some of a frame.
    fn is_active(&self, place: usize, number: i64) -> bool {
        let begin = Timestamp(number.saturating_mul(self.how.frame.0));
        let end = begin + self.how.frame;
        self.episodes[place].values().any(|(from, to)| *from < end && to.is_none_or(|to| to > begin))
    }

    pub(crate) fn save(&self) -> Reckoned {
        let value = |(place, known): (usize, &Option<(i64, i64, f64)>)| {
            let (time, vintage, value) = (*known)?;
            Some(ReckonedValue { place: place as u32, time_nanos: time, vintage_nanos: vintage, value })
        };
        let frame = |(number, frame): (&i64, &Frame)| ReckonedFrame {
            number: *number,
            values: frame.values.iter().enumerate().filter_map(value).collect(),
            said: if let Said::Value(value) = frame.said { Some(value) } else { None },
            gone: frame.said == Said::Gone,
            changed: self.changed.contains(number),
        };
        let episode =
            |place: usize, (id, (begin, end)): (&AnomalyId, &(Timestamp, Option<Timestamp>))| AskedEpisode {
                place: place as u32,
                id: id.0.to_vec(),
                begin_nanos: begin.0,
                end_nanos: end.map(Timestamp::nanos),
            };
        let episodes = self.episodes.iter().enumerate();
        Reckoned {
            frames: self.frames.iter().map(frame).collect(),
            episodes: episodes
                .flat_map(|(place, own)| own.iter().map(move |of| episode(place, of)))
                .collect(),
            usual: self.usual.as_ref().map(Usual::save),
        }
    }

    /// Takes over what [`Mixer::save`] gave.
    pub(crate) fn restore(&mut self, saved: &Reckoned) -> Result<(), String> {
        for saved in &saved.frames {
            let mut frame = Frame { values: vec![None; self.how.sources.len()], said: Said::Nothing };
            for value in &saved.values {
                let known = frame.values.get_mut(value.place as usize).ok_or("it has a source too many")?;
                *known = Some((value.time_nanos, value.vintage_nanos, value.value));
            }
            frame.said = saved.said.map_or(if saved.gone { Said::Gone } else { Said::Nothing }, Said::Value);
            self.frames.insert(saved.number, frame);
            if saved.changed {
                self.changed.insert(saved.number);
            }
        }
        if let (Some(usual), Some(saved)) = (&mut self.usual, &saved.usual) {
            usual.restore(saved)?;
        }
        for saved in &saved.episodes {
            let id = saved.id.as_slice().try_into().map_err(|_| "an episode has no name")?;
            let own =
                self.episodes.get_mut(saved.place as usize).ok_or("it asks about a detector too many")?;
            own.insert(AnomalyId(id), (Timestamp(saved.begin_nanos), saved.end_nanos.map(Timestamp)));
        }
        Ok(())
    }
}

fn expression(how: &Derivation) -> Option<&Expression> {
    match &how.rule {
        Rule::Expression(expression, _) | Rule::Gate(expression, _) => Some(expression),
        Rule::Neighbours { .. } | Rule::Apart(_) | Rule::Balance { .. } | Rule::Rank { .. } | Rule::Clock => {
            None
        }
    }
}

fn windows(how: &Derivation) -> &[Window] {
    expression(how).map_or(&[], |expression| &expression.windows)
}

/// How many frames behind the newest may change; a part of one is not judged any more.
fn changeable(how: &Derivation, allowed: Span) -> i64 {
    (allowed.0 / how.frame.0.max(1)).max(1)
}

/// How many frames a span has, a part counted whole; at least one.
fn frames_in(span: Span, frame: Span) -> i64 {
    ((span.0.saturating_add(frame.0 - 1)) / frame.0.max(1)).max(1)
}

/// The median of sorted values; of an even number the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { sorted[middle - 1].midpoint(sorted[middle]) }
}
