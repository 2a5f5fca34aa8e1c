//! The store against a model that keeps the last of each key.

mod city;
mod damage;
mod faults;
mod foreign;
mod model;
mod power;
mod stop;
