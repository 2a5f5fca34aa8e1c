//! JSON lines.

use std::borrow::Cow;
use std::io::{BufRead, Read};

use serde::Deserialize;

use super::{Gather, MAX_LINE, Raw};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    metric: Cow<'a, str>,
    time: Time,
    value: f64,
    unit: Option<String>,
    quality: Option<String>,
    vintage: Option<Time>,
    period_end: Option<Time>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Nanos(i64),
    Text(String),
}

impl Time {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Nanos(nanos) => Cow::Owned(nanos.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }
}

pub(super) fn read(gather: &mut Gather<'_>, mut from: impl BufRead) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if from.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice::<Line<'_>>(&bytes) {
            Ok(line) => add(gather, number, &line)?,
            Err(error) => gather.fault(number, &error.to_string())?,
        }
    }
    Ok(())
}

fn add(gather: &mut Gather<'_>, number: u64, line: &Line<'_>) -> anyhow::Result<()> {
    let time = line.time.text();
    let (vintage, period_end) =
        (line.vintage.as_ref().map(Time::text), line.period_end.as_ref().map(Time::text));
    let raw = Raw {
        source: &line.source,
        metric: &line.metric,
        time: &time,
        value: line.value,
        unit: line.unit.as_deref(),
        quality: line.quality.as_deref(),
        vintage: vintage.as_deref(),
        period_end: period_end.as_deref(),
    };
    gather.add(number, &raw)
}
