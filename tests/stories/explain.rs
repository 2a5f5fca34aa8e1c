//! `yiwang explain` derives an episode again from what was kept of it alone; `yiwang backtest` runs the log under other rules.

use std::path::Path;

use serde_json::Value;
use yiwang_model::{Span, WorkOrder};
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::orders::orders;
use yiwang_tests::programs;
use yiwang_tests::sim::{Door, Sim, number};

/// A city that was sent three hours, and its orders.
fn city() -> (City, Vec<WorkOrder>) {
    let mut city = City::story();
    city.fed().start();
    let input = city.beside("story.csv");
    Feed::rhythm(4, this_minute(), Span::HOUR.times(3)).write(&input);
    let report = Sim::replay(&city, Door::Both, &[&input], &[]).report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
    city.settle();
    let found = orders(&city, "");
    assert!(found.len() > 10, "{}", found.len());
    (city, found)
}

/// Exit code, standard output, standard error.
fn run(arguments: &[&str], data: &Path) -> (Option<i32>, String, String) {
    let mut command = programs::yiwang();
    let output = command.args(arguments).arg("--data-dir").arg(data).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn explained(order: &WorkOrder, data: &Path) -> Value {
    let id = order.anomaly.unwrap().to_string();
    let (code, out, err) = run(&["explain", &id, "--json"], data);
    assert_eq!(code, Some(0), "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn every_order_is_explained_from_its_capsule_and_an_altered_one_is_found() {
    let (mut city, orders) = city();
    let id = orders[0].anomaly.unwrap().to_string();
    let (code, out, err) = run(&["explain", &id], city.data());
    assert_eq!(code, Some(0), "{out}{err}");
    let http = city.at().http.to_string();
    let output = programs::yiwang().args(["explain", &id, "--http", &http]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains("holds") && told.contains("came from"), "{told}");
    let limit = orders.iter().find(|of| *of.draft.evidence.anomaly.detector == *"now").unwrap();
    let at = format!("/api/v1/anomalies/{}", limit.anomaly.unwrap());
    let why = city.json(&format!("{at}/explanation"));
    assert_eq!((&why["differs"], why["limit"].as_f64()), (&Value::Null, Some(75.0)), "{why}");
    let tried = city.json(&format!("{at}/what-if?value=600"));
    assert!(tried["before"]["episodes"].as_u64().unwrap() > 0, "{tried}");
    assert_eq!(
        (&tried["after"]["episodes"], &tried["after"]["exceedances"]),
        (&0.into(), &0.into()),
        "{tried}"
    );
    assert!(city.get(&format!("/orders/{}", limit.no)).contains(why["hash"].as_str().unwrap()));
    assert!(out.contains("holds") && out.contains("not asked"), "while the city runs: {out}");
    city.stop();
    for order in &orders {
        let told = explained(order, city.data());
        assert_eq!(told["differs"], Value::Null);
        assert_eq!(told["order"]["no"], order.no.to_string());
        assert_eq!(told["sealed"]["begin"], order.draft.evidence.anomaly.begin.to_string());
        let with = &told["compared"]["with"];
        let readings = told["readings"].as_array().unwrap().len();
        assert!(readings > 0, "{told}");
        for held in ["log", "store"] {
            assert_eq!(with[held]["agrees"], readings, "{held}: {with}");
        }
        assert_eq!(with["derived"], true, "{with}");
    }
    alter(&city.data().join("orders.sqlite"), &id);
    let (code, _, err) = run(&["explain", &id], city.data());
    assert_eq!(code, Some(1));
    assert!(err.contains("does not hold: it was altered"), "{err}");
    let (code, _, err) = run(&["explain", &"0".repeat(32)], city.data());
    assert_eq!(code, Some(1));
    assert!(err.contains("has nothing of"), "{err}");
}

/// Adds one to the last byte of a capsule.
fn alter(store: &Path, id: &str) {
    let script = "import sqlite3, sys\n\
         db = sqlite3.connect(sys.argv[1])\n\
         held = bytearray(db.execute('select capsule from capsules where anomaly = ?', (sys.argv[2],)).fetchone()[0])\n\
         held[-1] = (held[-1] + 1) % 256\n\
         db.execute('update capsules set capsule = ? where anomaly = ?', (bytes(held), sys.argv[2]))\n\
         db.commit()";
    let status = std::process::Command::new("python3").args(["-c", script]).arg(store).arg(id).status();
    assert!(status.expect("python3 is there").success());
}

fn backtest(city: &City, catalogue: &Path, further: &[&str]) -> Value {
    let arguments = [&["backtest", "--json", "--catalogue", catalogue.to_str().unwrap()], further].concat();
    let (code, out, err) = run(&arguments, city.data());
    assert_eq!(code, Some(0), "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

fn count(report: &Value, group: &str) -> u64 {
    report[group]["count"].as_u64().unwrap()
}

#[test]
fn the_log_under_other_rules_opens_other_orders() {
    let (mut city, orders) = city();
    let own = city.catalogue_file().unwrap().to_owned();
    city.stop();
    let same = backtest(&city, &own, &[]);
    let live = &same["live"];
    assert_eq!((&live["differs"], &live["cut"]), (&Value::Null, &Value::Bool(false)), "{live}");
    assert_eq!(live["episodes"].as_u64(), Some(orders.len() as u64), "{live}");
    assert!(live["same"].as_u64().unwrap() > live["episodes"].as_u64().unwrap(), "{live}");
    let groups = ["added", "removed", "changed"].map(|group| count(&same, group));
    assert_eq!((groups, same["same"].as_u64()), ([0, 0, 0], Some(orders.len() as u64)));

    // No value is above 600, hours above 35 begin earlier, and more steps are jumps.
    let text = std::fs::read_to_string(&own).unwrap();
    let text = text.replace("value = 75\n", "value = 600\n").replace("value = 60\n", "value = 35\n");
    let text = text.replacen("key = \"air\"\n", "key = \"air\"\nwork_hours = 2.5\n", 1);
    let text =
        text.replace("max_per_hour = 6000\nmin_change = 200\n", "max_per_hour = 1800\nmin_change = 40\n");
    let new = city.beside("new.toml");
    std::fs::write(&new, text).unwrap();
    let report = backtest(&city, &new, &[]);
    assert_eq!(report["live"], *live, "whatever is tried");
    let by =
        |detector: &str| orders.iter().filter(|of| *of.draft.evidence.anomaly.detector == *detector).count();
    assert_eq!(count(&report, "removed"), by("now") as u64, "{report}");
    assert!(count(&report, "added") > 0, "{report}");
    // At most four hours are new, one a station, and five examples are shown.
    let added = report["added"]["examples"].as_array().unwrap();
    assert!(added.iter().any(|of| of["detector"] == "jump"), "{report}");
    assert!(count(&report, "changed") >= by("hour") as u64, "{report}");
    let sides = ["before", "after"].map(|side| report[side]["orders"].as_u64().unwrap());
    assert_eq!(sides[0], orders.len() as u64);
    assert_eq!(sides[1], sides[0] - count(&report, "removed") + count(&report, "added"));
    let hours = &report["after"]["work_hours"]["air-office"];
    let air = sides[1] - report["after"]["without_hours"].as_u64().unwrap();
    assert_eq!(hours.as_f64(), Some(2.5 * air as f64), "{report}");

    let begin = this_minute() + Span::HOUR.times(48);
    let none = backtest(&city, &new, &["--from", &begin.to_string()]);
    assert_eq!(
        (count(&none, "added"), count(&none, "removed"), &none["before"]["orders"]),
        (0, 0, &0.into())
    );
}
