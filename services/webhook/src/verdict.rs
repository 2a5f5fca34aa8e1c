//! What an answer means.
//!
//! | status | means |
//! |---|---|
//! | 2xx | taken |
//! | 410 | the receiver wants nothing more; nothing is sent until the next start, and what it was not told is kept |
//! | 3xx, 401, 403, 404, 405, 407, 408, 421, 425, 426, 429, 5xx, none | it speaks of receiver or address, not of the event: later, without end |
//! | any other | the event is refused: some tries more, then it is set aside with the reason, and the next is sent |
//!
//! Later is at least what `Retry-After` says, as seconds or as a date, up to a bound.

use std::time::Duration;

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Taken,
    /// The receiver wants nothing more.
    Gone,
    /// This event is refused.
    Refused(String),
    /// Not now.
    Later {
        /// Why.
        why: String,
        /// When the receiver wants to be asked again.
        after: Option<Duration>,
    },
}

impl Verdict {
    /// Of an answer with this status, `Retry-After`, and beginning of a body.
    #[must_use]
    pub fn of(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        match status {
            200..=299 => Self::Taken,
            410 => Self::Gone,
            401 | 403..=405 | 407 | 408 | 421 | 425 | 426 | 429 => Self::later(status, retry_after, body),
            400..=499 => Self::Refused(told(status, body)),
            _ => Self::later(status, retry_after, body),
        }
    }

    /// No answer.
    #[must_use]
    pub fn silence(why: impl ToString) -> Self {
        Self::Later { why: why.to_string(), after: None }
    }

    fn later(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        Self::Later { why: told(status, body), after: retry_after.and_then(wait) }
    }
}

fn wait(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Duration::try_from(at.duration_since(jiff::Timestamp::now())).ok()
}

/// Status and the beginning of what was said, on one line.
fn told(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    match text.trim() {
        "" => format!("answered {status}"),
        text => format!("answered {status}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_says_what_to_do() {
        for status in [200, 202, 204, 299] {
            assert_eq!(Verdict::of(status, None, b"x"), Verdict::Taken, "{status}");
        }
        assert_eq!(Verdict::of(410, None, b""), Verdict::Gone);
        for status in [300, 301, 308, 401, 403, 404, 405, 408, 429, 500, 502, 503, 599, 999, 101] {
            assert!(matches!(Verdict::of(status, None, b""), Verdict::Later { after: None, .. }), "{status}");
        }
        for status in [400, 402, 406, 409, 411, 413, 415, 418, 422, 451] {
            assert!(matches!(Verdict::of(status, Some("5"), b""), Verdict::Refused(_)), "{status}");
        }
        assert_eq!(
            Verdict::of(422, None, b"no\r\nsuch \xff"),
            Verdict::Refused("answered 422: no  such \u{fffd}".into())
        );
    }

    #[test]
    fn what_is_asked_for_is_read_in_both_forms() {
        let after = |text| match Verdict::of(429, Some(text), b"") {
            Verdict::Later { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(after("18446744073709551615"), Some(Duration::from_secs(u64::MAX)));
        assert!(
            after("Wed, 21 Oct 2099 07:28:00 GMT").is_some_and(|time| time > Duration::from_secs(1 << 20))
        );
        for text in ["Wed, 21 Oct 2015 07:28:00 GMT", "-1", "soon", "", "1.5"] {
            assert_eq!(after(text), None, "{text}");
        }
    }
}
