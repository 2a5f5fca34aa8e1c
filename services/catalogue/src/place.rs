//! The districts of the city, its departments, its gateways and the subjects of its orders.

use std::sync::Arc;

use yiwang_model::Series;
use yiwang_model::order::Text;

use crate::entry::{Entry, Ids};
use crate::fault::quoted;
use crate::value::{readable, word, words};

/// What sort of place a district is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DistrictKind {
    /// An administrative division, whose key is its code of six digits: `division`.
    Division,
    /// A functional zone: it owns orders but has no code: `zone`.
    Zone,
    /// Outside the city, for comparison: `elsewhere`.
    Elsewhere,
}

const KINDS: [(DistrictKind, &str); 3] = [
    (DistrictKind::Division, "division"),
    (DistrictKind::Zone, "zone"),
    (DistrictKind::Elsewhere, "elsewhere"),
];

readable!(DistrictKind, words(&KINDS), |value| word(value, &KINDS));

/// A district, a functional zone, or a place outside the city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct District {
    /// The division code (GB/T 2260), or a zone's own name.
    pub key: Arc<str>,
    /// The name for people.
    pub title: Text,
    /// What sort of place it is.
    pub kind: DistrictKind,
}

impl District {
    /// The division code of six digits; zones have none.
    #[must_use]
    pub fn code(&self) -> Option<&Arc<str>> {
        (self.kind == DistrictKind::Division).then_some(&self.key)
    }

    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids) -> Option<Self> {
        let (key, title) = (entry.want_id("key", ids), entry.want_title());
        let kind: Option<DistrictKind> = entry.want("kind");
        entry.finish();
        let (key, kind) = (key?, kind?);
        let is_code = key.len() == 6 && key.bytes().all(|byte| byte.is_ascii_digit());
        if is_code != (kind == DistrictKind::Division) {
            let wanted =
                if is_code { "a name for what is no division" } else { "a division code of six digits" };
            entry.wrong("key", format!("{key:?}"), wanted.into());
        }
        Some(Self { key, title: title?, kind })
    }
}

/// A gateway: what readings come through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its name, as it calls itself when it sends.
    pub id: Arc<str>,
    /// The name for people.
    pub title: Text,
    /// The broker that it sends to, where several gateways share one.
    pub broker: Option<Arc<str>>,
}

impl Gateway {
    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids) -> Option<Self> {
        let (id, title) = (entry.want_id("id", ids), entry.want_title());
        let broker = get_name(entry, "broker");
        entry.finish();
        Some(Self { id: id?, title: title?, broker })
    }
}

/// A subject of orders.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    /// The name under which others refer to it.
    pub key: Arc<str>,
    /// The name for people.
    pub title: Text,
    /// How many hours of work such an order is, if the city says so; a backtest adds them up.
    pub work_hours: Option<f64>,
    /// Whether such an order goes to the owner of its station, where that is one of the city's departments.
    pub to_owner: bool,
}

/// Whom the orders of a category go to.
struct To(bool);

const TO: [(bool, &str); 2] = [(false, "route"), (true, "owner")];

readable!(To, words(&TO), |value| word(value, &TO).map(To));

/// The most hours of work of an order: a year.
const MAX_WORK_HOURS: f64 = 8_760.0;

impl Category {
    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids) -> Option<Self> {
        let (key, title) = (entry.want_id("key", ids), entry.want_title());
        let work_hours: Option<f64> = entry.get("work_hours");
        let to_owner = entry.get::<To>("to").is_some_and(|to| to.0);
        entry.finish();
        if let Some(hours) = work_hours.filter(|hours| !(0.0..=MAX_WORK_HOURS).contains(hours)) {
            entry.wrong("work_hours", hours.to_string(), format!("hours from 0 to {MAX_WORK_HOURS}"));
        }
        Some(Self { key: key?, title: title?, work_hours, to_owner })
    }
}

/// The name of something that has no entry of its own: a broker, a power area, a maker.
pub(crate) fn get_name(entry: &Entry<'_>, key: &'static str) -> Option<Arc<str>> {
    let name = entry.get_text(key)?;
    if Series::new(Arc::clone(&name), key).is_err() {
        entry.wrong(key, quoted(&name), "a name of letters, digits and _ - . / :".into());
    }
    Some(name)
}

/// A department: something with a name for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name under which others refer to it.
    pub key: Arc<str>,
    /// The name for people.
    pub title: Text,
}

impl Named {
    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids) -> Option<Self> {
        let (key, title) = (entry.want_id("key", ids), entry.want_title());
        entry.finish();
        Some(Self { key: key?, title: title? })
    }
}
