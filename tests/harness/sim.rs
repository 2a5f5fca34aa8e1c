//! `sensors-sim` beside a city.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::city::City;
use crate::programs;

/// Which doors to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// gRPC alone.
    Grpc,
    /// MQTT alone.
    Mqtt,
    /// gRPC and MQTT at once.
    Both,
    /// InfluxDB's line protocol over HTTP.
    Influx,
    /// HJ 212 alone, for load.
    Hj212,
    /// MQTT, through a broker elsewhere.
    Broker(SocketAddr),
}

/// A simulator that runs; killed when dropped.
#[derive(Debug)]
pub struct Sim(Option<Child>);

impl Sim {
    /// Runs `sensors-sim {arguments}` against the doors of a city.
    pub fn run(city: &City, door: Door, arguments: &[&str]) -> Self {
        let mut command = programs::sensors_sim();
        command.args(arguments);
        add_doors(&mut command, city, door);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Self(Some(command.spawn().expect("the simulator starts")))
    }

    /// Replays files; further arguments may follow.
    pub fn replay(city: &City, door: Door, inputs: &[&Path], further: &[&str]) -> Self {
        let mut arguments = vec!["replay"];
        for input in inputs {
            arguments.extend(["--input", input.to_str().expect("a path of text")]);
        }
        arguments.extend(further);
        Self::run(city, door, &arguments)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits for its end and reads its report.
    ///
    /// # Panics
    /// When it fails.
    pub fn report(mut self) -> Value {
        let child = self.0.take().expect("taken once");
        let output = child.wait_with_output().expect("a child can be waited for");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "the simulator failed with {}: {text}", output.status);
        serde_json::from_str(text.trim()).unwrap_or(Value::Null)
    }

    /// Tells it to end, waits for what is not acknowledged, and reads its report.
    pub fn finish(self) -> Value {
        if let Some(child) = &self.0 {
            // It may have ended by itself.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
        self.report()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn add_doors(command: &mut Command, city: &City, door: Door) {
    let at = city.at();
    if door == Door::Hj212 {
        command.arg("--hj212").arg(at.hj212.expect("the door for loggers is open").to_string());
    }
    if matches!(door, Door::Grpc | Door::Both) {
        command.arg("--grpc").arg(at.grpc.to_string());
    }
    if matches!(door, Door::Mqtt | Door::Both) {
        command.arg("--mqtt").arg(at.mqtt.to_string());
    }
    if let Door::Broker(broker) = door {
        command.arg("--mqtt").arg(broker.to_string());
    }
    if door == Door::Influx {
        command.arg("--influx").arg(at.http.to_string());
    }
    if let Some(catalogue) = city.catalogue_file() {
        command.arg("--catalogue").arg(catalogue);
    }
}

/// A number of a report.
pub fn number(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("no {key} in {report}"))
}
