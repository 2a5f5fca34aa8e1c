use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::fake::{self, Manner, Seen};

fn beijing(station: &str) -> PathBuf {
    let name = format!("data/beijing/PRSA_Data_{station}_20130301-20170228.csv.gz");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str, text: &str) -> anyhow::Result<Input> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    std::fs::write(&path, text)?;
    read::files(&[path], &Catalogue::demo())
}

/// Source, metric, unit, time in seconds, value, in order.
fn rows(input: &Input) -> Vec<(String, String, String, i64, f64)> {
    let row = |record: &read::Record| {
        let key = &input.dictionary[record.series as usize];
        (key.source.clone(), key.metric.clone(), key.unit.clone(), record.time / 1_000_000_000, record.value)
    };
    input.records.iter().map(row).collect()
}

#[test]
fn both_stations_of_beijing_have_the_values_and_gaps_that_their_readme_says() {
    let missing =
        [("Aotizhongxin", [925, 718, 935, 1023, 1776, 1719]), ("Changping", [774, 582, 628, 667, 1521, 604])];
    for (station, missing) in missing {
        let input = read::files(&[beijing(station)], &Catalogue::demo()).unwrap();
        assert_eq!(input.missing, missing.iter().sum::<u64>());
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for record in &input.records {
            *counts.entry(&input.dictionary[record.series as usize].metric).or_default() += 1;
        }
        for (metric, missing) in ["pm2_5", "pm10", "so2", "no2", "co", "o3"].into_iter().zip(missing) {
            assert_eq!(counts[metric], 35_064 - missing, "{station} {metric}");
        }
    }
}

#[test]
fn an_hour_of_beijing_is_local_and_begins_then_and_na_is_no_value() {
    let header = "\"No\",\"year\",\"month\",\"day\",\"hour\",\"PM2.5\",\"PM10\",\"SO2\",\"NO2\",\"CO\",\"O3\",\"TEMP\",\"station\"\n";
    let text = format!("{header}1,2013,3,1,0,4,NA,4.5,7,300,77,-0.7,\"Aotizhongxin\"\n");
    let input = read("b.csv", &text).unwrap();
    let row = |metric: &str, unit: &str, value| {
        ("Aotizhongxin".into(), metric.into(), unit.into(), 1_362_067_200, value)
    };
    let wanted = [
        row("pm2_5", "µg/m³", 4.0),
        row("so2", "µg/m³", 4.5),
        row("no2", "µg/m³", 7.0),
        row("co", "mg/m³", 0.3),
        row("o3", "µg/m³", 77.0),
    ];
    assert_eq!(rows(&input), wanted);
    assert_eq!(input.missing, 1);
    for bad in ["1,2013,13,1,0,4,4,4,7,300,77,0,a", "1,2013,3,1,0,,4,4,7,300,77,0,a", "1,2013"] {
        let error = format!("{:#}", read("b.csv", &format!("{header}{bad}\n")).unwrap_err());
        assert!(error.contains("line 2"), "{error}");
    }
}

#[test]
fn columns_and_lines_may_be_in_any_order() {
    let text = "value,time,metric,source,quality,vintage,unit\n\
        2,2026-03-02T10:15:00+08:00,pm2_5,b,good,,ug/m3\n\
        1,2026-03-02T10:14:00+08:00,pm10,a,suspect,,\n\
        3,1772417700000000000,gdp,c,,2026-04-18T10:00:00+08:00,亿元\n";
    let input = read("r.csv", text).unwrap();
    let got = rows(&input);
    assert_eq!(got[0], ("a".into(), "pm10".into(), "µg/m³".into(), 1_772_417_640, 1.0));
    assert_eq!(got[1], ("b".into(), "pm2_5".into(), "ug/m3".into(), 1_772_417_700, 2.0));
    assert_eq!((input.records[0].quality, input.records[2].vintage), (1, 1_776_477_600_000_000_000));
    let lines = "{\"source\":\"a\",\"metric\":\"pm10\",\"time\":\"2026-03-02T10:14:00+08:00\",\"value\":0.1}\n\n\
        {\"source\":\"a\",\"metric\":\"pm10\",\"time\":1772417700000000000,\"value\":2,\"quality\":\"manual\"}\n";
    let input = read("r.jsonl", lines).unwrap();
    assert_eq!(
        rows(&input).iter().map(|row| (row.3, row.4)).collect::<Vec<_>>(),
        [(1_772_417_640, 0.1), (1_772_417_700, 2.0)]
    );
}

#[test]
fn bad_lines_are_told_by_number() {
    let text = "source,metric,time,value\n\
        a,pm10,2026-03-02T10:14:00,1\n\
        a,pm10,2026-03-02T10:14:00Z,NA\n\
        a,nothing,2026-03-02T10:14:00Z,1\n\
        a b,pm10,2026-03-02T10:14:00Z,1\n\
        a,pm10,2026-03-02T10:14:00Z,inf\n\
        a,pm10,2026-03-02T10:14:00Z\n";
    let error = format!("{:#}", read("r.csv", text).unwrap_err());
    for line in 2..=7 {
        assert!(error.contains(&format!("line {line}: ")), "{error}");
    }
    for header in ["", "source,metric,time\n", "source,metric,time,value,colour\n"] {
        assert!(read("r.csv", header).is_err(), "{header:?}");
    }
    for line in [
        "{",
        "{\"source\":\"a\"}",
        "[]",
        "{\"source\":\"a\",\"metric\":\"pm10\",\"time\":1,\"value\":2,\"x\":3}",
        "\u{fffd}",
    ] {
        assert!(read("r.jsonl", line).is_err(), "{line}");
    }
}

#[test]
fn inputs_are_merged_in_the_order_of_time() {
    let input = read::files(&[beijing("Aotizhongxin"), beijing("Changping")], &Catalogue::demo()).unwrap();
    assert!(input.records.is_sorted_by_key(|record| record.time));
    assert_eq!(input.records.len() as u64, 2 * 6 * 35_064 - 7096 - 4776);
    assert_eq!(input.dictionary.len(), 12);
    let lengths: usize = windows(&input, Span::HOUR.times(6)).map(|window| window.len()).sum();
    assert_eq!(lengths, input.records.len());
}

fn options(inputs: Vec<PathBuf>, doors: Vec<Address>) -> Options {
    Options {
        inputs,
        doors,
        speed: 0.0,
        times: 1,
        window: Span::HOUR.times(6),
        acked: None,
        gateway: "replay".into(),
        credential: None,
        catalogue: Arc::new(Catalogue::demo()),
        wait: Duration::from_secs(30),
    }
}

/// Ten days of four sources, an hour apart, not in order.
fn four_sources(folder: &Path) -> PathBuf {
    let mut text = "source,metric,time,value\n".to_owned();
    for hour in (0..240).rev() {
        for source in ["a", "b", "c", "d"] {
            text += &format!("{source},pm10,{},{hour}\n", (1_400_000_000 + hour * 3600) * 1_000_000_000i64);
        }
    }
    let path = folder.join("four.csv");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn doors_take_turns_and_never_drift_apart() {
    let (seen, folder) = (Seen::new(), tempfile::tempdir().unwrap());
    let breaks = |connection| Manner {
        dies_after: (connection == 0).then_some(6),
        acks_only: (connection == 0).then_some(5),
        ..Manner::default()
    };
    let doors =
        vec![Address::Grpc(fake::grpc(&seen, breaks).await), Address::Mqtt(fake::mqtt(&seen, breaks).await)];
    let options = Options {
        times: 2,
        acked: Some(folder.path().join("acked")),
        ..options(vec![four_sources(folder.path())], doors)
    };
    let report = run(options, CancellationToken::new()).await.unwrap();
    assert_eq!((report.readings, report.sent, report.acked, report.unacknowledged), (960, 1920, 1920, 0));
    let lines = std::fs::read_to_string(folder.path().join("acked")).unwrap();
    assert_eq!(lines.lines().count(), 1920);
    let window = |time: &i64| time.div_euclid(Span::HOUR.times(6).0);
    let (mut door_of, mut newest, mut rounds) = (BTreeMap::new(), 0, 0);
    for got in seen.all() {
        for (source, _, time, ..) in &got.readings {
            assert_eq!(*door_of.entry(source.clone()).or_insert(got.door), got.door);
            if window(time) < newest - 20 {
                rounds += 1;
                newest = 0;
            }
            assert!(window(time) >= newest, "a window began before all of the last was acknowledged");
            newest = newest.max(window(time));
        }
    }
    assert_eq!(rounds, 1, "all of it twice");
    let doors: Vec<&str> = door_of.into_values().collect();
    assert_eq!(doors, ["grpc", "mqtt", "grpc", "mqtt"]);
}

#[tokio::test]
async fn a_door_that_refuses_ends_the_replay() {
    let (seen, folder) = (Seen::new(), tempfile::tempdir().unwrap());
    let locked = |_| Manner { locked: true, ..Manner::default() };
    let doors = vec![
        Address::Grpc(fake::grpc(&seen, |_| Manner::default()).await),
        Address::Mqtt(fake::mqtt(&seen, locked).await),
    ];
    let error =
        run(options(vec![four_sources(folder.path())], doors), CancellationToken::new()).await.unwrap_err();
    assert!(format!("{error:#}").contains("NotAuthorized"), "{error:#}");
}

#[tokio::test]
async fn a_window_longer_than_half_a_day_is_refused() {
    let doors = vec![Address::Grpc("127.0.0.1:1".into())];
    let options = Options { window: Span::DAY, ..options(vec![beijing("Changping")], doors) };
    assert!(run(options, CancellationToken::new()).await.is_err());
}
