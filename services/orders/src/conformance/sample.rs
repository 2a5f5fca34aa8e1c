//! Orders to try a store with.

use yiwang_model::order::{Due, Evidence, EvidencePoint, OrderDraft, Place, Text};
use yiwang_model::{
    Anomaly, AnomalyId, OrderIntent, OrderNo, Phase, Priority, Series, Severity, Span, Timestamp,
};

use crate::Moment;

/// 2026-03-02 10:00 in Shanghai.
pub(crate) const MORNING: Timestamp = Timestamp(1_772_416_800_000_000_000);

/// City time; the wall is a second ahead of it.
pub(crate) fn moment(city: Timestamp) -> Moment {
    Moment { city, wall: city + Span::SECOND }
}

/// `seconds` after [`MORNING`].
pub(crate) fn after(seconds: i64) -> Timestamp {
    MORNING + Span::from_secs(seconds)
}

/// The order with this number of that morning's day.
pub(crate) fn nth(count: u32) -> OrderNo {
    OrderNo(format!("YW20260302-{count:06}"))
}

/// The episode that a station's PM2.5 began at this moment.
pub(crate) fn episode(station: &str, begin: Timestamp) -> Anomaly {
    let series = Series::new(station, "pm2_5").expect("stations of samples have good names");
    Anomaly {
        id: AnomalyId::of("pm2_5-day", &series, begin),
        detector: "pm2_5-day".into(),
        series,
        phase: Phase::Raised,
        begin,
        end: None,
        extreme: 75.1,
        limit: Some(75.0),
        edition: "GB 3095-2012, grade II".into(),
        severity: Severity::Warning,
        because: None,
        into: None,
        silenced: None,
    }
}

/// The order that a station's episode asks for; it is received when the episode begins.
pub(crate) fn draft(station: &str, begin: Timestamp) -> OrderDraft {
    let anomaly = episode(station, begin);
    OrderDraft {
        category: "air".into(),
        title: Text::new(format!("{station} 细颗粒物超标"), format!("PM2.5 above the limit at {station}")),
        text: Text::new("日均值 75.1 µg/m³，限值 75", "day mean 75.1 µg/m³, limit 75"),
        place: Place {
            district: "510104".into(),
            district_name: Text::new("锦江区", "Jinjiang"),
            station: station.into(),
            station_name: Text::new("锦江空气站", "Jinjiang air station"),
            point: Some((104.080_9, 30.657_4)),
        },
        priority: Priority::from(anomaly.severity),
        department: "ecology".into(),
        department_name: Text::new("生态环境局", "Ecology and Environment"),
        received: begin,
        due: Due { at: begin + Span::DAY.times(3), policy: "air".into(), provisional: false },
        evidence: Evidence {
            series: vec![anomaly.series.clone()],
            unit: "µg/m³".into(),
            lead: Span::DAY,
            points: vec![EvidencePoint { time: begin, value: 75.1 }],
            links: Vec::new(),
            anomaly,
        },
    }
}

/// Asks for the order of a station's episode.
pub(crate) fn open(station: &str, begin: Timestamp) -> OrderIntent {
    OrderIntent::Open(Box::new(draft(station, begin)))
}

/// The episode, worse.
pub(crate) fn worse(station: &str, begin: Timestamp, extreme: f64) -> Anomaly {
    Anomaly { phase: Phase::Worsened, extreme, ..episode(station, begin) }
}

/// The episode, over.
pub(crate) fn over(station: &str, begin: Timestamp, end: Timestamp) -> Anomaly {
    Anomaly { phase: Phase::Cleared, end: Some(end), ..episode(station, begin) }
}

/// Asks for a note.
pub(crate) fn note(anomaly: Anomaly, at: Timestamp) -> OrderIntent {
    OrderIntent::Note { anomaly, at }
}
