//! Between the wire and the model.

use yiwang_model as model;
use yiwang_model::{Timestamp, Unit, Vintage};

use crate::v1;

impl From<&model::Reading> for v1::Reading {
    fn from(reading: &model::Reading) -> Self {
        Self {
            source: reading.series.source().to_string(),
            metric: reading.series.metric().to_string(),
            time_unix_nanos: reading.time.nanos(),
            value: reading.value,
            unit: reading.unit.to_string(),
            quality: i32::from(reading.quality as u8),
            period_end_unix_nanos: reading.period_end.map(Timestamp::nanos),
            vintage_unix_nanos: reading.vintage.0.map(Timestamp::nanos),
        }
    }
}

impl TryFrom<v1::Reading> for model::Reading {
    type Error = (v1::Reason, String);

    fn try_from(reading: v1::Reading) -> Result<Self, Self::Error> {
        let series = model::Series::new(reading.source, reading.metric)
            .map_err(|error| (v1::Reason::BadName, error.to_string()))?;
        let quality = u8::try_from(reading.quality).ok().and_then(model::Quality::from_number);
        let quality = quality.ok_or_else(|| {
            (v1::Reason::BadQuality, format!("quality {} is not known; known are 0 to 8", reading.quality))
        })?;
        Ok(Self {
            series,
            time: Timestamp(reading.time_unix_nanos),
            value: reading.value,
            unit: Unit::new(&reading.unit),
            quality,
            period_end: reading.period_end_unix_nanos.map(Timestamp),
            vintage: Vintage(reading.vintage_unix_nanos.map(Timestamp)),
        })
    }
}

impl From<model::order::Text> for v1::Text {
    fn from(text: model::order::Text) -> Self {
        Self { zh: text.zh, en: text.en }
    }
}

impl From<model::WorkOrder> for v1::WorkOrder {
    fn from(order: model::WorkOrder) -> Self {
        let draft = order.draft;
        Self {
            no: order.no.0,
            channel: order.channel.word().into(),
            state: order.state.word().into(),
            category: draft.category,
            title: Some(draft.title.into()),
            text: Some(draft.text.into()),
            district: draft.place.district,
            station: draft.place.station,
            priority: draft.priority.word().into(),
            department: draft.department,
            received_unix_nanos: draft.received.nanos(),
            due_unix_nanos: draft.due.at.nanos(),
            due_provisional: draft.due.provisional,
            anomaly: order.anomaly.map(|_| anomaly(draft.evidence)),
            timeline: order.timeline.into_iter().map(v1::OrderStep::from).collect(),
        }
    }
}

fn anomaly(evidence: model::order::Evidence) -> v1::Anomaly {
    let anomaly = evidence.anomaly;
    v1::Anomaly {
        id: anomaly.id.to_string(),
        detector: anomaly.detector.to_string(),
        source: anomaly.series.source().to_string(),
        metric: anomaly.series.metric().to_string(),
        begin_unix_nanos: anomaly.begin.nanos(),
        end_unix_nanos: anomaly.end.map(Timestamp::nanos),
        extreme: anomaly.extreme,
        limit: anomaly.limit,
        unit: evidence.unit,
        edition: anomaly.edition.to_string(),
        severity: anomaly.severity.word().into(),
        phase: anomaly.phase.word().into(),
        because: anomaly.because.map(v1::Because::from),
        into: anomaly.into.map(|into| into.to_string()).unwrap_or_default(),
    }
}

impl From<model::Because> for v1::Because {
    fn from(model::Because { time, value, was }: model::Because) -> Self {
        Self { time_unix_nanos: time.nanos(), value, was }
    }
}

impl From<model::order::Step> for v1::OrderStep {
    fn from(step: model::order::Step) -> Self {
        Self {
            seq: step.seq,
            kind: step.kind.word().into(),
            state: step.state.word().into(),
            who: step.who,
            note: step.note,
            city_unix_nanos: step.at.nanos(),
            wall_unix_nanos: step.wall.nanos(),
        }
    }
}
