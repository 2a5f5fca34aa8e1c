#!/usr/bin/env bash
# The Numenta Anomaly Benchmark: scores its files by `yiwang score`, and prints the table of DETECTION.md. With `fold`, also how
# much of it is fitted (some minutes).
set -eu
cd "$(dirname "$0")/.."
corpus=../shared/data/nab scorer=../shared/tools/nab_score.py
if [ ! -f $scorer ]; then
    echo "skipped: there is no ../shared beside the checkout, which has the corpus and its scorer"
    exit 0
fi
cargo build --release --locked --quiet -p yiwang
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
began=$(date +%s%N)
"${CARGO_TARGET_DIR:-target}/release/yiwang" score --input $corpus/data --output "$out"
took=$((($(date +%s%N) - began) / 1000000))
row() { # name, folder, further flags of the scorer…
    name=$1 folder=$2
    shift 2
    scores=$(python3 $scorer "$folder" "$@" | tail -1 | sed 's/[a-zA-Z_]*=//g; s, , / ,g')
    echo "| $name | $scores |"
}
echo "$(date -u +%F), commit $(git rev-parse --short HEAD); standard / low FP / low FN; the whole corpus took $took ms."
echo
echo "| detector | scores |"
echo "|---|---|"
row "**yiwang**" "$out"
row "**yiwang**, at the one threshold of 0.5" "$out" --threshold 0.5
python3 - $corpus/results/final_results.json <<'PYTHON'
import json, sys

published = json.load(open(sys.argv[1]))
profiles = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")
for name, scores in sorted(published.items(), key=lambda entry: -entry[1]["standard"]):
    print(f"| {name} | {' / '.join(f'{scores[profile]:.2f}' for profile in profiles)} |")
PYTHON
if [ "${1-}" = fold ]; then
    cargo run --release --locked --quiet -p yiwang-detect --example nab -- $corpus fold
    cargo run --release --locked --quiet -p yiwang-detect --example nab -- $corpus shake
fi
