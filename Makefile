# `make run` and `make test` install what a machine lacks (`make setup`); the other targets say what they need.
SHELL := /bin/bash
CONFIG ?= config/gateway.yaml
FUZZ_SECONDS ?= 60
SOAK_REQUESTS ?= 5000000
BENCH_OPTIONS ?=
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: run test moto functions setup check fmt clippy doc beside benches advisories independent bench microbench yardstick fuzz soak proof

run: setup functions
	cargo build --release --locked
	target/release/headgate run --config $(CONFIG)

# The compiled function of the samples.
functions: setup
	cargo build --release --locked --example function
	cp target/release/examples/function functions/compiled/bootstrap

test: setup
	cargo test --locked

setup:
	@./.ci/setup

# What CI checks besides the tests.

check: fmt clippy doc beside benches advisories

fmt:
	cargo fmt --check

clippy:
	cargo clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

# What has workspaces of its own still compiles; the fuzzer's library is not needed for that.
beside:
	cp Cargo.lock tests/fuzz/Cargo.lock
	CUSTOM_LIBFUZZER_PATH=/nowhere/libfuzzer.a cargo check --target-dir target --manifest-path tests/fuzz/Cargo.toml
	cargo check --target-dir target --manifest-path benches/load/pingora-raw/Cargo.toml

# Every measured part once, so that what is measured still works.
benches:
	cargo test --locked --bench '*'

# Licences, bans and sources are held by tests/dependencies.rs too; known vulnerabilities need a database that is fetched.
advisories:
	@if ! cargo deny --version >/dev/null 2>&1; then echo "NOT CHECKED: cargo-deny is not installed (cargo install cargo-deny --locked)"; \
	elif ! cargo deny fetch db; then echo "NOT CHECKED: the advisory database cannot be fetched"; cargo deny --offline check licenses bans sources; \
	else cargo deny check; fi

# Tokens and signatures that other libraries and the AWS CLI make, in an environment that this makes. Needs python3.
independent:
	cargo build --locked
	python3 -m venv target/independent
	target/independent/bin/pip install -q -r tests/independent/requirements.txt
	target/independent/bin/python tests/independent/run.py target/debug/headgate

# Whole gateways side by side, about four minutes: needs python3, wrk, nginx and openssl; HAProxy and Envoy take part where they are.
# `make bench BENCH_OPTIONS="--scenarios S1 --rounds 15"`
bench: yardstick
	cargo build --release --locked
	benches/load/bench.py $(BENCH_OPTIONS)

yardstick:
	cargo build --release --locked --manifest-path benches/load/pingora-raw/Cargo.toml

# Parts of the gateway alone (criterion).
microbench:
	cargo bench --locked

# Every fuzz target for FUZZ_SECONDS: needs a C++ compiler.
fuzz:
	tests/fuzz/run $(FUZZ_SECONDS)

# Calls of AWS's services against an implementation of them that is not ours (moto, from PyPI): needs python3 with its venv.
moto: setup
	cargo build --locked
	test -x target/moto/bin/python || python3 -m venv target/moto
	target/moto/bin/pip install --quiet 'moto[server]==5.2.5' 'boto3==1.44.8'
	target/moto/bin/python tests/moto/run.py target/debug/headgate

# SOAK_REQUESTS mixed requests at a release build on loopback, with its memory and descriptors.
soak:
	SOAK_REQUESTS=$(SOAK_REQUESTS) cargo test --release --locked --test soak -- --ignored --nocapture

# Everything that the project can prove about itself, each with its figure; RUNNERS names a folder of suites that are kept elsewhere.
proof:
	@./.ci/proof
