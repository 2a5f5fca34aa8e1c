//! Twenty causes.

use anyhow::anyhow;
use rand::Rng;
use rand::seq::IndexedRandom;
use yiwang_catalogue::StationKind;
use yiwang_model::Span;

use super::{Drawing, Kind, Line, Options, PERIOD, Plan, WARM_UP, When};
use crate::planted::catalogue::gateway;
use crate::planted::survey::{MAKERS, Place};

/// How many of each kind there are.
const CAUSES: [(Kind, usize); 6] = [
    (Kind::Gateway, 6),
    (Kind::Power, 4),
    (Kind::Broker, 2),
    (Kind::Weather, 3),
    (Kind::Maker, 2),
    (Kind::Plume, 3),
];
/// How far apart the begins of those that overlap are at most, in steps of ten minutes.
const TOGETHER: u32 = 6;

/// Draws twenty causes.
///
/// # Errors
/// The city is too small or too short for them.
pub fn causes(options: &Options) -> anyhow::Result<Plan> {
    let mut drawing = Drawing::new(options)?;
    let pair = drawing.pair()?;
    let storm = drawing.moment();
    for (kind, _) in CAUSES {
        let begin = Span(storm.0 + PERIOD.0 * i64::from(drawing.dice.random_range(0..TOGETHER)));
        let target = drawing.target_near(kind, &pair)?;
        drawing.cause(kind, target, begin);
    }
    // Its other gateway, while the first is still down, when the storm is over.
    let later = drawing.moment();
    for (at, own) in pair.gateways.iter().enumerate() {
        drawing.cause(Kind::Gateway, gateway(*own), Span(later.0 + PERIOD.0 * 3 * at as i64));
    }
    for (kind, count) in CAUSES {
        let done = drawing.plan.lines.iter().filter(|line| line.kind == kind).count();
        for _ in done..count {
            let (target, begin) = (drawing.anywhere(kind)?, drawing.moment());
            drawing.cause(kind, target, begin);
        }
    }
    Ok(drawing.finish())
}

impl Drawing<'_> {
    fn cause(&mut self, kind: Kind, target: String, begin: Span) {
        let (readings, size) = kind.scaled(1.0);
        self.plan.lines.push(Line { line: 0, kind, target, begin: When::After(begin), readings, size });
    }

    /// A station that two gateways serve.
    fn pair(&mut self) -> anyhow::Result<Place> {
        let pairs: Vec<&Place> =
            self.survey.places.iter().filter(|place| place.gateways.len() == 2).collect();
        let chosen = pairs.choose(&mut self.dice).copied().cloned();
        chosen.ok_or_else(|| anyhow!("no station has two gateways; wanted are more series"))
    }

    /// A moment behind the warm-up that leaves room for any cause.
    fn moment(&mut self) -> Span {
        let last = Span::DAY.times(self.options.days.into()).0 - Span::HOUR.times(10).0;
        Span(PERIOD.0 * self.dice.random_range((WARM_UP.0 + Span::HOUR.0) / PERIOD.0..=last / PERIOD.0))
    }

    /// For the causes that overlap: the first gateway of the station, and a plume in its region.
    fn target_near(&mut self, kind: Kind, station: &Place) -> anyhow::Result<String> {
        match kind {
            Kind::Gateway => Ok(gateway(station.gateways[0])),
            Kind::Plume => {
                let near = |place: &&Place| place.kind == StationKind::Air && place.region == station.region;
                let air: Vec<&Place> = self.survey.places.iter().filter(near).collect();
                let place = air.choose(&mut self.dice).ok_or_else(|| anyhow!("the region has no air"))?;
                Ok(place.id.to_string())
            }
            _ => self.anywhere(kind),
        }
    }

    fn anywhere(&mut self, kind: Kind) -> anyhow::Result<String> {
        let (gateways, powers, brokers) =
            (self.survey.gateways, 4 * self.survey.regions, self.survey.brokers());
        Ok(match kind {
            Kind::Gateway => gateway(self.dice.random_range(0..gateways)),
            Kind::Power => format!("power-{:03}", self.dice.random_range(0..powers)),
            Kind::Broker => format!("broker-{}", self.dice.random_range(0..brokers)),
            Kind::Maker => format!("maker-{}", self.dice.random_range(0..MAKERS)),
            _ => self.somewhere(kind)?,
        })
    }
}
