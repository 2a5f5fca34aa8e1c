//! Anomalies: episodes in which a series breaks a rule.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Series, Timestamp, excerpt};

/// Names an episode: the first 16 bytes of the SHA-256 of detector, zero byte, source, zero byte, metric,
/// zero byte, begin as 8 big-endian bytes of nanoseconds. Nothing else enters it, so that a retry, another
/// door, another number of workers or a replay finds the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnomalyId(pub [u8; 16]);

impl AnomalyId {
    /// The name of the episode of `series` that `detector` saw begin at `begin` when it was first said. Late readings may move
    /// the begin; the name stays.
    #[must_use]
    pub fn of(detector: &str, series: &Series, begin: Timestamp) -> Self {
        let mut hash = Sha256::new();
        for part in [detector, series.source(), series.metric()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(begin.nanos().to_be_bytes());
        let mut id = [0; 16];
        id.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AnomalyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AnomalyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong =
            || Error::Word { what: "anomaly id", found: excerpt(text), known: "32 hexadecimal digits" };
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| wrong())?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for AnomalyId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AnomalyId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How grave an anomaly is; the order that it opens takes its priority from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Severity {
    /// To be known.
    Notice = 1,
    /// To be acted on in the ordinary way.
    Warning = 2,
    /// To be acted on before the ordinary.
    Serious = 3,
    /// To be acted on now.
    Critical = 4,
}

impl Severity {
    /// The word for it, as in APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Serious => "serious",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Notice, Self::Warning, Self::Serious, Self::Critical]
            .into_iter()
            .find(|severity| severity.word() == text)
            .ok_or_else(|| Error::Word {
                what: "severity",
                found: excerpt(text),
                known: "notice, warning, serious, critical",
            })
    }
}

/// Where in its life an episode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The rule began to be broken.
    Raised,
    /// It is broken further: extreme or severity rose.
    Worsened,
    /// It is kept again.
    Cleared,
    /// Readings that came late or were corrected changed what was said: begin, end, extreme or severity.
    Revised,
    /// Readings that came late or were corrected showed that it never was, or that it is part of another.
    Withdrawn,
}

impl Phase {
    /// The word for it, as in APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Worsened => "worsened",
            Self::Cleared => "cleared",
            Self::Revised => "revised",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The reading that changed what was said before, because it came late or corrected another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Because {
    /// Its event time.
    pub time: Timestamp,
    /// Its value, in the metric's unit.
    pub value: f64,
    /// The value that it took the place of, where it is a correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<f64>,
}

/// What is known of an episode at one step of its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The episode's name; the same at every step.
    pub id: AnomalyId,
    /// The detector, by its name in the catalogue.
    pub detector: Arc<str>,
    /// The series; of a rule across series the subject, as (gateway, "gateway").
    pub series: Series,
    /// The step.
    pub phase: Phase,
    /// Event time at which the rule began to be broken.
    pub begin: Timestamp,
    /// Event time from which it was kept again, once cleared.
    pub end: Option<Timestamp>,
    /// The judged value that was furthest out so far, in the unit that the detector states.
    pub extreme: f64,
    /// The limit that was judged against, in the same unit; none where the rule has no number.
    pub limit: Option<f64>,
    /// Where the limit stands: standard, edition, grade; or the catalogue's own source.
    pub edition: Arc<str>,
    /// How grave it is so far.
    pub severity: Severity,
    /// Of a step that takes back or changes what was said: the reading that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
    /// Of a withdrawn one that became part of another: that other's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<AnomalyId>,
    /// The silence because of which it has no order, by its name in the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<Arc<str>>,
}

impl Anomaly {
    /// Whether it goes on.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.end.is_none() && !matches!(self.phase, Phase::Cleared | Phase::Withdrawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_episode_never_changes() {
        let series = Series::new("Aotizhongxin", "pm2_5").expect("good names");
        let id = AnomalyId::of("pm2_5-day", &series, Timestamp::from_secs(1_362_067_200));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string(), "0ad8147d521b365a804ed3aef306652f");
    }

    #[test]
    fn other_texts_are_not_ids() {
        for text in ["", "12", "+2345678901234567890123456789012", "x2345678901234567890123456789012"] {
            assert!(text.parse::<AnomalyId>().is_err(), "{text:?}");
        }
    }
}
