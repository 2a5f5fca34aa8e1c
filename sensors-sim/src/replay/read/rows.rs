//! CSV with a header that names its columns.

use std::io::BufRead;

use anyhow::{Context, bail};
use csv::StringRecord;

use super::{Gather, Raw, records};

const WANTED: [&str; 4] = ["source", "metric", "time", "value"];
const ALLOWED: [&str; 4] = ["unit", "quality", "vintage", "period_end"];

pub(super) fn read(gather: &mut Gather<'_>, header: &StringRecord, from: impl BufRead) -> anyhow::Result<()> {
    let columns = Columns::of(header)?;
    for (line, record) in records(from) {
        match record {
            Ok(record) if record.len() != header.len() => {
                gather.fault(line, &format!("{} fields under {} columns", record.len(), header.len()))?;
            }
            Ok(record) => match columns.raw(&record) {
                Ok(raw) => gather.add(line, &raw)?,
                Err(why) => gather.fault(line, &why)?,
            },
            Err(error) => gather.fault(line, &error.to_string())?,
        }
    }
    Ok(())
}

/// Where each column stands: the wanted, then the allowed.
struct Columns([usize; 4], [Option<usize>; 4]);

impl Columns {
    fn of(header: &StringRecord) -> anyhow::Result<Self> {
        let place = |name: &str| header.iter().position(|own| own.trim() == name);
        let known = |name: &str| WANTED.contains(&name.trim()) || ALLOWED.contains(&name.trim());
        if let Some(strange) = header.iter().find(|name| !known(name)) {
            bail!("line 1: column {strange:?} is not known; known are {WANTED:?} and {ALLOWED:?}");
        }
        let mut wanted = [0; 4];
        for (at, name) in wanted.iter_mut().zip(WANTED) {
            *at = place(name)
                .with_context(|| format!("line 1: column {name:?} is missing; wanted are {WANTED:?}"))?;
        }
        Ok(Self(wanted, ALLOWED.map(place)))
    }

    fn raw<'a>(&self, record: &'a StringRecord) -> Result<Raw<'a>, String> {
        let [source, metric, time, value] = self.0.map(|at| record.get(at).unwrap_or(""));
        let [unit, quality, vintage, period_end] =
            self.1.map(|at| at.and_then(|at| record.get(at)).filter(|text| !text.is_empty()));
        let value = value.parse().map_err(|_| format!("value {value:?} is not a number"))?;
        Ok(Raw { source, metric, time, value, unit, quality, vintage, period_end })
    }
}
