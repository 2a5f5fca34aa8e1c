//! Rows and what they stand for.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use yiwang_model::order::{Due, Evidence, EvidencePoint, OrderDraft, Place, Step, Text};
use yiwang_model::{Anomaly, OrderNo, Series, Severity, Span, Timestamp, WorkOrder};

use super::fault::judge;
use super::words::Word;
use crate::Error;
use crate::note::Reading;

/// An order without its timeline.
pub(super) fn order(row: &SqliteRow) -> Result<WorkOrder, Error> {
    let anomaly = anomaly(row)?;
    Ok(WorkOrder {
        no: OrderNo(get(row, "no")?),
        channel: word(row, "channel")?,
        anomaly: get::<Option<&str>>(row, "anomaly")?.map(|_| anomaly.id),
        state: parsed(row, "state")?,
        draft: OrderDraft {
            category: get(row, "category")?,
            title: text(row, "title_zh", "title_en")?,
            text: text(row, "text_zh", "text_en")?,
            place: place(row)?,
            priority: parsed(row, "priority")?,
            department: get(row, "department")?,
            department_name: text(row, "department_zh", "department_en")?,
            received: time(row, "received")?,
            due: due(row)?,
            evidence: evidence(row, anomaly)?,
        },
        timeline: Vec::new(),
    })
}

/// The episode of an order as of its last step.
pub(super) fn anomaly(row: &SqliteRow) -> Result<Anomaly, Error> {
    Ok(Anomaly {
        id: parsed(row, "anomaly")?,
        detector: name(row, "detector")?,
        series: series(name(row, "source")?, name(row, "metric")?)?,
        phase: word(row, "phase")?,
        begin: time(row, "begins")?,
        end: get::<Option<i64>>(row, "ends")?.map(Timestamp),
        extreme: get::<Option<f64>>(row, "extreme")?.unwrap_or(f64::NAN),
        limit: get(row, "bound")?,
        edition: name(row, "edition")?,
        severity: word::<Severity>(row, "severity")?,
        because: optional::<Reading>(row, "because")?.map(|Reading(because)| because),
        into: optional(row, "part_of")?,
        silenced: None,
    })
}

/// A line of a history.
pub(super) fn step(row: &SqliteRow) -> Result<Step, Error> {
    Ok(Step {
        seq: get(row, "seq")?,
        kind: parsed(row, "kind")?,
        state: parsed(row, "state")?,
        who: get(row, "who")?,
        note: get(row, "note")?,
        at: time(row, "at")?,
        wall: time(row, "wall")?,
    })
}

fn place(row: &SqliteRow) -> Result<Place, Error> {
    Ok(Place {
        district: get(row, "district")?,
        district_name: text(row, "district_zh", "district_en")?,
        station: get(row, "station")?,
        station_name: text(row, "station_zh", "station_en")?,
        point: get::<Option<f64>>(row, "longitude")?.zip(get(row, "latitude")?),
    })
}

fn due(row: &SqliteRow) -> Result<Due, Error> {
    Ok(Due {
        at: time(row, "due")?,
        policy: get(row, "due_policy")?,
        provisional: get(row, "due_provisional")?,
    })
}

/// The part of an order's evidence that has no columns, as JSON. A number that is not finite is `null`.
#[derive(Serialize, Deserialize)]
struct Shown {
    series: Vec<(Arc<str>, Arc<str>)>,
    lead: i64,
    points: Vec<(i64, Option<f64>)>,
    /// Not there in stores of earlier releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
}

/// The stored form of what evidence says beside its episode and unit.
pub(super) fn shown(evidence: &Evidence) -> String {
    let shown = Shown {
        series: evidence.series.iter().map(|s| (s.source().clone(), s.metric().clone())).collect(),
        lead: evidence.lead.0,
        points: evidence.points.iter().map(|p| (p.time.0, Some(p.value))).collect(),
        links: evidence.links.clone(),
    };
    serde_json::to_string(&shown).expect("lists of names and numbers have a JSON form")
}

fn evidence(row: &SqliteRow, anomaly: Anomaly) -> Result<Evidence, Error> {
    let shown: Shown = serde_json::from_str(get(row, "evidence")?)
        .map_err(|error| Error::Corrupt(format!("evidence of episode {}: {error}", anomaly.id)))?;
    let point = |(at, value): (i64, Option<f64>)| EvidencePoint {
        time: Timestamp(at),
        value: value.unwrap_or(f64::NAN),
    };
    Ok(Evidence {
        anomaly,
        series: shown.series.into_iter().map(|(s, m)| series(s, m)).collect::<Result<_, _>>()?,
        unit: get(row, "unit")?,
        lead: Span(shown.lead),
        points: shown.points.into_iter().map(point).collect(),
        links: shown.links,
    })
}

fn series(source: Arc<str>, metric: Arc<str>) -> Result<Series, Error> {
    Series::new(source, metric).map_err(|error| Error::Corrupt(error.to_string()))
}

/// A text in both languages.
pub(super) fn text(row: &SqliteRow, zh: &str, en: &str) -> Result<Text, Error> {
    Ok(Text { zh: get(row, zh)?, en: get(row, en)? })
}

fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, Error> {
    get(row, column).map(Timestamp)
}

fn name(row: &SqliteRow, column: &str) -> Result<Arc<str>, Error> {
    get::<&str>(row, column).map(Arc::from)
}

/// The column as the type has it.
pub(super) fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    column: &str,
) -> Result<T, Error> {
    row.try_get(column).map_err(judge)
}

/// The column as a text that the model can read.
pub(super) fn parsed<T: FromStr<Err: Display>>(row: &SqliteRow, column: &str) -> Result<T, Error> {
    get::<&str>(row, column)?.parse().map_err(|error: T::Err| Error::Corrupt(format!("{column}: {error}")))
}

/// The column as a text that may be missing.
fn optional<T: FromStr<Err: Display>>(row: &SqliteRow, column: &str) -> Result<Option<T>, Error> {
    get::<Option<&str>>(row, column)?.map(|_| parsed(row, column)).transpose()
}

/// The column as one of the words that are stored for it.
pub(super) fn word<T: Word>(row: &SqliteRow, column: &str) -> Result<T, Error> {
    let word: &str = get(row, column)?;
    T::read(word).ok_or_else(|| Error::Corrupt(format!("{column}: \"{word}\" is not a word of ours")))
}

/// A count that is never below zero.
pub(super) fn count(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::Corrupt(format!("a count is {number}")))
}
