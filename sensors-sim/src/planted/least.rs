//! How soon a fault can be known at all.
//!
//! Whoever knows the signal and σ sees only noise, until the fault begins. The least evidence that keeps false alarms to 0.2 per
//! 1,000 series and day is ln(A) nats, where A is the number of readings of a series between two false alarms: 5,000 days of 144
//! readings, or of one report for projects (Lorden, Annals of Mathematical Statistics 42, 1971: no test with that rate of false
//! alarms needs less, up to a constant). Each reading brings its Kullback-Leibler divergence; the least number of readings n is the
//! first at which they sum up to that, and the least delay is n − 1 readings behind the first.
//!
//! | fault | nats of a reading |
//! |---|---|
//! | moved by δ σ: spike, shift, drift, season, slip | δ²/2 |
//! | noise times k | (k² − 1)/2 − ln k |
//! | stuck | −ln of the chance that two readings show the same number, resolution/(2σ√π) |
//! | gap | −ln of the share of readings that are lost anyway |
//!
//! A limit of an hourly mean is known when the hour is over: 6 readings. A fault that ends before there is enough is given its length.

use std::f64::consts::PI;

use yiwang_catalogue::StationKind;

use super::kind::Kind;
use super::plant::{Making, Planted, bend};
use super::signal::{LOST, Signals};
use super::survey::{Member, PERIOD};
use yiwang_model::{Quality, Span};

/// False alarms per series and day that are allowed.
const FALSE_PER_DAY: f64 = 0.2 / 1000.0;

/// The least delay in readings.
pub(super) fn delay(one: &Planted, signals: &Signals, member: &Member) -> u32 {
    let period = member.period();
    let all = ((one.end - one.begin).0 / period.0).max(1) as u32;
    if one.kind == Kind::Limit {
        return (Span::HOUR.0 / PERIOD.0) as u32;
    }
    let per_day =
        if member.recipe.station == StationKind::Project { 1.0 } else { (Span::DAY.0 / PERIOD.0) as f64 };
    first(all, per_day, |reading| nats(one, signals, member, reading))
}

/// The first of so many readings at which there is enough evidence, from 0; else how many there are.
pub(super) fn first(all: u32, per_day: f64, nats: impl Fn(u32) -> f64) -> u32 {
    let enough = libm::log(per_day / FALSE_PER_DAY);
    let mut evidence = 0.0;
    let found = (0..all).find(|reading| {
        evidence += nats(*reading);
        evidence >= enough
    });
    found.unwrap_or(all)
}

/// The evidence in a number that is shown again.
pub(super) fn same(resolution: f64, sigma: f64) -> f64 {
    -libm::log((resolution / (2.0 * sigma * libm::sqrt(PI))).min(1.0))
}

fn nats(one: &Planted, signals: &Signals, member: &Member, reading: u32) -> f64 {
    match one.kind {
        Kind::Noise => (one.size * one.size - 1.0) / 2.0 - libm::log(one.size),
        Kind::Stuck => same(resolution(member), member.sigma),
        Kind::Gap => libm::log(LOST as f64),
        _ => {
            let still = Making { signal: 0.0, noise: 0.0, quality: Quality::Good, shown: None };
            let at = one.begin + member.period().times(reading.into());
            let moved = bend(one, signals, member, at, still).map_or(0.0, |making| making.signal);
            moved * moved / 2.0
        }
    }
}

/// The step between two numbers that an instrument can show.
fn resolution(member: &Member) -> f64 {
    libm::pow(10.0, -f64::from(member.recipe.decimals))
}
