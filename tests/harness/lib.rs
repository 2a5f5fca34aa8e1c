//! What the stories share: real processes, started in folders of their own, killed for real.
//!
//! - [`programs`] builds `yiwang` and `sensors-sim` once, in the profile and target folder of the test run.
//! - [`city`] starts, stops and kills a city; a dropped one is killed, its folder goes with it.
//! - [`sim`] runs `sensors-sim` beside it, [`gateway`] and [`mqtt`] are small clients for what the simulator never does.
//! - [`orders`] asks a city for its orders and makes episodes that can be compared, [`books`] runs `yiwang reconcile`.
//! - [`tmpfs`] mounts a small disk, to be filled.
//! - [`victoria`] runs a foreign series store, [`mosquitto`] a foreign broker, [`alertmanager`] a foreign sender of alerts.
//! - [`wait`] waits for conditions. Nothing here waits for a duration, and nothing asserts one.
//!
//! Every city listens on a loopback address of its own, so that it can come back to the same ports after a kill.

use std::io::Write as _;

pub mod alertmanager;
pub mod books;
pub mod city;
pub mod feed;
pub mod gateway;
pub mod http;
pub mod import;
pub mod mosquitto;
pub mod mqtt;
pub mod orders;
pub mod programs;
pub mod sim;
pub mod tmpfs;
pub mod victoria;
pub mod wait;

/// Says in one line why a story is not told on this machine. The line goes past the test run, which shows what a test
/// prints only when it fails.
pub fn skip(story: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {story}: {why}");
}
