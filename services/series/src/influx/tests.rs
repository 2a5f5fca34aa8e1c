//! Lines that any reader takes, answers of every kind, and a store that misbehaves in all the ways it can.

#![allow(clippy::unwrap_used)]

mod fake;
mod lines;
mod odd;
mod verdict;
