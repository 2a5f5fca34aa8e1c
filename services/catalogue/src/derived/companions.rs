//! The companions of a metric, as `with` and `against` name them: other metrics that stations send, each once.

use std::sync::Arc;

use super::Known;
use crate::entry::Entry;

/// Reads both lists.
pub(super) fn companions(entry: &Entry<'_>, known: &Known<'_>) -> [Vec<Arc<str>>; 2] {
    let named = |key| if entry.has(key) { entry.want_refs(key, known.metric_names) } else { None };
    let [with, against] = ["with", "against"].map(|key| named(key).unwrap_or_default());
    let of = entry.peek::<Arc<str>>("of");
    for (key, list) in [("with", &with), ("against", &against)] {
        for (at, name) in list.iter().enumerate() {
            let wrong = if of.as_ref() == Some(name) {
                "which is of"
            } else if !known.sent.contains(name) {
                "which no station sends"
            } else if list[..at].contains(name) {
                "which is there twice"
            } else if key == "against" && with.contains(name) {
                "which is in with"
            } else {
                continue;
            };
            entry.wrong(
                key,
                format!("{name:?}, {wrong}"),
                "other metrics that stations send, each once".into(),
            );
        }
    }
    [with, against]
}
