#!/usr/bin/env bash
# Checks advisories with the program $1 against the database in the archive $2, without a network.
set -eu
deny=$(realpath "$1") archive=$2
if [ ! -f "$archive" ]; then
    echo "skipped: no advisory database at $archive"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
db="$work/db/advisory-db-3157b0e258782691"
mkdir -p "$db"
tar xzf "$archive" -C "$db" --strip-components=1
git -C "$db" init --quiet
git -C "$db" add --all
git -C "$db" -c user.name=audit -c user.email=audit@localhost commit --quiet --message snapshot
git -C "$db" rev-parse HEAD >"$db/.git/FETCH_HEAD"
{
    sed '/^\[advisories\]/,$d' deny.toml
    echo '[advisories]'
    echo "db-path = \"$work/db\""
    echo 'maximum-db-staleness = "P10Y"'
    sed '1,/^\[advisories\]/d' deny.toml
} >"$work/deny.toml"
newest=$(grep -rhoE '^date = "[0-9-]+"' "$db/crates" | sort | tail -n 1)
echo "advisories up to the newest of the archive: $newest"
"$deny" --locked --offline --config "$work/deny.toml" check advisories
