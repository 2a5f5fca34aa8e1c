//! Routes: which department must act on what, and where.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::entry::{Entry, Ids};

/// Where an order goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The department, by its key.
    pub department: Arc<str>,
}

/// All routes: by category and district, by category, and the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    by_category: BTreeMap<Arc<str>, Choice>,
    default: Option<Route>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Choice {
    everywhere: Option<Route>,
    by_district: BTreeMap<Arc<str>, Route>,
}

/// What a route may refer to.
pub(crate) struct Known<'a> {
    pub(crate) categories: &'a Ids,
    pub(crate) districts: &'a Ids,
    pub(crate) departments: &'a Ids,
}

impl Routes {
    /// A `[[route]]`: `category` and `district` may be missing, `district` only with a `category`.
    pub(crate) fn read(&mut self, entry: &Entry<'_>, known: &Known<'_>) {
        let category = entry.get_ref("category", known.categories);
        let district = entry.get_ref("district", known.districts);
        let department = entry.want_ref("department", known.departments);
        entry.finish();
        let meant = [("category", category.is_some()), ("district", district.is_some())];
        if meant.iter().any(|(key, read)| entry.has(key) != *read) {
            return;
        }
        let Some(department) = department else { return };
        let route = Some(Route { department });
        let before = match (category, district) {
            (None, None) => std::mem::replace(&mut self.default, route),
            (Some(category), None) => {
                std::mem::replace(&mut self.by_category.entry(category).or_default().everywhere, route)
            }
            (Some(category), Some(district)) => {
                let choice = self.by_category.entry(category).or_default();
                route.and_then(|route| choice.by_district.insert(district, route))
            }
            (None, Some(_)) => {
                entry.wrong(
                    "district",
                    "a district without a category".into(),
                    "a category beside it".into(),
                );
                None
            }
        };
        if before.is_some() {
            entry.wrong("department", "a second route for the same".into(), "one route for each".into());
        }
    }

    /// The most specific route: category and district, category, default.
    pub(crate) fn find(&self, category: &str, district: &str) -> Option<&Route> {
        let choice = self.by_category.get(category);
        choice
            .and_then(|choice| choice.by_district.get(district).or(choice.everywhere.as_ref()))
            .or(self.default.as_ref())
    }
}
