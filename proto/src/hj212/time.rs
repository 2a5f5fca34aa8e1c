//! Times of the protocol: digits, in China's local time.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use yiwang_model::Timestamp;

/// The time of the city, which the standard means wherever it says time.
static CHINA: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get("Asia/Shanghai").expect("the time zones are in the program"));

/// Reads `yyyyMMddHHmmss`, also with three digits of milliseconds; `None` for what is no time.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    if !matches!(text.len(), 14 | 17) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let millis = if text.len() == 17 { i32::from(part(14, 17)?) } else { 0 };
    let time = DateTime::new(
        part(0, 4)?,
        small(4)?,
        small(6)?,
        small(8)?,
        small(10)?,
        small(12)?,
        millis * 1_000_000,
    );
    let zoned = CHINA.to_ambiguous_zoned(time.ok()?).compatible().ok()?;
    Some(Timestamp::from_jiff(zoned.timestamp()))
}

/// As `DataTime` and `SystemTime` have it, `yyyyMMddHHmmss`.
#[must_use]
pub fn to_second(time: Timestamp) -> String {
    CHINA.to_datetime(time.to_jiff()).strftime("%Y%m%d%H%M%S").to_string()
}

/// As QN has it, `yyyyMMddHHmmsszzz`.
#[must_use]
pub fn to_milli(time: Timestamp) -> String {
    format!("{}{:03}", to_second(time), time.millis().rem_euclid(1000))
}
