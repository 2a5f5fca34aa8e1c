//! What the HJ 212 door counts.

use std::sync::atomic::AtomicBool;

use yiwang_proto::hj212::{Fault, Leniencies, Leniency, command};

use super::closed::Closed;
use super::desk::NotDone;
use crate::counters::Counter;

/// The classes of packets, in the order of their counters.
const CLASSES: [&str; 9] =
    ["real_time", "minutes", "hour", "day", "state", "heartbeat", "time_question", "answer", "other"];

/// Counts since the process began.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections ever.
    pub connections: Counter,
    /// Answers written.
    pub answers: Counter,
    /// How often a socket did not take at once what was written.
    pub answers_waited: Counter,
    /// Values that packets had beside those that become readings: extremes, converted values, sums.
    pub values_beside: Counter,
    /// Packets marked as sent again (`RF=1`).
    pub resent: Counter,
    /// Split packets of which all parts came.
    pub whole: Counter,
    /// Split packets of which a part was missing when they were given up.
    pub torn: Counter,
    /// Answers of loggers that belong to no open request, came twice, or cannot be read.
    pub unasked: Counter,
    /// Whether the last connection could not be accepted.
    pub cannot_accept: AtomicBool,
    closed: [Counter; Closed::ALL.len()],
    packets: [Counter; CLASSES.len()],
    leniencies: [Counter; Leniency::ALL.len()],
    faults: [Counter; Fault::WORDS.len()],
    commands: [Counter; NotDone::WORDS.len()],
}

impl Counts {
    pub(super) fn closed(&self, why: Closed) {
        self.closed[why as usize].add(1);
    }

    pub(super) fn packet(&self, cn: u16) {
        let class = match cn {
            command::REAL_TIME => 0,
            command::MINUTES => 1,
            command::HOUR => 2,
            command::DAY => 3,
            command::STATE | command::DAY_RUNNING | command::POWER_ON => 4,
            command::HEARTBEAT => 5,
            command::ASK_TIME => 6,
            command::ACCEPTED..=command::DATA_ACK | command::GET_TIME | command::GET_INTERVAL => 7,
            _ => 8,
        };
        self.packets[class].add(1);
    }

    pub(super) fn leniencies(&self, shown: Leniencies) {
        shown.iter().for_each(|leniency| self.leniencies[leniency as usize].add(1));
    }

    pub(super) fn fault(&self, fault: &Fault) {
        self.faults[fault.number()].add(1);
    }

    pub(super) fn command(&self, outcome: Result<(), NotDone>) {
        self.commands[NotDone::number(outcome)].add(1);
    }

    /// Commands to loggers, as (how they ended, count).
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NotDone::WORDS.into_iter().zip(self.commands.iter().map(Counter::get))
    }

    /// Connections that ended, as (why, count).
    pub fn closings(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Closed::ALL.iter().map(|closed| closed.word()).zip(self.closed.iter().map(Counter::get))
    }

    /// Packets understood, as (class, count).
    pub fn packets(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        CLASSES.into_iter().zip(self.packets.iter().map(Counter::get))
    }

    /// Habits of loggers that were let pass, as (name, packets).
    pub fn lenient(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Leniency::ALL.iter().map(|leniency| leniency.word()).zip(self.leniencies.iter().map(Counter::get))
    }

    /// Packets, or what stood in their place, that were refused, as (why, count).
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Fault::WORDS.into_iter().zip(self.faults.iter().map(Counter::get))
    }
}
