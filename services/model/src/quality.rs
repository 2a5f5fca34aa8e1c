//! How far a value can be trusted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, excerpt};

/// How far a reading can be trusted, after the data flags of HJ 212-2017, table 8. The number is the one that
/// stands in the log and on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Quality {
    /// Measured as it should be (HJ 212 flag N).
    #[default]
    Good = 0,
    /// Outside what the metric can be, or out of its usual bounds: not judged against limits (T).
    Suspect = 1,
    /// The source was being maintained (M).
    Maintenance = 2,
    /// The meter was calibrating (C).
    Calibration = 3,
    /// The meter is broken (D).
    Fault = 4,
    /// The source was switched off (F).
    Stopped = 5,
    /// Entered by hand (S).
    Manual = 6,
    /// The logger lost its link to the meter (B).
    Disconnected = 7,
    /// Measured as it should be, by a device whose clock is known to be wrong: its time is not to be trusted. HJ 212 has no flag for it.
    ClockOff = 8,
}

impl Quality {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Good,
        Self::Suspect,
        Self::Maintenance,
        Self::Calibration,
        Self::Fault,
        Self::Stopped,
        Self::Manual,
        Self::Disconnected,
        Self::ClockOff,
    ];

    /// Whether a value of this quality is judged: measured well, be it at a doubtful time, or entered by a person who answers for it.
    #[must_use]
    pub const fn is_judged(self) -> bool {
        matches!(self, Self::Good | Self::Manual | Self::ClockOff)
    }

    /// The quality with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word for it, as in APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Suspect => "suspect",
            Self::Maintenance => "maintenance",
            Self::Calibration => "calibration",
            Self::Fault => "fault",
            Self::Stopped => "stopped",
            Self::Manual => "manual",
            Self::Disconnected => "disconnected",
            Self::ClockOff => "clock_off",
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Quality {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|quality| quality.word() == text).ok_or_else(|| Error::Word {
            what: "quality",
            found: excerpt(text),
            known: "good, suspect, maintenance, calibration, fault, stopped, manual, disconnected, clock_off",
        })
    }
}
