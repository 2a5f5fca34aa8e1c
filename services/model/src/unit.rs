//! Units, by the one spelling that the project uses.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A unit by its one spelling: `ug/m3`, `μg/m3` and `µg/m³` are all [`Unit`] `µg/m³`. Two units are the same
/// when their spelling is; nothing is converted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Unit(Arc<str>);

/// (as people type it, as it is shown)
const SPELLINGS: &[(&str, &str)] = &[
    ("ug/m3", "µg/m³"),
    ("μg/m3", "µg/m³"),
    ("μg/m³", "µg/m³"),
    ("µg/m3", "µg/m³"),
    ("mg/m3", "mg/m³"),
    ("ng/m3", "ng/m³"),
    ("g/m3", "g/m³"),
    ("ug/L", "µg/L"),
    ("ug/l", "µg/L"),
    ("μg/L", "µg/L"),
    ("m3/s", "m³/s"),
    ("m^3/s", "m³/s"),
    ("db(a)", "dB(A)"),
    ("dBA", "dB(A)"),
    ("dba", "dB(A)"),
    ("percent", "%"),
    ("pct", "%"),
    ("degC", "°C"),
    ("℃", "°C"),
    ("mg/l", "mg/L"),
    ("CNY 1e8", "亿元"),
    ("CNY 1e4", "万元"),
    ("1", ""),
];

impl Unit {
    /// The unit that a text spells; a spelling that is not known stands for itself.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        let shown = SPELLINGS.iter().find(|(typed, _)| *typed == text).map_or(text, |(_, shown)| shown);
        Self(shown.into())
    }

    /// As it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Unit {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
