//! The series of a file, numbered as they come up.

use std::collections::HashMap;
use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_model::Series;
use yiwang_proto::v1::{Reason, SeriesKey};

use crate::gather::Why;

/// The series that came up, each with its unit. A key is what stands in the file.
pub struct Dictionary {
    catalogue: Arc<Catalogue>,
    numbers: HashMap<Box<[u8]>, u32>,
    keys: Vec<SeriesKey>,
}

/// A series in the words of the mapping.
pub(crate) struct Words<'a> {
    pub(crate) source: String,
    pub(crate) metric: String,
    pub(crate) unit: Option<&'a str>,
}

impl Dictionary {
    /// No series yet; units are the catalogue's where a file does not say.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, numbers: HashMap::new(), keys: Vec::new() }
    }

    /// The series, by number.
    #[must_use]
    pub fn keys(&self) -> &[SeriesKey] {
        &self.keys
    }

    /// Forgets all series.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.keys.clear();
    }

    /// The number of what stands under this key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Gives a new series a number.
    pub(crate) fn add(&mut self, key: &[u8], words: Words<'_>) -> Result<u32, Why> {
        let Words { source, metric, unit } = words;
        let series = Series::new(source, metric).map_err(|error| Why(Reason::BadName, error.to_string()))?;
        let unit = match unit.filter(|unit| !unit.is_empty()) {
            Some(unit) => unit.to_owned(),
            None => self.unit_of(series.metric())?,
        };
        let number = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let (source, metric) = (series.source().to_string(), series.metric().to_string());
        self.keys.push(SeriesKey { source, metric, unit });
        self.numbers.insert(key.into(), number);
        Ok(number)
    }

    fn unit_of(&self, metric: &str) -> Result<String, Why> {
        let known = self.catalogue.metric(metric).ok_or_else(|| {
            Why(
                Reason::UnknownMetric,
                format!("metric {metric:?} is not in the catalogue, and no unit is given"),
            )
        })?;
        // A metric without a unit has the unit 1.
        Ok(Some(known.unit.as_str()).filter(|unit| !unit.is_empty()).unwrap_or("1").to_owned())
    }
}
