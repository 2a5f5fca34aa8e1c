//! A believable city that sends to the open doors: gRPC and MQTT over TCP, like any sensor.
//!
//! - [`city`]: a seeded, repeatable city with daily rhythms, weather, noise, projects and figures, and with faults on
//!   request. A value is a pure function of (seed, series, event time).
//! - [`load`]: a generator for benches and kill tests.
//! - [`replay`]: real input, merged by event time.
//! - [`door`]: what all three send through. A [`door::Batch`] is kept until it is acknowledged, sent again after every
//!   lost connection with the same event times and values, and told of exactly once.
//! - [`planted`]: a city offline, written to files with faults whose truth is known, and the scorer of whatever judges it.
//! - [`acked`]: the file of acknowledgements, a witness that stands outside the city.
//!
//! Every queue is bounded: whoever makes readings waits until there is room; nothing is dropped.

#![warn(missing_docs)]

pub mod acked;
pub mod city;
pub mod door;
pub mod load;
pub mod planted;
pub mod replay;

#[cfg(test)]
mod fake;
