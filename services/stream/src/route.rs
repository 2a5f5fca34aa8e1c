//! From an anomaly to what is asked of the order store: words, place, department, due date. All of it is the
//! catalogue's; nothing here decides anything.

use yiwang_catalogue::Catalogue;
use yiwang_model::order::{Evidence, OrderDraft, Place, Text};
use yiwang_model::{Anomaly, OrderIntent, Phase, Priority, Span, Timestamp};

use crate::item::Found;

#[cfg(test)]
mod tests;
mod words;

use words::Words;

/// How long before its begin the evidence of an episode starts.
const LEAD: Span = Span::DAY;

/// What is asked of the order store for a step of an episode; nothing for one that a silence keeps quiet.
#[must_use]
pub fn intent(catalogue: &Catalogue, found: &Found, city: Timestamp) -> Option<OrderIntent> {
    if found.anomaly.silenced.is_some() {
        return None;
    }
    Some(match found.anomaly.phase {
        Phase::Raised => OrderIntent::Open(Box::new(draft(catalogue, found, city))),
        Phase::Worsened | Phase::Cleared | Phase::Revised | Phase::Withdrawn => {
            OrderIntent::Note { anomaly: found.anomaly.clone(), at: city }
        }
    })
}

fn draft(catalogue: &Catalogue, found: &Found, received: Timestamp) -> OrderDraft {
    let anomaly = &found.anomaly;
    let subject = Subject::of(catalogue, anomaly);
    let priority = Priority::from(anomaly.severity);
    let place = place(catalogue, found);
    let source = anomaly.series.source();
    let department = catalogue.route_of(&subject.category, &place.district, source).department;
    let department_name =
        catalogue.departments.get(&department).map(|named| named.title.clone()).unwrap_or_default();
    let words = Words::new(catalogue, anomaly, &place);
    let (title, text) = (words.title(), words.text());
    OrderDraft {
        title,
        text,
        due: catalogue.due(&subject.category, priority, received),
        evidence: Evidence {
            anomaly: anomaly.clone(),
            series: found.series.clone(),
            unit: subject.unit.clone(),
            lead: LEAD,
            points: found.points.clone(),
            links: Vec::new(),
        },
        category: subject.category,
        place,
        priority,
        department: department.to_string(),
        department_name,
        received,
    }
}

/// What an anomaly is about.
struct Subject {
    category: String,
    /// Of extreme and limit.
    unit: String,
}

impl Subject {
    fn of(catalogue: &Catalogue, anomaly: &Anomaly) -> Self {
        let entry = catalogue.detectors.iter().find(|entry| entry.name == anomaly.detector);
        let metric = catalogue.metric(anomaly.series.metric());
        let rule = catalogue.gateway_rule().filter(|rule| rule.name == anomaly.detector);
        let category = entry.map(|entry| &entry.category).or(rule.map(|rule| &rule.category));
        Self {
            category: category.map(|category| category.to_string()).unwrap_or_default(),
            unit: unit(
                entry.map(|entry| &*entry.kind).or(rule.map(|rule| &*rule.spec.kind)),
                metric.map(|metric| metric.unit.as_str()).unwrap_or_default(),
            ),
        }
    }
}

/// The unit of extreme and limit: the metric's, unless the kind of detector has one of its own.
fn unit(kind: Option<&str>, metric: &str) -> String {
    let own = kind.and_then(yiwang_detect::registry::kind).map_or("", |kind| kind.unit);
    own.replace("the metric's unit", metric)
}

fn place(catalogue: &Catalogue, found: &Found) -> Place {
    let source = found.anomaly.series.source();
    let Some(station) = catalogue.station(source) else { return wide_place(catalogue, found) };
    Place {
        district: station.district.to_string(),
        district_name: catalogue
            .districts
            .get(&station.district)
            .map(|d| d.title.clone())
            .unwrap_or_default(),
        station: source.to_string(),
        station_name: station.title.clone(),
        point: station.point,
    }
}

/// What is no station, a gateway or another cause of many alarms, stands where the first of its stations does.
fn wide_place(catalogue: &Catalogue, found: &Found) -> Place {
    let subject = found.anomaly.series.source();
    let mut series = catalogue.series_of(subject).iter().chain(&found.series);
    let first = series.find_map(|series| catalogue.station(series.source()));
    let district = first.map(|station| station.district.clone()).unwrap_or_default();
    let region = catalogue.districts.get(subject).map(|named| &named.title);
    let title = catalogue.gateways.get(subject).map(|named| &named.title).or(region);
    Place {
        district_name: catalogue.districts.get(&district).map(|d| d.title.clone()).unwrap_or_default(),
        district: district.to_string(),
        station: subject.to_string(),
        station_name: title.cloned().unwrap_or_else(|| Text::new(&**subject, &**subject)),
        point: first.and_then(|station| station.point),
    }
}
