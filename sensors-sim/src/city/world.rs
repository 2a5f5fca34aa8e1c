//! The city as a function: what each series says at each time, with its faults.

use std::ops::Range;

use yiwang_model::Timestamp;

use super::Options;
use super::census::{Census, Member};
use super::fault::{Injected, Kind, Wrong, resolve};
use super::noise::Noise;

/// Everything that decides what is measured and said.
#[derive(Clone, Debug)]
pub(super) struct World {
    noise: Noise,
    census: Census,
    /// Sorted by member.
    faults: Vec<Injected>,
    /// The faults of each member.
    of_member: Vec<Range<usize>>,
}

/// What a sensor says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Said {
    /// Event time as the sensor has it.
    pub(super) time: Timestamp,
    /// In the metric's unit.
    pub(super) value: f64,
    /// How often it is sent.
    pub(super) times: usize,
}

impl World {
    /// The city of these options, whose faults count from `began`.
    pub(super) fn new(options: &Options, began: Timestamp) -> Result<Self, Vec<Wrong>> {
        let noise = Noise::new(options.seed);
        let census = Census::of(&options.catalogue, noise);
        let faults = resolve(&options.faults, &census, began)?;
        let range = |member| {
            let begin = faults.partition_point(|fault| fault.member < member);
            begin..faults.partition_point(|fault| fault.member <= member)
        };
        let of_member = (0..census.members.len()).map(range).collect();
        Ok(Self { noise, census, faults, of_member })
    }

    pub(super) fn noise(&self) -> Noise {
        self.noise
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.census.members
    }

    pub(super) fn census(&self) -> &Census {
        &self.census
    }

    /// All faults, sorted by member.
    pub(super) fn faults(&self) -> &[Injected] {
        &self.faults
    }

    fn faults_of(&self, member: usize) -> &[Injected] {
        &self.faults[self.of_member[member].clone()]
    }

    /// What a sensor or a project says at an event time; `None` when it is silent.
    pub(super) fn say(&self, member: usize, at: Timestamp) -> Option<Said> {
        let own = &self.census.members[member];
        let mut said = Said { time: at, value: own.value(self.noise, at), times: 1 };
        for fault in self.faults_of(member) {
            said.value = fault.bend(own, self.noise, at, said.value);
            match fault.kind {
                _ if !fault.is_active(at) => {}
                Kind::Silence | Kind::GatewaySilence => return None,
                // seconds of a plan
                Kind::ClockSkew => {
                    said.time = Timestamp(at.nanos().saturating_add((fault.size * 1e9) as i64))
                }
                Kind::Duplicate => said.times = 2,
                _ => {}
            }
        }
        said.value = own.shown(said.value);
        Some(said)
    }

    /// Whether a reading of this event time is held back, now.
    pub(super) fn is_held(&self, member: usize, at: Timestamp, now: Timestamp) -> bool {
        self.bursts(member).any(|fault| fault.is_active(at) && now < fault.end)
    }

    /// The spans of event time that are held back until a moment after `from` and not after `to`.
    pub(super) fn released(
        &self,
        member: usize,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let of = move |fault: &&Injected| from < fault.end && fault.end <= to && fault.begin < from;
        self.bursts(member).filter(of).map(move |fault| (fault.begin, from))
    }

    fn bursts(&self, member: usize) -> impl Iterator<Item = &Injected> {
        self.faults_of(member).iter().filter(|fault| fault.kind == Kind::Burst)
    }
}
