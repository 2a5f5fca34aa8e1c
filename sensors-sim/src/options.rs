//! The command line: what was typed, and what it means.

mod planted;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use sensors_sim::door::{Address, Credential};
use sensors_sim::{city, load, replay};
use yiwang_catalogue::Catalogue;
use yiwang_model::{Span, Timestamp};

/// A believable city that sends to the open doors of Yiwang.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A seeded, repeatable city: live, through doors; or, with --out, weeks of it written to files at once.
    City(City),
    /// A plan of faults and look-alikes for a city that is written to files.
    Plan(planted::Plan),
    /// Real air with faults planted into it, written to files.
    Real(planted::Real),
    /// The episodes that a textbook method finds in the readings of such a city.
    Baseline(planted::Baseline),
    /// How well episodes fit the truth of such a city.
    Judge(planted::Judge),
    /// A generator for benches and kill tests.
    Load(Load),
    /// Real input: CSV, JSON lines, or the Beijing air data.
    Replay(Replay),
}

#[derive(Args, Debug)]
struct Doors {
    /// host:port of the gRPC door.
    #[arg(long, value_name = "ADDR")]
    grpc: Option<String>,
    /// host:port of the MQTT door.
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<String>,
    /// host:port of the HTTP door, for InfluxDB's line protocol.
    #[arg(long, value_name = "ADDR")]
    influx: Option<String>,
    /// Who the gateways are.
    #[arg(long, value_name = "NAME:SECRET_FILE")]
    credential: Option<Credential>,
    /// Names, units and plans: a file or a folder; the demo city if not given.
    #[arg(long, value_name = "F")]
    catalogue: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct City {
    #[command(flatten)]
    doors: Doors,
    /// Which city: the same seed is the same city.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// What goes wrong (CSV: kind,target,begin,end,size); the demo's faults if not given. With --out a plan of docs/planted.md
    /// (kind,target,begin,length,size); nothing if not given.
    #[arg(long, value_name = "PLAN.csv")]
    faults: Option<PathBuf>,
    /// Nothing goes wrong.
    #[arg(long, conflicts_with = "faults")]
    no_faults: bool,
    /// Where to write what went wrong, as CSV.
    #[arg(long, value_name = "F")]
    truth: Option<PathBuf>,
    /// City seconds a second.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// How long to live, in seconds of wall time; for ever if not given.
    #[arg(long, value_name = "T")]
    seconds: Option<f64>,
    /// How much of the past of sensors to send first.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    backfill: Span,
    /// Of that past, except its last hour, one reading in so many.
    #[arg(long, value_name = "N", default_value_t = 2)]
    backfill_every: u32,
    /// Where city time begins; now if not given.
    #[arg(long, value_name = "RFC3339")]
    clock_start: Option<Timestamp>,
    /// A file that remembers when the city first began, so that faults keep their times over a restart.
    #[arg(long, value_name = "F")]
    state: Option<PathBuf>,
    #[command(flatten)]
    planted: planted::City,
}

/// What a city's options ask for.
pub(crate) enum CityMeant {
    /// To live, and to send through doors.
    Live(Box<city::Options>),
    /// To be written to files.
    Planted(sensors_sim::planted::Options),
}

#[derive(Args, Debug)]
pub(crate) struct Load {
    #[command(flatten)]
    doors: Doors,
    /// host:port of the HJ 212 door; each connection is the logger of a station bench-000001, bench-000002, …
    #[arg(long, value_name = "ADDR")]
    hj212: Option<String>,
    /// How many series.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    series: usize,
    /// Readings a second; 0 is as fast as acknowledgements allow.
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    rate: f64,
    /// How long.
    #[arg(long, value_name = "T", default_value_t = 10.0)]
    seconds: f64,
    /// Rows instead of columns.
    #[arg(long)]
    rows: bool,
    /// Where to append a line for each acknowledged reading.
    #[arg(long, value_name = "F")]
    acked: Option<PathBuf>,
    /// The name of the gateway.
    #[arg(long, value_name = "G", default_value = "bench")]
    gateway: String,
    /// Readings of a batch; 5000 in columns, 500 in rows, 1 in an MQTT message, less at low rates, if not given.
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// How many connections.
    #[arg(long, value_name = "C", default_value_t = 1)]
    connections: usize,
    /// The most batches of a connection that are not acknowledged; 16 over gRPC, 1000 over MQTT, if not given.
    #[arg(long, value_name = "N")]
    inflight: Option<usize>,
    /// What sort of values.
    #[arg(long, value_enum, default_value_t)]
    values: load::Values,
    /// How long to wait at the end for what is not acknowledged, in seconds.
    #[arg(long, value_name = "T", default_value_t = 30.0)]
    wait: f64,
}

#[derive(Args, Debug)]
pub(crate) struct Replay {
    #[command(flatten)]
    doors: Doors,
    /// A file, gzipped if its name ends in .gz; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<PathBuf>,
    /// Event seconds a second; 0 is as fast as acknowledgements allow.
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    speed: f64,
    /// How often to send all of it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    times: u32,
    /// With both doors, how much event time goes before each waits for the other; up to 12h.
    #[arg(long, value_name = "SPAN", default_value = "6h")]
    window: Span,
    /// Where to append a line for each acknowledged reading.
    #[arg(long, value_name = "F")]
    acked: Option<PathBuf>,
    /// The name of the gateway.
    #[arg(long, value_name = "G", default_value = "replay")]
    gateway: String,
    /// How long to wait at the end for what is not acknowledged, in seconds.
    #[arg(long, value_name = "T", default_value_t = 30.0)]
    wait: f64,
}

impl Doors {
    fn catalogue(&self) -> anyhow::Result<Arc<Catalogue>> {
        let Some(path) = &self.catalogue else { return Ok(Arc::new(Catalogue::demo())) };
        let loaded = Catalogue::load(path).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow!("{}", lines.join("\n"))
        });
        loaded.map(Arc::new).with_context(|| format!("catalogue {}", path.display()))
    }

    fn addresses(&self) -> Vec<Address> {
        let grpc = self.grpc.clone().map(Address::Grpc);
        let others = [self.mqtt.clone().map(Address::Mqtt), self.influx.clone().map(Address::Influx)];
        grpc.into_iter().chain(others.into_iter().flatten()).collect()
    }
}

impl City {
    pub(crate) fn meant(mut self) -> anyhow::Result<CityMeant> {
        match self.planted.out.take() {
            Some(out) => {
                let planted = self.planted.meant(out, self.seed, self.faults.as_deref(), self.clock_start)?;
                Ok(CityMeant::Planted(planted))
            }
            None => self.live().map(Box::new).map(CityMeant::Live),
        }
    }

    fn live(self) -> anyhow::Result<city::Options> {
        if !self.speed.is_finite() || self.speed <= 0.0 {
            bail!("--speed is {}; city seconds a second are wanted", self.speed);
        }
        if self.doors.influx.is_some() {
            bail!("--influx takes no figures of a period, which a city has: give --grpc and --mqtt");
        }
        let begin = self.clock_start.unwrap_or_else(|| Timestamp::from_jiff(jiff::Timestamp::now()));
        Ok(city::Options {
            catalogue: self.doors.catalogue()?,
            faults: self.plan()?,
            lives: self.seconds.map(|seconds| duration("--seconds", seconds)).transpose()?,
            grpc: self.doors.grpc,
            mqtt: self.doors.mqtt,
            seed: self.seed,
            truth: self.truth,
            clock: city::CityClock::new(begin, self.speed),
            backfill: self.backfill,
            backfill_every: self.backfill_every,
            state: self.state,
            credential: self.doors.credential,
        })
    }

    fn plan(&self) -> anyhow::Result<city::fault::Plan> {
        if self.no_faults {
            return Ok(city::fault::Plan::default());
        }
        let Some(path) = &self.faults else { return Ok(city::default_faults()) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("fault plan {name}"))?;
        city::fault::Plan::parse(&text).map_err(|wrong| city::fault::all_wrong(&name, &wrong))
    }
}

impl Load {
    pub(crate) fn meant(self) -> anyhow::Result<load::Options> {
        let loggers = self.hj212.map(|at| Address::Hj212(at, Arc::default()));
        let doors: Vec<Address> = self.doors.addresses().into_iter().chain(loggers).collect();
        let [address] = <[Address; 1]>::try_from(doors).map_err(|doors| {
            anyhow!("one of --grpc, --mqtt, --influx and --hj212 is wanted, not {}", doors.len())
        })?;
        Ok(load::Options {
            address,
            series: self.series,
            rate: self.rate,
            lasts: duration("--seconds", self.seconds)?,
            rows: self.rows,
            acked: self.acked,
            gateway: self.gateway,
            batch: self.batch,
            connections: self.connections,
            inflight: self.inflight,
            values: self.values,
            catalogue: self.doors.catalogue()?,
            wait: duration("--wait", self.wait)?,
            credential: self.doors.credential,
        })
    }
}

impl Replay {
    pub(crate) fn meant(self) -> anyhow::Result<replay::Options> {
        Ok(replay::Options {
            doors: self.doors.addresses(),
            inputs: self.input,
            speed: self.speed,
            times: self.times,
            window: self.window,
            acked: self.acked,
            gateway: self.gateway,
            catalogue: self.doors.catalogue()?,
            wait: duration("--wait", self.wait)?,
            credential: self.doors.credential,
        })
    }
}

fn duration(name: &str, seconds: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(seconds).with_context(|| format!("{name} is {seconds}; seconds are wanted"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }
}
