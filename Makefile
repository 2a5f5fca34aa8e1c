# What a developer runs. `make test` is all that CI runs.

TOOLS := target/tools
DENY_VERSION := 0.20.2
ADVISORIES := ../shared/data/advisory-db/advisory-db.tar.gz

.PHONY: test check long bench nab planted truth audit install run

## Installs what the tests need, then checks, then tests.
test: install check
	cargo test --workspace --locked --no-fail-fast

## Form, lints, docs, licences.
check: $(TOOLS)/bin/cargo-deny
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items
	$(TOOLS)/bin/cargo-deny --locked check bans licenses sources

## What the tests need from outside; what cannot be had is told, and the stories that need it are skipped.
install: $(TOOLS)/bin/cargo-deny
	bash tests/install.sh

$(TOOLS)/bin/cargo-deny:
	bash tests/tools.sh $(TOOLS) $(DENY_VERSION)

## What is too long for `make test`; writes LONG.md.
long:
	bash tests/long.sh

## The numbers of record; see BENCHMARKS.md.
bench:
	bash tests/bench.sh

## The Numenta Anomaly Benchmark, and how much of the figures is fitted; see DETECTION.md.
nab:
	bash tests/nab.sh fold

## Faults of known size in simulated cities, beside three textbook methods; see docs/planted.md.
planted:
	bash tests/planted.sh

## Real data with known truth: rivers, cities, projects, trends; see DETECTION.md.
truth:
	bash tests/truth.sh

## Known weaknesses of what is built in, by the advisory database beside the project.
audit: $(TOOLS)/bin/cargo-deny
	bash tests/audit.sh $(TOOLS)/bin/cargo-deny $(ADVISORIES)

## The whole city, simulated.
run:
	cargo run --release -- up --simulate
