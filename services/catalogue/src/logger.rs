//! Loggers of HJ 212, and what their factors are to the city.
//!
//! The standard names factors by code and leaves their units to the device: its own table has ng/m³ for particles, and real
//! devices send µg/m³ or mg/m³. So `[[factor]]` says which metric a code is, once for the city, and each `[[logger]]` says
//! in which unit it sends each code. A value without a unit is never taken, because a limit cannot be judged by it.
//!
//! Units differ by a power of ten or not at all ([`decimal_shift`]); what would need a density, a temperature or a rounded
//! number is refused here, when the catalogue is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::Unit;

use crate::entry::{Entry, Ids};
use crate::fault::quoted;
use crate::limit::Units;
use crate::nearest::nearest;
use crate::station::Station;
use crate::value::{readable, word, words};

mod beside;

pub use beside::{Beside, Named};

/// What a value of a factor is for: the instant, or a period that begins at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Averaging {
    /// The instant (CN 2011).
    Instant,
    /// Some minutes (CN 2051).
    Minutes,
    /// An hour (CN 2061).
    Hour,
    /// A day (CN 2031).
    Day,
}

/// The keys of a factor, in the order of [`Averaging`].
const METRIC_KEYS: [&str; 4] = ["metric", "minute_metric", "hour_metric", "day_metric"];

/// A factor of the standard: one code, and what it is in this city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// The code, as `a34004`.
    pub code: Arc<str>,
    /// Other codes for the same: of the 2005 edition, or of makers.
    pub also: Vec<Arc<str>>,
    /// The metric of its values, by [`Averaging`]; one that has none is not stored.
    pub metrics: [Option<Arc<str>>; 4],
    /// What of its other values is stored.
    pub values: Vec<Named>,
    /// Where the code comes from.
    pub source: Arc<str>,
}

impl Factor {
    pub(crate) fn read(entry: &Entry<'_>, codes: &mut Ids, metrics: &Ids) -> Option<Self> {
        let code = entry.want_id("code", codes);
        let also = read_also(entry, codes);
        let of = METRIC_KEYS.map(|key| entry.get_ref(key, metrics));
        let values = beside::read(entry, metrics);
        let source = entry.want_text("source");
        if !METRIC_KEYS.iter().chain(&["values"]).any(|key| entry.has(key)) {
            let wanted = format!("at least one of {}, values", METRIC_KEYS.join(", "));
            entry.wrong("metric", "no metric at all".into(), wanted);
        }
        entry.finish();
        Some(Self { code: code?, also, metrics: of, values, source: source? })
    }
}

fn read_also(entry: &Entry<'_>, codes: &mut Ids) -> Vec<Arc<str>> {
    let also: Vec<Arc<str>> = entry.get("also").unwrap_or_default();
    for code in &also {
        if yiwang_model::series::check_name("code", code).is_err() {
            entry.wrong("also", quoted(code), "names of letters, digits and _ - . / :".into());
        } else if let Some(first) = codes.insert(code.clone(), entry.place()) {
            entry.wrong("also", format!("{} again, first at {first}", quoted(code)), "each code once".into());
        }
    }
    also
}

/// How the values of one code of one logger become readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The metric, and by how many decimal places the value moves to be in its unit; by [`Averaging`].
    by: [Option<(Arc<str>, i8)>; 4],
    /// What of its other values becomes readings.
    pub beside: Vec<Beside>,
}

impl Taken {
    /// The metric of such values, and by how many places their decimal point moves to the right.
    #[must_use]
    pub fn metric(&self, averaging: Averaging) -> Option<(&Arc<str>, i8)> {
        self.by[averaging as usize].as_ref().map(|(metric, shift)| (metric, *shift))
    }
}

/// A logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logger {
    /// MN, by which it names itself.
    pub mn: Arc<str>,
    /// The station whose meters it reads.
    pub station: Arc<str>,
    /// Whether it is held to the standard in everything.
    pub strict: bool,
    /// In which unit it sends each code.
    pub units: BTreeMap<Arc<str>, Unit>,
    /// What is taken of it, by the code that it sends.
    pub factors: BTreeMap<Arc<str>, Taken>,
}

const MODES: [(bool, &str); 2] = [(true, "strict"), (false, "lenient")];

/// Whether a mode is strict.
struct Strict(bool);

readable!(Strict, words(&MODES), |value| word(value, &MODES).map(Strict));

/// Units by code or metric.
pub(crate) struct UnitMap(pub(crate) Vec<(Arc<str>, Unit)>);

readable!(UnitMap, "a table of units, such as { a34004 = \"µg/m³\" }", |value| {
    let table = value.as_table().filter(|table| table.len() <= 1000)?;
    let unit = |(code, unit): (&toml::Spanned<_>, &toml::Spanned<_>)| -> Option<(Arc<str>, Unit)> {
        let code: &std::borrow::Cow<'_, str> = code.get_ref();
        Some((code.as_ref().into(), Unit::read(unit.get_ref())?))
    };
    table.iter().map(unit).collect::<Option<_>>().map(UnitMap)
});

/// What a logger may refer to.
pub(crate) struct Known<'a> {
    /// Factors by any of their codes.
    pub(crate) factors: &'a BTreeMap<Arc<str>, Arc<Factor>>,
    /// The units of metrics.
    pub(crate) units: &'a Units,
    /// The station of a source.
    pub(crate) station: &'a dyn Fn(&str) -> Option<&'a Station>,
    /// The ids of all stations, also of those with faults.
    pub(crate) stations: &'a Ids,
}

impl Logger {
    pub(crate) fn read(entry: &Entry<'_>, mns: &mut Ids, known: &Known<'_>) -> Option<Self> {
        let (mn, station) = (entry.want_id("mn", mns), entry.want::<Arc<str>>("station"));
        let strict = entry.get::<Strict>("mode").is_some_and(|mode| mode.0);
        let units: Option<UnitMap> = entry.want("units");
        entry.finish();
        let station = station?;
        let found = (known.station)(&station);
        if found.is_none() && !known.stations.contains_key(&station) {
            let near = nearest(&station, known.stations.keys().map(AsRef::as_ref));
            let wanted = near
                .map_or("a station of this catalogue".into(), |near| format!("{near:?} or another station"));
            entry.wrong("station", format!("{}, which is not there", quoted(&station)), wanted);
        }
        let units: BTreeMap<Arc<str>, Unit> = units?.0.into_iter().collect();
        let take = |(code, units)| Some((Arc::clone(&code), take(entry, known, found, &code, &units)?));
        let factors = by_code(&units).into_iter().filter_map(take).collect();
        Some(Self { mn: mn?, station, strict, units, factors })
    }
}

/// The units in which a logger sends one code.
#[derive(Default)]
struct OfCode {
    /// That of the factor.
    own: Option<Unit>,
    /// Those of values beside the main one, by suffix.
    beside: BTreeMap<&'static str, Unit>,
}

/// Units by code and by code and suffix, put together.
fn by_code(units: &BTreeMap<Arc<str>, Unit>) -> BTreeMap<Arc<str>, OfCode> {
    let mut codes: BTreeMap<Arc<str>, OfCode> = BTreeMap::new();
    for (key, unit) in units {
        let parts = key.rsplit_once('-').and_then(|(code, name)| Some((code, beside::suffix(name)?.0)));
        match parts {
            Some((code, suffix)) => {
                drop(codes.entry(code.into()).or_default().beside.insert(suffix, unit.clone()))
            }
            None => codes.entry(Arc::clone(key)).or_default().own = Some(unit.clone()),
        }
    }
    codes
}

/// How a code in these units is taken; faults are told at `units`.
fn take(
    entry: &Entry<'_>,
    known: &Known<'_>,
    station: Option<&Station>,
    code: &str,
    units: &OfCode,
) -> Option<Taken> {
    let Some(factor) = known.factors.get(code) else {
        let near = nearest(code, known.factors.keys().map(AsRef::as_ref));
        let wanted = near.map_or("a code of a [[factor]]".into(), |near| {
            format!("{near:?} or another code of a [[factor]]")
        });
        entry.wrong("units", format!("{}, which is not there", quoted(code)), wanted);
        return None;
    };
    let measured = station.map_or(&[][..], |station| &station.metrics);
    let strange = |metric: &Arc<str>| !measured.contains(metric);
    let beside = factor.values.iter().map(|named| &named.metric);
    let mut metrics = factor.metrics.iter().flatten().chain(beside).peekable();
    // Where either has lost its metrics to a fault of its own, that is told already.
    if !measured.is_empty() && metrics.peek().is_some() && metrics.all(strange) {
        let found = format!("{}, which its station does not measure", quoted(code));
        entry.wrong("units", found, "codes of the station's metrics".into());
    }
    let shift = |metric: &Arc<str>, unit: &Unit| {
        let own = known.units.get(metric)?;
        let shift = decimal_shift(unit, own);
        if shift.is_none() {
            refuse_unit(entry, code, unit, (metric, own));
        }
        shift
    };
    for strange in units.beside.keys().filter(|name| factor.values.iter().all(|named| named.suffix != **name))
    {
        let found = format!("{}, which is no reading", quoted(&format!("{code}-{strange}")));
        entry.wrong("units", found, "a suffix that values of its [[factor]] name".into());
    }
    let own = units.own.as_ref();
    let main = |metric: &Arc<str>| Some((Arc::clone(metric), shift(metric, own?)?));
    let beside = |named: &Named| {
        let of_factor = beside::suffix(named.suffix).is_some_and(|(_, of_factor)| of_factor);
        let unit = units.beside.get(named.suffix).or(own.filter(|_| of_factor));
        Beside { named: named.clone(), shift: unit.and_then(|unit| shift(&named.metric, unit)) }
    };
    Some(Taken {
        by: factor.metrics.each_ref().map(|metric| metric.as_ref().and_then(main)),
        beside: factor.values.iter().map(beside).collect(),
    })
}

/// Tells that values of a code or metric cannot be brought into the city's unit.
pub(crate) fn refuse_unit(entry: &Entry<'_>, of: &str, unit: &Unit, (metric, own): (&str, &Unit)) {
    let found = format!("{unit:?} for {}", quoted(of));
    let wanted = format!("{own:?}, the unit of metric {metric:?}, or a decimal part or multiple of it,");
    entry.wrong("units", found, wanted);
}

/// Units that differ from others by a power of ten: dimension, and the power.
const DECIMAL: [(&str, &str, i8); 22] = [
    ("ng/m³", "mass of a volume of air", -9),
    ("µg/m³", "mass of a volume of air", -6),
    ("mg/m³", "mass of a volume of air", -3),
    ("g/m³", "mass of a volume of air", 0),
    ("ng/L", "mass of a volume of water", -9),
    ("µg/L", "mass of a volume of water", -6),
    ("mg/L", "mass of a volume of water", -3),
    ("g/L", "mass of a volume of water", 0),
    ("mm", "length", -3),
    ("cm", "length", -2),
    ("m", "length", 0),
    ("km", "length", 3),
    ("L/s", "flow", -3),
    ("m³/s", "flow", 0),
    ("Pa", "pressure", 0),
    ("hPa", "pressure", 2),
    ("kPa", "pressure", 3),
    ("MPa", "pressure", 6),
    ("g", "mass", 0),
    ("kg", "mass", 3),
    ("t", "mass", 6),
    ("mg", "mass", -3),
];

/// How many places the decimal point moves to the right when a number in `from` becomes one in `to`; `None` when the two
/// do not differ by a power of ten.
#[must_use]
pub fn decimal_shift(from: &Unit, to: &Unit) -> Option<i8> {
    if from == to {
        return Some(0);
    }
    let of = |unit: &Unit| DECIMAL.iter().find(|(name, ..)| *name == unit.as_str());
    let ((_, one, from), (_, other, to)) = (of(from)?, of(to)?);
    (one == other).then_some(from - to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_moves_and_nothing_else_does() {
        let shift = |from: &str, to: &str| decimal_shift(&Unit::new(from), &Unit::new(to));
        assert_eq!(shift("ng/m3", "ug/m3"), Some(-3));
        assert_eq!(shift("mg/m³", "µg/m³"), Some(3));
        assert_eq!(shift("ug/L", "mg/L"), Some(-3));
        assert_eq!((shift("1", "1"), shift("dB(A)", "dB(A)")), (Some(0), Some(0)));
        assert_eq!(
            (shift("mg/L", "mg/m³"), shift("ppm", "mg/m³"), shift("m³/h", "m³/s")),
            (None, None, None)
        );
    }
}
