//! InfluxQL, the language of InfluxDB 1.x: a text into a typed tree, a tree into answers from whatever keeps points.
//!
//! - [`ast`] is the tree.
//! - [`answer`] is what a statement gives: rows.
//! - [`store`] is what a query asks: databases with measurements, series, fields and points; whoever keeps points
//!   implements it. [`memory`] keeps them in maps, for tests and as the model that engines are held against.
//!
//! What an answer is follows InfluxDB 1.8; where its releases differ, the module that decides says so. Nothing here reads
//! a clock, a file or a socket: the time that `now()` gives is an input.

pub mod answer;
pub mod ast;
pub mod memory;
pub mod store;
