#!/usr/bin/env bash
# What is too long for `make test`: 1,000 kills under load, the seeded runs that the ordinary tests shorten, and fuzzing by property
# tests with many cases. Prints LONG.md's table; takes most of two hours.
set -eu
cd "$(dirname "$0")/.."
commit=$(git rev-parse --short HEAD)
row() { # log, what, command…
    log=target/long-$1.log what=$2
    shift 2
    begin=$(date +%s)
    if "$@" >"$log" 2>&1; then outcome=passed; else outcome="FAILED, see $log"; fi
    echo "| $what | $outcome | $((($(date +%s) - begin + 30) / 60)) min | $(date -u +%F) | $commit |"
}
{
    echo "# What is too long for \`make test\`"
    echo
    echo "On $(nproc) cores."
    echo
    echo "| what | outcome | took | date | commit |"
    echo "|---|---|---|---|---|"
    row kills "kill -9 at random moments under load, 1,000 times" env YIWANG_KILLS=1000 cargo test --locked -p yiwang-tests kill_nine
    row loggers "kill -9 under loggers of HJ 212, 100 times" env YIWANG_LOGGER_KILLS=100 cargo test --locked -p yiwang-tests what_a_logger
    row brokers "kill -9 of the city, of Mosquitto and of both, 100 times" env YIWANG_BROKER_KILLS=100 cargo test --locked -p yiwang-tests what_a_broker_acknowledged
    row senml "kill -9 under SenML, 100 times" env YIWANG_SENML_KILLS=100 cargo test --locked -p yiwang-tests what_a_pack
    row sparkplug "kill -9 of the city and of an edge node of Sparkplug B, 100 times" env YIWANG_SPARKPLUG_KILLS=100 cargo test --locked -p yiwang-tests who_comes_back
    row imports "kill -9 of an import, of the city and of both, 100 times" env YIWANG_IMPORT_KILLS=100 cargo test --locked -p yiwang-tests what_was_killed_goes_on
    row cuts "1,000 power cuts of the series store" cargo test --locked -p yiwang-series -- --ignored
    row properties "property tests, 20,000 cases each" env PROPTEST_CASES=20000 cargo test --locked -p yiwang-proto -p yiwang-ingest -p yiwang-catalogue -p yiwang-log
    row fuzz "an hour of broken, hostile and cut packets of HJ 212" env YIWANG_FUZZ_SECONDS=3600 cargo test --locked -p yiwang-proto fuzz
} | tee LONG.md
! grep -q FAILED LONG.md
