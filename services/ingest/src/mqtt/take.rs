//! A message becomes admitted readings, and the verdict with which it is answered once they are durable.
//!
//! The topic is `yw/v1/{source}`, the payload as [`super::payload`] says; below `senml/` it is a pack, see [`crate::senml`]. Of an array the good readings are kept. The
//! verdict of a message with at least one refused reading is a refusal:
//!
//! | what was refused | reason code of MQTT 5.0 |
//! |---|---|
//! | the topic | 0x90 topic name invalid |
//! | only: the source is not in the catalogue, or the sender may not write | 0x87 not authorized |
//! | only: the gateway has too many series | 0x97 quota exceeded |
//! | anything else, also of several kinds | 0x99 payload format invalid |

use mqtt_protocol_core::mqtt::result_code::PubackReasonCode;
use yiwang_model::series::check_name;
use yiwang_proto::v1::Reason;

use super::payload;
use crate::Ingest;
use crate::admit::{Admitted, Plausible, admit};
use crate::commit::Submission;
use crate::names::Refused;
use crate::refuse::Refusals;
use crate::senml;
use crate::seq::Order;

/// What every topic of readings begins with.
pub const PREFIX: &str = "yw/v1/";
/// The longest reason string, in bytes.
const MAX_REASON_BYTES: usize = 240;

/// Why a message was not, or not wholly, taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) code: PubackReasonCode,
    pub(crate) reason: String,
}

/// Who hands a message over, and how it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// The door, as topic `rejected` names it.
    pub(crate) door: &'static str,
    /// The client, or the broker.
    pub(crate) name: &'a str,
    /// What its number says.
    pub(crate) order: Order,
}

/// Admits the readings of a message into a submission; `None` when all were taken.
pub(crate) fn take(
    ingest: &Ingest,
    plausible: Plausible,
    sender: Sender<'_>,
    (topic, payload): (&str, &[u8]),
    into: &mut Submission,
) -> Option<Box<Verdict>> {
    let mut refusals = Refusals::default();
    let (code, readings) = match source(topic) {
        _ if topic.starts_with(senml::TOPIC) => {
            let readings =
                senml::take(ingest, plausible, sender.name, payload, &mut into.rows, &mut refusals);
            (None, readings)
        }
        Ok(source) => {
            let readings =
                readings(ingest, plausible, sender, (source, payload), &mut into.rows, &mut refusals);
            (None, readings)
        }
        Err((reason, message)) => {
            refusals.add(0, reason, || message);
            (Some(PubackReasonCode::TopicNameInvalid), 0)
        }
    };
    if refusals.is_empty() {
        return None;
    }
    refusals.set_excerpt(payload);
    into.rejected.extend(ingest.rejected(sender.door, sender.name, &refusals));
    let code = code.unwrap_or_else(|| code_of(&refusals));
    Some(Box::new(Verdict { code, reason: reason(&refusals, readings) }))
}

fn source(topic: &str) -> Result<&str, Refused> {
    let source = topic.strip_prefix(PREFIX).ok_or_else(|| {
        (
            Reason::BadName,
            format!("topic \"{topic:.64}\" is none of this city's: publish to yw/v1/ and the source"),
        )
    })?;
    check_name("source", source).map_err(|error| (Reason::BadName, error.to_string()))?;
    Ok(source)
}

/// Admits what can be; answers with the number of readings that the message holds, 0 if it cannot be read.
fn readings(
    ingest: &Ingest,
    plausible: Plausible,
    sender: Sender<'_>,
    (source, payload): (&str, &[u8]),
    rows: &mut Vec<Admitted>,
    refusals: &mut Refusals,
) -> usize {
    let before = rows.len();
    let mut at = 0;
    let read = payload::read(payload, |said| {
        let admitted = said.and_then(|said| {
            let admitted = admit(&ingest.names, plausible, sender.name, &said.of(source));
            // Whoever may send for no source spoils nobody's numbers.
            let is_ours = !matches!(admitted, Err((Reason::UnknownSource | Reason::Forbidden, _)));
            if let Some(seq) = said.seq.filter(|_| is_ours) {
                ingest.seqs.see(said.gateway.as_deref().unwrap_or(source), seq, sender.order);
            }
            admitted
        });
        match admitted {
            Ok(row) => rows.push(row),
            Err((reason, message)) => refusals.add(at, reason, || message),
        }
        at += 1;
    });
    if let Err(message) = read {
        rows.truncate(before);
        *refusals = Refusals::default();
        refusals.add(0, Reason::Malformed, || message);
        return 0;
    }
    at
}

fn code_of(refusals: &Refusals) -> PubackReasonCode {
    match refusals.by_reason.as_slice() {
        [(Reason::UnknownSource | Reason::Forbidden, _)] => PubackReasonCode::NotAuthorized,
        [(Reason::TooManySeries, _)] => PubackReasonCode::QuotaExceeded,
        _ => PubackReasonCode::PayloadFormatInvalid,
    }
}

fn reason(refusals: &Refusals, readings: usize) -> String {
    let Some(first) = refusals.kept.first() else { return String::new() };
    let mut reason = if readings < 2 {
        first.message.clone()
    } else {
        let (refused, index) = (refusals.total(), first.index);
        format!(
            "{refused} of {readings} readings refused, the others kept; reading {index}: {}",
            first.message
        )
    };
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    reason
}

#[cfg(test)]
mod tests;
