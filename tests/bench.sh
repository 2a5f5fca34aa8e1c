#!/usr/bin/env bash
# Builds for release and prints the numbers of record; arguments pick benches by name.
set -eu
cargo build --release --locked -p yiwang -p sensors-sim
cargo build --release --locked -p yiwang-stream --example bench_stream
exec python3 tests/bench.py "${CARGO_TARGET_DIR:-target}/release" "$@"
