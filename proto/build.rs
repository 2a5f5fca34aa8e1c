//! Compiles the .proto files without a system protoc.

use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 3] = ["yiwang/v1/ingest.proto", "yiwang/v1/orders.proto", "yiwang/v1/log.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=yiwang");
    let set = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("yiwang.bin"), set.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".yiwang.v1.Columns.quality").compile_fds(set)?;
    Ok(())
}
