//! How the state is written down and read; the format stands with the rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Phase, Series, Span, Timestamp};

use super::alarm::{Alarm, Stage};
use super::parent::Parent;
use super::shown::SHOWN;
use super::{Causes, HEAD, Key, NAME};
use crate::Error;
use crate::state::{Reader, put_byte, put_count, put_number, put_option, put_text, put_time, put_whole};
use crate::topology::{Cause, Scope};

/// What is kept.
type State = (BTreeMap<Cause, Parent>, BTreeMap<Key, Alarm>, BTreeMap<AnomalyId, Timestamp>);

pub(super) fn put(rule: &Causes, out: &mut Vec<u8>) {
    put_byte(out, HEAD);
    put_count(out, rule.parents.len());
    for (cause, parent) in &rule.parents {
        put_cause(out, cause);
        put_parent(out, parent);
    }
    put_count(out, rule.alarms.len());
    for ((series, detector), alarm) in &rule.alarms {
        put_text(out, series.source());
        put_text(out, series.metric());
        put_text(out, detector);
        put_alarm(out, alarm);
    }
    put_count(out, rule.past.len());
    for (id, until) in &rule.past {
        out.extend_from_slice(&id.0);
        put_time(out, *until);
    }
}

fn put_cause(out: &mut Vec<u8>, cause: &Cause) {
    put_byte(out, cause.scope as u8);
    put_text(out, &cause.name);
}

fn put_parent(out: &mut Vec<u8>, parent: &Parent) {
    out.extend_from_slice(&parent.id.0);
    put_time(out, parent.begin);
    put_time(out, parent.since);
    put_option(out, parent.end, put_time);
    put_option(out, parent.ending, put_time);
    put_whole(out, parent.calm.0);
    [parent.all, parent.open, parent.most, parent.said].into_iter().for_each(|count| put_count(out, count));
    put_byte(out, parent.severity as u8);
    put_count(out, parent.moves.len());
    for (metric, sign) in &parent.moves {
        put_text(out, metric);
        put_whole(out, (*sign).into());
    }
    put_count(out, parent.shown.len());
    for series in &parent.shown {
        put_text(out, series.source());
        put_text(out, series.metric());
    }
}

fn put_alarm(out: &mut Vec<u8>, alarm: &Alarm) {
    out.extend_from_slice(&alarm.raised.id.0);
    put_finding(out, &alarm.raised);
    put_option(out, alarm.cleared.as_deref(), put_finding);
    let (stage, until) = match &alarm.stage {
        Stage::New => (0, None),
        Stage::Held(until) => (1, Some(until)),
        Stage::Told(until) => (2, Some(until)),
        Stage::Shown(until) => (3, Some(until)),
        Stage::Child(_) => (4, None),
        Stage::Left(until) => (5, Some(until)),
    };
    put_byte(out, stage);
    until.into_iter().for_each(|until| put_time(out, *until));
    if let Stage::Child(cause) = &alarm.stage {
        put_cause(out, cause);
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

pub(super) fn read(state: &[u8]) -> Result<State, Error> {
    let mut from = Reader::new(NAME, HEAD, state)?;
    let (mut parents, mut alarms) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..from.count(from.left())? {
        let cause = read_cause(&mut from)?;
        parents.insert(cause, read_parent(&mut from)?);
    }
    for _ in 0..from.count(from.left())? {
        let key = (read_series(&mut from)?, from.text()?);
        let alarm = read_alarm(&mut from, &key)?;
        if matches!(&alarm.stage, Stage::Child(cause) if !parents.contains_key(cause)) {
            return Err(from.damaged("an alarm is part of a cause that is not there"));
        }
        alarms.insert(key, alarm);
    }
    let mut past = BTreeMap::new();
    for _ in 0..from.count(from.left())? {
        past.insert(read_id(&mut from)?, from.time()?);
    }
    from.end()?;
    Ok((parents, alarms, past))
}

fn read_cause(from: &mut Reader<'_>) -> Result<Cause, Error> {
    let scope = from.byte()?;
    let scope = Scope::ALL.get(usize::from(scope)).copied();
    let scope = scope.ok_or_else(|| from.damaged("there is no such scope"))?;
    let cause = Cause { scope, name: from.text()? };
    cause.subject().map_err(|error| from.damaged(error.to_string()))?;
    Ok(cause)
}

fn read_id(from: &mut Reader<'_>) -> Result<AnomalyId, Error> {
    Ok(AnomalyId(from.wide()?.to_le_bytes()))
}

fn read_parent(from: &mut Reader<'_>) -> Result<Parent, Error> {
    let (id, begin, since) = (read_id(from)?, from.time()?, from.time()?);
    let (end, ending) = (from.option(Reader::time)?, from.option(Reader::time)?);
    let calm = Span(from.whole()?.max(0));
    let mut count = || from.count(usize::MAX >> 1);
    let (all, open, most, said) = (count()?, count()?, count()?, count()?);
    if open > most || most > all || said > most {
        return Err(from.damaged("more alarms of a cause are open than it has"));
    }
    let severity = from.severity()?;
    let mut moves = Vec::new();
    for _ in 0..from.count(from.left())? {
        let metric = from.text()?;
        match from.whole()? {
            sign @ -1..=1 => moves.push((metric, sign as i8)), // one of these three
            sign => return Err(from.damaged(format!("{sign} is no way to move"))),
        }
    }
    let shown = (0..from.count(SHOWN)?).map(|_| read_series(from)).collect::<Result<_, _>>()?;
    Ok(Parent { id, begin, since, end, ending, calm, all, open, most, said, severity, moves, shown })
}

fn read_series(from: &mut Reader<'_>) -> Result<Series, Error> {
    let (source, metric) = (from.text()?, from.text()?);
    Series::new(source, metric).map_err(|error| from.damaged(error.to_string()))
}

fn read_alarm(from: &mut Reader<'_>, key: &Key) -> Result<Alarm, Error> {
    let id = read_id(from)?;
    let raised = read_finding(from, (id, key, Phase::Raised))?;
    let cleared = from.option(|from| read_finding(from, (id, key, Phase::Cleared)))?;
    let stage = match from.byte()? {
        0 => Stage::New,
        1 => Stage::Held(from.time()?),
        2 => Stage::Told(from.time()?),
        3 => Stage::Shown(from.time()?),
        4 => Stage::Child(read_cause(from)?),
        5 => Stage::Left(from.time()?),
        other => return Err(from.damaged(format!("{other} does not say where an alarm is"))),
    };
    Ok(Alarm { raised, cleared, stage })
}

fn read_finding(
    from: &mut Reader<'_>,
    (id, key, phase): (AnomalyId, &Key, Phase),
) -> Result<Box<Anomaly>, Error> {
    Ok(Box::new(Anomaly {
        id,
        detector: Arc::clone(&key.1),
        series: key.0.clone(),
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
