//! The catalogue's files are read again while the city runs: by command, by SIGHUP. What they say holds from then on, over a kill, and
//! in a replay of the log.

use std::path::Path;

use yiwang_model::{AnomalyId, Span, Timestamp};
use yiwang_tests::city::{City, story_catalogue};
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::{http, orders, programs, wait};

#[test]
fn a_limit_that_is_changed_in_a_running_city_holds_over_a_kill_and_a_replay() {
    let begin = this_minute();
    let minute = |nth| begin + Span::MINUTE.times(nth);
    let mut city = City::story();
    let file = city.beside("city.toml");
    write(&file, "75");
    city.catalogue(&file).fed().start();
    register(&city, "new-01");
    send(&city, "story-01", minute(0), 60.0);
    write(&file, "40");
    assert_eq!(reload(&city), (Some(0), "catalogue revision 3 is in force\n".into()));
    send(&city, "story-01", minute(1), 60.0);
    send(&city, "new-01", minute(1), 60.0);
    assert_eq!(episodes(&city).len(), 2, "by the new limit, and what was registered stays");
    assert_eq!(begins(&city, "story-01"), [minute(1)], "the reading before is not judged again");
    write(&file, "\"many\"");
    let (code, said) = reload(&city);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("city.toml:") && said.contains("limit.value"), "{said}");
    send(&city, "story-01", minute(2), 60.0);
    assert_eq!(episodes(&city).len(), 2, "the limit before holds on");
    write(&file, "75");
    city.hang_up();
    wait::until("the files were read again", || city.json("/api/v1/catalogue")["revision"] == 4);
    assert_eq!(city.json("/api/v1/catalogue")["who"], "SIGHUP");
    send(&city, "story-01", minute(3), 60.0);
    let live = episodes(&city);
    assert!(live.contains(&(live_id(&city), minute(1), Some(minute(3)))), "inside the limit again: {live:?}");
    city.kill().start();
    city.settle();
    assert_eq!(episodes(&city), live, "after a kill");
    city.stop();
    let said = backtest(&city, &file);
    assert!(said.contains("first run: identical to what the city derived"), "{said}");
    write(&file, "40");
    let said = backtest(&city, &file);
    assert!(
        said.contains("orders: 2 as it was, 2 under") && said.contains("removed: 0"),
        "new-01 stays: {said}"
    );
    write(&file, "75");
    std::fs::remove_dir_all(city.data().join("checkpoints")).unwrap();
    std::fs::remove_file(city.data().join("orders.sqlite")).unwrap();
    city.start();
    city.settle();
    assert_eq!(episodes(&city), live, "the log alone says the same");
}

/// What a backtest of a stopped city says.
fn backtest(city: &City, file: &Path) -> String {
    let mut backtest = programs::yiwang();
    let backtest = backtest.args(["backtest", "--catalogue"]).arg(file).arg("--data-dir").arg(city.data());
    String::from_utf8(backtest.output().unwrap().stdout).unwrap()
}

fn live_id(city: &City) -> AnomalyId {
    orders::orders(city, "detector=now&source=story-01")[0].anomaly.unwrap()
}

fn write(file: &Path, limit: &str) {
    let text = std::fs::read_to_string(story_catalogue()).unwrap();
    assert!(text.contains("value = 75\n"));
    std::fs::write(file, text.replace("value = 75\n", &format!("value = {limit}\n"))).unwrap();
}

/// Exit code, and what was said.
fn reload(city: &City) -> (Option<i32>, String) {
    let mut command = programs::yiwang();
    let output = command.args(["reload", "--http", &city.at().http.to_string()]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn send(city: &City, source: &str, at: Timestamp, value: f64) {
    let sent = Gateway::open(city.at().grpc, "story").rows(vec![pm2_5(source, at, value)]);
    assert_eq!(sent.unwrap().refused_total, 0);
    city.settle();
}

fn register(city: &City, source: &str) {
    let entry = r#"{"zh": "新站", "en": "New", "kind": "air", "district": "510104", "gateway": "story",
        "metrics": ["pm2_5"]}"#;
    let path = format!("/api/v1/registry/stations/{source}");
    let (status, answer) = http::send(city.at().http, "PUT", &path, entry).unwrap();
    assert_eq!(status, 200, "{answer}");
}

fn begins(city: &City, source: &str) -> Vec<Timestamp> {
    let found = orders::orders(city, &format!("detector=now&source={source}"));
    found.iter().map(|order| order.draft.evidence.anomaly.begin).collect()
}

/// Name, begin and end of each episode that has an order.
fn episodes(city: &City) -> Vec<(AnomalyId, Timestamp, Option<Timestamp>)> {
    let content = |order: yiwang_model::WorkOrder| {
        let of = order.draft.evidence.anomaly;
        (of.id, of.begin, of.end)
    };
    let mut all: Vec<_> = orders::orders(city, "detector=now").into_iter().map(content).collect();
    all.sort();
    all
}
