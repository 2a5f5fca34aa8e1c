//! The bench's city and its readings: as many series as are wanted, four a source, that speak in turn, a second apart.

use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_model::{Quality, Row, Series, SeriesId, Span, Timestamp, Vintage};
use yiwang_proto::block::Builder;
use yiwang_proto::log::Tick;
use yiwang_stream::dataflow::Message;
use yiwang_stream::directory::Directory;
use yiwang_stream::item::Save;

pub(crate) const PARTITIONS: u16 = 4;
/// Readings of one tick, in all partitions.
pub(crate) const ROWS_A_TICK: usize = 100_000;
const METRICS: [&str; 4] = ["m0", "m1", "m2", "m3"];
/// One series of so many is above its limit once in so many rounds.
const LOUD: (u64, u64) = (997, 5);

/// The city with one of the sets of detectors.
pub(crate) fn catalogue(set: &str, lateness: &str) -> Catalogue {
    let set = match set {
        "least" => include_str!("least.toml"),
        "ewma" => include_str!("ewma.toml"),
        "basic" => include_str!("basic.toml"),
        "full" => include_str!("full.toml"),
        other => panic!("\"{other}\" is no set: least, ewma, basic, full"),
    };
    let city = include_str!("city.toml").replace("\"0s\"", &format!("\"{lateness}\""));
    Catalogue::parse(&[("city.toml", city.as_str()), ("set.toml", set)])
        .unwrap_or_else(|faults| panic!("{}", faults[0]))
}

/// Who speaks next.
pub(crate) struct City {
    by_partition: Vec<Partition>,
    epoch: u64,
    /// A series that sends half of all readings: it and how often it spoke.
    hot: Option<(Series, u64)>,
}

#[derive(Default)]
struct Partition {
    series: Vec<SeriesId>,
    builder: Builder,
    /// Who spoke last, and how often all have spoken.
    place: usize,
    round: u64,
    offset: u64,
}

impl City {
    pub(crate) fn new(count: usize, skewed: bool, directory: &Directory) -> Self {
        let mut by_partition: Vec<Partition> = (0..PARTITIONS).map(|_| Partition::default()).collect();
        let metrics = METRICS.map(Arc::<str>::from);
        let mut source: Arc<str> = "".into();
        for number in 0..count {
            if number % METRICS.len() == 0 {
                source = format!("bench-{}", number / METRICS.len()).into();
            }
            let metric = Arc::clone(&metrics[number % METRICS.len()]);
            let series = Series::new(Arc::clone(&source), metric).expect("a good name");
            by_partition[usize::from(series.partition(PARTITIONS))].series.push(series.id());
            directory.name(series);
        }
        let hot = skewed.then(|| (Series::new("bench-hot", "m0").expect("a good name"), 0));
        hot.iter().for_each(|(series, _)| directory.name(series.clone()));
        Self { by_partition, epoch: 0, hot }
    }

    /// What the bench itself holds of a series.
    pub(crate) fn bytes(&self) -> u64 {
        let held = |partition: &Partition| partition.series.capacity() * size_of::<SeriesId>();
        self.by_partition.iter().map(held).sum::<usize>() as u64
    }

    /// The records of the next epoch, of so many readings: in each partition a block, and the tick.
    pub(crate) fn epoch(&mut self, rows: usize, save: Save) -> Vec<Message> {
        self.epoch += 1;
        let hot = if self.hot.is_some() { rows / 2 } else { 0 };
        let rows = rows - hot;
        let (all, number) = (self.by_partition.iter().map(|own| own.series.len()).sum::<usize>(), self.epoch);
        let mut given = 0;
        let mut until = 0;
        let mut messages = Vec::new();
        for (partition, own) in (0_u16..).zip(&mut self.by_partition) {
            until += own.series.len();
            let own_rows = rows * until / all - given;
            given += own_rows;
            own.speak(own_rows);
            if let Some((series, spoke)) =
                self.hot.as_mut().filter(|(series, _)| series.partition(PARTITIONS) == partition)
            {
                own.hear(series.id(), *spoke..*spoke + hot as u64);
                *spoke += hot as u64;
            }
            messages.extend(own.end(partition, number, save));
        }
        messages
    }
}

impl Partition {
    /// So many readings of its series in turn.
    fn speak(&mut self, rows: usize) {
        for _ in 0..rows {
            let row = row(self.series[self.place], self.round);
            self.builder.push(u32::try_from(self.place).expect("few series"), &row);
            self.place += 1;
            if self.place == self.series.len() {
                (self.place, self.round) = (0, self.round + 1);
            }
        }
    }

    /// The readings of one series, ten microseconds apart.
    fn hear(&mut self, series: SeriesId, times: std::ops::Range<u64>) {
        let dense = u32::try_from(self.series.len()).expect("few series");
        for spoke in times {
            let time = time(0) + Span(10_000).times(spoke as i64);
            self.builder.push(dense, &Row { time, ..row(series, spoke) });
        }
    }

    /// The records of an epoch.
    fn end(&mut self, partition: u16, number: u64, save: Save) -> [Message; 2] {
        let offset = self.offset;
        self.offset += 2;
        let city_nanos = Some(time(self.round).nanos());
        let tick = Tick { number, city_nanos, catalogue_revision: 1, ..Tick::default() };
        [
            Message::Block { partition, offset, block: self.builder.take() },
            Message::Tick { partition, offset: offset + 1, tick, save },
        ]
    }
}

fn row(series: SeriesId, round: u64) -> Row {
    let dice = series.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(round.wrapping_mul(104_729 * 7_919));
    let noise = ((dice ^ dice >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) % 1_000;
    let is_loud = series.0.is_multiple_of(LOUD.0) && round.is_multiple_of(LOUD.1);
    Row {
        series,
        time: time(round),
        value: if is_loud { 150.0 } else { 20.0 } + noise as f64 / 100.0,
        quality: Quality::Good,
        period_end: None,
        vintage: Vintage(None),
    }
}

/// When a round is spoken.
fn time(round: u64) -> Timestamp {
    Timestamp::from_secs(1_773_100_800) + Span::SECOND.times(round as i64)
}
