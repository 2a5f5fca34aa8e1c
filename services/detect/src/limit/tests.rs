//! Tests of the limit: every hour of eight Beijing stations against a naive oracle, and the edges by hand.
#![allow(clippy::unwrap_used)]

mod beijing;
