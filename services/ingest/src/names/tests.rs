use yiwang_catalogue::Registry;
use yiwang_catalogue::registry::Kind;

use yiwang_model::{Quality, Timestamp, Unit};

use super::*;

const AIR: &str = "510104-air-1";

fn names(series_per_gateway: usize, series: usize) -> Names {
    Names::new(Arc::new(Catalogue::demo()), 4, Limits { series_per_gateway, series, ..Limits::default() })
}

#[test]
fn a_series_keeps_its_number() {
    let names = names(10, 10);
    let first = names.resolve("g1", AIR, "pm2_5").unwrap();
    let second = names.resolve("g1", AIR, "pm10").unwrap();
    let again = names.resolve("g2", AIR, "pm2_5").unwrap();
    assert_eq!((first.dense, second.dense, again.dense), (0, 1, 0));
    assert_eq!(first.partition, second.partition, "all metrics of a source share a partition");
    let series = names.series(1).unwrap();
    assert_eq!((series.metric().as_ref(), series.id()), ("pm10", second.id));
    assert_eq!((names.len(), names.series(2)), (2, None));
}

#[test]
fn a_gateway_brings_so_many_series_and_no_more() {
    let names = names(2, 10);
    assert!(names.resolve("g1", AIR, "pm2_5").is_ok());
    assert!(names.resolve("g1", AIR, "pm10").is_ok());
    let (reason, message) = names.resolve("g1", AIR, "so2").unwrap_err();
    assert_eq!(reason, Reason::TooManySeries);
    assert!(message.contains("gateway \"g1\" has brought 2 series"), "{message}");
    assert!(names.resolve("g1", AIR, "pm10").is_ok(), "those that are known go on");
    assert!(names.resolve("g2", AIR, "so2").is_ok(), "another gateway may");
    assert!(names.resolve("g1", AIR, "so2").is_ok(), "then it is known to all");
}

#[test]
fn a_city_has_so_many_series_and_no_more() {
    let names = names(10, 2);
    assert!(names.resolve("g1", AIR, "pm2_5").is_ok());
    assert!(names.resolve("g2", AIR, "pm10").is_ok());
    let (reason, message) = names.resolve("g3", AIR, "so2").unwrap_err();
    assert_eq!(reason, Reason::TooManySeries);
    assert!(message.contains("the city has 2 series"), "{message}");
    assert_eq!(names.len(), 2);
}

#[test]
fn what_is_refused_takes_no_number() {
    let names = names(10, 10);
    for (source, metric, reason) in [
        ("", "pm2_5", Reason::BadName),
        (AIR, "a b", Reason::BadName),
        ("nowhere", "pm2_5", Reason::UnknownSource),
        (AIR, "pm25", Reason::UnknownMetric),
        (AIR, "water_level", Reason::UnknownMetric),
    ] {
        assert_eq!(names.resolve("g1", source, metric).unwrap_err().0, reason, "{source} {metric}");
    }
    assert!(names.is_empty());
}

#[test]
fn numbers_come_back_in_the_order_of_the_log() {
    let before = names(10, 10);
    for metric in ["so2", "pm10", "pm2_5"] {
        before.resolve("g1", AIR, metric).unwrap();
    }
    let after = names(1, 10);
    (0..3).for_each(|dense| after.restore(&before.series(dense).unwrap()));
    assert_eq!(after.resolve("g1", AIR, "pm2_5").unwrap().dense, 2);
    assert_eq!(after.resolve("g1", AIR, "no2").unwrap().dense, 3, "those restored are nobody's");
}

#[test]
fn a_series_that_left_the_catalogue_is_refused() {
    let names = names(10, 10);
    names.restore(&Series::new("nowhere", "pm2_5").unwrap());
    assert_eq!(names.resolve("g1", "nowhere", "pm2_5").unwrap_err().0, Reason::UnknownSource);
    assert_eq!(names.resolve("g1", AIR, "pm2_5").unwrap().dense, 1);
}

#[test]
fn the_quarantine_takes_so_many_series_and_no_more() {
    let limits = Limits { quarantined: 2, ..Limits::default() };
    let names = Names::new(Arc::new(Catalogue::demo()), 4, limits);
    let in_quarantine = |source: &str| names.resolve("g1", source, "pm10").map(|known| known.partition);
    assert_eq!(in_quarantine("new-1"), Ok(QUARANTINED));
    assert_eq!(names.resolve("g1", "new-2", "moon").unwrap_err().0, Reason::UnknownMetric);
    assert_eq!(in_quarantine("new-2"), Ok(QUARANTINED));
    assert_eq!(in_quarantine("new-1"), Ok(QUARANTINED), "again");
    let (reason, message) = in_quarantine("new-3").unwrap_err();
    assert_eq!(reason, Reason::UnknownSource);
    assert!(message.contains("the quarantine is full"), "{message}");
    let id = Series::new("new-1", "pm10").unwrap().id();
    assert!(names.known(id).is_none());
    names.revise(registered(&[(Kind::Station, "new-1", &station("metrics = ['pm10']"))]));
    assert_ne!(names.known(id).unwrap().partition, QUARANTINED);
    assert_eq!(in_quarantine("new-3"), Ok(QUARANTINED), "one has left");
    names.fill_quarantine(true);
    assert_eq!(in_quarantine("new-2").unwrap_err().0, Reason::UnknownSource, "no room in the log");
    assert!(names.resolve("g1", "new-1", "pm10").is_ok());
    names.fill_quarantine(false);
    assert_eq!(in_quarantine("new-2"), Ok(QUARANTINED));
    assert_eq!(in_quarantine("new-3"), Ok(QUARANTINED));
    names.revise(names.catalogue());
    assert_eq!(in_quarantine("new-4").unwrap_err().0, Reason::UnknownSource, "two are still there");
    assert_eq!(in_quarantine("new-3"), Ok(QUARANTINED));
}

/// The demo city with more registered.
fn registered(entries: &[(Kind, &str, &str)]) -> Arc<Catalogue> {
    let mut registry = Registry::default();
    for (kind, id, keys) in entries {
        registry.put(*kind, id, keys.parse().unwrap());
    }
    Arc::new(Catalogue::demo().with(&registry).unwrap())
}

const STATION: &str = "zh = '新站'\nen = 'New'\nkind = 'air'\ndistrict = '510104'\ngateway = 'gw-air'\n";

fn station(keys: &str) -> String {
    let gateway = Catalogue::demo().gateways.keys().next().unwrap().to_string();
    format!("{}{keys}", STATION.replace("gw-air", &gateway))
}

#[test]
fn a_series_that_comes_back_has_the_number_that_it_had() {
    let names = names(10, 10);
    assert_eq!(names.resolve("g1", "new-1", "pm10").unwrap_err().0, Reason::UnknownSource);
    let edition = names.edition();
    names.revise(registered(&[(Kind::Station, "new-1", &station("metrics = ['pm10', 'pm2_5']"))]));
    assert_ne!(names.edition(), edition);
    names.resolve("g1", AIR, "pm10").unwrap();
    assert_eq!(names.resolve("g1", "new-1", "pm10").unwrap().dense, 1);
    assert_eq!(names.resolve("g1", "new-1", "pm2_5").unwrap().dense, 2);
    names.revise(registered(&[(Kind::Station, "new-1", &station("metrics = ['pm2_5']"))]));
    assert_eq!(names.resolve("g1", "new-1", "pm10").unwrap_err().0, Reason::UnknownMetric);
    assert_eq!(names.resolve("g1", "new-1", "pm2_5").unwrap().dense, 2, "the others are as they were");
    names.revise(Arc::new(Catalogue::demo()));
    assert_eq!(names.resolve("g1", "new-1", "pm2_5").unwrap_err().0, Reason::UnknownSource);
    assert_eq!(names.series(2).unwrap().source().as_ref(), "new-1", "what is under way still has its name");
    names.revise(registered(&[(Kind::Station, "new-1", &station("metrics = ['pm10', 'pm2_5']"))]));
    assert_eq!(names.resolve("g1", "new-1", "pm10").unwrap().dense, 1);
    assert_eq!(names.len(), 3);
}

#[test]
fn what_is_said_of_one_source_holds_for_it_alone() {
    let names = names(10, 10);
    let window = format!(
        "station = '{AIR}'\nmetrics = ['pm10']\nfrom = 2026-03-02T09:00:00+08:00\nto = 2026-03-02T10:00:00+08:00\nsource = 'plan'"
    );
    let station = station("metrics = ['pm10', 'pm2_5']\nunits = { pm10 = 'mg/m3' }");
    names.revise(registered(&[(Kind::Station, "new-1", &station), (Kind::Calibration, "w-1", &window)]));
    let at = |time: &str| time.parse::<Timestamp>().unwrap();
    let known = names.resolve("g1", AIR, "pm10").unwrap();
    let quality = |time: &str, sent| known.quality_at(at(time), sent);
    assert_eq!(quality("2026-03-02T08:59:59.999+08:00", Quality::Good), Quality::Good);
    assert_eq!(quality("2026-03-02T09:00:00+08:00", Quality::Good), Quality::Calibration);
    assert_eq!(quality("2026-03-02T09:59:59.999+08:00", Quality::Good), Quality::Calibration);
    assert_eq!(quality("2026-03-02T10:00:00+08:00", Quality::Good), Quality::Good);
    assert_eq!(quality("2026-03-02T09:30:00+08:00", Quality::Fault), Quality::Fault, "a worse word stays");
    assert!(names.resolve("g1", AIR, "pm2_5").unwrap().own.is_none());
    let known = names.resolve("g1", "new-1", "pm10").unwrap();
    assert_eq!(known.shift(&Unit::new("mg/m³")), Ok(3));
    assert_eq!(known.shift(&Unit::new("µg/m³")), Ok(0));
    assert_eq!(known.shift(&Unit::new("ppm")).unwrap_err().0, Reason::WrongUnit);
    let other = names.resolve("g1", "new-1", "pm2_5").unwrap();
    assert_eq!(other.shift(&Unit::new("mg/m³")).unwrap_err().0, Reason::WrongUnit);
}

#[test]
fn names_of_the_log_closed_the_quarantine_to_others() {
    let limits = Limits { quarantined: 2, ..Limits::default() };
    let names = Names::new(Arc::new(Catalogue::demo()), 4, limits);
    for junk in ["junk-1", "junk-2", "junk-3"] {
        names.restore(&Series::new(junk, "pm10").unwrap());
    }
    assert_eq!(names.resolve("g1", "new-1", "pm10").unwrap().partition, QUARANTINED);
}

#[test]
fn sources_that_left_the_registry_went_into_quarantine_beyond_its_bound() {
    let limits = Limits { quarantined: 2, ..Limits::default() };
    let names = Names::new(Arc::new(Catalogue::demo()), 4, limits);
    let keys = station("metrics = ['pm10']");
    let sources = ["new-1", "new-2", "new-3"];
    names.revise(registered(&sources.map(|source| (Kind::Station, source, &*keys))));
    sources.iter().for_each(|source| assert!(names.resolve("g1", source, "pm10").is_ok()));
    names.revise(Arc::new(Catalogue::demo()));
    let taken = sources.map(|source| names.resolve("g1", source, "pm10").is_ok());
    assert_eq!(taken, [true, true, false]);
}

#[test]
fn what_left_the_quarantine_kept_its_seat() {
    let limits = Limits { quarantined: 2, ..Limits::default() };
    let names = Names::new(Arc::new(Catalogue::demo()), 4, limits);
    let taken = |source: &str| names.resolve("g1", source, "pm10").is_ok();
    let held = |sources: &[&str]| {
        let ids = sources.iter().map(|source| Series::new(*source, "pm10").unwrap().id());
        names.seat(&ids.collect());
    };
    assert!(taken("new-1") && taken("new-2"));
    held(&["new-1"]);
    assert!(!taken("new-3"), "what new-2 has sent is under way");
    held(&["new-1", "new-2"]);
    names.revise(registered(&[(Kind::Station, "new-1", &station("metrics = ['pm10']"))]));
    assert!(!taken("new-3"), "and what new-1 has sent is still there");
    let edition = names.edition();
    held(&["new-2"]);
    assert_ne!(names.edition(), edition, "a stream that was refused asks again");
    assert!(taken("new-3") && !taken("new-4") && taken("new-2"));
}
