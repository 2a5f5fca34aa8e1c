//! What fields of InfluxDB's line protocol mean: which metric, in which unit, and which tag names the source.
//!
//! One measurement needs no entry, because its lines say all themselves: [`READINGS`], with the tags `source` and `metric`,
//! the field `value` in the metric's unit and, if it is there, the field `quality`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use yiwang_model::Unit;

use crate::entry::{Entry, Ids};
use crate::limit::{Units, check_unit};

/// The measurement whose lines name source and metric themselves.
pub const READINGS: &str = "readings";

/// A field of a measurement that is a metric of the city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineField {
    /// The field's key.
    pub field: Arc<str>,
    /// The metric that its values are of, in the metric's unit.
    pub metric: Arc<str>,
    /// The tag whose value names the source.
    pub source_tag: Arc<str>,
    /// What stands before the tag's value in the source's id; empty when nothing does.
    pub source_prefix: Arc<str>,
}

/// All of them, by measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineFields(HashMap<Arc<str>, Vec<LineField>>);

impl LineFields {
    /// Reads all `[[line_field]]`.
    pub(crate) fn read(entries: &[Entry<'_>], metrics: &Ids, units: &Units) -> Self {
        let (mut fields, mut seen) = (Self::default(), BTreeMap::new());
        for entry in entries {
            let Some((measurement, field, unit)) = LineField::read(entry, metrics) else { continue };
            check_unit(entry, &unit, &field.metric, units);
            let place = seen.insert((measurement.clone(), field.field.clone()), entry.place());
            if let Some(place) = place {
                let wanted = "one entry for each field of a measurement".into();
                entry.wrong("field", format!("{:?} again, as in {place}", field.field), wanted);
            }
            fields.0.entry(measurement).or_default().push(field);
        }
        fields
    }

    /// The fields of a measurement; none for one that is not mapped.
    pub(crate) fn of(&self, measurement: &str) -> &[LineField] {
        self.0.get(measurement).map_or(&[], Vec::as_slice)
    }
}

impl LineField {
    fn read(entry: &Entry<'_>, metrics: &Ids) -> Option<(Arc<str>, Self, Unit)> {
        let measurement = entry.want_text("measurement");
        if measurement.as_deref() == Some(READINGS) {
            let wanted = "another measurement: lines of this one name source and metric themselves".into();
            entry.wrong("measurement", format!("{READINGS:?}"), wanted);
        }
        let (field, metric) = (entry.want_text("field"), entry.want_ref("metric", metrics));
        let unit = entry.want("unit");
        let (source_tag, source_prefix) = (entry.want_text("source_tag"), entry.get_text("source_prefix"));
        entry.finish();
        let source_prefix = source_prefix.unwrap_or_default();
        let field = Self { field: field?, metric: metric?, source_tag: source_tag?, source_prefix };
        Some((measurement?, field, unit?))
    }
}
