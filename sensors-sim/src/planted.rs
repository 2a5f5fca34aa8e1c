//! A city offline, with known truth: readings of thousands of series over weeks, faults of stated size planted into them, look-alikes
//! that are none, and a scorer for whatever judges them. `docs/planted.md` is the reference of its files and of the rule of matching.
//!
//! It differs from [`crate::city`], which lives and sends through doors: sizes are in units of each series' own noise, lengths in
//! readings, and the whole of it is written to files at once. Both are made of the same dice, hours and weather.
//!
//! - a [`Survey`] says who lives there, from a seed and a number of series;
//! - a [`Plan`] says what is planted; [`draw`] makes one by dice;
//! - [`write()`] writes readings, catalogue, topology and truth;
//! - [`real`] plants into real readings instead;
//! - [`judge`] holds episodes against the truth;
//! - [`baseline`] makes episodes by two textbook methods, for comparison.
//!
//! The same seed, series, days and plan give the same bytes.

pub mod baseline;
mod catalogue;
pub mod draw;
pub mod judge;
mod kind;
mod least;
mod outage;
mod plan;
mod plant;
mod readings;
pub mod real;
mod recipe;
mod signal;
mod survey;
pub mod truth;

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;
use yiwang_catalogue::StationKind;
use yiwang_model::{Quality, Span, Timestamp};

use crate::city::fault::{Wrong, all_wrong};
pub use kind::{Class, Kind};
pub use plan::{Line, Plan};
use plant::{Life, Making, Planted, bend, resolve};
use signal::Signals;
use survey::Member;
pub use survey::{Place, Survey};

/// When a planted city begins, unless told otherwise: 30 days from here hold the Mid-Autumn holiday and the National Day week.
pub const BEGIN: &str = "2026-09-14T00:00:00+08:00";
/// For so long from its begin a planted city has nothing wrong with it: what learns may learn.
pub const WARM_UP: Span = Span::DAY.times(7);

/// What is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which city.
    pub seed: u64,
    /// How many series.
    pub series: usize,
    /// Midnight of its first day.
    pub begin: Timestamp,
    /// How many days.
    pub days: u32,
    /// What is planted.
    pub plan: Plan,
    /// A file of the catalogue that has detectors, copied to the others.
    pub detectors: Option<PathBuf>,
    /// Where to.
    pub out: PathBuf,
}

/// The city as a function.
pub(crate) struct City {
    survey: Survey,
    signals: Signals,
    life: Life,
    /// Sorted by member and begin.
    planted: Vec<Planted>,
    of_member: Vec<Range<usize>>,
}

impl City {
    fn new(seed: u64, series: usize, life: Life, plan: &Plan) -> Result<Self, Vec<Wrong>> {
        let survey = Survey::of(seed, series);
        let signals = Signals::new(seed, life.begin, life.days);
        let planted = resolve(plan, &survey, &signals, life)?;
        let of = |member| {
            let begin = planted.partition_point(|one| one.member < member);
            begin..planted.partition_point(|one| one.member <= member)
        };
        let of_member = (0..survey.members.len()).map(of).collect();
        Ok(Self { survey, signals, life, planted, of_member })
    }

    /// What a series says at an event time; `None` when nothing comes.
    fn say(&self, at_member: usize, at: Timestamp) -> Option<(f64, Quality)> {
        let member = &self.survey.members[at_member];
        if self.signals.is_lost(member, at) {
            return None;
        }
        let own = &self.planted[self.of_member[at_member].clone()];
        let stuck = own.iter().find(|one| one.kind == Kind::Stuck && one.is_active(at));
        let at = stuck.map_or(at, |one| one.begin - member.period());
        let (signal, noise) = (self.signals.signal(&self.survey, member, at), self.signals.noise(member, at));
        let mut making = Making { signal, noise, quality: Quality::Good, shown: None };
        for one in own.iter().filter(|one| one.shows(at)) {
            making = bend(one, &self.signals, member, at, making)?;
        }
        let value = making.shown.unwrap_or(member.base + member.sigma * (making.signal + making.noise));
        Some((shown(member, value), making.quality))
    }
}

/// As the instrument shows it: within its range, with its decimals.
fn shown(member: &Member, value: f64) -> f64 {
    let (recipe, scale) = (member.recipe, libm::pow(10.0, f64::from(member.recipe.decimals)));
    libm::round(value.clamp(recipe.range.0, recipe.range.1) * scale) / scale
}

/// Writes a city: `readings.csv`, `truth.csv`, `plan.csv`, `topology.csv` and the folder `catalogue`.
///
/// # Errors
/// The plan names what the city does not have, by line; files cannot be read or written.
pub fn write(options: &Options) -> anyhow::Result<()> {
    let life = Life { begin: options.begin, days: options.days };
    let city = City::new(options.seed, options.series, life, &options.plan)
        .map_err(|wrong| all_wrong("plan", &wrong))?;
    let out = |name: &str| options.out.join(name);
    std::fs::create_dir_all(out("catalogue")).with_context(|| options.out.display().to_string())?;
    save(&out("plan.csv"), &options.plan.to_csv())?;
    save(&out("truth.csv"), &truth::of(&city)?)?;
    save(&out("topology.csv"), &catalogue::topology(&city.survey))?;
    save(&out("catalogue/city.toml"), &catalogue::city(&city))?;
    if let Some(detectors) = &options.detectors {
        let text = std::fs::read_to_string(detectors).with_context(|| detectors.display().to_string())?;
        save(&out("catalogue/detectors.toml"), &text)?;
    }
    let path = out("readings.csv");
    readings::write(&city, &path).with_context(|| path.display().to_string())
}

fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

/// Whether a station reports once a day.
fn is_daily(kind: StationKind) -> bool {
    kind == StationKind::Project
}

#[cfg(test)]
mod tests;
