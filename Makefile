# `make deps test` is all a newcomer needs; `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
DENY_VERSION := 0.20.2
RUST_VERSION := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | sort | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: deps
deps: ## install what build and tests need and the machine does not have
	@command -v cc >/dev/null || { \
	  command -v apt-get >/dev/null || { echo "error: no C linker (cc); install a C tool chain" >&2; exit 1; }; \
	  apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev; }
	@$(MAKE) --no-print-directory tools-rust
	@[ "$$($(CARGO) deny --version 2>/dev/null)" = "cargo-deny $(DENY_VERSION)" ] || \
	  $(CARGO) install --locked --version $(DENY_VERSION) cargo-deny
	$(CARGO) fetch --locked

.PHONY: tools-rust
tools-rust:
	@command -v $(CARGO) >/dev/null || { \
	  echo "error: no cargo; install Rust $(RUST_VERSION) or newer from https://rustup.rs" >&2; exit 1; }
	@have=$$(rustc --version | cut -d' ' -f2); \
	  oldest=$$(printf '%s\n%s\n' "$$have" "$(RUST_VERSION)" | sort -V | head -n 1); \
	  [ "$$oldest" = "$(RUST_VERSION)" ] || { \
	  echo "error: Rust $$have is too old; install $(RUST_VERSION) or newer, for example with rustup update" >&2; exit 1; }

.PHONY: test
test: tools-rust ## run all tests
	$(CARGO) test --workspace --locked

.PHONY: lint
lint: tools-rust ## check format and run clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: licences
licences: ## check the licences and sources of all dependencies
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "error: cargo-deny is missing; run make deps" >&2; exit 1; }
	$(CARGO) deny --locked check --hide-inclusion-graph licenses bans sources

.PHONY: bench
bench: tools-rust ## measure the core and the reading of files
	$(CARGO) bench --workspace --locked

.PHONY: docs
docs: tools-rust ## write the generated pages of docs/ anew
	CLBMIGRATE_UPDATE=1 $(CARGO) test --locked -p kubectl-clbmigrate --test docs
