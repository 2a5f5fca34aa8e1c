//! What a sender says of one alert, read and checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use yiwang_model::{AlertKey, Severity, Span, Timestamp};

use super::one_line;

/// The most labels of an alert, and the most annotations.
const MAX_PAIRS: usize = 64;
/// The longest name of a label or annotation, and the longest fingerprint, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// The longest value of a label or annotation, in bytes.
const MAX_VALUE_BYTES: usize = 16 << 10;
/// The longest address that is kept, in bytes.
const MAX_LINK_BYTES: usize = 2_048;
/// How far a sender's clock may be ahead of ours.
const AHEAD: Span = Span::DAY;
/// What Go writes for no time.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

type Pairs = BTreeMap<String, String>;

/// An alert as it is sent. Fields that are not read may be there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    status: Option<String>,
    labels: Option<Pairs>,
    annotations: Option<Pairs>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    fingerprint: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
    #[serde(rename = "dashboardURL")]
    dashboard_url: Option<String>,
    #[serde(rename = "panelURL")]
    panel_url: Option<String>,
    value_string: Option<String>,
}

/// What a sender says of one alert.
#[derive(Debug)]
pub(crate) struct Report {
    /// Which alert.
    pub(crate) key: AlertKey,
    pub(crate) labels: Pairs,
    pub(crate) annotations: Pairs,
    pub(crate) begin: Timestamp,
    /// When it was resolved; not before `begin`.
    pub(crate) end: Option<Timestamp>,
    pub(crate) severity: Severity,
    /// Where the sender shows more.
    pub(crate) links: Vec<String>,
    /// What Grafana says of the values that it judged.
    pub(crate) values: String,
}

impl Report {
    /// Reads one alert of a document that `who` sent, `now` on the wall.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(alert: Value, who: &str, now: Timestamp) -> Result<Self, String> {
        let wire: Wire = serde_json::from_value(alert)
            .map_err(|error| one_line(&format!("cannot be read: {error}"), 200))?;
        let (labels, annotations) = (wire.labels.unwrap_or_default(), wire.annotations.unwrap_or_default());
        check("labels", &labels)?;
        check("annotations", &annotations)?;
        let begin = time("startsAt", wire.starts_at.as_deref())?.ok_or("field \"startsAt\" is missing")?;
        if begin > now + AHEAD {
            return Err("field \"startsAt\" is more than a day ahead of this clock".into());
        }
        let end = match wire.status.as_deref() {
            Some("firing") => None,
            Some("resolved") => {
                Some(time("endsAt", wire.ends_at.as_deref())?.unwrap_or(now).min(now).max(begin))
            }
            other => {
                let found = one_line(other.unwrap_or("missing"), 64);
                return Err(format!("field \"status\" is {found:?}; wanted is firing or resolved"));
            }
        };
        let links =
            [wire.panel_url, wire.dashboard_url, wire.generator_url, annotations.get("runbook_url").cloned()];
        Ok(Self {
            key: AlertKey::of(who, &fingerprint(wire.fingerprint, &labels)?),
            severity: severity(&labels, &annotations),
            links: links.into_iter().flatten().filter(|link| is_link(link)).collect(),
            values: one_line(&wire.value_string.unwrap_or_default(), 500),
            labels,
            annotations,
            begin,
            end,
        })
    }
}

fn check(what: &str, pairs: &Pairs) -> Result<(), String> {
    if pairs.len() > MAX_PAIRS {
        return Err(format!("has {} {what}; the most is {MAX_PAIRS}", pairs.len()));
    }
    let long =
        |(name, value): &(&String, &String)| name.len() > MAX_NAME_BYTES || value.len() > MAX_VALUE_BYTES;
    match pairs.iter().find(long) {
        Some((name, _)) => Err(format!(
            "one of its {what}, {:?}, is longer than {MAX_NAME_BYTES} bytes or its value than {MAX_VALUE_BYTES}",
            one_line(name, 64)
        )),
        None => Ok(()),
    }
}

fn time(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, String> {
    match text {
        None | Some("" | NO_TIME) => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error: yiwang_model::Error| {
            one_line(&format!("field {field:?} is wrong: {error}"), 200)
        }),
    }
}

/// What a sender knows the alert by; where it does not say, all its labels.
fn fingerprint(said: Option<String>, labels: &Pairs) -> Result<String, String> {
    match said.filter(|said| !said.is_empty()) {
        Some(said) if said.len() <= MAX_NAME_BYTES => Ok(said),
        Some(_) => Err(format!("field \"fingerprint\" is longer than {MAX_NAME_BYTES} bytes")),
        None if labels.is_empty() => Err("has neither a fingerprint nor labels".into()),
        None => Ok(labels.iter().map(|(name, value)| format!("\0{name}\0{value}")).collect()),
    }
}

/// By the label, else by the annotation, which may change while an alert fires; else a warning.
fn severity(labels: &Pairs, annotations: &Pairs) -> Severity {
    let said = labels.get("severity").or_else(|| annotations.get("severity"));
    match said.map(|said| said.to_ascii_lowercase()).as_deref() {
        Some("critical") => Severity::Critical,
        Some("serious" | "error") => Severity::Serious,
        Some("notice" | "info" | "none") => Severity::Notice,
        _ => Severity::Warning,
    }
}

/// Whether a browser may be led there.
fn is_link(link: &str) -> bool {
    let is = |scheme: &str| link.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    (is("http://") || is("https://"))
        && link.len() <= MAX_LINK_BYTES
        && !link.chars().any(|c| c.is_control() || c.is_whitespace())
}
