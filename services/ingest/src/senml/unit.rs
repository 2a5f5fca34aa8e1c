//! Units of SenML's registry (RFC 8428, 12.1, and RFC 8798) as units of the city.
//!
//! | SenML | the metric's unit | factor |
//! |---|---|---|
//! | `ug/m3` | µg/m³ | 1 |
//! | `kg/m3` | µg/m³, mg/m³, mg/L | 10^9, 10^6, 10^3 |
//! | `/` | no unit, % | 1, 10^2 |
//! | `%RH` | % | 1 |
//! | `Cel` | °C | 1 |
//! | `pH` | no unit | 1 |
//! | `m3/s` | m³/s | 1 |
//! | `mm`, `cm`, `km` | m | 10^-3, 10^-2, 10^3 |
//!
//! Any other unit must be the metric's own, or the one that the catalogue knows the source to send in. `dB` is not dB(A): it is not weighted.

use yiwang_model::Unit;

use crate::decimal;
use crate::names::{Known, Refused};

/// (of SenML, of the city, to be multiplied by, to be divided by): one of the two is 1, so that one rounding is all.
const UNITS: &[(&str, &str, f64, f64)] = &[
    ("ug/m3", "µg/m³", 1.0, 1.0),
    ("kg/m3", "µg/m³", 1e9, 1.0),
    ("kg/m3", "mg/m³", 1e6, 1.0),
    ("kg/m3", "mg/L", 1e3, 1.0),
    ("/", "", 1.0, 1.0),
    ("/", "%", 1e2, 1.0),
    ("%RH", "%", 1.0, 1.0),
    ("Cel", "°C", 1.0, 1.0),
    ("pH", "", 1.0, 1.0),
    ("m3/s", "m³/s", 1.0, 1.0),
    ("mm", "m", 1.0, 1e3),
    ("cm", "m", 1.0, 1e2),
    ("km", "m", 1e3, 1.0),
];

/// A value in the metric's unit.
///
/// # Errors
/// The reason and the sentence with which to refuse a unit that cannot become the metric's.
pub fn convert(known: &Known, unit: &str, value: f64) -> Result<f64, Refused> {
    let row = UNITS.iter().find(|(senml, own, ..)| *senml == unit && *own == known.metric.unit.as_str());
    if let Some((.., times, by)) = row {
        return Ok(value * times / by);
    }
    Ok(decimal::shift(value, known.shift(&Unit::new(unit))?))
}
