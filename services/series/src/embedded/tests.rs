//! The store against a model that keeps the last of each key.
#![allow(clippy::unwrap_used)]

mod city;
mod damage;
mod faults;
mod foreign;
mod model;
mod power;
