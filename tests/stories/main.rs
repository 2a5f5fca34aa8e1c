//! The stories: the promises of this house, told against real processes.

#![allow(clippy::unwrap_used)] // a test that cannot go on is to panic where it stands
#![allow(missing_docs)] // each story opens with what it shows

mod bad_input;
mod beijing;
mod catalogue_change;
mod disk_full;
mod disk_full_parts;
mod flood;
mod foreign;
mod kill_nine;
mod reconcile;
mod repeats;
mod restart;
mod silence;
mod strace;
