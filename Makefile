# Everything that a machine needs for `make run` and `make test` is installed by `make setup`, which both call.
SHELL := /bin/bash
CONFIG ?= config/gateway.yaml
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: run test functions setup check fmt clippy doc

run: setup functions
	cargo build --release --locked
	target/release/headgate run --config $(CONFIG)

# The compiled function of the samples.
functions: setup
	cargo build --release --locked --example function
	cp target/release/examples/function functions/compiled/bootstrap

test: setup
	cargo test --locked

check: fmt clippy doc

fmt:
	cargo fmt --check

clippy:
	cargo clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

setup:
	@./.ci/setup
