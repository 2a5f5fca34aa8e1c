//! Every kind as it is listed, and every fault of an entry as it is told.
use std::collections::{BTreeMap, BTreeSet};

use yiwang_model::{Severity, Span, Timestamp};

use super::*;
use crate::{Form, LimitRow, Param};

fn spec(kind: &str, params: &[(&str, Param)]) -> Spec {
    let row =
        LimitRow { value: 75.0, valid_from: Timestamp(0), valid_to: None, edition: "GB 3095-2012".into() };
    Spec {
        name: "entry".into(),
        kind: kind.into(),
        severity: Severity::Warning,
        params: params.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        limits: [row].into(),
    }
}

fn text(text: &str) -> Param {
    Param::Text(text.into())
}

fn faults(spec: &Spec) -> Vec<String> {
    build(spec).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn names_are_unique_and_defaults_are_of_their_form() {
    assert_eq!(kinds().map(|kind| kind.name).collect::<BTreeSet<_>>().len(), KINDS.len());
    for kind in kinds() {
        assert!(!kind.zh.is_empty() && !kind.en.is_empty());
        let keys: BTreeSet<_> = kind.params.iter().map(|parameter| parameter.key).collect();
        assert_eq!(keys.len(), kind.params.len(), "{}", kind.name);
        for parameter in kind.params {
            assert!(!(parameter.required && parameter.default.is_some()), "{}", parameter.key);
            let Some(default) = parameter.default else { continue };
            let fits = match parameter.form {
                Form::Number { least, most } => (least..=most).contains(&default.parse().unwrap()),
                Form::Span => default.parse::<Span>().is_ok(),
                Form::Word(words) => words.contains(&default),
                Form::Distance => default.parse::<f64>().is_ok(),
                Form::Numbers | Form::Text | Form::Flag => true,
            };
            assert!(fits, "{} {}", kind.name, parameter.key);
        }
    }
}

#[test]
fn an_unknown_kind_is_told_the_known_ones_and_a_rule_is_no_detector() {
    let known = "known are limit, spike, rate, flat, silence, slip, ensemble, shift, variance, drift, seasonal, fault, changepoint, impossible, trend, \
                 finish, year_on_year";
    assert_eq!(faults(&spec("limits", &[])), [format!("detector kind \"limits\" is not known; {known}")]);
    assert!(faults(&spec("gateway_silent", &[]))[0].ends_with(known));
    assert!(build_rule(&spec("gateway_silent", &[])).is_ok());
    assert!(build_rule(&spec("limit", &[])).is_err());
}

#[test]
fn all_faults_of_an_entry_are_told_at_once() {
    let entry = spec(
        "limit",
        &[
            ("windw", text("day mean")),
            ("direction", text("up")),
            ("hysteresis", Param::Number(-1.0)),
            ("hold", text("5")),
            ("min_duration", Param::Number(5.0)),
            ("serious_at", text("2")),
            ("critical_at", Param::Number(f64::NAN)),
            ("mean", text("energy")),
            ("utc_offset", Param::Number(15.0)),
        ],
    );
    let entry = Spec { limits: [].into(), ..entry };
    let faults = faults(&entry);
    for expected in [
        "parameter \"windw\" is not known; known are window, direction,",
        "parameter \"window\" is missing: what is judged",
        "parameter \"direction\" is the text \"up\"; known are above, below",
        "parameter \"hysteresis\" is the number -1; a number that is not negative, or a share",
        "parameter \"hold\" is the text \"5\"; a span is wanted",
        "parameter \"min_duration\" is the number 5; a span is wanted",
        "parameter \"serious_at\" is the text \"2\"; a number is wanted",
        "parameter \"critical_at\" is NaN; a number above 0 is wanted",
        "parameter \"utc_offset\" is 15; a number from -12 to 14 is wanted",
        "parameter \"mean\" is \"energy\", which \"20 min mean\" and \"hour mean\" know, not \"instant\"",
        "parameter \"limits\" are missing: no limit row has this metric and window",
    ] {
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "no {expected:?} in {faults:#?}");
    }
    assert_eq!(faults.len(), 11, "{faults:#?}");
}

#[test]
fn limits_that_do_not_fit_together_are_told() {
    let row = |from, to: Option<i64>, value| LimitRow {
        value,
        valid_from: Timestamp(from),
        valid_to: to.map(Timestamp),
        edition: format!("edition of {from}").into(),
    };
    let with = |rows: &[LimitRow]| {
        faults(&Spec { limits: rows.into(), ..spec("limit", &[("window", text("instant"))]) })
    };
    assert!(with(&[row(0, Some(5), 1.0), row(5, None, 2.0)]).is_empty());
    assert!(with(&[row(0, Some(6), 1.0), row(5, None, 2.0)])[0].contains("hold at the same time"));
    assert!(with(&[row(0, None, 1.0), row(5, None, 2.0)])[0].contains("hold at the same time"));
    assert!(with(&[row(5, Some(5), 1.0)])[0].contains("end before they begin"));
    assert!(with(&[row(0, None, f64::NAN)])[0].contains("the value NaN"));
}

#[test]
fn entries_that_make_no_sense_are_told() {
    for (kind, params, expected) in [
        (
            "spike",
            vec![("min_scale", Param::Number(1.0)), ("readings", Param::Number(30.0))],
            "an odd number is wanted",
        ),
        ("spike", vec![("min_scale", Param::Number(0.0))], "a number above 0 is wanted"),
        (
            "rate",
            vec![("max_per_hour", Param::Number(1.0)), ("calm", Param::Number(1.5))],
            "a whole number is wanted",
        ),
        ("flat", vec![("duration", text("1h")), ("ignore", text("0, x"))], "numbers with commas are wanted"),
        ("silence", vec![], "either after, a span, or periods"),
        (
            "silence",
            vec![("after", text("1h")), ("periods", Param::Number(2.0))],
            "only one of them can hold",
        ),
        ("silence", vec![("after", text("-1h"))], "a span is wanted"),
        ("silence", vec![("after", text("0s"))], "a span above zero is wanted"),
        ("slip", vec![("points", Param::Number(1.0)), ("hysteresis", Param::Number(2.0))], "at most 1"),
        ("drift", vec![("readings", Param::Number(50.0))], "a multiple of 20 is wanted"),
        ("seasonal", vec![("lost_for", text("23h"))], "a day or more is wanted"),
        ("seasonal", vec![("profile", text("none"))], "known are day, week"),
        ("changepoint", vec![("settle", Param::Number(5.0))], "more than 5, the readings, is wanted"),
        ("trend", vec![("seasons", Param::Number(5.0))], "a divisor of 12 is wanted"),
        ("trend", vec![("covariance", text("yes"))], "true or false is wanted"),
        ("finish", vec![("late", text("0s"))], "a span above zero is wanted"),
        ("year_on_year", vec![("change", text("ratio"))], "known are percent, difference"),
        ("impossible", vec![], "one of them is wanted"),
        ("impossible", vec![("least", Param::Number(1.0)), ("most", Param::Number(1.0))], "a number below 1"),
        ("variance", vec![("factor", Param::Number(1.0))], "a number from 1.2 to 1000"),
        ("slip", vec![("points", Param::Flag(true))], "is true; a number is wanted"),
    ] {
        let faults = faults(&spec(kind, &params));
        assert!(faults.len() == 1 && faults[0].contains(expected), "{kind}: {faults:?}");
    }
}

/// What [`kinds`] list is what docs/detectors.md says: a section for each, with its names, its words and a row for each parameter.
#[test]
fn the_documentation_has_every_kind_and_parameter() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/detectors.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut sections: BTreeMap<&str, &str> = BTreeMap::new();
    for section in text.split("\n## `").skip(1) {
        let (name, rest) = section.split_once('`').unwrap();
        assert!(sections.insert(name, rest).is_none(), "{name} twice");
    }
    let mut missing = Vec::new();
    for kind in kinds() {
        let section = sections.remove(kind.name).unwrap_or_default();
        assert_eq!(section.matches("\n| `").count(), kind.params.len(), "rows of {}", kind.name);
        let rows = kind.params.iter().map(row);
        let words =
            [kind.zh, kind.en, kind.unit, "**Formula.**", "**Source.**", "**Memory.**"].map(str::to_owned);
        missing.extend(
            words
                .into_iter()
                .chain(rows)
                .filter(|words| !section.contains(words.as_str()))
                .map(|words| (kind.name, words)),
        );
    }
    let told = missing.iter().map(|(kind, words)| format!("{kind}\t{words}")).collect::<Vec<_>>().join("\n");
    assert!(missing.is_empty() && sections.is_empty(), "missing\n{told}\nunknown {sections:?}");
}

/// A parameter as the documentation lists it.
fn row(parameter: &Parameter) -> String {
    let default = match (parameter.default, parameter.required) {
        (Some(default), _) => default,
        (None, true) => "required",
        (None, false) => "",
    };
    format!("| `{}` | {default} | {} |", parameter.key, parameter.meaning)
}
