//! The bank of likelihood ratios: which form of fault the last readings have, if any.
//!
//! With z in spreads, and N readings from one of the last [`LONGEST`] on (Σ from there, n = 1 … N counted from there):
//!
//! > shift: (Σz)² / 2N, drift: (Σn·z)² / 2Σn², noise: (N − 1)/2·(v − 1 − ln v) with v = (Σz² − max z²) / (N − 1)
//!
//! are the logarithms of the generalised likelihood ratios of a level, a ramp from 0 and another variance against normal noise of deviation 1
//! (Basseville and Nikiforov 1993; Lai 1995 for windows); noise is weighed without its largest reading, so that a spike is none. For each form the best N counts. A shift below [`LEAST_SHIFT`] spreads, a ramp that
//! rose less than [`LEAST_RISE`] and a variance below [`LEAST_TIMES`] are what series do by themselves.

use crate::params::{Form as ParamForm, Parameter, defaulted};

/// Readings that are looked back at.
pub(super) const LONGEST: usize = 64;
const LEAST_SHIFT: f64 = 1.7;
const LEAST_RISE: f64 = 2.2;
const LEAST_TIMES: f64 = 3.0;
/// A level, a ramp and a variance need so many readings: a single one is a spike.
const LEAST_LEVEL: usize = 4;
const LEAST_RAMP: usize = 12;
const LEAST_NOISE: usize = 5;
/// Nats by which one form must fit better than the others.
const MARGIN_DRIFT: f64 = 3.0;
const MARGIN_NOISE: f64 = 1.0;

/// The forms of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Spike,
    Shift,
    Drift,
    Noise,
}

pub(super) const WORDS: &[&str] = &["spike", "shift", "drift", "noise"];

impl Form {
    pub(super) fn of(word: Option<&str>) -> Self {
        match word {
            Some("shift") => Self::Shift,
            Some("drift") => Self::Drift,
            Some("noise") => Self::Noise,
            _ => Self::Spike,
        }
    }

    /// A bit of its own.
    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

const NATS: ParamForm = ParamForm::Number { least: 5.0, most: 1000.0 };
pub(super) const SHIFT: Parameter = defaulted("shift", NATS, "17", "nats of evidence for a shift");
pub(super) const DRIFT: Parameter = defaulted("drift", NATS, "21", "nats of evidence for a drift");
pub(super) const NOISE: Parameter = defaulted("noise", NATS, "9", "nats of evidence for noise");

/// Nats that each form needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bars {
    pub(super) shift: f64,
    pub(super) drift: f64,
    pub(super) noise: f64,
}

/// Nats of evidence for each form, and how many readings ago it began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Evidence {
    shift: (f64, usize),
    drift: (f64, usize),
    noise: (f64, usize),
}

/// Weighs the last readings, newest last. What is no evidence yet, being too short or a single reading, still says best where a form began.
pub(super) fn weigh(window: &[f32]) -> Evidence {
    let mut best = Evidence::default();
    let (mut level_from, mut noise_from) = ((0.0, 0), (0.0, 0));
    let (mut sum, mut ramp, mut squares, mut largest) = (0.0, 0.0, 0.0, 0.0_f64);
    let see = |best: &mut (f64, usize), nats: f64, ago: usize| {
        if nats > best.0 {
            *best = (nats, ago);
        }
    };
    for (ago, z) in window.iter().rev().map(|z| f64::from(*z)).enumerate() {
        let count = (ago + 1) as f64;
        sum += z;
        ramp += sum;
        squares += z * z;
        largest = largest.max(z * z);
        if sum.abs() >= LEAST_SHIFT * count {
            let nats = sum * sum / (2.0 * count);
            see(&mut level_from, nats, ago);
            see(&mut best.shift, if ago + 1 >= LEAST_LEVEL { nats } else { 0.0 }, ago);
        }
        let of_ramp = count * (count + 1.0) * (2.0 * count + 1.0) / 6.0;
        if ago + 1 >= LEAST_RAMP && ramp.abs() * count >= LEAST_RISE * of_ramp {
            see(&mut best.drift, ramp * ramp / (2.0 * of_ramp), ago);
        }
        see(&mut noise_from, of_noise(squares, count), ago);
        if ago + 1 >= LEAST_NOISE {
            see(&mut best.noise, of_noise(squares - largest, count - 1.0), ago);
        }
    }
    (best.shift.1, best.noise.1) = (level_from.1, noise_from.1);
    best
}

/// Nats for another variance.
fn of_noise(squares: f64, count: f64) -> f64 {
    let times = squares / count;
    if times > LEAST_TIMES { count / 2.0 * (times - 1.0 - libm::log(times)) } else { 0.0 }
}

impl Evidence {
    /// The form that the readings have, beyond doubt, and how many readings ago it began.
    pub(super) fn verdict(&self, bars: &Bars) -> Option<(Form, usize)> {
        let Self { shift, drift, noise } = *self;
        if drift.0 > bars.drift && drift.0 > shift.0.max(noise.0) + MARGIN_DRIFT {
            Some((Form::Drift, drift.1))
        } else if noise.0 > bars.noise && noise.0 > shift.0.max(drift.0) + MARGIN_NOISE {
            Some((Form::Noise, noise.1))
        } else {
            (shift.0 > bars.shift && shift.0 > drift.0.max(noise.0)).then_some((Form::Shift, shift.1))
        }
    }

    /// The evidence for a form.
    pub(super) fn of(&self, form: Form) -> f64 {
        match form {
            Form::Spike => 0.0,
            Form::Shift => self.shift.0,
            Form::Drift => self.drift.0,
            Form::Noise => self.noise.0,
        }
    }

    /// Whether there is more than half of what some form needs.
    pub(super) fn is_suspicious(&self, bars: &Bars) -> bool {
        2.0 * self.shift.0 > bars.shift || 2.0 * self.drift.0 > bars.drift || 2.0 * self.noise.0 > bars.noise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    const BARS: Bars = Bars { shift: 17.0, drift: 21.0, noise: 9.0 };

    /// What is said of noise that such a function bends, and after how many readings.
    fn said(seed: u64, bend: impl Fn(usize, f64) -> f64) -> Option<(Form, usize)> {
        let mut noise = Noise::new(seed, 0.0);
        let mut window: Vec<f32> = (0..LONGEST).map(|_| noise.next() as f32).collect();
        (0..200).find_map(|at| {
            window.remove(0);
            window.push(bend(at, noise.next()) as f32);
            weigh(&window).verdict(&BARS).map(|(form, _)| (form, at))
        })
    }

    #[test]
    fn each_form_is_told_by_its_name_and_soon() {
        let named = |form: Form, most: usize, bend: fn(usize, f64) -> f64| {
            let told = (1..=30).filter_map(|seed| said(seed, bend));
            told.filter(|(found, at)| *found == form && *at <= most).count()
        };
        assert!(named(Form::Shift, 18, |_, z| z + 3.0) >= 27);
        // the others are a shift at first: five in six ramps and nineteen in twenty noisy ones are named at once
        assert!(named(Form::Drift, 75, |at, z| z + 0.05 * (at + 1) as f64) >= 19);
        assert!(named(Form::Noise, 40, |_, z| 3.0 * z) >= 24);
    }

    #[test]
    fn calm_and_single_readings_are_no_form() {
        for seed in 1..=200 {
            assert_eq!(said(seed, |_, z| z), None, "{seed}");
            assert_eq!(said(seed, |at, z| if at == 40 { 6.0 } else { z }), None, "{seed}");
        }
    }
}
