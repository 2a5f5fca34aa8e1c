//! What an answer means.
//!
//! | answer | means | then |
//! |---|---|---|
//! | 204 | it is there | the mark moves |
//! | 400, 422 that say "partial write" | all but the lines that it counts are there | they are counted, the mark moves |
//! | 413 | too large | the halves are sent; a single line is set aside |
//! | 401, 403, 404, 405, 407, 415, 1xx, 2xx but 204, 3xx | not the store, token, bucket or encoding that was meant | again |
//! | 408, 425, 429, 5xx, and no answer at all | down or busy | again, not before `Retry-After` where that can be seen |
//! | any other 4xx | the lines are at fault | set aside with the reason, the mark moves |
//!
//! What a person must mend is tried again rather than set aside: a wrong token must not cost a reading.

use std::time::Duration;

use serde_json::Value;

/// What a store said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) retry_after: Option<Duration>,
}

/// What became of the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All are there.
    Written,
    /// All but so many are there.
    Partly { refused: u64, why: String },
    /// None of a body of this size is taken.
    TooLarge { why: String },
    /// None will ever be taken.
    Refused { why: String },
}

/// Nothing is decided: try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) why: String,
    /// Not before.
    pub(super) after: Option<Duration>,
}

impl Verdict {
    pub(super) fn of(answer: &Answer) -> Result<Self, Again> {
        let why = reason(answer);
        let again = |hint: &str| Err(Again { why: format!("{why}{hint}"), after: answer.retry_after });
        match answer.status {
            204 => Ok(Self::Written),
            400 | 422 => Ok(match refused_lines(&answer.text) {
                Some(refused) => Self::Partly { refused, why },
                None => Self::Refused { why },
            }),
            413 => Ok(Self::TooLarge { why }),
            401 | 403 => again("; see its token_file"),
            404 => again("; see its url, bucket or database"),
            405 | 407 => again("; see its url"),
            415 => again("; set its gzip = false"),
            408 | 425 | 429 | 500.. => again(""),
            402..500 => Ok(Self::Refused { why }),
            _ => again(", and 204 is wanted; see its url"),
        }
    }
}

/// The most characters of an answer that are told.
const EXCERPT_CHARS: usize = 200;

fn reason(answer: &Answer) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let said: String = answer.text.trim().chars().map(plain).take(EXCERPT_CHARS).collect();
    if said.is_empty() {
        format!("HTTP {}", answer.status)
    } else {
        format!("HTTP {}: {said}", answer.status)
    }
}

/// How many lines an answer says were refused while the others were taken; none when it does not say that others were
/// taken. InfluxDB 1 and 2 say `partial write: … dropped=N`, or name each line that they could not parse; 3 lists them.
fn refused_lines(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    if !lower.contains("partial write") {
        return None;
    }
    let parsed = u64::try_from(lower.matches("unable to parse").count()).ok();
    let told = dropped(&lower).or_else(|| listed(text)).or(parsed);
    Some(told.unwrap_or_default().max(1))
}

fn dropped(text: &str) -> Option<u64> {
    let (_, number) = text.split_once("dropped=")?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

fn listed(text: &str) -> Option<u64> {
    let answer: Value = serde_json::from_str(text).ok()?;
    u64::try_from(answer.get("data")?.as_array()?.len()).ok()
}
