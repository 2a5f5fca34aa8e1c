//! What the judgement notes in the history of an order: numbers and times, which need no translation.
//!
//! ```text
//! worsened   120.5 µg/m³                               extreme, unit; of another system's alert its severity
//! cleared    2026-03-02T02:01:00Z                      end
//! revised    BEGIN..END critical 120.5 µg/m³; READING  the episode as it is now; no END while it goes on
//! restored   as revised
//! withdrawn  READING; → YW20260302-000007              the order of the episode that it is part of, or that one's id
//! READING    2026-03-02T02:00:30Z 12.5                 came late
//! READING    2026-03-02T02:00:30Z 99→12.5              was corrected from 99
//! ```
//!
//! `READING` is the one that changed what had been said; its value is in the unit of its metric, which is not always that of
//! the extreme. It is left out where none is known, and so is `→` with what follows it. Times are UTC in RFC 3339, numbers the
//! shortest text that gives the same number again. [`Revised`], [`Withdrawn`] and [`Reading`] read what they write; a note that
//! they cannot read is of another release or of a person.

use std::fmt::{self, Display};
use std::str::FromStr;

use yiwang_model::{Anomaly, Because, Severity, Timestamp};

/// Between the parts of a note.
const PARTS: &str = "; ";
/// Before what a withdrawn episode is part of, and between the value that was and the value that is.
const BECOMES: char = '→';

/// A note that is not one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a note of this kind")]
pub struct Unread;

/// The reading that changed what had been said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading(pub Because);

impl Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Because { time, value, was } = self.0;
        match was {
            Some(was) => write!(f, "{time} {was}{BECOMES}{value}"),
            None => write!(f, "{time} {value}"),
        }
    }
}

impl FromStr for Reading {
    type Err = Unread;

    fn from_str(text: &str) -> Result<Self, Unread> {
        let (time, values) = text.split_once(' ').ok_or(Unread)?;
        let (was, value) = match values.split_once(BECOMES) {
            Some((was, value)) => (Some(read(was)?), value),
            None => (None, values),
        };
        Ok(Self(Because { time: read(time)?, value: read(value)?, was }))
    }
}

/// An episode as it is after a revision, or when it is there again.
#[derive(Clone, Debug, PartialEq)]
pub struct Revised {
    /// Event time of its begin.
    pub begin: Timestamp,
    /// Event time of its end, if it is over.
    pub end: Option<Timestamp>,
    /// How grave it is.
    pub severity: Severity,
    /// The judged value that is furthest out.
    pub extreme: f64,
    /// The unit of that.
    pub unit: String,
    /// The reading that changed it.
    pub because: Option<Because>,
}

impl Revised {
    /// What an episode with an extreme in this unit is.
    #[must_use]
    pub fn of(anomaly: &Anomaly, unit: &str) -> Self {
        let Anomaly { begin, end, severity, extreme, because, .. } = *anomaly;
        Self { begin, end, severity, extreme, unit: unit.to_owned(), because }
    }
}

impl Display for Revised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.begin)?;
        self.end.iter().try_for_each(|end| write!(f, "{end}"))?;
        write!(f, " {} {} {}", self.severity, self.extreme, self.unit)?;
        self.because.iter().try_for_each(|because| write!(f, "{PARTS}{}", Reading(*because)))
    }
}

impl FromStr for Revised {
    type Err = Unread;

    fn from_str(text: &str) -> Result<Self, Unread> {
        let (text, because) = match text.rsplit_once(PARTS) {
            Some((before, last)) => {
                last.parse().map_or((text, None), |Reading(because)| (before, Some(because)))
            }
            None => (text, None),
        };
        let mut words = text.splitn(4, ' ');
        let mut word = || words.next().ok_or(Unread);
        let (begin, end) = word()?.split_once("..").ok_or(Unread)?;
        Ok(Self {
            begin: read(begin)?,
            end: Some(end).filter(|end| !end.is_empty()).map(read).transpose()?,
            severity: read(word()?)?,
            extreme: read(word()?)?,
            unit: word()?.to_owned(),
            because,
        })
    }
}

/// What took an episode back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Withdrawn {
    /// The reading.
    pub because: Option<Because>,
    /// The number of the order of the episode that it is part of, or that episode's id.
    pub into: Option<String>,
}

impl Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.because.iter().try_for_each(|because| Reading(*because).fmt(f))?;
        let between = if self.because.is_some() && self.into.is_some() { PARTS } else { "" };
        self.into.iter().try_for_each(|into| write!(f, "{between}{BECOMES} {into}"))
    }
}

impl FromStr for Withdrawn {
    type Err = Unread;

    fn from_str(text: &str) -> Result<Self, Unread> {
        let mut note = Self::default();
        for part in text.split(PARTS).filter(|part| !part.is_empty()) {
            match part.strip_prefix(BECOMES) {
                Some(into) => note.into = Some(into.trim_start().to_owned()),
                None => note.because = Some(part.parse::<Reading>()?.0),
            }
        }
        Ok(note)
    }
}

fn read<T: FromStr>(text: &str) -> Result<T, Unread> {
    text.parse().map_err(|_| Unread)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::sample::{MORNING, after, episode};

    const LATE: Because = Because { time: MORNING, value: 12.5, was: None };
    const CORRECTED: Because = Because { was: Some(99.0), ..LATE };

    #[test]
    fn notes_are_short_and_say_when_and_how_much() {
        let anomaly = Anomaly { because: Some(CORRECTED), ..episode("a", MORNING) };
        let revised = Revised::of(&anomaly, "µg/m³");
        assert_eq!(
            revised.to_string(),
            "2026-03-02T02:00:00Z.. warning 75.1 µg/m³; 2026-03-02T02:00:00Z 99→12.5"
        );
        let over = Revised { end: Some(after(60)), because: None, ..revised };
        assert_eq!(over.to_string(), "2026-03-02T02:00:00Z..2026-03-02T02:01:00Z warning 75.1 µg/m³");
        let withdrawn = Withdrawn { because: Some(LATE), into: Some("YW20260302-000007".into()) };
        assert_eq!(withdrawn.to_string(), "2026-03-02T02:00:00Z 12.5; → YW20260302-000007");
    }

    #[test]
    fn other_texts_are_not_notes() {
        for text in ["x", "2026-03-02T02:00:00Z", "12.5 µg/m³", "看过", "; x", "2026-03-02T02:00:00Z 1→"]
        {
            assert_eq!(text.parse::<Revised>(), Err(Unread), "{text:?}");
            assert_eq!(text.parse::<Withdrawn>(), Err(Unread), "{text:?}");
        }
    }

    fn because() -> impl Strategy<Value = Option<Because>> {
        let number = || any::<f64>();
        let all = (any::<i64>(), number(), prop::option::of(number()));
        prop::option::of(all.prop_map(|(time, value, was)| Because { time: Timestamp(time), value, was }))
    }

    proptest! {
        #[test]
        fn a_revision_is_read_as_it_was_written(
            (begin, end) in (any::<i64>(), prop::option::of(any::<i64>())),
            extreme: f64, unit in "[^;]{0,20}", grave in 0..4_usize, because in because(),
        ) {
            let severity = [Severity::Notice, Severity::Warning, Severity::Serious, Severity::Critical][grave];
            let (begin, end) = (Timestamp(begin), end.map(Timestamp));
            let note = Revised { begin, end, severity, extreme, unit, because };
            prop_assert_eq!(note.to_string().parse(), Ok(note));
        }

        #[test]
        fn a_withdrawal_is_read_as_it_was_written(because in because(), into in prop::option::of("[A-Z0-9-]{1,20}")) {
            let note = Withdrawn { because, into };
            prop_assert_eq!(note.to_string().parse(), Ok(note));
        }

        #[test]
        fn no_text_is_too_odd_to_be_read(text: String) {
            let _ = (text.parse::<Revised>(), text.parse::<Withdrawn>());
        }
    }
}
