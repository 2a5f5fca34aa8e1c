//! The stories: the promises of this house, told against real processes.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of a story are part of its test, and panic where they stand"
)]
mod alerts;
mod bad_input;
mod bad_start;
mod beijing;
mod broker;
mod catalogue_change;
mod clocks;
mod credentials;
mod disk_full;
mod disk_full_parts;
mod explain;
mod first_light;
mod flood;
mod foreign;
mod hj212;
mod import;
mod kill_nine;
mod late;
mod openapi;
mod quiet;
mod readable;
mod reconcile;
mod registry;
mod reload;
mod repeats;
mod restart;
mod senml;
mod silence;
mod sparkplug;
mod store_elsewhere;
mod strace;
mod truth;
mod watch;
mod webhooks;
