//! `readings.csv`: `source,metric,time,value,quality`, as `yiwang replay` takes it, sorted by event time, then by series.
//!
//! Values are written by their digits, as the instrument shows them; an empty quality is good.

use std::io::Write;
use std::path::Path;

use jiff::tz::{Offset, TimeZone};
use yiwang_model::{Quality, Span, Timestamp};

use super::{City, is_daily};

/// What one thread makes at a time.
const STRETCH: Span = Span::HOUR.times(4);
/// Stations measure on full minutes of their own.
const STEP: Span = Span::MINUTE;

/// Writes all readings, made by as many threads as the machine has.
pub(super) fn write(city: &City, path: &Path) -> anyhow::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(b"source,metric,time,value,quality\n")?;
    let rounds = Rounds::of(city);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut from = city.life.begin;
    while from < city.life.end() {
        let begins =
            (0..threads as i64).map(|at| from + STRETCH.times(at)).filter(|at| *at < city.life.end());
        let texts: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let rounds = &rounds;
            let running: Vec<_> =
                begins.map(|begin| scope.spawn(move || rounds.stretch(city, begin))).collect();
            running.into_iter().map(|one| one.join().expect("making readings does not panic")).collect()
        });
        texts.iter().try_for_each(|text| file.write_all(text))?;
        from = from + STRETCH.times(threads as i64);
    }
    Ok(())
}

/// Who measures when.
struct Rounds {
    /// The members of each minute of ten.
    by_minute: [Vec<usize>; 10],
    /// Those that report at midnight.
    daily: Vec<usize>,
    /// `source,metric,` of each member.
    names: Vec<String>,
}

impl Rounds {
    fn of(city: &City) -> Self {
        let survey = &city.survey;
        let mut rounds = Self { by_minute: Default::default(), daily: Vec::new(), names: Vec::new() };
        for (at, member) in survey.members.iter().enumerate() {
            let place = survey.place_of(member);
            rounds.names.push(format!("{},{},", place.id, member.recipe.metric));
            // a phase is below ten minutes
            let minute = (place.phase.0 / STEP.0) as usize;
            if is_daily(place.kind) { rounds.daily.push(at) } else { rounds.by_minute[minute % 10].push(at) }
        }
        rounds
    }

    fn stretch(&self, city: &City, begin: Timestamp) -> Vec<u8> {
        let end = (begin + STRETCH).min(city.life.end());
        let (mut text, mut at) = (Vec::new(), begin);
        while at < end {
            let minute = (at.nanos().div_euclid(STEP.0)).rem_euclid(10) as usize;
            let midnight = (at + crate::city::hours::OFFSET).nanos() % Span::DAY.0 == 0;
            let stamp = stamp(at);
            let daily = if midnight { self.daily.as_slice() } else { &[] };
            for member in daily.iter().chain(&self.by_minute[minute]) {
                if let Some((value, quality)) = city.say(*member, at) {
                    text.extend_from_slice(self.names[*member].as_bytes());
                    text.extend_from_slice(stamp.as_bytes());
                    push_row(&mut text, value, city.survey.members[*member].recipe.decimals, quality);
                }
            }
            at = at + STEP;
        }
        text
    }
}

fn stamp(at: Timestamp) -> String {
    let zone = TimeZone::fixed(Offset::constant(8));
    at.to_jiff().to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S+08:00,").to_string()
}

fn push_row(text: &mut Vec<u8>, value: f64, decimals: u8, quality: Quality) {
    let word = if quality == Quality::Good { "" } else { quality.word() };
    writeln!(text, "{value:.*},{word}", usize::from(decimals)).expect("a vector takes all");
}
