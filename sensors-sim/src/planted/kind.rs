//! What a plan may name: faults, quiet look-alikes, causes; each with the size that it usually has.
//!
//! A *factor* scales a fault: 1 is the usual size. What it scales is the size where there is one, else the length.

/// What a row of a plan or of the truth is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Something is wrong with one series: it should be found.
    Fault,
    /// It looks strange and is as it should be: nothing should be found.
    Quiet,
    /// Many series are strange for one reason, which should be named.
    Cause,
}

impl Class {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Quiet => "quiet",
            Self::Cause => "cause",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::Fault, Self::Quiet, Self::Cause].into_iter().find(|class| class.word() == word)
    }
}

/// What is planted; `docs/planted.md` says what each one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "docs/planted.md says it")]
pub enum Kind {
    Spike,
    Shift,
    Drift,
    Noise,
    Stuck,
    Gap,
    Limit,
    Slip,
    Season,
    Front,
    Event,
    Holiday,
    Calibration,
    Maintenance,
    Gateway,
    Power,
    Broker,
    Weather,
    Maker,
    Plume,
}

/// Kind, word, class, usual length in readings, usual size.
type Row = (Kind, &'static str, Class, u32, f64);

const TABLE: [Row; 20] = [
    (Kind::Spike, "spike", Class::Fault, 1, 8.0),
    (Kind::Shift, "shift", Class::Fault, 30, 3.0),
    (Kind::Drift, "drift", Class::Fault, 200, 0.05),
    (Kind::Noise, "noise", Class::Fault, 60, 3.0),
    (Kind::Stuck, "stuck", Class::Fault, 8, 0.0),
    (Kind::Gap, "gap", Class::Fault, 5, 0.0),
    (Kind::Limit, "limit", Class::Fault, 6, 1.1),
    (Kind::Slip, "slip", Class::Fault, 5, 10.0),
    (Kind::Season, "season", Class::Fault, 288, 0.0),
    (Kind::Front, "front", Class::Quiet, 36, 5.0),
    (Kind::Event, "event", Class::Quiet, 24, 10.0),
    (Kind::Holiday, "holiday", Class::Quiet, 144, 0.0),
    (Kind::Calibration, "calibration", Class::Quiet, 6, 0.0),
    (Kind::Maintenance, "maintenance", Class::Quiet, 12, 0.0),
    (Kind::Gateway, "gateway", Class::Cause, 18, 0.0),
    (Kind::Power, "power", Class::Cause, 18, 0.0),
    (Kind::Broker, "broker", Class::Cause, 18, 0.0),
    (Kind::Weather, "weather", Class::Cause, 36, 8.0),
    (Kind::Maker, "maker", Class::Cause, 36, 8.0),
    (Kind::Plume, "plume", Class::Cause, 24, 16.0),
];

/// The factors of the tables of recall over size.
pub(crate) const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

impl Kind {
    /// All kinds of a class, in the order of the documentation.
    pub fn all(class: Class) -> impl Iterator<Item = Self> {
        TABLE.iter().filter(move |row| row.2 == class).map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.0 == self).expect("the table has all kinds")
    }

    /// The word for it, as in plans.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// What it is for.
    #[must_use]
    pub fn class(self) -> Class {
        self.row().2
    }

    /// The kind of a word; else all words.
    pub(crate) fn of(word: &str) -> Result<Self, String> {
        let found = TABLE.iter().find(|row| row.1 == word).map(|row| row.0);
        found.ok_or_else(|| TABLE.map(|row| row.1).join(", "))
    }

    /// How long it usually is, in readings.
    #[must_use]
    pub fn readings(self) -> u32 {
        self.row().3
    }

    /// How large it usually is; 0 where only the length counts.
    #[must_use]
    pub fn size(self) -> f64 {
        self.row().4
    }

    /// Whether a plan may give it a size.
    pub(crate) fn has_size(self) -> bool {
        self.size() != 0.0
    }

    /// Length in readings and size of one that is so many times the usual.
    pub(crate) fn scaled(self, factor: f64) -> (u32, f64) {
        // a plan's factor is small
        let length = ((f64::from(self.readings()) * factor).round() as u32).max(1);
        match self {
            Self::Noise | Self::Limit => (self.readings(), 1.0 + (self.size() - 1.0) * factor),
            _ if self.has_size() => (self.readings(), self.size() * factor),
            _ => (length, 0.0),
        }
    }

    /// How many times the usual this one is: the reverse of [`Kind::scaled`], which rounds lengths.
    pub(crate) fn factor(self, readings: u32, size: f64) -> f64 {
        let usual = FACTORS.into_iter().find(|factor| self.scaled(*factor) == (readings, size));
        usual.unwrap_or_else(|| self.ratio(readings, size))
    }

    fn ratio(self, readings: u32, size: f64) -> f64 {
        match self {
            Self::Noise | Self::Limit => (size - 1.0) / (self.size() - 1.0),
            _ if self.has_size() => size / self.size(),
            _ => f64::from(readings) / f64::from(self.readings()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_found_again_from_what_it_scaled() {
        for kind in Kind::all(Class::Fault) {
            for factor in FACTORS {
                let (readings, size) = kind.scaled(factor);
                assert_eq!(kind.factor(readings, size), factor, "{kind:?}");
            }
            let (readings, size) = kind.scaled(3.0);
            assert!((kind.factor(readings, size) - 3.0).abs() < 1e-9, "{kind:?}");
            assert_eq!(kind.scaled(1.0), (kind.readings(), kind.size()));
        }
    }
}
