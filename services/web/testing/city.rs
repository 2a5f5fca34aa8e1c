//! A believable day of the demo city, for tests and for `examples/preview.rs`.

use std::f64::consts::TAU;
use std::sync::Arc;

use yiwang_catalogue::{Catalogue, Metric, MetricKind, Station};
use yiwang_model::order::{Channel, Due, Evidence, EvidencePoint, OrderDraft, Place, StepKind, Text};
use yiwang_model::{
    Anomaly, AnomalyId, Because, OrderNo, OrderState, Phase, Priority, Quality, Row, Series, Severity, Span,
    Timestamp, Vintage, WorkOrder,
};
use yiwang_orders::Moment;
use yiwang_orders::note::{Revised, Withdrawn};

use super::stores::{MemorySeries, step};

/// A reading of the demo city: a daily rhythm, a step of each station's own, a little noise.
pub(crate) fn value(catalogue: &Catalogue, metric: &Metric, station: &Station, at: Timestamp) -> f64 {
    let seed = Series::new(station.id.clone(), metric.name.clone()).map_or(0, |series| series.id().0);
    let own = (seed % 1000) as f64 / 1000.0;
    let hours = at.nanos() as f64 / 3.6e12 + 8.0;
    let slow = (hours / 24.0 * TAU + own).sin();
    let noise = ((at.nanos() / 1_000_000_000) as f64 * (1.0 + own) * 0.37).sin() * 0.5
        + ((at.nanos() / 7_000_000_000) as f64 * (1.7 - own)).cos() * 0.5;
    let value = match &*metric.name {
        "pm2_5" => 44.0 + 22.0 * own + 14.0 * slow + 3.0 * noise,
        "site_noise" => 58.0 + 8.0 * own + 9.0 * slow.max(-0.6) + 2.5 * noise,
        "project_percent" => {
            let planned = catalogue.plan(&station.id, &metric.name).map_or(50.0, |plan| plan.at(at));
            (planned * (0.78 + 0.24 * own)).min(100.0)
        }
        "industrial_value_added" => {
            412.0 + 1.6 * (hours / 730.0 % 480.0) + 34.0 * (hours / 730.0).sin() + 6.0 * noise
        }
        _ => {
            metric.min.max(0.0)
                + (metric.max - metric.min.max(0.0)) * (0.05 + 0.05 * own + 0.02 * slow + 0.004 * noise)
        }
    };
    let scale = 10_f64.powi(i32::from(metric.decimals) + 1);
    (value * scale).round() / scale
}

/// Fills the store with what the city sent up to `now`: hours of sensors, months of figures, projects' past.
pub(crate) fn fill(store: &MemorySeries, catalogue: &Catalogue, now: Timestamp) {
    let here = catalogue.stations.values().filter(|station| &*station.gateway != "beijing-replay");
    for (nth, station) in here.enumerate() {
        // some stations are not well
        let stopped = match nth % 23 {
            7 => now - Span::MINUTE.times(95),
            16 => now - Span::MINUTE.times(4),
            _ => now,
        };
        for metric in station.metrics.iter().filter_map(|name| catalogue.metric(name)) {
            let (period, span) = match metric.kind {
                MetricKind::Economy => (Span::DAY.times(30), Span::DAY.times(36 * 30)),
                MetricKind::Project => (Span::DAY.times(7), Span::DAY.times(900)),
                _ if &*metric.name == "pm2_5" => (Span::MINUTE, Span::DAY),
                _ if &*metric.name == "site_noise" => (Span::SECOND.times(20), Span::HOUR.times(7)),
                _ => (metric.period, metric.period.times(5)),
            };
            let mut at = now - span;
            while at <= stopped {
                send(store, catalogue, metric, station, at);
                at = at + period;
            }
        }
    }
}

/// Sends one reading.
pub(crate) fn send(
    store: &MemorySeries,
    catalogue: &Catalogue,
    metric: &Metric,
    station: &Station,
    at: Timestamp,
) {
    let series = Series::new(station.id.clone(), metric.name.clone()).expect("names of a catalogue are good");
    let bad = series.id().0 % 29 == 3;
    let row = Row {
        series: series.id(),
        time: at,
        value: value(catalogue, metric, station, at),
        quality: if bad { Quality::Calibration } else { Quality::Good },
        period_end: (metric.kind == MetricKind::Economy).then(|| at + metric.period),
        vintage: Vintage(None),
    };
    store.put(&series, row);
}

/// The `nth` order of the demo city, received `age` before `now`.
pub(crate) fn order(catalogue: &Catalogue, nth: usize, age: Span, now: Timestamp) -> WorkOrder {
    let kinds = [
        ("pm2_5", "pm2_5-24h", "air"),
        ("site_noise", "site_noise-20min", "site_noise"),
        ("project_percent", "project-slip", "project"),
    ];
    let (metric, detector, category) = kinds[nth % kinds.len()];
    let metric = catalogue.metric(metric).expect("a metric of the demo city");
    let stations: Vec<&Station> = catalogue
        .stations
        .values()
        .filter(|station| station.metrics.contains(&metric.name) && &*station.gateway != "beijing-replay")
        .collect();
    let station = stations[nth * 7 % stations.len()];
    let received = now - age;
    let begin = if category == "project" { received - Span::DAY.times(7) } else { received - Span::MINUTE };
    let end = (nth % 4 == 3).then(|| (begin + Span::MINUTE.times(52)).min(now));
    let series = Series::new(station.id.clone(), metric.name.clone()).expect("names of a catalogue are good");
    let severity =
        [Severity::Warning, Severity::Serious, Severity::Warning, Severity::Critical, Severity::Notice]
            [nth % 5];
    let limit = match category {
        "project" => 5.0,
        _ => catalogue
            .limits
            .iter()
            .rfind(|limit| limit.metric == metric.name && limit.valid_from <= now)
            .map_or(70.0, |limit| limit.value),
    };
    let points: Vec<EvidencePoint> = (0..20)
        .map(|at| begin - Span::MINUTE.times(2 * (19 - at)))
        .map(|time| EvidencePoint {
            time,
            value: value(catalogue, metric, station, time) * 0.6 + limit * 0.45,
        })
        .collect();
    let extreme = match category {
        "project" => 11.4,
        _ => points.last().map_or(limit, |point| point.value) + 6.3,
    };
    let anomaly = Anomaly {
        id: AnomalyId::of(detector, &series, begin),
        detector: detector.into(),
        series: series.clone(),
        phase: if end.is_some() { Phase::Cleared } else { Phase::Raised },
        begin,
        end,
        extreme,
        limit: Some(limit),
        edition: match category {
            "air" => "GB 3095-2026 transitional, grade II",
            "site_noise" => "GB 12523-2025, day",
            _ => source(catalogue, detector),
        }
        .into(),
        severity,
        because: None,
        into: None,
        silenced: None,
    };
    let district = &catalogue.districts[&station.district];
    let department = catalogue.route(category, &station.district).department;
    let department = &catalogue.departments[&department];
    let priority = Priority::from(severity);
    let (value, unit) = (format!("{extreme:.1}"), metric.unit.to_string());
    let basis = catalogue.basis(&anomaly);
    let draft = OrderDraft {
        category: category.into(),
        title: Text::new(
            format!("{}{}超限", station.title.zh, metric.title.zh),
            format!("{} above the limit at {}", metric.title.en, station.title.en),
        ),
        text: Text::new(
            format!(
                "{}（{}）{}达到 {value} {unit}，限值 {limit} {unit}，依据 {}。请核查并处置。",
                station.title.zh, district.title.zh, metric.title.zh, basis.zh
            ),
            format!(
                "{} at {} ({}) reached {value} {unit}; the limit is {limit} {unit} by {}. Please verify and act.",
                metric.title.en, station.title.en, district.title.en, basis.en
            ),
        ),
        place: Place {
            district: district.key.to_string(),
            district_name: district.title.clone(),
            station: station.id.to_string(),
            station_name: station.title.clone(),
            point: station.point,
        },
        priority,
        department: department.key.to_string(),
        department_name: department.title.clone(),
        received,
        due: Due {
            at: received + Span::HOUR.times(if nth % 6 == 1 { 2 } else { 72 }),
            policy: "ordinary".into(),
            provisional: nth % 9 == 4,
        },
        evidence: Evidence {
            anomaly: anomaly.clone(),
            series: vec![series],
            unit,
            lead: if category == "project" { Span::DAY.times(365) } else { Span::HOUR.times(2) },
            points: if category == "project" { Vec::new() } else { points },
            links: Vec::new(),
        },
    };
    lived(nth, draft, anomaly, now)
}

/// Where the numbers of a detector come from.
fn source<'a>(catalogue: &'a Catalogue, detector: &str) -> &'a str {
    let entry = catalogue.detectors.iter().find(|entry| &*entry.name == detector);
    &entry.expect("a detector of the demo city").source
}

/// An order that went some of its way.
fn lived(nth: usize, draft: OrderDraft, anomaly: Anomaly, now: Timestamp) -> WorkOrder {
    let way = [
        OrderState::Opened,
        OrderState::Accepted,
        OrderState::Dispatched,
        OrderState::Handling,
        OrderState::Replied,
        OrderState::Closed,
    ];
    let notes = [
        "",
        "情况属实，已受理。",
        "派属地核查。",
        "现场处置中：已要求停工降噪、洒水抑尘。",
        "已整改，复测达标。",
        "回访满意，结案。",
    ];
    let who = ["yiwang", "centre", "centre", "field-3", "field-3", "centre"];
    let far = if now - draft.received < Span::MINUTE { 0 } else { [0, 1, 3, 5, 2, 4, 0, 5][nth % 8] };
    let timeline = (0..=far).map(|at| {
        let moment = draft.received + Span::MINUTE.times(13 * at as i64);
        let kind = if at == 0 { StepKind::Opened } else { StepKind::Moved };
        let moment = Moment { city: moment, wall: moment + Span::from_millis(412) };
        step(at as u32 + 1, kind, way[at], who[at], notes[at], moment)
    });
    WorkOrder {
        no: OrderNo(format!("YW{}-{nth:06}", draft.received.to_jiff().strftime("%Y%m%d"))),
        channel: Channel::Sensor,
        anomaly: Some(anomaly.id),
        state: way[far],
        timeline: timeline.collect(),
        draft,
    }
}

/// The `nth` order, of which a late reading moved the begin of the episode.
pub(crate) fn revised(catalogue: &Catalogue, nth: usize, age: Span, now: Timestamp) -> WorkOrder {
    let mut order = order(catalogue, nth, age, now);
    let anomaly = &mut order.draft.evidence.anomaly;
    let time = anomaly.begin - Span::MINUTE.times(4);
    let value = anomaly.limit.unwrap_or_default() + 2.5;
    (anomaly.phase, anomaly.begin) = (Phase::Revised, time);
    anomaly.because = Some(Because { time, value, was: None });
    let note = Revised::of(anomaly, &order.draft.evidence.unit).to_string();
    judged(&mut order, StepKind::Revised, note);
    order
}

/// The `nth` order, of which a corrected reading took the episode back: one that nobody has moved is closed by that.
pub(crate) fn withdrawn(
    catalogue: &Catalogue,
    nth: usize,
    age: Span,
    now: Timestamp,
    into: Option<&WorkOrder>,
) -> WorkOrder {
    let mut order = order(catalogue, nth, age, now);
    let anomaly = &mut order.draft.evidence.anomaly;
    let because = Some(Because { time: anomaly.begin, value: 31.25, was: Some(anomaly.extreme) });
    (anomaly.phase, anomaly.because) = (Phase::Withdrawn, because);
    anomaly.into = into.and_then(|order| order.anomaly);
    if order.state == OrderState::Opened {
        order.state = OrderState::Closed;
    }
    let note = Withdrawn { because, into: into.map(|order| order.no.to_string()) }.to_string();
    judged(&mut order, StepKind::Withdrawn, note);
    order
}

/// Adds a line of the judgement, two minutes after the last.
fn judged(order: &mut WorkOrder, kind: StepKind, note: String) {
    let (seq, last) = (order.timeline.len() as u32 + 1, order.timeline.last().map(|step| step.at));
    let at = last.unwrap_or(order.draft.received) + Span::MINUTE.times(2);
    let at = Moment { city: at, wall: at + Span::from_millis(380) };
    order.timeline.push(step(seq, kind, order.state, "yiwang", &note, at));
}

/// The demo catalogue.
pub(crate) fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::demo())
}
