//! The topics of the city's log, in the order of its layout.

/// Readings and ticks; the only topic with more than one partition.
pub const READINGS: u8 = 0;
/// What was refused.
pub const REJECTED: u8 = 1;
/// What the judgement says.
pub const DERIVED: u8 = 2;
/// What happened to orders.
pub const EVENTS: u8 = 3;
/// Names of series; kept.
pub const NAMES: u8 = 4;
/// The city's clock; kept.
pub const CLOCK: u8 = 5;
/// Every catalogue that was in force; kept.
pub const CATALOGUE: u8 = 6;
/// Readings of sources that the catalogue does not have, until it has them.
pub const QUARANTINE: u8 = 7;

/// Name and whether it outlives retention, by topic number.
pub const ALL: [(&str, bool); 8] = [
    ("readings", false),
    ("rejected", false),
    ("derived", false),
    ("events", false),
    ("names", true),
    ("clock", true),
    ("catalogue", true),
    ("quarantine", false),
];
