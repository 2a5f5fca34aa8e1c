#!/usr/bin/env bash
# Cities in which twenty causes make thousands of alarms: has them judged by `yiwang replay --orders` with the rule `cause`, and prints into
# how many orders the alarms went, of what, and whether the causes are named. docs/planted.md says what all of it means.
#
# SEEDS         which cities; 1 to 99 are for tuning, 101 and on for what is reported (101 102 103)
# SERIES, DAYS  how many series and days a city has (2000, 9); with 24000 about 10,000 are wrong at a time
# DETECTORS     the detectors and the rule (tests/planted/causes.toml)
# KEEP=folder   keeps all files there
set -eu
cd "$(dirname "$0")/.."
seeds=${SEEDS:-101 102 103} series=${SERIES:-2000} days=${DAYS:-9} detectors=${DETECTORS:-tests/planted/causes.toml}
profile=${PROFILE:-release}
bin=${CARGO_TARGET_DIR:-target}/$profile
[ "$profile" = debug ] || cargo build --release --locked --quiet -p yiwang -p sensors-sim
if [ -n "${KEEP-}" ]; then
    out=$KEEP
    mkdir -p "$out"
else
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
fi
echo "$(date -u +%F), commit $(git rev-parse --short HEAD); $series series, $days days; $detectors."
echo
header=
for seed in $seeds; do
    folder=$out/causes-$seed
    mkdir -p "$folder"
    "$bin/sensors-sim" plan --causes --seed "$seed" --series "$series" --days "$days" --out "$folder/drawn.csv"
    "$bin/sensors-sim" city --seed "$seed" --series "$series" --days "$days" --faults "$folder/drawn.csv" \
        --detectors "$detectors" --out "$folder"
    "$bin/yiwang" replay --workers 2 --orders --input "$folder/readings.csv" --catalogue "$folder/catalogue" >"$folder/orders.jsonl"
    table=$("$bin/sensors-sim" judge --truth "$folder/truth.csv" --orders "$folder/orders.jsonl" --kinds tests/planted/kinds.toml)
    [ -n "$header" ] || { header=yes && echo "$table" | sed -n '1s/^/| seed /p;2s/^/|---/p'; }
    echo "$table" | sed -n "3s/^/| $seed /p"
    [ -n "${KEEP-}" ] || rm -rf "$folder"
done
