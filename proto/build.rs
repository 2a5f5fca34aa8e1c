//! Compiles the .proto files without a system protoc.

use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 3] = ["yiwang/v1/ingest.proto", "yiwang/v1/orders.proto", "yiwang/v1/log.proto"];
/// What others speak; no service of ours, so not in the descriptors that reflection shows.
const FOREIGN: [&str; 1] = ["sparkplug/payload.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=yiwang");
    println!("cargo:rerun-if-changed=sparkplug");
    let set = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("yiwang.bin"), set.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".yiwang.v1.Columns.quality").compile_fds(set)?;
    tonic_prost_build::configure().compile_fds(protox::compile(FOREIGN, ["."])?)?;
    Ok(())
}
