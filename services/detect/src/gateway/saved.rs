//! How the state of a gateway is written down and read; the format stands with the rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Phase, Series, Span};

use super::{Gateway, Held, Silent, Stay, subject};
use crate::Error;
use crate::state::{Reader, put_byte, put_count, put_number, put_option, put_text, put_time, put_whole};

pub(super) fn put(out: &mut Vec<u8>, subject: &Series, gateway: &Gateway) {
    put_text(out, subject.source());
    put_option(out, gateway.newest, put_time);
    put_time(out, gateway.arrived);
    put_option(out, gateway.open, |out, silent| {
        put_time(out, silent.begin);
        put_whole(out, silent.after.0);
    });
    put_count(out, gateway.held.len());
    for ((series, detector), held) in &gateway.held {
        put_text(out, series.source());
        put_text(out, series.metric());
        put_text(out, detector);
        put_held(out, held);
    }
}

fn put_held(out: &mut Vec<u8>, held: &Held) {
    out.extend_from_slice(&held.raised.id.0);
    put_finding(out, &held.raised);
    put_option(out, held.cleared.as_deref(), put_finding);
    match held.stay {
        Stay::New => put_byte(out, 0),
        Stay::Waiting => put_byte(out, 1),
        Stay::WhileSilent => put_byte(out, 2),
        Stay::Until(then) => {
            put_byte(out, 3);
            put_time(out, then);
        }
    }
}

fn put_finding(out: &mut Vec<u8>, finding: &Anomaly) {
    put_time(out, finding.begin);
    put_option(out, finding.end, put_time);
    put_number(out, finding.extreme);
    put_option(out, finding.limit, put_number);
    put_text(out, &finding.edition);
    put_byte(out, finding.severity as u8);
}

pub(super) fn read(from: &mut Reader<'_>) -> Result<(Series, Gateway), Error> {
    let name = from.text()?;
    let subject = subject(name).map_err(|error| from.damaged(error.to_string()))?;
    let newest = from.option(Reader::time)?;
    let arrived = from.time()?;
    let open = from.option(|from| Ok(Silent { begin: from.time()?, after: from.whole().map(Span)? }))?;
    let mut held = BTreeMap::new();
    for _ in 0..from.count(from.left())? {
        let (key, silence) = read_held(from)?;
        held.insert(key, silence);
    }
    Ok((subject, Gateway { newest, arrived, open, held }))
}

fn read_held(from: &mut Reader<'_>) -> Result<((Series, Arc<str>), Held), Error> {
    let (source, metric) = (from.text()?, from.text()?);
    let series = Series::new(source, metric).map_err(|error| from.damaged(error.to_string()))?;
    let detector = from.text()?;
    let id = AnomalyId(from.wide()?.to_le_bytes());
    let finding = |from: &mut Reader<'_>, phase| read_finding(from, (id, &detector, &series, phase));
    let raised = finding(from, Phase::Raised)?;
    let cleared = from.option(|from| finding(from, Phase::Cleared))?;
    let stay = match from.byte()? {
        0 => Stay::New,
        1 => Stay::Waiting,
        2 => Stay::WhileSilent,
        3 => Stay::Until(from.time()?),
        other => return Err(from.damaged(format!("{other} does not say how long a silence is held"))),
    };
    Ok(((series, detector), Held { raised, cleared, stay }))
}

/// What a finding is of, and which step.
type Of<'a> = (AnomalyId, &'a Arc<str>, &'a Series, Phase);

fn read_finding(from: &mut Reader<'_>, (id, detector, series, phase): Of<'_>) -> Result<Box<Anomaly>, Error> {
    Ok(Box::new(Anomaly {
        id,
        detector: Arc::clone(detector),
        series: series.clone(),
        phase,
        begin: from.time()?,
        end: from.option(Reader::time)?,
        extreme: from.number()?,
        limit: from.option(Reader::number)?,
        edition: from.text()?,
        severity: from.severity()?,
        because: None,
        into: None,
        silenced: None,
    }))
}
