//! From an anomaly to what is asked of the order store: words, place, department, due date. All of it is the
//! catalogue's; nothing here decides anything.

use yiwang_catalogue::{Catalogue, DetectorEntry};
use yiwang_model::order::{Evidence, OrderDraft, Place, Text};
use yiwang_model::{Anomaly, OrderIntent, Phase, Priority, Span, Timestamp};

use crate::item::Found;

/// How long before its begin the evidence of an episode starts.
const LEAD: Span = Span::DAY;

/// What is asked of the order store for a step of an episode.
#[must_use]
pub fn intent(catalogue: &Catalogue, found: &Found, city: Timestamp) -> OrderIntent {
    match found.anomaly.phase {
        Phase::Raised => OrderIntent::Open(Box::new(draft(catalogue, found, city))),
        Phase::Worsened | Phase::Cleared => OrderIntent::Note { anomaly: found.anomaly.clone(), at: city },
    }
}

fn draft(catalogue: &Catalogue, found: &Found, received: Timestamp) -> OrderDraft {
    let anomaly = &found.anomaly;
    let subject = Subject::of(catalogue, anomaly);
    let priority = Priority::from(anomaly.severity);
    let place = place(catalogue, anomaly);
    let department = catalogue.route(&subject.category, &place.district).department;
    let department_name =
        catalogue.departments.get(&department).map(|named| named.title.clone()).unwrap_or_default();
    OrderDraft {
        title: title(&place, &subject),
        text: text(&place, &subject, anomaly),
        due: catalogue.due(&subject.category, priority, received),
        evidence: Evidence {
            anomaly: anomaly.clone(),
            series: found.series.clone(),
            unit: subject.unit.clone(),
            lead: LEAD,
            points: found.points.clone(),
        },
        category: subject.category,
        place,
        priority,
        department: department.to_string(),
        department_name,
        received,
    }
}

/// What an anomaly is about, in the catalogue's words.
struct Subject {
    category: String,
    detector: Text,
    metric: Text,
    unit: String,
}

impl Subject {
    fn of(catalogue: &Catalogue, anomaly: &Anomaly) -> Self {
        let entry = catalogue.detectors.iter().find(|entry| entry.name == anomaly.detector);
        let metric = catalogue.metric(anomaly.series.metric());
        let rule = catalogue.gateway_rule().filter(|rule| rule.name == anomaly.detector);
        let category = entry.map(|entry| &entry.category).or(rule.map(|rule| &rule.category));
        let detector = entry.map(|entry| &entry.title).or(rule.map(|rule| &rule.title));
        Self {
            category: category.map(|category| category.to_string()).unwrap_or_default(),
            detector: detector.cloned().unwrap_or_default(),
            metric: metric.map(|metric| metric.title.clone()).unwrap_or_default(),
            unit: unit(
                entry.map(AsRef::as_ref),
                metric.map(|metric| metric.unit.as_str()).unwrap_or_default(),
            ),
        }
    }
}

/// The unit of extreme and limit: the metric's, unless the kind of detector has one of its own.
fn unit(entry: Option<&DetectorEntry>, metric: &str) -> String {
    let kind = entry.map_or("gateway_silent", |entry| &entry.kind);
    let own = yiwang_detect::registry::kind(kind).map_or("", |kind| kind.unit);
    own.replace("the metric's unit", metric)
}

fn place(catalogue: &Catalogue, anomaly: &Anomaly) -> Place {
    let source = anomaly.series.source();
    let Some(station) = catalogue.station(source) else { return gateway_place(catalogue, source) };
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

/// A gateway stands where the first of its stations does.
fn gateway_place(catalogue: &Catalogue, gateway: &str) -> Place {
    let first = catalogue.series_of(gateway).first().and_then(|series| catalogue.station(series.source()));
    let district = first.map(|station| station.district.clone()).unwrap_or_default();
    Place {
        district_name: catalogue.districts.get(&district).map(|d| d.title.clone()).unwrap_or_default(),
        district: district.to_string(),
        station: gateway.to_owned(),
        station_name: catalogue.gateways.get(gateway).map(|named| named.title.clone()).unwrap_or_default(),
        point: first.and_then(|station| station.point),
    }
}

fn title(place: &Place, subject: &Subject) -> Text {
    let zh = format!("{}：{}", place.station_name.zh, subject.detector.zh);
    let en = format!("{}: {}", place.station_name.en, subject.detector.en);
    Text { zh, en }
}

fn text(place: &Place, subject: &Subject, anomaly: &Anomaly) -> Text {
    let Subject { metric, detector, unit, .. } = subject;
    let begin = local(anomaly.begin);
    let extreme = number(anomaly.extreme);
    let limit = anomaly.limit.map(number);
    let zh_limit = limit.as_ref().map(|limit| format!("，限值{limit}{unit}（{}）", anomaly.edition));
    let en_limit = limit.as_ref().map(|limit| format!(", the limit is {limit} {unit} ({})", anomaly.edition));
    Text {
        zh: format!(
            "{}{}自{begin}起：{}。{}实测{extreme}{unit}{}。",
            place.district_name.zh,
            place.station_name.zh,
            detector.zh,
            metric.zh,
            zh_limit.unwrap_or_default()
        ),
        en: format!(
            "{}, {}, since {begin}: {}. {} is {extreme} {unit}{}.",
            place.station_name.en,
            place.district_name.en,
            detector.en,
            metric.en,
            en_limit.unwrap_or_default()
        ),
    }
}

/// A time as people in the city write it.
fn local(at: Timestamp) -> String {
    let local = at.to_jiff().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
    local.strftime("%Y-%m-%d %H:%M").to_string()
}

/// At most three decimals, none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
