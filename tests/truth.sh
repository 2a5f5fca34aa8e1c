#!/usr/bin/env bash
# Real data with known truth, judged by `yiwang replay`: labelled river sensors beside three textbook methods, figures of cities, slips of
# projects, trends of water. Prints the tables of DETECTION.md; tests/truth/*.py say what is counted.
#
# PARTS      which of rivers, economy, projects, trend (all)
# RIVERS     a folder with other river stations, logan-river-*.csv.gz and queensland-*.csv.gz
# PROGRAM    a `yiwang` that is built already
# KEEP=folder   keeps all files there
set -eu
cd "$(dirname "$0")/.."
parts=${PARTS:-rivers economy projects trend}
if [ ! -d ../shared/data ]; then
    echo "skipped: there is no ../shared beside the checkout, which has the data"
    exit 0
fi
yiwang=${PROGRAM:-${CARGO_TARGET_DIR:-target}/release/yiwang}
[ -n "${PROGRAM-}" ] || cargo build --release --locked --quiet -p yiwang
tools=${CARGO_TARGET_DIR:-target}/tools/truth
wanted=$(cksum <tests/truth/requirements.txt)
if [ "$(cat "$tools/installed" 2>/dev/null)" != "$wanted" ]; then
    # `vus` wants TensorFlow for what is not used of it
    if ! { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet --disable-pip-version-check -r tests/truth/requirements.txt &&
        "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps vus==0.0.6; } >/dev/null 2>&1; then
        echo "skipped: tests/truth/requirements.txt cannot be had"
        exit 0
    fi
    echo "$wanted" >"$tools/installed"
fi
if [ -n "${KEEP-}" ]; then
    out=$KEEP
    mkdir -p "$out"
else
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
fi
python() { PYTHONDONTWRITEBYTECODE=1 "$tools/bin/python" "$@"; }
replay() { # the part, its catalogue, where to
    "$yiwang" replay --workers 2 --input "$out/$1/readings.csv" --catalogue "$out/$1/$2" >"$out/$1/$3.jsonl"
}

echo "$(date -u +%F), commit $(git rev-parse --short HEAD)."
for part in $parts; do
    printf '\n%s\n\n' "$part:"
    python "tests/truth/$part.py" write "$out/$part"
    replay "$part" catalogue yiwang
    if [ "$part" = rivers ]; then
        python tests/truth/volume.py
        replay rivers fits fits
        "$yiwang" score --input "$out/rivers/series" --output "$out/rivers/scores"
    fi
    python "tests/truth/$part.py" table "$out/$part"
done
