#!/usr/bin/env bash
# The planted cities: makes plans by dice, writes cities with them, has them judged by `yiwang replay`, and prints how well; beside it
# three textbook methods on the same readings. docs/planted.md says what all of it means.
#
# SEEDS       which cities; 1 to 99 are for tuning, 101 and on for what is reported (101 102 103)
# SERIES, DAYS, EACH   how many series, days, and faults of each kind in a city (2000, 30, 40)
# DETECTORS, DETECTORS_OF_AIR, KINDS
#                      the detectors, those of the real air, and what their names stand for (in tests/planted)
# BASELINES=no         leaves the textbook methods out
# SIZES=no             leaves recall over size out
# REAL=no              leaves out the real air of Beijing, with faults planted by the first of the seeds
# KEEP=folder          keeps all files there
set -eu
cd "$(dirname "$0")/.."
seeds=${SEEDS:-101 102 103} series=${SERIES:-2000} days=${DAYS:-30} each=${EACH:-40}
detectors=${DETECTORS:-tests/planted/detectors.toml} detectors_of_air=${DETECTORS_OF_AIR:-tests/planted/detectors-air.toml} kinds=${KINDS:-tests/planted/kinds.toml}
bin=${CARGO_TARGET_DIR:-target}/release
cargo build --release --locked --quiet -p yiwang -p sensors-sim
if [ -n "${KEEP-}" ]; then
    out=$KEEP
    mkdir -p "$out"
else
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
fi

forest=${CARGO_TARGET_DIR:-target}/tools/forest
has_forest() {
    [ "${BASELINES-}" != no ] || return 1
    wanted=$(cksum <tests/planted/requirements.txt)
    [ "$(cat "$forest/installed" 2>/dev/null)" = "$wanted" ] && return
    { python3 -m venv "$forest" &&
        "$forest/bin/pip" install --quiet --disable-pip-version-check -r tests/planted/requirements.txt &&
        echo "$wanted" >"$forest/installed"; } >/dev/null 2>&1 && return
    echo "skipped: the isolation forest, since scikit-learn cannot be had" >&2
    return 1
}
seconds() { echo $((($(date +%s%N) - $1) / 1000000000)); }

# One city: name of its folder, seed, factors of its faults.
city() {
    folder=$out/$1
    mkdir -p "$folder"
    "$bin/sensors-sim" plan --seed "$2" --series "$series" --days "$days" --each "$each" --factor "$3" --out "$folder/drawn.csv"
    began=$(date +%s%N)
    "$bin/sensors-sim" city --seed "$2" --series "$series" --days "$days" --faults "$folder/drawn.csv" \
        --detectors "$detectors" --out "$folder"
    made=$(seconds "$began")
    began=$(date +%s%N)
    "$bin/yiwang" replay --workers 2 --input "$folder/readings.csv" --catalogue "$folder/catalogue" >"$folder/yiwang.jsonl"
    echo "$1: $(($(wc -l <"$folder/readings.csv") - 1)) readings made in $made s, judged in $(seconds "$began") s" >&2
}
# Real air: its seed.
real() {
    folder=$out/real
    mkdir -p "$folder"
    inputs=()
    for one in ../shared/data/beijing-air/*.csv.gz; do inputs+=(--input "$one"); done
    "$bin/sensors-sim" real --seed "$1" --each 30 --detectors "$detectors_of_air" --out "$folder" "${inputs[@]}"
    "$bin/yiwang" replay --workers 2 --input "$folder/readings.csv" --catalogue "$folder/catalogue" >"$folder/yiwang.jsonl"
}
baselines() { # the city, how many days they learn
    "$bin/sensors-sim" baseline --readings "$out/$1/readings.csv" --learns "$2d" --out "$out/$1"
    if has_forest; then
        "$forest/bin/python" tests/planted/forest.py "$out/$1/readings.csv" "$out/$1/forest.jsonl" "$2"
    fi
}
# Everything that was said of cities.
table() {
    judged "**yiwang**" yiwang details "$@"
    [ "${BASELINES-}" = no ] || { echo && judged x yiwang header "$@" && judged "**yiwang**" yiwang row "$@" && others row "$@"; }
}
# What a judge said of cities: its name, its file, what to show, the cities…
judged() {
    name=$1 file=$2 show=$3
    shift 3
    pairs=()
    for one in "$@"; do pairs+=(--truth "$out/$one/truth.csv" --episodes "$out/$one/$file.jsonl"); done
    "$bin/sensors-sim" judge --kinds "$kinds" --name "$name" --show "$show" "${pairs[@]}"
}
others() { # what to show, as rows; the cities…
    shown=$1
    shift
    for method in sigma ewma forest; do
        [ -f "$out/$1/$method.jsonl" ] || continue
        judged "$method" "$method" "$shown" "$@"
    done
}

cities=() sizes=()
for seed in $seeds; do
    city "seed-$seed" "$seed" 1
    cities+=("seed-$seed")
    [ "${BASELINES-}" = no ] || baselines "seed-$seed" 7
    [ "${SIZES-}" = no ] && continue
    city "sizes-$seed" "$((seed + 1000))" 0.25,0.5,1,2,4
    sizes+=("sizes-$seed")
    [ "${BASELINES-}" = no ] || baselines "sizes-$seed" 7
done
echo "$(date -u +%F), commit $(git rev-parse --short HEAD); seeds $seeds, $series series, $days days, $each faults of each kind; $detectors."
echo
table "${cities[@]}"
[ ${#sizes[@]} -eq 0 ] || { echo && judged x yiwang sizes-header "${sizes[@]}" && judged "**yiwang**" yiwang sizes "${sizes[@]}" && others sizes "${sizes[@]}"; }
if [ "${REAL-}" = no ]; then exit; fi
echo
if [ ! -d ../shared/data/beijing-air ]; then
    echo "skipped: there is no ../shared beside the checkout, which has the air of Beijing"
    exit
fi
real "${seeds%% *}"
[ "${BASELINES-}" = no ] || baselines real 28
echo "Real air of Beijing, 2014-03-01 and a year, 30 faults of each kind by seed ${seeds%% *}:"
echo
table real
