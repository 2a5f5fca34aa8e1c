//! What a logger may be told to do.
//!
//! | CN | what | values |
//! |---|---|---|
//! | 1011 | tell your time | |
//! | 1012 | set your time | `SystemTime`, China's local time; without it the wall's when it is sent |
//! | 1061 | tell the interval of real-time data | |
//! | 1062 | set it | `RtdInterval`, 30 to 3,600 s |
//! | 2011 | begin to send real-time data | |
//! | 2012 | stop | |

use std::collections::BTreeMap;

use yiwang_proto::hj212::{command, time};

use crate::clock::wall_now;

/// The intervals that the standard allows, in seconds.
const INTERVALS: std::ops::RangeInclusive<u32> = 30..=3600;

/// A command with its values, as the standard has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    cn: u16,
    /// What is set, with its name.
    set: Option<(&'static str, String)>,
}

impl Request {
    /// Reads a command with its values by name.
    ///
    /// # Errors
    /// What cannot be sent, and what could be.
    pub fn read(cn: u16, values: &BTreeMap<String, String>) -> Result<Self, String> {
        let name = match cn {
            command::SET_TIME => Some("SystemTime"),
            command::SET_INTERVAL => Some("RtdInterval"),
            command::GET_TIME | command::GET_INTERVAL | command::REAL_TIME | command::STOP_REAL_TIME => None,
            _ => return Err(format!("CN {cn} cannot be sent: 1011, 1012, 1061, 1062, 2011 and 2012 can")),
        };
        if let Some(strange) = values.keys().find(|key| name != Some(key.as_str())) {
            let wanted = name.map_or("no value".into(), |name| format!("{name} and nothing else"));
            return Err(format!("CN {cn} takes {wanted}, not \"{strange:.40}\""));
        }
        let given = name.and_then(|name| values.get(name)).map(String::as_str);
        let set = match cn {
            command::SET_TIME => given.map(read_time).transpose()?.map(|time| ("SystemTime", time)),
            command::SET_INTERVAL => Some(("RtdInterval", read_interval(given)?)),
            _ => None,
        };
        Ok(Self { cn, set })
    }

    /// Its number.
    #[must_use]
    pub fn cn(&self) -> u16 {
        self.cn
    }

    /// Its data area, as of now.
    pub(super) fn content(&self) -> String {
        match &self.set {
            Some((name, value)) => format!("{name}={value}"),
            None if self.cn == command::SET_TIME => format!("SystemTime={}", time::to_second(wall_now())),
            None => String::new(),
        }
    }
}

fn read_time(text: &str) -> Result<String, String> {
    let good = text.len() == 14 && time::read(text).is_some();
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("SystemTime is \"{text:.40}\"; yyyyMMddHHmmss is wanted"))
    }
}

fn read_interval(text: Option<&str>) -> Result<String, String> {
    let text = text.unwrap_or_default();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|seconds| digits && INTERVALS.contains(seconds));
    seconds
        .map(|seconds: u32| seconds.to_string())
        .ok_or_else(|| format!("RtdInterval is \"{text:.40}\"; 30 to 3600 seconds are wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cn: u16, values: &[(&str, &str)]) -> Result<Request, String> {
        Request::read(cn, &values.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
    }

    #[test]
    fn what_the_standard_has_can_be_sent_and_nothing_else() {
        let content = |cn, values: &[_]| read(cn, values).unwrap().content();
        assert_eq!(content(1062, &[("RtdInterval", "030")]), "RtdInterval=30");
        assert_eq!(content(1012, &[("SystemTime", "20260302101500")]), "SystemTime=20260302101500");
        assert_eq!(content(1012, &[]).len(), "SystemTime=20260302101500".len());
        for cn in [1011, 1061, 2011, 2012] {
            assert_eq!(content(cn, &[]), "");
        }
        for (cn, values) in [
            (1000, &[][..]),
            (9014, &[]),
            (1011, &[("SystemTime", "20260302101500")]),
            (1012, &[("SystemTime", "20260230101500")]),
            (1012, &[("SystemTime", "20260302101500&&;CN=1")]),
            (1062, &[]),
            (1062, &[("RtdInterval", "29")]),
            (1062, &[("RtdInterval", "3601")]),
            (1062, &[("RtdInterval", "+60")]),
            (1062, &[("RtdInterval", "60;CN=1")]),
            (1062, &[("RtdInterval", "60"), ("PW", "1")]),
        ] {
            assert!(read(cn, values).is_err(), "{cn} {values:?}");
        }
    }
}
