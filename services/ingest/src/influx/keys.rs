//! Series keys that were met before: what stands before a line's first space, and which series its fields are.
//!
//! The same text always names the same series as long as the catalogue is the same, so that tags need be taken apart and looked
//! up once and not with every point. Only what was admitted is kept. Bounded: [`MAX_FIELDS`] fields in all, keys of at most
//! [`MAX_KEY_BYTES`]; when it is full it begins anew.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::names::{Known, Names};

/// The most fields that are remembered.
const MAX_FIELDS: usize = 200_000;
/// The longest key that is remembered, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// What all requests share.
#[derive(Debug, Default)]
pub(super) struct Keys(RwLock<Met>);

/// The keys that were met.
#[derive(Debug, Default)]
pub(super) struct Met {
    by_key: HashMap<Box<str>, Vec<(Box<str>, Known)>>,
    fields: usize,
    /// The edition of the names that they were looked up in.
    edition: u64,
}

/// A field that was met for the first time.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) key: Box<str>,
    pub(super) field: Box<str>,
    pub(super) known: Known,
    /// The edition of the names before it was looked up.
    pub(super) edition: u64,
}

impl Keys {
    /// What was met under the catalogue in force.
    pub(super) fn met(&self, names: &Names) -> RwLockReadGuard<'_, Met> {
        let edition = names.edition();
        let met = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if met.edition == edition {
            return met;
        }
        drop(met);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.edition != edition {
            *all = Met { edition, ..Met::default() };
        }
        drop(all);
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers these.
    pub(super) fn learn(&self, fresh: &mut Vec<Fresh>) {
        if fresh.is_empty() {
            return;
        }
        let mut met = self.0.write().unwrap_or_else(PoisonError::into_inner);
        fresh.drain(..).for_each(|fresh| met.put(fresh));
    }
}

impl Met {
    /// The fields of this key.
    pub(super) fn fields(&self, key: &str) -> Option<&[(Box<str>, Known)]> {
        self.by_key.get(key).map(Vec::as_slice)
    }

    fn put(&mut self, Fresh { key, field, known, edition }: Fresh) {
        if edition != self.edition || key.len() > MAX_KEY_BYTES {
            return;
        }
        if self.fields >= MAX_FIELDS {
            *self = Self { edition, ..Self::default() };
        }
        let fields = self.by_key.entry(key).or_default();
        if fields.iter().all(|(own, _)| *own != field) {
            fields.push((field, known));
            self.fields += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use yiwang_catalogue::Catalogue;

    use super::*;
    use crate::names::Limits;

    fn names() -> Names {
        Names::new(Arc::new(Catalogue::demo()), 4, Limits::default())
    }

    fn fresh(names: &Names, key: &str, field: &str) -> Fresh {
        let known = names.resolve("g1", "510104-air-1", "pm10").unwrap();
        Fresh { key: key.into(), field: field.into(), known, edition: names.edition() }
    }

    #[test]
    fn what_was_met_is_forgotten_when_the_catalogue_changes() {
        let (names, keys) = (names(), Keys::default());
        keys.learn(&mut vec![
            fresh(&names, "a,b=c", "x"),
            fresh(&names, "a,b=c", "y"),
            fresh(&names, "a,b=c", "x"),
        ]);
        assert_eq!(keys.met(&names).fields("a,b=c").map(<[_]>::len), Some(2));
        let late = fresh(&names, "a,b=d", "x");
        names.revise(Arc::new(Catalogue::demo()));
        assert!(keys.met(&names).fields("a,b=c").is_none());
        keys.learn(&mut vec![late]);
        assert!(keys.met(&names).fields("a,b=d").is_none(), "looked up under the old one");
    }

    #[test]
    fn it_begins_anew_when_it_is_full_and_takes_no_long_keys() {
        let (names, keys) = (names(), Keys::default());
        let known = names.resolve("g1", "510104-air-1", "pm10").unwrap();
        let fresh =
            |key: String| Fresh { key: key.into(), field: "x".into(), known: known.clone(), edition: 0 };
        keys.learn(&mut (0..=MAX_FIELDS).map(|number| fresh(number.to_string())).collect());
        assert_eq!(keys.met(&names).fields, 1);
        keys.learn(&mut vec![fresh("k".repeat(MAX_KEY_BYTES + 1))]);
        assert_eq!(keys.met(&names).fields, 1);
    }
}
