//! What a station has apart from those around it, of [`Rule::Apart`](yiwang_catalogue::derived::Rule): each source is taken from its own
//! ordinary level in its own scale before the median, and what companions of the station have too is no news.
//!
//! Of a group of series, one station's and those around it, with level l, scale s (standard deviation) of each:
//!
//! > z = (x − l) / s, a = (z₀ − median z₁…) / n
//!
//! n is the spread of z₀ less the median in calm frames. Let c be what the station's companions (other metrics, turned where they go the other way)
//! have apart: their mean, at most twice the smaller, where they all go one way and further than 1; else 0. Then
//!
//! > value = sign(a) · min(|a|, |a − c|) · n · s₀ / u, and 0 where a and a − c do not go the same way,
//!
//! since an instrument fails alone, and what happens at a station shows in several metrics (minmod limiter: Roe 1986, as van Leer's of 1977 for slopes). u = √(1 + (1.5·max(0, d − 1))²),
//! where d is the spread of those around (1.4826 median absolute deviations) over n: while they disagree, nobody knows what a station should say.
//!
//! Levels are learnt from frames that cannot change any more, in order, and change at midnight UTC only: so what a frame comes to does not depend on
//! the order of arrival. The first three days are learnt as they are; later a value more than 4 spreads off is learnt as what
//! was expected, unless more than half of the day and of the one before was so: a drift that takes a day is no new level. Days fade over `memory`, spreads over four days.
//!
//! Memory: 160 bytes for each source, 24 more for each day whose frames may still change.

use std::collections::BTreeMap;

use yiwang_catalogue::derived::Apart;
use yiwang_model::Span;
use yiwang_proto::log::{ReckonedLevels, ReckonedUsual};

use super::median;

/// Values further off, in spreads, are not learnt.
const FAR: f64 = 4.0;
/// Days that are learnt as they are.
const YOUNG_DAYS: f64 = 3.0;
/// What of a spread is left after a day.
const SPREAD_FADES: f64 = 0.75;
/// Standard deviations in the mean absolute deviation of normal noise.
const DEVIATIONS_PER_MEAN: f64 = 1.253_314_137_315_5;
/// Standard deviations of normal noise in its median absolute deviation.
const DEVIATIONS_PER_MAD: f64 = 1.4826;
/// How much of the disagreement of those around, beyond a spread, a value is unsure by.
const DISAGREEMENT: f64 = 1.5;
/// What is further from where a source began is learnt as if it were there, in the metric's unit.
const FURTHEST: f64 = 1e100;
/// After so many days without a frame nothing is known.
const FORGOTTEN_DAYS: i64 = 1_000;
/// From how many spreads on companions count.
const LEAST_COMMON: f64 = 1.0;
/// Numbers of a source that are saved: of its sums, of its levels.
const OF_SUMS: usize = 14;
const OF_LEVEL: usize = 3;

/// What is usual for the sources of one reckoned series.
pub(super) struct Usual {
    day_frames: i64,
    changeable: i64,
    fades: f64,
    /// Frames before it are learnt.
    learnt: Option<i64>,
    /// The day for which levels are being learnt.
    day: i64,
    sums: Vec<Sums>,
    /// For each day the levels that hold in it and after.
    levels: BTreeMap<i64, Vec<Level>>,
}

/// Of one source.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    level: f64,
    scale: f64,
    noise: f64,
}

/// Count, sum and squares of values about a centre.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moments([f64; 3]);

impl Moments {
    /// Values beyond [`FURTHEST`] count as if they were there: what is infinite once never fades.
    fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let value = value.clamp(-FURTHEST, FURTHEST);
        [1.0, value, value * value].iter().zip(&mut self.0).for_each(|(new, sum)| *sum += new);
    }

    fn fade_into(&mut self, share: f64, new: Self) {
        new.0.iter().zip(&mut self.0).for_each(|(new, sum)| *sum = share * *sum + new);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    centre: Option<f64>,
    all: Moments,
    /// Of this day: as they came, and with what was far off as expected.
    raw: Moments,
    kept: Moments,
    far: f64,
    /// Whether more than half of the day before was far off, too.
    was_far: bool,
    /// Count and sum of what calm frames are off.
    calm: [f64; 2],
}

impl Usual {
    pub(super) fn new(apart: &Apart, sources: usize, frame: Span, changeable: i64) -> Self {
        let day_frames = (Span::DAY.0 / frame.0.max(1)).max(1);
        Self {
            day_frames,
            changeable,
            fades: 1.0 - 1.0 / (apart.memory.0 as f64 / Span::DAY.0 as f64).max(1.0),
            learnt: None,
            day: i64::MIN,
            sums: vec![Sums::default(); sources],
            levels: BTreeMap::new(),
        }
    }

    fn day_of(&self, number: i64) -> i64 {
        number.div_euclid(self.day_frames)
    }

    /// Takes the frames before `first`, which cannot change any more, once each and in order; `newest` is there.
    pub(super) fn learn(
        &mut self,
        apart: &Apart,
        frames: impl Iterator<Item = (i64, Vec<f64>)>,
        first: i64,
        newest: i64,
    ) {
        for (number, values) in frames {
            self.begin(self.day_of(number.saturating_add(self.changeable)));
            self.take(apart, &values);
        }
        self.learnt = Some(first);
        self.begin(self.day_of(newest));
        let oldest = self.levels.range(..=self.day_of(first)).next_back().map(|(day, _)| *day);
        self.levels = self.levels.split_off(&oldest.unwrap_or(i64::MIN));
    }

    /// From which frame on there is something to learn.
    pub(super) fn learnt(&self) -> i64 {
        self.learnt.unwrap_or(i64::MIN)
    }

    /// A day begins, and all since the one before: whether or not a frame came on each does not show.
    fn begin(&mut self, day: i64) {
        if day <= self.day {
            return;
        }
        let since = if self.day == i64::MIN { 1 } else { day.saturating_sub(self.day) };
        if since > FORGOTTEN_DAYS {
            self.sums.fill(Sums::default());
        }
        (day - since.min(FORGOTTEN_DAYS) + 1..=day).for_each(|day| self.begin_one(day));
    }

    /// A day begins, with what was learnt until then.
    fn begin_one(&mut self, day: i64) {
        self.day = day;
        let young = YOUNG_DAYS * self.day_frames as f64;
        let fades = self.fades;
        self.sums.iter_mut().for_each(|sums| sums.close(fades, young));
        let levels: Option<Vec<Level>> = self.sums.iter().map(Sums::level).collect();
        self.levels.extend(levels.map(|levels| (day, levels)));
    }

    fn levels_of(&self, day: i64) -> Option<&[Level]> {
        self.levels.range(..=day).next_back().map(|(_, levels)| levels.as_slice())
    }

    fn take(&mut self, apart: &Apart, values: &[f64]) {
        let levels = self.levels_of(self.day).map(<[Level]>::to_vec);
        let mut from = 0;
        for group in &apart.groups {
            let places = from..from + group.sources;
            let known = levels.as_deref().and_then(|levels| levels.get(places.clone()));
            let middle = known.and_then(|levels| middle(&values[places.clone()], levels, 1));
            for (at, place) in places.clone().enumerate() {
                let expected = known.zip(middle).map(|(levels, middle)| (levels[at], middle));
                self.sums[place].take(values[place], expected);
            }
            from = places.end;
        }
    }

    /// What the first source has apart in a frame.
    pub(super) fn value(&self, apart: &Apart, number: i64, values: &[f64]) -> Option<f64> {
        let levels = self.levels_of(self.day_of(number))?;
        let mut from = 0;
        let mut found = Vec::with_capacity(apart.groups.len());
        for group in &apart.groups {
            let places = from..from + group.sources;
            let off = distance(&values[places.clone()], &levels[places.clone()], apart.least);
            found.push(off.map(|off| if group.turned { -off } else { off }));
            from = places.end;
        }
        let own = found[0]?;
        let common = common(&found[1..]);
        let news = if own * (own - common) > 0.0 { own.abs().min((own - common).abs()) } else { 0.0 };
        let unsure = unsure(values.get(..apart.groups[0].sources)?, levels);
        Some(news.copysign(own) / unsure * levels[0].noise * levels[0].scale)
    }

    pub(super) fn save(&self) -> ReckonedUsual {
        let sums = self.sums.iter().flat_map(|sums| {
            let Sums { centre, all, raw, kept, far, was_far, calm } = sums;
            let head = [centre.unwrap_or(f64::NAN), *far, f64::from(u8::from(*was_far))];
            head.into_iter().chain(all.0).chain(raw.0).chain(kept.0).chain(*calm)
        });
        let numbers =
            |levels: &[Level]| levels.iter().flat_map(|of| [of.level, of.scale, of.noise]).collect();
        let levels = self.levels.iter();
        ReckonedUsual {
            learnt: self.learnt,
            day: self.day,
            sums: sums.collect(),
            levels: levels
                .map(|(day, levels)| ReckonedLevels { day: *day, numbers: numbers(levels) })
                .collect(),
        }
    }

    pub(super) fn restore(&mut self, saved: &ReckonedUsual) -> Result<(), String> {
        let wrong = |of: &[f64], each: usize| of.len() != each * self.sums.len();
        if wrong(&saved.sums, OF_SUMS) || saved.levels.iter().any(|of| wrong(&of.numbers, OF_LEVEL)) {
            return Err("what is usual is of other sources".into());
        }
        (self.learnt, self.day) = (saved.learnt, saved.day);
        for (sums, of) in self.sums.iter_mut().zip(saved.sums.chunks_exact(OF_SUMS)) {
            let moments = |from: usize| Moments([of[from], of[from + 1], of[from + 2]]);
            *sums = Sums {
                centre: Some(of[0]).filter(|centre| !centre.is_nan()),
                far: of[1],
                was_far: of[2] > 0.0,
                all: moments(3),
                raw: moments(6),
                kept: moments(9),
                calm: [of[12], of[13]],
            };
        }
        let level = |of: &[f64]| Level { level: of[0], scale: of[1], noise: of[2] };
        let levels = saved.levels.iter();
        self.levels =
            levels.map(|of| (of.day, of.numbers.chunks_exact(OF_LEVEL).map(level).collect())).collect();
        Ok(())
    }
}

impl Sums {
    /// Takes a value, and what was known: its level, and the median of those around in their scales.
    fn take(&mut self, value: f64, expected: Option<(Level, f64)>) {
        if self.centre.is_none() && value.is_finite() {
            self.centre = Some(value);
        }
        let Some(centre) = self.centre else { return };
        if value.is_finite() {
            self.raw.add(value - centre);
        }
        let Some((own, middle)) = expected else { return };
        let off = (value - own.level) / own.scale - middle;
        if off.abs() <= FAR * own.noise {
            self.kept.add(value - centre);
        } else {
            self.kept.add(own.level + own.scale * middle - centre);
            self.far += f64::from(u8::from(off.is_finite()));
        }
        if off.is_finite() {
            // one that is far off counts as far off as may be learnt
            self.calm[0] += 1.0;
            self.calm[1] += off.abs().min(FAR * own.noise);
        }
    }

    /// The day is over: it joins those before.
    fn close(&mut self, fades: f64, young: f64) {
        let is_far = 2.0 * self.far > self.raw.0[0];
        let as_it_came = self.all.0[0] < young || (is_far && self.was_far);
        self.was_far = is_far;
        self.all.fade_into(fades, if as_it_came { self.raw } else { self.kept });
        self.calm = self.calm.map(|sum| SPREAD_FADES * sum);
        (self.raw, self.kept, self.far) = (Moments::default(), Moments::default(), 0.0);
    }

    /// The level, once there is one, with a scale above 0.
    fn level(&self) -> Option<Level> {
        let [count, sum, squares] = self.all.0;
        let centre = self.centre.filter(|_| count >= 2.0)?;
        let mean = sum / count;
        let scale = (squares / count - mean * mean).max(0.0).sqrt().max(1e-9);
        let [count, sum] = self.calm;
        let noise = if count > 0.0 { DEVIATIONS_PER_MEAN * sum / count } else { 1.0 };
        Some(Level { level: centre + mean, scale, noise: noise.max(1e-6) })
    }
}

/// The median of those around, in their scales, if so many spoke.
fn middle(values: &[f64], levels: &[Level], least: usize) -> Option<f64> {
    let others = in_scales(values, levels);
    (others.len() >= least.max(1)).then(|| median(&others))
}

/// Those around that spoke, in their scales, sorted.
fn in_scales(values: &[f64], levels: &[Level]) -> Vec<f64> {
    let each = values.iter().zip(levels).skip(1).filter(|(value, _)| !value.is_nan());
    let mut others: Vec<f64> = each.map(|(value, of)| (value - of.level) / of.scale).collect();
    others.sort_by(f64::total_cmp);
    others
}

/// How many times less a value is worth while those around disagree more than a calm one does with them.
fn unsure(values: &[f64], levels: &[Level]) -> f64 {
    let mut others = in_scales(values, levels);
    let middle = median(&others);
    others.iter_mut().for_each(|of| *of = (*of - middle).abs());
    others.sort_by(f64::total_cmp);
    let beyond = DEVIATIONS_PER_MAD * median(&others) / levels[0].noise - 1.0;
    (1.0 + (DISAGREEMENT * beyond.max(0.0)).powi(2)).sqrt()
}

/// How many spreads the first of a group is from those around.
fn distance(values: &[f64], levels: &[Level], least: usize) -> Option<f64> {
    let (own, middle) = (levels.first()?, middle(values, levels, least)?);
    let off = ((values.first()? - own.level) / own.scale - middle) / own.noise;
    off.is_finite().then_some(off)
}

/// What the companions that spoke have in common: nothing unless all go one way.
fn common(companions: &[Option<f64>]) -> f64 {
    let known: Vec<f64> = companions.iter().copied().flatten().collect();
    if known.is_empty() {
        return 0.0;
    }
    let least = known.iter().fold(f64::INFINITY, |least, of| of.abs().min(least));
    let mean = known.iter().map(|of| of.abs()).sum::<f64>() / known.len() as f64;
    let one_way = known.iter().all(|of| of * known[0] > 0.0);
    let size = mean.min(2.0 * least);
    if one_way && size > LEAST_COMMON { size.copysign(known[0]) } else { 0.0 }
}

#[cfg(test)]
mod tests;
