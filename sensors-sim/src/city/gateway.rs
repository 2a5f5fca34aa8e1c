//! A gateway: its series, its connection, what it sends and when.
//!
//! What is sent for a span of city time is a function of that span; a gateway remembers nothing but how far it came.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use yiwang_model::{Span, Timestamp};
use yiwang_proto::v1::SeriesKey;

use super::census::Nature;
use super::clock::CityClock;
use super::world::World;
use super::{BATCH, DRAIN, DRAIN_AT_STOP, Options, door_of};
use crate::door::{self, Acked, Address, Batch, OnAck, Sender};

/// How often a gateway looks what is due, in wall time.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The longest span of city time that is made at once.
const SLICE: Span = Span::HOUR;
/// The same for projects and figures.
const LONG_SLICE: Span = Span::DAY.times(92);
/// The end of the past of which sensors send every reading.
const FULL: Span = Span::HOUR;
/// How much of the past is left out, lest it grow too old on its way.
const SLACK: Span = Span::MINUTE.times(2);

/// A gateway of the city.
pub(super) struct Gateway {
    name: Arc<str>,
    world: Arc<World>,
    /// Its series: the place in the census; sorted, so those of a source stand together.
    members: Vec<usize>,
    /// Their names and units, in the same order.
    dictionary: Arc<Vec<SeriesKey>>,
    door: door::Options,
    clock: CityClock,
    backfill: Span,
    every: i64,
}

impl Gateway {
    /// All gateways, by name; the doors take turns.
    pub(super) fn all(world: &Arc<World>, options: &Options, doors: &[Address]) -> Vec<Self> {
        let names = world.census().gateways().into_iter();
        names.zip(doors.iter().cycle()).map(|(name, door)| Self::new(name, door, world, options)).collect()
    }

    fn new(name: Arc<str>, door: &Address, world: &Arc<World>, options: &Options) -> Self {
        let of = |(_, member): &(usize, &super::census::Member)| member.gateway == name;
        let members: Vec<usize> = world.members().iter().enumerate().filter(of).map(|(at, _)| at).collect();
        let dictionary = members.iter().map(|member| world.members()[*member].wire_key()).collect();
        Self {
            door: door_of(door, &name, options),
            world: world.clone(),
            dictionary: Arc::new(dictionary),
            clock: options.clock,
            backfill: options.backfill,
            every: i64::from(options.backfill_every.max(1)),
            members,
            name,
        }
    }

    /// Sends until `end`, then waits a little for what is not acknowledged; hardly at all after `stop`.
    pub(super) async fn run(self, end: CancellationToken, stop: CancellationToken) -> anyhow::Result<()> {
        let open =
            door::open(self.door.clone(), warn_of_refusals(self.name.clone()), CancellationToken::new());
        // When the door takes no more, it says why below.
        let _ = end.run_until_cancelled(self.send_all(&open.sender)).await;
        let bound = if stop.is_cancelled() { DRAIN_AT_STOP } else { DRAIN };
        let left = open.finish_within(bound).await?;
        tracing::info!(gateway = %self.name, unacknowledged = left, "gateway ends");
        Ok(())
    }

    async fn send_all(&self, to: &Sender) -> anyhow::Result<()> {
        let mut at = self.clock.now();
        self.send_past(at, to).await?;
        tracing::info!(gateway = %self.name, door = %self.door.address, "gateway is live");
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            let now = self.clock.now();
            while at < now {
                let next = now.min(at + SLICE);
                self.send(self.slice(at, next, 1, |_| true), to).await?;
                at = next;
            }
        }
    }

    /// Oldest first: projects and figures, then sensors.
    async fn send_past(&self, now: Timestamp, to: &Sender) -> anyhow::Result<()> {
        let mut at = now - self.longest_past();
        while at < now {
            let next = now.min(at + LONG_SLICE);
            self.send(self.slice(at, next, 1, |nature| !matches!(nature, Nature::Sensor)), to).await?;
            at = next;
        }
        at = now - self.backfill;
        while at < now {
            let next = now.min(at + SLICE);
            let every = if next <= now - FULL { self.every } else { 1 };
            self.send(self.slice(at, next, every, |nature| matches!(nature, Nature::Sensor)), to).await?;
            at = next;
        }
        Ok(())
    }

    fn longest_past(&self) -> Span {
        let slow = self.members.iter().map(|member| &self.world.members()[*member]);
        slow.filter(|member| !matches!(member.nature, Nature::Sensor))
            .map(|member| member.back)
            .max()
            .unwrap_or_default()
    }

    async fn send(&self, batches: Vec<Batch>, to: &Sender) -> anyhow::Result<()> {
        for batch in batches {
            to.send(batch, Instant::now()).await?;
        }
        Ok(())
    }

    /// What is sent for the city time from `from` to before `to`; of sensors each `every`-th reading.
    fn slice(&self, from: Timestamp, to: Timestamp, every: i64, of: impl Fn(&Nature) -> bool) -> Vec<Batch> {
        let mut packer = Packer::new(self);
        for (place, member) in (0u32..).zip(&self.members) {
            let own = &self.world.members()[*member];
            packer.turn_to(own.series.source());
            match &own.nature {
                nature if !of(nature) => {}
                Nature::Figure(figure) => self.add_figures(figure, place, *member, (from, to), &mut packer),
                Nature::Project(course) => {
                    self.add_slots(place, *member, (from.max(course.begin()), to), 1, to, &mut packer);
                }
                Nature::Sensor => {
                    for (held_from, held_to) in self.world.released(*member, from, to) {
                        self.add_slots(place, *member, (held_from, held_to), 1, to, &mut packer);
                    }
                    self.add_slots(place, *member, (from, to), every, to, &mut packer);
                }
            }
        }
        packer.finish()
    }

    fn add_slots(
        &self,
        place: u32,
        member: usize,
        (from, to): (Timestamp, Timestamp),
        every: i64,
        now: Timestamp,
        packer: &mut Packer,
    ) {
        let own = &self.world.members()[member];
        let from = from.max(self.oldest(now, own.back));
        for slot in own.slot_from(from)..own.slot_from(to) {
            let at = own.time_of(slot);
            if slot.rem_euclid(every) != 0 || self.world.is_held(member, at, now) {
                continue;
            }
            let Some(said) = self.world.say(member, at) else { continue };
            for _ in 0..said.times {
                packer.add(|batch| batch.push(place, said.time.nanos(), said.value));
            }
        }
    }

    /// The oldest event time that the city still takes, when it is asked at `at` or now, whichever is later.
    fn oldest(&self, at: Timestamp, back: Span) -> Timestamp {
        at.max(self.clock.now()) - back + SLACK
    }

    fn add_figures(
        &self,
        figure: &super::economy::Figure,
        place: u32,
        member: usize,
        (from, to): (Timestamp, Timestamp),
        packer: &mut Packer,
    ) {
        let own = &self.world.members()[member];
        for print in figure.prints(from, to) {
            if print.begin < self.oldest(to, own.back) {
                continue;
            }
            let value = own.shown(figure.value(self.world.noise(), print.begin, print.revised));
            let (end, vintage) = (Some(print.end.nanos()), Some(print.vintage.nanos()));
            packer.add(|batch| batch.push_whole(place, print.begin.nanos(), value, 0, end, vintage));
        }
    }
}

/// Fills batches: of many series over gRPC, of one source over MQTT.
struct Packer {
    dictionary: Arc<Vec<SeriesKey>>,
    by_source: bool,
    source: Option<Arc<str>>,
    filling: Batch,
    full: Vec<Batch>,
}

impl Packer {
    fn new(gateway: &Gateway) -> Self {
        Self {
            dictionary: gateway.dictionary.clone(),
            by_source: matches!(gateway.door.address, Address::Mqtt(_)),
            source: None,
            filling: Batch::of(&gateway.dictionary),
            full: Vec::new(),
        }
    }

    fn turn_to(&mut self, source: &Arc<str>) {
        if self.by_source && self.source.as_ref() != Some(source) {
            self.cut();
            self.source = Some(source.clone());
        }
    }

    fn add(&mut self, push: impl FnOnce(&mut Batch)) {
        push(&mut self.filling);
        let most = if self.by_source { BATCH.1 } else { BATCH.0 };
        if self.filling.len() >= most {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if !self.filling.is_empty() {
            self.full.push(std::mem::replace(&mut self.filling, Batch::of(&self.dictionary)));
        }
    }

    fn finish(mut self) -> Vec<Batch> {
        self.cut();
        self.full
    }
}

fn warn_of_refusals(gateway: Arc<str>) -> OnAck {
    Box::new(move |acked: &Acked<'_>| {
        let refused = acked.refused.len() as u64 + acked.unnamed;
        if refused > 0 {
            let why = acked.refused.first().map_or("", |refused| &refused.why);
            tracing::warn!(%gateway, refused, why, "readings refused");
        }
    })
}

#[cfg(test)]
mod tests;
