//! An hour of the small city of `city.toml`: the same readings for the same seed, with episodes of every kind.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Quality, Row, Series, Span, Timestamp, Vintage};

/// The catalogue's text.
pub(super) const TEXT: &str = include_str!("city.toml");
/// The same city with the rule that groups alarms by cause, and what the stations hang on.
pub(super) fn with_causes() -> String {
    let gateways = ["east", "west", "office"];
    let mut text = TEXT.replace("name = \"gateway-silent\"", "name = \"cause\"");
    text = text.replace("kind = \"gateway_silent\"", "kind = \"cause\"\nspread = \"2m\"");
    for gateway in gateways {
        let id = format!("[[gateway]]\nid = \"{gateway}\"");
        text = text.replace(&id, &format!("{id}\nbroker = \"broker\""));
    }
    for (station, also, power, maker) in
        [("e-1", "", "p-1", "m-1"), ("e-2", "", "p-1", "m-2"), ("w-1", "also = [\"east\"]\n", "p-2", "m-1")]
    {
        let id = format!("[[station]]\nid = \"{station}\"");
        text = text.replace(&id, &format!("{id}\n{also}power = \"{power}\"\nmaker = \"{maker}\""));
    }
    text
}

/// The partitions of topic `readings`.
pub(super) const PARTITIONS: u16 = 4;

/// When the hour begins: 2026-03-10T00:00:00Z.
const BEGIN_SECS: i64 = 1_773_100_800;

/// A reading as it reaches the city.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// Seconds into the hour.
    pub(super) at: i64,
    pub(super) series: Series,
    pub(super) row: Row,
}

pub(super) fn catalogue() -> Catalogue {
    Catalogue::parse(&[("city.toml", TEXT)]).unwrap()
}

/// The moment so many seconds into the hour.
pub(super) fn moment(second: i64) -> Timestamp {
    Timestamp::from_secs(BEGIN_SECS + second)
}

/// So many seconds of the city, in the order of arrival; each reading with quirks of its sender on top.
pub(super) fn readings(seed: u64, seconds: i64) -> Vec<Arrival> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Vec::new();
    for series in catalogue().series() {
        let phase = dice.random_range(0..5);
        let mut sender = Sender::new(series, &mut dice);
        for second in (phase..seconds).step_by(sender.step()) {
            sender.send(second, &mut dice, &mut all);
        }
    }
    all.retain(|arrival| arrival.at < seconds);
    all.sort_by_key(|arrival| arrival.at);
    all
}

/// When all of a gateway is silent.
fn silences(gateway: char) -> &'static [(i64, i64)] {
    match gateway {
        'e' => &[(1_200, 1_500), (2_700, 2_900)],
        'w' => &[(2_200, 2_420)],
        _ => &[],
    }
}

/// One meter and its gateway's habits.
struct Sender {
    series: Series,
    level: f64,
    /// Seconds in which something is wrong, and what.
    faults: Vec<(i64, i64, Fault)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    High,
    Jump,
    Stuck,
    Silent,
}

impl Sender {
    fn new(series: Series, dice: &mut ChaCha8Rng) -> Self {
        let mut faults = Vec::new();
        let mut at = dice.random_range(100..500);
        while at < 3_600 {
            let kind = [Fault::High, Fault::Jump, Fault::Stuck, Fault::Silent][dice.random_range(0..4)];
            let lasts = if kind == Fault::Jump { 10 } else { dice.random_range(80..240) };
            // A series that falls silent shortly before its gateway does is one silence or two, as the ticks fall.
            let gateway = series.source().chars().next().unwrap();
            let near = silences(gateway).iter().any(|(from, to)| at < to + 100 && from - 200 < at + lasts);
            faults.push((at, at + lasts, if near { Fault::High } else { kind }));
            at += lasts + dice.random_range(100..700);
        }
        Self { series, level: 50.0, faults }
    }

    /// Seconds between two readings.
    fn step(&self) -> usize {
        match self.series.metric().as_ref() {
            "dust" => 10,
            "noise" => 5,
            _ => 60,
        }
    }

    fn send(&mut self, second: i64, dice: &mut ChaCha8Rng, out: &mut Vec<Arrival>) {
        let gateway = self.series.source().chars().next().unwrap();
        let lost = silences(gateway).iter().any(|(from, to)| (*from..*to).contains(&second));
        let fault =
            self.faults.iter().find(|(from, to, _)| (*from..*to).contains(&second)).map(|fault| fault.2);
        let value = self.value(fault, dice);
        if lost || fault == Some(Fault::Silent) {
            return;
        }
        let quality = if dice.random_bool(0.02) { Quality::Suspect } else { Quality::Good };
        let late = if dice.random_bool(0.03) { dice.random_range(1..9) } else { 0 };
        let first = self.arrival(second, second + late, value, quality);
        if dice.random_bool(0.04) {
            out.push(Arrival { at: first.at + dice.random_range(0..20), ..first.clone() });
        }
        if dice.random_bool(0.02) {
            let row = Row { value: value + dice.random_range(-20.0..120.0), ..first.row };
            out.push(Arrival { at: first.at + dice.random_range(1..20), row, ..first.clone() });
        }
        self.revise(&first, dice, out);
        out.push(first);
    }

    /// A statistics office says the same figure again, under a later vintage.
    fn revise(&self, first: &Arrival, dice: &mut ChaCha8Rng, out: &mut Vec<Arrival>) {
        if self.series.metric().as_ref() == "growth" {
            let at = first.at + dice.random_range(30..90);
            let vintage = Vintage(Some(moment(at)));
            let row = Row { vintage, value: first.row.value - 3.0, ..first.row };
            out.push(Arrival { at, row, ..first.clone() });
        }
    }

    fn value(&mut self, fault: Option<Fault>, dice: &mut ChaCha8Rng) -> f64 {
        if fault != Some(Fault::Stuck) {
            self.level = (self.level + dice.random_range(-2.0..2.0)).clamp(30.0, 70.0);
        }
        let calm = match self.series.metric().as_ref() {
            "progress" => 45.0 + (self.level - 50.0) / 4.0,
            "growth" => (self.level - 50.0) / 5.0,
            _ => self.level,
        };
        match fault {
            Some(Fault::High) if self.series.metric().as_ref() == "growth" => -4.0,
            Some(Fault::High) if self.step() < 60 => calm + 115.0,
            Some(Fault::Jump) if self.step() < 60 => calm + 90.0,
            _ => (calm * 16.0).round() / 16.0,
        }
    }

    fn arrival(&self, second: i64, at: i64, value: f64, quality: Quality) -> Arrival {
        let growth = self.series.metric().as_ref() == "growth";
        let row = Row {
            series: self.series.id(),
            time: moment(second),
            value,
            quality,
            period_end: growth.then(|| moment(second) + Span::MINUTE),
            vintage: Vintage(growth.then(|| moment(second))),
        };
        Arrival { at, series: self.series.clone(), row }
    }
}
