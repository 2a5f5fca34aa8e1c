//! Series: one metric of one source.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, excerpt};

/// A series: one metric of one source, such as PM2.5 of one air station. Both names are checked when a series
/// is made: 1 to 128 bytes, letters and digits of any script and `_ - . / :` between them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    source: Arc<str>,
    metric: Arc<str>,
}

/// The number that stands for a series in the log: the first 8 bytes, big-endian, of the SHA-256 of
/// `source`, a zero byte, `metric`. The same on every machine and in every release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SeriesId(pub u64);

/// The longest name of a source or a metric, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

impl Series {
    /// The series of this source and metric.
    ///
    /// # Errors
    /// [`Error::Name`] when one of the names is not allowed.
    pub fn new(source: impl Into<Arc<str>>, metric: impl Into<Arc<str>>) -> Result<Self, Error> {
        let (source, metric) = (source.into(), metric.into());
        check_name("source", &source)?;
        check_name("metric", &metric)?;
        Ok(Self { source, metric })
    }

    /// Who measures: a station, a project, a statistics office.
    #[must_use]
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// What is measured, by the name that the catalogue knows.
    #[must_use]
    pub fn metric(&self) -> &Arc<str> {
        &self.metric
    }

    /// The number that stands for this series in the log.
    #[must_use]
    pub fn id(&self) -> SeriesId {
        let mut hash = Sha256::new();
        hash.update(self.source.as_bytes());
        hash.update([0]);
        hash.update(self.metric.as_bytes());
        SeriesId(first_u64(&hash.finalize()))
    }

    /// The log partition, of `partitions`, that holds this series: all metrics of a source share one.
    ///
    /// # Panics
    /// When `partitions` is zero; a log has at least one.
    #[must_use]
    pub fn partition(&self, partitions: u16) -> u16 {
        let hash = first_u64(&Sha256::digest(self.source.as_bytes()));
        u16::try_from(hash % u64::from(partitions)).expect("a remainder is below its u16 divisor")
    }
}

fn first_u64(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Refuses a name that is empty, longer than [`MAX_NAME_BYTES`] or has another character than letters and
/// digits of any script and `_ - . / :`.
///
/// # Errors
/// [`Error::Name`], naming `what` the name was for.
pub fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "is longer than 128 bytes"
    } else if !name.chars().all(|c| c.is_alphanumeric() || "_-./:".contains(c)) {
        "has a character other than letters, digits and _ - . / :"
    } else {
        return Ok(());
    };
    Err(Error::Name { what, name: excerpt(name), why })
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.metric)
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_series_never_changes() {
        let series = Series::new("510104-air-1", "pm2_5").expect("good names");
        assert_eq!(format!("{:?}", series.id()), "0cbe5984db52d003");
        assert_eq!(series.partition(4), 1);
    }

    #[test]
    fn names_that_would_hurt_are_refused() {
        for (source, metric) in [("", "m"), ("s", ""), ("a b", "m"), ("a\0", "m"), ("a\n", "m"), ("a,b", "m")]
        {
            assert!(Series::new(source, metric).is_err(), "{source:?} {metric:?}");
        }
        assert!(Series::new("x".repeat(129), "m").is_err());
        assert!(Series::new("锦江-空气-1", "pm2_5").is_ok());
    }
}
