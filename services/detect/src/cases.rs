//! Runs the cases in `cases/`: one file for each kind, named for it; inputs and golden events as data.
//!
//! Times are spans since 2026-03-01T00:00:00+08:00. An input line is one of
//! `TIME VALUE [QUALITY]`, `FROM..TO/EVERY VALUE[,VALUE…] [QUALITY]` (without TO; the values in turn, `A+B` is
//! B more with each reading), `tick CITY`: all ticks that are due by then; readings rise in time, and ticks that are due come
//! before them.
//! for rules across series `GATEWAY/SERIES TIME`, and `tick CITY` closes the epoch.
//! A golden line is `raised|worsened|cleared [SUBJECT] BEGIN[..END] EXTREME [of LIMIT] SEVERITY [EDITION]`.
//! `digits` of a case are the decimals of numbers that come from what was learnt.
//! Each case is run twice: as it is, and saved and restored after every input.
pub(crate) mod across;

use std::path::PathBuf;
use std::sync::Arc;

use yiwang_model::{Anomaly, Phase, Quality, Series, Severity, Span, Timestamp};

use crate::registry::{Make, build, kinds};
use crate::{Detector, Event, Input, LimitRow, Param, Params, Sample, SeriesContext, Spec};

/// 2026-03-01T00:00:00+08:00.
const START: Timestamp = Timestamp::from_secs(1_772_294_400);

#[test]
fn every_case_gives_its_golden_events() {
    let mut wrong = Vec::new();
    for kind in kinds() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("cases/{}.toml", kind.name));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} has no cases", kind.name));
        let file: toml::Table = text.parse().unwrap();
        for case in file["case"].as_array().unwrap() {
            let name = format!("{}: {}", kind.name, case["name"].as_str().unwrap());
            let golden: Vec<_> = lines(case, "golden").collect();
            for saved in [false, true] {
                let found = match kind.make {
                    Make::Series(_) => series_case(kind.name, case, saved),
                    Make::Across(_) => across::run(kind.name, case, saved),
                };
                if found != golden {
                    let (found, golden) = (found.join("\n"), golden.join("\n"));
                    wrong.push(format!("{name} (saved: {saved})\nfound\n{found}\nbut golden is\n{golden}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn lines<'a>(case: &'a toml::Value, key: &str) -> impl Iterator<Item = &'a str> {
    case[key].as_str().unwrap().lines().map(str::trim).filter(|line| !line.is_empty())
}

fn series_case(kind: &str, case: &toml::Value, saved: bool) -> Vec<String> {
    let spec = spec(kind, case);
    let series = context(case);
    let prototype = build(&spec).map_err(|faults| format!("{faults:?}")).unwrap();
    let mut detector = prototype.make(&series);
    let mut events = Vec::new();
    let mut last = Timestamp::MIN;
    for input in lines(case, "input").flat_map(inputs) {
        let until = match input {
            Input::Reading(sample) => {
                let name = &case["name"];
                assert!(last < sample.time, "{kind}: {name}: the readings of a case rise in time");
                last = sample.time;
                sample.time - Span(1)
            }
            Input::Tick { city } => city,
        };
        tick(&mut *detector, until, &mut events);
        if let Input::Reading(_) = input {
            detector.step(&input, &mut events);
        }
        if saved {
            detector = restored(&*detector, prototype.make(&series));
        }
    }
    let with_edition = !spec.limits.is_empty();
    let subject = Series::new("case", "case").unwrap();
    let digits = case.get("digits").map(float);
    let steps = events.into_iter().map(|event| rounded(event, digits).of(&spec.name, &subject));
    steps.map(|anomaly| told(&anomaly, "", with_edition)).collect()
}

/// Every tick that is due by a moment, each at its own.
pub(crate) fn tick(detector: &mut dyn Detector, until: Timestamp, events: &mut Vec<Event>) {
    while let Some(wake) = detector.wake_at().filter(|wake| *wake <= until) {
        detector.step(&Input::Tick { city: wake }, events);
    }
}

/// Extreme and limit with so many decimals, where they come from what was learnt.
fn rounded(mut event: Event, digits: Option<f64>) -> Event {
    let (Event::Raised(finding) | Event::Worsened(finding) | Event::Cleared(finding)) = &mut event;
    let round = |value: f64| match digits {
        Some(digits) => (value * 10_f64.powf(digits)).round() / 10_f64.powf(digits),
        None => value,
    };
    (finding.extreme, finding.limit) = (round(finding.extreme), finding.limit.map(round));
    event
}

/// `fresh`, after it took over the state of `detector`.
pub(crate) fn restored(detector: &dyn Detector, mut fresh: Box<dyn Detector>) -> Box<dyn Detector> {
    let mut state = Vec::new();
    detector.snapshot(&mut state);
    fresh.restore(&state).unwrap();
    assert_eq!(fresh.wake_at(), detector.wake_at());
    fresh
}

pub(crate) fn spec(kind: &str, case: &toml::Value) -> Spec {
    let mut params = Params::new();
    for (key, value) in case.get("params").and_then(toml::Value::as_table).into_iter().flatten() {
        params.insert(key.clone(), param(value));
    }
    let rows = case.get("limits").and_then(toml::Value::as_array).into_iter().flatten();
    let severity =
        case.get("severity").map_or(Severity::Warning, |word| word.as_str().unwrap().parse().unwrap());
    Spec { name: "case".into(), kind: kind.into(), severity, params, limits: rows.map(limit).collect() }
}

fn param(value: &toml::Value) -> Param {
    match value {
        toml::Value::String(text) => Param::Text(text.clone()),
        toml::Value::Boolean(flag) => Param::Flag(*flag),
        number => Param::Number(float(number)),
    }
}

fn float(value: &toml::Value) -> f64 {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)).unwrap()
}

fn limit(row: &toml::Value) -> LimitRow {
    LimitRow {
        value: float(&row["value"]),
        valid_from: row.get("from").map_or(Timestamp::MIN, |from| at(from.as_str().unwrap())),
        valid_to: row.get("to").map(|to| at(to.as_str().unwrap())),
        edition: row["edition"].as_str().unwrap().into(),
    }
}

fn context(case: &toml::Value) -> SeriesContext {
    let plan = case.get("plan").and_then(toml::Value::as_array);
    let point = |point: &toml::Value| (at(point[0].as_str().unwrap()), float(&point[1]));
    let span = |key| case.get(key).map_or(Span::ZERO, |span| span.as_str().unwrap().parse().unwrap());
    SeriesContext {
        period: span("period"),
        lateness: span("lateness"),
        plan: plan.map(|plan| plan.iter().map(point).collect::<Arc<[_]>>()),
        days: None,
    }
}

fn at(text: &str) -> Timestamp {
    START + text.parse().unwrap_or_else(|_| panic!("{text:?} is no span"))
}

fn inputs(line: &str) -> Vec<Input> {
    let words: Vec<_> = line.split_whitespace().collect();
    match words[..] {
        ["tick", city] => vec![Input::Tick { city: at(city) }],
        [times, value, ..] => {
            let reading =
                |((at, time), value)| Input::Reading(sample(time, &risen(value, at), words.get(2).copied()));
            times_of(times).into_iter().enumerate().zip(value.split(',').cycle()).map(reading).collect()
        }
        _ => panic!("{line:?} is no input"),
    }
}

/// The value of the reading with this place in its line.
fn risen(value: &str, at: usize) -> String {
    let Some((from, by)) = value.split_once('+') else { return value.to_owned() };
    let [from, by] = [from, by].map(|number| number.parse::<f64>().unwrap());
    (from + by * at as f64).to_string()
}

fn times_of(text: &str) -> Vec<Timestamp> {
    let Some((from, rest)) = text.split_once("..") else { return vec![at(text)] };
    let (to, every) = rest.split_once('/').unwrap();
    let mut times = vec![at(from)];
    let every: Span = every.parse().unwrap();
    while *times.last().unwrap() + every < at(to) {
        times.push(*times.last().unwrap() + every);
    }
    times
}

fn sample(time: Timestamp, value: &str, quality: Option<&str>) -> Sample {
    let quality = quality.map_or(Quality::Good, |word| word.parse().unwrap());
    Sample { time, value: value.parse().unwrap(), quality }
}

fn told(of: &Anomaly, subject: &str, with_edition: bool) -> String {
    let word = match of.phase {
        Phase::Raised => "raised",
        Phase::Worsened => "worsened",
        Phase::Cleared => "cleared",
        Phase::Revised => "revised",
        Phase::Withdrawn => "withdrawn",
    };
    let mut text = format!("{word} {subject}{}", of.begin - START);
    text += &of.end.map_or(String::new(), |end| format!("..{}", end - START));
    text += &format!(" {}", of.extreme);
    text += &of.limit.map_or(String::new(), |limit| format!(" of {limit}"));
    text += &format!(" {}", of.severity);
    if with_edition { format!("{text} {}", of.edition) } else { text }
}
