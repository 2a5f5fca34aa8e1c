//! What the alerts of other systems are about: the subject and district of one by its labels.
//!
//! An `[[alert]]` with `label` and `value` is for alerts that carry this label; one without both is for all else. Where the
//! labels of an alert fit several, the first by label counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::entry::{Entry, Ids};

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSubject {
    /// The subject, by its key.
    pub category: Arc<str>,
    /// The district, by its key, of alerts that name neither one nor a station.
    pub district: Option<Arc<str>>,
}

/// All of them, by label and value.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlertSubjects {
    by_label: BTreeMap<(Arc<str>, Arc<str>), AlertSubject>,
    default: Option<AlertSubject>,
}

impl AlertSubjects {
    /// Reads an `[[alert]]`.
    pub(crate) fn read(&mut self, entry: &Entry<'_>, categories: &Ids, districts: &Ids) {
        let (label, value) = (entry.get_text("label"), entry.get_text("value"));
        let (category, district) =
            (entry.want_ref("category", categories), entry.get_ref("district", districts));
        entry.finish();
        if entry.has("label") != entry.has("value") {
            let (is, wanted) = if entry.has("label") { ("label", "value") } else { ("value", "label") };
            entry.wrong(is, format!("a {is} without a {wanted}"), format!("a {wanted} beside it"));
            return;
        }
        let Some(category) = category else { return };
        let subject = AlertSubject { category, district };
        let before = match label.zip(value) {
            Some(pair) => self.by_label.insert(pair, subject),
            None if entry.has("label") => None,
            None => self.default.replace(subject),
        };
        if before.is_some() {
            entry.wrong("category", "a second entry for the same".into(), "one entry for each".into());
        }
    }

    /// What an alert with these labels is about.
    pub(crate) fn find(&self, labels: &BTreeMap<String, String>) -> Option<&AlertSubject> {
        let pairs = labels.iter().map(|(label, value)| (label.as_str().into(), value.as_str().into()));
        pairs.into_iter().find_map(|pair| self.by_label.get(&pair)).or(self.default.as_ref())
    }
}
