use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_model::Quality;
use yiwang_proto::v1::Reason;

use super::*;
use crate::names::Limits;
use crate::tests_kit::NOON;

fn key(metric: &str, unit: &str) -> SeriesKey {
    SeriesKey { source: "510104-air-1".into(), metric: metric.into(), unit: unit.into() }
}

fn dictionary() -> Dictionary {
    let names = Names::new(Arc::new(Catalogue::demo()), 4, Limits::default());
    let keys = [key("pm2_5", "ug/m3"), key("nonsense", "µg/m³"), key("pm10", "mg/m³")];
    Dictionary::resolve(&names, "g1", keys.into())
}

fn columns(index: &[u32]) -> Columns {
    Columns {
        index: index.to_vec(),
        time_unix_nanos: vec![NOON.nanos(); index.len()],
        value: index.iter().map(|index| f64::from(*index)).collect(),
        ..Columns::default()
    }
}

fn now() -> Plausible {
    Plausible::around(Some(NOON), false)
}

#[test]
fn each_reading_of_a_bad_series_is_refused_with_its_reason() {
    let columns = columns(&[0, 1, 2, 0]);
    let dictionary = dictionary();
    assert_eq!(dictionary.check(&columns), Ok(()));
    let (rows, refusals) = dictionary.admit(now(), &columns);
    assert_eq!(rows.len(), 2);
    let refused: Vec<_> = refusals.kept.iter().map(|refusal| (refusal.index, refusal.reason)).collect();
    assert_eq!(refused, [(1, Reason::UnknownMetric), (2, Reason::WrongUnit)]);
}

#[test]
fn columns_that_may_be_empty_are_as_if_all_were_plain() {
    let (rows, _) = dictionary().admit(now(), &columns(&[0]));
    assert_eq!((rows[0].row.quality, rows[0].row.period_end), (Quality::Good, None));
    let full = Columns { quality: vec![6, 9].into(), ..columns(&[0, 0]) };
    let (rows, refusals) = dictionary().admit(now(), &full);
    assert_eq!(rows[0].row.quality, Quality::Manual);
    assert_eq!(refusals.by_reason, [(Reason::BadQuality, 1)]);
}

#[test]
fn columns_that_do_not_fit_are_named() {
    let two = columns(&[0, 0]);
    for (named, bad) in [
        ("time_unix_nanos has 1", Columns { time_unix_nanos: vec![0], ..two.clone() }),
        ("time_unix_nanos has 0", Columns { time_unix_nanos: vec![], ..two.clone() }),
        ("value has 3", Columns { value: vec![0.0; 3], ..two.clone() }),
        ("quality has 1", Columns { quality: vec![0].into(), ..two.clone() }),
        ("period_end_unix_nanos has 3", Columns { period_end_unix_nanos: vec![0; 3], ..two.clone() }),
        ("vintage_unix_nanos has 1", Columns { vintage_unix_nanos: vec![0], ..two.clone() }),
        ("index 3 of reading 1", Columns { index: vec![0, 3], ..two.clone() }),
        ("index 4294967295 of reading 0", Columns { index: vec![u32::MAX, 0], ..two }),
    ] {
        let found = dictionary().check(&bad).unwrap_err();
        assert!(found.contains(named), "{found}");
    }
}

#[test]
fn without_a_dictionary_nothing_can_be_named() {
    let dictionary = Dictionary::default();
    assert_eq!(dictionary.check(&Columns::default()), Ok(()));
    assert!(dictionary.check(&columns(&[0])).unwrap_err().contains("dictionary of 0 series"));
}
