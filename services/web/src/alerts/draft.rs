//! From a report to the order that it opens, as the catalogue has it.

use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_model::order::{Evidence, OrderDraft, Place, Text};
use yiwang_model::series::check_name;
use yiwang_model::{Anomaly, Phase, Priority, Series, Span, Timestamp};
use yiwang_orders::Alert;

use super::one_line;
use super::report::Report;

/// What stands for a source or a metric that an alert does not name.
const NO_NAME: &str = "alert";
/// How long before its begin the evidence of an alert starts.
const LEAD: Span = Span::DAY;

/// Who sends, and when it is received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'a> {
    /// The credential.
    pub(crate) who: &'a str,
    /// Its receiver, as it names it.
    pub(crate) receiver: &'a str,
    /// City time.
    pub(crate) received: Timestamp,
}

/// The order that a report opens, if it does.
///
/// # Errors
/// What to configure, where neither the alert nor the catalogue says what it is about.
pub(crate) fn alert(catalogue: &Catalogue, sent: Sent<'_>, report: &Report) -> Result<Alert, String> {
    let subject = catalogue.alert_subject(&report.labels);
    let named = label(report, &["category"]).filter(|category| catalogue.categories.contains_key(*category));
    let category = named.or(subject.map(|subject| &*subject.category)).ok_or_else(no_category)?.to_owned();
    let place = place(catalogue, report, subject.and_then(|subject| subject.district.as_deref()));
    let department = catalogue.route(&category, &place.district).department;
    let department_name = catalogue.departments.get(&department).map(|named| named.title.clone());
    let priority = Priority::from(report.severity);
    let draft = OrderDraft {
        title: title(report),
        text: text(report),
        due: catalogue.due(&category, priority, sent.received),
        evidence: evidence(catalogue, sent, report),
        category,
        place,
        priority,
        department: department.to_string(),
        department_name: department_name.unwrap_or_default(),
        received: sent.received,
    };
    Ok(Alert { key: report.key, draft })
}

fn no_category() -> String {
    "has no label \"category\" with a category of the catalogue, and the catalogue has no [[alert]] for it: add one \
     with a category"
        .into()
}

/// The value of the first of these labels that is there.
fn label<'a>(report: &'a Report, names: &[&str]) -> Option<&'a str> {
    let found = names.iter().find_map(|name| report.labels.get(*name));
    found.map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// The station that it names, known or not.
fn station(report: &Report) -> Option<&str> {
    label(report, &["station", "source"])
}

/// By the labels; where they name no district, that of the station, else that of the catalogue's entry.
fn place(catalogue: &Catalogue, report: &Report, default: Option<&str>) -> Place {
    let station = station(report);
    let known = station.and_then(|station| catalogue.station(station));
    let named = label(report, &["district"]).filter(|district| catalogue.districts.contains_key(*district));
    let district = named.or(known.map(|known| &*known.district)).or(default).unwrap_or_default();
    // Who names no station may name the machine.
    let shown = one_line(station.or(label(report, &["instance"])).unwrap_or_default(), 128);
    Place {
        district: district.to_owned(),
        district_name: catalogue.districts.get(district).map(|d| d.title.clone()).unwrap_or_default(),
        station: one_line(station.unwrap_or_default(), 128),
        station_name: known.map_or_else(|| Text::new(&*shown, &*shown), |known| known.title.clone()),
        point: known.and_then(|known| known.point),
    }
}

/// A text of the annotations, by names that senders use; the Chinese one is the same where there is none.
fn annotation(report: &Report, names: &[&str], most: usize) -> Option<Text> {
    let find = |suffix: &str| {
        let found = names.iter().find_map(|name| report.annotations.get(&format!("{name}{suffix}")));
        found.map(|text| one_line(text, most)).filter(|text| !text.is_empty())
    };
    let (both, zh) = (find(""), find("_zh"));
    let en = both.clone().or_else(|| zh.clone())?;
    Some(Text { zh: zh.or(both)?, en })
}

fn title(report: &Report) -> Text {
    annotation(report, &["summary", "title"], 200).unwrap_or_else(|| {
        let name = one_line(label(report, &["alertname"]).unwrap_or(NO_NAME), 200);
        Text::new(&*name, &*name)
    })
}

/// What the sender describes, then all labels, so that nothing which they say is lost.
fn text(report: &Report) -> Text {
    let said = annotation(report, &["description", "message"], 2_000).unwrap_or_default();
    let labels = report.labels.iter().map(|(name, value)| format!("{name}={value}"));
    let labels = one_line(&labels.collect::<Vec<_>>().join(", "), 1_000);
    let values = if report.values.is_empty() { String::new() } else { format!(" {}", report.values) };
    Text {
        zh: format!("{} 标签：{labels}{values}", said.zh).trim().to_owned(),
        en: format!("{} Labels: {labels}{values}", said.en).trim().to_owned(),
    }
}

/// The occurrence in the place of an episode; its extreme is the severity as a number. A series is shown where the labels
/// name one that the catalogue knows.
fn evidence(catalogue: &Catalogue, sent: Sent<'_>, report: &Report) -> Evidence {
    let name = |name: Option<&str>| {
        let good = name.filter(|name| check_name("source", name).is_ok());
        Arc::<str>::from(good.unwrap_or(NO_NAME))
    };
    let metric = label(report, &["metric"]).filter(|metric| catalogue.metric(metric).is_some());
    let is_shown = metric.is_some() && station(report).is_some_and(|it| catalogue.station(it).is_some());
    let series = Series::new(name(station(report)), name(metric)).expect("both names were checked");
    let rule = one_line(label(report, &["alertname"]).unwrap_or(NO_NAME), 128);
    let receiver = one_line(sent.receiver, 128);
    Evidence {
        series: if is_shown { vec![series.clone()] } else { Vec::new() },
        anomaly: Anomaly {
            id: report.key.occurrence(report.begin),
            detector: format!("{NO_NAME}:{rule}").into(),
            series,
            phase: if report.end.is_some() { Phase::Cleared } else { Phase::Raised },
            begin: report.begin,
            end: report.end,
            extreme: f64::from(report.severity as u8),
            limit: None,
            edition: [sent.who, &receiver]
                .into_iter()
                .filter(|name| !name.is_empty())
                .collect::<Vec<_>>()
                .join(" / ")
                .into(),
            severity: report.severity,
            because: None,
            into: None,
            silenced: None,
        },
        unit: String::new(),
        lead: LEAD,
        points: Vec::new(),
        links: report.links.clone(),
    }
}
