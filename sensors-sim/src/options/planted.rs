//! The commands of planted cities.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use sensors_sim::city::fault::all_wrong;
use sensors_sim::planted::judge::{self, Episode, Kinds};
use sensors_sim::planted::truth::Truth;
use sensors_sim::planted::{self, baseline, draw};
use yiwang_model::{Span, Timestamp};

/// What a city that is written to files takes besides what all cities take.
#[derive(Args, Debug)]
#[group(id = "planted_city")]
pub(crate) struct City {
    /// Write the city into this folder instead: readings.csv, truth.csv, plan.csv, topology.csv, catalogue/.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["grpc", "mqtt", "influx", "catalogue", "no_faults", "truth", "state"])]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    size: Size,
    /// With --out: a file of the catalogue that has detectors.
    #[arg(long, value_name = "F", requires = "out")]
    detectors: Option<PathBuf>,
}

/// How large a city is.
#[derive(Args, Clone, Copy, Debug)]
struct Size {
    /// How many series.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(50..=200_000))]
    series: u32,
    /// How many days.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
}

impl City {
    pub(crate) fn meant(
        self,
        out: PathBuf,
        seed: u64,
        plan: Option<&Path>,
        begin: Option<Timestamp>,
    ) -> anyhow::Result<planted::Options> {
        let plan = plan.map_or_else(|| Ok(planted::Plan::default()), read_plan)?;
        let (series, days) = (self.size.series as usize, self.size.days);
        Ok(planted::Options {
            seed,
            series,
            begin: begin_of(begin)?,
            days,
            plan,
            detectors: self.detectors,
            out,
        })
    }
}

fn begin_of(given: Option<Timestamp>) -> anyhow::Result<Timestamp> {
    given.map_or_else(|| planted::BEGIN.parse().context("the usual begin"), Ok)
}

fn read_plan(path: &Path) -> anyhow::Result<planted::Plan> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("plan {name}"))?;
    planted::Plan::parse(&text).map_err(|wrong| all_wrong(&name, &wrong))
}

/// A plan by dice.
#[derive(Args, Debug)]
pub(crate) struct Plan {
    /// Which city, and which plan of it.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    size: Size,
    /// Where the city's time begins: a midnight; 2026-09-14 if not given.
    #[arg(long, value_name = "RFC3339")]
    clock_start: Option<Timestamp>,
    /// How many faults of each kind; there are as many look-alikes as faults.
    #[arg(long, value_name = "N", default_value_t = 30)]
    each: usize,
    /// How many times the usual the faults are; several with commas between are dealt evenly.
    #[arg(long, value_name = "X", default_value = "1", value_delimiter = ',')]
    factor: Vec<f64>,
    /// Twenty causes of many alarms instead of faults.
    #[arg(long)]
    causes: bool,
    /// Where to write it.
    #[arg(long, value_name = "PLAN.csv")]
    out: PathBuf,
}

impl Plan {
    pub(crate) fn write(self) -> anyhow::Result<()> {
        let (series, days) = (self.size.series as usize, self.size.days);
        let begin = begin_of(self.clock_start)?;
        let options =
            draw::Options { seed: self.seed, series, begin, days, each: self.each, factors: self.factor };
        let plan = if self.causes { draw::causes(&options)? } else { draw::faults(&options)? };
        std::fs::write(&self.out, plan.to_csv()).with_context(|| self.out.display().to_string())
    }
}

/// Faults in real readings.
#[derive(Args, Debug)]
pub(crate) struct Real {
    /// A file of the Beijing data, gzipped or not; may be given several times.
    #[arg(long, value_name = "F", required = true)]
    input: Vec<PathBuf>,
    /// The midnight from which on readings are taken.
    #[arg(long, value_name = "RFC3339", default_value = "2014-03-01T00:00:00+08:00")]
    clock_start: Timestamp,
    /// For how many days.
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(58..=1461))]
    days: u32,
    /// What goes wrong, as docs/planted.md says; drawn by dice if not given.
    #[arg(long, value_name = "PLAN.csv", conflicts_with_all = ["seed", "each", "factor"])]
    faults: Option<PathBuf>,
    /// Which dice.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many faults of each kind; there are as many calibrations as faults.
    #[arg(long, value_name = "N", default_value_t = 20)]
    each: usize,
    /// How many times the usual the faults are; several with commas between are dealt evenly.
    #[arg(long, value_name = "X", default_value = "1", value_delimiter = ',')]
    factor: Vec<f64>,
    /// A file of the catalogue that has detectors.
    #[arg(long, value_name = "F")]
    detectors: Option<PathBuf>,
    /// The folder for readings.csv, truth.csv, plan.csv and catalogue/.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl Real {
    pub(crate) fn write(self) -> anyhow::Result<()> {
        planted::real::write(&planted::real::Options {
            inputs: self.input,
            begin: self.clock_start,
            days: self.days,
            plan: self.faults.as_deref().map(read_plan).transpose()?,
            seed: self.seed,
            each: self.each,
            factors: self.factor,
            detectors: self.detectors,
            out: self.out,
        })
    }
}

/// Textbook methods.
#[derive(Args, Debug)]
pub(crate) struct Baseline {
    /// readings.csv of a planted city.
    #[arg(long, value_name = "F")]
    readings: PathBuf,
    /// How long they learn.
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    learns: Span,
    /// The folder for their episodes: sigma.jsonl and ewma.jsonl.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl Baseline {
    pub(crate) fn write(self) -> anyhow::Result<()> {
        let readings = baseline::read(&self.readings)?;
        baseline::Method::ALL.into_iter().try_for_each(|method| {
            let episodes = baseline::episodes(method, &readings, self.learns);
            baseline::write(&self.out.join(format!("{}.jsonl", method.word())), &episodes)
        })
    }
}

/// Episodes against the truth.
#[derive(Args, Debug)]
pub(crate) struct Judge {
    /// truth.csv of a planted city; may be given several times, each with its --episodes.
    #[arg(long, value_name = "F", required = true)]
    truth: Vec<PathBuf>,
    /// What `yiwang replay` printed for its readings.
    #[arg(long, value_name = "F", required_unless_present = "orders", requires = "kinds")]
    episodes: Vec<PathBuf>,
    /// Which detector stands for which kinds (TOML).
    #[arg(long, value_name = "F")]
    kinds: Option<PathBuf>,
    /// Instead of episodes, orders with the alarms that they hold (JSON lines), to be held against the causes.
    #[arg(long, value_name = "F", conflicts_with = "episodes")]
    orders: Option<PathBuf>,
    /// How long behind a fault's end an episode still belongs to it, in readings of the series.
    #[arg(long, value_name = "N", default_value_t = 12)]
    tolerance: u32,
    /// The name of the judge in the tables.
    #[arg(long, value_name = "NAME", default_value = "yiwang")]
    name: String,
    /// What to print.
    #[arg(long, value_enum, default_value_t)]
    show: Show,
}

/// What of an outcome is printed, as markdown.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Show {
    /// Everything.
    #[default]
    Details,
    /// One row, without a header.
    Row,
    /// The header of such rows.
    Header,
    /// Recall over size, without a header.
    Sizes,
    /// The header of such rows.
    SizesHeader,
}

impl Judge {
    pub(crate) fn print(self) -> anyhow::Result<()> {
        let text = match (&self.orders, self.truth.as_slice()) {
            (None, _) => self.of_episodes()?,
            (Some(orders), [truth]) => {
                let (truth, orders) = (Truth::read(truth)?, judge::Order::read(orders)?);
                judge::group(&truth, &orders, &self.table_of_kinds()?, self.tolerance).table()
            }
            (Some(_), truths) => anyhow::bail!("{} --truth with --orders; one is wanted", truths.len()),
        };
        print!("{text}");
        Ok(())
    }

    fn table_of_kinds(&self) -> anyhow::Result<Kinds> {
        self.kinds.as_deref().map_or_else(|| Ok(Kinds::default()), read_kinds)
    }

    fn of_episodes(&self) -> anyhow::Result<String> {
        anyhow::ensure!(
            self.truth.len() == self.episodes.len(),
            "{} --truth and {} --episodes; as many of both are wanted",
            self.truth.len(),
            self.episodes.len()
        );
        let kinds = self.table_of_kinds()?;
        let mut outcome = judge::Outcome::default();
        for (truth, episodes) in self.truth.iter().zip(&self.episodes) {
            let (truth, episodes) = (Truth::read(truth)?, Episode::read(episodes)?);
            outcome.add(judge::judge(&truth, episodes, &kinds, self.tolerance));
        }
        Ok(match self.show {
            Show::Details => judge::details(&self.name, &outcome),
            Show::Row => judge::overall(&self.name, &outcome),
            Show::Header => judge::OVERALL.to_owned(),
            Show::Sizes => judge::by_size(&self.name, &outcome),
            Show::SizesHeader => judge::sizes(&outcome),
        })
    }
}

fn read_kinds(path: &Path) -> anyhow::Result<Kinds> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
    Kinds::parse(&text).context(name)
}
