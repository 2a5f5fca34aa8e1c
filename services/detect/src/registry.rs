//! The kinds of detectors that there are, one line each.

use crate::params::Parameter;
use crate::rule::Rule;
use crate::{Error, Prototype, Spec};
use crate::{
    cause, changepoint, drift, ensemble, fault, finish, flat, gateway, impossible, limit, rate, rises,
    seasonal, shift, silence, slip, spike, trend, variance, year_on_year,
};

/// All of them, in the order in which they are listed to people.
static KINDS: [Kind; 19] = [
    limit::KIND,
    spike::KIND,
    rate::KIND,
    flat::KIND,
    silence::KIND,
    slip::KIND,
    ensemble::KIND,
    shift::KIND,
    variance::KIND,
    drift::KIND,
    seasonal::KIND,
    fault::KIND,
    changepoint::KIND,
    impossible::KIND,
    trend::KIND,
    finish::KIND,
    year_on_year::KIND,
    gateway::KIND,
    cause::KIND,
];

/// One kind of detector, as `yiwang check` and the documentation list it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// What it finds, in Chinese.
    pub zh: &'static str,
    /// What it finds, in English.
    pub en: &'static str,
    /// The unit of [`crate::Finding::extreme`] and [`crate::Finding::limit`].
    pub unit: &'static str,
    /// The parameters that it knows; others are refused.
    pub params: &'static [Parameter],
    /// Whether it judges by the limit rows of its metric.
    pub needs_limits: bool,
    /// How it is built.
    pub make: Make,
}

/// How a kind is built; by this the catalogue also knows whether it looks at one series or across them.
#[derive(Clone, Copy, Debug)]
pub enum Make {
    /// A detector of one series.
    Series(fn(&Spec) -> Built<dyn Prototype>),
    /// A rule across series.
    Across(fn(&Spec) -> Built<dyn Rule>),
}

/// What was built, or all faults of the entry.
pub type Built<T> = Result<Box<T>, Vec<Error>>;

/// All kinds.
pub fn kinds() -> impl Iterator<Item = Kind> {
    KINDS.iter().copied()
}

/// The kind with this name.
#[must_use]
pub fn kind(name: &str) -> Option<Kind> {
    kinds().find(|kind| kind.name == name)
}

/// What makes the detectors of a catalogue entry, for any series of its metric.
///
/// # Errors
/// All faults of the entry at once: [`Error::Kind`] when the kind is not known or looks across series,
/// [`Error::Param`] for each parameter that is wrong, missing or not known, and for limits that do not fit.
pub fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    match kind(&spec.kind).map(|kind| kind.make) {
        Some(Make::Series(make)) => {
            let (rest, steps) = rises::split(spec);
            match (make(&rest), steps) {
                (Ok(made), Ok(steps)) => Ok(rises::around(made, steps)),
                (made, steps) => Err(made.err().into_iter().flatten().chain(steps.err()).collect()),
            }
        }
        _ => Err(unknown(spec, |make| matches!(make, Make::Series(_)))),
    }
}

/// The rule across series that a catalogue entry describes. Each caller gets one of its own, empty.
///
/// # Errors
/// As [`build`]; [`Error::Kind`] also when the kind looks at one series.
pub fn build_rule(spec: &Spec) -> Result<Box<dyn Rule>, Vec<Error>> {
    match kind(&spec.kind).map(|kind| kind.make) {
        Some(Make::Across(make)) => make(spec),
        _ => Err(unknown(spec, |make| matches!(make, Make::Across(_)))),
    }
}

fn unknown(spec: &Spec, fits: impl Fn(Make) -> bool) -> Vec<Error> {
    let known: Vec<_> = kinds().filter(|kind| fits(kind.make)).map(|kind| kind.name).collect();
    let found = spec.kind.chars().take(64).collect();
    vec![Error::Kind { found, known: known.join(", ") }]
}

#[cfg(test)]
mod tests;
