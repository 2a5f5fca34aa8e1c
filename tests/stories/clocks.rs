//! A device whose clock is wrong: it is found, and what it sends from then on is marked, after a crash and in a store that is filled anew too.

use std::fs;

use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::{City, story_catalogue};
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::{orders, wait};

/// By how much the clock of `clock-2` is slow.
const SLOW: Span = Span::MINUTE.times(10);
/// So many minutes are enough for the median of 31.
const MINUTES: i64 = 45;

/// Two stations with clocks that are watched.
const ENTRIES: &str = r#"
[[metric]]
name = "clock_off"
zh = "时钟偏差"
en = "Clock off"
kind = "environment"
unit = "s"
min = -99999
max = 99999
period = "60s"
source = "the stories"

[[derived]]
metric = "clock_off"
rule = "clock"
of = "pm2_5"
source = "the stories"

[[limit]]
id = "slow-clock"
metric = "clock_off"
value = 120
unit = "s"
window = "instant"
valid_from = 2013-01-01
standard = "story"
edition = "first"
source = "the stories"

[[detector]]
name = "slow-clock"
zh = "时钟偏慢"
en = "Slow clock"
kind = "limit"
metrics = ["clock_off"]
window = "instant"
category = "device"
severity = "notice"
source = "the stories"
"#;

fn station(id: &str) -> String {
    format!(
        "[[station]]\nid = \"{id}\"\nzh = \"{id}\"\nen = \"{id}\"\nkind = \"air\"\ndistrict = \"510104\"\n\
         gateway = \"story\"\nmetrics = [\"pm2_5\"]\n\n"
    )
}

/// Time and quality of all readings of a station.
fn stored(city: &City, station: &str, from: Timestamp) -> Vec<(String, String)> {
    let (from, to) = (from.to_string(), (from + Span::DAY).to_string());
    let answer = city.json(&format!("/api/v1/query?source={station}&metric=pm2_5&from={from}&to={to}"));
    let text = |of: &serde_json::Value| of.as_str().unwrap().to_owned();
    let points = answer["points"].as_array().unwrap();
    points.iter().map(|point| (text(&point["time"]), text(&point["quality"]))).collect()
}

#[test]
fn what_a_device_with_a_wrong_clock_sends_is_marked_from_when_it_is_found() {
    let mut city = City::story();
    let file = city.beside("clocks.toml");
    let base = fs::read_to_string(story_catalogue()).unwrap();
    fs::write(&file, [base, ENTRIES.into(), station("clock-1"), station("clock-2")].concat()).unwrap();
    city.catalogue(&file).fed().start();
    let begin = this_minute();
    let all = begin - SLOW;
    let send = |gateway: &mut Gateway, minute: i64| {
        let now = begin + Span::MINUTE.times(minute);
        gateway.rows(vec![pm2_5("clock-1", now, 20.0), pm2_5("clock-2", now - SLOW, 20.0)]).unwrap();
        (now - SLOW).to_string()
    };
    let mut gateway = Gateway::open(city.at().grpc, "story");
    for minute in 0..MINUTES {
        send(&mut gateway, minute);
        city.settle();
    }
    assert_eq!(orders::orders(&city, "detector=slow-clock&source=clock-2").len(), 1);
    assert!(orders::orders(&city, "detector=slow-clock&source=clock-1").is_empty());

    // The doors hear of it a moment later; from then on all are marked.
    let mut minute = MINUTES;
    wait::until("readings are marked", || {
        send(&mut gateway, minute);
        minute += 1;
        stored(&city, "clock-2", all).last().is_some_and(|(_, quality)| quality == "clock_off")
    });
    let first = &stored(&city, "clock-2", all)[0];
    assert_eq!(first.1, "good", "it was not known yet");
    city.kill().start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    let after = send(&mut gateway, minute);
    wait::until("the last one is stored", || {
        stored(&city, "clock-2", all).iter().any(|(time, _)| *time == after)
    });
    let before = stored(&city, "clock-2", all);
    let marked = before.iter().skip_while(|(_, quality)| quality == "good");
    assert!(
        marked.clone().count() >= 2 && marked.clone().all(|(_, quality)| quality == "clock_off"),
        "{before:?}"
    );
    assert!(stored(&city, "clock-1", all).iter().all(|(_, quality)| quality == "good"));

    // A store that is filled from the log again has the same marks.
    city.stop();
    fs::remove_dir_all(city.data().join("series")).unwrap();
    city.start();
    wait::until("the store is filled again", || stored(&city, "clock-2", all) == before);
}
