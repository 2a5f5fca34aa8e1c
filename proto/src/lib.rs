//! The wire and the log, as types: generated from the `.proto` files beside this crate, and the only conversions between
//! them and [`yiwang_model`].

pub mod authorization;
pub mod block;
mod convert;
pub mod hj212;
pub mod line;
pub mod topics;

/// Package `yiwang.v1`: what gateways and programs speak with the city.
#[expect(missing_docs, clippy::all, reason = "generated; documented in the .proto files")]
pub mod v1 {
    tonic::include_proto!("yiwang.v1");
}

/// Package `yiwang.log.v1`: what the log's bytes mean.
#[expect(missing_docs, reason = "generated; documented in the .proto files")]
pub mod log {
    tonic::include_proto!("yiwang.log.v1");
}

/// Package `sparkplug.b`: payloads of Sparkplug B.
#[expect(missing_docs, reason = "generated; documented in the .proto files")]
pub mod sparkplug {
    tonic::include_proto!("sparkplug.b");
}

/// The descriptors of all files of ours, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/yiwang.bin"));
