//! One factor of a packet becomes a reading.
//!
//! | data flag | quality |
//! |---|---|
//! | N, or none | good |
//! | T | suspect |
//! | M | maintenance |
//! | C | calibration |
//! | D | fault |
//! | F | stopped |
//! | S | manual |
//! | B | disconnected |
//!
//! Of real-time data `Rtd` is taken, of a period `Avg` or, for noise, `Data`. `DataTime` is the instant, or the beginning of
//! the period. The end of an hour and of a day is known; how many minutes a mean of minutes is for is not in the packet.
//!
//! Of the other values those become readings that the catalogue names, with the same time, period and quality.

use yiwang_catalogue::logger::{Beside, Named, Taken};
use yiwang_catalogue::{Averaging, Catalogue, Logger};
use yiwang_model::{Quality, Span, Timestamp, Vintage};
use yiwang_proto::hj212::{Factor, Kind, command};
use yiwang_proto::v1::Reason;

use super::number;
use crate::admit::Said;
use crate::names::Refused;

/// What the values of this command are for; `None` when it has none that are stored.
pub(super) fn averaging(cn: u16) -> Option<Averaging> {
    match cn {
        command::REAL_TIME => Some(Averaging::Instant),
        command::MINUTES => Some(Averaging::Minutes),
        command::HOUR => Some(Averaging::Hour),
        command::DAY => Some(Averaging::Day),
        _ => None,
    }
}

/// The reading that a factor is; `taken` is how this logger's values of its code are.
///
/// # Errors
/// The reason and the sentence with which to refuse it.
pub(super) fn said<'a>(
    catalogue: &Catalogue,
    logger: &'a Logger,
    taken: Option<&'a Taken>,
    averaging: Averaging,
    time: Timestamp,
    factor: &Factor<'_>,
) -> Result<Said<'a>, Refused> {
    let code = factor.code;
    let Some(taken) = taken else { return Err(not_mapped(catalogue, logger, code)) };
    let Some((metric, shift)) = taken.metric(averaging) else {
        let what = word(averaging);
        return Err((
            Reason::NotJudged,
            format!("{what} of factor \"{code:.32}\" have no metric in the catalogue"),
        ));
    };
    let text = value(averaging, factor)
        .ok_or_else(|| (Reason::Malformed, format!("factor \"{code:.32}\" has no value of its own")))?;
    let value = number::read(text, shift).ok_or_else(|| {
        (Reason::Malformed, format!("\"{text:.32}\" of factor \"{code:.32}\" is no number"))
    })?;
    Ok(Said {
        source: &logger.station,
        metric,
        unit: None,
        time,
        value,
        quality: quality(factor.get(Kind::Flag))?,
        period_end: end(averaging, time),
        vintage: Vintage::default(),
    })
}

/// The readings that the other values of a factor are, as far as the catalogue names them for this command.
pub(super) fn beside<'a>(
    logger: &'a Logger,
    taken: Option<&'a Taken>,
    cn: u16,
    time: Timestamp,
    factor: &'a Factor<'a>,
) -> impl Iterator<Item = Result<Said<'a>, Refused>> {
    let beside = taken.map_or(&[][..], |taken| &taken.beside);
    let values = beside.iter().filter(move |beside| beside.named.cn == cn);
    values.filter_map(move |beside| {
        let text = factor.get(Kind::named(beside.named.suffix)?)?;
        Some(other(logger, time, factor, beside, text))
    })
}

fn other<'a>(
    logger: &'a Logger,
    time: Timestamp,
    factor: &Factor<'_>,
    beside: &'a Beside,
    text: &str,
) -> Result<Said<'a>, Refused> {
    let Named { cn, suffix, metric } = &beside.named;
    let name = format_args!("{:.32}-{suffix}", factor.code);
    let Some(shift) = beside.shift else {
        let mn = &logger.mn;
        let message = format!("logger \"{mn}\" has no unit for \"{name}\": add it to its units");
        return Err((Reason::NoUnit, message));
    };
    let value = number::read(text, shift)
        .ok_or_else(|| (Reason::Malformed, format!("\"{text:.32}\" of \"{name}\" is no number")))?;
    let period_end = match *cn {
        command::HOUR => Some(time + Span::HOUR),
        command::DAY | command::DAY_RUNNING => Some(time + Span::DAY),
        _ => None,
    };
    Ok(Said {
        source: &logger.station,
        metric,
        unit: None,
        time,
        value,
        quality: quality(factor.get(Kind::Flag))?,
        period_end,
        vintage: Vintage::default(),
    })
}

fn not_mapped(catalogue: &Catalogue, logger: &Logger, code: &str) -> Refused {
    let mn = &logger.mn;
    if catalogue.factors.contains_key(code) {
        let message = format!("logger \"{mn}\" has no unit for factor \"{code:.32}\": add it to its units");
        return (Reason::NoUnit, message);
    }
    (Reason::UnknownMetric, format!("factor \"{code:.32}\" is not in the catalogue: add a [[factor]]"))
}

fn value<'a>(averaging: Averaging, factor: &Factor<'a>) -> Option<&'a str> {
    match averaging {
        Averaging::Instant => factor.get(Kind::Rtd),
        _ => factor.get(Kind::Avg).or(factor.get(Kind::Data)),
    }
}

fn word(averaging: Averaging) -> &'static str {
    match averaging {
        Averaging::Instant => "real-time values",
        Averaging::Minutes => "means of minutes",
        Averaging::Hour => "means of hours",
        Averaging::Day => "means of days",
    }
}

fn end(averaging: Averaging, begin: Timestamp) -> Option<Timestamp> {
    match averaging {
        Averaging::Instant | Averaging::Minutes => None,
        Averaging::Hour => Some(begin + Span::HOUR),
        Averaging::Day => Some(begin + Span::DAY),
    }
}

fn quality(flag: Option<&str>) -> Result<Quality, Refused> {
    Ok(match flag {
        None | Some("N") => Quality::Good,
        Some("T") => Quality::Suspect,
        Some("M") => Quality::Maintenance,
        Some("C") => Quality::Calibration,
        Some("D") => Quality::Fault,
        Some("F") => Quality::Stopped,
        Some("S") => Quality::Manual,
        Some("B") => Quality::Disconnected,
        Some(other) => {
            return Err((
                Reason::BadQuality,
                format!("data flag \"{other:.8}\" is none of N, F, M, S, D, C, T, B"),
            ));
        }
    })
}
