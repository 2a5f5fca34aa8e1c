use yiwang_model::{AnomalyId, Phase, Series, Severity};

use super::*;
use crate::Fault;

const WHAT: &str = "from = 2026-03-01T00:00:00+08:00\nto = 2026-03-02T00:00:00+08:00\n";

fn parse(more: &str) -> Result<Catalogue, Vec<Fault>> {
    let text = format!("[[silence]]\nid = \"bridge\"\nwho = \"desk\"\nwhy = \"a bridge is built\"\n{more}");
    Catalogue::parse(&[("demo.toml", crate::demo_text()), ("silence.toml", &text)])
}

fn at(hour: i64) -> Timestamp {
    let begin: Timestamp = "2026-03-01T00:00:00+08:00".parse().unwrap();
    begin + Span::HOUR.times(hour)
}

fn episode(source: &str, metric: &str, begin: i64, end: Option<i64>) -> Anomaly {
    let (detector, series) = (Arc::from("site-flat"), Series::new(source, metric).unwrap());
    Anomaly {
        id: AnomalyId::of(&detector, &series, at(begin)),
        detector,
        series,
        phase: if end.is_some() { Phase::Cleared } else { Phase::Raised },
        begin: at(begin),
        end: end.map(at),
        extreme: 1.0,
        limit: None,
        edition: "".into(),
        severity: Severity::Notice,
        because: None,
        into: None,
        silenced: None,
    }
}

/// A station of the demo city, with its district and gateway.
fn station() -> (Arc<str>, Arc<str>, Arc<str>, Arc<str>) {
    let demo = Catalogue::demo();
    let station = demo.stations.values().next().unwrap();
    (station.id.clone(), station.metrics[0].clone(), station.district.clone(), station.gateway.clone())
}

#[test]
fn what_goes_on_is_quiet_while_it_holds_and_what_ended_in_it_for_good() {
    let (id, metric, ..) = station();
    let catalogue = parse(&format!("{WHAT}stations = [{id:?}]")).unwrap();
    let quiet = |begin, end, city| {
        let silence = catalogue.silence(&episode(&id, &metric, begin, end), at(city));
        silence.map(|silence| silence.id.to_string())
    };
    assert_eq!(quiet(-5, None, 0).as_deref(), Some("bridge"));
    assert_eq!(quiet(-5, None, -1), None, "not yet");
    assert_eq!(quiet(5, None, 24), None, "not any more");
    assert_eq!(quiet(5, Some(23), 40).as_deref(), Some("bridge"), "its readings came late");
    assert_eq!(quiet(5, Some(25), 40), None, "it went on beyond it");
    assert_eq!(quiet(-5, Some(-1), 40), None, "it was over before");
    assert_eq!(catalogue.next_end_of_silence(at(3)), Some(at(24)));
    assert_eq!(catalogue.next_end_of_silence(at(24)), None);
}

#[test]
fn each_key_must_match_and_of_its_names_any() {
    let (id, metric, district, gateway) = station();
    let of = episode(&id, &metric, 1, None);
    let quiet = |keys: &str| parse(&format!("{WHAT}{keys}")).unwrap().silence(&of, at(2)).is_some();
    for key in [
        format!("metrics = [{metric:?}]"),
        format!("districts = [{district:?}]"),
        format!("gateways = [{gateway:?}]"),
        "detectors = [\"site-flat\"]".to_owned(),
        format!("stations = [{id:?}]\nmetrics = [{metric:?}]"),
    ] {
        assert!(quiet(&key), "{key}");
    }
    let other = Catalogue::demo();
    let other = other.metrics.keys().find(|other| **other != metric).unwrap().clone();
    assert!(
        !quiet(&format!("metrics = [{other:?}]")) && quiet(&format!("metrics = [{other:?}, {metric:?}]"))
    );
    assert!(!quiet(&format!("stations = [{id:?}]\nmetrics = [{other:?}]")), "both must");
    let down = Anomaly { series: Series::new(Arc::clone(&gateway), "gateway").unwrap(), ..of.clone() };
    let catalogue = parse(&format!("{WHAT}gateways = [{gateway:?}]")).unwrap();
    assert!(catalogue.silence(&down, at(2)).is_some(), "the gateway itself");
}

#[test]
fn one_without_an_end_or_a_reason_or_a_subject_is_refused() {
    let (id, ..) = station();
    let told = |text: String| {
        parse(&text).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let only = format!("stations = [{id:?}]\n");
    let said = told(format!("{only}from = 2026-03-01T00:00:00+08:00"));
    assert!(said.contains("silence.to"), "{said}");
    let said = told(format!("{only}from = 2026-03-01T00:00:00+08:00\nto = 2026-03-31T00:00:01+08:00"));
    assert!(said.contains("silence.to") && said.contains("at most") && said.contains("30d"), "{said}");
    let said = told(format!("{only}from = 2026-03-01T00:00:00+08:00\nto = 2026-03-01T00:00:00+08:00"));
    assert!(said.contains("a time after"), "{said}");
    let said = told(WHAT.into());
    assert!(said.contains("not for all the city"), "{said}");
    let said = told(format!("{WHAT}stations = [\"nowhere\"]\ndetectors = [\"nobody\"]\nmetrics = []"));
    for key in ["silence.stations", "silence.detectors", "silence.metrics"] {
        assert!(said.contains(key), "{key}: {said}");
    }
    let text = format!("[[silence]]\nid = \"x\"\nwho = \"desk\"\nwhy = \" \"\n{WHAT}{only}");
    let faults = Catalogue::parse(&[("demo.toml", crate::demo_text()), ("silence.toml", &text)]).unwrap_err();
    assert!(faults.iter().any(|fault| fault.key == "silence.why"), "{faults:?}");
}
