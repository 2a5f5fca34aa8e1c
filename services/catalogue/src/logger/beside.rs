//! What a factor has beside its main value: extremes, sums, converted values, the state and the hours of equipment.
//!
//! A `[[factor]]` names those that are to be readings, by command and suffix, as `values = { "2061-Max" = "cod_hour_max" }`; what is
//! not named is counted only. A logger sends them in the unit that it states for the code, but for sums, states and running
//! times, which are other quantities than the factor: these need a unit of their own, as `units = { "w00000-Cou" = "m³" }`.

use std::sync::Arc;

use crate::entry::{Entry, Ids};
use crate::fault::quoted;
use crate::value::readable;

/// The commands that bring such values.
const COMMANDS: [u16; 6] = [2011, 2021, 2031, 2041, 2051, 2061];
/// The suffixes of such values, and whether they are in the unit of the factor.
const SUFFIXES: [(&str, bool); 11] = [
    ("Min", true),
    ("Max", true),
    ("ZsRtd", true),
    ("ZsMin", true),
    ("ZsAvg", true),
    ("ZsMax", true),
    ("DayData", true),
    ("NightData", true),
    ("Cou", false),
    ("RS", false),
    ("RT", false),
];

/// A value beside the main one that is to be a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The command.
    pub cn: u16,
    /// The suffix, as `Max`.
    pub suffix: &'static str,
    /// Its metric.
    pub metric: Arc<str>,
}

/// How such a value of one logger becomes a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Which it is.
    pub named: Named,
    /// By how many places its decimal point moves to the right; none when the logger states no unit for it.
    pub shift: Option<i8>,
}

/// The suffix of this name, and whether its values are in the unit of the factor.
pub(super) fn suffix(name: &str) -> Option<(&'static str, bool)> {
    SUFFIXES.into_iter().find(|(known, _)| *known == name)
}

/// Metrics by command and suffix.
struct Values(Vec<Named>);

readable!(
    Values,
    "a table of metrics by command and suffix, such as { \"2061-Max\" = \"cod_hour_max\" }",
    |value| {
        let named =
            |(key, metric): (&toml::Spanned<_>, &toml::Spanned<toml::de::DeValue<'_>>)| -> Option<Named> {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                let (cn, name) = key.split_once('-')?;
                let cn = cn.parse().ok().filter(|cn| COMMANDS.contains(cn))?;
                Some(Named { cn, suffix: suffix(name)?.0, metric: metric.get_ref().as_str()?.into() })
            };
        value.as_table()?.iter().map(named).collect::<Option<_>>().map(Values)
    }
);

/// Reads `values` of a factor.
pub(super) fn read(entry: &Entry<'_>, metrics: &Ids) -> Vec<Named> {
    let values = entry.get::<Values>("values").map_or_else(Vec::new, |values| values.0);
    for named in values.iter().filter(|named| !metrics.contains_key(&named.metric)) {
        let found = format!("{}, which is not there", quoted(&named.metric));
        entry.wrong("values", found, "metrics of the catalogue".into());
    }
    values
}
