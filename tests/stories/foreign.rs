//! Clients that nobody here wrote: mosquitto_pub, paho-mqtt for 3.1.1 and 5, grpcio from Python with the published .proto,
//! InfluxDB's own clients for 1.x and 2.x.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::{http, programs, skip, wait};

const READINGS: i64 = 20;

#[test]
fn mosquitto_pub_is_acknowledged() {
    let there =
        Command::new("mosquitto_pub").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        return skip("mosquitto_pub", "it is not there; tests/install.sh installs it");
    }
    let mut city = City::story();
    city.start();
    let begin = this_minute() - Span::MINUTE.times(10);
    for (version, source) in [("mqttv311", "story-01"), ("mqttv5", "story-02")] {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", &city.at().mqtt.ip().to_string(), "-p", &city.at().mqtt.port().to_string()]);
        command.args(["-V", version, "-q", "1", "-t", &format!("yw/v1/{source}"), "-l"]);
        let said = feed(command, &payloads(begin));
        assert_eq!(said, "", "{version}");
        found(&city, source, begin);
    }
    city.stop().reconcile(false, &[]).must_balance();
}

#[test]
fn paho_is_acknowledged_in_both_versions() {
    let Some(python) = programs::python() else {
        return skip("paho", "tests/.venv is not there; tests/install.sh makes it");
    };
    let mut city = City::story();
    city.start();
    let begin = this_minute() - Span::MINUTE.times(10);
    for (version, source) in [("3", "story-01"), ("5", "story-02")] {
        let mut command = Command::new(&python);
        command.arg(client("paho_publish.py")).arg(city.at().mqtt.ip().to_string());
        command.args([&city.at().mqtt.port().to_string(), version, &format!("yw/v1/{source}")]);
        let mut payloads = payloads(begin);
        payloads.push(format!(r#"{{"metric":"smell","time":"{begin}","value":1,"unit":"1"}}"#));
        let said = feed(command, &payloads);
        let codes: Vec<u32> = said.split_whitespace().map(|code| code.parse().unwrap()).collect();
        let (refused, good) = codes[1..].split_last().unwrap();
        assert_eq!(i64::from(codes[0]), READINGS + 1, "{said}");
        assert!(good.iter().all(|code| *code == 0), "{said}");
        assert_eq!(*refused, if version == "5" { 0x99 } else { 0 }, "{said}");
        found(&city, source, begin);
    }
}

#[test]
fn grpcio_is_answered_with_the_published_proto() {
    let Some(python) = programs::python() else {
        return skip("grpcio", "tests/.venv is not there; tests/install.sh makes it");
    };
    let mut city = City::story();
    city.start();
    let begin = this_minute() - Span::MINUTE.times(10);
    let mut command = Command::new(&python);
    command.arg(client("grpc_push.py")).arg(city.at().grpc.to_string()).arg(programs::root().join("proto"));
    command.args(["story-01", &begin.nanos().to_string(), &READINGS.to_string()]);
    let said = feed(command, &[]);
    assert_eq!(said.trim(), format!("{READINGS} 0 0"));
    found(&city, "story-01", begin);
}

#[test]
fn clients_of_influxdb_write_and_are_told_what_was_refused() {
    let Some(python) = programs::python() else {
        return skip("influxdb", "tests/.venv is not there; tests/install.sh makes it");
    };
    let mut city = City::story();
    city.start();
    let begin = this_minute() - Span::MINUTE.times(10);
    for (version, source, status) in [("1", "story-01", "400"), ("2", "story-02", "422")] {
        let mut command = Command::new(&python);
        command.arg(client("influx_write.py")).arg(city.at().http.ip().to_string());
        command.args([&city.at().http.port().to_string(), version, source]);
        command.args([begin.nanos().to_string(), READINGS.to_string()]);
        let said = feed(command, &[]);
        assert!(said.starts_with(status) && said.contains("dropped=1"), "{said}");
        assert!(said.contains("nobody-here"), "{said}");
        found(&city, source, begin);
    }
    city.stop().reconcile(false, &[]).must_balance();
}

fn client(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn payloads(begin: Timestamp) -> Vec<String> {
    let payload = |second: i64| {
        let time = begin + Span::SECOND.times(second);
        format!(r#"{{"metric":"pm2_5","time":"{time}","value":{},"unit":"µg/m³"}}"#, 20 + second)
    };
    (0..READINGS).map(payload).collect()
}

/// Runs a client with these lines as its input; what it said, both ways.
fn feed(mut command: Command, lines: &[String]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    lines.iter().for_each(|line| writeln!(input, "{line}").unwrap());
    drop(input);
    let output = wait::ended(child);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// Waits until exactly these readings are in the store.
fn found(city: &City, source: &str, begin: Timestamp) {
    let (from, to) = (begin.to_string(), (begin + Span::HOUR).to_string());
    let (from, to) = (http::quoted(&from), http::quoted(&to));
    let path = format!("/api/v1/query?source={source}&metric=pm2_5&from={from}&to={to}");
    let values = || -> Vec<f64> {
        let answer = city.json(&path);
        answer["points"].as_array().unwrap().iter().map(|point| point["value"].as_f64().unwrap()).collect()
    };
    // small
    let wanted: Vec<f64> = (0..READINGS).map(|number| (20 + number) as f64).collect();
    wait::until(&format!("{source} is in the store"), || values().len() >= wanted.len());
    assert_eq!(values(), wanted);
}
