//! The numbers of orders: `YW20260302-000017`, the day of receipt in the city's zone and a count within the day.

use jiff::tz::TimeZone;
use yiwang_model::{OrderNo, Timestamp};

use crate::{Error, excerpt};

/// The days of a city, by its time zone.
#[derive(Clone, Debug)]
pub(crate) struct Days {
    zone: TimeZone,
}

impl Days {
    /// The days of the zone with this IANA name.
    pub(crate) fn of(zone: &str) -> Result<Self, Error> {
        TimeZone::get(zone).map(|zone| Self { zone }).map_err(|_| Error::Zone(excerpt(zone)))
    }

    /// The day of this moment, as `20260302`.
    pub(crate) fn day(&self, at: Timestamp) -> String {
        let date = at.to_jiff().to_zoned(self.zone.clone()).date();
        format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
    }
}

/// The number of the order that is the `count`-th of its day. From the millionth on it has a digit more.
pub(crate) fn order_no(day: &str, count: i64) -> OrderNo {
    OrderNo(format!("YW{day}-{count:06}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_the_citys_not_that_of_utc() {
        let days = Days::of("Asia/Shanghai").unwrap();
        assert_eq!(days.day("2026-03-02T15:59:59.999999999Z".parse().unwrap()), "20260302");
        assert_eq!(days.day("2026-03-02T16:00:00Z".parse().unwrap()), "20260303");
        assert_eq!(order_no("20260302", 17), OrderNo("YW20260302-000017".into()));
    }

    #[test]
    fn no_moment_is_without_a_day() {
        let days = Days::of("Asia/Shanghai").unwrap();
        assert_eq!(days.day(Timestamp::MIN), "16770921");
        assert_eq!(days.day(Timestamp(i64::MAX)), "22620412");
    }

    #[test]
    fn an_unknown_zone_is_named() {
        let error = Days::of("Asia/Chengdu").unwrap_err();
        assert_eq!(error.to_string(), "\"Asia/Chengdu\" is not the name of a time zone, as Asia/Shanghai is");
    }
}
