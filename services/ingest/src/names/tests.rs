use super::*;

const AIR: &str = "510104-air-1";

fn names(series_per_gateway: usize, series: usize) -> Names {
    Names::new(Arc::new(Catalogue::demo()), 4, Limits { series_per_gateway, series })
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
    (0..3).for_each(|dense| after.restore(before.series(dense).unwrap()));
    assert_eq!(after.resolve("g1", AIR, "pm2_5").unwrap().dense, 2);
    assert_eq!(after.resolve("g1", AIR, "no2").unwrap().dense, 3, "those restored are nobody's");
}

#[test]
fn a_series_that_left_the_catalogue_is_left_out() {
    let names = names(10, 10);
    names.restore(Series::new("nowhere", "pm2_5").unwrap());
    assert!(names.is_empty());
}
